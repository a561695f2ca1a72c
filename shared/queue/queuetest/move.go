package queuetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"hatchery/shared/queue"
)

// MoverHarness is a dead-letter queue, the queue whose messages it has, and what the suite needs beside queue.Mover.
type MoverHarness struct {
	// Dead is empty.
	Dead interface {
		queue.Mover
		queue.Receiver
		queue.Inspector
	}
	// To is where the messages are to go, and ToARN is its name.
	To    queue.Receiver
	ToARN string
	// Bury puts a message into Dead as a dead letter, and says its ID and SentAt.
	Bury func(t *testing.T, m queue.Message) queue.Received
	// Now is the clock of the queues, which Pass moves.
	Now  func() time.Time
	Pass func(d time.Duration)
	// Missing is a queue of the same kind that is not there, and MissingARN another one.
	Missing    queue.Mover
	MissingARN string
}

// RunMover checks every sentence of the contract of queue.Mover. open gives an empty queue each time. A service that
// does not know the calls passes nothing of this.
func RunMover(t *testing.T, open func(t *testing.T) MoverHarness) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, MoverHarness)
	}{
		{"all messages are moved as new ones", allAreMoved},
		{"what is in flight stays", inFlightStays},
		{"one task runs at once", oneAtOnce},
		{"a task is cancelled, and what was moved stays moved", cancelled},
		{"a rate out of bounds is refused", wrongRate},
		{"an ended context moves nothing", endedContextMoves},
		{"a queue that is not there says so", missingMoves},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func (h MoverHarness) start(t *testing.T, perSecond int) {
	t.Helper()
	if err := h.Dead.StartMove(t.Context(), h.ToARN, perSecond); err != nil {
		t.Fatal(err)
	}
}

// newest waits until the newest task is as it should be.
func (h MoverHarness) newest(t *testing.T, is func(queue.Move) bool) queue.Move {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for again := time.Tick(time.Millisecond); ; {
		moves, err := h.Dead.Moves(t.Context())
		if err != nil || len(moves) == 0 {
			t.Fatalf("its moves are %+v, %v", moves, err)
		}
		if is(moves[0]) {
			return moves[0]
		}
		select {
		case <-again:
		case <-deadline:
			t.Fatalf("the newest move stays %+v", moves[0])
		}
	}
}

func (h MoverHarness) ended(t *testing.T, status string) queue.Move {
	t.Helper()
	return h.newest(t, func(m queue.Move) bool { return m.Status == status })
}

func allAreMoved(t *testing.T, h MoverHarness) {
	if moves, err := h.Dead.Moves(t.Context()); err != nil || len(moves) != 0 {
		t.Fatalf("its moves are %+v, %v, want none", moves, err)
	}
	m := queue.Message{Body: "dead", Attributes: map[string]queue.Attribute{"hatchery-reenqueued": queue.Number(2)}}
	old := h.Bury(t, m)
	for range 2 {
		h.Bury(t, queue.Message{Body: "another"})
	}
	began := h.Now().Truncate(time.Millisecond)
	h.start(t, 500)
	h.Pass(time.Second)
	move := h.ended(t, "COMPLETED")
	if move.Handle != "" || move.Moved != 3 || move.ToMove != 3 || move.Destination != h.ToARN ||
		!move.StartedAt.Equal(began) || move.FailureReason != "" {
		t.Errorf("the task is %+v", move)
	}
	wantCounts(t, h.Dead, 0, 0)
	got, err := h.To.Receive(t.Context(), time.Minute, 0)
	if err != nil || len(got) != 3 {
		t.Fatalf("moved to %+v, %v", got, err)
	}
	for _, g := range got {
		if g.Body != m.Body {
			continue
		}
		if !same(g.Message, m) || g.ID == old.ID || g.SentAt.Before(began) || g.Receives != 1 || g.Source != "" {
			t.Errorf("moved as %+v, was %+v", g, old)
		}
		return
	}
	t.Errorf("%+v was not moved: %+v", m, got)
}

func inFlightStays(t *testing.T, h MoverHarness) {
	h.Bury(t, queue.Message{Body: "dead"})
	if got, err := h.Dead.Receive(t.Context(), time.Minute, 0); err != nil || len(got) != 1 {
		t.Fatalf("received %+v, %v", got, err)
	}
	h.start(t, 500)
	if move := h.ended(t, "COMPLETED"); move.Moved != 0 {
		t.Errorf("the task is %+v", move)
	}
	wantCounts(t, h.Dead, 0, 1)
}

// running starts a task that stops after its first message, because the clock stands.
func (h MoverHarness) running(t *testing.T) queue.Move {
	t.Helper()
	for range 3 {
		h.Bury(t, queue.Message{Body: "dead"})
	}
	h.start(t, 1)
	return h.newest(t, func(m queue.Move) bool { return m.Moved == 1 })
}

func oneAtOnce(t *testing.T, h MoverHarness) {
	if move := h.running(t); move.Status != "RUNNING" || move.Handle == "" {
		t.Errorf("the task is %+v", move)
	}
	if err := h.Dead.StartMove(t.Context(), h.ToARN, 1); !errors.Is(err, queue.ErrMoving) {
		t.Errorf("a second task: %v, want ErrMoving", err)
	}
	h.Pass(3 * time.Second)
	h.ended(t, "COMPLETED")
	h.start(t, 1)
	moves, err := h.Dead.Moves(t.Context())
	if err != nil || len(moves) != 2 || moves[0].ToMove != 0 || moves[1].Moved != 3 {
		t.Errorf("its moves are %+v, %v, want two, newest first", moves, err)
	}
}

func cancelled(t *testing.T, h MoverHarness) {
	move := h.running(t)
	if err := h.Dead.CancelMove(t.Context(), move); err != nil {
		t.Fatal(err)
	}
	if ended := h.ended(t, "CANCELLED"); ended.Moved != 1 || ended.Handle != "" {
		t.Errorf("the cancelled task is %+v", ended)
	}
	h.Pass(10 * time.Second)
	wantCounts(t, h.Dead, 2, 0)
	for _, again := range []queue.Move{move, h.ended(t, "CANCELLED")} {
		if err := h.Dead.CancelMove(t.Context(), again); err != nil {
			t.Errorf("cancelled again %+v: %v", again, err)
		}
	}
}

func wrongRate(t *testing.T, h MoverHarness) {
	h.Bury(t, queue.Message{Body: "dead"})
	for _, rate := range []int{-1, 0, 501} {
		if err := h.Dead.StartMove(t.Context(), h.ToARN, rate); err == nil || errors.Is(err, queue.ErrMoving) {
			t.Errorf("at a rate of %d: %v", rate, err)
		}
	}
	wantCounts(t, h.Dead, 1, 0)
}

func endedContextMoves(t *testing.T, h MoverHarness) {
	move := h.running(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.Dead.Moves(ctx)
	for what, err := range map[string]error{"listed": err, "started": h.Dead.StartMove(ctx, h.ToARN, 1),
		"cancelled": h.Dead.CancelMove(ctx, move)} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with an ended context: %v, want context.Canceled", what, err)
		}
	}
	h.newest(t, func(m queue.Move) bool { return m.Status == "RUNNING" && m.Handle == move.Handle })
}

func missingMoves(t *testing.T, h MoverHarness) {
	_, err := h.Missing.Moves(t.Context())
	for what, err := range map[string]error{"listed": err, "started": h.Missing.StartMove(t.Context(), h.ToARN, 1),
		"started to another": h.Dead.StartMove(t.Context(), h.MissingARN, 1)} {
		if !errors.Is(err, queue.ErrNoQueue) {
			t.Errorf("%s, with a queue that is not there: %v, want ErrNoQueue", what, err)
		}
	}
}
