package sniff

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// described is how many bytes describe is given: enough to see past a byte order mark, blanks and a comment.
const described = 512

// describe says in words what bytes seem to be, for messages alone: no decision rests on it. It tries its patterns in a
// fixed order, so one input always gets one answer.
func describe(head []byte) string {
	for _, p := range beginnings() {
		if len(head) >= p.at && bytes.HasPrefix(head[p.at:], []byte(p.bytes)) {
			return p.is
		}
	}
	text := strings.ToLower(string(bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n\f")))
	for _, p := range markup() {
		if strings.HasPrefix(text, p.bytes) {
			return p.is
		}
	}
	for _, p := range markup() {
		if strings.Contains(text, p.bytes) {
			return "data that contains " + p.is
		}
	}
	switch {
	case len(head) == 0:
		return "nothing"
	case bytes.Count(head, []byte{0}) == len(head):
		return "zero bytes"
	case isText(head):
		return "plain text"
	}
	return "data of no kind known here"
}

type pattern struct {
	at    int
	bytes string
	is    string
}

// beginnings are binary signatures, the longer and surer ones before the short ones.
func beginnings() []pattern {
	return []pattern{
		{0, pngSignature, "a PNG picture"},
		{0, "GIF87a", "a GIF picture"},
		{0, "GIF89a", "a GIF picture"},
		{0, "\xff\xd8\xff", "a JPEG picture"},
		{8, "WEBPVP8", "a WebP picture"},
		{4, "ftypavif", "an AVIF picture"},
		{4, "ftypavis", "an AVIF picture"},
		{4, "ftyphei", "a HEIC picture"},
		{4, "ftyphev", "a HEIC picture"},
		{4, "ftypmif1", "a HEIC picture"},
		{4, "ftyp", "an MP4 or QuickTime video"},
		{1, "ftyp", "an MP4 or QuickTime video"}, // behind three zeros that were taken for padding
		{0, "\x00\x00\x00\x0cjP  \r\n\x87\n", "a JPEG 2000 picture"},
		{0, "\x00\x00\x00\x0cJXL \r\n\x87\n", "a JPEG XL picture"},
		{0, "\xff\x0a", "a JPEG XL picture"},
		{0, "II*\x00", "a TIFF or raw picture"},
		{0, "MM\x00*", "a TIFF or raw picture"},
		{0, "8BPS", "a Photoshop document"},
		{0, "\x00\x00\x01\x00", "a Windows icon"},
		{0, "%PDF-", "a PDF document"},
		{0, "%!PS", "a PostScript document"},
		{0, "PK\x03\x04", "a ZIP archive"},
		{0, "PK\x05\x06", "a ZIP archive"},
		{0, "Rar!\x1a\x07", "a RAR archive"},
		{0, "7z\xbc\xaf\x27\x1c", "a 7-Zip archive"},
		{0, "\x1f\x8b\x08", "a gzip file"},
		{0, "\x7fELF", "a Linux program"},
		{0, "MZ", "a Windows program"},
		{0, "BM", "a BMP picture"},
	}
}

// markup is text that a browser, a server or a shell may run; in lower case, blanks before it do not count.
func markup() []pattern {
	return []pattern{
		{0, "<?php", "a PHP script"},
		{0, "<?=", "a PHP script"},
		{0, "#!", "a script"},
		{0, "<svg", "an SVG document"},
		{0, "<!doctype html", "an HTML page"},
		{0, "<html", "an HTML page"},
		{0, "<script", "an HTML page with a script"},
		{0, "<?xml", "an XML document"},
	}
}

// isText reports whether head could be UTF-8 text; its last rune may be cut.
func isText(head []byte) bool {
	for len(head) > 0 {
		r, n := utf8.DecodeRune(head)
		if r == utf8.RuneError && n == 1 {
			return !utf8.FullRune(head)
		}
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' && r != '\f' || r == 0x7f {
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
