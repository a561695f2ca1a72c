package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"hatchery/shared/upload"
)

// The pauses between two polls of a pending record double.
const (
	firstPoll = 50 * time.Millisecond
	maxPoll   = time.Second
)

// status answers with the record, a tombstone's too. With wait= it waits for the verdict.
func (h *handler) status(c *call) error {
	wait, err := h.waitOf(c)
	if err != nil {
		return err
	}
	verdict, stop := h.Verdicts.next(c.Ref) // before the record is read, so that none is missed
	defer stop()
	record, err := h.record(c)
	if err == nil && record.Status == upload.Pending && wait > 0 {
		record, err = h.await(c, record, wait, verdict)
	}
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, record)
}

// waitOf is how long the caller is to wait. A longer wait= means MaxWait: the caller asks again anyway.
func (h *handler) waitOf(c *call) (time.Duration, error) {
	values, err := parseQuery(c.r.URL)
	if err != nil || !values.Has("wait") {
		return 0, err
	}
	seconds, err := strconv.ParseUint(values.Get("wait"), 10, 31)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // out of range it is the largest number
		return 0, newProblem(badRequest, "wait is a number of seconds, 0 to 20.")
	}
	return min(time.Duration(seconds)*time.Second, h.MaxWait), nil
}

// record finds the record of the path.
func (h *handler) record(c *call) (upload.Record, error) {
	record, err := h.Pipeline.Records.Get(c.r.Context(), c.Ref)
	if err != nil {
		return upload.Record{}, fmt.Errorf("get record %s: %w", c.Ref, err)
	}
	return record, nil
}

// await polls a pending record, ever more seldom and when there is a verdict, until it has one or the time is over. It
// ends early when the caller hangs up or the handler is stopping, and at once when too many wait already.
func (h *handler) await(c *call, record upload.Record, wait time.Duration,
	verdict <-chan struct{}) (upload.Record, error) {
	select {
	case h.waiters <- struct{}{}:
		defer func() { <-h.waiters }()
	default:
		return record, nil
	}
	ctx, cancel := until(c.r.Context(), h.Stopping)
	defer cancel()
	sleeping, cancelSleep := until(ctx, verdict)
	defer cancelSleep()
	// What was slept is summed up, so that a clock that jumps ends nothing early.
	for pause := firstPoll; record.Status == upload.Pending && wait > 0; pause = min(pause*2, maxPoll) {
		pause = min(pause, wait)
		wait -= pause
		err := h.limits.Sleep(sleeping, pause)
		if ctx.Err() != nil {
			return record, nil // cut short: the record as it stands is the answer
		}
		if err != nil {
			sleeping = ctx // woken: if it was told before it is settled, it is polled from now on
		}
		if record, err = h.record(c); err != nil {
			return upload.Record{}, err
		}
	}
	return record, nil
}

// until is a context that ends with an event, too; nil never happens.
func until(parent context.Context, event <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	if event != nil {
		go func() {
			select {
			case <-event:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	return ctx, cancel
}
