package deadletter

import (
	"context"
	"errors"
	"fmt"
	"time"

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
	// Sentence says for a person what happened.
	Sentence string `json:"sentence"`
}

const (
	firstLook = time.Second
	laterLook = 2 * time.Second
)

// Probe redrives the oldest chosen letter with a pending upload, and waits for its verdict: until the upload is
// not pending any more, or its record counts a new failure, or wait is over.
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
	return r.awaitVerdict(ctx, probed, before, wait)
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

// awaitVerdict looks at the record until it says what became of a redriven message.
func (r *Review) awaitVerdict(ctx context.Context, probed Probed, before upload.Record,
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
			return probed, nil
		case r.Now().Before(end):
			continue // a store that fails now may be what is mended: the next look tells
		case err != nil:
			probed.Sentence = fmt.Sprintf("no verdict within %v, and the record cannot be read: %v", wait, err)
		default:
			probed.Sentence = fmt.Sprintf("no verdict within %v: is the mapping paused?", wait)
		}
		return probed, nil
	}
}

// NotMended says to a person what follows from a probe that failed again.
func (r *Review) NotMended() string {
	return fmt.Sprintf("The cause is not mended yet: mend it, then redrive the others. This one is tried %s more, and "+
		"comes back among the dead letters if it fails each time.", wording.Count(max(r.MaxReceives-1, 0), "time"))
}

func verdictOf(r upload.Record) string {
	if r.Status == upload.Rejected && r.Reason != nil {
		return fmt.Sprintf("rejected as %s: %s", r.Reason.Code, r.Reason.Message)
	}
	return string(r.Status)
}
