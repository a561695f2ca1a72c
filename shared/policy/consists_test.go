package policy_test

import (
	"regexp"
	"strings"
	"testing"

	"hatchery/shared/policy"
)

func TestConsistsCountsBytesOfAnAlphabet(t *testing.T) {
	for s, want := range map[string]bool{"a": false, "ab": true, "abcd": true, "abcde": false, "": false, "aé": false,
		"a\xff": false, "a b": false, "AB": false, "ab\n": false, "ab\x00": false} {
		if got := policy.Consists(s, policy.Lower, 2, 4); got != want {
			t.Errorf("%q: %v", s, got)
		}
	}
}

func FuzzNamesOfKindsAreThoseOfTheirForm(f *testing.F) {
	form := regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)
	for _, name := range []string{"", "images", "Images", "1a", "_a", "a_", "a-1", "a\n", "é", strings.Repeat("a", 32),
		strings.Repeat("a", 33)} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if got := policy.KindName(name).Valid(); got != form.MatchString(name) {
			t.Errorf("%q: %v", name, got)
		}
	})
}
