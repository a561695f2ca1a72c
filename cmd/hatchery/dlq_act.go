package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hatchery/shared/deadletter"
	"hatchery/shared/upload"
)

// actFlags are those of a command that acts on letters.
type actFlags struct {
	dlqFlags
	selectionFlags
	dryRun, yes bool
	reason      string
	// Of redrive alone.
	rate                int
	probe, all, cancels bool
}

func (f *actFlags) addTo(command *cobra.Command) {
	flags := command.Flags()
	f.dlqFlags.add(flags)
	f.selectionFlags.add(flags)
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what would be done, and do nothing")
	flags.BoolVar(&f.yes, "yes", false, "do not ask")
}

// actLong ends the help of every command that acts.
const actLong = `

It acts on the newest listing (hatchery dlq ls), on the messages that are named, by their ids or
their uploads', or chosen by the flags. It says how many it will act on and which it will not take, and why, and asks.
Then it receives until it has met them, looks at each again, and leaves alone what has
changed or is in other hands. Each result is a line, and all of them are kept in the
bucket under dead-letters/audit/, with who did it. After an interruption do it again: what was
begun is brought to its end, and what was done is "earlier".

It exits 0 when all was done, 1 when some were left alone or not met, or the answer was no, and 3
when another system failed, for one of them too; then do it again.`

func dlqRedriveCommand(term terminal) *cobra.Command {
	f := actFlags{rate: defaultRate}
	command := &cobra.Command{
		Use:   "redrive [MESSAGE…]",
		Short: "Send dead letters to the validator again",
		Long: `Redrive sends messages to the validator's queue again, and removes them from the dead
letters afterwards. A message that is twice in the queue does no harm.

Mend the cause first: what fails again comes back. --probe sends one and waits for its
verdict.

Without messages and without flags that choose, it takes those for which ls suggests it.
--all lets the queue service move everything, unseen: the obsolete and the poisonous too.` + actLong,
		Example: `  hatchery dlq redrive --stack hatchery --cause denied --probe
  hatchery dlq redrive --stack hatchery --cause denied --rate 50
  hatchery dlq redrive --data .hatchery 5f0c1a52-7b1f-4b7e-9d6e-0f6f2a1f3b11
  hatchery dlq redrive --stack hatchery --all
  hatchery dlq redrive --stack hatchery --all --cancel`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.checkRedrive(args, cmd.Flags().Changed("rate")); err != nil {
				return err
			}
			switch {
			case f.all:
				return moveLetters(cmd.Context(), f, term)
			case f.probe:
				return probeLetter(cmd.Context(), f, args, term)
			}
			return actOnLetters(cmd.Context(), deadletter.Redrive, f, args, term)
		},
	}
	f.addTo(command)
	flags := command.Flags()
	flags.IntVar(&f.rate, "rate", defaultRate, "send at most `n` messages a second")
	flags.BoolVar(&f.probe, "probe", false, "send one, the oldest, and wait for its verdict")
	flags.BoolVar(&f.all, "all", false, "let the queue service move all messages, whatever they are")
	flags.BoolVar(&f.cancels, "cancel", false, "with --all: end the move that is running; what was moved stays moved")
	return command
}

// defaultRate is how many messages a second are redriven: a validator takes more, and what was down may not.
const defaultRate = 20

// maxRate is what a move task of SQS takes.
const maxRate = 500

func (f actFlags) checkRedrive(messages []string, rate bool) error {
	chosen, err := f.selection(messages)
	switch {
	case err != nil:
		return err
	case f.rate < 1 || f.rate > maxRate:
		return usage("--rate: found %d; accepted: 1 to %d", f.rate, maxRate)
	case f.cancels && !f.all:
		return usage("--cancel belongs to --all: other redrives end with Ctrl-C")
	case f.all && (f.probe || f.snapshot != "" || !emptySelection(chosen)):
		return usage("--all takes every message: leave out --probe, --snapshot, the messages and the flags that choose")
	case f.probe && rate:
		return usage("--probe sends one message: leave out --rate")
	}
	return nil
}

// emptySelection says whether nothing was named.
func emptySelection(s deadletter.Selection) bool {
	return len(s.Messages) == 0 && s.Cause == "" && s.Group == "" && !s.ByUpload() && s.OlderThan == 0
}

func dlqRejectCommand(term terminal) *cobra.Command {
	var f actFlags
	command := &cobra.Command{
		Use:   "reject [MESSAGE…] --reason WORDS",
		Short: "Give up the uploads of dead letters, with words for the uploader",
		Long: `Reject settles the pending uploads of dead letters as rejected, with the code operator and
the words of --reason, which the uploader reads. The application is notified as of any
verdict. The bytes stay in quarantine: hatchery recheck takes a rejection back.` + actLong,
		Example: `  hatchery dlq reject --stack hatchery --cause bytes_lost --reason 'Lost on our side: upload it again.'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return actOnLetters(cmd.Context(), deadletter.Reject, f, args, term)
		},
	}
	f.addTo(command)
	command.Flags().StringVar(&f.reason, "reason", "", "the `words` that the uploader reads (needed)")
	return command
}

func dlqDiscardCommand(term terminal) *cobra.Command {
	var f actFlags
	command := &cobra.Command{
		Use:   "discard [MESSAGE…] --reason WORDS",
		Short: "Remove dead letters that have nothing left to do",
		Long: `Discard removes obsolete messages (their uploads came to their end by another message),
foreign ones, and those that cannot be read. It takes no message whose upload waits. Each
is kept in the bucket first, whole, for 400 days: hatchery dlq restore takes it back.` + actLong,
		Example: `  hatchery dlq discard --stack hatchery --obsolete --reason 'healed by the reconciler'
  hatchery dlq discard --data .hatchery --cause poison --reason 'a test of the other team'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return actOnLetters(cmd.Context(), deadletter.Discard, f, args, term)
		},
	}
	f.addTo(command)
	command.Flags().StringVar(&f.reason, "reason", "", "`why`, for the trace (needed)")
	return command
}

// actOnLetters plans, asks and acts.
func actOnLetters(ctx context.Context, action deadletter.Action, f actFlags, messages []string,
	term terminal) (err error) {
	chosen, err := f.selection(messages)
	if err != nil {
		return err
	}
	if err := checkReason(action, f.reason); err != nil {
		return err
	}
	r, err := openReview(ctx, f.deploymentFlags, term)
	if err != nil {
		return err
	}
	defer closing(&err, r.deployment.close)
	plan, goesOn, err := r.planned(ctx, action, f, chosen, term)
	if !goesOn {
		return err
	}
	printer := &resultPrinter{term: term, json: f.json, action: action}
	audit, err := r.Act(ctx, plan, deadletter.Options{Reason: f.reason, PerSecond: f.rate, Done: printer.print})
	return f.ended(audit, err, term)
}

// checkReason looks at the words that an action needs, before anything is done.
func checkReason(action deadletter.Action, reason string) error {
	switch {
	case action == deadletter.Redrive:
		return nil
	case strings.TrimSpace(reason) == "" && action == deadletter.Reject:
		return usage("reject needs --reason: the words that the uploader reads")
	case strings.TrimSpace(reason) == "":
		return usage("%s needs --reason: who reads it later wants to know", action)
	case action == deadletter.Reject:
		if err := upload.CheckWords(reason); err != nil {
			return usage("--reason: %w", err)
		}
	}
	return nil
}

// planned plans an action, says what it would do, and asks. Unless it goes on, the error is what the command ends with.
func (r *review) planned(ctx context.Context, action deadletter.Action, f actFlags, chosen deadletter.Selection,
	term terminal) (_ deadletter.Plan, goesOn bool, _ error) {
	plan, err := r.Plan(ctx, action, f.snapshot, chosen)
	if err != nil {
		return plan, false, dlqError(err)
	}
	if err := f.say(plan, r.Now(), term); err != nil {
		return plan, false, system(err)
	}
	goesOn, err = f.goOn(ctx, plan, term)
	return plan, goesOn, err
}

// goOn says whether to act on a plan, and else with what the command ends.
func (f actFlags) goOn(ctx context.Context, plan deadletter.Plan, term terminal) (bool, error) {
	question := fmt.Sprintf("%s %s?", plan.Action, countOf(len(plan.Chosen), "message"))
	if f.probe {
		question = "redrive one of them, and wait for its verdict?"
	}
	switch {
	case len(plan.Chosen) == 0 && len(plan.NotEligible) > 0:
		return false, &exitError{code: exitNo}
	case len(plan.Chosen) == 0 || f.dryRun:
		return false, nil
	}
	err := confirm(ctx, term, question, f.yes)
	return err == nil, err
}

// say prints what an action would do.
func (f actFlags) say(plan deadletter.Plan, now time.Time, term terminal) error {
	if f.json {
		return printJSON(term.out, map[string]any{"plan": plan, "chosen": len(plan.Chosen)})
	}
	if s := plan.Snapshot; s.ID != "" { // a restore goes by none
		fmt.Fprintf(term.out, "Listing %s of %s ago, by %s: %s.\n", s.ID, age(now.Sub(s.At)), safe(s.Operator),
			countOf(s.Letters, "dead letter"))
	}
	counts := map[deadletter.Cause]int{}
	for _, cause := range plan.Chosen {
		counts[cause]++
	}
	for _, cause := range deadletter.Causes() {
		if counts[cause] > 0 {
			fmt.Fprintf(term.out, "  %s %s: %s\n", plan.Action, cause, grouped(int64(counts[cause])))
		}
	}
	for _, why := range slices.Sorted(maps.Keys(plan.NotEligible)) {
		fmt.Fprintf(term.out, "  left alone, %s: %s\n", safe(why), grouped(int64(plan.NotEligible[why])))
	}
	switch {
	case len(plan.Chosen) == 0:
		fmt.Fprintf(term.out, "Nothing to %s.\n", plan.Action)
	case f.dryRun:
		fmt.Fprintln(term.out, "This was a dry run: nothing was done.")
	}
	return nil
}

// resultPrinter prints what became of each message, as it becomes known.
type resultPrinter struct {
	term   terminal
	json   bool
	action deadletter.Action
}

func (p *resultPrinter) print(r deadletter.Result) {
	if p.json {
		_ = printJSON(p.term.out, r) // a closed pipe ends no action that has begun
		return
	}
	what := r.Result
	if r.Result == deadletter.ResultDone {
		what = string(p.action)
	}
	fmt.Fprintln(p.term.out, strings.TrimRight(fmt.Sprintf("%-8s  %-36s  %-36s  %s", what, safe(r.MessageID),
		cmp.Or(string(r.UploadID), "-"), safe(r.Detail)), " "))
}

// ended prints the sum of an action, and says with what the command ends.
func (f actFlags) ended(audit deadletter.Audit, err error, term terminal) error {
	if audit.ID != "" {
		if f.json {
			audit.Results = nil // they were printed
			if printErr := printJSON(term.out, map[string]deadletter.Audit{"audit": audit}); printErr != nil {
				return system(printErr)
			}
		} else {
			fmt.Fprintf(term.out, "%s: %s done", audit.Action, grouped(int64(audit.Counts[deadletter.ResultDone])))
			for _, result := range []string{deadletter.ResultEarlier, deadletter.ResultSkipped, deadletter.ResultMissing,
				deadletter.ResultFailed} {
				if n := audit.Counts[result]; n > 0 {
					fmt.Fprintf(term.out, ", %s %s", grouped(int64(n)), result)
				}
			}
			fmt.Fprintf(term.out, ", of %s. Kept as %s.\n", grouped(int64(audit.Chosen)), audit.ID)
		}
	}
	switch {
	case errors.Is(err, context.Canceled):
		return &exitError{exitNo, errors.New("interrupted: what was not done was given back; do it again to go on")}
	case err != nil:
		return dlqError(err)
	case audit.Counts[deadletter.ResultFailed] > 0:
		return &exitError{code: exitSystem}
	case audit.Counts[deadletter.ResultDone]+audit.Counts[deadletter.ResultEarlier] < audit.Chosen:
		return &exitError{code: exitNo}
	}
	return nil
}

func dlqRestoreCommand(term terminal) *cobra.Command {
	var f actFlags
	command := &cobra.Command{
		Use:   "restore MESSAGE…",
		Short: "Take a discard back: send the message to the validator's queue",
		Long: `Restore sends messages that were discarded to the validator's queue, from what the discard
kept in the bucket. hatchery dlq ls --discarded lists those. One that was restored already
is not sent again.

It exits 0 when all were sent, now or before, 1 when one was never discarded, and 3 when
another system failed, for one of them too.`,
		Example: `  hatchery dlq restore --stack hatchery 5f0c1a52-7b1f-4b7e-9d6e-0f6f2a1f3b11`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("restore takes the ids of messages; list them with: %s", f.command("dlq ls --discarded"))
			}
			return restoreLetters(cmd.Context(), f, args, term)
		},
	}
	f.dlqFlags.add(command.Flags())
	command.Flags().BoolVar(&f.dryRun, "dry-run", false, "say what would be done, and do nothing")
	command.Flags().BoolVar(&f.yes, "yes", false, "do not ask")
	return command
}

func restoreLetters(ctx context.Context, f actFlags, messages []string, term terminal) (err error) {
	r, err := openReview(ctx, f.deploymentFlags, term)
	if err != nil {
		return err
	}
	defer closing(&err, r.deployment.close)
	if f.dryRun {
		plan, err := r.PlanRestore(ctx, messages)
		if err != nil {
			return dlqError(err)
		}
		if err := f.say(plan, r.Now(), term); err != nil {
			return system(err)
		}
		if plan.NotEligible[deadletter.NeverDiscarded] > 0 {
			return &exitError{code: exitNo}
		}
		return nil
	}
	if err := confirm(ctx, term, fmt.Sprintf("restore %s?", countOf(len(messages), "message")), f.yes); err != nil {
		return err
	}
	printer := &resultPrinter{term: term, json: f.json, action: deadletter.Restore}
	audit, err := r.Restore(ctx, messages, deadletter.Options{Done: printer.print})
	return f.ended(audit, err, term)
}
