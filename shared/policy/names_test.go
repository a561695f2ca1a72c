package policy_test

import (
	"errors"
	"math/rand/v2"
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
		// In lower case these compose: the result is NFC like all names.
		{"J\u030c.png", "\u01f0", "png"},
		{"W\u030a.png", "\u1e98", "png"},
		{strings.Repeat("a", 251) + ".png", strings.Repeat("a", 251), "png"},
		{strings.Repeat("é", 125) + "a.png", strings.Repeat("é", 125) + "a", "png"},
	} {
		n, err := policy.ParseName(c.filename, "")
		if want := (policy.Name{Name: c.name, Extension: c.extension, Filename: norm.NFC.String(c.filename)}); err != nil ||
			n != want {
			t.Errorf("ParseName(%q) = %+q, %v; want %+q", c.filename, n, err, want)
		}
	}
}

func TestANameIsRepaired(t *testing.T) {
	for _, c := range []struct{ filename, want string }{
		{".cat.png", "cat.png"},
		{"...cat.png", "cat.png"},
		{"a..png", "a.png"},
		{"a.....b.png", "a.b.png"},
		{"cat.png.", "cat.png"},
		{"cat.png..", "cat.png"},
		{"cat.png . .", "cat.png"},
		{" cat.png ", "cat.png"},
		{"\u3000\u2800cat.png\u00a0", "cat.png"},
		{" .\u2800. cat.png", "cat.png"},
		{"cat.png\n", "cat.png"},
		{"\t\r\ncat.png\r\n", "cat.png"},
		{"\ufeff\ncat.png", "cat.png"},
		{"../cat.png", "_cat.png"},
		{"../../etc/passwd.png", "_._etc_passwd.png"},
		{"a/b/cat.png", "a_b_cat.png"},
		{`C:\x\cat.png`, "C:_x_cat.png"},
		{"a\uff0fb.png", "a_b.png"},
		{"1\u2044 2.png", "1_ 2.png"},
		{"a\u2215b.png", "a_b.png"},
		{"cat\x00.png", "cat_.png"},
		{"cat\r\nX-Evil: 1.png", "cat__X-Evil: 1.png"},
		{"a\tb.png", "a_b.png"},
		{"a\x1bb.png", "a_b.png"},
		{"a\x7f\u0085b.png", "a__b.png"},
		{"a\u2028b\u2029c.png", "a_b_c.png"},
		// Direction marks; the extension is read after them.
		{"cat\u202egnp.png", "catgnp.png"},
		{"a\u202a\u2066\u2069\u200e\u200f\u061cb.png", "ab.png"},
		{"cat.p\u202eng", "cat.png"},
		{"cat\u202e.png", "cat.png"},
		// What is invisible.
		{"a\u00ad\u200b\u2060\U000e0041b.png", "ab.png"},
		{"\ufeffcat.png", "cat.png"},
		{"a\u3164\u115f\u1160\uffa0b.png", "ab.png"},
		// Joiners between visible characters stay, others do not.
		{"a \u200db.png", "a b.png"},
		{"a\u200c b.png", "a b.png"},
		{"\u200d\ufe0fcat.png\u200d", "cat.png"},
		{"❤\ufe0f.png", "❤\ufe0f.png"},
		{"👁\ufe0f\u200d🗨\ufe0f x.png", "👁\ufe0f\u200d🗨\ufe0f x.png"},
		{"❤\ufe0f\u200d love \ufe0f.png", "❤\ufe0f love .png"},
		{"a\u200d\u202e\u200db.png", "a\u200d\u200db.png"},
		// What a screen cannot show.
		{"a\ue000b.png", "a_b.png"},
		{"a\ufffdb\uffff.png", "a_b_.png"},
		{"caf\xe9.png", "caf_.png"},
		{"\xff.png", "_.png"},
		{"a\xed\xa0\x80b.png", "a___b.png"}, // half a surrogate pair
		// What this year's tables do not know may be an emoji.
		{"a\u0378b.png", "a\u0378b.png"},
		{"\U0001faea.png", "\U0001faea.png"},
		// NFC.
		{"e\u0301t\u0301.png", "ét\u0301.png"},
		{"\u212b.png", "Å.png"}, // the Ångström sign
		{"\u1100\u1161.png", "가.png"},
		{"e\u200b\u0301.png", "é.png"}, // composed once nothing is between
		// Too long: the extension stays, and no character is cut in two.
		{strings.Repeat("a", 252) + ".png", strings.Repeat("a", 251) + ".png"},
		{strings.Repeat("é", 200) + ".png", strings.Repeat("é", 125) + ".png"},
		{strings.Repeat("a", 250) + "e\u0327\u0323.jpg", strings.Repeat("a", 250) + ".jpg"},
		{strings.Repeat("a", 240) + "👩\u200d👩\u200d👧.jpg", strings.Repeat("a", 240) + ".jpg"},
		{strings.Repeat("a", 244) + "👍🏽.jpg", strings.Repeat("a", 244) + ".jpg"},
		{strings.Repeat("a", 249) + " . bcd.png", strings.Repeat("a", 249) + ".png"},
		{strings.Repeat("a", 1<<20) + ".png", strings.Repeat("a", 251) + ".png"},
		{"a" + strings.Repeat("\u0302", 300) + ".png", norm.NFC.String("a"+strings.Repeat("\u0302", 121)) + ".png"},
		{"photo.JFIF", "photo.JFIF"},
	} {
		n, err := policy.ParseName(c.filename, "")
		if err != nil || n.Filename != c.want {
			t.Errorf("ParseName(%.60q) = %+q, %v; want %+q", c.filename, n.Filename, err, c.want)
		}
	}
}

func TestWithoutAnExtensionOneIsGiven(t *testing.T) {
	for _, c := range []struct {
		filename, extension string
		want                policy.Name
	}{
		{"1000000036", "jpg", policy.Name{Name: "1000000036", Extension: "jpg", Filename: "1000000036.jpg"}},
		{"Mein Bild.", "png", policy.Name{Name: "mein bild", Extension: "png", Filename: "Mein Bild.png"}},
		{"cat.gif", "png", policy.Name{Name: "cat", Extension: "gif", Filename: "cat.gif"}},
		{strings.Repeat("a", 300), "jpg", policy.Name{Name: strings.Repeat("a", 251), Extension: "jpg",
			Filename: strings.Repeat("a", 251) + ".jpg"}},
	} {
		if n, err := policy.ParseName(c.filename, c.extension); err != nil || n != c.want {
			t.Errorf("ParseName(%.40q, %q) = %+q, %v; want %+q", c.filename, c.extension, n, err, c.want)
		}
	}
	for filename, want := range map[string]bool{"1000000036": true, "cat.": true, " cat\u202e": true, "cat.png": false,
		"cat.png.": false, "": false, ".png": false, " ": false} {
		if policy.LacksExtension(filename) != want {
			t.Errorf("LacksExtension(%q) is %v", filename, !want)
		}
	}
}

func TestJFIFAndJPEAreJPG(t *testing.T) {
	for filename, extension := range map[string]string{"a.jfif": "jpg", "a.JFIF": "jpg", "a.jpe": "jpg", "a.jpg": "jpg",
		"a.jpeg": "jpeg", "a.jif": "jif"} {
		if n, err := policy.ParseName(filename, ""); err != nil || n.Extension != extension || n.Filename != filename {
			t.Errorf("%q is %+v, %v", filename, n, err)
		}
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{{"jpg", "JPEG", true}, {"jfif", "jpg", true}, {"jpe", "jfif", true}, {"PNG", "png", true}, {"png", "jpg", false},
		{"exe", "EXE", true}, {"exe", "com", false}, {"", "png", false}, {"", "", true}} {
		if policy.SameExtension(c.a, c.b) != c.want || policy.SameExtension(c.b, c.a) != c.want {
			t.Errorf("SameExtension(%q, %q) is %v", c.a, c.b, !c.want)
		}
	}
}

func TestANameOfWhichNothingIsLeftIsRefused(t *testing.T) {
	const named, extended = policy.ProblemName, policy.ProblemExtension
	for _, c := range []struct {
		filename string
		problem  policy.Problem
		says     string
	}{
		{"", named, "no name"},
		{"cat", named, "no extension"},
		{"cat\u202e\u200b ", named, "no extension"},
		{"cat.", extended, "ends in a dot"},
		{"cat. .", extended, "ends in a dot"},
		{".png", named, "left"},
		{"..png", named, "left"},
		{".", named, "left"},
		{"..", named, "left"},
		{"   ", named, "left"},
		{" .png", named, "left"},
		{"\u3000.png", named, "left"},
		{"\u00a0.png", named, "left"},
		{"\u2800.png", named, "left"},
		{"\u034f.png", named, "left"},
		{"\u3164\u115f\u1160\uffa0.png", named, "left"},
		{"\u17b4\u17b5.png", named, "left"},
		{"\U0001d159\U00013441\U00013442\U00016fe4.png", named, "left"},
		{"\u200d.png", named, "left"},
		{"\ufe0f.png", named, "left"},
		{"\u200b\u202e.png", named, "left"},
		{"cat." + strings.Repeat("p", 33), extended, "33 bytes long: at most 32"},
		{"cat." + strings.Repeat("p", 300), extended, "300 bytes long"},
	} {
		n, err := policy.ParseName(c.filename, "")
		var refusal *policy.Refusal
		if !errors.As(err, &refusal) {
			t.Errorf("ParseName(%.40q) = %+q, %v; want a refusal", c.filename, n, err)
			continue
		}
		if refusal.Problem != c.problem || !strings.Contains(refusal.Message, c.says) {
			t.Errorf("ParseName(%.40q) is refused as %q: %s; want %q and %q", c.filename, refusal.Problem, refusal.Message,
				c.problem, c.says)
		}
		if n != (policy.Name{}) {
			t.Errorf("ParseName(%.40q) is refused and yet gives %+q", c.filename, n)
		}
		for _, r := range refusal.Message {
			if r < ' ' || r > '~' {
				t.Errorf("the refusal of %.40q holds U+%04X itself", c.filename, r)
			}
		}
	}
}

// parseUnrepaired is what ParseName was when dangerous names were refused. It is kept as it was.
func parseUnrepaired(filename string) (name, extension string, accepted bool) {
	const (
		lookAlikes = "\u2044\u2215\u29f8\uff0f\u2216\u29f5\uff3c"
		fillers    = "\u115f\u1160\u3164\uffa0"
	)
	forbidden := func(r rune) bool {
		switch {
		case r == 0, r == '/' || r == '\\', strings.ContainsRune(lookAlikes, r), strings.ContainsRune(fillers, r),
			unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return true
		case r == '\u200d' || r == '\u200c':
			return false
		case unicode.Is(unicode.Cf, r), unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r):
			return true
		}
		return unicode.Is(unicode.Co, r) || r == unicode.ReplacementChar || !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r)
	}
	lower := func(s string) string { return norm.NFC.String(strings.ToLower(s)) }
	dot := strings.LastIndexByte(filename, '.')
	if filename == "" || len(filename) > 255 || !utf8.ValidString(filename) || strings.ContainsFunc(filename, forbidden) ||
		!norm.NFC.IsNormalString(filename) || strings.HasPrefix(filename, ".") || strings.Contains(filename, "..") ||
		dot < 0 || strings.TrimSpace(filename[:dot]) == "" || dot == len(filename)-1 {
		return "", "", false
	}
	name, extension = lower(strings.ReplaceAll(filename[:dot], ".", "_")), lower(filename[dot+1:])
	return name, extension, len(name)+1+len(extension) <= 255
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
		"\xff.png", "e\u0301.png", " cat.png", "cat .png", "cat\u200d.png", "\u2800 cat.gif", "\u200dcat.bmp", "a.jfif",
		"می\u200cخواهم.png", "👩\u200d👧.jpg", "İ.png", "ẞ.gif", "J\u030c.png", "Ⱥ.PNG", "ΑΣ.png", "a.\u0130", "a/b.png",
		strings.Repeat("x", 300), strings.Repeat("ẞ", 100) + ".png", strings.Repeat("Ⱥ", 125) + "a.png", strings.Repeat(" ", 200) + "ȺȺȺȺȺȺȺȺȺȺȺȺȺȺȺ.png",
		strings.Repeat("\u0301", 31) + "a.png", "\u034f" + strings.Repeat("\u0301", 70) + ".png", "a\ufe0f\u200d.\u200d.b",
		"\u034f.\u0301\u200d.png", "\U000e0111.gif"} {
		f.Add(s)
	}
	f.Fuzz(checkRepair)
}

func TestRepairHoldsForNamesOfOddCharacters(t *testing.T) {
	odd := strings.Split("a|B|Ⱥ|ẞ|.|.|.png|.JPG|.jfif| |_|/|\\|\x00|\n|\u00a0|\u3000|\u2800|\u034f|\u3164|\u200c|\u200d|\ufe0f|"+
		"\u202e|\u200b|\u0301|\u0344|e|\u1100|\u1161|\u11a8|\u212b|\u0130|J|\u030c|👩|🏽|\xff|\ufffd|\ue000|\u0378|\u17b4|\u2028|"+
		"\u0345|\u0f71|\u0f72|\u0f74|"+strings.Repeat("x", 120)+"|"+strings.Repeat("\u0301", 30), "|")
	random := rand.New(rand.NewPCG(1, 2))
	for range 50_000 {
		var b strings.Builder
		for range 1 + random.IntN(12) {
			b.WriteString(odd[random.IntN(len(odd))])
		}
		b.WriteString([]string{"", ".png", ".png", ".png "}[random.IntN(4)])
		checkRepair(t, b.String())
	}
}

// checkRepair checks what holds of every name: it fits, it holds nothing that it may not, it is repaired to itself, and
// what was accepted before is what it was.
func checkRepair(t *testing.T, filename string) {
	n, err := policy.ParseName(filename, "")
	was, extensionWas, parsedBefore := parseUnrepaired(filename)
	acceptedBefore := parsedBefore && policy.Default().Kinds["images"].AllowsExtension(extensionWas)
	if err != nil {
		var refusal *policy.Refusal
		if !errors.As(err, &refusal) || refusal.Message == "" || n != (policy.Name{}) {
			t.Fatalf("refused with %v and %+q, want a *Refusal with a sentence", err, n)
		}
		if acceptedBefore && strings.TrimFunc(was, blankBefore) != "" {
			t.Fatalf("%q was accepted before: %v", filename, err)
		}
		return
	}
	if acceptedBefore && (n.Name != was || n.Extension != extensionWas) {
		t.Fatalf("%q was %q, %q before, and is %+q", filename, was, extensionWas, n)
	}
	for _, full := range []string{n.Name + "." + n.Extension, n.Filename} {
		switch {
		case n.Name == "" || n.Extension == "" || len(full) > 255:
			t.Fatalf("%+q, %d bytes", n, len(full))
		case !utf8.ValidString(full) || !norm.NFC.IsNormalString(full):
			t.Fatalf("%+q is not in NFC", full)
		case strings.IndexFunc(full, unwelcome) >= 0:
			t.Fatalf("%+q holds what no name may hold", full)
		case strings.Contains(full, "..") || strings.HasPrefix(full, "."):
			t.Fatalf("%+q has dots as a path does", full)
		}
	}
	if strings.Contains(n.Name, ".") || strings.Contains(n.Extension, ".") ||
		strings.TrimSpace(n.Filename) != n.Filename {
		t.Fatalf("%+q", n)
	}
	// What is shown may be sent again and stays the same.
	again, err := policy.ParseName(n.Filename, "")
	if err != nil || again.Filename != n.Filename || again.Extension != n.Extension ||
		again.Name != n.Name && !parsedBefore {
		t.Fatalf("%q became %+q, and sent again %+q, %v", filename, n, again, err)
	}
	again, err = policy.ParseName(n.Name+"."+n.Extension, "")
	if err != nil || again.Name != n.Name || again.Extension != n.Extension {
		t.Fatalf("%q became %+q, and its name sent again %+q, %v", filename, n, again, err)
	}
}

// blankBefore says of which characters alone a name could be made before.
func blankBefore(r rune) bool {
	return unicode.Is(unicode.Variation_Selector, r) || strings.ContainsRune("._ \u00a0\u1680\u2000\u2001\u2002\u2003\u2004"+
		"\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\u200c\u200d\u034f\u17b4\u17b5\u2800\U00013441\U00013442"+
		"\U00016fe4\U0001d159", r)
}
