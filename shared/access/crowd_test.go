package access_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hatchery/shared/access"
	"hatchery/shared/local/localbugout"
)

// places is how many requests to Bugout may be under way at once in most tests.
const places = 4

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
func slowBrood(t *testing.T,
	fault localbugout.Trouble) (brood *localbugout.Server, asked chan struct{}, release chan struct{}, atOnce func() int) {
	t.Helper()
	asked, release = make(chan struct{}, 1000), make(chan struct{})
	var mu sync.Mutex
	now, peak := 0, 0
	brood, err := localbugout.Open(t.Context(),
		localbugout.Options{Listen: "127.0.0.1:0", Trouble: func(localbugout.Call) localbugout.Trouble {
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
	o := access.Options{Bugout: brood.URL(),
		BugoutRequests: make(chan struct{}, atOnce)}.With(access.Overrides{Timeout: timeout})
	a, err := access.New(answer(t, http.StatusInternalServerError).URL, o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestUnknownTokensAreAskedAboutAFewAtOnce: Brood falls silent at eleven at once.
func TestUnknownTokensAreAskedAboutAFewAtOnce(t *testing.T) {
	for _, want := range []int{1, places} {
		brood, asked, release, atOnce := slowBrood(t, localbugout.None)
		answers := crowdOf(t, askingBrood(t, brood, 20*time.Second, want), 40)
		for range want {
			<-asked
		}
		select { // a question beyond the bound would come about now
		case <-asked:
			t.Errorf("more than %d questions are under way", want)
		case <-time.After(100 * time.Millisecond):
		}
		close(release)
		for err := range answers {
			if got := statusOf(t, err); got != http.StatusUnauthorized {
				t.Errorf("%d, %v", got, err)
			}
		}
		if brood.Stalled() || atOnce() > want {
			t.Errorf("with %d places %d questions were under way", want, atOnce())
		}
	}
}

// TestManyQuestionsToASilentBroodAreAnOutage: each question that is put has its time, and
// nobody waits for longer than that and a half.
func TestManyQuestionsToASilentBroodAreAnOutage(t *testing.T) {
	brood, asked, release, _ := slowBrood(t, localbugout.None)
	t.Cleanup(func() { close(release) })
	var notAsked, noAnswer int
	for err := range crowdOf(t, askingBrood(t, brood, time.Second, places), 40) {
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
	if brood.Stalled() || noAnswer != places || notAsked != 40-noAnswer || len(asked) != noAnswer {
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
	if err := a.Authorize(ctx, "Bearer "+callersToken, "j", "e"); !errors.Is(err, context.DeadlineExceeded) ||
		statusOf(t, err) != http.StatusServiceUnavailable {
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

// slowApplication holds every question until release is closed, tells of each on asked, and answers with the status
// that it had when the question came.
func slowApplication(t *testing.T) (url string, status *atomic.Int64, asked, release chan struct{}) {
	t.Helper()
	status, asked, release = new(atomic.Int64), make(chan struct{}, 1000), make(chan struct{})
	status.Store(http.StatusOK)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		now := int(status.Load())
		asked <- struct{}{}
		<-release
		w.WriteHeader(now)
	}))
	t.Cleanup(s.Close)
	return s.URL, status, asked, release
}

// TestSpireIsAskedOnlyWhereRecordsLeaveAPlace: it asks Brood about each caller, so its questions share the bound of
// all that this process asks of Brood.
func TestSpireIsAskedOnlyWhereRecordsLeaveAPlace(t *testing.T) {
	url, _, asked, release := slowApplication(t)
	requests := make(chan struct{}, places)
	requests <- struct{}{} // a request of records is under way
	a, err := access.New(url, &access.Options{Bugout: "http://127.0.0.1:1", BugoutRequests: requests})
	if err != nil {
		t.Fatal(err)
	}
	answers := crowdOf(t, a, 40)
	for range places - 1 {
		<-asked
	}
	select { // a question beyond the bound would come about now
	case <-asked:
		t.Errorf("%d questions to Spire are under way beside a request of records", places)
	case <-time.After(100 * time.Millisecond):
	}
	close(release)
	for err := range answers {
		if got := statusOf(t, err); got != http.StatusOK {
			t.Errorf("%d, %v", got, err)
		}
	}
	if len(requests) != 1 {
		t.Errorf("%d places are taken, want the one of records", len(requests))
	}
}

// TestAnotherApplicationIsAskedWithoutAPlace: it has nothing to do with Bugout.
func TestAnotherApplicationIsAskedWithoutAPlace(t *testing.T) {
	url, _, asked, release := slowApplication(t)
	a, err := access.New(url, &access.Options{BugoutRequests: make(chan struct{}, 1)})
	if err != nil {
		t.Fatal(err)
	}
	answers := crowdOf(t, a, 20)
	for range 20 {
		<-asked
	}
	close(release)
	for err := range answers {
		if err != nil {
			t.Error(err)
		}
	}
}

// watched tells when a caller begins to wait for an answer.
type watched struct {
	context.Context
	waits chan<- struct{}
}

func (w watched) Done() <-chan struct{} {
	w.waits <- struct{}{}
	return w.Context.Done()
}

func TestCallersWhoWaitToAskTheSameShareOneQuestion(t *testing.T) {
	url, _, asked, release := slowApplication(t)
	close(release)
	requests := make(chan struct{}, 1)
	requests <- struct{}{} // nobody can ask yet
	a, err := access.New(url, &access.Options{Bugout: "http://127.0.0.1:1", BugoutRequests: requests})
	if err != nil {
		t.Fatal(err)
	}
	answers, waits := make(chan error), make(chan struct{}, 100)
	for range 10 {
		go func() {
			answers <- a.Authorize(watched{t.Context(), waits}, "Bearer "+callersToken, "j", "e")
		}()
	}
	for range 10 {
		<-waits
	}
	<-requests
	for range 10 {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	if len(asked) != 1 {
		t.Errorf("the application was asked %d times", len(asked))
	}
}

// TestAnAnswerIsNeverOlderThanTheRequest: whoever comes while the same question is under way asks anew, unless grants
// are believed for a while anyway.
func TestAnAnswerIsNeverOlderThanTheRequest(t *testing.T) {
	for life, want := range map[time.Duration]int{0: http.StatusForbidden, time.Minute: http.StatusOK} {
		url, status, asked, release := slowApplication(t)
		a, err := access.New(url, &access.Options{Bugout: "http://127.0.0.1:1", GrantLife: life,
			BugoutRequests: make(chan struct{}, places)})
		if err != nil {
			t.Fatal(err)
		}
		before, after, waits := make(chan error), make(chan error), make(chan struct{}, 100)
		ask := func(answer chan<- error) {
			answer <- a.Authorize(watched{t.Context(), waits}, "Bearer "+callersToken, "j", "e")
		}
		go ask(before)
		<-asked
		status.Store(http.StatusForbidden) // the right is withdrawn
		go ask(after)
		<-waits
		<-waits
		if life == 0 {
			<-asked
		}
		close(release)
		if got := statusOf(t, <-before); got != http.StatusOK {
			t.Errorf("with a life of %s the first is told %d", life, got)
		}
		if got := statusOf(t, <-after); got != want || len(asked) != 0 {
			t.Errorf("with a life of %s the second is told %d, want %d; %d questions more", life, got, want, len(asked))
		}
	}
}

// TestAQuestionThatNobodyWaitsForIsGivenUp, and its place with it; not while one of those who share it waits.
func TestAQuestionThatNobodyWaitsForIsGivenUp(t *testing.T) {
	asked, gone := make(chan struct{}, 10), make(chan struct{}, 10)
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
		gone <- struct{}{}
	})
	requests := make(chan struct{}, 1)
	a := newApplication(t, url, access.Options{Bugout: "http://127.0.0.1:1", BugoutRequests: requests,
		GrantLife: time.Minute}.With(access.Overrides{Timeout: time.Minute}))
	answers, waits := make(chan error), make(chan struct{}, 10)
	ask := func() context.CancelFunc {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { answers <- a.Authorize(watched{ctx, waits}, "Bearer "+callersToken, "j", "e") }()
		<-waits
		return cancel
	}
	first, second := ask(), ask()
	<-asked
	first()
	if err := <-answers; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	select { // it would be given up about now
	case <-gone:
		t.Error("the question of one who waits was given up")
	case <-time.After(50 * time.Millisecond):
	}
	second()
	if err := <-answers; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	<-gone
	requests <- struct{}{} // the place is free
	if len(asked) != 0 {
		t.Error("they did not share one question")
	}
}
