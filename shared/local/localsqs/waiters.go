package localsqs

import (
	"slices"
	"sync"
	"time"
)

// waiters are the long polls of one queue that found nothing. A message that arrives wakes one of them, so a burst
// does not set all of them on the same message; a change that is not one message (the clock was moved, messages were
// released) wakes all. One timer per queue stands for the next message that becomes due by itself.
//
// The order that makes it safe: a poll joins before it looks into the database, and a sender commits before it wakes.
// So either the poll sees the message or the sender sees the poll.
type waiters struct {
	mu    sync.Mutex
	queue []*waiter // longest waiting first
	timer *time.Timer
	due   int64 // the due time the timer is set to, in milliseconds; 0 is none
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
	if len(l.queue) == 0 {
		l.stopLocked()
	}
}

// wake lets up to n waiting polls look again.
func (l *waiters) wake(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wakeLocked(n)
}

// wakeAll lets every waiting poll look again, and compute anew when it must be woken.
func (l *waiters) wakeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopLocked()
	l.wakeLocked(len(l.queue))
}

// wakeAt makes sure that the waiting polls look again at due (milliseconds), which is `in` from now.
// Without waiting polls it does nothing: the next poll finds out by itself.
func (l *waiters) wakeAt(due int64, in time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 || l.due != 0 && l.due <= due {
		return
	}
	l.stopLocked()
	l.due = due
	// One millisecond is the clock's grain; a frozen clock must not make this spin.
	l.timer = time.AfterFunc(max(in, time.Millisecond), l.wakeAll)
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

func (l *waiters) stopLocked() {
	if l.timer != nil {
		l.timer.Stop()
	}
	l.timer, l.due = nil, 0
}
