package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hatchery/shared/deadletter"
)

func dlqShowCommand(term terminal) *cobra.Command {
	var f dlqFlags
	var snapshot string
	command := &cobra.Command{
		Use:   "show ID",
		Short: "Show one dead letter, its upload, and every error that was kept",
		Long: `Show explains one letter of a listing, by its message id or by the id of its upload: the
message itself, how its upload stands now, where its bytes are, each error that was kept
at its last receptions, and what to do. It receives nothing.

It exits 1 when the listing has no such letter.`,
		Example: `  hatchery dlq show 5f0c1a52-7b1f-4b7e-9d6e-0f6f2a1f3b11 --stack hatchery`,
		Args:    oneArgument("the id of a message or of an upload"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return showLetter(cmd.Context(), f, snapshot, args[0], term)
		},
	}
	f.add(command.Flags())
	command.Flags().StringVar(&snapshot, "snapshot", "", "of the listing with this `id` (default: the newest)")
	return command
}

// oneArgument is for commands about one thing.
func oneArgument(what string) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usage("%s takes %s, but got %d arguments", command.Name(), what, len(args))
		}
		return nil
	}
}

func showLetter(ctx context.Context, f dlqFlags, snapshot, id string, term terminal) (err error) {
	r, err := openReview(ctx, f.deploymentFlags, term)
	if err != nil {
		return err
	}
	defer closing(&err, r.deployment.close)
	listing, err := r.Snapshot(ctx, snapshot)
	if err != nil {
		return dlqError(err)
	}
	letters, unread := r.Show(ctx, listing, letterID(id))
	if len(letters) == 0 && unread == nil {
		return &exitError{exitNo, fmt.Errorf("%s is not in the listing; what died since is found by: %s", shown(id),
			f.command("dlq ls"))}
	}
	for i, l := range letters {
		if f.json {
			err = printJSON(term.out, l)
		} else {
			if i > 0 {
				fmt.Fprintln(term.out)
			}
			err = printLetter(term.out, l, r.Now(), f.deploymentFlags)
		}
		if err != nil {
			return system(err)
		}
	}
	return dlqError(unread)
}

// printLetter prints all that is known of a letter.
func printLetter(out io.Writer, l deadletter.Letter, now time.Time, where deploymentFlags) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s\t%s\n", name, safe(fmt.Sprintf(format, args...)))
	}
	line("message", "%s", l.MessageID)
	sent := fmt.Sprintf("%s, %s ago", stamp(l.SentAt), age(now.Sub(l.SentAt)))
	if l.Done == nil {
		sent += "; gone in " + age(l.ExpiresAt.Sub(now))
	}
	line("sent", "%s", sent)
	if l.Redrives > 0 {
		line("came back", "%d times after a redrive", l.Redrives)
	}
	if l.Resent {
		line("", "the reconciler had sent it")
	}
	for _, a := range l.Arrivals {
		line("object", "%s/%s version %s, %s bytes", a.Bucket, a.Key, a.Version, grouped(a.Size))
		if a.UploadID == "" {
			continue
		}
		status := cmp.Or(string(a.Status), "no record")
		if a.Reason != nil {
			status += ": " + string(a.Reason.Code) + ": " + a.Reason.Message
		}
		line("upload", "%s/%s/%s/%s, %s", a.Journal, a.Entry, a.Kind, a.UploadID, status)
		if name := a.Called(); name != "" {
			line("name", "%s", name)
		}
		if a.Bytes != "" {
			line("bytes", "%s", a.Bytes)
		}
		if a.LastError != "" {
			line("last failure", "%s: %s", stamp(a.FailedAt), a.LastError)
		}
	}
	for _, t := range l.Attempts {
		what := fmt.Sprintf("reception %d of %d at %s", t.Receive, t.MaxReceives, stamp(t.Began))
		if t.Ended.IsZero() {
			line("attempt", "%s: did not come to its end", what)
		}
		for _, failure := range t.Failures {
			line("attempt", "%s: %s", what, failure.Error)
		}
	}
	line("body", "%.2000s", l.Body)
	if l.Done != nil {
		line("done", "it was %v: %s", l.Done, l.Done.Then())
		return w.Flush()
	}
	line("diagnosis", "%s: %s", l.Diagnosis.Cause, l.Diagnosis.Sentence)
	line("do", "%s", suggested(l.Diagnosis.Suggest, l.MessageID, where))
	return w.Flush()
}
