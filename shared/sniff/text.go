package sniff

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf16"
)

const (
	littleMark = "\xff\xfe"
	bigMark    = "\xfe\xff"
)

const saveAsUTF8 = "save it again as UTF-8 (Excel: CSV UTF-8; Notepad: Encoding, UTF-8) and upload that."

// beginsText reports whether head could be text that no browser, server or shell takes for something else: no other
// type begins so, and no HTML, SVG, XML or script.
func beginsText(head []byte) bool {
	if order := markOf(head); order != nil {
		head = readable(head[2:], order)
	}
	// What is told by a word behind a length has control characters in that length: "fid,ftype" is a table's heading.
	other := func(l likeness) bool {
		return l.at == 0 && len(l.bytes) > 3 && bytes.HasPrefix(head, []byte(l.bytes))
	}
	if slices.ContainsFunc(beginnings(), other) || beginsPDF(head) {
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

// isControl reports whether a byte is a control character that texts do not have: all but tab, line ends, form feed,
// and three that old programs write into tables. FileMaker ends the lines in a cell by 0x0b and parts its values by
// 0x1d. DOS ends a text by 0x1a, and other programs write that for a character that a charset lacks.
func isControl(c byte) bool {
	return c < ' ' && strings.IndexByte("\t\n\v\f\r\x1a\x1d", c) < 0 || c == 0x7f
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
	if order := markOf(head); order != nil {
		return w.utf16(order)
	}
	return w.utf8()
}

// takes reports whether the limits take a charset beside UTF-8, and puts that into the content type.
func (w *walker) takes(charset string) bool {
	if !slices.Contains(w.limits.Charsets, charset) {
		return false
	}
	kind, _, _ := strings.Cut(w.ContentType, ";")
	w.found.ContentType = kind + "; charset=" + charset
	return true
}

// utf8 walks over UTF-8, and where the limits take that, over what is Windows-1252 from the first byte on that is not.
func (w *walker) utf8() error {
	if whole, err := w.follow(utf8Moves()); whole || err != nil {
		return err
	}
	b, err := w.peek(1)
	if err != nil {
		return err
	}
	if len(b) == 0 || !isControl(b[0]) {
		if !w.takes(Windows1252) {
			return refusef(Corrupt, "The %s is not in UTF-8, seen at byte %d; "+saveAsUTF8, w.called(), w.offset())
		}
		if whole, err := w.follow(windows1252Moves()); whole || err != nil {
			return err
		}
		if b, err = w.peek(1); err != nil {
			return err
		}
	}
	return w.corrupt(w.offset(), "a control character (0x%02x) stands there, which texts do not have", b[0])
}

// utf16 walks over UTF-16.
func (w *walker) utf16(order binary.ByteOrder) error {
	if !w.takes(UTF16) {
		return refusef(Corrupt, "The %s is in UTF-16, and UTF-8 is needed; "+saveAsUTF8, w.called())
	}
	whole, err := w.follow(utf16Moves(order))
	if whole || err != nil {
		return err
	}
	switch b, err := w.peek(1); {
	case err != nil:
		return err
	case len(b) == 0:
		return w.truncated()
	}
	return w.corrupt(w.offset(), "what stands there is no text in UTF-16")
}

// follow walks over the characters that moves describe. It reports whether they are all until the end. Else it stands
// at the byte that none leads to, or at an end within a character. A shift-based DFA: a byte costs one shift.
func (w *walker) follow(moves []textMove) (whole bool, err error) {
	var steps [256]textState // the states that a byte leads to, each at the place of the one that it comes from
	for _, m := range moves {
		for c := int(m.first); c <= int(m.last); c++ {
			steps[c] |= m.to << m.from
		}
	}
	for state := between; ; {
		b, err := w.peek(blockSize)
		if err != nil || len(b) == 0 {
			return state&63 == between, err
		}
		before, rest := state, b
		for ; len(rest) >= 4; rest = rest[4:] { // four at a time: what a loop costs beside is as much as a step
			state = steps[rest[0]] >> (state & 63)
			state = steps[rest[1]] >> (state & 63)
			state = steps[rest[2]] >> (state & 63)
			state = steps[rest[3]] >> (state & 63)
		}
		for _, c := range rest {
			state = steps[c] >> (state & 63)
		}
		if state&63 == nowhere {
			n := 0
			for state = steps[b[n]] >> (before & 63); state&63 != nowhere; state = steps[b[n]] >> (state & 63) {
				n++
			}
			w.advance(n)
			return false, nil
		}
		w.advance(len(b))
	}
}

// textMove says that the bytes first to last lead from a state to another.
type textMove struct {
	from        textState
	first, last byte
	to          textState
}

// textState is where in a character a walk over text is: the place of six bits in a word.
type textState uint64

// All but these two are within a character, and mean what a charset's moves make of them.
const (
	nowhere textState = 6 * iota // no text leads there, and nothing leads from there
	between
	within1
	within2
	within3
	within4
	within5
	within6
	within7
)

// asciiMoves leads every byte of ASCII from a state to one of two: that of control characters, or that of all others.
func asciiMoves(from, control, other textState) (moves []textMove) {
	for c := range byte(0x80) {
		to := other
		if isControl(c) {
			to = control
		}
		moves = append(moves, textMove{from, c, c, to})
	}
	return moves
}

// utf8Moves are those of the Unicode Standard, table 3-7.
func utf8Moves() []textMove {
	const oneLeft, twoLeft, threeLeft, e0, ed, f0, f4 = within1, within2, within3, within4, within5, within6, within7
	return append(asciiMoves(between, nowhere, between), []textMove{
		{between, 0xc2, 0xdf, oneLeft}, {oneLeft, 0x80, 0xbf, between},
		{between, 0xe0, 0xe0, e0}, {e0, 0xa0, 0xbf, oneLeft},
		{between, 0xe1, 0xec, twoLeft}, {between, 0xee, 0xef, twoLeft}, {twoLeft, 0x80, 0xbf, oneLeft},
		{between, 0xed, 0xed, ed}, {ed, 0x80, 0x9f, oneLeft},
		{between, 0xf0, 0xf0, f0}, {f0, 0x90, 0xbf, twoLeft},
		{between, 0xf1, 0xf3, threeLeft}, {threeLeft, 0x80, 0xbf, twoLeft},
		{between, 0xf4, 0xf4, f4}, {f4, 0x80, 0x8f, twoLeft},
	}...)
}

func windows1252Moves() []textMove {
	return append(asciiMoves(between, nowhere, between), textMove{between, 0x80, 0xff, between})
}

// utf16Moves are those of UTF-16: a higher byte of 0xd8 to 0xdb begins a pair, one of 0xdc to 0xdf ends it.
func utf16Moves(order binary.ByteOrder) []textMove {
	if order == binary.BigEndian {
		const ascii, other, pair, second = within1, within2, within3, within4
		return append(asciiMoves(ascii, nowhere, between), []textMove{
			{between, 0, 0, ascii}, {between, 1, 0xd7, other}, {between, 0xd8, 0xdb, pair}, {between, 0xe0, 0xff, other},
			{ascii, 0x80, 0xff, between}, {other, 0, 0xff, between}, {pair, 0, 0xff, second}, {second, 0xdc, 0xdf, other},
		}...)
	}
	const control, other, pair, second = within1, within2, within3, within4
	return append(asciiMoves(between, control, other), []textMove{
		{between, 0x80, 0xff, other},
		{other, 0, 0xd7, between}, {other, 0xd8, 0xdb, pair}, {other, 0xe0, 0xff, between},
		{control, 1, 0xd7, between}, {control, 0xd8, 0xdb, pair}, {control, 0xe0, 0xff, between},
		{pair, 0, 0xff, second}, {second, 0xdc, 0xdf, between},
	}...)
}
