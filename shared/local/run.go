package local

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"golang.org/x/sync/errgroup"

	"hatchery/shared/arrival"
)

// Function is what Lambda would call for a batch of messages.
type Function func(context.Context, events.SQSEvent) (events.SQSEventResponse, error)

// Handlers is what runs on a stack.
type Handlers struct {
	API http.Handler
	// Validate is called with what the queue holds; nil leaves it there, for a validator somewhere else.
	Validate Function
	// Rehearse is called in its place, with one message, while something is broken. Its edges fail as [FailingRecords]
	// and [FailingS3] do, and its messages are visible again after BrokenVisibility. Nil: nothing of it can be broken.
	Rehearse Function
	// NeedsWork says whether a version in quarantine still has work to do.
	NeedsWork func(ctx context.Context, key, version string) (bool, error)
}

// drainTime is how long requests may go on after the end was asked for; half of it until their contexts end too.
const drainTime = 6 * time.Second

// Run serves the API, hands the queue's messages to the validator and sweeps quarantine for lost events, until ctx
// ends; then it lets what is running come to its end, within a few seconds. Its error is nil when the end was asked
// for.
func (s *Stack) Run(ctx context.Context, h Handlers) error {
	s.rehearses = h.Rehearse
	s.obeyBreaks(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.serve(ctx, h.API) })
	if h.Validate != nil {
		group.Go(func() error { return s.validate(ctx, h.Validate) })
	} else {
		group.Go(func() error { return s.watchBreaks(ctx) })
	}
	group.Go(func() error { return s.sweepForever(ctx, h) })
	return group.Wait()
}

// validate hands the queue's messages to the validator until ctx ends.
func (s *Stack) validate(ctx context.Context, handler Function) error {
	if err := s.mapping(ctx, handler).Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("hand messages to the validator: %w", err)
	}
	return nil
}

func (s *Stack) serve(ctx context.Context, api http.Handler) error {
	served := make(chan error, 1)
	go func() { served <- s.api.Serve(bounded(api, s.o.RequestTime)) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve the API: %w", err)
	case <-ctx.Done():
		return s.api.CloseWithin(context.WithoutCancel(ctx), drainTime)
	}
}

// sweepForever sweeps at once and then every SweepEvery.
func (s *Stack) sweepForever(ctx context.Context, h Handlers) error {
	ticker := time.NewTicker(s.o.SweepEvery)
	defer ticker.Stop()
	for {
		sent, err := s.sweep(ctx, h)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			s.o.Log.ErrorContext(ctx, "sweep for lost events failed", "error", err)
		case sent > 0:
			s.o.Log.InfoContext(ctx, "sweep found uploads whose events were lost", "events", sent)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// sweep sends an event for every version in quarantine that has work to do and of which the queue and its dead letters
// hold no message. S3 itself never loses an event; the embedded one can, when it is killed between storing and sending.
func (s *Stack) sweep(ctx context.Context, h Handlers) (sent int, err error) {
	err = s.s3.Quarantined(ctx, func(c arrival.Created) error {
		needsWork, err := h.NeedsWork(ctx, c.Key, c.VersionID)
		if err != nil || !needsWork {
			return err
		}
		known, err := s.sqs.Holds(ctx, Queue, tag(c))
		if err != nil || known {
			return err
		}
		sent++
		return s.notify(ctx, c)
	})
	return sent, err
}
