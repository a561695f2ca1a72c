package api

import (
	"context"
	"sync"

	"hatchery/shared/upload"
)

// Verdicts wakes requests that wait for a verdict, where the validator runs in the same process: it is the
// pipeline's Notifier there. Verdicts of other processes are found by polling. The zero value is ready; its methods
// may be called concurrently.
type Verdicts struct {
	mu sync.Mutex
	// waiting are closed by the next verdict on their uploads.
	waiting map[chan struct{}]upload.Ref
}

var _ upload.Notifier = (*Verdicts)(nil)

// Notify wakes the requests that wait for a verdict on this upload. The error is always nil.
func (v *Verdicts) Notify(_ context.Context, settled upload.Record) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	for next, ref := range v.waiting {
		if ref == settled.Ref() {
			close(next)
			delete(v.waiting, next)
		}
	}
	return nil
}

// next is closed by the next verdict on an upload. Whoever waits for it no more calls stop. Of nil Verdicts there is
// none.
func (v *Verdicts) next(ref upload.Ref) (_ <-chan struct{}, stop func()) {
	if v == nil {
		return nil, func() {}
	}
	next := make(chan struct{})
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.waiting == nil {
		v.waiting = map[chan struct{}]upload.Ref{}
	}
	v.waiting[next] = ref
	return next, func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		delete(v.waiting, next)
	}
}
