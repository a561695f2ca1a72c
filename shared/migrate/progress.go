package migrate

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"hatchery/shared/upload"
)

// Counter is a store that can cheaply say how many records All gives. Records that
// come and go meanwhile make it a number of the past: it is for a progress bar.
// SQLite counts its rows and Bugout's lists come whole; DynamoDB knows no exact
// number without reading the table.
type Counter interface {
	Count(ctx context.Context) (int, error)
}

// Progress is how far a run is.
type Progress struct {
	// Back is false while records of the source are copied, and true while those of
	// the target are looked for in the source.
	Back bool
	// Done is how many records have been handled, those of earlier runs included.
	Done int
	// Total is how many there are; 0: the store cannot tell.
	Total int
}

// steps counts what is done, for whoever wants to hear of it, and sees when it is of
// no use to go on.
type steps struct {
	mu   sync.Mutex
	at   Progress
	tell func(Progress)

	succeeded   bool // at least once
	inARow      int  // so many failed since the last success
	alikeInARow int  // the last so many of them for the same cause
	cause       string
}

// After how much trouble a run gives up. The store is away, or a right is missing,
// and the rest would fare no better; what fails alike from the first record on is a
// wrong setting.
const (
	maxFailedInARow = 50
	maxAlikeAtFirst = 5
)

// newSteps counts the records of a store. Trouble with that is no reason not to
// begin: the list that comes next will say so.
func newSteps(ctx context.Context, s upload.Records, at Progress, tell func(Progress)) *steps {
	if counter, ok := s.(Counter); ok && tell != nil {
		if n, err := counter.Count(ctx); err == nil {
			at.Total = n
		}
	}
	return &steps{at: at, tell: tell}
}

// step counts a record, with which there may have been trouble; its error says that
// there was too much.
func (s *steps) step(trouble error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at.Done++; s.tell != nil {
		s.tell(s.at)
	}
	if trouble == nil {
		s.succeeded, s.inARow, s.alikeInARow = true, 0, 0
		return nil
	}
	if cause := causeOf(trouble); cause != s.cause {
		s.cause, s.alikeInARow = cause, 0
	}
	s.inARow++
	s.alikeInARow++
	if s.inARow == maxFailedInARow || !s.succeeded && s.alikeInARow == maxAlikeAtFirst {
		return fmt.Errorf("%d records in a row failed, the last of them: %w", s.inARow, trouble)
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
