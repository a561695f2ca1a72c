package queue

import (
	"context"
	"time"
)

// Receiver hands out messages for a while, as an operator needs them of a dead-letter queue.
// There is no receive by id: who looks for a message receives until it comes.
//
// All methods may be called concurrently, honour ctx and end in bounded time without it.
// ErrNoQueue: there is no such queue.
type Receiver interface {
	// Receive gives up to MaxBatch messages and hides each of them from every receiver for
	// hide (whole seconds, 1 s to 12 h). It waits up to wait (whole seconds, at most 20) for a first
	// one; none is no error, and none without a wait says little: SQS asks some of its servers.
	Receive(ctx context.Context, hide, wait time.Duration) ([]Received, error)
	// Hide lets messages be hidden for another while from now on; 0 gives them back at once.
	// A message that is not in flight any more under its receipt (deleted, or received
	// again) is left alone.
	Hide(ctx context.Context, receipts []string, hide time.Duration) error
	// Delete removes a message for good by its last receipt. One that is gone is no error;
	// ErrReceipt: the receipt is not good any more, and the message may still be there.
	Delete(ctx context.Context, receipt string) error
}

// MaxBatch is the most messages that one call of SQS handles.
const MaxBatch = 10

// Received is a message that was handed out.
type Received struct {
	Message
	ID string // SQS keeps it when it moves a message to the dead letters, and gives a new one on a redrive
	// Receipt is good until the message is received again.
	Receipt string
	// SentAt is when its first queue took it: SQS keeps that for a dead letter, so that it is
	// what retention counts from. Receives may count those of the first queue, too.
	SentAt   time.Time
	Receives int
	// Source is the ARN of the queue in which it died; "" for one that somebody sent here.
	Source string
}

// Mover moves all messages of a dead-letter queue to another queue, in the service itself:
// without a filter, one task a queue at once.
type Mover interface {
	// StartMove begins to move all messages to the queue with the ARN to, at most perSecond
	// (1 to 500). ErrMoving: a task is running already. ErrUnsupported: the service has none.
	StartMove(ctx context.Context, to string, perSecond int) error
	// Moves gives the tasks of the queue, newest first, up to 10.
	Moves(ctx context.Context) ([]Move, error)
	// CancelMove stops the task that runs; what was moved stays moved.
	CancelMove(ctx context.Context, m Move) error
}

// Move is a task of a Mover.
type Move struct {
	Handle string // "" unless it is running
	// Status is RUNNING, COMPLETED, CANCELLING, CANCELLED or FAILED, as SQS has them.
	Status        string
	StartedAt     time.Time
	Moved         int
	ToMove        int // an approximation, as of the start; 0 when it is not known
	FailureReason string
	Destination   string // an ARN
}
