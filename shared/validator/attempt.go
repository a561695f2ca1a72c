package validator

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"hatchery/shared/attempts"
	"hatchery/shared/upload"
)

// answerTime is left free before the deadline: who misses it fails the whole batch.
const answerTime = 250 * time.Millisecond

// keepBegun notes that the last receptions have begun: those of the whole batch beforehand, because a message that
// ends the function ends it for its neighbours, too. All puts together take attemptTime at most.
func (v *Validator) keepBegun(ctx context.Context, deliveries []*delivery) {
	deadline, _ := ctx.Deadline()
	ctx, cancel := v.attemptContext(ctx)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(max(v.Concurrency, 1))
	for _, d := range deliveries {
		if d.attempt == nil {
			continue
		}
		d.attempt.Began, d.attempt.Deadline = v.Now().UTC(), deadline.UTC()
		group.Go(func() error {
			d.keepAttempt(ctx)
			return nil
		})
	}
	_ = group.Wait() // every function returns nil
}

// keepEnded notes why this reception failed.
func (d *delivery) keepEnded(ctx context.Context) {
	if d.attempt == nil {
		return
	}
	d.attempt.Ended = d.Now().UTC()
	for _, f := range d.failures[:min(len(d.failures), attempts.MaxFailures)] {
		d.attempt.Failures = append(d.attempt.Failures, attempts.Failure{Key: f.key, Version: f.version,
			UploadID: f.ref.ID, Error: upload.FailureText(f.err.Error()), Cause: upload.FailureText(causeOf(f.err))})
	}
	ctx, cancel := d.attemptContext(ctx)
	defer cancel()
	d.keepAttempt(ctx)
}

// attemptTime bounds a put of an attempt, so that a bucket that hangs costs a message little of its time: a second, or
// a third of a margin that is longer than the usual one.
func (v *Validator) attemptTime() time.Duration { return max(time.Second, v.Margin/3) }

// attemptContext is for puts of attempts. That the caller gives up does not end them, because they are for when
// something goes wrong; the deadline does.
func (v *Validator) attemptContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), min(v.attemptTime(), v.remaining(ctx)-answerTime))
}

// keepAttempt puts the attempt. Nothing depends on it: what goes wrong is logged.
func (d *delivery) keepAttempt(ctx context.Context) {
	defer func() {
		if p := recover(); p != nil {
			d.logLostAttempt(ctx, fmt.Errorf("%w: %v", errPanicked, p))
		}
	}()
	note, err := d.attempt.Marshal()
	if err == nil {
		err = d.Attempts.Put(ctx, attempts.Key(d.firstUpload(), d.message.MessageId, d.attempt.Receive), note)
	}
	if err != nil {
		d.logLostAttempt(ctx, err)
	}
}

func (d *delivery) logLostAttempt(ctx context.Context, err error) {
	d.log.WarnContext(ctx, "attempt could not be noted", "error", err)
}

// firstUpload is the first upload that the message names in our quarantine; "" when it names none.
func (d *delivery) firstUpload() upload.ID {
	parsed, err := d.parse()
	if err != nil {
		return ""
	}
	for _, created := range parsed.Created {
		if ref, ours := d.Layout.ParseQuarantineKey(upload.Key(created.Key)); ours && created.Bucket == d.Bucket {
			return ref.ID
		}
	}
	return ""
}
