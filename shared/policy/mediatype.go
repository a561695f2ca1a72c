package policy

import (
	"slices"
	"strings"

	"hatchery/shared/sniff"
)

// DeclaredTypes are the media types that a caller may name for an extension, the proper
// one first. There are none for an extension without a checker.
func DeclaredTypes(extension string) []string {
	t, ok := sniff.TypeOf(extension)
	if !ok {
		return nil
	}
	return append([]string{t.ContentType}, t.Declared...)
}

// AllowsType says whether a caller may name this media type for a file with this extension.
// Where a mismatch is corrected, that of any extension of the kind will do: the bytes decide.
func (k Kind) AllowsType(extension, mediaType string) bool {
	extensions := []string{extension}
	if k.Mismatch == MismatchCorrect {
		extensions = k.Extensions
	}
	return slices.ContainsFunc(extensions, func(e string) bool {
		return slices.Contains(DeclaredTypes(e), mediaType)
	})
}

// ExpectedType is the media type that bytes of this extension should have. A form
// is signed for it; what is stored is what the validator finds.
func ExpectedType(extension string) string {
	if t, ok := sniff.TypeOf(extension); ok {
		return t.ContentType
	}
	return "application/octet-stream"
}

// ExtensionOf gives the extension of the one kind of file that a media type names among those that k takes: the
// first in its list. The proper type of one is not that of another. It is "" when the type names none, or several.
func (k Kind) ExtensionOf(mediaType string) string {
	mediaType = MediaType(mediaType)
	found, several := "", false
	for _, e := range k.Extensions {
		switch types := DeclaredTypes(e); {
		case !slices.Contains(types, mediaType):
		case MediaType(types[0]) == mediaType:
			return e
		case found == "":
			found = e
		case !SameExtension(e, found):
			several = true
		}
	}
	if several {
		return ""
	}
	return found
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
