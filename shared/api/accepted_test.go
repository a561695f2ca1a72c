package api_test

import (
	"slices"
	"strings"
	"testing"

	"hatchery/shared/upload"
)

func TestEachNewUploadIsHeardOfOnce(t *testing.T) {
	var heard []upload.ID
	w := newFixture(t, func(w *fixture) {
		w.config.Accepted = func(r upload.Record) { heard = append(heard, r.ID) }
	})
	json := []string{"Content-Type", "application/json"}
	key := []string{"Idempotency-Key", "k"}
	for _, c := range []struct {
		name, target, body string
		header             []string
		status, heard      int
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
		before := len(heard)
		got := w.do("POST", c.target, strings.NewReader(c.body), c.header...)
		if got.status != c.status || len(heard)-before != c.heard {
			t.Errorf("%s: status %d, want %d; heard of %v, want %d more than %d", c.name, got.status, c.status, heard, c.heard, before)
		}
	}
	if slices.Sort(heard); len(slices.Compact(heard)) != 4 {
		t.Errorf("heard of %v", heard)
	}
}

func TestAnUploadWhoseBytesWereNotStoredIsNotHeardOf(t *testing.T) {
	heard := 0
	w := newFixture(t, func(w *fixture) { w.config.Accepted = func(upload.Record) { heard++ } })
	w.pipeline.Objects = &failingPut{Objects: w.objects, fail: true}
	if got := w.do("POST", named("cat.png"), strings.NewReader("bytes")); got.status != 503 || heard != 0 {
		t.Errorf("status %d, heard of %d", got.status, heard)
	}
}
