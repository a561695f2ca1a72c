package main

import (
	"bytes"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestBugoutsStandInIsKeptFromStartToStart(t *testing.T) {
	data := t.TempDir()
	names := []string{"HATCHERY_BUGOUT_URL", "HATCHERY_BUGOUT_APPLICATION_ID", "HATCHERY_BUGOUT_TOKEN"}
	var before map[string]string
	for range 2 {
		h := startHatchery(t, data, "--records", "bugout")
		if host, _, err := net.SplitHostPort(strings.TrimPrefix(h.env[names[0]], "http://")); err != nil || host != "127.0.0.1" {
			t.Errorf("the stand-in is at %q", h.env[names[0]])
		}
		for _, name := range names {
			if h.env[name] == "" || before != nil && h.env[name] != before[name] {
				t.Errorf("%s is %q, was %q", name, h.env[name], before[name])
			}
		}
		before = h.env
		code, out, errs := typed(t, h.env, "bugout", "check")
		if code != exitDone || strings.Count(out, "ok  ") != 7 {
			t.Errorf("bugout check: %d %s %s", code, out, errs)
		}
		// Every record that is in a file goes there while dev runs.
		if code, out, errs = typed(t, h.env, "migrate", "--from", "sqlite:"+recordsFile(t, 3), "--to", "bugout"); code != exitDone || !strings.Contains(out, "Read 3 records") {
			t.Errorf("migrate: %d %s %s", code, out, errs)
		}
		if listed := h.do(http.MethodGet, "/files/j/entries/e/images", "", nil); bytes.Count(listed.body, []byte(`"id"`)) != 3 {
			t.Errorf("listed are %s", listed.body)
		}
		if code := h.interrupt(); code != exitDone {
			t.Errorf("exit code %d: %s", code, h.errors)
		}
	}
}
