package sniff

import (
	"bytes"
	"compress/flate"
	"encoding/xml"
	"errors"
	"hash/crc32"
	"io"
	"path"
	"slices"
	"strings"
)

const (
	// maxUnpacked bounds what is unpacked of one part, maxUnpackedAll of all together, and maxElements what is read of
	// them: unpacking and reading XML take some hundred times as long as a checksum. A large presentation has 140 KB and
	// 1,200.
	maxUnpacked    = 1 << 20
	maxUnpackedAll = 4 << 20
	maxElements    = 40_000
	maxDepth       = 16 // two are usual
	// usualAttributes is how many attributes of an element do not count: a relationship has them.
	usualAttributes = 4
)

// officePart is what a part of an office file says about the others, if anything.
type officePart byte

const (
	noPart officePart = iota
	contentTypes
	relationships
)

// partOf finds the parts that are read, by their names. Those of one package differ in more than case.
func partOf(s string) officePart {
	switch {
	case s == "/[content_types].xml":
		return contentTypes
	case path.Ext(s) == ".rels":
		return relationships
	}
	return noPart
}

// partName is a name as parts compare: from the root, without regard to case (ECMA-376-2, 6.2).
func partName(s string) string {
	return path.Clean("/" + strings.ToLower(strings.ReplaceAll(s, `\`, "/")))
}

// officeWalk is an office file by ECMA-376-2 being walked: an archive whose content types and relationships are read.
type officeWalk struct {
	*zipWalk
	names    map[string]bool   // the relationships that there are
	defaults map[string]string // content types by extension
	types    map[string]string // content types by part
	main     string            // the part that is the document itself
	charts   []string          // the parts that have a workbook in them, as charts do
	elements int               // of XML
	unpacked int64             // bytes of the parts that are read
	fault    error             // the first reason for which no office file can be like this
	content  bytes.Buffer      // one part
}

// mainPart is what the content type of the document itself has behind that of the file.
const mainPart = ".main+xml"

// slideShow is what PowerPoint saves as .ppsx, and opens under .pptx, too.
const slideShow = "application/vnd.openxmlformats-officedocument.presentationml.slideshow.main+xml"

// office walks a Word, Excel or PowerPoint file: an archive, of which the content types and the relationships are
// unpacked and read. They say what the document is, and whether it has macros, embedded objects or parts elsewhere.
func (w *walker) office() error {
	o := &officeWalk{names: map[string]bool{}, defaults: map[string]string{}, types: map[string]string{}}
	o.zipWalk = &zipWalk{walker: w, office: o}
	if err := o.archive(); err != nil || o.office == nil {
		return err
	}
	return o.identifyDocument()
}

// listed takes note of one entry of the directory. Whether this is an office file is not known before the last.
func (o *officeWalk) listed(e zipEntry, name []byte) officePart {
	s := partName(string(name))
	part := partOf(s)
	if part != noPart {
		o.unpacked += min(e.size, maxUnpackedAll)
	}
	switch {
	case o.fault != nil:
	case e.method != 0 && e.method != 8 || e.flags&flagEncrypted != 0:
		o.fault = o.refuse(Corrupt, "has the part %s, stored in a way (method %d, flags %d) that office programs do not read",
			quoted(name), e.method, e.flags)
	case part == noPart:
	case o.names[s]:
		o.fault = o.refuse(Corrupt, "has the part %s twice", quoted(name))
	case e.size > maxUnpacked || o.unpacked > maxUnpackedAll:
		o.fault = refusef(NotAllowed, "The %s has the part %s of %d bytes, and %d of its kind together, more than the %d "+
			"and %d that are taken; remove links from it and upload that.", o.called(), quoted(name), e.size, o.unpacked,
			maxUnpacked, maxUnpackedAll)
	}
	if part != noPart {
		o.names[s] = true
	}
	return part
}

// begin decides, when the directory was read, whether this is an office file or an archive that is nothing else.
func (o *officeWalk) begin() error {
	if o.names["/[content_types].xml"] {
		return o.fault
	}
	o.office = nil
	return o.is("zip", "")
}

// read unpacks one part and reads it.
func (o *officeWalk) read(e zipEntry, name string) error {
	at := o.offset()
	if err := o.unpack(e); err != nil {
		return err
	}
	source := partName(name)
	d := xml.NewDecoder(&o.content)
	for depth := 0; ; {
		token, err := d.Token()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return o.corrupt(at, "the part %s is no XML", quoted([]byte(name)))
		}
		switch t := token.(type) {
		case xml.Directive: // a DTD, which is forbidden there
			return o.corrupt(at, "the part %s has a document type declaration (DTD)", quoted([]byte(name)))
		case xml.EndElement:
			depth--
		case xml.StartElement:
			depth++
			o.elements += max(1, len(t.Attr)-usualAttributes)
			if depth > maxDepth || o.elements > maxElements {
				return o.corrupt(at, "the part %s has elements more than %d deep, or all parts have more than %d elements",
					quoted([]byte(name)), maxDepth, maxElements)
			}
			if e.part == contentTypes {
				err = o.contentType(t)
			} else {
				err = o.relationship(source, t)
			}
			if err != nil {
				return err
			}
		}
	}
}

// unpack unpacks one part into o.content.
func (o *officeWalk) unpack(e zipEntry) error {
	at := o.offset()
	in := &section{o.stream, e.packed}
	var from io.Reader = in
	if e.method == 8 {
		from = flate.NewReader(in)
	}
	o.content.Reset()
	_, err := o.content.ReadFrom(io.LimitReader(from, e.size+1))
	corrupt := flate.CorruptInputError(0)
	switch {
	case errors.As(err, &corrupt), errors.Is(err, io.ErrUnexpectedEOF) && in.left == 0:
		return o.corrupt(at, "what is packed there cannot be unpacked")
	case err != nil:
		return err
	case int64(o.content.Len()) != e.size || crc32.ChecksumIEEE(o.content.Bytes()) != e.crc:
		return o.corrupt(at, "what is packed there does not have the size and the checksum that its directory says")
	}
	return nil
}

// section reads the next bytes of a walk.
type section struct {
	*stream
	left int64
}

func (s *section) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	b, err := s.window()
	if err != nil {
		return 0, err
	}
	n := copy(p, b[:min(int64(len(b)), s.left)])
	s.advance(n)
	s.left -= int64(n)
	return n, nil
}

// ReadByte keeps the decompressor from reading further than it needs.
func (s *section) ReadByte() (byte, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	s.left--
	return s.one()
}

// attribute returns an attribute of an element. One of another namespace is another attribute.
func attribute(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

// contentType reads one element of [Content_Types].xml.
func (o *officeWalk) contentType(t xml.StartElement) error {
	kind := strings.ToLower(attribute(t, "ContentType"))
	switch t.Name.Local {
	case "Default":
		o.defaults["."+strings.ToLower(attribute(t, "Extension"))] = kind
	case "Override":
		o.types[partName(attribute(t, "PartName"))] = kind
	}
	if strings.Contains(kind, "sheet.binary.macroenabled") { // a workbook of another format, with or without macros
		return nil
	}
	for _, macro := range []string{"macroenabled", "vbaproject", "vbadata", "macrosheet"} {
		if strings.Contains(kind, macro) {
			return o.active(Macros, kind)
		}
	}
	return nil
}

// relationship reads one element of a part's relationships.
func (o *officeWalk) relationship(source string, t xml.StartElement) error {
	if t.Name.Local != "Relationship" {
		return nil
	}
	kind := strings.ToLower(path.Base(attribute(t, "Type")))
	mode, target := attribute(t, "TargetMode"), attribute(t, "Target")
	if strings.EqualFold(strings.TrimSpace(mode), "external") || isAddress(target) {
		if slices.Contains(harmlessLinks(), kind) || onThisMachine(target) {
			return nil
		}
		return o.active(External, kind)
	}
	owner := strings.TrimSuffix(strings.Replace(source, "/_rels/", "/", 1), ".rels")
	switch kind {
	case "officedocument":
		if source == "/_rels/.rels" {
			if o.main != "" {
				return o.refuse(Corrupt, "has two main parts")
			}
			o.main = partName(target)
		}
	case "vbaproject", "wordvbadata", "xlmacrosheet", "xlintlmacrosheet":
		return o.active(Macros, kind)
	case "package":
		o.charts = append(o.charts, owner)
	case "oleobject", "control", "activexcontrolbinary", "afchunk", "webextension", "webextensiontaskpanes":
		return o.active(Embedded, kind)
	}
	return nil
}

// harmlessLinks are the relationships to something elsewhere that do not run or replace anything: a program shows or
// asks before it follows them.
func harmlessLinks() []string {
	return []string{"hyperlink", "image", "video", "audio", "media", "externallinkpath", "xlpathmissing", "xlstartup",
		"xlalternatestartup", "xllibrary", "externallinklongpath", "mailmergesource", "mailmergeheadersource"}
}

// isAddress reports whether a target can be no part of the document, whatever its mode says: an address, or a file on
// another machine.
func isAddress(target string) bool {
	return strings.Contains(target, "://") || strings.HasPrefix(target, `\\`)
}

// onThisMachine reports whether a target names a file on a drive of whoever opens the document, or in a folder of the
// program: Word writes that for the template that a document was made from. Nothing is loaded from elsewhere by it.
func onThisMachine(target string) bool {
	target = strings.ToLower(target)
	for _, escaped := range []string{"%2f", "%5c", "%3a", "%25"} {
		if strings.Contains(target, escaped) {
			return false
		}
	}
	if rest, ok := strings.CutPrefix(target, "file:///"); ok {
		return len(rest) > 2 && isLetter(rest[0]) && rest[1] == ':'
	}
	return !strings.ContainsAny(target, `/\:`)
}

// active refuses what a document carries, unless the limits allow it.
func (o *officeWalk) active(word, kind string) error {
	if slices.Contains(o.limits.Active, word) {
		return nil
	}
	what := map[string]string{Macros: "macros", External: "a part that is loaded from elsewhere",
		Embedded: "an embedded object"}[word]
	return refusef(NotAllowed, "The %s has %s (%s), and such documents are not taken here; remove that, save the "+
		"document again and upload that.", o.called(), what, quoted([]byte(kind)))
}

// identifyDocument checks, when all parts were read, what the document is.
func (o *officeWalk) identifyDocument() error {
	typeOf := func(part string) string {
		if t, ok := o.types[part]; ok {
			return t
		}
		return o.defaults[path.Ext(part)]
	}
	for _, owner := range o.charts {
		// A chart's data are a workbook in the document. Elsewhere that is an embedded object.
		if !strings.Contains(typeOf(owner), "chart") {
			if err := o.active(Embedded, "package"); err != nil {
				return err
			}
		}
	}
	kind := typeOf(o.main)
	for _, extension := range []string{"docx", "xlsx", "pptx"} {
		if t, _ := TypeOf(extension); kind == t.ContentType+mainPart {
			return o.is(extension, "")
		}
	}
	switch kind {
	case slideShow:
		return o.is("pptx", "")
	case "":
		return o.is("zip", "")
	}
	return o.is("zip", "an Office document of another kind ("+quoted([]byte(kind))+")")
}

// is ends the walk of what turned out to be a file of this extension, or of a type without one, which is given in
// words.
func (o *officeWalk) is(extension, words string) error {
	t, _ := TypeOf(extension)
	if t.Name == o.Name || o.become(extension) {
		return nil
	}
	o.found.ContentType, o.found.Extension = "", ""
	seen := likeness{is: words}
	if words == "" {
		seen = likeness{is: t.article() + " " + t.called(), extension: extension}
	}
	return o.notAsNamed("the file is "+seen.is, seen)
}
