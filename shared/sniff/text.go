package sniff

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// The charsets that a policy may take beside UTF-8. Their form alone can be checked.
const (
	charsetUTF16       = "utf-16"
	charsetWindows1252 = "windows-1252"
)

const (
	littleMark = "\xff\xfe"
	bigMark    = "\xfe\xff"
)

// beginsText reports whether head could be text that no browser, server or shell takes for something else: no other
// type begins so, and no HTML, SVG, XML or script.
func beginsText(head []byte) bool {
	if order := markOf(head); order != nil {
		head = readable(head[2:], order)
	}
	if l, ok := signed(head); ok && len(l.bytes) > 3 || beginsPDF(head) {
		return false
	}
	return !slices.ContainsFunc(head, isControl) && !isMarkup(strings.ToLower(string(trimmed(head))))
}

// isMarkup reports whether a text, in lower case, begins as what is run: the beginnings by which browsers tell HTML
// (https://mimesniff.spec.whatwg.org/#identifying-a-resource-with-an-unknown-mime-type), and those of markup.
func isMarkup(text string) bool {
	for _, l := range markup() {
		if strings.HasPrefix(text, l.bytes) {
			return true
		}
	}
	for _, tag := range []string{"!doctype html", "html", "head", "script", "iframe", "h1", "div", "font", "table", "a",
		"style", "title", "b", "body", "br", "p", "img", "object", "embed", "form", "link", "meta"} {
		rest, ok := strings.CutPrefix(text, "<"+tag)
		if ok && (rest == "" || strings.IndexByte(" \t\r\n\f/>", rest[0]) >= 0) {
			return true
		}
	}
	return strings.HasPrefix(text, "<!--")
}

// isControl reports whether a byte is a control character that texts do not have: all but tab, line ends and form feed.
func isControl(c byte) bool {
	return c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f' || c == 0x7f
}

// markOf gives the byte order of UTF-16 by its mark, nil where there is none.
func markOf(head []byte) binary.ByteOrder {
	switch {
	case bytes.HasPrefix(head, []byte(littleMark)):
		return binary.LittleEndian
	case bytes.HasPrefix(head, []byte(bigMark)):
		return binary.BigEndian
	}
	return nil
}

// readable gives the beginning of a text in UTF-16 as UTF-8.
func readable(b []byte, order binary.ByteOrder) []byte {
	var units []uint16
	for ; len(b) >= 2; b = b[2:] {
		units = append(units, order.Uint16(b))
	}
	return []byte(string(utf16.Decode(units)))
}

// text walks over a text to its end: UTF-8, with or without a byte order mark, or a charset that the limits take.
func (w *walker) text() error {
	head, err := w.peek(2)
	if err != nil {
		return err
	}
	order := markOf(head)
	switch {
	case order == nil:
		return w.plain()
	case !slices.Contains(w.limits.Charsets, charsetUTF16):
		return refusef(Corrupt, "The %s is in UTF-16, and UTF-8 is needed; save it again as UTF-8 (Excel: CSV UTF-8; "+
			"Notepad: Encoding, UTF-8) and upload that.", w.called())
	}
	w.charset(charsetUTF16)
	return w.utf16(order)
}

// charset puts the charset that was found into the content type.
func (w *walker) charset(name string) {
	kind, _, _ := strings.Cut(w.ContentType, ";")
	w.found.ContentType = kind + "; charset=" + name
}

// plain walks over UTF-8, and where the limits take that, over what is Windows-1252 from the first byte on that is not.
func (w *walker) plain() error {
	for legacy := false; ; {
		b, err := w.peek(blockSize)
		if err != nil || len(b) == 0 {
			return err
		}
		for n := 0; n < len(b); {
			c := b[n]
			switch {
			case c >= ' ' && c < 0x7f:
				n = skipASCII(b, n)
				continue
			case isControl(c):
				return w.corrupt(w.offset()+int64(n), "a control character (0x%02x) stands there, which texts do not have", c)
			case c < utf8.RuneSelf || legacy:
				n++
				continue
			}
			if next := skipLetters(b, n); next > n {
				n = next
				continue
			}
			r, length := utf8.DecodeRune(b[n:])
			if r == utf8.RuneError && length == 1 {
				if !utf8.FullRune(b[n:]) && n > 0 {
					b = b[:n] // the rest comes with the next block, or is missing there
					break
				}
				if legacy = slices.Contains(w.limits.Charsets, charsetWindows1252); !legacy {
					return refusef(Corrupt, "The %s is not in UTF-8, seen at byte %d; save it again as UTF-8 (Excel: CSV UTF-8; "+
						"Notepad: Encoding, UTF-8) and upload that.", w.called(), w.offset()+int64(n))
				}
				w.charset(charsetWindows1252)
			}
			n += length
		}
		w.advance(len(b))
	}
}

// skipASCII gives the place of the first byte from n on that is no printing ASCII. It looks at eight bytes at a time.
func skipASCII(b []byte, n int) int {
	const each, high = 0x0101010101010101, 0x8080808080808080
	for ; n+8 <= len(b); n += 8 {
		x := binary.LittleEndian.Uint64(b[n:])
		if (x|(x-' '*each)|(x+each))&high != 0 { // above 0x7f, below a space, or 0x7f
			break
		}
	}
	for n < len(b) && b[n] >= ' ' && b[n] < 0x7f {
		n++
	}
	return n
}

// skipLetters gives the place behind the characters of two to four bytes that begin at n, and the spaces and line ends
// between them: DecodeRune takes several times as long. It stops at what may be none, and at the end of b.
func skipLetters(b []byte, n int) int {
	for n+4 <= len(b) {
		x := binary.LittleEndian.Uint32(b[n:]) // the first byte is the lowest
		switch lead, second, third := x&0xff, x>>8&0xff, x>>16&0xff; {
		case x&0xc0e0c0e0 == 0x80c080c0 && min(lead, third) >= 0xc2: // two of two bytes
			n += 4
		case x&0xc0e0 == 0x80c0 && lead >= 0xc2:
			n += 2
		case x&0xc0c0f0 == 0x8080e0 && (lead > 0xe0 || second >= 0xa0) && (lead != 0xed || second < 0xa0):
			n += 3
		case x&0xc0c0c0f8 == 0x808080f0 && (lead > 0xf0 || second >= 0x90) && lead < 0xf4:
			n += 4
		case lead == ' ', lead == '\n':
			n++
		default:
			return n
		}
	}
	return n
}

// utf16 walks over UTF-16.
func (w *walker) utf16(order binary.ByteOrder) error {
	high := false // the first half of a pair was seen
	for {
		b, err := w.peek(blockSize)
		if err != nil {
			return err
		}
		if len(b) < 2 {
			if len(b) == 1 || high {
				return w.truncated()
			}
			return nil
		}
		b = b[:len(b)&^1]
		for n := 0; n < len(b); n += 2 {
			unit := order.Uint16(b[n:])
			low := unit >= 0xdc00 && unit <= 0xdfff
			if low != high || unit < 0x80 && isControl(byte(unit)) {
				return w.corrupt(w.offset()+int64(n), "what stands there is no text in UTF-16")
			}
			high = unit >= 0xd800 && unit <= 0xdbff
		}
		w.advance(len(b))
	}
}
