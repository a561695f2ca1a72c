package main

import (
	"bytes"
	"strings"
	"testing"
)

// TestANamedPolicyIsTakenInPlaceOfAFile: by the flag and by the setting, a word in place of JSON.
func TestANamedPolicyIsTakenInPlaceOfAFile(t *testing.T) {
	picture := sourceFile(t, "shared", "sniff", "testdata", "genuine", "pillow.webp")
	for _, test := range []struct {
		flags   []string
		setting string
		exit    int
		says    string
	}{
		{nil, "", exitNo, "not accepted as images"},
		{[]string{"--policy", "pictures"}, "", exitDone, "image/webp"},
		{nil, "pictures", exitDone, "image/webp"},
		{nil, "picture", exitUsage, `found "picture"; accepted: a JSON object like`},
		{[]string{"--policy", "picture"}, "", exitUsage, "--policy: no file, and not one of all, documents, media, pictures: open picture"},
	} {
		var out bytes.Buffer
		exit := run(t.Context(), append([]string{"check", picture}, test.flags...), terminal{out: &out, err: &out,
			getenv: func(name string) string {
				if name == "HATCHERY_POLICY" {
					return test.setting
				}
				return ""
			}})
		if exit != test.exit || !strings.Contains(out.String(), test.says) {
			t.Errorf("%q with HATCHERY_POLICY=%q: exit %d, want %d\n%s\nwant it to say %q", test.flags, test.setting, exit,
				test.exit, &out, test.says)
		}
	}
}
