package main

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hatchery/shared/local/localbugout"
)

func TestBugoutsStandInIsKeptFromStartToStart(t *testing.T) {
	data := t.TempDir()
	names := []string{"HATCHERY_BUGOUT_URL", "HATCHERY_BUGOUT_APPLICATION_ID", "HATCHERY_BUGOUT_TOKEN"}
	var before map[string]string
	for range 2 {
		h := startHatchery(t, data, "--records", "bugout")
		if host, _, err := net.SplitHostPort(strings.TrimPrefix(h.env[names[0]], "http://")); err != nil ||
			host != "127.0.0.1" {
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
		if code, out, errs = typed(t, h.env, "migrate", "--from", "sqlite:"+recordsFile(t, 3), "--to",
			"bugout"); code != exitDone || !strings.Contains(out, "Read 3 records") {
			t.Errorf("migrate: %d %s %s", code, out, errs)
		}
		if listed := h.do(http.MethodGet, "/files/j/entries/e/images", "", nil); bytes.Count(listed.body,
			[]byte(`"id"`)) != 3 {
			t.Errorf("listed are %s", listed.body)
		}
		if code := h.interrupt(); code != exitDone {
			t.Errorf("exit code %d: %s", code, h.errors)
		}
	}
}

func TestRecordsMayBeKeptInBugoutItself(t *testing.T) {
	brood := startBrood(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(broodToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("BUGOUT_FILES_APPLICATION_ID", broodApplication)
	data := filepath.Join(t.TempDir(), "data")
	args := []string{"--records", "bugout", "--bugout", brood.URL(), "--bugout-token-file", file}
	h := startHatchery(t, data, args...)
	id := h.mustPost(images, "cat.png", pngOf(t, 4, 1)).ID
	if r := h.mustSettle(images, id); r.Status != "stored" {
		t.Errorf("%+v", r)
	}
	if h.env["HATCHERY_BUGOUT_TOKEN"] != "" {
		t.Error("the deployment's own token is shown")
	}
	if _, complaints, code := command(t, "reconcile", "--data", data, "--records", "bugout"); code != exitUsage ||
		!strings.Contains(complaints, "no stand-in") {
		t.Errorf("reconcile: %d %s", code, complaints)
	}
	// What a list leaves out because it is damaged is told.
	damaged := `{"application_id": "` + broodApplication +
		`", "resource_data": {"id": "019a0000-0000-7000-8000-00000000dada", "journal_id": "j1", "entry_id": "e1",
		"name": "cat", "extension": "png", "created_at": "2022-05-06 07:08:09.101112", "status": "nonsense"}}`
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, brood.URL()+"/resources/",
		strings.NewReader(damaged))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+broodToken)
	if made, err := h.send(request); err != nil || made.status != http.StatusOK {
		t.Fatalf("%d, %v", made.status, err)
	}
	if listed := h.do(http.MethodGet, images, "", nil); listed.status != http.StatusOK ||
		bytes.Count(listed.body, []byte(`"id"`)) != 1 {
		t.Errorf("listed are %s", listed.body)
	}
	if code := h.interrupt(); code != exitDone {
		t.Errorf("exit code %d: %s", code, h.errors)
	}
	if log := h.log.String(); !strings.Contains(log, "a damaged record is left out of lists") ||
		!strings.Contains(log, "nonsense") {
		t.Errorf("the log is %s", log)
	}
	// A start that could keep no record says so at once.
	brood.SetRole(broodToken, localbugout.Revoked)
	_, complaints, code := command(t, append([]string{"dev", "--data", data, "--listen", "127.0.0.1:0"}, args...)...)
	if code != exitSystem || !strings.Contains(complaints, "HATCHERY_BUGOUT_TOKEN") ||
		strings.Contains(complaints, broodToken) {
		t.Errorf("with a revoked token: %d %s", code, complaints)
	}
}
