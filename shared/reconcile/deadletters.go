package reconcile

import (
	"context"
	"errors"
	"fmt"

	"hatchery/shared/queue"
)

// countDeadLetters is nil where they are not counted, and where they cannot be.
func (r *Reconciler) countDeadLetters(ctx context.Context) (*int, error) {
	if r.DeadLetters == nil {
		return nil, nil
	}
	if end, bounded := ctx.Deadline(); bounded { // the run has to have time, too
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, end.Sub(r.Now())/4)
		defer cancel()
	}
	n, err := queue.CountDeadLetters(ctx, r.DeadLetters)
	if err == nil {
		return &n, nil
	}
	r.Log.ErrorContext(ctx, "reconcile: count the dead letters failed", "error", err)
	err = fmt.Errorf("count the dead letters: %w", err)
	if errors.Is(err, queue.ErrDeadLettersMove) {
		return &n, err
	}
	return nil, err
}
