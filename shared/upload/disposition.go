package upload

import (
	"fmt"
	"strings"

	"hatchery/shared/sniff"
)

// Inline says whether bytes of this found type may be shown in place. Everything else is offered for saving.
func Inline(contentType string) bool { return sniff.Inline(contentType) }

// Disposition writes a Content-Disposition by RFC 6266: a plain filename for old
// clients and, where that loses something, the exact one by RFC 8187. The name
// comes from a caller: whatever it holds, the value is one line of ASCII and
// ends where it should.
func Disposition(contentType, filename string) string {
	form := "attachment"
	if Inline(contentType) {
		form = "inline"
	}
	plain := strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e || strings.ContainsRune(`"\%;`, r) {
			return '_'
		}
		return r
	}, filename)
	if plain == filename {
		return fmt.Sprintf(`%s; filename="%s"`, form, plain)
	}
	return fmt.Sprintf(`%s; filename="%s"; filename*=UTF-8''%s`, form, plain, extValue(filename))
}

// dispositionAs is the Content-Disposition of a record that is about to be stored with these facts.
func (r Record) dispositionAs(facts Facts) string {
	r.Extension = facts.Extension
	return Disposition(facts.ContentType, r.DisplayName())
}

// extValue percent-encodes all but RFC 8187's attr-char.
func extValue(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0 {
			b.WriteByte(c)
		} else {
			_, _ = fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
