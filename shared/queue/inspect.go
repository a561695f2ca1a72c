package queue

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Inspector reports the counts of a queue without handing anything out: nothing is received, and
// nothing is hidden from whoever receives.
type Inspector interface {
	// Inspect counts the messages and says where dead letters go. ErrNoQueue: there is no such queue. It may be called
	// concurrently, honours ctx and ends in bounded time without it.
	Inspect(ctx context.Context) (State, error)
}

// State is a queue's counts, and where its dead letters go.
type State struct {
	// Visible messages can be received, InFlight ones were received and are hidden for a while, Delayed ones cannot
	// be received yet. A queue under load gives them approximately, as SQS does.
	Visible, InFlight, Delayed int
	// ARN is the queue's. Retention is for how long it keeps a message, Visibility for how long one is hidden by default.
	ARN                   string
	Retention, Visibility time.Duration
	// DeadLetters is where a message goes that was received too often; nil is nowhere. Nothing has been asked of it.
	DeadLetters Inspector
}

// Messages is how many there are.
func (s State) Messages() int { return s.Visible + s.InFlight + s.Delayed }

// Why dead letters cannot be counted, or not relied on.
var (
	// ErrNoDeadLetters: the queue has no dead-letter queue.
	ErrNoDeadLetters = errors.New("the queue has no redrive policy: a message that fails goes nowhere else")
	// ErrDeadLettersMove: they do not stay where they were counted.
	ErrDeadLettersMove = errors.New("the dead-letter queue has a redrive policy of its own: " +
		"dead letters that are looked at too often move on to another queue, where nobody looks; remove that policy")
)

// CountDeadLetters counts the messages in q's dead-letter queue. With ErrDeadLettersMove the count is true, too.
func CountDeadLetters(ctx context.Context, q Inspector) (int, error) {
	state, err := q.Inspect(ctx)
	if err != nil {
		return 0, fmt.Errorf("the queue: %w", err)
	}
	if state.DeadLetters == nil {
		return 0, ErrNoDeadLetters
	}
	dead, err := state.DeadLetters.Inspect(ctx)
	if err != nil {
		return 0, fmt.Errorf("the dead-letter queue: %w", err)
	}
	if dead.DeadLetters != nil {
		return dead.Messages(), ErrDeadLettersMove
	}
	return dead.Messages(), nil
}
