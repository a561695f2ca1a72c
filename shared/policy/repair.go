package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// repair makes of a name what can be stored and shown, and splits it at its last dot. A repaired name, put together
// again, is repaired to itself. The stem is "" when nothing of it is left.
func repair(filename string) (stem, extension string) {
	// White space at the ends goes before controls are replaced: a line feed at the end is an accident of a shell.
	unseen := func(r rune) bool { return blank(r) || joins(r) || repaired(r) == removed }
	s := strings.Map(repaired, strings.TrimFunc(filename, unseen))
	s = norm.NFC.String(withSingleDots(withoutLooseJoiners(s)))
	stem, extension = split(strings.TrimRightFunc(s, atNoEnd))
	return strings.TrimLeftFunc(stem, atNoEnd), extension
}

const (
	// Fraction and division slashes, full-width and set-minus forms show as a path where there is none.
	separators = "/\\\u2044\u2215\u29f8\uff0f\u2216\u29f5\uff3c"
	// These show as nothing, or as a space, and are neither by category.
	blanks = "\u034f\u17b4\u17b5\u2800\U00013441\U00013442\U00016fe4\U0001d159"
)

// withSingleDots makes one dot of several in a row.
func withSingleDots(s string) string {
	for strings.Contains(s, "..") {
		s = strings.ReplaceAll(s, "..", ".")
	}
	return s
}

// removed is what strings.Map leaves out.
const removed = -1

// repaired gives what stands for a rune of a name: itself, "_", or removed. A rune that this program's Unicode
// tables do not know stays: it may be this year's emoji. Invalid UTF-8 comes as U+FFFD.
func repaired(r rune) rune {
	switch {
	case joins(r) || blank(r) && !unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp):
		return r
	case unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point):
		return removed
	case strings.ContainsRune(separators, r), r == unicode.ReplacementChar,
		unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Co, unicode.Noncharacter_Code_Point):
		return '_'
	}
	return r
}

func blank(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(blanks, r) }

// joins says whether r only changes how its neighbours are drawn. Persian needs the non-joiner, many emoji the others.
func joins(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	return r == nonJoiner || r == joiner || unicode.Is(unicode.Variation_Selector, r)
}

// atNoEnd says whether a name neither begins nor ends with r.
func atNoEnd(r rune) bool { return r == '.' || blank(r) || joins(r) }

// withoutLooseJoiners removes the joiners that are not between two visible characters. A variation selector belongs to
// the character before it: a blank may follow.
func withoutLooseJoiners(s string) string {
	var b strings.Builder
	visible, from := false, 0 // of what precedes; s[from:i] are joiners to be decided on
	for i, r := range s {
		selects := visible && from == i && unicode.Is(unicode.Variation_Selector, r)
		if joins(r) && !selects {
			continue
		}
		if visible && !blank(r) {
			b.WriteString(s[from:i])
		}
		b.WriteRune(r)
		visible, from = !blank(r), i+utf8.RuneLen(r)
	}
	return b.String()
}

// cut shortens a stem to so many bytes, in whole characters as a person sees them where that is possible.
func cut(stem string, limit int) string {
	if len(stem) <= limit {
		return stem
	}
	end := limit
	for !utf8.RuneStart(stem[end]) {
		end--
	}
	whole := end
	for whole > 0 && continues(stem, whole) {
		_, size := utf8.DecodeLastRuneInString(stem[:whole])
		whole -= size
	}
	if whole > 0 {
		end = whole
	}
	return strings.TrimRightFunc(stem[:end], atNoEnd)
}

// continues says whether the rune at i is of one character with the rune before: a mark, a skin tone, or joined.
func continues(s string, i int) bool {
	const lightest, darkest, joiner = '\U0001f3fb', '\U0001f3ff', '\u200d'
	r, _ := utf8.DecodeRuneInString(s[i:])
	before, _ := utf8.DecodeLastRuneInString(s[:i])
	return before == joiner || joins(r) || unicode.Is(unicode.M, r) || lightest <= r && r <= darkest
}

// acceptedBefore says whether a name was accepted when names were not repaired but refused.
func acceptedBefore(filename string) bool {
	refused := func(r rune) bool {
		return repaired(r) != r || !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) && !joins(r)
	}
	return len(filename) <= maxNameBytes && utf8.ValidString(filename) && norm.NFC.IsNormalString(filename) &&
		!strings.ContainsFunc(filename, refused) && !strings.HasPrefix(filename, ".") && !strings.Contains(filename, "..")
}
