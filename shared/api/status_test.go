package api_test

import (
	"context"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"hatchery/shared/upload"
)

const pendingStatus = files + "/" + idPending + "/status"

func (w *fixture) settlePending() {
	w.settle(ref("e", idPending),
		upload.Verdict{Status: upload.Rejected, Version: "q", At: start,
			Reason: &upload.Reason{Code: upload.Corrupt, Message: "Broken."}})
}

// untilCancelled is a Sleep that says when it began and ends with its context.
func untilCancelled(begun chan<- struct{}) func(context.Context, time.Duration) error {
	return func(ctx context.Context, _ time.Duration) error {
		begun <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
}

func TestWaitingEndsWithTheVerdict(t *testing.T) {
	var slept []time.Duration
	var w *fixture
	w = newFixture(t, func(w2 *fixture) {
		w2.config.Limits().Sleep = func(_ context.Context, d time.Duration) error {
			if slept = append(slept, d); len(slept) == 3 {
				w.settlePending()
			}
			return nil
		}
	})
	got := w.do("GET", pendingStatus+"?wait=20", nil)
	if got.status != 200 || got.member(t, "status") != "rejected" {
		t.Errorf("answered %d %s", got.status, got.body)
	}
	if want := []time.Duration{50 * time.Millisecond, 100 * time.Millisecond,
		200 * time.Millisecond}; !slices.Equal(slept, want) {
		t.Errorf("slept %v, want %v", slept, want)
	}
}

func TestWaitingIsBounded(t *testing.T) {
	for wait, want := range map[string]time.Duration{"0": 0, "1": time.Second, "20": 20 * time.Second,
		"21": 20 * time.Second, "2000000000": 20 * time.Second,
		"99999999999999999999": 20 * time.Second} {
		var slept time.Duration
		w := newFixture(t, func(w *fixture) {
			w.config.Limits().Sleep = func(_ context.Context, d time.Duration) error { slept += d; return nil }
		})
		got := w.do("GET", pendingStatus+"?wait="+wait, nil)
		if got.status != 200 || got.member(t, "status") != "pending" || slept != want {
			t.Errorf("wait=%s: %d after %s, want 200 after %s", wait, got.status, slept, want)
		}
	}
	for bound, want := range map[time.Duration]time.Duration{0: 0, 2 * time.Second: 2 * time.Second} {
		var slept time.Duration
		w := newFixture(t, func(w *fixture) {
			w.config.MaxWait = bound
			w.config.Limits().Sleep = func(_ context.Context, d time.Duration) error { slept += d; return nil }
		})
		if got := w.do("GET", pendingStatus+"?wait=20", nil); got.status != 200 || slept != want {
			t.Errorf("where nobody waits longer than %s: %d after %s", bound, got.status, slept)
		}
	}
}

// waitAndHangUp asks for a verdict, and gives up once the wait has begun.
func (w *fixture) waitAndHangUp(t *testing.T, begun <-chan struct{}) {
	t.Helper()
	ctx, hangUp := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.handler.ServeHTTP(httptest.NewRecorder(), request(t, "GET", pendingStatus+"?wait=20", nil).WithContext(ctx))
	}()
	<-begun
	hangUp()
	<-ended
}

func TestWaitingEndsWhenTheClientHangsUp(t *testing.T) {
	begun := make(chan struct{}, 1)
	w := newFixture(t, func(w *fixture) { w.config.Limits().Sleep = untilCancelled(begun) })
	w.waitAndHangUp(t, begun)
	if !strings.Contains(w.log.String(), `"client_gone":true`) {
		t.Errorf("the log does not say so: %s", w.log.String())
	}
}

func TestARequestThatTookTooLongIsAnErrorOfOurs(t *testing.T) {
	w := newFixture(t)
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	answer := httptest.NewRecorder()
	w.handler.ServeHTTP(answer, request(t, "GET", pendingStatus, nil).WithContext(ctx))
	log := w.log.String()
	if answer.Code != 503 || strings.Contains(log, "client_gone") || !strings.Contains(log, `"level":"ERROR"`) {
		t.Errorf("%d, and the log says: %s", answer.Code, log)
	}
}

func TestWaitingEndsWhenTheHandlerStops(t *testing.T) {
	begun, stopping := make(chan struct{}, 1), make(chan struct{})
	w := newFixture(t, func(w *fixture) { w.config.Limits().Sleep, w.config.Stopping = untilCancelled(begun), stopping })
	answers := make(chan reply)
	go func() { answers <- w.do("GET", pendingStatus+"?wait=20", nil) }()
	<-begun
	close(stopping)
	if got := <-answers; got.status != 200 || got.member(t, "status") != "pending" {
		t.Errorf("answered %d %s", got.status, got.body)
	}
}

func TestNoMoreWaitThanMay(t *testing.T) {
	begun, stopping := make(chan struct{}, 1), make(chan struct{})
	w := newFixture(t, func(w *fixture) {
		w.config.Limits().Sleep, w.config.Stopping, w.config.Limits().MaxWaiters = untilCancelled(begun), stopping, 1
	})
	answers := make(chan reply)
	go func() { answers <- w.do("GET", pendingStatus+"?wait=20", nil) }()
	<-begun
	if got := w.do("GET", pendingStatus+"?wait=20", nil); got.status != 200 {
		t.Errorf("beyond the bound: %d", got.status)
	}
	close(stopping)
	<-answers
}

func TestTroubleWhileWaitingIsTold(t *testing.T) {
	var w *fixture
	w = newFixture(t, func(w2 *fixture) {
		w2.config.Limits().Sleep = func(context.Context, time.Duration) error { brokenRecords(w); return nil }
	})
	if got := w.do("GET", pendingStatus+"?wait=20", nil); got.status != 503 {
		t.Errorf("status %d", got.status)
	}
}
