package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"hatchery/shared/deadletter"
)

func dlqPauseCommand(term terminal) *cobra.Command {
	return mappingCommand(term, "pause", "Let messages wait, so that none uses up its tries while something is down",
		`Pause stops the event source mapping between the queue and the validator, and returns once
it is stopped. Messages wait in the queue then, for four days in AWS, and no reception of
theirs is counted; what is being judged comes to its end. Uploads are accepted as before.
hatchery dlq resume ends it.`,
		func(ctx context.Context, m mapping) error { return m.Pause(ctx) })
}

func dlqResumeCommand(term terminal) *cobra.Command {
	return mappingCommand(term, "resume", "Let the validator go on",
		`Resume starts the event source mapping between the queue and the validator that hatchery dlq
pause stopped, and returns once it runs.`,
		func(ctx context.Context, m mapping) error { return m.Resume(ctx) })
}

// mappingCommand is a command that changes the event source mapping and says how it is then.
func mappingCommand(term terminal, use, short, long string, do func(context.Context, mapping) error) *cobra.Command {
	var f dlqFlags
	var dryRun bool
	command := &cobra.Command{
		Use: use, Short: short, Long: long, Args: noArguments,
		Example: fmt.Sprintf("  hatchery dlq %s --stack hatchery\n  hatchery dlq %s --data .hatchery", use, use),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dryRun {
				do = nil
			}
			return changeMapping(cmd.Context(), f, term, use, do)
		},
	}
	f.add(command.Flags())
	command.Flags().BoolVar(&dryRun, "dry-run", false, "say how it is, and change nothing")
	return command
}

// traced does something and leaves a trace of it. It does it also when no trace can be kept: the bucket may be what
// is down.
func traced(ctx context.Context, r *deadletter.Review, action deadletter.Action, term terminal, do func() error) error {
	audit, lost := beginAudit(ctx, r, deadletter.Audit{Action: action}, term)
	err := do()
	if err != nil {
		audit.Error = err.Error()
	}
	if lost == nil {
		lost = endAudit(ctx, r, audit, nil)
	}
	if lost != nil {
		fmt.Fprintf(term.err, "no trace of it is kept in the bucket: %v\n", lost)
	}
	return err
}

// changeMapping changes the mapping, or without do only says how it is.
func changeMapping(ctx context.Context, f dlqFlags, term terminal, use string,
	do func(context.Context, mapping) error) (err error) {
	r, err := openReview(ctx, f.deploymentFlags, term)
	if err != nil {
		return err
	}
	defer closing(&err, r.deployment.close)
	m, err := r.deployment.mapping()
	if err != nil {
		return err
	}
	if do != nil {
		if err := traced(ctx, r.Review, deadletter.Action(use), term, func() error { return do(ctx, m) }); err != nil {
			return err
		}
	}
	state, err := m.State(ctx)
	if err != nil {
		return err
	}
	if f.json {
		return printJSON(term.out, map[string]string{"mapping": state})
	}
	_, err = fmt.Fprintf(term.out, "The event source mapping is %s.\n", state)
	return err
}
