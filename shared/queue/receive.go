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
	// With an error, or when ctx ends meanwhile, messages may be hidden that nobody was given.
	Receive(ctx context.Context, hide, wait time.Duration) ([]Received, error)
	// Hide lets messages be hidden for another while from now on (whole seconds, at most 12 h since
	// they were received); 0 gives them back at once. A message that is not in flight any more
	// under its receipt (deleted, visible, or received again) is left alone. With an error each
	// of the others may have been changed, or not.
	Hide(ctx context.Context, receipts []string, hide time.Duration) error
	// Delete removes a message for good by its last receipt, also when it is visible again. One
	// that is gone is no error. A message that was received again since stays: SQS answers that with
	// ErrReceipt only at times, else with nil. So nil is to be relied on only while the message
	// is hidden. ErrReceipt: the receipt is no good (any more), and the message may still be there.
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
// without a filter, one task a queue at once. What is in flight is not moved. A moved message is a
// new one: its attributes stay, and its id, SentAt and Receives begin anew.
//
// All methods may be called concurrently, honour ctx and end in bounded time without it.
// ErrNoQueue: there is no such queue, or no such other queue. ErrUnsupported: the service has no
// such tasks.
type Mover interface {
	// StartMove begins to move all messages to the queue with the ARN to, at most perSecond
	// (1 to 500). ErrMoving: a task is running already. SQS refuses a queue in which no other queue
	// has its dead letters.
	StartMove(ctx context.Context, to string, perSecond int) error
	// Moves gives the tasks of the queue, newest first, up to 10.
	Moves(ctx context.Context) ([]Move, error)
	// CancelMove stops the task that runs, soon after; what was moved stays moved. One that has
	// ended already is no error.
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
