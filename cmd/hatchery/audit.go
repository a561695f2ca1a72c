package main

import (
	"context"
	"fmt"

	"hatchery/shared/deadletter"
)

// actingReview is for a command that acts on uploads, and not on the dead letters' queue.
func (d *deployment) actingReview(ctx context.Context) (*deadletter.Review, error) {
	who, err := d.operator(ctx)
	if err != nil {
		return nil, err
	}
	return d.Review(nil, who), nil
}

// beginAudit leaves a trace of an action before anything is done: a line, and a note.
func beginAudit(ctx context.Context, r *deadletter.Review, a deadletter.Audit, term terminal) (
	deadletter.Audit, error) {
	a.Chosen = len(a.Selection.Messages)
	a, err := r.BeginAudit(ctx, a)
	fmt.Fprintf(term.err, "audit: operator=%s action=%s run=%s uploads=%s reason=%s\n", quoted(a.Operator), a.Action, a.ID,
		some(a.Selection.Messages), quoted(a.Reason))
	return a, systemOrNil(err)
}

// endAudit says in the note what became of each upload.
func endAudit(ctx context.Context, r *deadletter.Review, a deadletter.Audit, results []deadletter.Result) error {
	a.Results = results
	for _, result := range results {
		a.Counts[result.Result]++
	}
	return systemOrNil(r.EndAudit(ctx, &a, nil))
}

// some names the first of many.
func some(ids []string) string {
	const shownIDs = 20
	if len(ids) <= shownIDs {
		return fmt.Sprint(ids)
	}
	return fmt.Sprintf("%v and %s more", ids[:shownIDs], grouped(int64(len(ids)-shownIDs)))
}
