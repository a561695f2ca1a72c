package sniff

import (
	"bytes"
	"slices"
	"strconv"
)

const (
	pdfHeader  = "%PDF-"
	pdfEnd     = "%%EOF"
	pdfStart   = "startxref"
	pdfTrailer = "trailer"
	// pdfRoom is how many blanks and zeros may stand before the header and behind the end, as readers have it.
	pdfRoom = 1024
	// maxSections is how many times a document may have been changed and saved to its end.
	maxSections = 1000
	// maxTrailers is how long the trailers and the like of all sections may be together. One may be within another.
	maxTrailers = 4 << 20
)

// pdfWalk is a document's cross-reference sections being followed, from the newest to the oldest.
type pdfWalk struct {
	*walker
	header int64 // where %PDF- stands: places may count from there
	web    bool  // made for reading while it comes (Linearized): it has an end behind its first page, too
	end    int64 // where the last %%EOF ends
	seen   map[int64]bool
	read   int    // bytes of trailers
	at     int64  // where what is kept stands
	kept   []byte // a piece of the document
}

// pdf walks a PDF by ISO 32000-2, 7.5, its structure alone: the header, the %%EOF at its end, and every cross-reference
// section with its trailer, to which the one before leads. Objects are not read, and nothing is unpacked.
func (w *walker) pdf() error {
	head, err := w.peek(described)
	if err != nil {
		return err
	}
	p := &pdfWalk{walker: w, header: int64(bytes.Index(head, []byte(pdfHeader))), seen: map[int64]bool{},
		web: bytes.Contains(head, []byte("/Linearized"))}
	if p.kept, p.at, err = w.ending(); err != nil {
		return err
	}
	next, err := p.findEnd()
	if err != nil {
		return err
	}
	for more := true; more; {
		if next, more, err = p.sections(next); err != nil {
			return err
		}
	}
	if err := w.skip(p.end); err != nil {
		return err
	}
	for range pdfRoom {
		b, err := w.peek(1)
		if err != nil {
			return err
		}
		if len(b) == 0 || !isBlank(b[0]) {
			break
		}
		w.advance(1)
	}
	return nil
}

// beginsPDF reports whether the header stands at the beginning, behind blanks at most: in what else stood before it,
// another program could see a file of another type.
func beginsPDF(head []byte) bool {
	return bytes.HasPrefix(trimmed(head), []byte(pdfHeader))
}

// isBlank reports whether c is white space by the format.
func isBlank(c byte) bool {
	return c == 0 || c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == ' '
}

// findEnd finds the %%EOF at the end, and the place in front of it of the newest section.
func (p *pdfWalk) findEnd() (int64, error) {
	size := p.at + int64(len(p.kept))
	i := bytes.LastIndex(p.kept, []byte(pdfEnd))
	if i < 0 {
		return 0, refusef(Truncated, "The %s has no end (%%%%EOF) in its last %d of %d bytes: the file was cut short, or "+
			"more follows it; upload the whole file again.", p.called(), len(p.kept), size)
	}
	p.end = p.at + int64(i) + int64(len(pdfEnd))
	s := bytes.LastIndex(p.kept[:i], []byte(pdfStart))
	number := ""
	if s >= 0 {
		number = string(bytes.Trim(p.kept[s+len(pdfStart):i], "\x00\t\n\f\r "))
	}
	at, err := strconv.ParseInt(number, 10, 64)
	if err != nil || at < 0 {
		return 0, p.corrupt(p.at+int64(i), "in front of its end (%%%%EOF) must stand where its cross-reference table "+
			"is (startxref)")
	}
	return at, p.noArchive()
}

// noArchive refuses a document that is a ZIP archive, too: its end would be the archive's comment.
func (p *pdfWalk) noArchive() error {
	for i := bytes.LastIndex(p.kept, []byte(zipEnd)); i >= 0; i = bytes.LastIndex(p.kept[:i], []byte(zipEnd)) {
		if b := p.kept[i:]; len(b) >= zipEndSize && p.at+int64(i)+zipEndSize+le16(b[20:]) >= p.end {
			return p.corrupt(p.at+int64(i), "the end of a ZIP archive stands there, with the rest as its comment")
		}
	}
	return nil
}

// sections reads the section at a place, and the stream that a table names beside itself (XRefStm). It gives the place
// of the section before; there is none at the oldest.
func (p *pdfWalk) sections(at int64) (before int64, more bool, _ error) {
	newest := len(p.seen) == 0
	d, err := p.section(at)
	if err != nil {
		return 0, false, err
	}
	if newest && !d.root {
		return 0, false, p.corrupt(at, "its trailer does not say where the document is (Root)")
	}
	if d.hasBeside {
		if _, err := p.section(d.beside); err != nil {
			return 0, false, err
		}
	}
	return d.before, d.hasBefore, nil
}

// section reads one cross-reference section and gives its dictionary.
func (p *pdfWalk) section(at int64) (pdfDict, error) {
	if p.seen[at] || len(p.seen) >= maxSections {
		return pdfDict{}, p.corrupt(at, "its cross-reference sections lead in a circle, or are more than %d", maxSections)
	}
	p.seen[at] = true
	for _, from := range slices.Compact([]int64{at, p.header + at}) {
		if from < 0 || from >= p.end || from == at && at == p.header {
			continue
		}
		l := &pdfLexer{pdfWalk: p, next: from, room: dictRoom}
		d, ok, err := l.section()
		if p.read > maxTrailers {
			return d, p.corrupt(at, "the trailers of its cross-reference sections are longer than %d bytes together",
				maxTrailers)
		}
		if ok || err != nil {
			return d, err
		}
	}
	if at == 0 && p.web {
		return pdfDict{}, refusef(Truncated, "The %s breaks off after %d bytes, behind its first page; the file was cut "+
			"short, so upload the whole file again.", p.called(), p.end)
	}
	return pdfDict{}, p.corrupt(at, "no cross-reference table or stream with its trailer stands there")
}
