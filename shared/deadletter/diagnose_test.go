package deadletter

import (
	"slices"
	"testing"
	"time"

	"hatchery/shared/arrival"
	"hatchery/shared/attempts"
	"hatchery/shared/upload"
)

func TestASettledUploadIsObsoleteOnlyWhenNothingMayBeLeftToDo(t *testing.T) {
	verdict := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	failedAt := func(receive int, since time.Duration) *attempts.Attempt {
		return &attempts.Attempt{Receive: receive, MaxReceives: 5, Began: verdict.Add(since - time.Second),
			Ended: verdict.Add(since), Failures: []attempts.Failure{{Error: denied}}}
	}
	crashedAt := func(since time.Duration) *attempts.Attempt {
		return &attempts.Attempt{Receive: 5, MaxReceives: 5, Began: verdict.Add(since)}
	}
	overAt := func(deadline time.Duration) *attempts.Attempt {
		a := crashedAt(-7 * time.Minute)
		a.Deadline = verdict.Add(deadline)
		return a
	}
	const mine, other upload.Version = "mine", "other"
	for _, c := range []struct {
		name    string
		status  upload.Status
		judged  upload.Version
		waits   bool
		silent  bool // nobody is notified
		attempt *attempts.Attempt
		noted   time.Duration // the record's failure since the verdict; 0 is none
		want    Cause
	}{
		{name: "stored and removed", status: upload.Stored, judged: mine, want: Obsolete},
		{name: "stored and not removed", status: upload.Stored, judged: mine, waits: true, want: Unfinished},
		{name: "stored, notification failed", status: upload.Stored, judged: mine, attempt: failedAt(5, time.Second), want: Unfinished},
		{name: "stored by another message later", status: upload.Stored, judged: mine, attempt: failedAt(5, -time.Hour), want: Obsolete},
		{name: "stored at the moment of the failure", status: upload.Stored, judged: mine, attempt: failedAt(5, 0), want: Unfinished},
		{name: "stored, and the function may have ended then", status: upload.Stored, judged: mine, attempt: crashedAt(-time.Minute), want: Unfinished},
		{name: "stored an hour after the function ended", status: upload.Stored, judged: mine, attempt: crashedAt(-time.Hour), want: Obsolete},
		{name: "stored after the function's deadline", status: upload.Stored, judged: mine, attempt: overAt(-time.Second), want: Obsolete},
		{name: "stored before the function's deadline", status: upload.Stored, judged: mine, attempt: overAt(time.Second), want: Unfinished},
		{name: "stored, a failure noted later", status: upload.Stored, judged: mine, noted: time.Second, want: Unfinished},
		{name: "stored, a failure noted before", status: upload.Stored, judged: mine, noted: -time.Second, want: Obsolete},
		{name: "stored with another version, removed", status: upload.Stored, judged: other, want: Obsolete},
		{name: "stored with another version, not removed", status: upload.Stored, judged: other, waits: true, want: Unfinished},
		{name: "rejected, and nothing is known", status: upload.Rejected, judged: mine, waits: true, want: Unfinished},
		{name: "rejected, and nobody is notified", status: upload.Rejected, judged: mine, waits: true, silent: true, want: Obsolete},
		{name: "rejected, the notification failed", status: upload.Rejected, judged: mine, attempt: failedAt(5, time.Second), want: Unfinished},
		{name: "rejected after the last reception", status: upload.Rejected, judged: mine, attempt: failedAt(5, -time.Second), want: Obsolete},
		{name: "rejected, and the last reception is not known", status: upload.Rejected, judged: mine, attempt: failedAt(4, -time.Second), want: Unfinished},
		{name: "rejected, with a failure noted before", status: upload.Rejected, judged: mine, noted: -time.Second, want: Unfinished},
		{name: "rejected for another version, removed", status: upload.Rejected, judged: other, want: Obsolete},
		{name: "rejected for another version, not removed", status: upload.Rejected, judged: other, waits: true, want: Unfinished},
		{name: "deleted and removed", status: upload.Deleted, judged: mine, want: Obsolete},
		{name: "deleted and not removed", status: upload.Deleted, judged: mine, waits: true, want: Unfinished},
		{name: "deleted, a removal failed", status: upload.Deleted, judged: mine, attempt: failedAt(5, time.Second), want: Unfinished},
		{name: "no record", want: Obsolete},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := standing{ourBucket: true, waits: c.waits, Arrival: Arrival{Key: "k", Version: mine, UploadID: "id", Status: c.status},
				record: upload.Record{Status: c.status, JudgedVersion: c.judged, SettledAt: verdict, DeletedAt: verdict}}
			if c.noted != 0 {
				s.LastError, s.FailedAt = denied, verdict.Add(c.noted)
			}
			d := diagnose(evidence{arrivals: []standing{s}, attempt: c.attempt, notifies: !c.silent})
			suggest := Discard
			if c.want == Unfinished {
				suggest = Redrive
			}
			wantDiagnosis(t, d, c.want, suggest)
		})
	}
}

func TestAllCausesHaveTheirPlaceAmongTheWorst(t *testing.T) {
	a, b := slices.Clone(worst), Causes()
	slices.Sort(a)
	slices.Sort(b)
	if !slices.Equal(a, b) {
		t.Errorf("%v are ordered, of %v", a, b)
	}
	// A message is discarded, or its upload rejected, only if none of its arrivals waits for a redrive.
	last := Redrive
	for _, cause := range worst {
		suggest := diagnosis(cause, "", "").Suggest
		if order := []Action{Redrive, Reject, Discard}; slices.Index(order, suggest) < slices.Index(order, last) {
			t.Errorf("%s suggests %s, after %s", cause, suggest, last)
		}
		last = suggest
	}
}

func TestARecordThatCannotBeReadCountsBesideOneThatCan(t *testing.T) {
	pending := standing{ourBucket: true, Arrival: Arrival{UploadID: "id", Status: upload.Pending, Bytes: BytesInQuarantine,
		LastError: denied}}
	e := evidence{parsed: arrival.Message{Faults: []error{errTrouble}}, arrivals: []standing{pending}}
	wantDiagnosis(t, diagnose(e), Denied, Redrive)
	e.arrivals = nil
	wantDiagnosis(t, diagnose(e), Poison, Discard, errTrouble.Error())
}

func TestLostBytesSayWhenTheReconcilerGivesTheUploadUp(t *testing.T) {
	lostOf := func(r upload.Record) Diagnosis {
		return diagnose(evidence{arrivals: []standing{{ourBucket: true, record: r, Arrival: Arrival{UploadID: "id",
			Status: upload.Pending, Bytes: BytesGone}}}})
	}
	posted := lostOf(upload.Record{})
	wantDiagnosis(t, posted, Lost, Reject, "a day after it came;")
	byForm := lostOf(upload.Record{FormExpires: time.Now()})
	wantDiagnosis(t, byForm, Lost, Reject, "a day after its form expired;")
	if posted.Group == byForm.Group {
		t.Errorf("one sentence would be said of both: %s", posted.Group)
	}
}
