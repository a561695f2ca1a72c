package queuetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"hatchery/shared/queue"
)

// ReceiverHarness is a queue and what the suite needs beside queue.Receiver.
type ReceiverHarness struct {
	Queue interface {
		queue.Receiver
		queue.Sender
		queue.Inspector
	}
	// Bury puts a message into Queue as a dead letter of another queue, and says its ID, SentAt and Source there.
	Bury func(t *testing.T, m queue.Message) queue.Received
	// Now is the queue's clock, which Pass moves.
	Now  func() time.Time
	Pass func(d time.Duration)
	// Waits says whether Receive waits for a message.
	Waits bool
	// Missing is a queue of the same kind that is not there; nil where there is nothing of that kind.
	Missing queue.Receiver
}

// RunReceiver checks every sentence of the contract of queue.Receiver. open gives an empty queue each time.
func RunReceiver(t *testing.T, open func(t *testing.T) ReceiverHarness) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, ReceiverHarness)
	}{
		{"what is received is hidden for a while", receivedIsHidden},
		{"every message is given once, a batch at a time", givenOnce},
		{"many receive at once", receivedAtOnce},
		{"a dead letter keeps its id, its time and where it died", deadLetterKeeps},
		{"what is hidden is given back, or hidden for longer", hiddenAgain},
		{"what is not in flight is not hidden", notInFlight},
		{"nothing is hidden for more than twelve hours", hiddenTooLong},
		{"the last receipt deletes", lastReceiptDeletes},
		{"an old receipt deletes nothing", oldReceipt},
		{"what is no receipt deletes nothing and says so", noReceipt},
		{"times out of bounds are refused", outOfBounds},
		{"it waits for a first message", waitsForFirst},
		{"an ended context does nothing", endedContextReceives},
		{"a queue that is not there says so", missingReceives},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

func (h ReceiverHarness) send(t *testing.T, messages ...queue.Message) {
	t.Helper()
	for _, m := range messages {
		if err := h.Queue.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
}

// receive wants n messages of one call.
func (h ReceiverHarness) receive(t *testing.T, hide time.Duration, n int) []queue.Received {
	t.Helper()
	got, err := h.Queue.Receive(t.Context(), hide, 0)
	if err != nil || len(got) != n {
		t.Fatalf("received %+v, %v, want %d messages", got, err, n)
	}
	return got
}

func (h ReceiverHarness) ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func receipts(messages []queue.Received) (all []string) {
	for _, m := range messages {
		all = append(all, m.Receipt)
	}
	return all
}

// several are n different messages.
func several(n int) (all []queue.Message) {
	for i := range n {
		all = append(all, queue.Message{Body: fmt.Sprint("message ", i)})
	}
	return all
}

func receivedIsHidden(t *testing.T, h ReceiverHarness) {
	m := queue.Message{Body: "grün & <b>", Attributes: map[string]queue.Attribute{
		"hatchery-reenqueued": queue.Number(2), "a.text": queue.Text("ü"),
		"bytes": {Type: "Binary.label", Binary: []byte{0, 1, 254}}}}
	h.receive(t, time.Minute, 0)
	sent := h.Now().Truncate(time.Millisecond)
	h.send(t, m)
	h.Pass(5 * time.Second)
	first := h.receive(t, 30*time.Second, 1)[0]
	if !same(first.Message, m) || first.ID == "" || first.Receipt == "" || !first.SentAt.Equal(sent) ||
		first.Receives != 1 || first.Source != "" {
		t.Errorf("received %+v, want %+v, sent at %v", first, m, sent)
	}
	h.receive(t, 30*time.Second, 0)
	wantCounts(t, h.Queue, 0, 1)
	h.Pass(30*time.Second - time.Millisecond)
	h.receive(t, 30*time.Second, 0)
	h.Pass(time.Millisecond)
	again := h.receive(t, 30*time.Second, 1)[0]
	if !same(again.Message, m) || again.ID != first.ID || again.Receipt == first.Receipt || again.Receives != 2 ||
		!again.SentAt.Equal(sent) {
		t.Errorf("received again %+v, first %+v", again, first)
	}
}

func wantCounts(t *testing.T, q queue.Inspector, visible, inFlight int) {
	t.Helper()
	s, err := q.Inspect(t.Context())
	if err != nil || s.Visible != visible || s.InFlight != inFlight {
		t.Errorf("it has %d visible and %d in flight, %v, want %d and %d", s.Visible, s.InFlight, err, visible, inFlight)
	}
}

func givenOnce(t *testing.T, h ReceiverHarness) {
	const n = 2*queue.MaxBatch + 5
	h.send(t, several(n)...)
	seen := map[string]bool{}
	for {
		got, err := h.Queue.Receive(t.Context(), time.Minute, 0)
		if err != nil || len(got) > queue.MaxBatch {
			t.Fatalf("%d messages, %v", len(got), err)
		}
		if len(got) == 0 {
			break
		}
		for _, m := range got {
			if seen[m.ID] {
				t.Errorf("message %s was given twice", m.ID)
			}
			seen[m.ID] = true
		}
	}
	if len(seen) != n {
		t.Errorf("%d messages were given, want %d", len(seen), n)
	}
	wantCounts(t, h.Queue, 0, n)
}

func receivedAtOnce(t *testing.T, h ReceiverHarness) {
	const n = 4 * queue.MaxBatch
	h.send(t, several(n)...)
	var group sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]int{}
	for range 8 {
		group.Go(func() {
			got, err := h.Queue.Receive(t.Context(), time.Minute, 0)
			if err == nil {
				err = h.Queue.Hide(t.Context(), receipts(got), 2*time.Minute)
			}
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, m := range got {
				seen[m.ID]++
			}
		})
	}
	group.Wait()
	for id, times := range seen {
		if times > 1 {
			t.Errorf("message %s was given %d times", id, times)
		}
	}
	if len(seen) != n {
		t.Errorf("%d messages were given, want %d", len(seen), n)
	}
}

func deadLetterKeeps(t *testing.T, h ReceiverHarness) {
	m := queue.Message{Body: "dead", Attributes: map[string]queue.Attribute{"hatchery-reenqueued": queue.Number(1)}}
	want := h.Bury(t, m)
	got := h.receive(t, time.Minute, 1)[0]
	if !same(got.Message, m) || got.ID != want.ID || !got.SentAt.Equal(want.SentAt) || got.Source != want.Source ||
		got.Source == "" || !got.SentAt.Before(h.Now()) || got.Receives < 1 {
		t.Errorf("received %+v at %v, want %+v", got, h.Now(), want)
	}
}

func hiddenAgain(t *testing.T, h ReceiverHarness) {
	const n = queue.MaxBatch + 2
	h.send(t, several(n)...)
	got := append(h.receive(t, 30*time.Second, queue.MaxBatch), h.receive(t, 30*time.Second, 2)...)
	h.ok(t, h.Queue.Hide(t.Context(), receipts(got), time.Minute))
	h.Pass(59 * time.Second)
	wantCounts(t, h.Queue, 0, n)
	h.ok(t, h.Queue.Hide(t.Context(), receipts(got[:n-1]), 0))
	wantCounts(t, h.Queue, n-1, 1)
	h.Pass(time.Second)
	wantCounts(t, h.Queue, n, 0)
	h.ok(t, h.Queue.Hide(t.Context(), nil, 0))
}

func notInFlight(t *testing.T, h ReceiverHarness) {
	h.send(t, several(4)...)
	got := h.receive(t, 10*time.Second, 4)
	deleted, visible, again, held := got[0], got[1], got[2], got[3]
	h.ok(t, h.Queue.Delete(t.Context(), deleted.Receipt))
	h.ok(t, h.Queue.Hide(t.Context(), []string{again.Receipt}, 0))
	if m := h.receive(t, 10*time.Second, 1)[0]; m.ID != again.ID {
		t.Fatalf("received %+v, want %+v", m, again)
	}
	h.ok(t, h.Queue.Hide(t.Context(), []string{visible.Receipt}, 0))
	h.ok(t, h.Queue.Hide(t.Context(),
		[]string{deleted.Receipt, visible.Receipt, again.Receipt, "no receipt", held.Receipt}, time.Minute))
	wantCounts(t, h.Queue, 1, 2)
	h.Pass(10 * time.Second)
	wantCounts(t, h.Queue, 2, 1)
	// Nor does an old receipt give back what somebody else holds.
	h.receive(t, 10*time.Second, 2)
	h.ok(t, h.Queue.Hide(t.Context(), receipts(got[:3]), 0))
	wantCounts(t, h.Queue, 0, 3)
}

func hiddenTooLong(t *testing.T, h ReceiverHarness) {
	h.send(t, several(1)...)
	first := h.receive(t, 10*time.Second, 1)
	h.Pass(5 * time.Second)
	h.send(t, queue.Message{Body: "later"})
	later := h.receive(t, 10*time.Second, 1)
	if err := h.Queue.Hide(t.Context(), receipts(slices.Concat(first, later)), 12*time.Hour); err == nil {
		t.Error("a message is hidden for more than twelve hours")
	}
	h.Pass(10 * time.Second)
	wantCounts(t, h.Queue, 1, 1)
}

func lastReceiptDeletes(t *testing.T, h ReceiverHarness) {
	h.send(t, several(3)...)
	got := h.receive(t, 10*time.Second, 3)
	for range 2 { // the second time it is gone
		h.ok(t, h.Queue.Delete(t.Context(), got[0].Receipt))
		wantCounts(t, h.Queue, 0, 2)
	}
	h.Pass(10 * time.Second)
	wantCounts(t, h.Queue, 2, 0)
	h.ok(t, h.Queue.Delete(t.Context(), got[1].Receipt))
	wantCounts(t, h.Queue, 1, 0)
	if left := h.receive(t, 10*time.Second, 1)[0]; left.ID != got[2].ID {
		t.Errorf("%+v is left, want %+v", left, got[2])
	}
}

func oldReceipt(t *testing.T, h ReceiverHarness) {
	h.send(t, several(1)...)
	old := h.receive(t, 10*time.Second, 1)[0]
	h.Pass(10 * time.Second)
	h.receive(t, 10*time.Second, 1)
	if err := h.Queue.Delete(t.Context(), old.Receipt); err != nil && !errors.Is(err, queue.ErrReceipt) {
		t.Errorf("%v, want nothing or ErrReceipt", err)
	}
	wantCounts(t, h.Queue, 0, 1)
}

func noReceipt(t *testing.T, h ReceiverHarness) {
	h.send(t, several(1)...)
	h.receive(t, 10*time.Second, 1)
	if err := h.Queue.Delete(t.Context(), "no receipt"); !errors.Is(err, queue.ErrReceipt) {
		t.Errorf("%v, want ErrReceipt", err)
	}
	wantCounts(t, h.Queue, 0, 1)
}

func outOfBounds(t *testing.T, h ReceiverHarness) {
	h.send(t, several(2)...)
	const s = time.Second
	for _, c := range []struct{ hide, wait time.Duration }{{0, 0}, {1500 * time.Millisecond, 0}, {12*time.Hour + s, 0},
		{s, -s}, {s, 21 * s}, {s, s / 2}} {
		if got, err := h.Queue.Receive(t.Context(), c.hide, c.wait); err == nil {
			t.Errorf("hidden for %v, waited for %v: received %+v", c.hide, c.wait, got)
		}
	}
	wantCounts(t, h.Queue, 2, 0)
	got := h.receive(t, 10*s, 2)
	for _, hide := range []time.Duration{-s, s / 2, 12*time.Hour + s} {
		if err := h.Queue.Hide(t.Context(), receipts(got), hide); err == nil {
			t.Errorf("hidden for %v", hide)
		}
	}
	h.Pass(10 * s)
	wantCounts(t, h.Queue, 2, 0)
}

func waitsForFirst(t *testing.T, h ReceiverHarness) {
	if !h.Waits {
		return
	}
	got := make(chan []queue.Received, 1)
	var group sync.WaitGroup
	group.Go(func() {
		messages, err := h.Queue.Receive(t.Context(), time.Minute, 20*time.Second)
		if err != nil {
			t.Error(err)
		}
		got <- messages
	})
	h.send(t, several(1)...)
	group.Wait()
	if messages := <-got; len(messages) != 1 {
		t.Errorf("waited and received %+v", messages)
	}
}

func endedContextReceives(t *testing.T, h ReceiverHarness) {
	h.send(t, several(2)...)
	held, err := h.Queue.Receive(t.Context(), time.Minute, 0)
	h.ok(t, err)
	h.ok(t, h.Queue.Hide(t.Context(), []string{held[1].Receipt}, 0))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = h.Queue.Receive(ctx, time.Minute, 20*time.Second)
	for what, err := range map[string]error{"received": err,
		"hidden":  h.Queue.Hide(ctx, []string{held[0].Receipt}, 0),
		"deleted": h.Queue.Delete(ctx, held[0].Receipt)} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with an ended context: %v, want context.Canceled", what, err)
		}
	}
	wantCounts(t, h.Queue, 1, 1)
}

func missingReceives(t *testing.T, h ReceiverHarness) {
	if h.Missing == nil {
		return
	}
	_, err := h.Missing.Receive(t.Context(), time.Minute, 0)
	for what, err := range map[string]error{"received from": err,
		"hidden in":    h.Missing.Hide(t.Context(), []string{"receipt"}, 0),
		"deleted from": h.Missing.Delete(t.Context(), "receipt")} {
		if !errors.Is(err, queue.ErrNoQueue) {
			t.Errorf("%s a queue that is not there: %v, want ErrNoQueue", what, err)
		}
	}
}
