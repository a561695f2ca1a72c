package bugoutrecords_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hatchery/shared/records/bugoutrecords"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

var update = flag.Bool("update", false, "write testdata/golden anew")

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

	inOrder, creates, nothing := uploadtest.InOrder, uploadtest.Creates, uploadtest.InOrder()
	for _, c := range []struct {
		name string
		// before the transition, and the transition itself
		before, transition uploadtest.Step
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
		{"delete-without-a-form", creates(pending(), nil), deletes(day)},
		{"delete-with-key", creates(full, key), deletes(day)},
		{"delete-rejected", inOrder(creates(full, nil), settles(rejecting)), deletes(day)},
		{"drop", inOrder(creates(full, nil), settles(sized)), drops(sized.Version, day)},
		{"reopen", inOrder(creates(full, nil), settles(sized)), reopens()},
		{"reopen-after-failure-and-resend", inOrder(creates(full, nil), fails(slow), resends(0, day), settles(rejecting)),
			reopens()},
		{"settle-stored-after-reopen", inOrder(creates(full, nil), settles(rejecting), reopens()),
			settles(again(storing(), rejecting))},
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
			uploadtest.Golden(t, c.name, writes.writes, *update)
		})
	}
}

// again is a verdict that is begun after an earlier one was undone.
func again(v, earlier upload.Verdict) upload.Verdict {
	v.Round = earlier.Apply(upload.Record{}).Round()
	return v
}

func settles(v upload.Verdict) uploadtest.Step {
	return uploadtest.Updates(pending().Ref(), upload.Settle(v))
}

func deletes(at time.Time) uploadtest.Step {
	return uploadtest.Updates(pending().Ref(), upload.Delete(at, at.Add(30*24*time.Hour)))
}

func adopts(ref upload.Ref, v upload.Verdict) uploadtest.Step {
	return uploadtest.Updates(ref, upload.Adopt(v))
}

func reopens() uploadtest.Step { return uploadtest.Updates(pending().Ref(), upload.Reopen()) }

func drops(version upload.Version, at time.Time) uploadtest.Step {
	return uploadtest.Updates(pending().Ref(), upload.Drop(version, at))
}

func fails(f upload.Failure) uploadtest.Step { return uploadtest.Fails(pending().Ref(), f) }

func resends(seen int, at time.Time) uploadtest.Step {
	return uploadtest.Updates(pending().Ref(), upload.CountResend(seen, at))
}
