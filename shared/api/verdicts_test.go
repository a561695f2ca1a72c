package api_test

import (
	"context"
	"testing"
	"time"

	"hatchery/shared/api"
	"hatchery/shared/upload"
)

// told is a fixture whose requests are woken by verdicts, and wait for them as long as they like.
func told(t *testing.T) (w *fixture, verdicts *api.Verdicts, begun chan struct{}) {
	verdicts, begun = &api.Verdicts{}, make(chan struct{}, 10)
	w = newFixture(t, func(w *fixture) {
		w.config.Verdicts, w.config.Limits().Sleep = verdicts, untilCancelled(begun)
	})
	return w, verdicts, begun
}

// notify tells of a verdict on an upload.
func notify(t *testing.T, verdicts *api.Verdicts, id string) {
	t.Helper()
	r := ref("e", id)
	if err := verdicts.Notify(t.Context(), upload.Record{Journal: r.Journal, Entry: r.Entry, Kind: r.Kind, ID: r.ID}); err != nil {
		t.Error(err)
	}
}

func TestWaitingEndsAsSoonAsThisProcessTellsOfTheVerdict(t *testing.T) {
	w, verdicts, begun := told(t)
	const waiters = 3
	answers := make(chan reply)
	for range waiters {
		go func() { answers <- w.do("GET", pendingStatus+"?wait=20", nil) }()
		<-begun
	}
	notify(t, verdicts, idStored) // of another upload
	w.settlePending()
	if n := verdicts.Waiting(); n != waiters {
		t.Errorf("%d wait after a verdict on another upload, want %d", n, waiters)
	}
	notify(t, verdicts, idPending)
	for range waiters {
		if got := <-answers; got.status != 200 || got.member(t, "status") != "rejected" {
			t.Errorf("answered %d %s", got.status, got.body)
		}
	}
	if n := verdicts.Waiting(); n != 0 {
		t.Errorf("%d wait when all have their answers", n)
	}
}

// Whoever expires an upload tells of it before it is settled.
func TestWhoIsWokenTooEarlyPollsOn(t *testing.T) {
	var w *fixture
	verdicts, slept := &api.Verdicts{}, 0
	w = newFixture(t, func(w2 *fixture) {
		w2.config.Verdicts = verdicts
		w2.config.Limits().Sleep = func(ctx context.Context, _ time.Duration) error {
			if slept++; slept == 1 {
				notify(t, verdicts, idPending)
				<-ctx.Done()
				return ctx.Err()
			}
			if ctx.Err() != nil {
				t.Error("it is woken again and again")
			}
			w.settlePending()
			return nil
		}
	})
	got := w.do("GET", pendingStatus+"?wait=20", nil)
	if got.status != 200 || got.member(t, "status") != "rejected" || slept != 2 {
		t.Errorf("answered %d %s, having slept %d times", got.status, got.body, slept)
	}
}

// meanwhile settles, and tells of it, when a record was read and before whoever read it goes on.
type meanwhile struct {
	upload.Records
	settle func()
}

func (m *meanwhile) Get(ctx context.Context, ref upload.Ref) (upload.Record, error) {
	r, err := m.Records.Get(ctx, ref)
	if settle := m.settle; settle != nil {
		m.settle = nil
		settle()
	}
	return r, err
}

func TestAVerdictThatComesWhileTheRecordIsReadIsNotMissed(t *testing.T) {
	w, verdicts, _ := told(t)
	w.pipeline.Records = &meanwhile{w.pipeline.Records, func() {
		w.settlePending()
		notify(t, verdicts, idPending)
	}}
	if got := w.do("GET", pendingStatus+"?wait=20", nil); got.status != 200 || got.member(t, "status") != "rejected" {
		t.Errorf("answered %d %s", got.status, got.body)
	}
}

func TestNobodyIsRememberedWhoWaitsNoMore(t *testing.T) {
	w, verdicts, begun := told(t)
	w.waitAndHangUp(t, begun)
	for _, path := range []string{pendingStatus, pendingStatus + "?wait=0", files + "/" + idStored + "/status?wait=20",
		files + "/019affff-0000-7000-8000-000000000000/status?wait=20"} {
		w.do("GET", path, nil)
	}
	if n := verdicts.Waiting(); n != 0 {
		t.Errorf("%d are remembered", n)
	}
	notify(t, verdicts, idPending) // wakes nobody
}
