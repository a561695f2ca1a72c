package deadletter

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"hatchery/shared/upload"
	"hatchery/shared/wording"
)

// Done is what was done with a dead letter. Its message is no dead letter any more.
type Done struct {
	Action   Action    `json:"action"`
	Operator string    `json:"operator"`
	At       time.Time `json:"at"`
}

// String says it for a person.
func (d Done) String() string {
	did := map[Action]string{Redrive: "redriven", Reject: "rejected", Discard: "discarded", Restore: "restored"}
	return fmt.Sprintf("%s by %s at %s", did[d.Action], d.Operator, wording.Stamp(d.At))
}

// Then says what follows from it for who looks at the old letter.
func (d Done) Then() string {
	if d.Action == Redrive || d.Action == Restore {
		return "if it failed again, it is a new dead letter: list again"
	}
	return "nothing is left to do with it"
}

// doneWith says what was done with a message; nil is nothing.
func (r *Review) doneWith(ctx context.Context, message string) (*Done, error) {
	found, err := r.intentOf(ctx, message)
	if err == nil && found.DoneAt.IsZero() {
		found, err = r.discardOf(ctx, message)
	}
	if err != nil || found.DoneAt.IsZero() {
		return nil, err
	}
	return &Done{found.Action, found.Operator, found.DoneAt}, nil
}

// Since is what was done after a listing was begun.
type Since struct {
	Actions []Audit // newest first
	// Done has the letters that are no dead letters any more, by their message ids.
	Done map[string]Done
}

// maxSince is how many actions are looked at, the newest.
const maxSince = 20

// Since says what was done with letters after a listing was begun. What an action that was killed had done, nobody
// has written down: it is not here.
func (r *Review) Since(ctx context.Context, s Snapshot) (Since, error) {
	since := Since{Done: map[string]Done{}}
	second, _, _ := strings.Cut(s.ID, "-") // ids begin with when they were made
	var last []upload.Key
	err := r.eachNote(ctx, auditPrefix, func(keys []upload.Key) error {
		for _, key := range keys {
			if strings.TrimPrefix(string(key), auditPrefix) >= second {
				last = append(last, key)
			}
		}
		last = slices.Clone(last[max(0, len(last)-maxSince):])
		return nil
	})
	if err != nil {
		return since, err
	}
	for _, key := range slices.Backward(last) {
		var a Audit
		if err := r.getNote(ctx, key, &a); err != nil {
			return since, err
		}
		if a.Began.Before(s.At) || a.Action != Redrive && a.Action != Reject && a.Action != Discard {
			continue
		}
		since.Actions = append(since.Actions, a)
		for _, result := range a.Results {
			if result.Result == ResultDone && result.MessageID != "" {
				since.Done[result.MessageID] = Done{a.Action, a.Operator, a.Ended}
			}
		}
	}
	slices.SortStableFunc(since.Actions, func(a, b Audit) int { return b.Began.Compare(a.Began) })
	return since, nil
}

// Without leaves out of a plan what was done since its listing.
func (p *Plan) Without(since Since) {
	for id := range p.Chosen {
		if done, found := since.Done[id]; found {
			delete(p.Chosen, id)
			p.NotEligible["already "+done.String()+": "+done.Then()]++
		}
	}
}
