package sniff

import (
	"slices"
	"strings"
	"sync"

	"github.com/h2non/filetype/matchers"
)

// Type is what the package knows about one type of file.
type Type struct {
	Name        string   // as people call it, for messages: "PNG"
	Noun        string   // what a person calls such a thing: "picture", "video", "sound", "document", "archive" or "text"
	Extensions  []string // without a dot, in lower case; all mean the same type
	ContentType string   // what is stored and served
	Declared    []string // other media types that callers name for it
	// Inline: a browser may show it in place. It runs nothing that is in it, and its walk is complete: what is not walked
	// as strictly is offered for saving.
	Inline bool
	// Checked and Unchecked say, in a sentence each for people, what a verdict proves of a file and what it does not.
	Checked, Unchecked string
	// Reads says how a file is read that is not read once, from its first byte to its last: such a type needs Ranges.
	Reads string

	// signatures are the beginnings that there are, in which "?" stands for any byte. A type without any is never found in
	// the place of another.
	signatures []string
	matches    func([]byte) bool // h2non's one matcher, mended where it is wrong
	walk       func(*walker) error
}

// table is made at its first use. It cannot be a variable's value, because walkers of the table look into it.
var table struct {
	made  sync.Once
	types []Type
}

// Types lists the types that there are, in the order in which they are told. Names are compared in lower case. Nobody
// changes what is returned.
func Types() []Type {
	table.made.Do(func() { table.types = makeTypes() })
	return table.types
}

func makeTypes() []Type {
	return []Type{
		{Name: "PNG", Noun: "picture", Extensions: []string{"png"}, ContentType: "image/png",
			Declared: []string{"image/x-png"}, Inline: true,
			Checked:    "Every chunk with its checksum, their order, the frames of an animation.",
			Unchecked:  "The compressed pixels, texts and profiles are not inflated.",
			signatures: []string{pngSignature}, matches: matchers.Png, walk: (*walker).png},
		{Name: "JPEG", Noun: "picture", Extensions: []string{"jpg", "jpeg"}, ContentType: "image/jpeg",
			Declared: []string{"image/jpg", "image/pjpeg"}, Inline: true,
			Checked:    "Every segment, table and scan, and every further picture behind the first.",
			Unchecked:  "The compressed pixels are not decoded; Exif, XMP and the MPF index are not read.",
			signatures: []string{"\xff\xd8\xff"}, matches: matchers.Jpeg, walk: (*walker).jpeg},
		{Name: "GIF", Noun: "picture", Extensions: []string{"gif"}, ContentType: "image/gif", Inline: true,
			Checked:    "Every block, and every frame within the canvas that a viewer makes.",
			Unchecked:  "The compressed pixels are not decoded; comments and application blocks are not read.",
			signatures: []string{"GIF87a", "GIF89a"}, matches: matchers.Gif, walk: (*walker).gif},
		{Name: "BMP", Noun: "picture", Extensions: []string{"bmp"}, ContentType: "image/bmp",
			Declared: []string{"image/x-ms-bmp", "image/x-bmp"}, Inline: true,
			Checked:    "The headers, the palette, every row, and every run of a compressed picture.",
			Unchecked:  "A colour profile in it is not read.",
			signatures: []string{"BM"}, matches: matchers.Bmp, walk: (*walker).bmp},
		{Name: "WebP", Noun: "picture", Extensions: []string{"webp"}, ContentType: "image/webp", Inline: true,
			Checked: "Every chunk within its container, the heads of the pixels (VP8, VP8L) and of transparency, and every " +
				"frame within the canvas.",
			Unchecked:  "The compressed pixels are not decoded; Exif, XMP, profiles and unknown chunks are not read.",
			signatures: []string{"RIFF????WEBP"}, matches: matchers.Webp, walk: (*walker).webp},
		{Name: "HEIC", Noun: "picture", Extensions: []string{"heic", "heif"}, ContentType: "image/heic",
			Declared: []string{"image/heif", "image/heic-sequence", "image/heif-sequence"}, Inline: true,
			Checked: "Every box within the one around it, that all that the picture is made of lies within the file's data, " +
				"the sizes of the picture and its tiles, the frames of a sequence, and that it is no film or sound.",
			Unchecked: "The compressed pixels are not decoded, nor is it read what they say of their own size; Exif, XMP, " +
				"profiles and unknown boxes are not read.",
			signatures: []string{"????ftyp????"}, matches: isHEIC, walk: (*walker).heif},
		{Name: "AVIF", Noun: "picture", Extensions: []string{"avif"}, ContentType: "image/avif",
			Declared: []string{"image/avif-sequence"}, Inline: true,
			Checked: "Every box within the one around it, that all that the picture is made of lies within the file's data, " +
				"the sizes of the picture and its tiles, the frames of a sequence, and that it is no film or sound.",
			Unchecked: "The compressed pixels are not decoded, nor is it read what they say of their own size; Exif, XMP, " +
				"profiles and unknown boxes are not read.",
			signatures: []string{"????ftyp????"}, matches: isAVIF, walk: (*walker).heif},
		{Name: "MP4", Noun: "video", Extensions: []string{"mp4"}, ContentType: "video/mp4",
			Declared: []string{"application/mp4", "video/x-m4v"},
			Checked: "Every box within the one around it, the lengths of the tables, that chunks begin within the file's " +
				"data, that nothing is in another file, and the size of the picture.",
			Unchecked: "The compressed pictures and sound are not decoded, nor is it seen how long a chunk is; texts, links " +
				"and unknown boxes are not read.",
			signatures: []string{"????ftyp????"}, matches: isMP4, walk: (*walker).film},
		{Name: "QuickTime", Noun: "video", Extensions: []string{"mov"}, ContentType: "video/quicktime",
			Declared: []string{"video/mov"},
			Checked: "Every box within the one around it, the lengths of the tables, that chunks begin within the file's " +
				"data, that nothing is in another file, and the size of the picture.",
			Unchecked: "The compressed pictures and sound are not decoded, nor is it seen how long a chunk is; texts, links, " +
				"the small programs of old films, and unknown boxes are not read.",
			signatures: []string{"????ftyp????", "????moov", "????mdat", "????wide", "????free", "????skip", "????pnot"},
			matches:    isMOV, walk: (*walker).film},
		{Name: "M4A", Noun: "sound", Extensions: []string{"m4a"}, ContentType: "audio/mp4",
			Declared: []string{"audio/x-m4a", "audio/m4a", "audio/aac", "audio/mp4a-latm"},
			Checked: "Every box within the one around it, the lengths of the tables, that chunks begin within the file's " +
				"data, and that nothing is in another file; of an MP4 by another name, that it has sound and no video.",
			Unchecked: "The compressed sound is not decoded, nor is it seen how long a chunk is; covers, texts, links and " +
				"unknown boxes are not read.",
			signatures: []string{"????ftyp????"}, matches: isM4A, walk: (*walker).m4a},
		{Name: "PDF", Noun: "document", Extensions: []string{"pdf"}, ContentType: "application/pdf",
			Declared: []string{"application/x-pdf"}, Reads: endFirst,
			Checked: "The header, the end, and every cross-reference table or stream with its trailer, back to the oldest; " +
				"that nothing stands before or behind, and that its end is not the comment of a ZIP archive.",
			Unchecked: "The objects are not read: scripts, forms, links and files that are embedded are not looked for, not " +
				"even an archive, which programs for archives find there. It may be encrypted.",
			signatures: []string{pdfHeader, ""}, matches: beginsPDF, walk: (*walker).pdf},
		office("DOCX", "docx", "wordprocessingml.document"),
		office("XLSX", "xlsx", "spreadsheetml.sheet"),
		office("PPTX", "pptx", "presentationml.presentation"),
		text("TXT", "txt", "plain"),
		text("CSV", "csv", "csv", "application/csv", "text/comma-separated-values", "text/x-csv", "application/vnd.ms-excel",
			"text/plain"),
		{Name: "WAV", Noun: "sound", Extensions: []string{"wav"}, ContentType: "audio/wav",
			Declared:   []string{"audio/x-wav", "audio/wave", "audio/vnd.wave"},
			Checked:    "Every chunk within its container, the format, and one chunk of samples.",
			Unchecked:  "The samples and further chunks (texts, pictures in an ID3 tag) are not read.",
			signatures: []string{"RIFF????WAVE"}, matches: matchers.Wav, walk: (*walker).wav},
		{Name: "ZIP", Noun: "archive", Extensions: []string{"zip"}, ContentType: "application/zip",
			Declared: []string{"application/x-zip-compressed", "application/x-zip"}, Reads: endFirst,
			Checked: "The directory with its names and sizes, and every entry against it: all follow each other without gap " +
				"or overlap; that no name, in any charset, leads out of the folder or through a symbolic link.",
			Unchecked: "The entries are not unpacked: whatever may be in them, encrypted or not, and where symbolic links " +
				"lead; sizes are as declared. A program that goes by the packed bytes, not by the directory, may find further " +
				"entries in them.",
			signatures: []string{zipLocal, zipEnd}, matches: matchers.Zip, walk: (*walker).zip},
	}
}

// endFirst says how files are read whose end leads to the rest.
const endFirst = "the end, what it leads to, then all once, forward"

// office is the type of the files of one office program.
func office(name, extension, subtype string) Type {
	return Type{Name: name, Noun: "document", Extensions: []string{extension}, Reads: endFirst,
		ContentType: "application/vnd.openxmlformats-officedocument." + subtype,
		Declared:    []string{"application/zip", "application/x-zip-compressed"},
		Checked: "The archive as that of a ZIP. The content types and the relationships, which are unpacked: what kind of " +
			"document it is, and that it has no macros, no embedded objects and no parts that are loaded from elsewhere.",
		Unchecked: "The document itself is not unpacked: its text, fields and formulas (by which DDE starts programs), " +
			"data connections and pictures. Links are not followed.",
		signatures: []string{zipLocal}, matches: matchers.Zip, walk: (*walker).office}
}

// text is a type of text without markup.
func text(name, extension, subtype string, declared ...string) Type {
	return Type{Name: name, Noun: "text", Extensions: []string{extension},
		ContentType: "text/" + subtype + "; charset=utf-8", Declared: append([]string{"text/" + subtype}, declared...),
		Checked: "All of it is UTF-8, or a charset that the policy takes, without control characters but a few of old " +
			"tables. Its beginning is none of HTML, SVG, XML or a script.",
		Unchecked: "What the text says: code within it, formulas in the cells of a table. Excel takes a text that begins " +
			"with ID for a workbook in another format (SYLK).",
		matches: beginsText, walk: (*walker).text}
}

// TypeOf returns the type that an extension (without a dot, in any case) claims.
func TypeOf(extension string) (Type, bool) {
	extension = strings.ToLower(extension)
	types := Types()
	i := slices.IndexFunc(types, func(t Type) bool { return slices.Contains(t.Extensions, extension) })
	if i < 0 {
		return Type{}, false
	}
	return types[i], true
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
	return t.matches(head) && (len(t.signatures) == 0 || slices.ContainsFunc(t.signatures, func(s string) bool {
		return len(head) >= len(s) && agree(s, head)
	}))
}

// agree reports whether head and a signature are the same as far as both go.
func agree(signature string, head []byte) bool {
	for i := range min(len(signature), len(head)) {
		if signature[i] != '?' && signature[i] != head[i] {
			return false
		}
	}
	return true
}
