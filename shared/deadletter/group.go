package deadletter

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxGroupBytes bounds the text of a group.
const maxGroupBytes = 200

// maxErrorBytes bounds the text of an error that is looked at: validators keep 2,000 bytes of one.
const maxErrorBytes = 4000

// groupOf names what letters have in common that died of the same: the cause, and the error without its ids.
func groupOf(cause Cause, text string) string {
	const rounds = 8 // what is cut may end in a piece that is an id by itself
	prefix := string(cause) + ": "
	for range rounds {
		next := cut(withoutIDs(text), maxGroupBytes-len(prefix))
		if next == text {
			break
		}
		text = next
	}
	return prefix + text
}

// ids are what two uploads that died of the same differ in, and what the SDK says around its own error. They are
// replaced in this order.
var ids = []struct {
	found func() *regexp.Regexp
	by    string
}{
	{compiled(`\b(?:RequestID|HostID): ?[^,\s]*(?:, ?)?`), ""},
	{compiled(`\b(?:operation error|https response error|api error) `), ""},
	{compiled(`exceeded maximum number of attempts, \d+, `), ""},
	{compiled(`\s*failed to get rate limit token, retry quota exceeded, \d+ available, \d+ requested`), ""},
	{compiled(`User: \S+ is not authorized`), "not authorized"},
	{compiled(`(?s)"(?:[^"\\]|\\.)*(?:"|\\?$)`), `"…"`},
	{compiled(`'[^']{1,12}'`), `'…'`}, // a character, in errors about JSON
	{compiled(`https?://[^\s",]+`), "…"},
	{compiled(`[^\s"(]*/entries/[^\s":,)]*`), "…"}, // a key, or an upload
	{compiled(`\bversion [^\s":,…]+`), "version …"},
	{compiled(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d[^\s",)]*`), "…"},
	{compiled(`(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`), "…"},
	{compiled(`\[[0-9a-fA-F:.%]*:[0-9a-fA-F:.%]*\](?::\d+)?`), "…"},
	{compiled(`\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?`), "…"},
	{compiled(`[A-Za-z0-9.-]+\.[A-Za-z0-9-]+:\d+`), "…"}, // a host with its port
	{compiled(`[A-Za-z0-9_+/=.-]*\d{4}[A-Za-z0-9_+/=.-]*`), "…"},
}

var (
	longWord = compiled(`[A-Za-z0-9_+/=.-]{16,}`)
	// number is one that stands alone. The status of a response says what happened, and stays.
	number = compiled(`StatusCode: \d+|(?:^|[\s(\[=:,/#])\d+(?:[.,]\d+)*`)
)

// withoutIDs gives an error's text as it is for every upload that fails of the same. It is one line.
func withoutIDs(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(cut(text, maxErrorBytes), " "))
	for _, id := range ids {
		text = id.found().ReplaceAllString(text, id.by)
	}
	text = longWord().ReplaceAllStringFunc(text, func(word string) string {
		if strings.ContainsAny(word, "0123456789") {
			return "…"
		}
		return word
	})
	text = number().ReplaceAllStringFunc(text, func(found string) string {
		if strings.HasPrefix(found, "StatusCode") {
			return found
		}
		return strings.TrimRight(found, "0123456789.,") + "…"
	})
	return strings.Join(strings.Fields(text), " ")
}

// cut bounds a text, at the end of a character. An ellipsis says that something is left out.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	most -= len("…")
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return strings.TrimRight(text[:most], " …") + "…"
}
