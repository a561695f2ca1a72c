package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"hatchery/shared/config"
	"hatchery/shared/local"
	"hatchery/shared/pipeline"
	"hatchery/shared/upload"
	"hatchery/shared/wording"
)

func breakCommand(term terminal) *cobra.Command {
	var data string
	command := &cobra.Command{
		Use:   "break CAUSE[:N]…",
		Short: "Break something in a running dev, to rehearse the runbook",
		Long: `Break makes something fail in the hatchery dev that runs on the data folder, so that what
docs/operations.md says about it can be rehearsed before it happens. The failures are real
ones at the edges of what dev runs: the dead letters, their diagnoses and the lines of the
log are those of AWS. While something is broken a message is tried again every ` +
			fmt.Sprint(int(local.BrokenVisibility.Seconds())) + ` seconds,
and is dead within a minute. hatchery mend ends it.

  records      the validator cannot reach the record store        unreachable
  s3           the bucket answers the validator with 503          unreachable
  access       the bucket denies the validator its objects        denied
  poison       with an upload's message comes an unreadable one   poison
  slow         the bucket sends files too slowly to be read       no_time
  crash        the validator ends in the middle of a message      crashed
  lost         an upload's bytes are removed before they are      BytesAreLost; with s3,
               judged                                             records or crash: bytes_lost
  application  the demo application answers 500                   POST is 503, no dead letter

On the right is what to look for, in docs/operations.md or as the cause in hatchery dlq ls.
With :N it hits so many uploads (with application, requests), those that come next; without,
all until it is mended. Of several causes that fail the validator, the first that has some
left to hit takes an upload. What was broken before, and is not named, is mended. What is broken
stays so over a restart of dev, which counts anew then.

It exits 0 when dev has seen it, 2 when it was used wrongly, and 3 when no dev is running.`,
		Example: `  hatchery break s3:3
  hatchery break access:2 crash:1 poison:1 --data .hatchery
  hatchery break s3:1 lost:1`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("break takes what to break, but got nothing; accepted: %s, each alone or as s3:3",
					wording.List(local.Causes()))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			breaks, err := local.ParseBreaks(args)
			if err != nil {
				return usage("break: %w", err)
			}
			return breakRunning(cmd.Context(), data, breaks, term)
		},
	}
	command.Flags().StringVar(&data, "data", defaultData, "the data `folder` of a running hatchery dev")
	return command
}

func mendCommand(term terminal) *cobra.Command {
	var data string
	command := &cobra.Command{
		Use:   "mend",
		Short: "Mend what hatchery break broke",
		Long: `Mend ends what hatchery break, or --break of dev, broke, and returns once the hatchery dev
that runs on the data folder has seen it. Messages that are not dead yet succeed at their
next try. Those that are stay dead letters: docs/operations.md says what puts each right.

It exits 0 when nothing is broken any more, also when nothing was, and 3 when the folder
cannot be changed.`,
		Example: "  hatchery mend\n  hatchery mend --data .hatchery",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			broken, err := local.Mend(data)
			if err != nil {
				return system(err)
			}
			if !broken {
				_, err := fmt.Fprintln(term.out, "Nothing was broken.")
				return err
			}
			untilDevSees(cmd.Context())
			_, err = fmt.Fprintln(term.out, "Mended. What is dead already: hatchery dlq ls --data "+shellWord(data))
			return err
		},
	}
	command.Flags().StringVar(&data, "data", defaultData, "the data `folder` of a hatchery dev")
	return command
}

// breakRunning breaks something in the dev that runs on a folder, and waits until that has seen it.
func breakRunning(ctx context.Context, data string, breaks []local.Break, term terminal) error {
	at, err := local.Running(ctx, data)
	if errors.Is(err, local.ErrNotRunning) {
		return system(fmt.Errorf("%w: start it with: hatchery dev --data %s --break %s", err, shellWord(data),
			strings.ReplaceAll(local.FormatBreaks(breaks), " ", ",")))
	}
	if err != nil {
		return system(err)
	}
	if at.App != "" && breaksApplication(breaks) {
		return usage("break application: the hatchery dev on %s asks %s, which is not its own: it can break the demo "+
			"application alone", shown(data), shown(at.App))
	}
	if err := local.BreakNow(data, breaks); err != nil {
		return system(err)
	}
	untilDevSees(ctx)
	_, err = fmt.Fprintf(term.out, "Broken: %s. Mend it with: %s\n", local.FormatBreaks(breaks), mendOf(data))
	return err
}

// mendOf is the command that mends a dev, from whatever folder it is typed in.
func mendOf(data string) string {
	if absolute, err := filepath.Abs(data); err == nil {
		data = absolute
	}
	return "hatchery mend --data " + shellWord(data)
}

func breaksApplication(breaks []local.Break) bool {
	return slices.ContainsFunc(breaks, func(b local.Break) bool { return b.Cause == local.BreakApplication })
}

// parseBreaks reads --break, and refuses what could not be broken.
func (f *devFlags) parseBreaks() (err error) {
	if f.breaks, err = local.ParseBreaks(f.breakGiven); err != nil {
		return usage("--break: %w", err)
	}
	for _, b := range f.breaks {
		if f.noValidator && b.Cause.Judging() {
			return usage("--break %s fails the validator, and with --no-validator that is somewhere else: leave one of them "+
				"out", b)
		}
	}
	if f.app != "" && breaksApplication(f.breaks) {
		return usage("--break application breaks the demo application, and --app names another: leave one of them out")
	}
	return nil
}

// breakIn begins with what --break says. Without it the folder says what is still broken.
func (f devFlags) breakIn(data string) error {
	if len(f.breaks) == 0 {
		return nil
	}
	return local.BreakNow(data, f.breaks)
}

// rehearsal is the validator while something is broken: its edges can fail, and its tries come soon after each other.
func rehearsal(settings config.Config, at local.Endpoints, records upload.Records, log *slog.Logger) local.Function {
	settings.VisibilityTime = local.BrokenVisibility
	return compose(settings, local.FailingS3(at.AWS()), local.FailingRecords(records), nil, log).
		Validator(pipeline.ValidatorOptions{}).Handle
}
