package api_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"hatchery/shared/api"
)

// longTexts are texts of about size bytes: what people write in one, two, three and four bytes a character.
func longTexts(size int) map[string][]byte {
	texts := map[string][]byte{}
	for name, line := range map[string]string{"English": "Name;City;Country\r\n", "German": "Grüße aus Köln, schöne Straße\n",
		"Greek": "Καλημέρα κόσμε\n", "Chinese": "你好，世界。", "emoji": "🐣🐥"} {
		texts[name] = bytes.Repeat([]byte(line), size/len(line))
	}
	return texts
}

func TestATextIsUTF8WhereverItsBlocksBegin(t *testing.T) {
	const block = 32 << 10
	for name, text := range longTexts(3 * block) {
		for shift := range 2 * utf8.UTFMax {
			if err := api.WantUTF8(strings.NewReader(strings.Repeat(" ", shift) + string(text))); err != nil {
				t.Errorf("%s behind %d spaces: %v", name, shift, err)
			}
		}
	}
	for name, wrong := range map[string]string{"Latin-1": "\xfc", "a continuation alone": "\x80", "two": "\x80\x80", "five": "\x80\x80\x80\x80\x80",
		"half a letter": "\xc3", "two thirds": "\xe4\xbd", "three quarters": "\xf0\x9f\x90", "half of a pair": "\xed\xa0\x80",
		"too long": "\xc0\xaf", "too large": "\xf4\x90\x80\x80", "a replacement": "\uFFFD"} {
		for _, behind := range []string{"", " ", "more", strings.Repeat("more ", block)} {
			for _, before := range []int{0, 1, block - 5, block - 4, block - 3, block - 2, block - 1, block, block + 1, 2*block - 2} {
				if err := api.WantUTF8(strings.NewReader(strings.Repeat("x", before) + wrong + behind)); err == nil {
					t.Errorf("%s behind %d bytes and before %d is taken", name, before, len(behind))
				}
			}
		}
	}
	failure := errors.New("disk")
	err := api.WantUTF8(iotest.ErrReader(failure))
	if !errors.Is(err, failure) {
		t.Errorf("a body that cannot be read: %v", err)
	}
}

// FuzzWantUTF8: what is taken is valid and has no replacement character, and all that is so is taken.
func FuzzWantUTF8(f *testing.F) {
	f.Add([]byte("Grüße"), 32<<10-3)
	f.Add([]byte("\xe4\xbd"), 32<<10-2)
	f.Add([]byte("\uFFFD"), 0)
	f.Fuzz(func(t *testing.T, text []byte, before int) {
		body := append(bytes.Repeat([]byte("x"), max(0, before%(100<<10))), text...)
		want := utf8.Valid(body) && !bytes.Contains(body, []byte("\uFFFD"))
		if err := api.WantUTF8(bytes.NewReader(body)); (err == nil) != want {
			t.Fatalf("%q behind %d bytes: %v, want it taken: %v", text, before, err, want)
		}
	})
}

// BenchmarkWantUTF8: go test ./shared/api -run - -bench WantUTF8
func BenchmarkWantUTF8(b *testing.B) {
	for name, text := range longTexts(6 << 20) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if err := api.WantUTF8(bytes.NewReader(text)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
