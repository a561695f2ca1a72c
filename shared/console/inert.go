package console

import (
	"fmt"
	"html/template"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxShown bounds what is shown of one text, in bytes.
	maxShown = 20_000
	// maxMarks is how many accents in a row are shown: more of them grow over the lines above.
	maxMarks = 4
)

// inert shows a text that anybody may have chosen, on one line: isolated, so that it turns no text around it, and with
// whatever cannot be seen written out.
func inert(text string) template.HTML { return shown(text, false) }

// inertBlock is inert for a text of several lines.
func inertBlock(text string) template.HTML { return shown(text, true) }

func shown(text string, lines bool) template.HTML {
	var b strings.Builder
	b.WriteString("<bdi>")
	marks := 0
	for i, r := range text {
		if i >= maxShown {
			fmt.Fprintf(&b, `</bdi> <span class="mark">and %d bytes more</span>`, len(text)-i)
			return template.HTML(b.String()) //nolint:gosec // all of it is escaped above
		}
		if unicode.In(r, unicode.M) {
			marks++
		} else {
			marks = 0
		}
		switch {
		case r == utf8.RuneError && strings.HasPrefix(text[i:], string(utf8.RuneError)):
			b.WriteRune(r)
		case r == utf8.RuneError:
			fmt.Fprintf(&b, `<span class="mark">\x%02X</span>`, text[i])
		case lines && r == '\n':
			b.WriteByte('\n')
		case marks > maxMarks || unseen(r):
			fmt.Fprintf(&b, `<span class="mark">U+%04X</span>`, r)
		default:
			b.WriteString(template.HTMLEscapeString(string(r)))
		}
	}
	b.WriteString("</bdi>")
	return template.HTML(b.String()) //nolint:gosec // all of it is escaped above
}

// unseen says whether a character shows nothing, or changes how others are shown: controls, formats, direction marks,
// spaces other than the usual one, and letters and marks that are blank.
func unseen(r rune) bool {
	switch r {
	case 0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0:
		return true
	}
	return !unicode.IsPrint(r) || unicode.Is(unicode.Variation_Selector, r)
}
