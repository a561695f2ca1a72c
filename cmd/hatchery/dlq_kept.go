package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"hatchery/shared/deadletter"
)

func (r *review) printSnapshots(ctx context.Context, f listFlags, term terminal) error {
	all, err := r.Snapshots(ctx)
	if err != nil {
		return err
	}
	if f.json {
		for _, s := range all {
			if err := printJSON(term.out, map[string]deadletter.Snapshot{"snapshot": s}); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(term.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "LISTING\tAT\tLETTERS\tBY")
	for _, s := range all {
		letters := grouped(int64(s.Letters))
		if !s.Complete {
			letters += " so far"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", s.ID, stamp(s.At), letters, safe(s.Operator))
	}
	return w.Flush()
}

func (r *review) printDiscarded(ctx context.Context, f listFlags, term terminal) error {
	if !f.json {
		fmt.Fprintf(term.out, "%-36s  %-20s  %-11s  %s\n", "MESSAGE", "DISCARDED", "CAUSE", "BY, AND WHY")
	}
	return r.Discarded(ctx, func(d deadletter.DiscardedLetter) error {
		if f.json {
			return printJSON(term.out, d)
		}
		why := d.DiscardedBy + ": " + d.Reason
		if !d.RestoredAt.IsZero() {
			why = fmt.Sprintf("restored at %s by %s; before: %s", stamp(d.RestoredAt), d.RestoredBy, why)
		}
		_, err := fmt.Fprintf(term.out, "%-36s  %-20s  %-11s  %s\n", safe(d.MessageID),
			stamp(d.DiscardedAt), d.Diagnosis.Cause, safe(why))
		return err
	})
}

// maxActions is how many actions are listed.
const maxActions = 50

// printActions prints who did what, recheck and reject of one upload included.
func (r *review) printActions(ctx context.Context, f listFlags, term terminal) error {
	all, err := r.Audits(ctx, maxActions)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(term.out, 0, 0, 2, ' ', 0)
	if !f.json {
		fmt.Fprintln(w, "RUN\tAT\tACTION\tDONE\tBY, AND WHY")
	}
	for _, a := range all {
		if f.json {
			if err := printJSON(term.out, map[string]deadletter.Audit{"audit": a}); err != nil {
				return err
			}
			continue
		}
		done := fmt.Sprintf("%s of %s", grouped(int64(a.Counts[deadletter.ResultDone])), grouped(int64(a.Chosen)))
		if a.Ended.IsZero() {
			done += ", not ended"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", safe(a.ID), stamp(a.Began), safe(string(a.Action)), done,
			safe(strings.TrimSuffix(a.Operator+": "+a.Reason, ": ")))
	}
	return w.Flush()
}
