package console

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestWhatCannotBeSeenIsWrittenOut(t *testing.T) {
	mark := func(text string) string { return `<span class="mark">` + text + `</span>` }
	for text, want := range map[string]string{
		"cat.png":                         "cat.png",
		"":                                "",
		"猫 ж.png":                         "猫 ж.png",
		`<img src=x onerror=">`:           "&lt;img src=x onerror=&#34;&gt;",
		"gpj.\u202etac":                   "gpj." + mark("U+202E") + "tac",
		"a\u200bb\u2066c":                 "a" + mark("U+200B") + "b" + mark("U+2066") + "c",
		"a\nb\x00\x1b[2J":                 "a" + mark("U+000A") + "b" + mark("U+0000") + mark("U+001B") + "[2J",
		"a\u00a0b\u3164":                  "a" + mark("U+00A0") + "b" + mark("U+3164"),
		"\xff\ufffd":                      mark(`\xFF`) + "\ufffd",
		"e" + strings.Repeat("\u0301", 6): "e" + strings.Repeat("\u0301", 4) + strings.Repeat(mark("U+0301"), 2),
	} {
		if got := string(inert(text)); got != "<bdi>"+want+"</bdi>" {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
	if got := string(inertBlock("a\nb\r")); got != "<bdi>a\nb"+mark("U+000D")+"</bdi>" {
		t.Errorf("lines are shown as %q", got)
	}
	if got := string(inert(strings.Repeat("x", maxShown+5))); !strings.HasSuffix(got, "</bdi> "+mark("and 5 bytes more")) {
		t.Errorf("a long text ends %q", got[len(got)-60:])
	}
}

func FuzzInert(f *testing.F) {
	for _, text := range []string{"cat.png", "<script>", "\u202e\xff", "a\nb", "\u0301\u0301\u0301\u0301\u0301\u0301"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := string(inertBlock(text))
		if !utf8.ValidString(got) {
			t.Fatalf("%q is shown as %q, which is not UTF-8", text, got)
		}
		inside := strings.NewReplacer("<bdi>", "", "</bdi>", "", `<span class="mark">`, "", "</span>", "").Replace(got)
		for _, r := range inside {
			if strings.ContainsRune(`<>"'`, r) || r != '\n' && !unicode.IsPrint(r) {
				t.Fatalf("%q is shown as %q", text, got)
			}
		}
	})
}
