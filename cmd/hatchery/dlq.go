package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"hatchery/shared/config"
	"hatchery/shared/deadletter"
	"hatchery/shared/queue"
	"hatchery/shared/queue/sqsqueue"
	"hatchery/shared/upload"
	"hatchery/shared/wording"
)

// dlqCommand is `hatchery dlq`: everything that is done about dead letters.
func dlqCommand(term terminal) *cobra.Command {
	command := &cobra.Command{
		Use:   "dlq",
		Short: "See what died, why, and put right what should be",
		Long: `Dead letters are messages that the validator failed on as often as the queue allows.
Nothing is lost with one: its upload waits, and its bytes are in quarantine.

  hatchery dlq ls        what died and why, in groups, and how long each message is kept
  hatchery dlq show      one of them with its upload and every error that was kept
  hatchery dlq redrive   send them to the validator again
  hatchery dlq reject    give their uploads up, with words for the uploader
  hatchery dlq discard   remove what has nothing left to do
  hatchery dlq restore   take a discard back
  hatchery dlq pause     let no message be tried while something is down; resume ends it
  hatchery dlq watch     how many there are, as it changes

Begin with ls. The others act on what it listed: what has changed since is left alone,
and said. All of them take --stack NAME (a deployment in AWS), or --data DIR (a running
hatchery dev), or the settings of the environment.`,
		Args: oneOfItsCommands,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	command.AddCommand(dlqListCommand(term), dlqShowCommand(term), dlqRedriveCommand(term), dlqRejectCommand(term),
		dlqDiscardCommand(term), dlqRestoreCommand(term), dlqPauseCommand(term), dlqResumeCommand(term),
		dlqWatchCommand(term))
	return command
}

// dlqFlags are those of every command about dead letters.
type dlqFlags struct {
	deploymentFlags
	json bool
}

func (f *dlqFlags) add(flags *pflag.FlagSet) {
	addDeploymentFlags(flags, &f.deploymentFlags)
	flags.BoolVar(&f.json, "json", false, "print JSON, one object a line")
}

// review is an opened deployment with its queues and who acts.
type review struct {
	*deadletter.Review
	deployment *deployment
	source     *sqsqueue.Queue
	dead       *sqsqueue.Queue
}

// openReview finds the queues of a deployment, and who acts.
func openReview(ctx context.Context, f deploymentFlags, term terminal) (*review, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	f.records = cmp.Or(f.records, config.RecordsSQLite)
	dep, err := openDeployment(ctx, f, term)
	if err != nil {
		return nil, err
	}
	r, err := reviewOf(ctx, dep, term)
	if err != nil {
		return nil, errors.Join(err, dep.close())
	}
	return r, nil
}

func reviewOf(ctx context.Context, dep *deployment, term terminal) (*review, error) {
	who, err := dep.operator(ctx)
	if err != nil {
		return nil, err
	}
	source := dep.Queue()
	dead, err := source.DeadLetterQueue(ctx)
	if err != nil {
		return nil, system(err)
	}
	r := dep.Review(dead, who)
	r.Log = operatorsLog(term)
	return &review{Review: r, deployment: dep, source: source, dead: dead}, nil
}

// selectionFlags choose letters of a listing.
type selectionFlags struct {
	snapshot, cause, group, journal, entry, name, code string
	olderThan                                          time.Duration
	obsolete                                           bool
}

func (s *selectionFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&s.snapshot, "snapshot", "", "of the listing with this `id` (default: the newest, whoever made it)")
	flags.StringVar(&s.cause, "cause", "", "only those of this `cause`: "+wording.List(deadletter.Causes()))
	flags.StringVar(&s.group, "group", "", "only those of the groups that begin with this `text`")
	flags.StringVar(&s.journal, "journal", "", "only those about uploads of this `journal`")
	flags.StringVar(&s.entry, "entry", "", "only those about uploads of this `entry`")
	flags.StringVar(&s.name, "name", "", "only those about uploads whose name has this `text`, whatever its case")
	flags.StringVar(&s.code, "code", "", "only those about uploads that were rejected with this `code`")
	flags.DurationVar(&s.olderThan, "older-than", 0,
		"only those that were sent longer ago than this `duration`, 90m for instance")
	flags.BoolVar(&s.obsolete, "obsolete", false, "only those that have nothing left to do: the same as --cause obsolete")
}

// words are the flags that choose, but for the cause.
func (s selectionFlags) words() string {
	var b strings.Builder
	for _, flag := range []struct{ name, value string }{{"snapshot", s.snapshot}, {"group", s.group},
		{"journal", s.journal}, {"entry", s.entry}, {"name", s.name}, {"code", s.code}} {
		if flag.value != "" {
			fmt.Fprintf(&b, " --%s %s", flag.name, shellWord(flag.value))
		}
	}
	if s.olderThan > 0 {
		fmt.Fprintf(&b, " --older-than %v", s.olderThan)
	}
	return b.String()
}

// letterID is the id that an argument names a letter by: of a message or an upload, or as ls names an upload.
func letterID(arg string) string { return arg[strings.LastIndexByte(arg, '/')+1:] }

// selection reads the flags; messages are the arguments.
func (s selectionFlags) selection(messages []string) (deadletter.Selection, error) {
	ids := make([]string, len(messages))
	for i, message := range messages {
		ids[i] = letterID(message)
	}
	if s.obsolete && s.cause != "" && s.cause != string(deadletter.Obsolete) {
		return deadletter.Selection{}, usage("--obsolete and --cause %s: found both; name one", s.cause)
	}
	if s.obsolete {
		s.cause = string(deadletter.Obsolete)
	}
	if s.olderThan < 0 {
		return deadletter.Selection{}, usage("--older-than: found %v; accepted: a duration like 90m or 24h", s.olderThan)
	}
	chosen := deadletter.Selection{Messages: ids, Cause: deadletter.Cause(s.cause), Group: s.group,
		Journal: upload.Journal(s.journal), Entry: upload.Entry(s.entry), Name: s.name, Code: upload.Code(s.code),
		OlderThan: s.olderThan}
	if err := chosen.Check(); err != nil {
		return deadletter.Selection{}, usage("--%w", err)
	}
	return chosen, nil
}

// dlqError is what a command about dead letters ends with.
func dlqError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, deadletter.ErrNoSnapshot):
		return usage("%w: hatchery dlq ls makes one, and hatchery dlq ls --snapshots lists those that are kept", err)
	case errors.Is(err, queue.ErrDeadLettersMove):
		return system(fmt.Errorf("%w\nNothing was received", err))
	}
	return system(err)
}
