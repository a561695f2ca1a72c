package upload_test

import (
	"mime"
	"strings"
	"testing"
	"unicode/utf8"

	"hatchery/shared/upload"
)

func TestDispositionHasAPlainAndWhereNeededAnExactName(t *testing.T) {
	for _, c := range []struct{ contentType, filename, want string }{
		{"image/png", "cat.png", `inline; filename="cat.png"`},
		{"image/jpeg", "my cat (1).jpg", `inline; filename="my cat (1).jpg"`},
		{"image/gif", "o'brien.gif", `inline; filename="o'brien.gif"`},
		{"image/bmp", `say "hi".bmp`, `inline; filename="say _hi_.bmp"; filename*=UTF-8''say%20%22hi%22.bmp`},
		{"image/png", `a\b.png`, `inline; filename="a_b.png"; filename*=UTF-8''a%5Cb.png`},
		{"image/png", `x"; filename="evil.exe`,
			`inline; filename="x__ filename=_evil.exe"; filename*=UTF-8''x%22%3B%20filename%3D%22evil.exe`},
		{"image/png", "a\r\nSet-Cookie: b=c",
			`inline; filename="a__Set-Cookie: b=c"; filename*=UTF-8''a%0D%0ASet-Cookie%3A%20b%3Dc`},
		{"image/png", "100%.png", `inline; filename="100_.png"; filename*=UTF-8''100%25.png`},
		{"image/png", "50%41.png", `inline; filename="50_41.png"; filename*=UTF-8''50%2541.png`},
		{"image/png", "€ rates.png", `inline; filename="_ rates.png"; filename*=UTF-8''%E2%82%AC%20rates.png`},
		{"image/png", "家.png", `inline; filename="_.png"; filename*=UTF-8''%E5%AE%B6.png`},
		{"image/png", "é'*(~!).png", `inline; filename="_'*(~!).png"; filename*=UTF-8''%C3%A9%27%2A%28~!%29.png`},
		{"image/png", "a\x00b\x7f.png", `inline; filename="a_b_.png"; filename*=UTF-8''a%00b%7F.png`},
		// What a browser might run is never shown in place.
		{"image/svg+xml", "cat.svg", `attachment; filename="cat.svg"`},
		{"text/html", "cat.html", `attachment; filename="cat.html"`},
		{"application/octet-stream", "cat.png", `attachment; filename="cat.png"`},
		{"", "cat.png", `attachment; filename="cat.png"`},
		{"IMAGE/PNG", "cat.png", `attachment; filename="cat.png"`},
		{"image/png; x=y", "cat.png", `attachment; filename="cat.png"`},
	} {
		if got := upload.Disposition(c.contentType, c.filename); got != c.want {
			t.Errorf("Disposition(%q, %q) =\n%s, want\n%s", c.contentType, c.filename, got, c.want)
		}
	}
}

func FuzzDisposition(f *testing.F) {
	for _, s := range []string{"cat.png", "", `"`, `\`, `a\"b`, "a\r\nb", "100%", "%41", "€", "'", "''", "a*b", "\xff",
		"\x00", ";", "=", " ", "👩\u200d👧.png", "\u202e"} {
		f.Add("image/png", s)
	}
	f.Add("text/html", "x")
	f.Fuzz(func(t *testing.T, contentType, filename string) {
		value := upload.Disposition(contentType, filename)
		for i := range len(value) {
			if value[i] < ' ' || value[i] > '~' {
				t.Fatalf("byte %#x in %q", value[i], value)
			}
		}
		form, params, err := mime.ParseMediaType(value)
		if err != nil {
			t.Fatalf("%q cannot be read: %v", value, err)
		}
		if want := map[bool]string{true: "inline", false: "attachment"}[upload.Inline(contentType)]; form != want {
			t.Fatalf("%q is %q, want %q", value, form, want)
		}
		if len(params) != 1 || params["filename"] != filename {
			t.Fatalf("%q names the file %q and has %d parameters, want %q alone", value, params["filename"], len(params),
				filename)
		}
		// A client that knows only the plain form finds a plain name, as long as the
		// exact one.
		plain, _, _ := strings.Cut(value, "; filename*=")
		if _, params, err = mime.ParseMediaType(plain); err != nil ||
			len(params["filename"]) != utf8.RuneCountInString(filename) || strings.ContainsAny(params["filename"], `"\%;`) {
			t.Fatalf("%q names the file %q (%v)", plain, params["filename"], err)
		}
	})
}
