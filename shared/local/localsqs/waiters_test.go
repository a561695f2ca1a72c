package localsqs

import "testing"

func (w *waiter) wasWoken() bool {
	select {
	case <-w.woken:
		return true
	default:
		return false
	}
}

// A receive that was woken for a message and hangs up, or has another message, must not take the wake with it.
func TestWaiterThatLeavesPassesItsWakeOn(t *testing.T) {
	var line waiters
	first, second := newWaiter(), newWaiter()
	line.join(first)
	line.join(second)
	line.wake(1)
	line.leave(first)
	if !second.wasWoken() {
		t.Error("the message of a receive that left wakes nobody")
	}
	line.join(second)
	third := newWaiter()
	line.join(third)
	line.leave(second)
	if third.wasWoken() {
		t.Error("a receive that was not woken, and left, woke another")
	}
}

func TestWakeGoesToTheLongestWaiting(t *testing.T) {
	var line waiters
	all := []*waiter{newWaiter(), newWaiter(), newWaiter()}
	for _, w := range all {
		line.join(w)
	}
	line.join(all[0]) // it keeps its place
	line.wake(2)
	if !all[0].wasWoken() || !all[1].wasWoken() || all[2].wasWoken() {
		t.Error("two messages did not wake the first two")
	}
	line.wake(5)
	if !all[2].wasWoken() || len(line.queue) != 0 {
		t.Error("the last was not woken")
	}
}
