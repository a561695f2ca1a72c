package deadletter_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"hatchery/shared/attempts"
	"hatchery/shared/deadletter"
	"hatchery/shared/queue"
	"hatchery/shared/upload"
)

func TestAProbeRedrivesTheOldestAndTellsWhatBecameOfIt(t *testing.T) {
	for _, c := range []struct {
		name    string
		then    func(t *testing.T, w *acting) // at the third look
		verdict bool
		want    string
	}{
		{"stored", func(t *testing.T, w *acting) { w.validate(t) }, true, "stored"},
		{"rejected", func(t *testing.T, w *acting) {
			if _, err := w.records.Update(t.Context(), actRef(1), upload.Settle(upload.Verdict{Status: upload.Rejected,
				At: w.clock.Now(), Reason: &upload.Reason{Code: upload.Corrupt, Message: "Send another."}})); err != nil {
				t.Fatal(err)
			}
		}, true, "rejected as corrupt: Send another."},
		{"failed again", func(t *testing.T, w *acting) { w.fail(t, actRef(1), "still down") }, false, "failed again: still down"},
		{"nothing", func(*testing.T, *acting) {}, false, "no verdict within 3m0s: if the cause is not mended, the message comes back " +
			"among the dead letters"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newActing()
			w.obsolete(t, 100) // older by far, and no verdict would come of it
			w.unreachable(t, 2)
			oldest := w.unreachable(t, 1)
			w.list(t)
			p := w.plan(t, deadletter.Redrive, deadletter.Selection{})
			r := w.review("alice", nil)
			r.After = func(d time.Duration) <-chan time.Time {
				if len(w.paused) == 2 {
					c.then(t, w)
				}
				return w.after(d)
			}
			got, err := r.Probe(t.Context(), p, actOptions, 3*time.Minute)
			if err != nil || got.Sentence != c.want || got.Verdict != c.verdict || got.Result.MessageID != oldest {
				t.Errorf("it tells %+v, %v", got, err)
			}
			if len(w.source.Messages()) > 1 || len(w.sent) != 1 {
				t.Errorf("sent: %v", w.sent)
			}
			if w.paused[0] != time.Second || w.paused[1] != 2*time.Second {
				t.Errorf("it looked after %v", w.paused[:2])
			}
		})
	}
}

func TestAProbeEndsWhenAnAttemptIsNotedAsFailedThoughTheRecordIsNot(t *testing.T) {
	w := newActing()
	w.unreachable(t, 1)
	noted := func(message string, receive int, began time.Time, ended time.Time, failures ...attempts.Failure) {
		note, err := attempts.Attempt{MessageID: message, Receive: receive, MaxReceives: 5, Began: began, Ended: ended,
			Failures: failures}.Marshal()
		if err == nil {
			err = w.notes.Put(t.Context(), attempts.Key(actRef(1).ID, message, receive), note)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	failure := attempts.Failure{Error: "settle: access denied"}
	noted("earlier", 5, actStart.Add(-time.Hour), actStart.Add(-time.Hour), attempts.Failure{Error: "of before"})
	w.list(t)
	p := w.plan(t, deadletter.Redrive, deadletter.Selection{})
	r := w.review("alice", nil)
	r.After = func(d time.Duration) <-chan time.Time {
		switch now := w.clock.Now(); len(w.paused) {
		case 1:
			noted("again", 4, now, time.Time{}) // it is being judged
		case 2:
			noted("again", 4, now, now, failure)
			noted("again", 5, now, now, failure)
		}
		return w.after(d)
	}
	got, err := r.Probe(t.Context(), p, actOptions, 3*time.Minute)
	if err != nil || got.Sentence != "failed again: settle: access denied" || !got.FailedAgain || got.Left != 0 ||
		len(w.paused) != 3 {
		t.Errorf("it tells %+v, %v, after %v", got, err, w.paused)
	}
}

func TestAProbeBearsAStoreThatDoesNotAnswer(t *testing.T) {
	w := newActing()
	w.unreachable(t, 1)
	w.list(t)
	p := w.plan(t, deadletter.Redrive, deadletter.Selection{})
	// Looks 1 and 2 are those before the redrive and of the diagnosis.
	g := &gate{call: "get record", at: 3, before: func() error { w.validate(t); return errActTrouble }}
	got, err := w.review("alice", g).Probe(t.Context(), p, actOptions, time.Minute)
	if err != nil || got.Sentence != "stored" {
		t.Errorf("it tells %+v, %v", got, err)
	}
}

func TestAProbeOfNothingPendingIsRefused(t *testing.T) {
	w := newActing()
	w.obsolete(t, 1)
	w.list(t)
	p := w.plan(t, deadletter.Redrive, deadletter.Selection{Cause: deadletter.Obsolete})
	if _, err := w.review("alice", nil).Probe(t.Context(), p, actOptions, time.Minute); !errors.Is(err, deadletter.ErrNoProbe) {
		t.Errorf("it tells %v", err)
	}
}

func TestAProbeThatIsInOtherHandsSaysSo(t *testing.T) {
	w := newActing()
	w.unreachable(t, 1)
	w.list(t)
	p := w.plan(t, deadletter.Redrive, deadletter.Selection{})
	if _, err := w.dead.Receive(t.Context(), time.Minute, 0); err != nil {
		t.Fatal(err)
	}
	got, err := w.review("alice", nil).Probe(t.Context(), p, actOptions, time.Minute)
	if err != nil || got.Sentence != "missing: in other hands, or gone" {
		t.Errorf("it tells %+v, %v", got, err)
	}
}

// fakeMover is a mover whose looks are given.
type fakeMover struct {
	started   string
	startErr  error
	earlier   []queue.Move
	looks     []func() ([]queue.Move, error)
	cancelled []queue.Move
}

func (m *fakeMover) StartMove(_ context.Context, to string, _ int) error {
	m.started = to
	return m.startErr
}

func (m *fakeMover) Moves(context.Context) ([]queue.Move, error) {
	if m.started == "" || len(m.looks) == 0 {
		return m.earlier, nil
	}
	look := m.looks[0]
	if len(m.looks) > 1 {
		m.looks = m.looks[1:]
	}
	return look()
}

func (m *fakeMover) CancelMove(_ context.Context, move queue.Move) error {
	m.cancelled = append(m.cancelled, move)
	return nil
}

func look(status string, moved int) func() ([]queue.Move, error) {
	return func() ([]queue.Move, error) {
		return []queue.Move{{Status: status, Moved: moved, ToMove: 30, StartedAt: actStart, Destination: "arn:to",
			FailureReason: "why"}}, nil
	}
}

func TestAMoveOfAllIsWatchedUntilItEnds(t *testing.T) {
	earlier := []queue.Move{{Status: "COMPLETED", Moved: 7, StartedAt: actStart.Add(-time.Hour), Destination: "arn:to"}}
	stale := func() ([]queue.Move, error) { return earlier, nil }
	trouble := func() ([]queue.Move, error) { return nil, errActTrouble }
	for _, c := range []struct {
		name  string
		mover *fakeMover
		moved string
		want  error
	}{
		{"to its end, though it is not listed at once and a look fails", &fakeMover{earlier: earlier,
			looks: []func() ([]queue.Move, error){stale, look("RUNNING", 10), trouble, look("RUNNING", 20), look("COMPLETED", 30)}},
			"10 20 30", nil},
		{"to its end with fewer than were counted", &fakeMover{looks: []func() ([]queue.Move, error){look("COMPLETED", 29)}},
			"29", nil},
		{"cancelled", &fakeMover{looks: []func() ([]queue.Move, error){look("CANCELLING", 3), look("CANCELLED", 4)}}, "3 4",
			deadletter.ErrMoveEnded},
		{"failed", &fakeMover{looks: []func() ([]queue.Move, error){look("FAILED", 4)}}, "4", deadletter.ErrMoveEnded},
		{"out of sight", &fakeMover{looks: []func() ([]queue.Move, error){look("RUNNING", 4), trouble}}, "4",
			deadletter.ErrStillMoving},
		{"another runs", &fakeMover{startErr: queue.ErrMoving}, "", queue.ErrMoving},
		{"not known", &fakeMover{startErr: queue.ErrUnsupported}, "", queue.ErrUnsupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newActing()
			var moved []string
			a, err := w.review("alice", nil).MoveAll(t.Context(), c.mover, "arn:to", 5, func(m queue.Move) {
				moved = append(moved, time.Duration(m.Moved).String())
			})
			if got := strings.ReplaceAll(strings.Join(moved, " "), "ns", ""); got != c.moved || !errors.Is(err, c.want) ||
				c.want == nil && err != nil {
				t.Errorf("progress %q and %v, want %q and %v", got, err, c.moved, c.want)
			}
			var kept deadletter.Audit
			if !w.note(t, "audit/"+a.ID+".json", &kept) || kept.Ended.IsZero() || !strings.Contains(kept.Reason, "arn:to") {
				t.Errorf("the audit says %+v", kept)
			}
			if done := kept.Counts[deadletter.ResultDone]; c.want == nil && (done < 29 || kept.Chosen != done) {
				t.Errorf("the audit counts %v of %d, and all was moved", kept.Counts, kept.Chosen)
			}
			if len(c.mover.cancelled) > 0 {
				t.Error("it was cancelled")
			}
		})
	}
}

func TestAnInterruptedWatchLeavesTheMoveGoingOn(t *testing.T) {
	w := newActing()
	ctx, cancel := context.WithCancel(t.Context())
	mover := &fakeMover{looks: []func() ([]queue.Move, error){look("RUNNING", 1)}}
	_, err := w.review("alice", nil).MoveAll(ctx, mover, "arn:to", 5, func(queue.Move) { cancel() })
	if !errors.Is(err, deadletter.ErrStillMoving) || !errors.Is(err, context.Canceled) || len(mover.cancelled) > 0 {
		t.Errorf("it ended with %v, cancelled %v", err, mover.cancelled)
	}
}

func TestCancellingStopsTheTaskThatRuns(t *testing.T) {
	w := newActing()
	mover := &fakeMover{earlier: []queue.Move{{Status: "RUNNING", Handle: "h"}, {Status: "COMPLETED"}}}
	if m, err := w.review("alice", nil).CancelAll(t.Context(), mover); err != nil || m.Handle != "h" || len(mover.cancelled) != 1 {
		t.Errorf("cancelled %v, %v", mover.cancelled, err)
	}
	mover = &fakeMover{earlier: []queue.Move{{Status: "COMPLETED"}}}
	if _, err := w.review("alice", nil).CancelAll(t.Context(), mover); !errors.Is(err, deadletter.ErrNotMoving) {
		t.Errorf("with nothing to cancel: %v", err)
	}
}

func TestWhatWouldComeBackIsKnown(t *testing.T) {
	w := seven(t)
	s, err := w.review("alice", nil).Snapshot(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var causes []string
	for _, g := range deadletter.ComingBack(s) {
		causes = append(causes, string(g.Cause))
	}
	wantIDs(t, "coming back", causes, "poison", "foreign")
}
