package api

import (
	"mime"
	"net/url"
	"strings"
	"unicode/utf8"

	"hatchery/shared/policy"
)

// parameters reads the parameters of a header as clients write them: names in lower case, values as they stand, quotes
// included. Unlike mime.ParseMediaType it takes what has only one sensible meaning: an unquoted value with spaces or
// with "=", ":" and "/" in it, and a quoted one with quotes in it. Of two with one name the first counts.
func parameters(header string) map[string]string {
	found := map[string]string{}
	_, rest, _ := strings.Cut(header, ";")
	for rest != "" {
		name, value, ok := strings.Cut(rest, "=")
		if !ok {
			break
		}
		name = strings.ToLower(strings.Trim(name, "; \t"))
		value = strings.TrimLeft(value, " \t")
		end := endOfValue(value)
		if _, twice := found[name]; !twice {
			found[name] = strings.TrimRight(value[:end], " \t")
		}
		rest = value[end:]
	}
	return found
}

// endOfValue finds where a value ends: before what begins the next parameter or before the header's end, and after a
// quote that is not escaped if the value begins with one.
func endOfValue(s string) int {
	quoted := strings.HasPrefix(s, `"`)
	for i := 0; i < len(s); i++ {
		switch {
		case !quoted && s[i] == ';' && endsValue(s[i:]):
			return i
		case quoted && i > 0 && s[i] == '"' && endsValue(s[i+1:]):
			before := s[1:i]
			if backslashes := len(before) - len(strings.TrimRight(before, `\`)); backslashes%2 == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// lookAhead is how far endsValue looks, so that a hostile header costs no more than its length. The longest name of a
// parameter that means something has 9 letters.
const lookAhead = 64

// endsValue says whether a value can end before s: "; name=" follows, or nothing.
func endsValue(s string) bool {
	s = strings.TrimLeft(s[:min(len(s), lookAhead)], " \t")
	if s == "" {
		return true
	}
	if s[0] != ';' {
		return false
	}
	s = strings.TrimLeft(s, "; \t")
	name, _, ok := strings.Cut(s, "=")
	return s == "" || ok && !strings.ContainsAny(strings.TrimRight(name, " \t"), "; \t\"")
}

// unquoted is a value without the quotes around it, and with `\"` and `\\` undone. Another backslash stays: a client
// on Windows may send a path.
func unquoted(value string) string {
	inner, quoted := strings.CutPrefix(value, `"`)
	if !quoted {
		return value
	}
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(strings.TrimSuffix(inner, `"`))
}

// uriSafe is what a name consists of that is wholly percent-encoded: nothing in it would have to be.
const uriSafe = policy.Letters + policy.Digits + "._~-%"

// filenameOfPart reads the filename out of the parameters of a Content-Disposition, in each of the forms that clients
// have for names beyond ASCII: filename* (RFC 8187), an encoded word (RFC 2047), percent-encoding (RFC 7578, 4.2) and
// the bytes as they are. Browsers write a quote and line ends as %22, %0D and %0A, and nothing else so.
func filenameOfPart(said map[string]string) string {
	charset, rest, _ := strings.Cut(unquoted(said["filename*"]), "'")
	_, encoded, _ := strings.Cut(rest, "'")
	if name, err := url.PathUnescape(encoded); err == nil && name != "" && strings.EqualFold(charset, "utf-8") {
		return name
	}
	name := unquoted(said["filename"])
	if decoded, err := new(mime.WordDecoder).DecodeHeader(name); err == nil {
		name = decoded
	}
	if decoded, err := url.PathUnescape(name); err == nil && policy.Consists(name, uriSafe, 1, len(name)) &&
		utf8.ValidString(decoded) {
		return decoded
	}
	return strings.NewReplacer("%22", `"`, "%0D", "\r", "%0A", "\n").Replace(name)
}
