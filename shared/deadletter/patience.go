package deadletter

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"hatchery/shared/upload"
)

// patience is how long the calls in a row that fail may take together. A store that refuses at once costs a
// listing nothing; one that lets each call run into its time-out would hold it up letter after letter.
const patience = 20 * time.Second

// boundedRecords are not asked any more after that. It may be called concurrently.
type boundedRecords struct {
	Records
	now func() time.Time

	mu    sync.Mutex
	spent time.Duration
	gone  error
}

// Get implements Records.
func (b *boundedRecords) Get(ctx context.Context, ref upload.Ref) (upload.Record, error) {
	b.mu.Lock()
	gone := b.gone
	b.mu.Unlock()
	if gone != nil {
		return upload.Record{}, gone
	}
	began := b.now()
	record, err := b.Records.Get(ctx, ref)
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err == nil || errors.Is(err, upload.ErrNotFound):
		b.spent = 0
	case ctx.Err() == nil:
		if b.spent += b.now().Sub(began); b.spent > patience {
			b.gone = fmt.Errorf("the record store is not asked any more in this listing: %w", err)
		}
	}
	return record, err
}
