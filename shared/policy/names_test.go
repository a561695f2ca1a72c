package policy_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"hatchery/shared/policy"
)

func TestANameIsSplitAsTheReplacedServiceSplitIt(t *testing.T) {
	for _, c := range []struct{ filename, name, extension string }{
		{"cat.png", "cat", "png"},
		{"My.Cat.png", "my_cat", "png"},
		{"my.holiday.2026.JPEG", "my_holiday_2026", "jpeg"},
		{"a b.Png", "a b", "png"},
		{"ÄRGER.PNG", "ärger", "png"},
		{"семья на море.jpg", "семья на море", "jpg"},
		{"家族.gif", "家族", "gif"},
		{"می\u200cخواهم.png", "می\u200cخواهم", "png"},
		{"👩\u200d👩\u200d👧\ufe0f.png", "👩\u200d👩\u200d👧\ufe0f", "png"},
		{"o'brien & co (1) #2 100%.bmp", "o'brien & co (1) #2 100%", "bmp"},
		{"<script>.png", "<script>", "png"},
		{"-rf.png", "-rf", "png"},
		{"cat.png ", "cat", "png "}, // an extension that no policy has
		// In lower case these compose: the result is NFC like all names.
		{"J\u030c.png", "\u01f0", "png"},
		{"W\u030a.png", "\u1e98", "png"},
		{strings.Repeat("a", 251) + ".png", strings.Repeat("a", 251), "png"},
		{strings.Repeat("é", 125) + "a.png", strings.Repeat("é", 125) + "a", "png"},
	} {
		name, extension, err := policy.ParseName(c.filename)
		if err != nil || name != c.name || extension != c.extension {
			t.Errorf("ParseName(%q) = %q, %q, %v; want %q, %q", c.filename, name, extension, err, c.name, c.extension)
		}
	}
}

func TestADangerousNameIsRefusedAndNotCleaned(t *testing.T) {
	const named, extended = policy.ProblemName, policy.ProblemExtension
	for _, c := range []struct {
		filename string
		problem  policy.Problem
		says     string
	}{
		{"", named, "no name"},
		{"cat", named, "no extension"},
		{"cat.", extended, "ends in a dot"},
		{".png", named, "begins with a dot"},
		{".cat.png", named, "begins with a dot"},
		{".", named, "begins with a dot"},
		{"..", named, "dot"},
		{"a..png", named, "two in a row"},
		{"cat.png..", named, "two in a row"},
		{"../cat.png", named, "path separator (U+002F)"},
		{"a/b.png", named, "path separator (U+002F)"},
		{`a\b.png`, named, "path separator (U+005C)"},
		{`C:\cat.png`, named, "path separator (U+005C)"},
		{"a\uff0fb.png", named, "looks like a path separator (U+FF0F)"},
		{"a\u2215b.png", named, "looks like a path separator (U+2215)"},
		{"a\u3164.png", named, "invisible filler (U+3164)"},
		{" .png", named, "blank"},
		{"\u3000.png", named, "blank"},
		{"\u00a0.png", named, "blank"},
		{"cat.png\x00.exe", named, "NUL (U+0000)"},
		{"cat\x00.png", named, "NUL (U+0000)"},
		{"cat\r\nX-Evil: 1.png", named, "control character (U+000D)"},
		{"a\nb.png", named, "control character (U+000A)"},
		{"a\tb.png", named, "control character (U+0009)"},
		{"a\x1bb.png", named, "control character (U+001B)"},
		{"a\x7fb.png", named, "control character (U+007F)"},
		{"a\u0085b.png", named, "control character (U+0085)"},
		{"a\u2028b.png", named, "line separator (U+2028)"},
		{"a\u2029b.png", named, "line separator (U+2029)"},
		{"cat\u202egnp.exe", named, "writing direction (U+202E)"},
		{"a\u202ab.png", named, "writing direction (U+202A)"},
		{"a\u2066b.png", named, "writing direction (U+2066)"},
		{"a\u2069b.png", named, "writing direction (U+2069)"},
		{"a\u200eb.png", named, "writing direction (U+200E)"},
		{"a\u200fb.png", named, "writing direction (U+200F)"},
		{"a\u061cb.png", named, "writing direction (U+061C)"},
		{"a\u00adb.png", named, "invisible format character (U+00AD)"},
		{"a\u2060b.png", named, "invisible format character (U+2060)"},
		{"\ufeffcat.png", named, "invisible format character (U+FEFF)"},
		{"a\U000e0041b.png", named, "invisible format character (U+E0041)"},
		{"a\ue000b.png", named, "cannot be shown (U+E000)"},
		{"a\ufffdb.png", named, "cannot be shown (U+FFFD)"},
		{"a\uffffb.png", named, "cannot be shown (U+FFFF)"},
		{"a\u0378b.png", named, "cannot be shown (U+0378)"},
		{"cat.p\u202eng", named, "writing direction (U+202E)"},
		{"\xff.png", named, "not valid UTF-8"},
		{"caf\xe9.png", named, "not valid UTF-8"},
		{"a\xed\xa0\x80b.png", named, "not valid UTF-8"}, // half a surrogate pair
		{"e\u0301t\u0301.png", named, "NFC"},
		{"\u212b.png", named, "NFC"}, // the Ångström sign
		{"\u1100\u1161.png", named, "NFC"},
		{strings.Repeat("a", 252) + ".png", named, "256 bytes long:"},
		{strings.Repeat("é", 126) + ".png", named, "256 bytes long:"},
		{strings.Repeat("a", 1<<20) + ".png", named, "bytes long:"},
		// 255 bytes as sent, more in lower case.
		{strings.Repeat("Ⱥ", 125) + "a.png", named, "in lower case"},
	} {
		name, extension, err := policy.ParseName(c.filename)
		var refusal *policy.Refusal
		if !errors.As(err, &refusal) {
			t.Errorf("ParseName(%.40q) = %q, %q, %v; want a refusal", c.filename, name, extension, err)
			continue
		}
		if refusal.Problem != c.problem || !strings.Contains(refusal.Message, c.says) {
			t.Errorf("ParseName(%.40q) is refused as %q: %s; want %q and %q", c.filename, refusal.Problem, refusal.Message,
				c.problem, c.says)
		}
		if name != "" || extension != "" {
			t.Errorf("ParseName(%.40q) is refused and yet gives %q, %q", c.filename, name, extension)
		}
		for _, r := range refusal.Message {
			if r < ' ' || r > '~' {
				t.Errorf("the refusal of %.40q holds U+%04X itself", c.filename, r)
			}
		}
	}
}

// unwelcome says, in other words than the code, which runes no name may hold.
func unwelcome(r rune) bool {
	if r == '\u200c' || r == '\u200d' {
		return false
	}
	return r == '/' || r == '\\' || r == utf8.RuneError ||
		unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp)
}

func FuzzParseName(f *testing.F) {
	for _, s := range []string{"cat.png", "My.Cat.png", "a..b", "..", ".png", "a.", "a\x00.png", "a\u202e.png",
		"\xff.png", "e\u0301.png",
		"می\u200cخواهم.png", "👩\u200d👧.jpg", "İ.png", "ẞ.gif", "J\u030c.png", "Ⱥ.PNG", "ΑΣ.png", "a.\u0130", "a/b.png",
		strings.Repeat("x", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, filename string) {
		name, extension, err := policy.ParseName(filename)
		if err != nil {
			var refusal *policy.Refusal
			if !errors.As(err, &refusal) || refusal.Message == "" {
				t.Fatalf("refused with %v, want a *Refusal with a sentence", err)
			}
			if name != "" || extension != "" {
				t.Fatalf("refused, and yet %q, %q", name, extension)
			}
			return
		}
		full := name + "." + extension
		switch {
		case name == "" || extension == "":
			t.Fatalf("name %q, extension %q", name, extension)
		case len(filename) > 255 || len(full) > 255:
			t.Fatalf("%d bytes became %d", len(filename), len(full))
		case !utf8.ValidString(full):
			t.Fatalf("%q is not UTF-8", full)
		case !norm.NFC.IsNormalString(name) || !norm.NFC.IsNormalString(extension):
			t.Fatalf("%q is not NFC", full)
		case strings.IndexFunc(full, unwelcome) >= 0:
			t.Fatalf("%q holds what no name may hold", full)
		case strings.Contains(name, ".") || strings.Contains(extension, "."):
			t.Fatalf("name %q, extension %q: a dot is left", name, extension)
		}
		// The replaced service: the last dot divides, inner dots become "_", all
		// in lower case.
		dot := strings.LastIndex(filename, ".")
		wantName := norm.NFC.String(strings.ToLower(strings.ReplaceAll(filename[:dot], ".", "_")))
		wantExtension := norm.NFC.String(strings.ToLower(filename[dot+1:]))
		if name != wantName || extension != wantExtension {
			t.Fatalf("%q became %q, %q; want %q, %q", filename, name, extension, wantName, wantExtension)
		}
		// What is shown may be sent again and stays the same.
		again, extensionAgain, err := policy.ParseName(full)
		if err != nil || again != name || extensionAgain != extension {
			t.Fatalf("%q, sent again as %q, became %q, %q, %v", filename, full, again, extensionAgain, err)
		}
	})
}
