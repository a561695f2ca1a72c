package deadletter

import (
	"fmt"
	"slices"
	"time"

	"hatchery/shared/attempts"
	"hatchery/shared/upload"
	"hatchery/shared/wording"
)

// Event is something that happened to an upload, or will.
type Event struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
}

// timeline puts all that is known into the order in which it happened. What is to come follows.
func (s Story) timeline(now time.Time) []Event {
	events := s.recordEvents(now)
	for _, v := range s.Versions {
		events = append(events, Event{v.At, v.sentence()})
	}
	for _, a := range s.Attempts {
		events = append(events, Event{a.Began, s.attemptSentence(a)})
	}
	for _, l := range s.Letters {
		events = append(events, letterEvents(l)...)
	}
	for message, done := range s.done {
		events = append(events, Event{done.At, done.sentence(message)})
	}
	slices.SortStableFunc(events, func(a, b Event) int { return a.At.Compare(b.At) })
	return events
}

// recordEvents are those that the record knows of.
func (s Story) recordEvents(now time.Time) []Event {
	r := s.Record
	events := []Event{{r.CreatedAt, acceptedSentence(r)}}
	add := func(at time.Time, format string, args ...any) {
		if !at.IsZero() {
			events = append(events, Event{at, fmt.Sprintf(format, args...)})
		}
	}
	expires := "its form expires"
	if r.FormExpires.Before(now) {
		expires = "its form expired"
	}
	add(r.FormExpires, "%s", expires)
	if r.LastFailure != nil {
		add(r.LastFailure.At, "failure %d, the last that was counted: %s", r.Failures, r.LastFailure.Message)
	}
	add(r.ResentAt, "the reconciler sent its message again, for the %s time", wording.Ordinal(r.Resends))
	add(r.SettledAt, "%s", settledSentence(r))
	if r.Status != upload.Pending && r.Status != upload.Stored {
		add(r.DroppedAt, "its bytes were removed from quarantine: the rejected uploads of its entry had more there than "+
			"they may, and these were the oldest")
	}
	add(r.DeletedAt, "deleted; the tombstone may be forgotten from %s on", wording.Stamp(r.ForgetAfter))
	return events
}

func acceptedSentence(r upload.Record) string {
	how := "accepted with its bytes"
	if !r.FormExpires.IsZero() {
		how = "accepted, and a form was signed for its bytes"
	}
	d := r.Declared
	if d.Size != 0 {
		how += fmt.Sprintf(", announced with %s bytes", wording.Grouped(d.Size))
	}
	if d.Type != "" {
		how += fmt.Sprintf(", announced as %q", d.Type)
	}
	return how
}

// settledSentence says what the verdict was. That of a pending record was undone.
func settledSentence(r upload.Record) string {
	switch {
	case r.Status == upload.Pending:
		return "rejected; an operator had it judged again since"
	case r.Reason != nil:
		about := "about no bytes"
		if r.JudgedVersion != "" {
			about = "about version " + string(r.JudgedVersion)
		}
		return fmt.Sprintf("rejected as %s, %s: %s", r.Reason.Code, about, r.Reason.Message)
	case r.ServedVersion != "":
		return fmt.Sprintf("stored as %s of %s bytes, SHA-256 %s, by version %s", r.ContentType, wording.Grouped(r.Size),
			r.SHA256, r.JudgedVersion)
	}
	return "stored by the service that was replaced"
}

func (v StoredVersion) sentence() string {
	switch {
	case v.Served:
		return fmt.Sprintf("version %s of %s bytes was copied into files, and is served", v.Version, wording.Grouped(v.Size))
	case v.Where == InFiles:
		return fmt.Sprintf("version %s of %s bytes was copied into files, and is not served", v.Version,
			wording.Grouped(v.Size))
	case v.Judged:
		return fmt.Sprintf("version %s of %s bytes came into quarantine, and the verdict is about it", v.Version,
			wording.Grouped(v.Size))
	}
	return fmt.Sprintf("version %s of %s bytes came into quarantine", v.Version, wording.Grouped(v.Size))
}

// attemptSentence says what a reception came to. Of one that succeeded no end is noted, and its message does not come
// again.
func (s Story) attemptSentence(a attempts.Attempt) string {
	what := fmt.Sprintf("reception %d of %d of message %s", a.Receive, a.MaxReceives, a.MessageID)
	if len(a.Failures) > 0 {
		return fmt.Sprintf("%s failed: %s", what, a.Failures[0].Error)
	}
	died := slices.ContainsFunc(s.Letters, func(l Letter) bool { return l.MessageID == a.MessageID })
	cameAgain := slices.ContainsFunc(s.Attempts, func(b attempts.Attempt) bool {
		return b.MessageID == a.MessageID && b.Receive > a.Receive
	})
	if died || cameAgain {
		return what + " began, and never ended: the validator crashed, or ran out of time or memory"
	}
	return what + " began, and no failure was noted: it ended well, is going on, or the validator crashed"
}

// sentence says what was done with a dead letter.
func (d Done) sentence(message string) string {
	return fmt.Sprintf("dead letter %s was %v", message, d)
}

func letterEvents(l Letter) []Event {
	how := "S3 sent"
	switch {
	case l.Redrives > 0:
		how = fmt.Sprintf("an operator redrove, for the %s time,", wording.Ordinal(l.Redrives))
	case l.Resent:
		how = "the reconciler sent"
	}
	if l.Done != nil {
		return []Event{{l.SentAt, fmt.Sprintf("%s message %s, which became a dead letter", how, l.MessageID)},
			{l.Done.At, l.Done.sentence(l.MessageID)}}
	}
	return []Event{
		{l.SentAt, fmt.Sprintf("%s message %s, which is a dead letter (%s): %s", how, l.MessageID, l.Diagnosis.Cause,
			l.Diagnosis.Sentence)},
		{l.ExpiresAt, fmt.Sprintf("to come: the queue removes dead letter %s, unless it is put right before", l.MessageID)},
	}
}
