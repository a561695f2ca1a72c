package reconcile_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"hatchery/shared/queue"
	"hatchery/shared/queue/queuetest"
	"hatchery/shared/reconcile"
	"hatchery/shared/uploadtest"
)

// inspectorFunc is a queue that is asked.
type inspectorFunc func(ctx context.Context) (queue.State, error)

func (f inspectorFunc) Inspect(ctx context.Context) (queue.State, error) { return f(ctx) }

func TestDeadLettersAreCountedAndNeedAPerson(t *testing.T) {
	for name, dead := range map[string]*queuetest.Memory{
		"none":      {},
		"in flight": {InFlight: 2}, // somebody looks at them
		"delayed":   {Delayed: 3},
	} {
		for _, dryRun := range []bool{false, true} {
			w := newFixture(t)
			w.r.DeadLetters = &queuetest.Memory{DeadLetters: dead}
			report, err := w.r.Run(t.Context(), reconcile.Options{DryRun: dryRun})
			want := dead.InFlight + dead.Delayed
			if err != nil || report.DeadLetters == nil || *report.DeadLetters != want ||
				report.NeedsPerson() != (want > 0) || report.Failed != 0 || !report.Complete {
				t.Errorf("%s, dry run %v: %+v, %v, want %d", name, dryRun, report, err, want)
			}
			text, err := json.Marshal(report)
			if err != nil || !strings.Contains(string(text), `"dead_letters":`) {
				t.Errorf("%s: the report is %s, %v", name, text, err)
			}
		}
	}
}

// TestWhatCannotBeCountedIsSaidAndTheRestIsReported: it is neither zero nor forgotten.
func TestWhatCannotBeCountedIsSaidAndTheRestIsReported(t *testing.T) {
	full := &queuetest.Memory{InFlight: 2, DeadLetters: &queuetest.Memory{}}
	for name, c := range map[string]struct {
		queue   queue.Inspector
		err     error
		counted bool
	}{
		"the queue does not answer": {
			inspectorFunc(func(context.Context) (queue.State, error) { return queue.State{}, errTrouble }), errTrouble, false},
		"no redrive policy":    {&queuetest.Memory{}, queue.ErrNoDeadLetters, false},
		"dead letters move on": {&queuetest.Memory{DeadLetters: full}, queue.ErrDeadLettersMove, true},
		"the queue is not there": {
			inspectorFunc(func(context.Context) (queue.State, error) { return queue.State{}, queue.ErrNoQueue }),
			queue.ErrNoQueue, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t)
			w.accepted(uploadtest.Picture(1))
			w.clock.Pass(overdue + time.Second)
			w.r.DeadLetters = c.queue
			report, err := w.r.Run(t.Context(), reconcile.Options{})
			if !errors.Is(err, c.err) || !strings.Contains(err.Error(), "count the dead letters: ") || report.Failed != 1 ||
				report.Resent != 1 || !report.Complete {
				t.Errorf("%+v, %v", report, err)
			}
			if counted := report.DeadLetters != nil; counted != c.counted || counted && *report.DeadLetters != 2 {
				t.Errorf("counted: %+v", report)
			}
			if !strings.Contains(w.log.String(), "reconcile: count the dead letters failed") {
				t.Errorf("the log is\n%s", &w.log)
			}
		})
	}
}

// TestAQueueThatHangsLeavesTheRunItsTime: the count gets a quarter of what there is.
func TestAQueueThatHangsLeavesTheRunItsTime(t *testing.T) {
	w := newFixture(t)
	w.accepted(uploadtest.Picture(1))
	w.clock.Pass(overdue + time.Second)
	w.r.DeadLetters = inspectorFunc(func(ctx context.Context) (queue.State, error) {
		<-ctx.Done()
		return queue.State{}, ctx.Err()
	})
	ctx, cancel := context.WithDeadline(t.Context(), w.r.Now().Add(200*time.Millisecond))
	defer cancel()
	report, err := w.r.Run(ctx, reconcile.Options{Margin: time.Millisecond})
	if !errors.Is(err, context.DeadlineExceeded) || report.DeadLetters != nil || report.Resent != 1 || !report.Complete {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestAScheduledRunAsksNothingOfTheDeadLetters(t *testing.T) {
	w := newFixture(t)
	w.r.DeadLetters = inspectorFunc(func(context.Context) (queue.State, error) {
		t.Error("the function has no right to")
		return queue.State{}, errTrouble
	})
	report := w.scheduled(&notebook{text: map[string]string{}}, reconcile.Options{})
	text, err := json.Marshal(report)
	if err != nil || strings.Contains(string(text), "dead_letters") {
		t.Errorf("the report is %s, %v", text, err)
	}
}
