package deadletter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"hatchery/shared/queue"
)

const (
	// hidden is for how long a message that a sweep receives is hidden from others. A sweep that takes longer
	// receives it again, knows it by its id, and keeps the new receipt: that costs no more calls than
	// hiding it again would.
	hidden = 5 * time.Minute
	// receiveWait makes SQS ask all of its servers; without a wait it asks some of them.
	receiveWait = time.Second
	// receiveTimeout bounds a receive, which ctx does not end: what SQS handed out has to be known, or it
	// could not be given back.
	receiveTimeout = receiveWait + 20*time.Second
	// releaseTimeout bounds giving back. What is not given back by then is visible again after hidden.
	releaseTimeout = time.Minute
	maxReceivers   = 8
	// emptyReceives in a row end a receiver, though fewer messages were met than the queue counted: its count
	// is approximate, and other operators hide messages.
	emptyReceives = 3
)

// sweep receives each dead letter once and hands it to meet, from up to Concurrency goroutines
// at once. What meet does not take (it gives false) is given back at the end, whatever ended
// the sweep: also when ctx ended. It ends when enough says so, or all was seen that could be
// received when it began. It is refused with queue.ErrDeadLettersMove, before anything is received,
// where looking would move letters on. With ErrTooMany, MaxLetters were met.
func (r *Review) sweep(ctx context.Context, enough func() bool,
	meet func(ctx context.Context, m queue.Received) (taken bool)) error {
	state, err := r.inspect(ctx)
	if err != nil {
		return err
	}
	return r.sweepFrom(ctx, state, enough, meet)
}

// inspect counts the dead letters, and refuses a queue from which looking would move letters on.
func (r *Review) inspect(ctx context.Context) (queue.State, error) {
	state, err := r.DeadLetters.Inspect(ctx)
	switch {
	case err != nil:
		return queue.State{}, fmt.Errorf("count the dead letters: %w", err)
	case state.DeadLetters != nil:
		return queue.State{}, queue.ErrDeadLettersMove
	}
	return state, nil
}

// sweepFrom is sweep for whoever has inspected the queue already.
func (r *Review) sweepFrom(ctx context.Context, state queue.State, enough func() bool,
	meet func(ctx context.Context, m queue.Received) (taken bool)) error {
	s := &sweeper{Review: r, enough: enough, meet: meet, visible: state.Visible, receipts: map[string]string{},
		met: make(chan queue.Received)}
	var receivers, meeters sync.WaitGroup
	for range min(max(r.Concurrency, 1), maxReceivers) {
		receivers.Go(func() { s.receive(ctx) })
	}
	for range max(r.Concurrency, 1) {
		meeters.Go(func() { s.handOver(ctx) })
	}
	receivers.Wait()
	close(s.met)
	meeters.Wait()
	s.release(ctx)
	return errors.Join(s.err, ctx.Err())
}

// sweeper is one sweep.
type sweeper struct {
	*Review
	enough  func() bool
	meet    func(ctx context.Context, m queue.Received) bool
	visible int // when it began
	met     chan queue.Received

	mu sync.Mutex
	// receipts has the last receipt of each message that was received, by its id; "" when it was taken.
	receipts map[string]string
	// again counts what was received again since the last message that was not seen before.
	again int
	over  bool
	err   error
}

// receive receives until the sweep is over.
func (s *sweeper) receive(ctx context.Context) {
	for empty := 0; empty < emptyReceives && !s.isOver(ctx); {
		receiving, cancel := context.WithTimeout(context.WithoutCancel(ctx), receiveTimeout)
		messages, err := s.DeadLetters.Receive(receiving, hidden, receiveWait)
		cancel()
		if err != nil {
			s.end(fmt.Errorf("receive dead letters: %w", err))
			return
		}
		news := s.note(messages)
		for _, m := range news {
			if ctx.Err() != nil || s.enough() { // not isOver: another receiver may have found no more
				return
			}
			s.met <- m
		}
		empty++
		if len(messages) > 0 {
			empty = 0
		}
	}
}

// note keeps the receipts of messages, and gives those that were not seen before.
func (s *sweeper) note(messages []queue.Received) (news []queue.Received) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range messages {
		if _, seen := s.receipts[m.ID]; !seen && len(s.receipts) < MaxLetters {
			news = append(news, m)
		} else if !seen {
			s.over, s.err = true, ErrTooMany
		}
		s.receipts[m.ID] = m.Receipt
	}
	if s.again += len(messages); len(news) > 0 {
		s.again = 0
	}
	// The queue may have counted what nobody receives any more: all that was seen came again, and nothing else.
	if len(news) == 0 && (len(s.receipts) >= s.visible || s.again > len(s.receipts)) {
		s.over = true
	}
	return news
}

// handOver hands messages to meet until there are no more.
func (s *sweeper) handOver(ctx context.Context) {
	for m := range s.met {
		if ctx.Err() != nil || !s.meet(ctx, m) {
			continue
		}
		s.mu.Lock()
		if s.receipts[m.ID] == m.Receipt { // else it was received again since
			s.receipts[m.ID] = ""
		}
		s.mu.Unlock()
	}
}

func (s *sweeper) isOver(ctx context.Context) bool {
	s.mu.Lock()
	over := s.over
	s.mu.Unlock()
	return over || ctx.Err() != nil || s.enough()
}

// end ends the sweep because of err.
func (s *sweeper) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	if s.err == nil {
		s.err = err
	}
}

// release gives back what was not taken. A failure is logged and no error: what is not given back comes back
// by itself.
func (s *sweeper) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	var held []string
	for _, receipt := range s.receipts {
		if receipt != "" {
			held = append(held, receipt)
		}
	}
	batches := make(chan []string)
	var releasers sync.WaitGroup
	for range min(max(s.Concurrency, 1), maxReceivers) {
		releasers.Go(func() {
			for batch := range batches {
				if err := s.DeadLetters.Hide(ctx, batch, 0); err != nil {
					s.Log.WarnContext(ctx, "dead letters could not be given back: they are visible again by themselves",
						"messages", len(batch), "within_s", int(hidden.Seconds()), "error", err)
				}
			}
		})
	}
	for batch := range slices.Chunk(held, queue.MaxBatch) {
		batches <- batch
	}
	close(batches)
	releasers.Wait()
}
