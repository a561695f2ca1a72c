package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxNameBytes bounds a file's name, extension included.
const maxNameBytes = 255

// ParseName splits a file's name as the replaced service did: the name in lower
// case with inner dots made "_", the extension in lower case without its dot. A
// dangerous name is refused, never cleaned: what a person sees is what they
// sent.
func ParseName(filename string) (name, extension string, err error) {
	switch {
	case filename == "":
		return "", "", Refuse(ProblemName, "The file has no name: give one with an extension, cat.png for instance.")
	case len(filename) > maxNameBytes:
		return "", "", Refuse(ProblemName, "The file's name is %d bytes long: at most %d are accepted.", len(filename),
			maxNameBytes)
	case !utf8.ValidString(filename):
		return "", "", Refuse(ProblemName,
			"The file's name is not valid UTF-8: encode it as UTF-8 and percent-encode it in the URL.")
	}
	for _, r := range filename {
		if what := forbidden(r); what != "" {
			return "", "", Refuse(ProblemName, "The file's name holds %s (U+%04X): rename the file without it.", what, r)
		}
	}
	if !norm.NFC.IsNormalString(filename) {
		return "", "", Refuse(ProblemName,
			"The file's name is not in Unicode's NFC form: send it composed (in JavaScript: name.normalize(\"NFC\")).")
	}
	if strings.HasPrefix(filename, ".") || strings.Contains(filename, "..") {
		return "", "", Refuse(ProblemName,
			"The file's name begins with a dot or holds two in a row: rename the file, cat.png for instance.")
	}
	dot := strings.LastIndexByte(filename, '.')
	if dot < 0 {
		return "", "", Refuse(ProblemName, "The file's name has no extension: name it like cat.png.")
	}
	if strings.TrimSpace(filename[:dot]) == "" {
		return "", "", Refuse(ProblemName, "The file's name is blank before its extension: name it like cat.png.")
	}
	if dot == len(filename)-1 {
		return "", "", Refuse(ProblemExtension, "The file's name ends in a dot: give it an extension, cat.png for instance.")
	}
	name = lower(strings.ReplaceAll(filename[:dot], ".", "_"))
	extension = lower(filename[dot+1:])
	if n := len(name) + 1 + len(extension); n > maxNameBytes {
		return "", "", Refuse(ProblemName, "The file's name is %d bytes long in lower case: at most %d are accepted.", n,
			maxNameBytes)
	}
	return name, extension, nil
}

// lower keeps NFC: a few letters have a composed form in lower case only.
func lower(s string) string { return norm.NFC.String(strings.ToLower(s)) }

// The two joiners are needed to write Persian and many emoji; every other
// format character only hides or reorders what a person reads.
const (
	zeroWidthNonJoiner = '\u200c'
	zeroWidthJoiner    = '\u200d'
)

const (
	// Fraction and division slashes, full-width and set-minus forms: they show as a
	// path where there is none.
	lookAlikes = "\u2044\u2215\u29f8\uff0f\u2216\u29f5\uff3c"
	// Letters by category, nothing to the eye.
	fillers = "\u115f\u1160\u3164\uffa0"
)

// forbidden names what is wrong with a rune in a file's name, or is empty.
func forbidden(r rune) string {
	switch {
	case r == 0:
		return "a NUL"
	case r == '/' || r == '\\':
		return "a path separator"
	case strings.ContainsRune(lookAlikes, r):
		return "what looks like a path separator"
	case strings.ContainsRune(fillers, r):
		return "an invisible filler"
	case unicode.IsControl(r):
		return "a control character"
	case unicode.Is(unicode.Bidi_Control, r):
		return "a mark that changes the writing direction"
	case r == zeroWidthJoiner || r == zeroWidthNonJoiner:
		return ""
	case unicode.Is(unicode.Cf, r):
		return "an invisible format character"
	case unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r):
		return "a line separator"
	case unicode.Is(unicode.Co, r) || r == unicode.ReplacementChar || !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r):
		return "a character that cannot be shown"
	}
	return ""
}
