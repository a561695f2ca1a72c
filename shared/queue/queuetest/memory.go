// Package queuetest has a queue in memory and the suite that every queue passes.
package queuetest

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"

	"hatchery/shared/queue"
)

// Memory is a queue in memory. It keeps what was sent, in order, and hands nothing
// out by itself. Its methods may be called concurrently; the zero value is empty.
type Memory struct {
	// DeadLetters is where its dead letters go; nil is nowhere. It is set before use.
	DeadLetters queue.Inspector
	// InFlight and Delayed count messages that it says it has besides what was sent.
	InFlight, Delayed int

	mu   sync.Mutex
	sent []queue.Message
}

var (
	_ queue.Sender    = (*Memory)(nil)
	_ queue.Inspector = (*Memory)(nil)
)

// Inspect implements queue.Inspector.
func (m *Memory) Inspect(ctx context.Context) (queue.State, error) {
	if err := ctx.Err(); err != nil {
		return queue.State{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return queue.State{Visible: len(m.sent), InFlight: m.InFlight, Delayed: m.Delayed, DeadLetters: m.DeadLetters}, nil
}

// Send implements queue.Sender.
func (m *Memory) Send(ctx context.Context, message queue.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := message.Check(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent = append(m.sent, detached(message))
	return nil
}

// Messages gives what the queue holds, oldest first.
func (m *Memory) Messages() []queue.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]queue.Message, 0, len(m.sent))
	for _, message := range m.sent {
		out = append(out, detached(message))
	}
	return out
}

// Take empties the queue and gives what it held, oldest first.
func (m *Memory) Take() []queue.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := m.sent
	m.sent = nil
	return slices.Clip(out)
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
