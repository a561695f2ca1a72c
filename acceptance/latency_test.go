//go:build acceptance

package acceptance

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// measures how long it takes from an accepted upload to a stored one, over 200 of
// them, a few at a time. The times are the record's own: created_at to settled_at.
func measures(t *testing.T, s *stack) {
	const uploads, atOnce = 200, 4
	e := s.newEntry()
	began := time.Now()
	took := make([]time.Duration, uploads)
	faults := make([]error, uploads)
	turns := make(chan int)
	var group sync.WaitGroup
	for range atOnce {
		group.Go(func() {
			for i := range turns {
				took[i], faults[i] = e.timed(t, picture(t))
			}
		})
	}
	for i := range uploads {
		turns <- i
	}
	close(turns)
	group.Wait()
	for _, err := range faults {
		check(t, err)
	}
	slices.Sort(took)
	t.Logf("accepted -> stored, %d uploads of %d bytes, %d at once: p50 %s, p95 %s, longest %s; all in %s", uploads,
		len(picture(t)), atOnce,
		took[uploads/2].Round(time.Millisecond), took[uploads*95/100].Round(time.Millisecond),
		took[uploads-1].Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
}

func (e entry) timed(t testing.TB, bytes []byte) (time.Duration, error) {
	r, err := e.post(t.Context(), "images", "cat.gif", bytes)
	if err != nil {
		return 0, err
	}
	if r, err = e.stored(t.Context(), r); err != nil {
		return 0, err
	}
	created, err := time.Parse("2006-01-02 15:04:05.000000", r.CreatedAt)
	if err != nil {
		return 0, fmt.Errorf("created_at: %w", err)
	}
	settled, err := time.Parse(time.RFC3339Nano, r.SettledAt)
	if err != nil {
		return 0, fmt.Errorf("settled_at: %w", err)
	}
	return settled.Sub(created), nil
}
