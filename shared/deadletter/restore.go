package deadletter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// isMessageID tells whether s looks like the id of a message; nothing else is made part of a key.
func isMessageID(s string) bool {
	return policy.Consists(s, policy.Letters+policy.Digits+"_-", 1, 100)
}

// Restore sends messages that were discarded to the validator's queue, by their ids, and notes that. One that was
// restored before is not sent again. A crash between the two has it sent twice, which is harmless.
//
// Its errors are as those of Act.
func (r *Review) Restore(ctx context.Context, ids []string, o Options) (Audit, error) {
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	x, err := r.begin(ctx, Audit{Action: Restore, Reason: o.Reason, Selection: Selection{Messages: ids},
		Chosen: len(ids)}, o)
	if err != nil {
		return Audit{}, err
	}
	waiting := make(chan string)
	var workers sync.WaitGroup
	for range max(r.Concurrency, 1) {
		workers.Go(func() {
			for id := range waiting {
				if x.goesOn(ctx) {
					x.restoreOne(ctx, id)
				}
			}
		})
	}
	for _, id := range ids {
		waiting <- id
	}
	close(waiting)
	workers.Wait()
	return x.end(ctx, ctx.Err())
}

// PlanRestore says which messages Restore would send, and why it would not send the others.
func (r *Review) PlanRestore(ctx context.Context, ids []string) (Plan, error) {
	plan := Plan{Action: Restore, Chosen: map[string]Cause{}, NotEligible: map[string]int{}}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		plan.Selection.Messages = append(plan.Selection.Messages, id)
		saved, err := r.discarded(ctx, id)
		switch {
		case errors.Is(err, upload.ErrGone):
			plan.NotEligible[NeverDiscarded]++
		case err != nil:
			return Plan{}, err
		case !saved.RestoredAt.IsZero():
			plan.NotEligible["restored already"]++
		default:
			plan.Chosen[id] = saved.Diagnosis.Cause
		}
	}
	return plan, nil
}

// NeverDiscarded is why Restore does not take a message that nobody discarded.
const NeverDiscarded = "no message with this id was discarded"

// discarded reads what a discard kept of a message: upload.ErrGone where there was none.
func (r *Review) discarded(ctx context.Context, id string) (saved DiscardedLetter, err error) {
	if !isMessageID(id) {
		return saved, upload.ErrGone
	}
	err = r.getNote(ctx, discardedKey(id), &saved)
	return saved, err
}

func (x *run) goesOn(ctx context.Context) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.stopped == nil && ctx.Err() == nil
}

func (x *run) restoreOne(ctx context.Context, id string) {
	saved, err := x.discarded(ctx, id)
	result := resultOf(saved.Letter, id)
	switch {
	case errors.Is(err, upload.ErrGone):
		result.Result, result.Detail = ResultMissing, NeverDiscarded
		x.note(result)
		return
	case err != nil:
		err = begun(ctx, err)
	case !saved.RestoredAt.IsZero():
		result.Result = ResultEarlier
		result.Detail = fmt.Sprintf("already %v: nothing was sent now", Done{Restore, saved.RestoredBy, saved.RestoredAt})
		x.note(result)
		return
	default:
		err = x.sendSaved(ctx, saved)
	}
	x.became(result, err)
}

// sendSaved sends a discarded message, and notes it.
func (x *run) sendSaved(ctx context.Context, saved DiscardedLetter) error {
	if err := x.waitTurn(ctx); err != nil {
		return begun(ctx, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), actTimeout)
	defer cancel()
	if err := x.Source.Send(ctx, again(saved.Body, saved.Attributes)); err != nil {
		return fmt.Errorf("send it to the validator's queue: %w", err)
	}
	saved.RestoredBy, saved.RestoredAt = x.Operator, x.Now().UTC()
	return x.putNote(ctx, discardedKey(saved.MessageID), saved)
}
