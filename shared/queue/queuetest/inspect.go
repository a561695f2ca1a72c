package queuetest

import (
	"context"
	"errors"
	"testing"

	"hatchery/shared/queue"
)

// InspectorHarness is a queue and its dead-letter queue, and what the suite needs beside queue.Inspector.
type InspectorHarness struct {
	// Dead is the dead-letter queue of Queue.
	Queue, Dead queue.Inspector
	// QueueIs and DeadIs are the ARN, the Retention and the Visibility of each.
	QueueIs, DeadIs queue.State
	// Fill puts so many messages into Dead.
	Fill func(t *testing.T, s queue.State)
	// Chain gives Dead a dead-letter queue of its own.
	Chain func(t *testing.T)
	// Missing is a queue of the same kind that is not there; nil where there is nothing of that kind.
	Missing queue.Inspector
}

// RunInspector checks every sentence of the contract of queue.Inspector, and queue.CountDeadLetters with it. open gives
// empty queues each time.
func RunInspector(t *testing.T, open func(t *testing.T) InspectorHarness) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, InspectorHarness)
	}{
		{"a queue tells what it is, and its messages are counted where they are", countedWhereTheyAre},
		{"looking receives nothing", lookingReceivesNothing},
		{"a queue without dead letters says so", noDeadLetters},
		{"dead letters that move on are counted and said", deadLettersMove},
		{"an ended context counts nothing", endedContextCountsNothing},
		{"a queue that is not there says so", missingSaysSo},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

// wantState compares what a queue tells, but for where its dead letters go: what it is, and its counts.
func wantState(t *testing.T, q queue.Inspector, is, counts queue.State) queue.State {
	t.Helper()
	got, err := q.Inspect(t.Context())
	want := is
	want.Visible, want.InFlight, want.Delayed = counts.Visible, counts.InFlight, counts.Delayed
	want.DeadLetters = got.DeadLetters
	if err != nil || got != want {
		t.Errorf("it tells %+v, %v, want %+v", got, err, want)
	}
	return got
}

func wantDeadLetters(t *testing.T, q queue.Inspector, want int, wantErr error) {
	t.Helper()
	if n, err := queue.CountDeadLetters(t.Context(), q); n != want || !errors.Is(err, wantErr) {
		t.Errorf("%d dead letters, %v, want %d, %v", n, err, want, wantErr)
	}
}

func countedWhereTheyAre(t *testing.T, h InspectorHarness) {
	wantState(t, h.Dead, h.DeadIs, queue.State{})
	wantDeadLetters(t, h.Queue, 0, nil)
	want := queue.State{Visible: 3, InFlight: 2, Delayed: 1}
	h.Fill(t, want)
	wantState(t, h.Dead, h.DeadIs, want)
	if state := wantState(t, h.Queue, h.QueueIs, queue.State{}); state.DeadLetters == nil {
		t.Error("the queue does not say where its dead letters go")
	} else {
		wantState(t, state.DeadLetters, h.DeadIs, want)
	}
	wantDeadLetters(t, h.Queue, 6, nil)
}

func lookingReceivesNothing(t *testing.T, h InspectorHarness) {
	h.Fill(t, queue.State{Visible: 2})
	for range 3 {
		wantState(t, h.Dead, h.DeadIs, queue.State{Visible: 2})
		wantDeadLetters(t, h.Queue, 2, nil)
	}
}

func noDeadLetters(t *testing.T, h InspectorHarness) {
	if state := wantState(t, h.Dead, h.DeadIs, queue.State{}); state.DeadLetters != nil {
		t.Errorf("its dead letters go to %v", state.DeadLetters)
	}
	wantDeadLetters(t, h.Dead, 0, queue.ErrNoDeadLetters)
}

func deadLettersMove(t *testing.T, h InspectorHarness) {
	h.Fill(t, queue.State{Visible: 1, InFlight: 1})
	h.Chain(t)
	wantDeadLetters(t, h.Queue, 2, queue.ErrDeadLettersMove)
}

func endedContextCountsNothing(t *testing.T, h InspectorHarness) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Queue.Inspect(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("inspected with an ended context: %v, want context.Canceled", err)
	}
	if _, err := queue.CountDeadLetters(ctx, h.Queue); !errors.Is(err, context.Canceled) {
		t.Errorf("counted with an ended context: %v, want context.Canceled", err)
	}
}

func missingSaysSo(t *testing.T, h InspectorHarness) {
	if h.Missing == nil {
		return
	}
	if _, err := h.Missing.Inspect(t.Context()); !errors.Is(err, queue.ErrNoQueue) {
		t.Errorf("a queue that is not there tells: %v, want ErrNoQueue", err)
	}
}
