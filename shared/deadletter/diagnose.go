package deadletter

import (
	"fmt"
	"slices"
	"time"

	"hatchery/shared/arrival"
	"hatchery/shared/attempts"
	"hatchery/shared/upload"
)

// evidence is what a diagnosis follows from, and all of it.
type evidence struct {
	body   string
	parsed arrival.Message
	// unreadable is Parse's error.
	unreadable error
	arrivals   []standing
	// attempt is the newest, nil when none was kept.
	attempt  *attempts.Attempt
	notifies bool
}

// standing is an arrival with what its upload's record says besides.
type standing struct {
	Arrival
	ourBucket bool
	// record is zero when there is none.
	record upload.Record
	// waits: the version is in quarantine. It is looked for where it would have work left.
	waits bool
}

// maxInvocation is the longest that AWS Lambda lets a function run: for an attempt whose deadline was not noted.
const maxInvocation = 15 * time.Minute

// worst orders causes for a message that holds several arrivals: first those that a redrive puts right, because
// whatever else is done with the message would end the work that waits in it.
var worst = []Cause{Denied, Unreachable, NoTime, Crashed, Checksum, Unknown, Unfinished, // to be redriven
	Lost, Poison, Foreign, Obsolete}

// diagnose says why a letter is dead. It is Obsolete only if all of its arrivals are.
func diagnose(e evidence) Diagnosis {
	if e.unreadable != nil {
		return poison(e.body, e.unreadable)
	}
	var found []Diagnosis
	for _, fault := range e.parsed.Faults {
		found = append(found, poison(e.body, fault))
	}
	for _, s := range e.arrivals {
		found = append(found, e.of(s))
	}
	if len(found) == 0 {
		return diagnosis(Obsolete, "it names no new object",
			"The message names no new object: nothing is left to do. Discard it.")
	}
	return slices.MinFunc(found, func(a, b Diagnosis) int {
		return slices.Index(worst, a.Cause) - slices.Index(worst, b.Cause)
	})
}

// unread says why a letter is dead of which not everything could be read. What failed now may be what it died of: the
// newest attempt tells, whatever keeps the records.
func unread(e evidence, failed error) Diagnosis {
	now := fmt.Sprintf("How its upload stands could not be read just now: %s. List again when that is mended.",
		cut(withoutIDs(failed.Error()), 300))
	for _, s := range e.arrivals {
		if t, known := e.attempted(s); known {
			d := byError(t)
			d.Sentence += " " + now
			return d
		}
	}
	return diagnosis(Unknown, "it could not be looked at: "+failed.Error(), now)
}

// of says why one arrival is dead.
func (e evidence) of(s standing) Diagnosis {
	switch {
	case s.UploadID == "":
		return foreign(s)
	case s.Status == "":
		return diagnosis(Obsolete, "no record", "There is no record of the upload (any more), and a validator touches "+
			"nothing without one: nothing is left to do. Discard it.")
	case s.Status == upload.Pending && s.Bytes == BytesGone:
		return lost(s.record)
	case s.Status == upload.Pending:
		return byError(e.newest(s))
	}
	if left, why := e.unfinished(s); left != "" {
		return stillToDo(s, left, why)
	}
	return diagnosis(Obsolete, string(s.Status), fmt.Sprintf("The upload is %s: nothing is left to do. Discard it.",
		s.Status))
}

// lost is about a pending upload of which no bytes are left. Uploads by form are a group of their own, so that the
// sentence of a group is true of all its letters.
func lost(r upload.Record) Diagnosis {
	group, since := "its bytes are neither in quarantine nor copied", "it came"
	if !r.FormExpires.IsZero() {
		group, since = group+"; it came by a form", "its form expired"
	}
	return diagnosis(Lost, group, "The upload is pending, and somebody removed its bytes: they are neither in "+
		"quarantine nor copied. Find out who does that. The reconciler gives the upload up by itself, a day after "+
		since+"; to tell the uploader now, reject it.")
}

// trouble is why a reception failed.
type trouble struct {
	text string // "" when nothing is known
	at   time.Time
	// ended is false for an attempt that never came to its end.
	ended bool
}

// newest is the last that is known of what an arrival failed of: from the attempt, or from the record.
func (e evidence) newest(s standing) trouble {
	noted := trouble{s.LastError, s.FailedAt, true}
	if t, ok := e.attempted(s); ok && !t.at.Before(noted.at) {
		return t
	}
	return noted
}

// attempted is what the newest attempt says of an arrival; false when it says nothing.
func (e evidence) attempted(s standing) (trouble, bool) {
	switch {
	case e.attempt == nil:
		return trouble{}, false
	case e.attempt.Ended.IsZero():
		return trouble{at: e.attempt.Began}, true
	}
	for _, f := range e.attempt.Failures {
		about := f.Key == "" || f.Key == string(s.Key)
		if about && (f.Version == "" || s.Version == "" || f.Version == string(s.Version)) {
			return trouble{f.Error, e.attempt.Ended, true}, true
		}
	}
	return trouble{}, false
}

// unfinished says what may be left to do for a settled upload, "" when it is nothing, and of what it failed. A redrive
// that was not needed does no harm, and a discard may: in doubt, something is left.
func (e evidence) unfinished(s standing) (left string, why trouble) {
	settled := s.record.SettledAt
	if s.Status == upload.Deleted {
		settled = s.record.DeletedAt
	}
	t, attempted := e.attempted(s)
	latest := t.at // when the attempt may have been at work at last
	if attempted && !t.ended {
		if latest = e.attempt.Deadline; latest.IsZero() {
			latest = t.at.Add(maxInvocation)
		}
	}
	switch {
	case attempted && !latest.Before(settled):
		return "the last attempt failed after the verdict", t
	case s.waits && s.record.NeedsWork(s.Version):
		return "its bytes were not removed from quarantine", trouble{ended: true}
	case !s.FailedAt.IsZero() && !s.FailedAt.Before(settled):
		return "a failure was noted after the verdict", e.newest(s)
	case !e.notifies || s.Status != upload.Rejected || s.record.JudgedVersion != s.Version:
		return "", trouble{}
	case attempted && e.attempt.Receive >= e.attempt.MaxReceives:
		return "", trouble{} // the last reception failed before the verdict: another message brought it about
	}
	// No other message carries the notification of this verdict.
	return "it is not known whether the application was notified", trouble{ended: true}
}
