package bugoutrecords_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hatchery/shared/local/localbugout"
	"hatchery/shared/records/bugoutrecords"
	"hatchery/shared/upload"
)

// TestACreationLooksBeforeItRepeatsItself: a second resource is never made, not healed.
func TestACreationLooksBeforeItRepeatsItself(t *testing.T) {
	for _, trouble := range []localbugout.Trouble{localbugout.FailsAfter, localbugout.BreaksOff, localbugout.Nonsense} {
		plan := &script{method: http.MethodPost, troubles: []localbugout.Trouble{trouble}}
		s := brood(t, plan.trouble)
		if _, err := storeOn(t, s, nil).Create(t.Context(), pending(), nil); err != nil {
			t.Errorf("trouble %d: %v", trouble, err)
		}
		if made := len(resourceIDs(t, s)); made != 1 || plan.proofs() != 1 {
			t.Errorf("trouble %d: %d resources after %v", trouble, made, plan.list())
		}
	}
}

// TestAChangeLooksBeforeItRepeatsItself: the answer to it is lost, and another's
// verdict comes before the next attempt. That one stands.
func TestAChangeLooksBeforeItRepeatsItself(t *testing.T) {
	var s *localbugout.Server
	var mu sync.Mutex
	changed, theirs := "", false
	s = brood(t, func(c localbugout.Call) localbugout.Trouble {
		mu.Lock()
		if changed == "" && c.Method == http.MethodPut {
			changed = c.Path
			mu.Unlock()
			return localbugout.FailsAfter
		}
		now := changed != "" && !theirs
		theirs = theirs || now
		mu.Unlock()
		if now {
			raw(t, s, "PUT", changed, map[string]any{"update": map[string]any{"judged_version": "theirs"}})
		}
		return localbugout.None
	})
	store := storeOn(t, s, nil)
	r := pending()
	if _, err := store.Create(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := store.Update(t.Context(), r.Ref(), upload.Settle(storing())); !errors.Is(err, upload.ErrConflict) {
		t.Errorf("Settle: %+v, %v", got, err)
	}
	if got, err := store.Get(t.Context(), r.Ref()); err != nil || got.JudgedVersion != "theirs" {
		t.Errorf("what stands is %+v, %v", got, err)
	}
}

// TestBroodNeverHasMoreRequestsThanItMay: whatever carries them, and although each
// takes its time.
func TestBroodNeverHasMoreRequestsThanItMay(t *testing.T) {
	for name, transport := range map[string]http.RoundTripper{"its own": nil,
		"without a bound of its own": &http.Transport{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const may = 4
			var mu sync.Mutex
			now, most, tooMany := 0, 0, make(chan struct{})
			s := brood(t, func(localbugout.Call) localbugout.Trouble {
				mu.Lock()
				if now++; now > may && most <= may {
					close(tooMany)
				}
				most = max(most, now)
				mu.Unlock()
				select { // long enough for all to come that do not wait
				case <-tooMany:
				case <-time.After(20 * time.Millisecond):
				}
				mu.Lock()
				defer mu.Unlock()
				now--
				return localbugout.None
			})
			store := storeOn(t, s, func(o *bugoutrecords.Options) { o.SetTransport(transport) })
			r := pending()
			if _, err := store.Create(t.Context(), r, nil); err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for range 60 {
				all.Go(func() {
					if _, err := store.Get(ctx, r.Ref()); err != nil {
						t.Error(err)
						cancel()
					}
				})
			}
			all.Wait()
			mu.Lock()
			defer mu.Unlock()
			if s.Stalled() || most > may {
				t.Errorf("%d requests were under way, want %d at most", most, may)
			}
		})
	}
}

// answering is a store whose lists are always those resources, whatever is asked for.
// What is created and changed is taken.
func answering(t *testing.T, resources ...string) *bugoutrecords.Store {
	return storeOn(t, brood(t, nil), func(o *bugoutrecords.Options) {
		o.Now = func() time.Time { return noon }
		o.SetTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
			body := `{"resources":[` + strings.Join(resources, ",") + `]}`
			if r.Method != http.MethodGet {
				body = `{}`
			}
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{},
				Body: io.NopCloser(strings.NewReader(body))}, nil
		}))
	})
}

// madeAtOnce is a resource as Brood lists it, made at the same moment as every other.
func madeAtOnce(id, data string) string {
	return `{"id":"` + id + `","application_id":"` + application +
		`","created_at":"2026-03-04T12:00:00+00:00","updated_at":"2026-03-04T12:00:00+00:00","resource_data":` + data + `}`
}

// TestOfResourcesOfOneMomentTheLowestIDCounts, so that every process says the same,
// in whatever order they are listed.
func TestOfResourcesOfOneMomentTheLowestIDCounts(t *testing.T) {
	const low, high = "0a000000-0000-4000-8000-000000000000", "f0000000-0000-4000-8000-000000000000"
	// The other claim's upload has the lower id, and counts for nothing by that.
	const lowsUpload, highsUpload = "8c39d1f2-7a5b-4a36-9d2a-0e2f4b9c1a77", "1c39d1f2-7a5b-4a36-9d2a-0e2f4b9c1a77"
	record := func(upload, more string) string {
		return `{"id":"` + upload +
			`","journal_id":"j","entry_id":"e","name":"cat","extension":"png","created_at":"2021-09-19 15:15:00",` + more + `}`
	}
	// What Brood keeps of the claim is copied from a creation under it.
	idempotencyKey := &upload.IdempotencyKey{Scope: "s", Key: "k", Fingerprint: "f", Expires: noon.Add(time.Hour)}
	s := brood(t, nil)
	if _, err := storeOn(t, s,
		func(o *bugoutrecords.Options) { o.Now = func() time.Time { return noon } }).Create(t.Context(), pending(),
		idempotencyKey); err != nil {
		t.Fatal(err)
	}
	_, hash, _ := strings.Cut(raw(t, s, "GET", "/resources/", nil), `"once":"`)
	hash, _, _ = strings.Cut(hash, `"`)
	withKey := `"status":"pending","once":"` + hash + `","once_fingerprint":"f","once_expires":"2026-03-04T13:00:00Z"`

	for name, c := range map[string]struct{ low, high, want string }{
		"a record": {madeAtOnce(low, record(lowsUpload, `"status":"pending","judged_version":"low"`)),
			madeAtOnce(high, record(lowsUpload, `"status":"pending","judged_version":"high"`)), "low"},
		"a claim": {madeAtOnce(low, record(lowsUpload, withKey)), madeAtOnce(high, record(highsUpload, withKey)),
			lowsUpload},
		"a note": {madeAtOnce(low, `{"hatchery_note":"n","text":"low"}`),
			madeAtOnce(high, `{"hatchery_note":"n","text":"high"}`), "low"},
	} {
		for _, order := range [][]string{{c.low, c.high}, {c.high, c.low}} {
			store := answering(t, order...)
			var got string
			var err error
			switch name {
			case "a record":
				var r upload.Record
				r, err = store.Get(t.Context(), upload.Ref{Journal: "j", Entry: "e", Kind: "images", ID: lowsUpload})
				got = string(r.JudgedVersion)
			case "a claim":
				var r upload.Record
				r, err = store.Create(t.Context(), pending(), idempotencyKey)
				got = string(r.ID)
			case "a note":
				got, err = store.Note(t.Context(), "n")
			}
			if err != nil || got != c.want {
				t.Errorf("%s: %q counts, want %q; %v", name, got, c.want, err)
			}
		}
	}
}

// TestWhatPostgreSQLCannotHoldIsLeftOut: Brood answers 500 to it.
func TestWhatPostgreSQLCannotHoldIsLeftOut(t *testing.T) {
	store := storeOn(t, brood(t, nil), nil)
	r := pending()
	r.Name = "c\x00a\xfft\x00"
	idempotencyKey := &upload.IdempotencyKey{Scope: "s\x00", Key: "k\x00", Fingerprint: "f\x00",
		Expires: time.Now().Add(time.Hour)}
	if _, err := store.Create(t.Context(), r, idempotencyKey); err != nil {
		t.Error(err)
	}
	if err := upload.NoteFailure(t.Context(), store, r.Ref(), upload.Failure{At: noon, Message: "n\x00o"}); err != nil {
		t.Error(err)
	}
	got, err := store.Get(t.Context(), r.Ref())
	if err != nil || got.Name != "cat" || got.LastFailure == nil || got.LastFailure.Message != "no" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := store.SetNote(t.Context(), "n", "t\x00ext"); err != nil {
		t.Error(err)
	}
	if note, err := store.Note(t.Context(), "n"); err != nil || note != "text" {
		t.Errorf("the note is %q, %v", note, err)
	}
}

// unfiltered drops the query of lists, but for the application, as a proxy might.
func unfiltered(o *bugoutrecords.Options) {
	o.SetTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		if q := r.URL.Query(); len(q) > 0 {
			r.URL.RawQuery = url.Values{"application_id": q["application_id"]}.Encode()
		}
		return http.DefaultTransport.RoundTrip(r)
	}))
}

// TestNothingIsBelievedOrDeletedForAFiltersSake: what a list shows beside what it was
// asked for stays what it is.
func TestNothingIsBelievedOrDeletedForAFiltersSake(t *testing.T) {
	s := brood(t, nil)
	create(t, s, legacyImage(legacyID))
	create(t, s, map[string]any{"somebody": "else's"})
	create(t, s, map[string]any{"hatchery_note": "another", "text": "theirs"})
	before := resourceIDs(t, s)
	left := func(what string, want int) {
		t.Helper()
		now := resourceIDs(t, s)
		if len(now) != want || !slices.Equal(now[:len(before)], before) {
			t.Errorf("%s: left are %v of %v", what, now, before)
		}
	}
	store := storeOn(t, s, unfiltered)
	if note, err := store.Note(t.Context(), "reconcile"); note != "" || err != nil {
		t.Errorf("the note is %q, %v", note, err)
	}
	left("a proof", 3)
	for _, text := range []string{"one", "two"} {
		if err := store.SetNote(t.Context(), "reconcile", text); err != nil {
			t.Error(err)
		}
		left("a note", 4)
		if note, err := store.Note(t.Context(), "reconcile"); note != text || err != nil {
			t.Errorf("the note is %q, %v", note, err)
		}
	}
	// Nor is another key's upload that of this one.
	for i, key := range []string{"a", "b"} {
		r := pending()
		r.ID = upload.ID(strings.Replace(string(r.ID), "1", string(rune('1'+i)), 1))
		idempotencyKey := &upload.IdempotencyKey{Scope: "s", Key: key, Fingerprint: key, Expires: time.Now().Add(time.Hour)}
		if got, err := store.Create(t.Context(), r, idempotencyKey); err != nil || got.ID != r.ID {
			t.Errorf("under %s: %+v, %v", key, got, err)
		}
	}
}

func TestAnAnswerThatIsTooLongSaysWhatToDo(t *testing.T) {
	store := storeOn(t, brood(t, nil), func(o *bugoutrecords.Options) { o.MaxBody = 10 })
	if _, err := store.Scan(t.Context(), upload.ScanQuery{Cursor: "", Limit: 10}); err == nil ||
		!strings.Contains(err.Error(), "hatchery migrate --from bugout") {
		t.Errorf("All: %v", err)
	}
}

// TestWhoeverFindsNoPlaceIsToldSo: others have all places, for longer than a request may take.
func TestWhoeverFindsNoPlaceIsToldSo(t *testing.T) {
	plan := &script{}
	requests := make(chan struct{}, 1)
	store := storeOn(t, brood(t, plan.trouble), func(o *bugoutrecords.Options) {
		o.Requests, o.Timeout, o.Attempts = requests, 20*time.Millisecond, 2
	})
	requests <- struct{}{} // another's request
	for method, call := range everyMethod(t.Context(), store, pending()) {
		if err := call(); !errors.Is(err, bugoutrecords.ErrBusy) || errors.Is(err, upload.ErrNotFound) {
			t.Errorf("%s: %v", method, err)
		}
	}
	if plan.asked() != 0 {
		t.Errorf("Brood was asked %d times", plan.asked())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.Get(ctx, pending().Ref()); !errors.Is(err, context.Canceled) {
		t.Errorf("whoever gives up is told %v", err)
	}
	<-requests
	absent(t, store)
	if len(requests) != 0 {
		t.Error("the place was not given back")
	}
}
