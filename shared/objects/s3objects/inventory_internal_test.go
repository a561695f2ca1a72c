package s3objects

import (
	"errors"
	"strings"
	"testing"

	"hatchery/shared/upload"
)

func FuzzACursorIsReadAsItWasWrittenOrRefused(f *testing.F) {
	for _, m := range []marker{{"q/", "q/a", "v"}, {"", "a\x00é", ""}} {
		c, err := m.cursor()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(m.Prefix, string(c))
	}
	f.Add("q/", "e30")
	f.Fuzz(func(t *testing.T, prefix, cursor string) {
		m, err := parseMarker(upload.Cursor(cursor), prefix)
		if err != nil {
			if !errors.Is(err, upload.ErrBadCursor) {
				t.Errorf("%q: %v, want ErrBadCursor", cursor, err)
			}
			return
		}
		if again, err := m.cursor(); err != nil || string(again) != cursor {
			t.Errorf("%q reads as %+v, which is written %q, %v", cursor, m, again, err)
		}
		if m.Prefix != prefix || !strings.HasPrefix(m.Key, prefix) || m.Key == "" {
			t.Errorf("a cursor of %q reads as %+v", prefix, m)
		}
	})
}

func TestTheLongestCursorIsTaken(t *testing.T) {
	// A control character takes six in JSON.
	long := strings.Repeat("\x01", 1024)
	c, err := marker{long, long, strings.Repeat("v", 1024)}.cursor()
	if err != nil {
		t.Fatal(err)
	}
	if m, err := parseMarker(c, long); err != nil || m.Key != long {
		t.Errorf("%d characters: %v", len(c), err)
	}
}
