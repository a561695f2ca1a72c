package deadletter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hatchery/shared/queue"
	"hatchery/shared/queue/queuetest"
)

func never() bool { return false }

func (f *fixture) fill(n int) {
	for i := range n {
		f.queue.Put(withBody(fmt.Sprintf("m%06d", i), "body", f.clock.Now()))
	}
}

// meetings remembers who was met.
type meetings struct {
	mu  sync.Mutex
	ids []string
}

func (m *meetings) add(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ids = append(m.ids, id)
}

func (m *meetings) wantEachOnce(t *testing.T, want int) {
	t.Helper()
	all := len(m.ids)
	slices.Sort(m.ids)
	if once := len(slices.Compact(m.ids)); once != want || all != want {
		t.Errorf("met %d messages %d times, want %d once each", once, all, want)
	}
}

func (f *fixture) wantCounts(visible, inFlight int) {
	f.Helper()
	s, err := f.queue.Memory.Inspect(f.Context())
	if err != nil || s.Visible != visible || s.InFlight != inFlight {
		f.Errorf("%d are visible and %d in flight, %v, want %d and %d", s.Visible, s.InFlight, err, visible, inFlight)
	}
}

func TestASweepMeetsEachDeadLetterOnceAndGivesAllBack(t *testing.T) {
	f := newFixture(t)
	f.fill(237)
	var met meetings
	err := f.sweep(t.Context(), never, func(_ context.Context, m queue.Received) bool {
		met.add(m.ID)
		return false
	})
	if err != nil {
		t.Error(err)
	}
	met.wantEachOnce(t, 237)
	f.wantCounts(237, 0)
}

func TestASweepIsRefusedBeforeAnythingIsReceivedWhereDeadLettersMove(t *testing.T) {
	f := newFixture(t)
	f.fill(1)
	f.queue.DeadLetters = &queuetest.Memory{}
	err := f.sweep(t.Context(), never, func(context.Context, queue.Received) bool { return false })
	if !errors.Is(err, queue.ErrDeadLettersMove) || f.queue.received.Load() > 0 {
		t.Errorf("%v after %d receives, want queue.ErrDeadLettersMove after none", err, f.queue.received.Load())
	}
}

func TestWhatIsTakenIsNotGivenBack(t *testing.T) {
	f := newFixture(t)
	f.fill(30)
	err := f.sweep(t.Context(), never, func(_ context.Context, m queue.Received) bool { return m.ID < "m000010" })
	if err != nil {
		t.Error(err)
	}
	f.wantCounts(20, 10)
}

func TestASweepEndsWhenThereIsEnough(t *testing.T) {
	f := newFixture(t)
	f.fill(1000)
	var met atomic.Int64
	err := f.sweep(t.Context(), func() bool { return met.Load() >= 5 }, func(context.Context, queue.Received) bool {
		met.Add(1)
		return false
	})
	most := 5 + 2*int64(f.Concurrency) // each who meets may have one, and each who receives another
	if n := met.Load(); err != nil || n < 5 || n > most || f.queue.received.Load() > 200 {
		t.Errorf("met %d, received %d, %v", n, f.queue.received.Load(), err)
	}
	f.wantCounts(1000, 0)
}

func TestAnInterruptedSweepGivesAllBack(t *testing.T) {
	f := newFixture(t)
	f.fill(500)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var met atomic.Int64
	err := f.sweep(ctx, never, func(context.Context, queue.Received) bool {
		if met.Add(1) == 20 {
			cancel()
		}
		return false
	})
	if !errors.Is(err, context.Canceled) || met.Load() > 20+int64(f.Concurrency) {
		t.Errorf("met %d, %v", met.Load(), err)
	}
	f.wantCounts(500, 0)
}

func TestAReceiveThatIsInterruptedIsWaitedForSoThatItsMessagesAreGivenBack(t *testing.T) {
	f := newFixture(t)
	f.Concurrency = 1
	f.fill(10)
	ctx, cancel := context.WithCancel(t.Context())
	f.queue.before = func(inner context.Context, call string) error {
		if call == "receive" {
			cancel()
		}
		if _, bounded := inner.Deadline(); !bounded {
			t.Errorf("%s has all the time of the world", call)
		}
		return nil
	}
	err := f.sweep(ctx, never, func(context.Context, queue.Received) bool { return true })
	if !errors.Is(err, context.Canceled) || f.queue.released.Load() != 10 {
		t.Errorf("%v, %d were given back, want 10", err, f.queue.released.Load())
	}
}

func TestASweepLongerThanMessagesAreHiddenMeetsThemOnceAndGivesThemBackByTheLastReceipt(t *testing.T) {
	f := newFixture(t)
	f.Concurrency = 1
	f.fill(60)
	var met meetings
	err := f.sweep(t.Context(), never, func(_ context.Context, m queue.Received) bool {
		met.add(m.ID)
		f.clock.Pass(15 * time.Second)
		return false
	})
	if err != nil || f.queue.received.Load() <= 60 {
		t.Errorf("%d receives, %v: nothing came again", f.queue.received.Load(), err)
	}
	met.wantEachOnce(t, 60)
	f.wantCounts(60, 0)
}

func TestAMessageThatIsTakenAndReceivedAgainIsGivenBack(t *testing.T) {
	f := newFixture(t)
	f.fill(1)
	f.queue.extra = 1 // so that the sweep goes on
	again := make(chan struct{})
	var receives atomic.Int64
	f.queue.before = func(_ context.Context, call string) error {
		if call == "receive" && receives.Add(1) == 2 {
			f.clock.Pass(hidden)
		}
		if call == "receive" && receives.Load() == 4 {
			close(again)
		}
		return nil
	}
	f.Concurrency = 1
	err := f.sweep(t.Context(), never, func(context.Context, queue.Received) bool {
		<-again
		return true
	})
	if err != nil {
		t.Error(err)
	}
	f.wantCounts(1, 0)
}

func TestASweepEndsThoughOthersHoldWhatTheQueueCounts(t *testing.T) {
	f := newFixture(t)
	f.fill(3)
	f.queue.extra = 50
	var calls atomic.Int64
	f.queue.before = func(_ context.Context, call string) error {
		if call == "receive" {
			calls.Add(1)
		}
		return nil
	}
	var met meetings
	err := f.sweep(t.Context(), never, func(_ context.Context, m queue.Received) bool {
		met.add(m.ID)
		return false
	})
	if err != nil || calls.Load() > int64(1+f.Concurrency*emptyReceives) {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
	met.wantEachOnce(t, 3)
}

// TestASweepEndsThoughWhatItHidComesAgainAllTheTime: somebody took a message that the queue had counted, and those of a
// long sweep are visible again one after the other, so that hardly a receive is empty.
func TestASweepEndsThoughWhatItHidComesAgainAllTheTime(t *testing.T) {
	const letters = 3000
	f := newFixture(t)
	f.Concurrency = 1
	f.fill(letters)
	f.queue.extra = 1
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	calls := 0
	f.queue.before = func(_ context.Context, call string) error {
		if calls++; call == "receive" && calls == letters {
			giveUp()
		}
		f.clock.Pass(time.Second)
		return nil
	}
	var met meetings
	err := f.sweep(ctx, never, func(_ context.Context, m queue.Received) bool {
		met.add(m.ID)
		f.clock.Pass(100 * time.Millisecond)
		return false
	})
	if err != nil {
		t.Errorf("%v after %d calls", err, calls)
	}
	met.wantEachOnce(t, letters)
}

func TestTwoEmptyReceivesInARowDoNotEndASweepOfMoreThanWereMet(t *testing.T) {
	f := newFixture(t)
	f.Concurrency = 1
	f.fill(30)
	calls := 0
	f.queue.none = func() bool {
		calls++
		return calls%3 != 0
	}
	var met meetings
	err := f.sweep(t.Context(), never, func(_ context.Context, m queue.Received) bool {
		met.add(m.ID)
		return false
	})
	if err != nil || calls != 10 {
		t.Errorf("%v after %d calls, want 10", err, calls)
	}
	met.wantEachOnce(t, 30)
}

func TestMoreThanAListingHoldsAreTooMany(t *testing.T) {
	f := newFixture(t)
	q := &longQueue{n: MaxLetters + 25, make: func(i int) queue.Received {
		return queue.Received{ID: fmt.Sprint(i), Receipt: fmt.Sprint("receipt ", i)}
	}}
	f.DeadLetters = q
	var met atomic.Int64
	err := f.sweep(t.Context(), never, func(context.Context, queue.Received) bool {
		met.Add(1)
		return false
	})
	if !errors.Is(err, ErrTooMany) || met.Load() != MaxLetters {
		t.Errorf("met %d, %v", met.Load(), err)
	}
	if received := min(q.next.Load(), int64(q.n)); q.released.Load() != received {
		t.Errorf("%d were received and %d given back", received, q.released.Load())
	}
}

func TestASweepEndsWithTheErrorOfTheQueueAndGivesBackWhatItHas(t *testing.T) {
	f := newFixture(t)
	f.fill(100)
	var receives atomic.Int64
	f.queue.before = func(_ context.Context, call string) error {
		if call == "receive" && receives.Add(1) > 3 {
			return errTrouble
		}
		return nil
	}
	var met meetings
	err := f.sweep(t.Context(), never, func(_ context.Context, m queue.Received) bool {
		met.add(m.ID)
		return false
	})
	if !errors.Is(err, errTrouble) {
		t.Error(err)
	}
	met.wantEachOnce(t, 30)
	f.wantCounts(100, 0)
}

func TestWhatCannotBeGivenBackIsLoggedAndKeepsNothingElseFromBeingGivenBack(t *testing.T) {
	f := newFixture(t)
	f.fill(30)
	var hides atomic.Int64
	f.queue.before = func(_ context.Context, call string) error {
		if call == "hide" && hides.Add(1) == 1 {
			return errTrouble
		}
		return nil
	}
	if err := f.sweep(t.Context(), never, func(context.Context, queue.Received) bool { return false }); err != nil {
		t.Error(err)
	}
	f.wantCounts(20, 10)
	if !strings.Contains(f.log.String(), "could not be given back") {
		t.Errorf("the log says %s", &f.log)
	}
	f.clock.Pass(hidden)
	f.wantCounts(30, 0)
}

func TestASweepMeetsAsManyAtOnceAsItMay(t *testing.T) {
	f := newFixture(t)
	f.Concurrency = 12
	f.fill(12)
	var together sync.WaitGroup
	together.Add(12)
	var met meetings
	err := f.sweep(t.Context(), never, func(_ context.Context, m queue.Received) bool {
		together.Done()
		together.Wait() // for all twelve: a sweep of fewer at once never ends
		met.add(m.ID)
		return false
	})
	if err != nil {
		t.Error(err)
	}
	met.wantEachOnce(t, 12)
}
