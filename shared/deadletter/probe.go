package deadletter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"hatchery/shared/attempts"
	"hatchery/shared/upload"
	"hatchery/shared/wording"
)

// ErrNoProbe: none of the chosen letters has a pending upload, so that no verdict would come.
var ErrNoProbe = errors.New("no letter that was chosen has a pending upload: there is no verdict to wait for")

// Probed is what became of a probe.
type Probed struct {
	// Result is that of the redrive. Unless it is done, nothing was waited for.
	Result Result `json:"result"`
	// Status is that of the upload when the wait ended.
	Status upload.Status `json:"status,omitempty"`
	// Verdict: the validator came to one. Redriving the others makes sense.
	Verdict bool `json:"verdict"`
	// FailedAgain: the cause is not mended yet.
	FailedAgain bool `json:"failed_again,omitempty"`
	// Left is how often a message that failed again is still tried.
	Left int `json:"-"`
	// Sentence says for a person what happened.
	Sentence string `json:"sentence"`
}

const (
	firstLook = time.Second
	laterLook = 2 * time.Second
)

// Probe redrives the oldest chosen letter with a pending upload, and waits for its verdict: until the upload is
// not pending any more, or a new failure is in its record or noted as an attempt, or wait is over.
func (r *Review) Probe(ctx context.Context, p Plan, o Options, wait time.Duration) (Probed, error) {
	if p.Action != Redrive {
		return Probed{}, fmt.Errorf("a probe is a redrive, and the plan is to %s", p.Action)
	}
	id, ref, err := r.oldestPending(ctx, p)
	if err != nil {
		return Probed{}, err
	}
	before, err := r.Records.Get(ctx, ref)
	if err != nil {
		return Probed{}, fmt.Errorf("get record %s: %w", ref, err)
	}
	noted, err := r.attemptKeys(ctx, ref.ID)
	if err != nil {
		return Probed{}, err
	}
	p.Chosen, p.Selection = map[string]Cause{id: p.Chosen[id]}, Selection{Messages: []string{id}}
	audit, err := r.Act(ctx, p, o)
	if err != nil {
		return Probed{}, err
	}
	probed := Probed{Result: audit.Results[0]}
	if probed.Result.Result != ResultDone {
		probed.Sentence = fmt.Sprintf("%s: %s", probed.Result.Result, probed.Result.Detail)
		return probed, nil
	}
	return r.awaitVerdict(ctx, probed, before, noted, wait)
}

// oldestPending finds the chosen letter that was sent first, and its pending upload.
func (r *Review) oldestPending(ctx context.Context, p Plan) (id string, ref upload.Ref, err error) {
	var sentAt time.Time
	err = r.Letters(ctx, p.Snapshot, func(l Letter) error {
		if _, chosen := p.Chosen[l.MessageID]; !chosen || id != "" && !l.SentAt.Before(sentAt) {
			return nil
		}
		for _, a := range l.Arrivals {
			if a.Status == upload.Pending {
				id, sentAt = l.MessageID, l.SentAt
				ref = a.Ref()
			}
		}
		return nil
	})
	if err == nil && id == "" {
		err = ErrNoProbe
	}
	return id, ref, err
}

// awaitVerdict looks at the record and at the attempts until they say what became of a redriven message. A validator
// that cannot write the record notes an attempt all the same.
func (r *Review) awaitVerdict(ctx context.Context, probed Probed, before upload.Record, noted []upload.Key,
	wait time.Duration) (Probed, error) {
	end := r.Now().Add(wait)
	for pause := firstLook; ; pause = laterLook {
		if err := r.sleep(ctx, pause); err != nil {
			return probed, fmt.Errorf("wait for the verdict about upload %s: %w", before.ID, err)
		}
		record, err := r.Records.Get(ctx, before.Ref())
		probed.Status = record.Status
		switch {
		case err == nil && record.Status != upload.Pending:
			probed.Verdict, probed.Sentence = true, verdictOf(record)
			return probed, nil
		case err == nil && record.Failures > before.Failures && record.LastFailure != nil:
			probed.FailedAgain, probed.Sentence = true, "failed again: "+record.LastFailure.Message
			probed.Left = max(r.MaxReceives-(record.Failures-before.Failures), 0)
			return probed, nil
		}
		if failed := r.failedSince(ctx, before.ID, noted); failed != nil {
			probed.FailedAgain, probed.Sentence = true, "failed again: "+failed.Failures[0].Error
			probed.Left = max(failed.MaxReceives-failed.Receive, 0)
			return probed, nil
		}
		switch {
		case r.Now().Before(end):
			continue // a store that fails now may be what is mended: the next look tells
		case err != nil:
			probed.Sentence = fmt.Sprintf("no verdict within %v, and the record cannot be read: %v", wait, err)
		default:
			probed.Sentence = fmt.Sprintf("no verdict within %v: if the cause is not mended, the message comes back "+
				"among the dead letters", wait)
		}
		return probed, nil
	}
}

// attemptKeys gives where the attempts at an upload's messages lie.
func (r *Review) attemptKeys(ctx context.Context, id upload.ID) ([]upload.Key, error) {
	prefix := attempts.Prefix + string(id) + "/"
	page, err := r.Notes.List(ctx, prefix, "", maxAttempts)
	if err != nil {
		return nil, fmt.Errorf("list the attempts %q: %w", prefix, err)
	}
	return page.Keys, nil
}

// failedSince gives the attempt that failed at the last reception of those that were not noted before; nil is none.
// What cannot be read now is read at the next look.
func (r *Review) failedSince(ctx context.Context, id upload.ID, noted []upload.Key) (failed *attempts.Attempt) {
	keys, err := r.attemptKeys(ctx, id)
	if err != nil {
		return nil
	}
	for _, key := range keys {
		if slices.Contains(noted, key) {
			continue
		}
		a, err := attempts.Read(ctx, r.Notes, key)
		if err == nil && len(a.Failures) > 0 && (failed == nil || a.Receive > failed.Receive) {
			failed = &a
		}
	}
	return failed
}

// NotMended says to a person what follows from a probe that failed again.
func (p Probed) NotMended() string {
	const mend = "The cause is not mended yet: mend it, then redrive the others. This one "
	if p.Left == 0 {
		return mend + "was tried for the last time, and comes back among the dead letters: list again."
	}
	return mend + fmt.Sprintf("is tried %s more, and comes back among the dead letters if it fails each time.",
		wording.Count(p.Left, "time"))
}

func verdictOf(r upload.Record) string {
	if r.Status == upload.Rejected && r.Reason != nil {
		return fmt.Sprintf("rejected as %s: %s", r.Reason.Code, r.Reason.Message)
	}
	return string(r.Status)
}
