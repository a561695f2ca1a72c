package migrate

import (
	"context"
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

// steps counts what is done, for whoever wants to hear of it.
type steps struct {
	mu   sync.Mutex
	at   Progress
	tell func(Progress)
}

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

func (s *steps) step() {
	if s.tell == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at.Done++
	s.tell(s.at)
}
