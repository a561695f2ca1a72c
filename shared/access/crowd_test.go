package access_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"hatchery/shared/access"
	"hatchery/shared/local/localbugout"
)

// crowdOf asks with as many tokens that nobody knows, all at once, and gives what each
// is told.
func crowdOf(t *testing.T, a *access.Application, size int) <-chan error {
	t.Helper()
	answers := make(chan error, size)
	var all sync.WaitGroup
	for range size {
		all.Go(func() { answers <- a.Authorize(t.Context(), "Bearer "+localbugout.NewID(), "j", "e") })
	}
	go func() { all.Wait(); close(answers) }()
	return answers
}

// slowBrood is one that holds every question until release is closed, tells of each
// on asked, and says how many it held at once.
func slowBrood(t *testing.T, fault localbugout.Trouble) (brood *localbugout.Server, asked chan struct{}, release chan struct{}, atOnce func() int) {
	t.Helper()
	asked, release = make(chan struct{}, 1000), make(chan struct{})
	var mu sync.Mutex
	now, peak := 0, 0
	brood, err := localbugout.Open(t.Context(), localbugout.Options{Listen: "127.0.0.1:0", Trouble: func(localbugout.Call) localbugout.Trouble {
		mu.Lock()
		now++
		peak = max(peak, now)
		mu.Unlock()
		asked <- struct{}{}
		<-release
		mu.Lock()
		defer mu.Unlock()
		now--
		return fault
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = brood.Close() })
	return brood, asked, release, func() int { mu.Lock(); defer mu.Unlock(); return peak }
}

func askingBrood(t *testing.T, brood *localbugout.Server, timeout time.Duration, atOnce int) *access.Application {
	t.Helper()
	o := access.Options{Bugout: brood.URL(), BugoutRequests: atOnce}.With(access.Overrides{Timeout: timeout})
	a, err := access.New(answer(t, http.StatusInternalServerError).URL, o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestUnknownTokensAreAskedAboutAFewAtOnce: Brood falls silent at eleven at once.
func TestUnknownTokensAreAskedAboutAFewAtOnce(t *testing.T) {
	for given, want := range map[int]int{0: access.DefaultBroodAtOnce, 1: 1} {
		brood, asked, release, atOnce := slowBrood(t, localbugout.None)
		answers := crowdOf(t, askingBrood(t, brood, 20*time.Second, given), 40)
		for range want {
			<-asked
		}
		select { // a question beyond the bound would come about now
		case <-asked:
			t.Errorf("with BugoutRequests %d more than %d questions are under way", given, want)
		case <-time.After(100 * time.Millisecond):
		}
		close(release)
		for err := range answers {
			if got := statusOf(t, err); got != http.StatusUnauthorized {
				t.Errorf("%d, %v", got, err)
			}
		}
		if brood.Stalled() || atOnce() > want {
			t.Errorf("with BugoutRequests %d, %d questions were under way", given, atOnce())
		}
	}
}

// TestManyQuestionsToASilentBroodAreAnOutage: each question that is put has its time, and
// nobody waits for longer than that and a half.
func TestManyQuestionsToASilentBroodAreAnOutage(t *testing.T) {
	brood, asked, release, _ := slowBrood(t, localbugout.None)
	t.Cleanup(func() { close(release) })
	var notAsked, noAnswer int
	for err := range crowdOf(t, askingBrood(t, brood, time.Second, 0), 40) {
		if got := statusOf(t, err); got != http.StatusServiceUnavailable {
			t.Errorf("%d, %v", got, err)
		}
		switch text := err.Error(); {
		case strings.Contains(text, "could not be asked within 500ms"):
			notAsked++
		case strings.Contains(text, "did not answer within 1s"):
			noAnswer++
		default:
			t.Error(err)
		}
	}
	if brood.Stalled() || noAnswer != access.DefaultBroodAtOnce || notAsked != 40-noAnswer || len(asked) != noAnswer {
		t.Errorf("%d had no answer and %d were not asked; Brood was asked %d times", noAnswer, notAsked, len(asked))
	}
}

// TestWhoeverWaitsToAskMayGiveUp, and holds up nobody.
func TestWhoeverWaitsToAskMayGiveUp(t *testing.T) {
	brood, asked, release, _ := slowBrood(t, localbugout.None)
	a := askingBrood(t, brood, 20*time.Second, 1)
	first := crowdOf(t, a, 1)
	<-asked
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Authorize(ctx, "Bearer "+callersToken, "j", "e"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := a.Authorize(ctx, "Bearer "+callersToken, "j", "e"); !errors.Is(err, context.DeadlineExceeded) || statusOf(t, err) != http.StatusServiceUnavailable {
		t.Error(err)
	}
	close(release)
	for err := range first {
		if got := statusOf(t, err); got != http.StatusUnauthorized {
			t.Error(err)
		}
	}
	if err := a.Authorize(t.Context(), "Bearer "+callersToken, "j", "e"); statusOf(t, err) != http.StatusUnauthorized {
		t.Error(err)
	}
}
