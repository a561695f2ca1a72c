package main

import (
	"fmt"
	"slices"
	"time"

	"hatchery/shared/attempts"
	"hatchery/shared/deadletter"
	"hatchery/shared/upload"
)

// event is something that happened to an upload, or will.
type event struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
}

// timeline puts all that is known into the order in which it happened. What is to come follows.
func (k knownUpload) timeline(now time.Time) []event {
	events := k.recordEvents(now)
	for _, v := range k.Versions {
		events = append(events, event{v.At, v.sentence()})
	}
	for _, a := range k.Attempts {
		events = append(events, event{a.Began, k.attemptSentence(a)})
	}
	for _, l := range k.Letters {
		events = append(events, letterEvents(l)...)
	}
	slices.SortStableFunc(events, func(a, b event) int { return a.At.Compare(b.At) })
	return events
}

// recordEvents are those that the record knows of.
func (k knownUpload) recordEvents(now time.Time) []event {
	r := k.Record
	events := []event{{r.CreatedAt, acceptedSentence(r)}}
	add := func(at time.Time, format string, args ...any) {
		if !at.IsZero() {
			events = append(events, event{at, fmt.Sprintf(format, args...)})
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
	add(r.ResentAt, "the reconciler sent its message again, for the %s time", ordinal(r.Resends))
	add(r.SettledAt, "%s", settledSentence(r))
	if r.Status != upload.Pending && r.Status != upload.Stored {
		add(r.DroppedAt, "its bytes were removed from quarantine: the rejected uploads of its entry had more there than "+
			"they may, and these were the oldest")
	}
	add(r.DeletedAt, "deleted; the tombstone may be forgotten from %s on", stamp(r.ForgetAfter))
	return events
}

func acceptedSentence(r upload.Record) string {
	how := "accepted with its bytes"
	if !r.FormExpires.IsZero() {
		how = "accepted, and a form was signed for its bytes"
	}
	d := r.Declared
	if d.Size != 0 {
		how += fmt.Sprintf(", announced with %s bytes", grouped(d.Size))
	}
	if d.Type != "" {
		how += ", announced as " + quoted(d.Type)
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
		return fmt.Sprintf("stored as %s of %s bytes, SHA-256 %s, by version %s", r.ContentType, grouped(r.Size), r.SHA256,
			r.JudgedVersion)
	}
	return "stored by the service that was replaced"
}

func (v knownVersion) sentence() string {
	switch {
	case v.Served:
		return fmt.Sprintf("version %s of %s bytes was copied into files, and is served", v.Version, grouped(v.Size))
	case v.Where == inFiles:
		return fmt.Sprintf("version %s of %s bytes was copied into files, and is not served", v.Version, grouped(v.Size))
	case v.Judged:
		return fmt.Sprintf("version %s of %s bytes came into quarantine, and the verdict is about it", v.Version,
			grouped(v.Size))
	}
	return fmt.Sprintf("version %s of %s bytes came into quarantine", v.Version, grouped(v.Size))
}

// attemptSentence says what a reception came to. Of one that succeeded no end is noted, and its message does not come
// again.
func (k knownUpload) attemptSentence(a attempts.Attempt) string {
	what := fmt.Sprintf("reception %d of %d of message %s", a.Receive, a.MaxReceives, a.MessageID)
	if len(a.Failures) > 0 {
		return fmt.Sprintf("%s failed: %s", what, a.Failures[0].Error)
	}
	died := slices.ContainsFunc(k.Letters, func(l deadletter.Letter) bool { return l.MessageID == a.MessageID })
	cameAgain := slices.ContainsFunc(k.Attempts, func(b attempts.Attempt) bool {
		return b.MessageID == a.MessageID && b.Receive > a.Receive
	})
	if died || cameAgain {
		return what + " began, and never ended: the validator crashed, or ran out of time or memory"
	}
	return what + " began, and no failure was noted: it ended well, is going on, or the validator crashed"
}

func letterEvents(l deadletter.Letter) []event {
	how := "S3 sent"
	switch {
	case l.Redrives > 0:
		how = fmt.Sprintf("an operator redrove, for the %s time,", ordinal(l.Redrives))
	case l.Resent:
		how = "the reconciler sent"
	}
	return []event{
		{l.SentAt, fmt.Sprintf("%s message %s, which is a dead letter (%s): %s", how, l.MessageID, l.Diagnosis.Cause,
			l.Diagnosis.Sentence)},
		{l.ExpiresAt, fmt.Sprintf("the queue removes dead letter %s", l.MessageID)},
	}
}

func ordinal(n int) string {
	switch {
	case n%10 == 1 && n%100 != 11:
		return fmt.Sprintf("%dst", n)
	case n%10 == 2 && n%100 != 12:
		return fmt.Sprintf("%dnd", n)
	case n%10 == 3 && n%100 != 13:
		return fmt.Sprintf("%drd", n)
	}
	return fmt.Sprintf("%dth", n)
}

// next says what can be done about it, with the commands. flags are those that name the deployment.
func (k knownUpload) next(flags string) []string {
	ref := named(k.Record.Ref())
	arrived := slices.ContainsFunc(k.Versions, func(v knownVersion) bool { return v.Where == inQuarantine })
	judged := slices.ContainsFunc(k.Versions, func(v knownVersion) bool { return v.Judged })
	again := (judged || arrived && k.Record.JudgedVersion == "") && k.Record.DroppedAt.IsZero()
	var lines []string
	for _, l := range k.Letters {
		if l.Diagnosis.Suggest != "" {
			line := fmt.Sprintf("Dead letter: hatchery dlq %s%s %s", l.Diagnosis.Suggest, flags, shellWord(l.MessageID))
			if l.Diagnosis.Suggest != deadletter.Redrive {
				line += wordsWanted
			}
			lines = append(lines, line)
		}
	}
	command := func(sentence, command, more string) {
		lines = append(lines, fmt.Sprintf("%s: hatchery %s%s %s%s", sentence, command, flags, ref, more))
	}
	switch {
	case k.Record.Status == upload.Pending && arrived:
		command("Its bytes wait for the validator. To send its message again", "recheck", "")
		command("To give it up", "reject", wordsWanted)
	case k.Record.Status == upload.Pending:
		lines = append(lines, "Nothing of it is in quarantine: the reconciler gives it up, or has its copy judged, "+
			"a day after nothing can come any more.")
		command("To give it up now", "reject", wordsWanted)
	case k.Record.Status == upload.Rejected && again:
		command("What it would get now", "recheck", " --dry-run")
		command("To have it judged again", "recheck", "")
	case k.Record.Status == upload.Rejected:
		lines = append(lines, "Its bytes are gone: it has to be uploaded again.")
	default:
		lines = append(lines, "Nothing has to be done.")
	}
	return lines
}
