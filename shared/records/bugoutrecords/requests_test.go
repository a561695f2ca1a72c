package bugoutrecords_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hatchery/shared/local/localbugout"
	"hatchery/shared/policy"
	"hatchery/shared/records/bugoutrecords"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// counted counts requests: lists, and all others.
type counted struct {
	mu            sync.Mutex
	lists, others int
}

func (c *counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	if r.Method == http.MethodGet && r.URL.Path == "/resources/" {
		c.lists++
	} else {
		c.others++
	}
	c.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

// pipelineOn is a pipeline on a Brood that has so many stored records already.
func pipelineOn(t testing.TB, existing int, policies policy.Policy) (*upload.Pipeline, *counted) {
	t.Helper()
	journal := filepath.Join(t.TempDir(), "brood.jsonl")
	var lines bytes.Buffer
	for n := range existing {
		fmt.Fprintf(&lines, `{"resource":{"id":"%s","application_id":"%s","resource_data":{"id":"019a0000-0000-7000-8000-`+
			`%012d","journal_id":"j","entry_id":"%d","kind":"images","name":"cat","extension":"png","created_at":`+
			`"2026-03-04 12:00:00.123456","status":"stored","size":"5","content_type":"image/png","sha256":"%s"},`+
			`"created_at":"2026-03-04T12:00:00+00:00","updated_at":"2026-03-04T12:00:00+00:00"}}`+"\n",
			localbugout.NewID(), application, n, n/10, strings.Repeat("a", 64))
	}
	if err := os.WriteFile(journal, lines.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := localbugout.Open(t.Context(), localbugout.Options{Listen: "127.0.0.1:0", Application: application,
		Tokens: map[string]localbugout.Role{token: localbugout.Member}, Path: journal})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	requests := &counted{}
	o := bugoutrecords.Options{URL: s.URL(), Application: application,
		Token: func(context.Context) (string, error) { return token, nil }}
	o.SetTransport(requests)
	records, err := bugoutrecords.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return &upload.Pipeline{Policy: policies, Layout: upload.DefaultLayout, Records: records,
		Objects: uploadtest.NewObjects(), Now: time.Now, NewID: upload.NewID,
		TombstoneLife: upload.DefaultTombstoneLife}, requests
}

// uploaded takes a picture in and judges it.
func uploaded(t testing.TB, p *upload.Pipeline, key *upload.IdempotencyKey) {
	t.Helper()
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	r, err := p.Draft(upload.Request{Journal: "ours", Entry: "e", Kind: "images", Filename: "cat.png"})
	if err == nil {
		r, err = p.Accept(t.Context(), r, key, bytes.NewReader(picture.Bytes()), int64(picture.Len()))
	}
	if err != nil {
		t.Fatal(err)
	}
	if o, err := p.Validate(t.Context(), p.Layout.QuarantineKey(r.Ref()), ""); err != nil ||
		o.Record.Status != upload.Stored {
		t.Fatalf("%+v, %v", o, err)
	}
}

// TestWhatAnUploadAsksOfBrood is what docs/bugout.md says of it. Each list reads through all resources of Brood's.
func TestWhatAnUploadAsksOfBrood(t *testing.T) {
	bounded := policy.Default()
	images := bounded.Kinds["images"]
	images.Duplicates, images.MaxFiles = policy.DuplicatesRefuse, 1000
	bounded.Kinds = map[policy.KindName]policy.Kind{"images": images}
	key := &upload.IdempotencyKey{Scope: "s", Key: "k", Fingerprint: "f", Expires: time.Now().Add(time.Hour)}
	for name, c := range map[string]struct {
		policy policy.Policy
		key    *upload.IdempotencyKey
		lists  int
	}{
		"plain":                   {policy.Default(), nil, 3},
		"with an Idempotency-Key": {policy.Default(), key, 5},
		"into a bounded entry":    {bounded, nil, 5},
	} {
		p, requests := pipelineOn(t, 0, c.policy)
		// That nothing is hidden is proved beforehand.
		if _, err := p.Records.Get(t.Context(), pending().Ref()); !errors.Is(err, upload.ErrNotFound) {
			t.Fatal(err)
		}
		requests.lists, requests.others = 0, 0
		uploaded(t, p, c.key)
		// A creation, a verdict, and its reading back.
		if requests.lists != c.lists || requests.others != 3 {
			t.Errorf("%s: %d lists and %d other requests, want %d and 3", name, requests.lists, requests.others, c.lists)
		}
	}
}

// BenchmarkUpload takes pictures in and judges them, beside 20,000 records.
func BenchmarkUpload(b *testing.B) {
	p, _ := pipelineOn(b, 20_000, policy.Default())
	for b.Loop() {
		uploaded(b, p, nil)
	}
}

// BenchmarkFilteredList gets one of 20,000 records.
func BenchmarkFilteredList(b *testing.B) {
	p, _ := pipelineOn(b, 20_000, policy.Default())
	ref := upload.Ref{Journal: "j", Entry: "1000", Kind: "images", ID: "019a0000-0000-7000-8000-000000010000"}
	for b.Loop() {
		if _, err := p.Records.Get(b.Context(), ref); err != nil {
			b.Fatal(err)
		}
	}
}
