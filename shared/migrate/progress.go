package migrate

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"hatchery/shared/upload"
)

// counter is a store that can cheaply say how many records Scan gives, for a progress bar: records that come and go
// meanwhile make it a number of the past. SQLite counts its rows and Bugout's lists come whole; DynamoDB knows no
// exact number without reading the table.
type counter interface {
	Count(ctx context.Context) (int, error)
}

// Progress is how far a run is.
type Progress struct {
	// Back is false while records of the source are copied, and true while those of the target are looked for in
	// the source.
	Back bool
	// Done is how many records have been handled, those of earlier runs included.
	Done int
	// Total is how many there are; 0: the store cannot tell.
	Total int
}

// tracker counts what is done, for Migration.Progress, and sees when it is of no use to go on.
type tracker struct {
	mu       sync.Mutex
	at       Progress
	progress func(Progress)

	succeeded bool // at least once
	failed    int  // in a row, since the last success
	sameCause int  // the last so many of them for the same cause
	cause     string
}

// After how many failures in a row a run gives up. The store is away, or a right is missing, and the rest would
// fare no better; what fails for the same cause from the first record on is a wrong setting.
const (
	maxFailed        = 50
	maxFailedAtFirst = 5
)

// newTracker counts the records of a store. When that fails the run begins all the same: the list that comes next
// will say so.
func newTracker(ctx context.Context, s upload.Records, at Progress, progress func(Progress)) *tracker {
	if counter, ok := s.(counter); ok && progress != nil {
		if n, err := counter.Count(ctx); err == nil {
			at.Total = n
		}
	}
	return &tracker{at: at, progress: progress}
}

// done counts a record, which may have failed with err. Its own error says that too many did.
func (t *tracker) done(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at.Done++; t.progress != nil {
		t.progress(t.at)
	}
	if err == nil {
		t.succeeded, t.failed, t.sameCause = true, 0, 0
		return nil
	}
	if cause := causeOf(err); cause != t.cause {
		t.cause, t.sameCause = cause, 0
	}
	t.failed++
	t.sameCause++
	if t.failed == maxFailed || !t.succeeded && t.sameCause == maxFailedAtFirst {
		return fmt.Errorf("%d records in a row failed, the last of them: %w", t.failed, err)
	}
	return nil
}

// causeOf is the text of the innermost error: those around it name the record.
func causeOf(err error) string {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}
