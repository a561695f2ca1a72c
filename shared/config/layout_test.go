package config

import (
	"strings"
	"testing"

	"hatchery/shared/upload"
)

func TestALayoutIsRefusedWithEveryFault(t *testing.T) {
	const quarantine, files = "HATCHERY_QUARANTINE_PREFIX", "HATCHERY_FILES_PREFIX"
	for _, c := range []struct {
		quarantine, files string
		want              []string // settings at fault
	}{
		{"quarantine/", "files/", nil},
		{"a/b.c/", "a/b_c/", nil},
		{"in/", "in-files/", nil},
		{strings.Repeat("q", 199) + "/", "files/", nil},
		{"", "files/", []string{quarantine, files}}, // "" begins everything
		{"quarantine", "files/", []string{quarantine}},
		{"/quarantine/", "files/", []string{quarantine}},
		{"quarantine//in/", "files/", []string{quarantine}},
		{"../", "files/", []string{quarantine}},
		{"a/../b/", "files/", []string{quarantine}},
		{"quarantäne/", "files/", []string{quarantine}},
		{"quarantine/", "fi les/", []string{files}},
		{"quarantine/", "files/\n", []string{files}},
		{strings.Repeat("q", 200) + "/", "files/", []string{quarantine}},
		{"same/", "same/", []string{files}},
		{"files/quarantine/", "files/", []string{files}},
		{"quarantine/", "quarantine/files/", []string{files}},
		{"dead-letters/", "files/", []string{quarantine}},
		{"dead-letters/quarantine/", "files/", []string{quarantine}},
		{"quarantine/", "dead-letters/", []string{files}},
		{"quarantine/", "dead-letters/attempts/", []string{files}},
		{"dead-letters/a/", "dead-letters/b/", []string{quarantine, files}},
		{"dead-letters-2/", "dead/", nil},
		{"dead-letter/", "letters/dead-letters/", nil},
		{"/q/", "/f/", []string{quarantine, files}},
		{"/", "/f/", []string{quarantine, files, files}},
	} {
		var got []string
		for _, f := range layoutFaults(upload.Layout{Quarantine: c.quarantine, Files: c.files}) {
			got = append(got, f.Setting)
			if f.Found == "" || f.Accepted == "" {
				t.Errorf("fault %+v is silent about something", f)
			}
		}
		if strings.Join(got, " ") != strings.Join(c.want, " ") {
			t.Errorf("%.40q and %q: faults of %v, want %v", c.quarantine, c.files, got, c.want)
		}
	}
}
