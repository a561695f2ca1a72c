package sniff_test

import (
	"bytes"
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"

	"hatchery/shared/sniff"
)

// message checks data and returns the sentence of the refusal.
func message(t testing.TB, data []byte, extension string) string {
	t.Helper()
	_, err := sniff.Check(t.Context(), bytes.NewReader(data), extension, everything())
	if err == nil {
		t.Fatal("allowed")
	}
	return err.Error()
}

func TestAFileThatIsNoPictureOfItsKindIsCalledByItsName(t *testing.T) {
	const asPhoto, send = "export it as JPEG or PNG and upload that", "send the bytes themselves"
	jpeg := named(t, "genuine/go.jpg")
	for _, test := range []struct{ head, is, todo string }{
		{"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "a HEIC picture", "ends in .heic, or export"},
		{"\x00\x00\x00\x18ftypheix\x00\x00\x00\x00", "a HEIC picture", "ends in .heic, or"},
		{"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00", "a HEIC picture", "ends in .heic, or"},
		{"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00", "an AVIF picture", "ends in .avif, or"},
		{"\x00\x00\x00\x18ftypcrx \x00\x00\x00\x01", "a camera's raw picture", asPhoto},
		{"FUJIFILMCCD-RAW 0201", "a camera's raw picture", asPhoto},
		{"RIFF\x24\x00\x00\x00WEBPVP8 ", "a WebP picture", "rename the file so that it ends in .webp"},
		{"\xff\xfb\x90\x44", "an MP3 sound", "in its place"},
		{"\xff\xf1\x50\x80", "an AAC sound without its container", "in its place"},
		{"\xff\xf9\x50\x80", "an AAC sound without its container", "in its place"},
		{"caff\x00\x01\x00\x00", "a Core Audio sound (CAF)", "in its place"},
		{"FORM\x00\x00\x10\x00AIFFCOMM", "an AIFF sound", "in its place"},
		{"FORM\x00\x00\x10\x00AIFCFVER", "an AIFF sound", "in its place"},
		{"RIFF\x24\x00\x00\x00AVI LIST", "an AVI video", "a still picture"},
		{"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00", "an MP4 video", "ends in .mp4, or export"},
		{"\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00", "a QuickTime video", "ends in .mov, or"},
		{"\x00\x00\x10\x00moov\x00\x00\x00\x6cmvhd", "a QuickTime video", "ends in .mov, or"},
		{"\x1aE\xdf\xa3\x01\x00\x00\x00", "a WebM or Matroska video", "a still picture"},
		{"II*\x00\x08\x00\x00\x00", "a TIFF or raw picture", asPhoto},
		{"MM\x00*\x00\x00\x00\x08", "a TIFF or raw picture", asPhoto},
		{"\x00\x00\x00\x0cJXL \r\n\x87\n", "a JPEG XL picture", asPhoto},
		{"\xff\x0a\x7f\x00", "a JPEG XL picture", asPhoto},
		{"8BPS\x00\x01", "a Photoshop document", asPhoto},
		{"gimp xcf v011\x00", "a GIMP picture", asPhoto},
		{"\x00\x00\x01\x00\x01\x00\x20\x20", "a Windows icon", "export it as PNG"},
		{"\x28\x00\x00\x00\x09\x00\x00\x00", "a bitmap without its file header", "export it as PNG"},
		{"%PDF-1.7\n", "a PDF document", "ends in .pdf"},
		{"PK\x03\x04" + strings.Repeat("\x00", 26) + "[Content_Types].xml", "an Office document", "export its page"},
		{"PK\x03\x04" + strings.Repeat("\x00", 26) + "mimetypeapplication/vnd.oasis.opendocument.text",
			"an OpenDocument document", "export its page"},
		{"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00", "an old Office document", "export its page"},
		{"PK\x03\x04" + strings.Repeat("\x00", 26) + "cat.png", "a ZIP archive", "ends in .zip"},
		{"{\\rtf1\\ansi A letter}", "an RTF document", "export its page"},
		{"<p>Nothing is here", "text that begins as an HTML page", "login or error page"},
		{"Rar!\x1a\x07\x01\x00", "a RAR archive", "unpack it"},
		{"\x1f\x8b\x08\x00", "a gzip file", "unpack it"},
		{"BZh91AY&SY\x12\x34", "a bzip2 file", "unpack it"},
		{"\xfd7zXZ\x00\x00\x04", "an xz file", "unpack it"},
		{"7z\xbc\xaf\x27\x1c\x00\x04", "a 7-Zip archive", "unpack it"},
		{"notes.txt" + strings.Repeat("\x00", 248) + "ustar\x0000", "a tar archive", "unpack it"},
		{"notes.txt" + strings.Repeat("\x00", 248) + "ustar  \x00root", "a tar archive", "unpack it"},
		{"ID3\x02\x00\x00\x00", "an MP3 sound", "upload a picture in its place"},
		{"ID3\x03\x00\x00\x00", "an MP3 sound", "in its place"},
		{"ID3\x04\x00\x40\x00", "an MP3 sound", "in its place"},
		{"fLaC\x00\x00\x00\x22", "a FLAC sound", "in its place"},
		{"OggS\x00\x02\x00\x00", "an Ogg sound or video", "in its place"},
		{"#!AMR\n\x3c\x0a", "an AMR sound", "in its place"},
		{"RF64\xff\xff\xff\xffWAVE", "a WAV sound in its form for more than 4 GB", "in its place"},
		{"PK\x03\x04" + strings.Repeat("\x00", 26) + "Index/Document.iwa", "a Pages, Numbers or Keynote document",
			"export its page"},
		{"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X", "a file that a Mac writes beside another", "(._)"},
		{"L\x00\x00\x00\x01\x14\x02\x00", "a Windows shortcut", "the picture that it points to"},
		{"version https://git-lfs.github.com/spec/v1\noid sha256:00", "a Git LFS pointer", "git lfs pull"},
		{"<!DOCTYPE html><html><title>Sign in</title>", "an HTML page", "login or error page"},
		{"<!-- saved --><HTML>", "an HTML page", "login or error page"},
		{"<svg xmlns='http://www.w3.org/2000/svg'>", "an SVG drawing", "export it as PNG"},
		{"<?xml version='1.0'?>\n<!-- Inkscape -->\n<svg>", "an SVG drawing", "export it as PNG"},
		{"<?xml version='1.0'?><Error><Code>AccessDenied</Code>", "an XML document", "a server's error message"},
		{`{"error":"not found"}`, "JSON text", "a server's error message"},
		{"hello", "plain text", "choose the picture itself"},
		{"BMW is no bitmap, whatever its first letters say", "plain text", "choose the picture itself"},
		{"#!/bin/sh\n", "a script", "choose the picture itself"},
		{strings.Repeat("\x00", 600), "zero bytes", "get the picture again"},
		{"\x87\x12\x99", "data of an unknown kind", "export the picture as GIF"},
		{string(jpeg), "a JPEG picture", "rename the file so that it ends in .jpg, or export the picture as GIF"},
		{string(named(t, "genuine/sdl.bmp")), "a BMP picture", "ends in .bmp"},
		{string(named(t, "genuine/go-nrgba.png")), "a PNG picture", "ends in .png"},
		{base64.StdEncoding.EncodeToString(named(t, "genuine/sdl.bmp")), "text in base64", send},
		{base64.URLEncoding.EncodeToString(jpeg), "text in base64", send},
		{`"` + base64.StdEncoding.EncodeToString(jpeg[:90]) + "\"\r\n", "text in base64", send},
		{"data:image/png;base64,iVBORw0KGgo", "text in base64", send},
		{`{"name":"cat","image":"data:image/jpeg;base64,/9j/`, "text in base64", send},
		{"\xef\xbf\xbdPNG\r\n", "a picture that was changed into text", send},
		{"\xc3\xbf\xc3\x98\xc3\xbf\xc3\xa0", "a picture that was changed into text", send},
		{"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"cat.gif\"\r\n\r\nGIF89a",
			"a whole form (multipart/form-data)", "the bytes of the picture alone"},
	} {
		m := message(t, []byte(test.head), "gif")
		if !strings.HasPrefix(m, "type_mismatch: The name says that this is a GIF picture, but the file looks like "+test.is) ||
			!strings.Contains(m, test.todo) {
			t.Errorf("%.40q: %s\nwant %q, %q", test.head, m, test.is, test.todo)
		}
		if !clean(strings.TrimPrefix(m, "type_mismatch: ")) {
			t.Errorf("%.40q: %q", test.head, m)
		}
	}
}

func TestWordsInBase64AreNoPicture(t *testing.T) {
	for _, text := range []string{"TWFueSBoYW5kcyBtYWtlIGxpZ2h0IHdvcms", "Qk0", "hello", "iVBORw0KGgo and more words"} {
		if m := message(t, []byte(text), "gif"); !strings.Contains(m, "plain text") {
			t.Errorf("%q: %s", text, m)
		}
	}
}

// The two bytes of a script's first line stand in any data, by chance.
func TestOnlyWhatBeginsAsAScriptIsCalledOne(t *testing.T) {
	for rest, want := range map[string]bool{
		"#!/bin/sh": true, "\x99\x87#!\x88": false, "<\x99\x87#!\x88": false, "\x99\x87<?=\x88": false,
	} {
		m := message(t, append(bytes.Clone(named(t, "genuine/go.gif")), rest...), "gif")
		if strings.Contains(m, "script") != want {
			t.Errorf("%q behind a picture: %s", rest, m)
		}
	}
}

// Who drew a picture does not know the parts of its format by their abbreviations.
func TestPartsOfAPictureAreCalledByWords(t *testing.T) {
	for file, want := range map[string]string{
		"bad-crc.png": "a block of its pixels (IDAT) does not match its checksum", "long-ihdr.png": "its header (IHDR) cannot be",
		"bad-crc-text.png": "a text (tEXt) does not match", "late-plte.png": "its palette (PLTE) stands where it may not be",
		"apple.png":             "the form that Apple's tools give to the pictures of an app (CgBI, at byte 8)",
		"late-ihdr.png":         "a text (tEXt) stands where its header (IHDR) must be",
		"chunk-critical.png":    "a block of further data (EVIL) is marked as necessary, and viewers do not know it",
		"apng-two-controls.png": "the header of an animation's frame (fcTL)", "apng-sequence.png": "in place of",
		"as-text.png":           "send it as binary data, not as text",
		"control-length.gif":    "the control block of a frame (graphic control extension) begins with 5 bytes in place of 4",
		"plain-text-length.gif": "a text (plain text extension) begins with 5 bytes in place of 12",
		"block.gif":             "stands where a frame or the end of the picture must begin",
		"jpeg-inside.bmp":       "stored in a way that viewers do not show", "rle-wide.bmp": "a run of pixels leads outside",
		"empty.gif": "The file is empty (0 bytes)",
	} {
		m := message(t, named(t, "refused/"+file), strings.TrimPrefix(filepath.Ext(file), "."))
		if !strings.Contains(m, want) || strings.Contains(m, "chunk ") || strings.Contains(m, "label 0x") {
			t.Errorf("%s: %s\nwant %q", file, m, want)
		}
	}
}
