package localsqs

import (
	"slices"
	"sync"
)

// waiters are the long polls of one queue that found nothing. A message that arrives wakes one of them, so a burst
// does not set all of them on the same message; whatever else may change what they wait for (a message was hidden or
// delayed, messages were released, the clock was moved) wakes all.
//
// The order that makes it safe: a poll joins before it looks into the database, and a sender commits before it wakes.
// So either the poll sees the message or the sender sees the poll.
type waiters struct {
	mu    sync.Mutex
	queue []*waiter // longest waiting first
}

type waiter struct{ woken chan struct{} }

func newWaiter() *waiter { return &waiter{woken: make(chan struct{}, 1)} }

// join puts w in the line, where it may already stand.
func (l *waiters) join(w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Contains(l.queue, w) {
		l.queue = append(l.queue, w)
	}
}

// leave takes w out. If w was woken in the meantime, the message it was woken for may still be there for the next one.
func (l *waiters) leave(w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.queue, w); i >= 0 {
		l.queue = slices.Delete(l.queue, i, i+1)
	} else {
		l.wakeLocked(1)
	}
}

// wake lets up to n waiting polls look again.
func (l *waiters) wake(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wakeLocked(n)
}

// wakeAll lets every waiting poll look again, and see anew how long it must wait.
func (l *waiters) wakeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wakeLocked(len(l.queue))
}

func (l *waiters) wakeLocked(n int) {
	n = min(n, len(l.queue))
	for _, w := range l.queue[:n] {
		select {
		case w.woken <- struct{}{}:
		default:
		}
	}
	l.queue = slices.Delete(l.queue, 0, n)
}
