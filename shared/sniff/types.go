package sniff

import (
	"bytes"
	"slices"
	"strings"

	"github.com/h2non/filetype/matchers"
)

// Type is what the package knows about one type of file.
type Type struct {
	Name        string   // as people call it, for messages: "PNG"
	Extensions  []string // without a dot, in lower case; all mean the same type
	ContentType string   // what is stored and served
	Declared    []string // other media types that callers name for it
	// Inline: a browser may show it in place. It runs nothing that is in it, and its walk is complete: what is not walked
	// as strictly is offered for saving.
	Inline bool
	// Checked and Unchecked say, in a sentence each for people, what a verdict proves of a file and what it does not.
	Checked, Unchecked string

	signatures []string          // the beginnings that there are
	matches    func([]byte) bool // h2non's one matcher
	walk       func(*walker) error
}

// Types lists the types that there are, in the order in which they are told. Names are compared in lower case.
func Types() []Type {
	return []Type{
		{Name: "PNG", Extensions: []string{"png"}, ContentType: "image/png", Declared: []string{"image/x-png"},
			Inline: true, Checked: "Every chunk with its checksum, their order, the frames of an animation.",
			Unchecked:  "The compressed pixels, texts and profiles are not inflated.",
			signatures: []string{pngSignature}, matches: matchers.Png, walk: (*walker).png},
		{Name: "JPEG", Extensions: []string{"jpg", "jpeg"}, ContentType: "image/jpeg",
			Declared: []string{"image/jpg", "image/pjpeg"}, Inline: true,
			Checked:    "Every segment, table and scan, and every further picture behind the first.",
			Unchecked:  "The compressed pixels are not decoded; Exif, XMP and the MPF index are not read.",
			signatures: []string{"\xff\xd8\xff"}, matches: matchers.Jpeg, walk: (*walker).jpeg},
		{Name: "GIF", Extensions: []string{"gif"}, ContentType: "image/gif", Inline: true,
			Checked:    "Every block, and every frame within the canvas that a viewer makes.",
			Unchecked:  "The compressed pixels are not decoded; comments and application blocks are not read.",
			signatures: []string{"GIF87a", "GIF89a"}, matches: matchers.Gif, walk: (*walker).gif},
		{Name: "BMP", Extensions: []string{"bmp"}, ContentType: "image/bmp",
			Declared: []string{"image/x-ms-bmp", "image/x-bmp"}, Inline: true,
			Checked:    "The headers, the palette, every row, and every run of a compressed picture.",
			Unchecked:  "A colour profile in it is not read.",
			signatures: []string{"BM"}, matches: matchers.Bmp, walk: (*walker).bmp},
	}
}

// TypeOf returns the type that an extension (without a dot, in any case) claims.
func TypeOf(extension string) (Type, bool) {
	extension = strings.ToLower(extension)
	for _, t := range Types() {
		if slices.Contains(t.Extensions, extension) {
			return t, true
		}
	}
	return Type{}, false
}

// Extensions lists the extensions that Check knows, without a dot, in lower case.
func Extensions() []string {
	var all []string
	for _, t := range Types() {
		all = append(all, t.Extensions...)
	}
	return all
}

// Inline reports whether bytes of this content type, which Check found, may be shown in place by a browser.
func Inline(contentType string) bool {
	return slices.ContainsFunc(Types(), func(t Type) bool { return t.Inline && t.ContentType == contentType })
}

// begins asks the type's one matcher, then compares the whole signature, of which matchers read two to four bytes only.
func (t Type) begins(head []byte) bool {
	return t.matches(head) && slices.ContainsFunc(t.signatures, func(s string) bool {
		return bytes.HasPrefix(head, []byte(s))
	})
}
