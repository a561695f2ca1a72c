package deadletter

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"hatchery/shared/upload"
)

// DiscardedLetter is a dead letter that was discarded, whole.
type DiscardedLetter struct {
	Letter
	DiscardedBy string    `json:"discarded_by"`
	DiscardedAt time.Time `json:"discarded_at"`
	Reason      string    `json:"reason"`
	Run         string    `json:"run"` // the id of its Audit
	// RestoredBy and RestoredAt are empty unless it was sent to the validator's queue since.
	RestoredBy string    `json:"restored_by,omitempty"`
	RestoredAt time.Time `json:"restored_at,omitzero"`
}

const discardedPrefix = upload.DeadLetterPrefix + "discarded/"

func discardedKey(message string) upload.Key { return discardedPrefix + upload.Key(message) + ".json" }

// save writes a letter whole, before its message is deleted. One that an interrupted run saved stays: it may have
// been restored since, and a body never changes.
func (x *run) save(ctx context.Context, l Letter) error {
	key := discardedKey(l.MessageID)
	var saved DiscardedLetter
	if err := x.getNote(ctx, key, &saved); !errors.Is(err, upload.ErrGone) {
		return err
	}
	l.Arrivals = slices.Clone(l.Arrivals)
	for i := range l.Arrivals {
		l.Arrivals[i].Names = nil // what a person called a file is not kept longer than its record and the listing
	}
	return x.putNote(ctx, key, DiscardedLetter{Letter: l, DiscardedBy: x.Operator, DiscardedAt: x.Now().UTC(),
		Reason: x.options.Reason, Run: x.audit.ID})
}

// discardOf reads who discarded a message, and when; the zero one is nobody.
func (r *Review) discardOf(ctx context.Context, message string) (intent, error) {
	var saved DiscardedLetter
	err := r.getNote(ctx, discardedKey(message), &saved)
	if errors.Is(err, upload.ErrGone) {
		return intent{}, nil
	}
	return intent{Action: Discard, Operator: saved.DiscardedBy, DoneAt: saved.DiscardedAt}, err
}

// Discarded gives every letter that was discarded, restored ones included, in the order of their ids. An error
// of row ends it.
func (r *Review) Discarded(ctx context.Context, row func(DiscardedLetter) error) error {
	return r.eachNote(ctx, discardedPrefix, func(keys []upload.Key) error {
		for len(keys) > 0 {
			some := keys[:min(max(r.Concurrency, 1), len(keys))]
			keys = keys[len(some):]
			letters, errs := make([]DiscardedLetter, len(some)), make([]error, len(some))
			var readers sync.WaitGroup
			for i, key := range some {
				readers.Go(func() { errs[i] = r.getNote(ctx, key, &letters[i]) })
			}
			readers.Wait()
			for i, l := range letters {
				if errs[i] != nil {
					return errs[i]
				}
				if err := row(l); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
