package api_test

import (
	"slices"
	"strings"
	"testing"

	"hatchery/shared/upload"
)

func TestEachNewUploadIsAcceptedOnce(t *testing.T) {
	var accepted []upload.ID
	w := newFixture(t, func(w *fixture) {
		w.config.Accepted = func(r upload.Record) { accepted = append(accepted, r.ID) }
	})
	json := []string{"Content-Type", "application/json"}
	key := []string{"Idempotency-Key", "k"}
	for _, c := range []struct {
		name, target, body string
		header             []string
		status, accepted   int
	}{
		{"a picture", named("cat.png"), "bytes", nil, 202, 1},
		{"a form", files + "/uploads", `{"name":"cat.png"}`, json, 201, 1},
		{"a picture under a key", named("cat.png"), "bytes", key, 202, 1},
		{"the same again", named("cat.png"), "bytes", key, 202, 0},
		{"other bytes under the key", named("cat.png"), "other", key, 422, 0},
		{"a form under a key", files + "/uploads", `{"name":"cat.png"}`, append(json, "Idempotency-Key", "f"), 201, 1},
		{"the same form again", files + "/uploads", `{"name":"cat.png"}`, append(json, "Idempotency-Key", "f"), 201, 0},
		{"no picture", named("cat.exe"), "bytes", nil, 406, 0},
	} {
		before := len(accepted)
		got := w.do("POST", c.target, strings.NewReader(c.body), c.header...)
		if got.status != c.status || len(accepted)-before != c.accepted {
			t.Errorf("%s: status %d, want %d; accepted %v, want %d more than %d", c.name, got.status, c.status, accepted,
				c.accepted, before)
		}
	}
	if slices.Sort(accepted); len(slices.Compact(accepted)) != 4 {
		t.Errorf("accepted %v", accepted)
	}
}

func TestAnUploadWhoseBytesWereNotStoredIsNotAccepted(t *testing.T) {
	accepted := 0
	w := newFixture(t, func(w *fixture) { w.config.Accepted = func(upload.Record) { accepted++ } })
	w.pipeline.Objects = &failingPut{Objects: w.objects, fail: true}
	if got := w.do("POST", named("cat.png"), strings.NewReader("bytes")); got.status != 503 || accepted != 0 {
		t.Errorf("status %d, accepted %d", got.status, accepted)
	}
}
