package api

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// slots are the places for bodies that are being received: one for each, so many at once.
//
// Nobody's body is ended for being slow alone. While another request waits for a place, the slowest
// body below the least rate gives its own up: else a few slow bodies would shut out everybody.
type slots struct {
	places chan struct{} // one element per body being received
	now    func() time.Time
	limits limits

	mu     sync.Mutex
	bodies map[*incoming]struct{} // those that are being received, and were not ended
}

func newSlots(now func() time.Time, l limits) *slots {
	return &slots{places: make(chan struct{}, l.MaxUploads), now: now, limits: l, bodies: map[*incoming]struct{}{}}
}

// acquire waits for a place.
func (s *slots) acquire(ctx context.Context) error {
	select {
	case s.places <- struct{}{}:
		return nil
	default:
	}
	giveUp := time.NewTimer(s.limits.SlotWait)
	defer giveUp.Stop()
	look := time.NewTicker(s.limits.SlotWait / 10)
	defer look.Stop()
	for ended := false; ; {
		if !ended { // each that waits ends one at most
			ended = s.endSlowest()
		}
		select {
		case s.places <- struct{}{}:
			return nil
		case <-look.C: // a body may have fallen below the least rate since
		case <-ctx.Done():
			return fmt.Errorf("wait to receive a body: %w", ctx.Err())
		case <-giveUp.C:
			return &problem{problemType: busy, detail: "As many uploads as fit are under way: try again in a moment.",
				retryAfter: time.Second, cause: fmt.Errorf("%d uploads at once", cap(s.places))}
		}
	}
}

// enter notes whose body has a place; leave gives the place up.
func (s *slots) enter(b *incoming) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bodies[b] = struct{}{}
}

func (s *slots) leave(b *incoming) {
	s.mu.Lock()
	delete(s.bodies, b) // before the request ends: nothing touches its connection afterwards
	s.mu.Unlock()
	<-s.places
}

// endSlowest ends the reception of the slowest body below the least rate, and says whether there was one.
func (s *slots) endSlowest() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var slowest *incoming
	least := s.limits.LeastRate
	now := s.now()
	for b := range s.bodies {
		if rate, arriving := b.rate(now, s.limits.RateGrace); arriving && rate < least {
			slowest, least = b, rate
		}
	}
	if slowest == nil {
		return false
	}
	delete(s.bodies, slowest)
	return slowest.end()
}
