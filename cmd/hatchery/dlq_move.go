package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hatchery/shared/deadletter"
	"hatchery/shared/queue"
)

// probeWait is how long a probe waits for its verdict: a function may run for 15 minutes, and a person does not
// wait for that.
const probeWait = 3 * time.Minute

// probeLetter redrives one letter and waits for its verdict.
func probeLetter(ctx context.Context, f actFlags, messages []string, term terminal) (err error) {
	chosen, err := f.selection(messages)
	if err != nil {
		return err
	}
	r, err := openReview(ctx, f.deploymentFlags, term)
	if err != nil {
		return err
	}
	defer closing(&err, r.deployment.close)
	plan, goesOn, err := r.planned(ctx, deadletter.Redrive, f, chosen, term)
	if !goesOn {
		return err
	}
	fmt.Fprintf(term.err, "Waiting for its verdict, for %v at most.\n", probeWait)
	probed, err := r.Probe(ctx, plan, deadletter.Options{}, probeWait)
	switch {
	case errors.Is(err, deadletter.ErrNoProbe):
		return &exitError{exitNo, fmt.Errorf("%w: redrive without --probe", err)}
	case errors.Is(err, context.Canceled):
		return &exitError{exitNo, fmt.Errorf("interrupted: what was sent is judged all the same, and %s says what came of it",
			f.command("show ID"))}
	case err != nil:
		return dlqError(err)
	}
	if f.json {
		err = printJSON(term.out, map[string]deadletter.Probed{"probe": probed})
	} else {
		_, err = fmt.Fprintf(term.out, "%s  %s  %s\n", safe(probed.Result.MessageID), probed.Result.UploadID,
			safe(probed.Sentence))
		if probed.FailedAgain {
			fmt.Fprintln(term.err, probed.NotMended())
		} else if !probed.Verdict && probed.Result.Result == deadletter.ResultDone {
			fmt.Fprintf(term.err, "A paused validator takes no messages: %s ends that.\n", f.command("dlq resume"))
		}
	}
	switch {
	case err != nil:
		return system(err)
	case !probed.Verdict:
		return &exitError{code: exitNo}
	}
	return nil
}

// moveLetters lets the queue service move all messages, or ends that.
func moveLetters(ctx context.Context, f actFlags, term terminal) (err error) {
	r, err := openReview(ctx, f.deploymentFlags, term)
	if err != nil {
		return err
	}
	defer closing(&err, r.deployment.close)
	if f.cancels {
		return r.cancelMove(ctx, f, term)
	}
	source, err := r.source.Inspect(ctx)
	if err != nil {
		return system(err)
	}
	dead, err := r.dead.Inspect(ctx)
	if err != nil {
		return dlqError(err)
	}
	fmt.Fprintf(term.err, "All that can be received, %s, goes to %s, unseen. %s in other hands: a move does not "+
		"take those.\n", countOf(dead.Visible, "message"), source.ARN, grouped(int64(dead.InFlight)))
	back, err := r.warnOfReturns(ctx, term)
	switch {
	case err != nil:
		return dlqError(err)
	case f.dryRun && f.json:
		return printJSON(term.out, map[string]any{"chosen": dead.Visible, "plan": map[string]any{
			"action": deadletter.Redrive, "destination": source.ARN, "in_other_hands": dead.InFlight, "coming_back": back}})
	case f.dryRun:
		fmt.Fprintln(term.err, "This was a dry run: nothing was done.")
		return nil
	case dead.Visible == 0:
		return nil
	}
	if err := confirm(ctx, term, fmt.Sprintf("move %s?", countOf(dead.Visible, "message")), f.yes); err != nil {
		return err
	}
	audit, err := r.MoveAll(ctx, r.dead, source.ARN, f.rate, func(m queue.Move) {
		if f.json {
			_ = printJSON(term.out, map[string]queue.Move{"move": m}) // a closed pipe ends no move
			return
		}
		fmt.Fprintf(term.out, "%s: %s of about %s moved\n", m.Status, grouped(int64(m.Moved)), grouped(int64(m.ToMove)))
	})
	switch {
	case errors.Is(err, queue.ErrUnsupported):
		return system(fmt.Errorf("%w; without --all, redrive works: %s", err, f.command("dlq redrive")))
	case errors.Is(err, deadletter.ErrStillMoving):
		return &exitError{exitNo, fmt.Errorf("%w\nTo end it: %s", err, f.command("dlq redrive --all --cancel"))}
	case errors.Is(err, queue.ErrMoving):
		return &exitError{exitNo, fmt.Errorf("%w; to end it: %s", err, f.command("dlq redrive --all --cancel"))}
	}
	return f.ended(audit, err, term)
}

// warnOfReturns says what the newest listing has that a move brings back, or moves in vain.
func (r *review) warnOfReturns(ctx context.Context, term terminal) ([]deadletter.Group, error) {
	snapshot, err := r.Snapshot(ctx, "")
	if errors.Is(err, deadletter.ErrNoSnapshot) {
		fmt.Fprintln(term.err, "Nothing was listed yet: what will come back is not known.")
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	back := append([]deadletter.Group{}, deadletter.ComingBack(snapshot)...) // in JSON, nil says that nobody knows
	for _, g := range back {
		fmt.Fprintf(term.err, "Coming back, as listed %s ago: %s, %s\n", age(r.Now().Sub(snapshot.At)),
			countOf(g.Letters, "letter"), safe(g.Group))
	}
	return back, nil
}

func (r *review) cancelMove(ctx context.Context, f actFlags, term terminal) error {
	move, err := r.CancelAll(ctx, r.dead)
	switch {
	case errors.Is(err, deadletter.ErrNotMoving):
		return &exitError{exitNo, err}
	case err != nil:
		return dlqError(err)
	case f.json:
		return printJSON(term.out, map[string]queue.Move{"move": move})
	}
	fmt.Fprintf(term.out, "The move to %s is cancelled. What was moved stays moved: %s messages.\n", move.Destination,
		grouped(int64(move.Moved)))
	return nil
}
