package deadletter

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"hatchery/shared/upload"
)

// notListed is why an id of a selection is not eligible: the snapshot has no such letter.
const notListed = "not in this listing"

// Plan says what an action would do with the letters that a selection chooses from a snapshot;
// the id "" is the newest snapshot. It reads the snapshot alone.
//
//   - Redrive takes every letter but poison and foreign ones. Without Messages, Cause or Group it takes
//     only those whose diagnosis suggests it.
//   - Reject takes those whose uploads are pending.
//   - Discard takes obsolete, foreign and poison ones, and none with a pending upload.
//
// ErrNoSnapshot: there is none.
func (r *Review) Plan(ctx context.Context, action Action, snapshotID string, s Selection) (Plan, error) {
	if action != Redrive && action != Reject && action != Discard {
		return Plan{}, fmt.Errorf("%q is no action on a listing: want redrive, reject or discard", action)
	}
	snapshot, err := r.Snapshot(ctx, snapshotID)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Action: action, Snapshot: snapshot, Selection: s, Chosen: map[string]Cause{}, NotEligible: map[string]int{}}
	named := newNamed(s.Messages)
	now := r.Now()
	err = r.Letters(ctx, snapshot, func(l Letter) error {
		if !named.takes(l) || !s.Takes(l, now) {
			return nil
		}
		why := notEligible(action, l)
		if why == "" && action == Redrive && !s.explicit() {
			why = notSuggested(l.Diagnosis)
		}
		if why != "" {
			p.NotEligible[why]++
			return nil
		}
		p.Chosen[l.MessageID] = l.Diagnosis.Cause
		return nil
	})
	if err != nil {
		return Plan{}, err
	}
	if n := named.unmet(); n > 0 {
		p.NotEligible[notListed] = n
	}
	return p, nil
}

// named are the ids of a selection, and which of them were met.
type named map[string]bool

func newNamed(ids []string) named {
	n := named{}
	for _, id := range ids {
		n[id] = false
	}
	return n
}

// takes says whether a letter, or an upload of it, is named; no names at all take every letter.
func (n named) takes(l Letter) bool {
	taken := len(n) == 0
	met := func(id string) {
		if _, found := n[id]; found {
			n[id], taken = true, true
		}
	}
	met(l.MessageID)
	for _, a := range l.Arrivals {
		met(string(a.UploadID))
	}
	return taken
}

func (n named) unmet() (count int) {
	for _, met := range n {
		if !met {
			count++
		}
	}
	return count
}

// explicit says whether a person named what to take, so that the diagnosis need not suggest it.
func (s Selection) explicit() bool { return len(s.Messages) > 0 || s.Cause != "" || s.Group != "" }

// Takes says whether a letter is as the selection asks; Messages are not looked at.
func (s Selection) Takes(l Letter, now time.Time) bool {
	if s.Cause != "" && l.Diagnosis.Cause != s.Cause || s.OlderThan > 0 && now.Sub(l.SentAt) < s.OlderThan {
		return false
	}
	group := l.Diagnosis.Group // people see it without its cause
	bare := strings.TrimPrefix(group, string(l.Diagnosis.Cause)+": ")
	if !strings.HasPrefix(group, s.Group) && !strings.HasPrefix(bare, s.Group) {
		return false
	}
	return !s.ByUpload() || slices.ContainsFunc(l.Arrivals, func(a Arrival) bool {
		return (s.Journal == "" || a.Journal == s.Journal) && (s.Entry == "" || a.Entry == s.Entry) &&
			(s.Name == "" || upload.HasName(a.Names, s.Name)) && (s.Code == "" || a.Reason != nil && a.Reason.Code == s.Code)
	})
}

// notEligible says why an action does not take a letter, as it is now; "" when it does.
func notEligible(action Action, l Letter) string {
	cause := l.Diagnosis.Cause
	switch action {
	case Redrive:
		if cause == Poison || cause == Foreign {
			return fmt.Sprintf("%s: validators would fail on it again; discard it", cause)
		}
	case Reject:
		_, why := rejectable(l, "")
		return why
	case Discard:
		switch {
		case slices.ContainsFunc(l.Arrivals, func(a Arrival) bool { return a.Status == upload.Pending }):
			return fmt.Sprintf("%s: its upload is pending; redrive or reject it", cause)
		case cause == Unfinished:
			return "unfinished: something is left to do for its upload; redrive it"
		case cause != Obsolete && cause != Foreign && cause != Poison:
			return fmt.Sprintf("%s: its upload may still need it; redrive it", cause)
		}
	}
	return ""
}

// notSuggested says why a redrive of everything leaves a letter out.
func notSuggested(d Diagnosis) string {
	switch d.Cause {
	case Obsolete:
		return "obsolete: nothing is left to do; discard it"
	case Lost:
		return "bytes_lost: a redrive would fail; reject it, or choose this cause once you have put the bytes back"
	}
	return ""
}

// rejectable gives the arrivals whose uploads a rejection with these words settles: the pending ones, and those that
// are rejected with the same words already, by a run that was interrupted. Otherwise it says why there is nothing to
// reject.
func rejectable(l Letter, words string) (arrivals []Arrival, why string) {
	settled := 0
	for _, a := range l.Arrivals {
		switch {
		case a.Status == upload.Pending || rejectedWith(a.Status, a.Reason, words):
			arrivals = append(arrivals, a)
		case a.Status != "":
			settled++
		}
	}
	switch {
	case len(arrivals) == 0:
		return nil, "no upload of it is pending"
	case settled > 0: // deleting the message could leave the settled one unfinished
		return nil, "it is about several uploads, and some are settled: reject the pending ones by their ids"
	}
	return arrivals, ""
}

// rejectedWith says whether an operator rejected an upload with these words.
func rejectedWith(status upload.Status, reason *upload.Reason, words string) bool {
	return status == upload.Rejected && reason != nil && *reason == upload.Reason{Code: upload.ByOperator, Message: words}
}
