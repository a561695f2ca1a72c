// Package queuetest has a queue in memory and the suites that every queue passes.
package queuetest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"hatchery/shared/queue"
)

// Memory is a queue in memory. It keeps what was sent, in order. Its methods may be called
// concurrently; the zero value is empty. Its fields are set before use.
//
// It never waits: a Receive that finds nothing answers so at once. The times in it are of the
// clock, which may stand still: what is hidden comes back when that is moved.
type Memory struct {
	// DeadLetters is where its dead letters go; nil is nowhere.
	DeadLetters queue.Inspector
	// InFlight and Delayed count messages that it says it has besides what was sent.
	InFlight, Delayed int
	// ARN, Retention and Visibility are what it tells of itself. It removes nothing by itself.
	ARN                   string
	Retention, Visibility time.Duration
	// Now is its clock; nil is time.Now.
	Now func() time.Time

	mu       sync.Mutex
	held     []*heldMessage
	made     int                     // numbers the ids and the receipts
	receipts map[string]*heldMessage // all that were ever given
}

// heldMessage is a message in a Memory; its Receipt is the last one.
type heldMessage struct {
	queue.Received
	hiddenUntil, receivedAt time.Time
}

var (
	_ queue.Sender    = (*Memory)(nil)
	_ queue.Inspector = (*Memory)(nil)
	_ queue.Receiver  = (*Memory)(nil)
)

func (m *Memory) now() time.Time {
	if m.Now == nil {
		return time.Now()
	}
	return m.Now()
}

// number makes something new. The lock is held.
func (m *Memory) number(form string) string {
	m.made++
	return fmt.Sprintf(form, m.made)
}

// Inspect implements queue.Inspector.
func (m *Memory) Inspect(ctx context.Context) (queue.State, error) {
	if err := ctx.Err(); err != nil {
		return queue.State{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := queue.State{InFlight: m.InFlight, Delayed: m.Delayed, DeadLetters: m.DeadLetters,
		ARN: m.ARN, Retention: m.Retention, Visibility: m.Visibility}
	now := m.now()
	for _, h := range m.held {
		if h.hiddenUntil.After(now) {
			s.InFlight++
		} else {
			s.Visible++
		}
	}
	return s, nil
}

// Send implements queue.Sender.
func (m *Memory) Send(ctx context.Context, message queue.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := message.Check(); err != nil {
		return err
	}
	m.Put(queue.Received{Message: message})
	return nil
}

// Put adds a message as another queue handed it over: a dead letter keeps its id, when it was sent, how often it
// was received and where it died. Without an id it gets one, and without SentAt it is sent now.
func (m *Memory) Put(r queue.Received) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r.Message, r.Receipt = detached(r.Message), ""
	r.ID = cmp.Or(r.ID, m.number("00000000-0000-4000-8000-%012d"))
	if r.SentAt.IsZero() {
		r.SentAt = m.now().UTC().Truncate(time.Millisecond)
	}
	m.held = append(m.held, &heldMessage{Received: r})
}

// Receive implements queue.Receiver.
func (m *Memory) Receive(ctx context.Context, hide, wait time.Duration) ([]queue.Received, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if hide < time.Second || hide > longest || hide%time.Second != 0 || wait < 0 || wait > 20*time.Second ||
		wait%time.Second != 0 {
		return nil, fmt.Errorf("hide for %v and wait for %v: not whole seconds, or out of bounds", hide, wait)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	var out []queue.Received
	for _, h := range m.held {
		if h.hiddenUntil.After(now) || len(out) == queue.MaxBatch {
			continue
		}
		h.Receives++
		h.Receipt, h.receivedAt, h.hiddenUntil = m.number("receipt-%d"), now, now.Add(hide)
		if m.receipts == nil {
			m.receipts = map[string]*heldMessage{}
		}
		m.receipts[h.Receipt] = h
		given := h.Received
		given.Message = detached(given.Message)
		out = append(out, given)
	}
	return out, nil
}

// longest is the longest that a message can be hidden.
const longest = 12 * time.Hour

// Hide implements queue.Receiver.
func (m *Memory) Hide(ctx context.Context, receipts []string, hide time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if hide < 0 || hide > longest || hide%time.Second != 0 {
		return fmt.Errorf("hide for %v: not whole seconds, or out of bounds", hide)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	var err error
	for _, receipt := range receipts {
		h := m.receipts[receipt]
		if h == nil || h.Receipt != receipt || !h.hiddenUntil.After(now) || !slices.Contains(m.held, h) {
			continue
		}
		if until := now.Add(hide); !until.After(h.receivedAt.Add(longest)) {
			h.hiddenUntil = until
		} else {
			err = fmt.Errorf("hide message %s for %v: more than %v since it was received", h.ID, hide, longest)
		}
	}
	return err
}

// Delete implements queue.Receiver. As SQS may, it answers nil for a message that was received again since, and
// leaves it there.
func (m *Memory) Delete(ctx context.Context, receipt string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.receipts[receipt]
	if h == nil {
		return fmt.Errorf("delete by %.100q: %w", receipt, queue.ErrReceipt)
	}
	if h.Receipt == receipt {
		m.held = slices.DeleteFunc(m.held, func(other *heldMessage) bool { return other == h })
	}
	return nil
}

// Messages gives what the queue holds, oldest first, hidden or not.
func (m *Memory) Messages() []queue.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.messages()
}

// Take empties the queue and gives what it held, oldest first, hidden or not.
func (m *Memory) Take() []queue.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := m.messages()
	m.held = nil
	return out
}

// messages is Messages; the lock is held.
func (m *Memory) messages() []queue.Message {
	out := make([]queue.Message, 0, len(m.held))
	for _, h := range m.held {
		out = append(out, detached(h.Message))
	}
	return out
}

// detached shares no memory with m.
func detached(m queue.Message) queue.Message {
	m.Attributes = maps.Clone(m.Attributes)
	for name, a := range m.Attributes {
		a.Binary = bytes.Clone(a.Binary)
		m.Attributes[name] = a
	}
	return m
}
