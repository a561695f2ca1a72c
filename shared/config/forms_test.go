package config

import (
	"regexp"
	"strings"
	"testing"
)

// forms are what settings are accepted as, and what a regular expression says of the same.
var forms = map[string]struct {
	is   func(string) bool
	form *regexp.Regexp
}{
	"bucket": {isBucket, regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)},
	"stack":  {isStack, regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,127}$`)},
	"prefix": {isPrefix, regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$`)},
	"token":  {IsToken, regexp.MustCompile(`^(?i:[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)},
	"host": {isHost,
		regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)},
}

func FuzzFormsAreThoseOfTheirExpressions(f *testing.F) {
	for _, s := range []string{"", "a", "ab", "abc", ".ab", "ab.", "-ab", "a.-b", "Abc", "a_b", "é", "aé", "a\xff", "a\n",
		"/", "a/", "/a", "a//b", "a/.b", "a/b.c", ".", "..", "_", "a:", ":1", "a:1", "a:12345", "a:123456", "a:1:2",
		"[::1]", "[::1]:80", "[]", "[", "]", "[::1", "::1]", "[::1]x", "[g]", "a.:1", "[::1]:", "1.2.3.4:80", "a]:1", "[a]b:1",
		"11111111-1111-4111-8111-111111111111", "11111111111141118111111111111111", "AAAAAAAAbbbb4111811111111111111f",
		"11111111-1111-4111-8111-11111111111g", "1111111-11111-4111-8111-111111111111",
		"{11111111-1111-4111-8111-111111111111}", "urn:uuid:11111111-1111-4111-8111-111111111111",
		strings.Repeat("a", 63), strings.Repeat("a", 64), strings.Repeat("a", 128), strings.Repeat("a", 129)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for name, of := range forms {
			if got := of.is(s); got != of.form.MatchString(s) {
				t.Errorf("%q as %s: %v", s, name, got)
			}
		}
	})
}
