package policy

import (
	"strings"

	"golang.org/x/text/unicode/norm"
)

const (
	// maxNameBytes bounds a file's name, extension included.
	maxNameBytes = 255
	// maxExtensionBytes bounds an extension, which is never cut.
	maxExtensionBytes = 32
)

// Name is the name of a file, repaired.
type Name struct {
	// Name and Extension are split as the replaced service split them: lower case, inner dots made "_".
	Name, Extension string
	// Filename is what the person called the file, with an extension.
	Filename string
}

// ParseName repairs a file's name and splits it at its last dot. A name without an extension gets the one that is
// given. The error is a *Refusal: no name is left, or no extension.
//
// Name and Extension of a name that was accepted before names were repaired are what they were then, so that a
// repeated request stays the same request.
func ParseName(filename, extension string) (Name, error) {
	stem, found := repair(filename)
	switch {
	case filename == "":
		return Name{}, Refuse(ProblemName, "The file has no name: give it one with the extension of its type, such as .png "+
			"or .pdf.")
	case stem == "":
		return Name{}, Refuse(ProblemName, "Nothing of the file's name is left before its extension once invisible "+
			"characters, spaces and dots are removed: give it a name in front of that.")
	case len(found) > maxExtensionBytes:
		return Name{}, Refuse(ProblemExtension, "The file's extension is %d bytes long: at most %d are accepted.",
			len(found), maxExtensionBytes)
	case found == "" && extension == "" && strings.Contains(filename, "."):
		return Name{}, Refuse(ProblemExtension, "The file's name ends in a dot: add the extension of its type, such as .png "+
			"or .pdf.")
	case found == "" && extension == "":
		return Name{}, Refuse(ProblemName, "The file's name has no extension: add that of its type, such as .png or .pdf.")
	case found == "":
		found = extension
	}
	stem = cut(stem, maxNameBytes-len(".")-len(found))
	n := Name{Filename: stem + "." + found, Extension: spelling(lower(found))}
	room := maxNameBytes - len(".") - len(n.Extension)
	n.Name = cut(plain(stem), room)
	if before, its := split(filename); its == found && acceptedBefore(filename) && len(plain(before)) <= room {
		n.Name = plain(before)
	}
	return n, nil
}

// LacksExtension says whether ParseName takes the name only if it is given an extension.
func LacksExtension(filename string) bool {
	stem, extension := repair(filename)
	return stem != "" && extension == ""
}

// SameExtension says whether two extensions, in any case, are of one kind of file: jpg and JPEG for instance.
func SameExtension(a, b string) bool {
	a, b = spelling(lower(a)), spelling(lower(b))
	return a == b || len(DeclaredTypes(a)) > 0 && ExpectedType(a) == ExpectedType(b)
}

// spelling gives the extension under which a policy knows an extension.
func spelling(extension string) string {
	if extension == "jfif" || extension == "jpe" {
		return "jpg"
	}
	return extension
}

// split divides a name at its last dot.
func split(filename string) (stem, extension string) {
	if dot := strings.LastIndexByte(filename, '.'); dot >= 0 {
		return filename[:dot], filename[dot+1:]
	}
	return filename, ""
}

// plain writes a stem as the replaced service did.
func plain(stem string) string { return lower(strings.ReplaceAll(stem, ".", "_")) }

// lower keeps NFC: a few letters have a composed form in lower case only.
func lower(s string) string { return norm.NFC.String(strings.ToLower(s)) }
