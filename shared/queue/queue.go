// Package queue has the words for a queue of messages, and what is asked of queues:
// to take a message ([Sender]), to say how many there are ([Inspector]), to hand them out
// ([Receiver]), and to move them all ([Mover]).
//
// Implementations live in the folders below; a fake and the suites that all of them
// pass are in queuetest.
package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// Sender takes messages.
//
// A nil error means that the queue keeps the message. Any other error than the ones
// named may hide a message that is kept: whoever sends again must bear it twice.
// Messages are delivered at least once and in no order. Send may be called
// concurrently, honours ctx and ends in bounded time without it.
type Sender interface {
	// Send adds one message. ErrRefused: the queue will never take this message,
	// because it breaks the rules of [Message]. ErrNoQueue: there is no such queue.
	Send(ctx context.Context, m Message) error
}

// Sentinels that queues return and callers branch on, always through errors.Is.
var (
	// ErrRefused: the message breaks a rule; sending it again changes nothing.
	ErrRefused = errors.New("the queue does not take this message")
	// ErrNoQueue: the queue is not there.
	ErrNoQueue = errors.New("there is no such queue")
	// ErrReceipt: the message was received again since, or too long ago.
	ErrReceipt = errors.New("the receipt of the message is not good any more")
	// ErrMoving: one task a queue at once.
	ErrMoving = errors.New("a task that moves the messages of this queue is running already")
	// ErrUnsupported: what answers in the place of SQS does not know the call.
	ErrUnsupported = errors.New("this queue service does not know the call")
)

// MaxBytes is the most that a message's body and its attributes (names, types and
// values) have together: SQS's limit.
const MaxBytes = 1 << 20

// MaxAttributes is the most attributes that a message has: SQS's limit.
const MaxAttributes = 10

// Message is what a queue carries.
type Message struct {
	// Body is not empty and holds only the characters that XML allows, as SQS asks.
	Body string
	// Attributes stand beside the body; Text and Number make them.
	Attributes map[string]Attribute
}

// Attribute is a value beside a message's body.
type Attribute struct {
	// Type is String, Number or Binary; a label of the sender's own may follow after
	// a dot.
	Type string `json:"type"`
	// Text is the value of a String or a Number, Binary that of a Binary. It is not
	// empty.
	Text   string `json:"text,omitempty"`
	Binary []byte `json:"binary,omitempty"`
}

// Text makes an attribute of a text.
func Text(s string) Attribute { return Attribute{Type: "String", Text: s} }

// Number makes an attribute of a number.
func Number(n int) Attribute { return Attribute{Type: "Number", Text: strconv.Itoa(n)} }

// Check says which rule a message breaks, as an ErrRefused; nil when it breaks none.
func (m Message) Check() error {
	size := len(m.Body)
	switch {
	case m.Body == "":
		return refused("its body is empty")
	case !allowed(m.Body):
		return refused("its body holds a character that XML has not")
	case len(m.Attributes) > MaxAttributes:
		return refused("it has %d attributes, at most %d are allowed", len(m.Attributes), MaxAttributes)
	}
	for name, a := range m.Attributes {
		if fault := checkAttribute(name, a); fault != "" {
			return refused("its attribute %.80q %s", name, fault)
		}
		size += len(name) + len(a.Type) + len(a.Text) + len(a.Binary)
	}
	if size > MaxBytes {
		return refused("it has %d bytes, at most %d are allowed", size, MaxBytes)
	}
	return nil
}

func refused(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}
