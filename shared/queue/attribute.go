package queue

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxName is the longest name or type of an attribute, in bytes: SQS's limit.
const maxName = 256

// checkAttribute says what is wrong with an attribute, or "". The rules are those of
// SendMessage in the Amazon SQS API reference.
func checkAttribute(name string, a Attribute) string {
	lower := strings.ToLower(name)
	switch {
	case name == "" || len(name) > maxName || strings.Trim(name, nameCharacters) != "":
		return "has a name that is not 1 to 256 of A-Z a-z 0-9 _ - ."
	case strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.Contains(name, ".."):
		return "has a name with a dot at an end or two together"
	case strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon."):
		return "has a name that begins as the queue's own do"
	case len(a.Type) > maxName:
		return "has a type of more than 256 characters"
	}
	kind, _, _ := strings.Cut(a.Type, ".")
	switch kind {
	case "String", "Number":
		switch _, err := strconv.ParseFloat(a.Text, 64); {
		case a.Text == "" || len(a.Binary) > 0:
			return "has not a text alone"
		case !allowed(a.Text):
			return "holds a character that XML has not"
		case kind == "Number" && err != nil:
			return "is no number"
		}
	case "Binary":
		if len(a.Binary) == 0 || a.Text != "" {
			return "is Binary and has not bytes alone"
		}
	default:
		return "has a type that is none of String, Number and Binary"
	}
	return ""
}

const nameCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-."

// allowed holds a text against the characters of XML 1.0.
func allowed(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	})
}
