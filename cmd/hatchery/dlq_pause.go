package main

import (
	"context"
	"encoding/json"
	"errors"
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
	command := &cobra.Command{
		Use: use, Short: short, Long: long, Args: noArguments,
		Example: fmt.Sprintf("  hatchery dlq %s --stack hatchery\n  hatchery dlq %s --data .hatchery", use, use),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return changeMapping(cmd.Context(), f, term, use, do)
		},
	}
	f.add(command.Flags())
	return command
}

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
	audit, err := beginAudit(ctx, r.deployment, deadletter.Audit{Action: deadletter.Action(use)}, term)
	if err != nil {
		return err
	}
	if err := do(ctx, m); err != nil {
		audit.Error = err.Error()
		return errors.Join(err, endAudit(ctx, r.deployment, audit, nil))
	}
	if err := endAudit(ctx, r.deployment, audit, nil); err != nil {
		return err
	}
	state, err := m.State(ctx)
	if err != nil {
		return err
	}
	if f.json {
		return json.NewEncoder(term.out).Encode(map[string]string{"mapping": state})
	}
	_, err = fmt.Fprintf(term.out, "The event source mapping is %s.\n", state)
	return err
}
