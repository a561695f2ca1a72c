package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hatchery/shared/reconcile"
	"hatchery/shared/upload"
)

// reconcileFlags are what a person may say of `hatchery reconcile`.
type reconcileFlags struct {
	deploymentFlags
	dryRun, json           bool
	resume                 string
	maxRecords, maxObjects int
	olderThan, within      time.Duration
}

func reconcileCommand(term terminal) *cobra.Command {
	var f reconcileFlags
	command := &cobra.Command{
		Use:   "reconcile",
		Short: "Bring uploads to their end whose messages were lost, and say what does not fit",
		Long: `Reconcile compares the records with the bucket, with the same code as the function
that does so on a schedule. It sends uploads to the validator again whose messages
came to nothing, twice at most; it gives up those whose bytes never came, or were
removed before they were judged; and it reports, without touching anything, what does
not fit together: objects without a record, copies that no record serves, stored
records without their bytes. It counts the messages in the dead-letter queue, which it finds by
the redrive policy of the validator's queue; it looks at none of them, and receives
nothing.

The deployment is that of --stack, whose settings are read from the stack; or that of the
environment (the settings HATCHERY_… of its functions, and AWS's own); or the hatchery
dev that runs on the folder --data. With records in Bugout a function's environment names
a secret, which is read in AWS alone: give the token with --token-file.

It exits 0 when nothing needs a person, 1 when something does (dead letters that wait
included), 2 when it was used wrongly, and 3 when another system failed, or the dead
letters could not be counted; what was found is printed all the same.`,
		Example: `  hatchery reconcile --dry-run
  hatchery reconcile --json | jq '.findings[] | select(.what == "orphan_object")'
  hatchery reconcile --stack hatchery
  hatchery reconcile --data .hatchery --older-than 1m
  hatchery reconcile --token-file token --dry-run`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			olderThan := cmd.Flags().Changed("older-than")
			if err := f.check(olderThan); err != nil {
				return err
			}
			return reconcileNow(cmd.Context(), f, term, olderThan)
		},
	}
	flags := command.Flags()
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what would be done, and do nothing")
	flags.BoolVar(&f.json, "json", false, "print the report as one JSON object")
	addDeploymentFlags(flags, &f.deploymentFlags)
	flags.StringVar(&f.resume, "resume", "", "go on where an earlier run ended: the `text` that it printed")
	flags.IntVar(&f.maxRecords, "max-records", 0, "look at no more than `n` pending and as many stored records")
	flags.IntVar(&f.maxObjects, "max-objects", 0, "look at no more than `n` versions in the bucket")
	flags.DurationVar(&f.olderThan, "older-than", 0,
		"send again what is older than this `duration` (default: as long as a message can be tried, "+
			"HATCHERY_MAX_RECEIVES times HATCHERY_VISIBILITY_SECONDS)")
	flags.DurationVar(&f.within, "within", 0, "end within this `duration`, done or not")
	return command
}

// check looks at the flags alone. olderThan says whether that one was given.
func (f reconcileFlags) check(olderThan bool) error {
	if err := f.deploymentFlags.check(); err != nil {
		return err
	}
	switch {
	case f.maxRecords < 0 || f.maxObjects < 0 || f.within < 0:
		return usage("--max-records, --max-objects and --within: found a number below 0; accepted: 0 (no bound) and above")
	case olderThan && f.olderThan < 0:
		return usage("--older-than: found %v; accepted: a duration like 90m or 0s", f.olderThan)
	}
	return nil
}

// reconcileNow does one run and prints its report.
func reconcileNow(ctx context.Context, f reconcileFlags, term terminal, olderThan bool) (err error) {
	dep, err := openDeployment(ctx, f.deploymentFlags, term)
	if err != nil {
		return err
	}
	defer closing(&err, dep.close)
	r := dep.Reconciler()
	if olderThan {
		r.Limits.Overdue = f.olderThan
	}
	o := reconcile.Options{DryRun: f.dryRun, Resume: f.resume, MaxRecords: f.maxRecords, MaxObjects: f.maxObjects}
	if f.within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.within)
		defer cancel()
		o.Margin = min(reconcile.DefaultMargin, f.within/4)
	}
	report, err := r.Run(ctx, o)
	if errors.Is(err, upload.ErrBadCursor) && f.resume != "" {
		return usage("--resume: this is no text that an earlier run of this deployment printed: %w", err)
	}
	if printErr := printReport(term.out, report, f.json); printErr != nil {
		return system(printErr)
	}
	switch {
	case err != nil:
		return system(err)
	case report.NeedsPerson():
		return &exitError{code: exitNo}
	}
	return nil
}

// printReport prints a report for a program or for a person.
func printReport(out io.Writer, report reconcile.Report, asJSON bool) error {
	if asJSON {
		return printJSON(out, report)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(report.Findings) > 0 {
		fmt.Fprintln(w, "WHAT\tSTATUS\tWHERE\tWHY")
		for _, finding := range report.Findings {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", finding.What, cmp.Or(string(finding.Status), "-"),
				shown(string(finding.Key)), finding.Detail)
		}
		if report.FindingsLeftOut > 0 {
			fmt.Fprintf(w, "and %s more, which are counted below\n", grouped(int64(report.FindingsLeftOut)))
		}
		fmt.Fprintln(w)
	}
	deadLetters := 0
	if report.DeadLetters != nil {
		deadLetters = *report.DeadLetters
	}
	again, givenUp := "sent again", "given up, as their bytes never came"
	if report.DryRun {
		again, givenUp = "would be sent again", "would be given up, as their bytes never came"
	}
	for _, line := range []struct {
		n    int
		what string
	}{
		{report.Resent, "uploads " + again},
		{report.NeverArrived, "uploads " + givenUp},
		{report.BytesLost, "uploads whose bytes came, and were removed before they were judged"},
		{report.PendingTooLong, "uploads pending for too long: sent again as often as may be"},
		{report.UnfinishedTooLong, "settled uploads whose bytes are still in quarantine: sent again as often as may be"},
		{report.OrphanObjects, "objects in quarantine without a record"},
		{report.StrayFiles, "copies that no stored record serves"},
		{report.ForeignObjects, "objects under keys that Hatchery never makes"},
		{report.LostRecords, "stored records whose bytes are not there"},
		{deadLetters, "dead letters: messages that failed for good, and wait for a person: hatchery dlq ls"},
		{report.Failed, "failures"},
	} {
		if line.n > 0 {
			fmt.Fprintf(w, "%s  %s\n", grouped(int64(line.n)), line.what)
		}
	}
	fmt.Fprintf(w, "Looked at %s pending uploads, %s versions in the bucket and %s stored records.\n",
		grouped(int64(report.PendingSeen)), grouped(int64(report.ObjectsSeen)), grouped(int64(report.StoredSeen)))
	if report.DryRun {
		fmt.Fprintln(w, "This was a dry run: nothing was done.")
	}
	switch {
	case report.Complete:
	case report.Failed > 0 && report.PendingSeen+report.ObjectsSeen+report.StoredSeen == 0:
		// Where to go on is where this run began.
		fmt.Fprintln(w, "Nothing could be looked at.")
	default:
		fmt.Fprintf(w, "Not all has been looked at. Go on with: --resume %s\n", report.Resume)
	}
	return w.Flush()
}
