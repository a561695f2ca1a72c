package main

import (
	"context"
	"fmt"
	"time"

	"hatchery/shared/deadletter"
)

// actionRecheck is beside the actions on dead letters: it is about an upload.
const actionRecheck = deadletter.Action("recheck")

// auditWithin bounds the note at the end of an action, which is written although the action was interrupted.
const auditWithin = 30 * time.Second

// beginAudit leaves a trace of an action before anything is done: a line, and a note.
func beginAudit(ctx context.Context, dep *deployment, a deadletter.Audit, term terminal) (deadletter.Audit, error) {
	var err error
	if a.Operator, err = dep.operator(ctx); err != nil {
		return a, err
	}
	a.ID, a.Began, a.Chosen = deadletter.NewID(time.Now)(), time.Now().UTC(), len(a.Selection.Messages)
	fmt.Fprintf(term.err, "audit: operator=%s action=%s run=%s uploads=%s reason=%s\n", quoted(a.Operator), a.Action, a.ID,
		some(a.Selection.Messages), quoted(a.Reason))
	return a, systemOrNil(deadletter.PutAudit(ctx, dep.Notes, a))
}

// endAudit says in the note what became of each upload.
func endAudit(ctx context.Context, dep *deployment, a deadletter.Audit, results []deadletter.Result) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditWithin)
	defer cancel()
	a.Ended, a.Results, a.Counts = time.Now().UTC(), results, map[string]int{}
	for _, r := range results {
		a.Counts[r.Result]++
	}
	return systemOrNil(deadletter.PutAudit(ctx, dep.Notes, a))
}

// some names the first of many.
func some(ids []string) string {
	const shownIDs = 20
	if len(ids) <= shownIDs {
		return fmt.Sprint(ids)
	}
	return fmt.Sprintf("%v and %s more", ids[:shownIDs], grouped(int64(len(ids)-shownIDs)))
}
