package sniff

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// pdfDict is what is read of a trailer, or of the dictionary of a cross-reference stream.
type pdfDict struct {
	root, size, widths bool // whether these keys are there
	before, beside     int64
	hasBefore          bool // Prev: the section before
	hasBeside          bool // XRefStm: a stream that belongs to a table
}

// key takes note of a key.
func (d *pdfDict) key(name []byte) {
	switch string(name) {
	case "Root":
		d.root = true
	case "Size":
		d.size = true
	case "W":
		d.widths = true
	}
}

// number takes note of a key whose value is a whole number.
func (d *pdfDict) number(key []byte, n int64) {
	switch string(key) {
	case "Prev":
		d.before, d.hasBefore = n, true
	case "XRefStm":
		d.beside, d.hasBeside = n, true
	}
}

// dictRoom is how long a trailer, or the dictionary of a stream, may be.
const dictRoom = 64 << 10

// pdfLexer reads what documents are written in, from a place on.
type pdfLexer struct {
	*pdfWalk
	next int64  // where more is to be read
	room int    // how much
	b    []byte // what is read and not walked over
}

// fill reads until there are n bytes, or the document ends: a piece first that holds most sections, and larger ones
// then.
func (l *pdfLexer) fill(n int) error {
	for len(l.b) < n && l.next < l.end {
		var more []byte
		size, kept := int(min(int64(l.room), l.end-l.next)), l.next-l.at
		if kept >= 0 {
			more = l.kept[kept:min(int64(len(l.kept)), kept+int64(size))]
		} else {
			var err error
			if more, err = l.piece(l.next, size); err != nil {
				return err
			}
		}
		if len(l.b) == 0 {
			l.b = more // nobody writes there
		} else {
			l.b = append(slices.Clip(l.b), more...)
		}
		l.next += int64(len(more))
		l.room = min(4*l.room, pieceSize)
	}
	return nil
}

// partHere counts one part, at the lexer's place: the walk has not begun yet.
func (l *pdfLexer) partHere() error { return l.partAt(l.next - int64(len(l.b))) }

// section reads a cross-reference table with its trailer, or the head of a cross-reference stream.
func (l *pdfLexer) section() (d pdfDict, ok bool, err error) {
	if err := l.fill(dictRoom); err != nil {
		return d, false, err
	}
	before := len(l.b)
	if l.blanks(); before-len(l.b) > pdfRoom {
		return d, false, nil
	}
	word := l.word()
	if string(word) == "xref" {
		if ok, err := l.table(); !ok || err != nil {
			return d, false, err
		}
		rest := l.b
		if d, ok = l.dict(); !ok && len(rest) < dictRoom { // a longer one, or one that is cut there
			l.b = rest
			err = l.fill(dictRoom)
			d, ok = l.dict()
		}
		return d, ok, err
	}
	if !isNumber(word) || !isNumber(l.word()) || string(l.word()) != "obj" {
		return d, false, nil
	}
	d, ok = l.dict()
	return d, ok && d.size && d.widths && string(l.word()) == "stream", nil
}

// blanks walks over white space and comments.
func (l *pdfLexer) blanks() {
	for len(l.b) > 0 {
		switch {
		case isBlank(l.b[0]):
			l.b = l.b[1:]
		case l.b[0] == '%':
			n := bytes.IndexAny(l.b, "\r\n")
			if n < 0 {
				n = len(l.b)
			}
			l.b = l.b[n:]
		default:
			return
		}
	}
}

// word reads regular characters: a keyword or a number.
func (l *pdfLexer) word() []byte {
	l.blanks()
	n := 0
	for n < len(l.b) && !isBlank(l.b[n]) && strings.IndexByte("()<>[]{}/%", l.b[n]) < 0 {
		n++
	}
	word := l.b[:n]
	l.b = l.b[n:]
	return word
}

// table walks over the entries of a table, to the word trailer.
func (l *pdfLexer) table() (bool, error) {
	for {
		if err := l.fill(256); err != nil {
			return false, err
		}
		first := l.word()
		if string(first) == pdfTrailer {
			return true, nil
		}
		count, ok := number(l.word())
		if !isNumber(first) || !ok {
			return false, nil
		}
		if err := l.partHere(); err != nil {
			return false, err
		}
		if l.blanks(); len(l.b) == 0 {
			return false, nil
		}
		for ; count > 0; count-- {
			if ok, err := l.entry(); !ok || err != nil {
				return false, err
			}
		}
	}
}

// entry walks over one entry of a table. It has 20 bytes; some programs write others, which are read word by word.
func (l *pdfLexer) entry() (bool, error) {
	if err := l.fill(64); err != nil {
		return false, err
	}
	if len(l.b) >= 20 && l.b[10] == ' ' && l.b[16] == ' ' && (l.b[17] == 'n' || l.b[17] == 'f') && isBlank(l.b[18]) &&
		isBlank(l.b[19]) && isDigits(l.b[:10]) && isDigits(l.b[11:16]) {
		l.b = l.b[20:]
		return true, nil
	}
	if err := l.partHere(); err != nil {
		return false, err
	}
	place, generation, use := l.word(), l.word(), l.word()
	return isNumber(place) && isNumber(generation) && (string(use) == "n" || string(use) == "f"), nil
}

func isDigits(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return !isDigit(c) })
}

// number reads a whole number that fits.
func number(word []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(word), 10, 64)
	return n, err == nil
}

// isNumber reports whether a word is a whole number without a sign.
func isNumber(word []byte) bool {
	return len(word) > 0 && len(word) <= 20 && isDigits(word)
}

// dict reads a dictionary. Of what is in others within it, nothing is kept.
func (l *pdfLexer) dict() (pdfDict, bool) {
	var d pdfDict
	length := len(l.b)
	defer func() { l.read += length - len(l.b) }()
	l.blanks()
	if !bytes.HasPrefix(l.b, []byte("<<")) {
		return d, false
	}
	l.b = l.b[2:]
	depth, key := 1, []byte(nil) // of brackets of any kind; the key whose value comes next
	for {
		l.blanks()
		if len(l.b) < 2 {
			return d, false
		}
		c := l.b[0]
		double := c == l.b[1]
		switch {
		case c == '<' && double, c == '[':
			depth++
		case c == '>' && double, c == ']':
			depth--
		}
		switch {
		case (c == '<' || c == '>') && double:
			l.b = l.b[2:]
		case c == '[' || c == ']':
			l.b = l.b[1:]
		case c == '<', c == '(':
			if !l.text(c) {
				return d, false
			}
		case c == '/':
			l.b = l.b[1:]
			name := l.word()
			if depth == 1 && key == nil {
				key = name
				d.key(name)
				continue
			}
		default:
			word := l.word()
			if len(word) == 0 {
				return d, false // a closing bracket of none
			}
			if n, ok := number(word); ok && depth == 1 && key != nil {
				d.number(key, n)
			}
		}
		if depth == 0 {
			return d, c == '>'
		}
		key = nil
	}
}

// text walks over a string in brackets.
func (l *pdfLexer) text(open byte) bool {
	if open == '<' {
		n := bytes.IndexByte(l.b, '>')
		l.b = l.b[n+1:]
		return n >= 0
	}
	for depth, i := 0, 0; i < len(l.b); i++ {
		switch l.b[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				l.b = l.b[i+1:]
				return true
			}
		}
	}
	return false
}
