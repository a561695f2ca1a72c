package policy

import "strings"

var declaredTypes = map[string][]string{
	"png": {"image/png", "image/x-png"}, "jpg": {"image/jpeg", "image/jpg", "image/pjpeg"},
	"jpeg": {"image/jpeg", "image/jpg", "image/pjpeg"},
	"gif":  {"image/gif"}, "bmp": {"image/bmp", "image/x-ms-bmp", "image/x-bmp"},
}

// DeclaredTypes are the media types that a caller may name for an extension, the proper
// one first.
func DeclaredTypes(extension string) []string { return declaredTypes[extension] }

// ExpectedType is the media type that bytes of this extension should have. A form
// is signed for it; what is stored is what the validator finds.
func ExpectedType(extension string) string {
	if types := declaredTypes[extension]; len(types) > 0 {
		return types[0]
	}
	return "application/octet-stream"
}

// MediaType reads the media type that a caller declares, in lower case and without its parameters. It is "" when
// nothing is declared, and for application/octet-stream, which says nothing.
func MediaType(declared string) string {
	mediaType, _, _ := strings.Cut(declared, ";")
	mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	if mediaType == "application/octet-stream" {
		return ""
	}
	return mediaType
}

// IsText says whether a media type is of text: text itself, JSON, XML or JavaScript.
func IsText(mediaType string) bool {
	kind, subtype, _ := strings.Cut(mediaType, "/")
	switch _, suffix, _ := strings.Cut(subtype, "+"); {
	case kind == "text", suffix == "json", suffix == "xml":
		return true
	}
	switch mediaType {
	case "application/json", "application/xml", "application/javascript", "application/x-javascript",
		"application/ecmascript":
		return true
	}
	return false
}
