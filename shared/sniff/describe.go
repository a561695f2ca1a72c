package sniff

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"unicode/utf8"
)

// described is how many bytes recognise is given: enough to see past a byte order mark, blanks and a comment.
const described = 1032

// likeness is what bytes seem to be, in words for the uploader. No decision rests on it.
type likeness struct {
	at        int    // where in a file the bytes are
	bytes     string // how it is told from other things; text is in lower case
	is        string // with its article
	todo      string // what the uploader can do about it; "": export it as what the name says
	extension string // of a type that there is a checker for; where the kind does not take it, todo is the advice
}

// What an uploader can do about a file that is not what its name says. It is written for pictures: advice puts the noun
// of what the name says in their place.
const (
	exportPhoto = "export it as JPEG or PNG and upload that"
	changePhone = exportPhoto + ", or let the phone take JPEGs (iPhone: Settings, Camera, Formats, Most Compatible)"
	exportPage  = "export its page as JPEG or PNG and upload that"
	exportPNG   = "export it as PNG and upload that"
	takeStill   = "upload a still picture, such as a screenshot of the video"
	takePicture = "upload a picture in its place"
	unpack      = "unpack it and upload the picture that is in it"
	chooseOther = "choose the picture itself and upload that"
	sendBytes   = "send the bytes themselves"
	saveAgain   = "it may be a login or error page in place of the picture, so save the picture itself and upload that"
	readMessage = "it may be a server's error message saved in place of the picture, so get the picture and upload that"
)

// advice is what to do about a file that is named as one of this type and looks like l.
func (w *walker) advice(l likeness) string {
	export := "export the " + w.Noun + " as " + w.Name
	if taken := w.taken(l.extension); taken != "" {
		return "rename the file so that it ends in ." + taken + ", or " + export + ", and upload that"
	}
	if l.todo == unpack && w.Noun == "archive" {
		return "unpack it, pack its files as ZIP and upload that"
	}
	switch l.todo {
	case exportPhoto, changePhone, exportPage, exportPNG, takeStill, takePicture:
		if w.Noun == "picture" {
			return l.todo
		}
	case "":
	default:
		return strings.ReplaceAll(l.todo, "picture", w.Noun)
	}
	return export + " and upload that"
}

// taken gives the extension under which the kind takes files of the type that an extension names, "" if it takes none.
func (w *walker) taken(extension string) string {
	t, known := TypeOf(extension)
	all := w.limits.Extensions
	if !known || len(all) == 0 {
		return extension
	}
	if i := slices.IndexFunc(all, func(e string) bool { return slices.Contains(t.Extensions, e) }); i >= 0 {
		return all[i]
	}
	return ""
}

// in reports whether text has the bytes anywhere. Two or three stand in any data, by chance.
func (l likeness) in(text string) bool { return len(l.bytes) > 3 && strings.Contains(text, l.bytes) }

// trimmed is head without a byte order mark and the blanks at its beginning.
func trimmed(head []byte) []byte {
	return bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n\f")
}

// recognise tries its patterns in a fixed order, so one input always gets one answer.
func recognise(head []byte) likeness {
	if l, ok := signed(head); ok {
		return l
	}
	text := strings.ToLower(string(trimmed(head)))
	for _, l := range markup() {
		if strings.HasPrefix(text, l.bytes) || strings.HasPrefix(text, "<") && l.in(text) {
			return l
		}
	}
	switch {
	case strings.HasPrefix(text, "--") && strings.Contains(text, "content-disposition: form-data"):
		return likeness{is: "a whole form (multipart/form-data) with the file inside",
			todo: "send the bytes of the picture alone, or the form with its own Content-Type"}
	case isText(head) && strings.Contains(text, ";base64,"), isBase64(trimmed(head)):
		return likeness{is: "text in base64", todo: sendBytes}
	}
	for _, l := range markup() {
		if l.in(text) {
			l.is = "data that contains " + l.is
			return l
		}
	}
	switch {
	case len(head) == 0:
		return likeness{is: "nothing"}
	case bytes.Count(head, []byte{0}) == len(head):
		return likeness{is: "zero bytes", todo: "the file was damaged when it was stored or sent, so get the picture " +
			"again and upload that"}
	case isText(head) && isMarkup(text):
		return likeness{is: "text that begins as an HTML page", todo: saveAgain}
	case isText(head) && strings.IndexAny(text, "{[") == 0:
		return likeness{is: "JSON text", todo: readMessage}
	case isText(head):
		return likeness{is: "plain text", todo: chooseOther}
	}
	return likeness{is: "data of an unknown kind"}
}

// signed finds the signature with which head begins.
func signed(head []byte) (likeness, bool) {
	switch {
	case len(brands(head)) == 0:
	case isAVIF(head):
		return likeness{is: "an AVIF picture", todo: exportPhoto, extension: "avif"}, true
	case isHEIC(head):
		return likeness{is: "a HEIC picture", todo: changePhone, extension: "heic"}, true
	case isMOV(head):
		return likeness{is: "a QuickTime video", todo: takeStill, extension: "mov"}, true
	case isM4AItself(head):
		return likeness{is: "an M4A sound", todo: takePicture, extension: "m4a"}, true
	case isMP4(head):
		return likeness{is: "an MP4 video", todo: takeStill, extension: "mp4"}, true
	}
	for _, l := range beginnings() {
		if len(head) >= l.at && bytes.HasPrefix(head[l.at:], []byte(l.bytes)) {
			return l, true
		}
	}
	// Two letters are a weak signature: the length of a header has to follow.
	if len(head) >= 18 && string(head[:2]) == "BM" && le32(head[14:]) >= 12 && le32(head[14:]) <= 124 {
		return likeness{is: "a BMP picture", extension: "bmp"}, true
	}
	return likeness{}, false
}

// beginnings are binary signatures, the longer and surer ones before the short ones.
func beginnings() []likeness {
	return []likeness{
		{0, pngSignature, "a PNG picture", "", "png"},
		{0, "GIF87a", "a GIF picture", "", "gif"},
		{0, "GIF89a", "a GIF picture", "", "gif"},
		{0, "\xff\xd8\xff", "a JPEG picture", "", "jpg"},
		// What becomes of bytes that a program takes for UTF-8, or for Latin-1, and writes as UTF-8.
		{0, "\xef\xbf\xbdPNG", "a picture that was changed into text", sendBytes, ""},
		{0, "\xc2\x89PNG", "a picture that was changed into text", sendBytes, ""},
		{0, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", "a picture that was changed into text", sendBytes, ""},
		{0, "\xc3\xbf\xc3\x98\xc3\xbf", "a picture that was changed into text", sendBytes, ""},
		{8, "WEBPVP8", "a WebP picture", exportPhoto, "webp"},
		{0, "RF64", "a WAV sound in its form for more than 4 GB (RF64)", takePicture, ""},
		{0, "RIFX", "a WAV sound in a form of old Macs (RIFX)", takePicture, ""},
		{8, "WAVE", "a WAV sound", takePicture, "wav"},
		{0, "ID3\x02\x00", "an MP3 sound", takePicture, ""},
		{0, "ID3\x03\x00", "an MP3 sound", takePicture, ""},
		{0, "ID3\x04\x00", "an MP3 sound", takePicture, ""},
		{0, "fLaC\x00", "a FLAC sound", takePicture, ""},
		{0, "OggS\x00", "an Ogg sound or video", takePicture, ""},
		{0, "#!AMR", "an AMR sound", takePicture, ""},
		{0, "\xff\xfb", "an MP3 sound", takePicture, ""},
		{0, "\xff\xf1", "an AAC sound without its container", takePicture, ""},
		{0, "\xff\xf9", "an AAC sound without its container", takePicture, ""},
		{0, "caff\x00", "a Core Audio sound (CAF)", takePicture, ""},
		{8, "AIFF", "an AIFF sound", takePicture, ""},
		{8, "AIFC", "an AIFF sound", takePicture, ""},
		{8, "AVI LIST", "an AVI video", takeStill, ""},
		{4, "ftypcrx ", "a camera's raw picture", exportPhoto, ""},
		{4, "ftyp", "a kind of MP4 video", takeStill, ""},
		{4, "moov", "a QuickTime video", takeStill, "mov"},
		{4, "mdat", "a QuickTime video", takeStill, "mov"},
		{0, "\x1aE\xdf\xa3", "a WebM or Matroska video", takeStill, ""},
		{0, "\x00\x00\x00\x0cjP  \r\n\x87\n", "a JPEG 2000 picture", exportPhoto, ""},
		{0, "\x00\x00\x00\x0cJXL \r\n\x87\n", "a JPEG XL picture", exportPhoto, ""},
		{0, "\xff\x0a", "a JPEG XL picture", exportPhoto, ""},
		{0, "FUJIFILMCCD-RAW", "a camera's raw picture", exportPhoto, ""},
		{0, "II*\x00", "a TIFF or raw picture", exportPhoto, ""},
		{0, "MM\x00*", "a TIFF or raw picture", exportPhoto, ""},
		{0, "8BPS", "a Photoshop document", exportPhoto, ""},
		{0, "gimp xcf", "a GIMP picture", exportPhoto, ""},
		{0, "\x00\x00\x01\x00", "a Windows icon", exportPNG, ""},
		{0, "\x28\x00\x00\x00", "a bitmap without its file header", exportPNG, ""},
		{0, pdfHeader, "a PDF document", exportPage, "pdf"},
		{0, "%!PS", "a PostScript document", exportPage, ""},
		{0, "{\\rtf", "an RTF document", exportPage, ""},
		{30, "[Content_Types].xml", "an Office document", exportPage, ""},
		{30, "Index/Document.iwa", "a Pages, Numbers or Keynote document", exportPage, ""},
		{30, "mimetypeapplication/vnd.oasis", "an OpenDocument document", exportPage, ""},
		{0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document, or one with a password", exportPage, ""},
		{0, zipLocal, "a ZIP archive", unpack, "zip"},
		{0, zipEnd, "a ZIP archive", unpack, "zip"},
		{0, "Rar!\x1a\x07", "a RAR archive", unpack, ""},
		{0, "7z\xbc\xaf\x27\x1c", "a 7-Zip archive", unpack, ""},
		{0, "\x1f\x8b\x08", "a gzip file", unpack, ""},
		{0, "BZh91AY&SY", "a bzip2 file", unpack, ""},
		{0, "\xfd7zXZ\x00", "an xz file", unpack, ""},
		{257, "ustar\x00", "a tar archive", unpack, ""},
		{257, "ustar  \x00", "a tar archive", unpack, ""},
		{0, "\x00\x05\x16\x07", "a file that a Mac writes beside another", "upload the picture whose name lacks the " +
			"dot and underscore (._) at its beginning", ""},
		{0, "L\x00\x00\x00\x01\x14\x02\x00", "a Windows shortcut", "upload the picture that it points to", ""},
		{0, "version https://git-lfs", "a Git LFS pointer", "get the picture with git lfs pull and upload that", ""},
		{0, "\x7fELF", "a Linux program", chooseOther, ""},
		{0, "MZ", "a Windows program", chooseOther, ""},
	}
}

// markup is text that a browser, a server or a shell may run; in lower case, blanks before it do not count. Of a text
// that begins with "<", it may stand anywhere, so what is surer comes first.
func markup() []likeness {
	return []likeness{
		{0, "<?php", "a PHP script", chooseOther, ""},
		{0, "<?=", "a PHP script", chooseOther, ""},
		{0, "#!", "a script", chooseOther, ""},
		{0, "<!doctype html", "an HTML page", saveAgain, ""},
		{0, "<html", "an HTML page", saveAgain, ""},
		{0, "<svg", "an SVG drawing", exportPNG, ""},
		{0, "<script", "an HTML page with a script", saveAgain, ""},
		{0, "<?xml", "an XML document", readMessage, ""},
	}
}

// isBase64 reports whether all of b is written in base64, and what is written is known, as pictures are.
func isBase64(b []byte) bool {
	first := make([]byte, 0, 64)
	for _, c := range bytes.Trim(b, "\"'\r\n") {
		letter := isLetter(c) || isDigit(c) || strings.IndexByte("+/-_=", c) >= 0
		if !letter && c != '\r' && c != '\n' {
			return false
		}
		if letter && len(first) < cap(first) {
			first = append(first, c)
		}
	}
	// Both alphabets, which differ in two letters, are read as the first.
	plain := strings.NewReplacer("-", "+", "_", "/", "=", "").Replace(string(first))
	decoded, _ := base64.RawStdEncoding.DecodeString(plain) // as far as it goes
	_, known := signed(decoded)
	return known
}

// isText reports whether head could be UTF-8 text; its last rune may be cut.
func isText(head []byte) bool {
	for len(head) > 0 {
		r, n := utf8.DecodeRune(head)
		if r == utf8.RuneError && n == 1 {
			return !utf8.FullRune(head)
		}
		if r < utf8.RuneSelf && isControl(byte(r)) {
			return false
		}
		head = head[n:]
	}
	return true
}

// mangledPNG reports whether head is PNG's signature after a transfer as text, for which its line ends are there.
func mangledPNG(head []byte) bool {
	changed := []string{"\x89PNG\n\x1a\n", "\x89PNG\r\x1a\r", "\x89PNG\r\n\x1a\r\n",
		"\x89PNG\r\r\n\x1a\r\n", "\x09PNG\r\n\x1a\n"}
	return slices.ContainsFunc(changed, func(s string) bool { return bytes.HasPrefix(head, []byte(s)) })
}
