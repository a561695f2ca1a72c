package deadletter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"hatchery/shared/queue"
	"hatchery/shared/upload"
)

const (
	// actTimeout bounds what is done with one message once it was begun: the end of ctx does not end it, so
	// that an interruption leaves nothing half done.
	actTimeout = time.Minute
	// maxFailing failures in a row end an action: nothing works any more.
	maxFailing = 10
)

// errNotBegun: ctx ended before anything was done with a message.
var errNotBegun = errors.New("not begun")

// skipped is why a message was left alone.
type skipped string

func (s skipped) Error() string { return string(s) }

// finished is by whom another action had been done with a message, so that it was deleted alone.
type finished string

func (f finished) Error() string { return string(f) }

// Act does what was planned. It receives until it has met all that was chosen, or all that can be
// received; it diagnoses each message again, acts on it, and gives back what it does not delete.
//
// An error of one message is a Result, and the others go on. Act gives an error when it ended before it had met
// what it could: ctx ended, the queue failed, or message after message did. The audit says what was done
// until then, and the same plan can be acted on again.
func (r *Review) Act(ctx context.Context, p Plan, o Options) (Audit, error) {
	if p.Action != Redrive && p.Action != Reject && p.Action != Discard {
		return Audit{}, fmt.Errorf("%q is no action on a listing: want redrive, reject or discard", p.Action)
	}
	if p.Action != Redrive && strings.TrimSpace(o.Reason) == "" {
		return Audit{}, fmt.Errorf("%s needs a reason", p.Action)
	}
	if p.Action == Reject {
		if err := upload.CheckWords(o.Reason); err != nil {
			return Audit{}, err
		}
	}
	x, err := r.begin(ctx, Audit{Action: p.Action, Reason: o.Reason, Snapshot: p.Snapshot.ID, Selection: p.Selection,
		Chosen: len(p.Chosen)}, o)
	if err != nil {
		return Audit{}, err
	}
	if len(p.Chosen) == 0 {
		return x.end(ctx, nil)
	}
	met := map[string]bool{}
	begins := func(id string) bool { // also when it is met: then no more are needed
		x.mu.Lock()
		defer x.mu.Unlock()
		if x.stopped != nil {
			return false
		}
		met[id] = true
		return true
	}
	enough := func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.stopped != nil || len(met) == len(p.Chosen)
	}
	err = r.sweep(ctx, enough, func(ctx context.Context, m queue.Received) bool {
		was, chosen := p.Chosen[m.ID]
		if !chosen || !begins(m.ID) {
			return false
		}
		letter, err := x.act(ctx, m, was)
		return x.became(resultOf(letter, m.ID), err) == ResultDone
	})
	if err == nil && x.stopped == nil {
		for _, id := range slices.Sorted(maps.Keys(p.Chosen)) {
			if !met[id] {
				x.note(x.notMet(ctx, id))
			}
		}
	}
	return x.end(ctx, err)
}

// notMet says what is known of a message that was chosen and could not be received: an earlier action, a probe, or a
// run that was interrupted may have done it.
func (x *run) notMet(ctx context.Context, id string) Result {
	done, err := x.doneWith(ctx, id)
	if err != nil || done == nil {
		return Result{MessageID: id, Result: ResultMissing, Detail: "in other hands, or gone"}
	}
	result := Result{MessageID: id, Result: ResultSkipped, Detail: fmt.Sprintf("already %v: nothing was done now", done)}
	if done.Action == x.audit.Action {
		result.Result = ResultEarlier
	}
	return result
}

// run is an action that is running.
type run struct {
	*Review
	options Options

	mu      sync.Mutex
	audit   Audit
	failing int       // failures in a row
	stopped error     // why nothing works any more
	next    time.Time // when the next message may be sent
}

// begin writes the audit, without which nothing is done.
func (r *Review) begin(ctx context.Context, a Audit, o Options) (*run, error) {
	a, err := r.BeginAudit(ctx, a)
	if err != nil {
		return nil, fmt.Errorf("%s dead letters: %w", a.Action, err)
	}
	return &run{Review: r, options: o, audit: a}, nil
}

// end ends the run. err is why it ended early.
func (x *run) end(ctx context.Context, err error) (Audit, error) {
	if err = cmp.Or(err, x.stopped); err != nil {
		err = fmt.Errorf("%s dead letters, run %s: %w", x.audit.Action, x.audit.ID, err)
	}
	err = x.EndAudit(ctx, &x.audit, err)
	return x.audit, err
}

// became notes what became of a message by the error that it ended with, and gives the Result.
func (x *run) became(r Result, err error) string {
	_, left := errors.AsType[skipped](err)
	_, deleted := errors.AsType[finished](err)
	switch {
	case errors.Is(err, errNotBegun):
		return ""
	case err == nil:
		r.Result = ResultDone
	case left || deleted:
		r.Result, r.Detail = ResultSkipped, err.Error()
	default:
		r.Result, r.Detail = ResultFailed, err.Error()
	}
	x.note(r)
	if r.Result == ResultFailed && !errors.Is(err, queue.ErrRefused) && !errors.Is(err, queue.ErrReceipt) {
		x.fails(err)
	}
	return r.Result
}

// note keeps a result, and tells of it.
func (x *run) note(r Result) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if r.Result != ResultFailed {
		x.failing = 0
	}
	x.audit.Counts[r.Result]++
	x.audit.Results = append(x.audit.Results, r)
	if x.options.Done != nil {
		x.options.Done(r)
	}
}

// fails counts a failure that is not the message's own, and stops the run after too many in a row.
func (x *run) fails(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.failing++; x.failing == maxFailing {
		x.stopped = fmt.Errorf("stopped after %d failures in a row, the last: %w", x.failing, err)
	}
}

// act does to one message what was planned, for the cause that it had.
func (x *run) act(ctx context.Context, m queue.Received, was Cause) (Letter, error) {
	done, err := x.intentOf(ctx, m.ID)
	if err != nil {
		return Letter{}, begun(ctx, err)
	}
	if !done.DoneAt.IsZero() {
		return Letter{}, x.deleteOnly(ctx, m, done)
	}
	letter, err := x.explain(ctx, m, false)
	if err != nil {
		return letter, begun(ctx, fmt.Errorf("diagnose it again: %w", err))
	}
	if why := x.changed(letter, was); why != "" {
		return letter, skipped(why)
	}
	if err := x.turn(ctx, m.Receipt); err != nil {
		return letter, begun(ctx, err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), actTimeout)
	defer cancel()
	switch x.audit.Action {
	case Redrive:
		err = x.redrive(ctx, m)
	case Reject:
		err = x.reject(ctx, letter)
	default:
		err = x.save(ctx, letter)
	}
	if err == nil {
		err = x.remove(ctx, m)
	}
	return letter, err
}

// begun gives errNotBegun in the place of err where ctx ended.
func begun(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errNotBegun
	}
	return err
}

// resultOf begins the result of a letter: it names its first upload.
func resultOf(l Letter, message string) Result {
	for _, a := range l.Arrivals {
		if a.UploadID != "" {
			return Result{MessageID: message, UploadID: a.UploadID, Upload: NameOf(a.Ref())}
		}
	}
	return Result{MessageID: message}
}

// changed says what is different since the listing, so that the action does not take the letter; "" is nothing.
func (x *run) changed(l Letter, was Cause) string {
	if x.audit.Action == Reject {
		// An interrupted run may have rejected it with these words: that is its own change, and it goes on.
		if arrivals, why := rejectable(l, x.options.Reason); why == "" && arrivals[0].Status != upload.Pending {
			return ""
		}
	}
	if is := l.Diagnosis.Cause; is != was {
		return fmt.Sprintf("was %s, is %s", was, is)
	}
	return notEligible(x.audit.Action, l)
}

// turn waits until one more message may be sent, and hides this one anew: it may have waited long.
func (x *run) turn(ctx context.Context, receipt string) error {
	if x.audit.Action != Redrive || x.options.PerSecond == 0 {
		return ctx.Err()
	}
	if err := x.waitTurn(ctx); err != nil {
		return err
	}
	if err := x.DeadLetters.Hide(ctx, []string{receipt}, hidden); err != nil {
		return fmt.Errorf("hide it for longer: %w", err)
	}
	return nil
}

// waitTurn waits so that no more than PerSecond messages are sent in a second.
func (x *run) waitTurn(ctx context.Context) error {
	if x.options.PerSecond == 0 {
		return ctx.Err()
	}
	x.mu.Lock()
	now := x.Now()
	at := x.next
	if at.Before(now) {
		at = now
	}
	x.next = at.Add(time.Second / time.Duration(x.options.PerSecond))
	x.mu.Unlock()
	return x.sleep(ctx, at.Sub(now))
}

// sleep waits, or gives why ctx ended.
func (r *Review) sleep(ctx context.Context, d time.Duration) error {
	if d > 0 {
		select {
		case <-ctx.Done():
		case <-r.After(d):
		}
	}
	return ctx.Err()
}

// deleteOnly ends what an earlier run had done but for the deletion.
func (x *run) deleteOnly(ctx context.Context, m queue.Received, done intent) error {
	if err := x.remove(ctx, m); err != nil {
		return err
	}
	if done.Action != x.audit.Action {
		return finished(fmt.Sprintf("%s by %s was done at %s: only its message was left, and is deleted now",
			done.Action, done.Operator, done.DoneAt.Format(time.RFC3339)))
	}
	return nil
}

// remove deletes a message with which all was done.
func (x *run) remove(ctx context.Context, m queue.Received) error {
	if err := x.DeadLetters.Delete(ctx, m.Receipt); err != nil {
		return fmt.Errorf("all was done but deleting the message, which another run will do: %w", err)
	}
	return nil
}
