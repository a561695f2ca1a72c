package bugoutrecords_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hatchery/shared/records/bugoutrecords"
	"hatchery/shared/upload"
)

var update = flag.Bool("update", false, "write testdata/golden anew")

// What each transition needs of the store. Nothing else in this file names a method
// that changes a record.

func goldenCreate(ctx context.Context, s *bugoutrecords.Store, r upload.Record, key *upload.IdempotencyKey) error {
	_, err := s.Create(ctx, r, key)
	return err
}

func goldenSettle(ctx context.Context, s *bugoutrecords.Store, ref upload.Ref, v upload.Verdict) error {
	_, err := s.Update(ctx, ref, upload.Settle(v))
	return err
}

func goldenDelete(ctx context.Context, s *bugoutrecords.Store, ref upload.Ref, at, forget time.Time) error {
	_, err := s.Update(ctx, ref, upload.Delete(at, forget))
	return err
}

func goldenReopen(ctx context.Context, s *bugoutrecords.Store, ref upload.Ref) error {
	_, err := s.Update(ctx, ref, upload.Reopen())
	return err
}

func goldenAdopt(ctx context.Context, s *bugoutrecords.Store, ref upload.Ref, v upload.Verdict) error {
	_, err := s.Update(ctx, ref, upload.Adopt(v))
	return err
}

func goldenFail(ctx context.Context, s *bugoutrecords.Store, ref upload.Ref, f upload.Failure) error {
	return upload.NoteFailure(ctx, s, ref, f)
}

func goldenResend(ctx context.Context, s *bugoutrecords.Store, ref upload.Ref, seen int, at time.Time) error {
	_, err := s.Update(ctx, ref, upload.CountResend(seen, at))
	return err
}

// capture is a transport that remembers every write to Bugout.
type capture struct{ writes []captured }

type captured struct {
	Method, Path string
	Body         any
}

var resourcePath = regexp.MustCompile(`^/resources/[0-9a-f-]{36}$`)

// RoundTrip implements http.RoundTripper.
func (c *capture) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet {
		return http.DefaultTransport.RoundTrip(r)
	}
	write := captured{Method: r.Method, Path: resourcePath.ReplaceAllString(r.URL.RequestURI(), "/resources/RESOURCE")}
	if r.Body != nil {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(text))
		if err := json.Unmarshal(text, &write.Body); len(text) > 0 && err != nil {
			return nil, err
		}
		inAnyOrder(write.Body)
	}
	c.writes = append(c.writes, write)
	return http.DefaultTransport.RoundTrip(r)
}

// inAnyOrder sorts the keys that a change drops: they are a set.
func inAnyOrder(body any) {
	if change, ok := body.(map[string]any); ok {
		if keys, ok := change["drop_keys"].([]any); ok {
			slices.SortFunc(keys, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
		}
	}
}

// TestGoldenWrites: stored data is a contract with the resources that exist, which
// the replaced service's clients read too. Each file holds all that one transition
// writes; -update writes them anew.
func TestGoldenWrites(t *testing.T) {
	day := time.Date(2026, 3, 5, 0, 0, 0, 123456789, time.UTC)
	full := pending()
	full.Declared = upload.Declared{Size: 5, Type: "image/png", SHA256: strings.Repeat("d", 64)}
	full.FormExpires = day
	key := &upload.IdempotencyKey{Scope: "scope", Key: "key", Fingerprint: "print", Expires: day.Add(24 * time.Hour)}
	unique, bounded := storing(), storing()
	unique.Unique = true
	bounded.MaxFiles, bounded.MaxTotalBytes = 5, 1<<20
	rejecting := upload.Verdict{Status: upload.Rejected, Version: "q1", At: noon.Add(time.Second),
		Reason: &upload.Reason{Code: upload.TypeMismatch, Message: "This is no picture."}}
	sized := rejecting
	sized.Size, sized.Reason = 5, &upload.Reason{Code: upload.NotAllowed}
	adoption := storing()
	adoption.Version = upload.LegacyVersion
	old := upload.Ref{Journal: "j", Entry: "e", Kind: "images", ID: legacyID}
	slow := upload.Failure{At: day, Message: "The bucket is slow."}

	for _, c := range []struct {
		name string
		// before the transition, and the transition itself
		before, transition step
	}{
		{"create", nothing, creates(full, nil)},
		{"create-with-key", nothing, creates(full, key)},
		{"settle-stored", creates(full, nil), settles(storing())},
		{"settle-stored-after-failure-and-resend", inOrder(creates(full, nil), fails(slow), resends(0, day)),
			settles(storing())},
		{"settle-stored-unique", creates(full, nil), settles(unique)},
		{"settle-stored-bounded", creates(full, nil), settles(bounded)},
		{"settle-rejected", creates(full, nil), settles(rejecting)},
		{"settle-rejected-with-size", creates(full, nil), settles(sized)},
		{"delete-pending", creates(full, nil), deletes(day)},
		{"delete-stored", inOrder(creates(full, nil), settles(storing())), deletes(day)},
		{"delete-stored-unique", inOrder(creates(full, nil), settles(unique)), deletes(day)},
		{"delete-rejected", inOrder(creates(full, nil), settles(rejecting)), deletes(day)},
		{"reopen", inOrder(creates(full, nil), settles(sized)), reopens},
		{"reopen-after-failure-and-resend", inOrder(creates(full, nil), fails(slow), resends(0, day), settles(rejecting)),
			reopens},
		{"settle-stored-after-reopen", inOrder(creates(full, nil), settles(rejecting), reopens), settles(storing())},
		{"adopt", nothing, adopts(old, adoption)},
		{"failure-first", creates(full, nil), fails(slow)},
		{"failure-second", inOrder(creates(full, nil), fails(slow)), fails(upload.Failure{At: day.Add(time.Hour)})},
		{"failure-of-stored", inOrder(creates(full, nil), settles(storing())), fails(slow)},
		{"resend-first", creates(full, nil), resends(0, day)},
		{"resend-second", inOrder(creates(full, nil), resends(0, day)), resends(1, day.Add(time.Hour))},
		{"resend-of-stored", inOrder(creates(full, nil), settles(storing())), resends(0, day)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := brood(t, nil)
			create(t, s, legacyImage(legacyID))
			writes, nonces := &capture{}, 0
			store := storeOn(t, s, func(o *bugoutrecords.Options) {
				o.Now = func() time.Time { return noon }
				o.SetTransport(writes)
				o.SetNonce(func() string {
					nonces++
					return fmt.Sprintf("NONCE-%d", nonces)
				})
			})
			// From its first creation on the store has a proof of its rights.
			another := pending()
			another.Entry = "another"
			if err := inOrder(creates(another, nil), c.before)(t.Context(), store); err != nil {
				t.Fatal(err)
			}
			writes.writes = []captured{}
			if err := c.transition(t.Context(), store); err != nil {
				t.Fatal(err)
			}
			golden(t, c.name, writes.writes)
		})
	}
}

// golden compares what was written with the file of that name.
func golden(t *testing.T, name string, writes any) {
	t.Helper()
	var got bytes.Buffer
	e := json.NewEncoder(&got)
	e.SetEscapeHTML(false)
	e.SetIndent("", "\t")
	if err := e.Encode(writes); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "golden", name+".json")
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("%s: written is\n%s\nwant\n%s", file, &got, want)
	}
}

type step = func(context.Context, *bugoutrecords.Store) error

func nothing(context.Context, *bugoutrecords.Store) error { return nil }

func inOrder(steps ...step) step {
	return func(ctx context.Context, s *bugoutrecords.Store) error {
		for i, next := range steps {
			if err := next(ctx, s); err != nil {
				return fmt.Errorf("step %d: %w", i, err)
			}
		}
		return nil
	}
}

func creates(r upload.Record, key *upload.IdempotencyKey) step {
	return func(ctx context.Context, s *bugoutrecords.Store) error { return goldenCreate(ctx, s, r, key) }
}

func settles(v upload.Verdict) step {
	return func(ctx context.Context, s *bugoutrecords.Store) error {
		return goldenSettle(ctx, s, pending().Ref(), v)
	}
}

func deletes(at time.Time) step {
	return func(ctx context.Context, s *bugoutrecords.Store) error {
		return goldenDelete(ctx, s, pending().Ref(), at, at.Add(30*24*time.Hour))
	}
}

func reopens(ctx context.Context, s *bugoutrecords.Store) error {
	return goldenReopen(ctx, s, pending().Ref())
}

func adopts(ref upload.Ref, v upload.Verdict) step {
	return func(ctx context.Context, s *bugoutrecords.Store) error { return goldenAdopt(ctx, s, ref, v) }
}

func fails(f upload.Failure) step {
	return func(ctx context.Context, s *bugoutrecords.Store) error { return goldenFail(ctx, s, pending().Ref(), f) }
}

func resends(seen int, at time.Time) step {
	return func(ctx context.Context, s *bugoutrecords.Store) error {
		return goldenResend(ctx, s, pending().Ref(), seen, at)
	}
}
