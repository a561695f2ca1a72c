package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestJSONShowsNamesAndEscapesWhatATerminalObeys(t *testing.T) {
	for value, want := range map[string]string{
		"a<b>&c.png":                   `a<b>&c.png`,
		"Große 東京 😀.png":               `Große 東京 😀.png`,
		"a\x1b[31m\x07\n\x7f\x00":      `a\u001b[31m\u0007\n\u007f\u0000`,
		"c1\u009b31m":                  `c1\u009b31m`,
		"line\u2028paragraph\u2029":    `line\u2028paragraph\u2029`,
		"\u202egnp.exe \u200d \u00a0x": `\u202egnp.exe \u200d \u00a0x`,
		"tag\U000e0041":                `tag\udb40\udc41`,
		`"quoted\`:                     `\"quoted\\`,
	} {
		var out bytes.Buffer
		if err := printJSON(&out, map[string]string{"file": value}); err != nil {
			t.Fatal(err)
		}
		if got, want := out.String(), `{"file":"`+want+"\"}\n"; got != want {
			t.Errorf("%q is printed as %s, want %s", value, got, want)
		}
		var back map[string]string
		if err := json.Unmarshal(out.Bytes(), &back); err != nil || back["file"] != value {
			t.Errorf("%q is read back as %q, %v", value, back["file"], err)
		}
	}
}

// A second way to write JSON would be a second behaviour.
func TestAllCommandsWriteTheirJSONAlike(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(file, "_test.go") && file != "json.go" && strings.Contains(string(text), "json.NewEncoder") {
			t.Errorf("%s has an encoder of its own: use printJSON", file)
		}
	}
}
