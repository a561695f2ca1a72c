package sniff_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"hatchery/shared/sniff"
)

// instead is everything, and any other type in the place of the claimed one.
func instead(extensions ...string) sniff.Limits {
	l := everything()
	l.Extensions, l.Correct = extensions, true
	return l
}

// firsts is the first extension of each type.
func firsts() []string {
	var all []string
	for _, t := range sniff.Types() {
		all = append(all, t.Extensions[0])
	}
	return all
}

func TestAPictureUnderAnotherOnesExtensionIsRefusedOrCorrected(t *testing.T) {
	order := sniff.Extensions()
	slices.Reverse(order)                                                                      // jpeg is before jpg
	order = append(slices.DeleteFunc(order, func(e string) bool { return e == "zip" }), "zip") // which an office file is, too
	for _, s := range genuine(t) {
		if s.isText() || s.file == "genuine/ffmpeg-sound.mp4" { // an M4A as much as an MP4
			continue
		}
		own, err := sniff.Check(t.Context(), bytes.NewReader(s.data), s.extension(), everything())
		if err != nil {
			t.Fatalf("%s: %v", s.file, err)
		}
		for _, claimed := range order {
			if sniff.Looks(claimed, s.data) != "" {
				continue // it is of that type
			}
			if got := verdict(t, s.data, claimed, everything()); got != "type_mismatch" {
				t.Errorf("%s as .%s: %s, want type_mismatch", s.file, claimed, got)
			}
			want := own
			of, _ := sniff.TypeOf(want.Extension)
			want.Extension = of.Extensions[len(of.Extensions)-1]
			found, err := sniff.Check(t.Context(), bytes.NewReader(s.data), claimed, instead(order...))
			if err != nil || found != want {
				t.Errorf("%s as .%s: %+v, %v; want %+v", s.file, claimed, found, err, want)
			}
			others := slices.DeleteFunc(slices.Clone(order), func(e string) bool { return sniff.Looks(e, s.data) != "" })
			if got := verdict(t, s.data, claimed, instead(others...)); got != "type_mismatch" {
				t.Errorf("%s as .%s, where its type is not allowed: %s, want type_mismatch", s.file, claimed, got)
			}
		}
	}
}

// The extensions that a kind takes are for advice alone where a mismatch is not corrected.
func TestAMismatchIsCorrectedOnlyWhereTheLimitsSaySo(t *testing.T) {
	limits := instead(sniff.Extensions()...)
	limits.Correct = false
	if got := verdict(t, named(t, "genuine/go.gif"), "png", limits); got != "type_mismatch" {
		t.Errorf("a GIF as .png, where GIF is taken and nothing corrected: %s", got)
	}
}

func TestAnExtensionThatIsRightStays(t *testing.T) {
	for _, claimed := range []string{"jpg", "jpeg"} {
		found, err := sniff.Check(t.Context(), bytes.NewReader(named(t, "genuine/cjpeg-gray.jpg")), claimed, instead("jpg", "jpeg"))
		if err != nil || found.Extension != claimed {
			t.Errorf("as .%s: %+v, %v", claimed, found, err)
		}
	}
}

// What is corrected is walked as strictly as what has the right extension.
func TestWhatIsCorrectedIsWalkedWhole(t *testing.T) {
	order := firsts()
	for _, s := range samples(t) {
		if s.verdict == "ok" || s.verdict == "type_mismatch" || s.isText() || sniff.Looks(s.extension(), s.data) == "" {
			continue
		}
		for _, claimed := range order {
			if sniff.Looks(claimed, s.data) != "" {
				continue
			}
			if got := verdict(t, s.data, claimed, instead(order...)); got != s.verdict {
				t.Errorf("%s as .%s: %s, want %s", s.file, claimed, got, s.verdict)
			}
		}
	}
	jpeg := named(t, "genuine/cjpeg-gray.jpg")
	small := instead(order...)
	small.MaxSide = 1
	for what, c := range map[string]struct {
		data []byte
		l    sniff.Limits
		want string
	}{
		"a script behind it":           {append(bytes.Clone(jpeg), "<?php"...), instead(order...), "trailing_data"},
		"its end missing":              {jpeg[:len(jpeg)-3], instead(order...), "truncated"},
		"too large":                    {jpeg, small, "too_many_pixels"},
		"a space before its signature": {append([]byte(" "), jpeg...), instead(order...), "type_mismatch"},
		"a zero before its signature":  {append([]byte{0}, jpeg...), instead(order...), "type_mismatch"},
		"half of its signature":        {jpeg[:2], instead(order...), "type_mismatch"},
		"nothing":                      {nil, instead(order...), "truncated"},
		"a script":                     {[]byte("<script>"), instead(order...), "type_mismatch"},
		"a script that begins as BMP":  {[]byte("BM<script>"), instead(order...), "truncated"},
		"a longer one":                 {[]byte("BM" + strings.Repeat("<script>", 9)), instead(order...), "type_mismatch"},
		"AVI":                          {[]byte("RIFF\x24\x00\x00\x00AVI LIST"), instead(order...), "type_mismatch"},
	} {
		if got := verdict(t, c.data, "png", c.l); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
}

// FuzzInstead: a file passes under another one's extension exactly when it passes under its own, as the same. An MP4
// with sound alone passes under two, and keeps the one that it has.
func FuzzInstead(f *testing.F) {
	for _, s := range samples(f) {
		if len(s.data) < 4096 {
			f.Add(s.data)
		}
	}
	extensions := slices.DeleteFunc(firsts(), func(e string) bool {
		return e == "zip" || e == "txt" || e == "csv" // which an office file is, too, and which nothing tells
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		var first sniff.Found
		passes := map[string]sniff.Found{}
		for _, e := range extensions {
			if found, err := sniff.Check(t.Context(), bytes.NewReader(data), e, everything()); err == nil {
				passes[e] = found
				if first.ContentType == "" {
					first = found
				}
			}
		}
		for _, claimed := range extensions {
			own, right := passes[claimed]
			if !right {
				own = first
			}
			found, err := sniff.Check(t.Context(), bytes.NewReader(data), claimed, instead(extensions...))
			var refusal *sniff.Refusal
			if err != nil && !errors.As(err, &refusal) {
				t.Fatalf("as .%s: trouble: %v", claimed, err)
			}
			if (err == nil) != (own.ContentType != "") || err == nil && found != own {
				t.Fatalf("as .%s: %+v, %v; under its own extension: %+v", claimed, found, err, own)
			}
		}
	})
}
