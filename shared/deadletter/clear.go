package deadletter

import (
	"context"
	"errors"
	"fmt"

	"hatchery/shared/queue"
)

// ClearObsolete discards every obsolete letter that can be received, as [Review.Act] discards: each is kept in
// the bucket first. It keeps no listing, because people act on the newest, which they have looked at. The zero
// Audit: nothing can be received.
func (r *Review) ClearObsolete(ctx context.Context) (Audit, error) {
	state, err := r.inspect(ctx)
	if err != nil {
		return Audit{}, fmt.Errorf("clear obsolete dead letters: %w", err)
	}
	if state.Visible == 0 {
		return Audit{}, nil
	}
	x, err := r.begin(ctx, Audit{Action: Discard, Reason: "nothing was left to do", Selection: Selection{Cause: Obsolete}},
		Options{})
	if err != nil {
		return Audit{}, err
	}
	stopped := func() bool { return !x.goesOn(ctx) }
	err = r.sweepFrom(ctx, state, stopped, func(ctx context.Context, m queue.Received) bool {
		letter, err := x.act(ctx, m, Obsolete)
		if _, other := errors.AsType[skipped](err); other {
			return false
		}
		x.choose()
		return x.became(resultOf(letter, m.ID), err) == ResultDone
	})
	return x.end(ctx, err)
}

// choose counts one more letter that the run takes on.
func (x *run) choose() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.audit.Chosen++
}
