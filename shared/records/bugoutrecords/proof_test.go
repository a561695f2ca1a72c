package bugoutrecords_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"hatchery/shared/local/localbugout"
	"hatchery/shared/records/bugoutrecords"
	"hatchery/shared/upload"
)

const empty = `{"resources":[]}`

// absent asks for a record that is not there.
func absent(t *testing.T, store *bugoutrecords.Store) {
	t.Helper()
	if _, err := store.Get(t.Context(), pending().Ref()); !errors.Is(err, upload.ErrNotFound) {
		t.Errorf("Get: %v", err)
	}
}

// proofs is how often something was created.
func (s *script) proofs() int { return strings.Count(strings.Join(s.list(), " "), http.MethodPost) }

func TestAnAbsenceIsProvedOnceForSomeMinutes(t *testing.T) {
	plan, now, current := &script{}, noon, token
	s := brood(t, plan.trouble)
	s.SetRole(rotated, localbugout.Member)
	store := storeOn(t, s, func(o *bugoutrecords.Options) {
		o.Now = func() time.Time { return now }
		o.Token = func(context.Context) (string, error) { return current, nil }
	})
	for _, step := range []struct {
		name   string
		change func()
		proofs int
	}{
		{"at first", func() {}, 1},
		{"a little later", func() { now = now.Add(5*time.Minute - time.Second) }, 1},
		{"after five minutes", func() { now = now.Add(time.Second) }, 2},
		{"with another token", func() { current = rotated }, 3},
	} {
		step.change()
		for range 5 {
			absent(t, store)
			if page, err := store.Scan(t.Context(), upload.ScanQuery{Cursor: "", Limit: 10}); err != nil ||
				len(page.Records) != 0 {
				t.Errorf("%s: all are %+v, %v", step.name, page, err)
			}
			if note, err := store.Note(t.Context(), "reconcile"); note != "" || err != nil {
				t.Errorf("%s: the note is %q, %v", step.name, note, err)
			}
		}
		if got := plan.proofs(); got != step.proofs {
			t.Errorf("%s: proved %d times, want %d", step.name, got, step.proofs)
		}
	}
	if left := raw(t, s, "GET", "/resources/", nil); strings.TrimSpace(left) != empty {
		t.Errorf("left is %s", left)
	}
	// Somebody who is put out of the group is noticed when the proof is old.
	now = now.Add(5 * time.Minute)
	s.SetRole(rotated, localbugout.Stranger)
	if _, err := store.Get(t.Context(), pending().Ref()); !errors.Is(err, bugoutrecords.ErrRefused) {
		t.Errorf("outside of the group: %v", err)
	}
}

// TestARefusalEndsTheProof: whoever was put out of the group is noticed at once where Brood says so, and not when the
// proof is old.
func TestARefusalEndsTheProof(t *testing.T) {
	other := pending()
	other.ID = "019a0000-0000-7000-8000-000000000009"
	for name, c := range map[string]struct {
		role localbugout.Role
		want error
	}{
		"put out of the group": {localbugout.Stranger, bugoutrecords.ErrRefused},
		"a restricted token":   {localbugout.Restricted, bugoutrecords.ErrRefused},
		"a revoked token":      {localbugout.Revoked, bugoutrecords.ErrToken},
	} {
		s := brood(t, nil)
		store := storeOn(t, s, nil)
		if _, err := store.Create(t.Context(), other, nil); err != nil { // that is a proof
			t.Fatal(err)
		}
		s.SetRole(token, c.role)
		refused := other
		refused.ID = "019a0000-0000-7000-8000-00000000000a"
		if _, err := store.Create(t.Context(), refused, nil); !errors.Is(err, c.want) {
			t.Errorf("%s: Create: %v", name, err)
		}
		if c.role == localbugout.Revoked { // a token that comes back may be another user's
			s.SetRole(token, localbugout.Stranger)
			c.want = bugoutrecords.ErrRefused
		}
		for method, call := range everyMethod(t.Context(), store, pending()) {
			if err := call(); !errors.Is(err, c.want) || errors.Is(err, upload.ErrNotFound) {
				t.Errorf("%s: %s: %v", name, method, err)
			}
		}
		s.SetRole(token, localbugout.Member)
		absent(t, store)
	}
}

// TestACreationThatARefusalOvertookIsNoProof: it was sent before the refusal, and may have been made before it.
func TestACreationThatARefusalOvertookIsNoProof(t *testing.T) {
	other := pending()
	other.ID = "019a0000-0000-7000-8000-000000000009"
	made, refused := make(chan struct{}), make(chan struct{})
	posts := 0
	s := brood(t, nil)
	store := storeOn(t, s, func(o *bugoutrecords.Options) {
		o.SetTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPost {
				posts++
			}
			first := posts == 1 && r.Method == http.MethodPost
			response, err := http.DefaultTransport.RoundTrip(r)
			if first {
				close(made)
				<-refused // the answer is late
			}
			return response, err
		}))
	})
	answer := make(chan error)
	go func() { _, err := store.Create(t.Context(), other, nil); answer <- err }()
	<-made
	s.SetRole(token, localbugout.Stranger)
	if _, err := store.Create(t.Context(), pending(), nil); !errors.Is(err, bugoutrecords.ErrRefused) {
		t.Errorf("outside of the group: %v", err)
	}
	close(refused)
	if err := <-answer; !errors.Is(err, bugoutrecords.ErrRefused) { // it looks for what it made, and is shown nothing
		t.Errorf("the one before: %v", err)
	}
	if _, err := store.Get(t.Context(), pending().Ref()); !errors.Is(err, bugoutrecords.ErrRefused) {
		t.Errorf("Get: %v", err)
	}
}

func TestACreationIsProofEnough(t *testing.T) {
	plan := &script{}
	store := storeOn(t, brood(t, plan.trouble), nil)
	r := pending()
	r.ID = "019a0000-0000-7000-8000-000000000009"
	if _, err := store.Create(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	absent(t, store)
	if page, err := store.Scan(t.Context(), upload.ScanQuery{Cursor: "", Limit: 10}); err != nil ||
		len(page.Records) != 1 {
		t.Errorf("all are %+v, %v", page, err)
	}
	if got := plan.proofs(); got != 1 {
		t.Errorf("created %d times, want the record alone", got)
	}
}

func TestWhatIsFoundNeedsNoProof(t *testing.T) {
	plan := &script{}
	s := brood(t, plan.trouble)
	create(t, s, legacyImage(legacyID))
	if _, err := storeOn(t, s, nil).Get(t.Context(),
		upload.Ref{Journal: "j", Entry: "e", Kind: "images", ID: legacyID}); err != nil {
		t.Error(err)
	}
	if got := plan.proofs(); got != 1 {
		t.Errorf("created %d times, want the image alone", got)
	}
}

func TestOneProofIsUnderWayAtOnceAndStopsNobody(t *testing.T) {
	plan := &script{}
	store := storeOn(t, brood(t, plan.trouble), func(o *bugoutrecords.Options) { o.Requests = make(chan struct{}, 1) })
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { absent(t, store) })
	}
	all.Wait()
	if got := plan.proofs(); got != 1 {
		t.Errorf("proved %d times", got)
	}
}

// TestWhoeverWaitsForAProofMayGiveUp: the proof of another is silent.
func TestWhoeverWaitsForAProofMayGiveUp(t *testing.T) {
	proving, read := make(chan struct{}), make(chan struct{}, 10)
	store := storeOn(t, brood(t, func(c localbugout.Call) localbugout.Trouble {
		if c.Method == http.MethodPost {
			close(proving)
			return localbugout.SilentBefore
		}
		return localbugout.None
	}), func(o *bugoutrecords.Options) {
		o.Timeout = time.Hour
		o.SetTransport(roundTripper(func(r *http.Request) (*http.Response, error) {
			response, err := http.DefaultTransport.RoundTrip(r)
			if err == nil {
				response.Body = readBody{response.Body, read}
			}
			return response, err
		}))
	})
	ask := func(ctx context.Context) chan error {
		answer := make(chan error, 1)
		go func() { _, err := store.Get(ctx, pending().Ref()); answer <- err }()
		return answer
	}
	first, endFirst := context.WithCancel(t.Context())
	second, endSecond := context.WithCancel(t.Context())
	one := ask(first)
	<-proving
	<-read
	two := ask(second)
	<-read // its list is empty
	endSecond()
	if err := <-two; !errors.Is(err, context.Canceled) {
		t.Errorf("the one that waits: %v", err)
	}
	endFirst()
	if err := <-one; !errors.Is(err, context.Canceled) {
		t.Errorf("the one that proves: %v", err)
	}
}

// readBody tells when an answer was read.
type readBody struct {
	io.ReadCloser
	read chan<- struct{}
}

func (b readBody) Close() error {
	b.read <- struct{}{}
	return b.ReadCloser.Close()
}

// TestAProofOutlivesTroubleAndLeavesNothing: also what others left of theirs goes.
func TestAProofOutlivesTroubleAndLeavesNothing(t *testing.T) {
	for name, trouble := range map[string]localbugout.Trouble{"fails before": localbugout.FailsBefore,
		"fails after": localbugout.FailsAfter, "breaks off": localbugout.BreaksOff,
		"silent before": localbugout.SilentBefore, "silent after": localbugout.SilentAfter,
		"happens twice": localbugout.HappensTwice, "nonsense": localbugout.Nonsense,
		"the token is refused meanwhile": localbugout.TokenForgotten} {
		plan := &script{method: http.MethodPost, troubles: []localbugout.Trouble{localbugout.None, trouble}}
		s := brood(t, plan.trouble)
		create(t, s, map[string]any{"hatchery_note": "membership"})
		store := storeOn(t, s, func(o *bugoutrecords.Options) { o.Timeout = 300 * time.Millisecond })
		absent(t, store)
		if left := raw(t, s, "GET", "/resources/", nil); strings.TrimSpace(left) != empty {
			t.Errorf("%s: left is %s", name, left)
		}
	}
}

func TestAProofThatFailsForGoodIsTrouble(t *testing.T) {
	plan := &script{method: http.MethodPost,
		troubles: []localbugout.Trouble{localbugout.FailsBefore, localbugout.FailsBefore, localbugout.FailsBefore}}
	store := storeOn(t, brood(t, plan.trouble), nil)
	if _, err := store.Get(t.Context(), pending().Ref()); err == nil || errors.Is(err, upload.ErrNotFound) ||
		!strings.Contains(err.Error(), "nothing is hidden") {
		t.Errorf("Get: %v", err)
	}
	if got := plan.proofs(); got != 3 {
		t.Errorf("tried %d times, want 3", got)
	}
	// What is left of a proof is nobody's upload, and no proof for the next one.
	absent(t, store)
}

// TestAListAndItsProofAreOfOneToken: a token that was changed in between proves nothing
// of what the one before was shown.
func TestAListAndItsProofAreOfOneToken(t *testing.T) {
	s := brood(t, nil)
	create(t, s, legacyImage(legacyID))
	s.SetRole(token, localbugout.Stranger)
	s.SetRole(rotated, localbugout.Member)
	asked := 0
	store := storeOn(t, s, func(o *bugoutrecords.Options) {
		o.Token = func(context.Context) (string, error) {
			if asked++; asked == 1 {
				return token, nil
			}
			return rotated, nil
		}
	})
	if _, err := store.Get(t.Context(), upload.Ref{Journal: "j", Entry: "e", Kind: "images", ID: legacyID}); errors.Is(err,
		upload.ErrNotFound) || !errors.Is(err, bugoutrecords.ErrRefused) {
		t.Errorf("Get: %v", err)
	}
}
