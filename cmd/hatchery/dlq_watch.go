package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"hatchery/shared/queue"
)

func dlqWatchCommand(term terminal) *cobra.Command {
	var f dlqFlags
	command := &cobra.Command{
		Use:   "watch",
		Short: "Say how many messages and dead letters there are, whenever it changes",
		Long: `Watch asks both queues for their counts every few seconds and prints a line when they
change, until it is interrupted. It receives nothing, so that it hides nothing.`,
		Example: `  hatchery dlq watch --stack hatchery`,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return watchQueues(cmd.Context(), f, term) },
	}
	f.add(command.Flags())
	return command
}

// watchEvery is how often queues are asked. Their counts are no younger in SQS.
const watchEvery = 3 * time.Second

func watchQueues(ctx context.Context, f dlqFlags, term terminal) (err error) {
	r, err := openReview(ctx, f.deploymentFlags, term)
	if err != nil {
		return err
	}
	defer closing(&err, r.deployment.close)
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	var last queueCounts
	for first := true; ; first = false {
		counts, err := r.counts(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return system(err)
		case first || counts != last:
			if err := counts.print(term.out, f.json, r.Now()); err != nil {
				return system(err)
			}
		}
		last = counts
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// queueCounts are those of both queues.
type queueCounts struct {
	Waiting      int `json:"waiting"` // for the validator, delayed ones included
	InFlight     int `json:"in_flight"`
	DeadLetters  int `json:"dead_letters"`
	DeadInFlight int `json:"dead_letters_in_flight"`
}

func (r *review) counts(ctx context.Context) (queueCounts, error) {
	source, err := r.source.Inspect(ctx)
	if err != nil {
		return queueCounts{}, fmt.Errorf("the validator's queue: %w", err)
	}
	dead, err := r.dead.Inspect(ctx)
	if err != nil && !errors.Is(err, queue.ErrDeadLettersMove) {
		return queueCounts{}, fmt.Errorf("the dead-letter queue: %w", err)
	}
	return queueCounts{source.Visible + source.Delayed, source.InFlight, dead.Visible + dead.Delayed, dead.InFlight}, nil
}

func (c queueCounts) print(out io.Writer, asJSON bool, now time.Time) error {
	if asJSON {
		return printJSON(out, struct {
			At time.Time `json:"at"`
			queueCounts
		}{now.UTC(), c})
	}
	_, err := fmt.Fprintf(out,
		"%s  uploads: %s waiting, %s being judged   dead letters: %s waiting, %s in somebody's hands\n",
		now.UTC().Format(time.TimeOnly), grouped(int64(c.Waiting)), grouped(int64(c.InFlight)),
		grouped(int64(c.DeadLetters)), grouped(int64(c.DeadInFlight)))
	return err
}
