package deadletter

import (
	"strings"
	"testing"
	"time"

	"hatchery/shared/attempts"
	"hatchery/shared/policy"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// everything is an upload of which all is known, and all that others chose is hostile.
func everything() Story {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	bad := "\x1b[2J\nnext line\u202e"
	return Story{
		Record: upload.Record{ID: "01990000-0000-7000-8000-000000000001", Journal: "j1", Entry: "e1", Kind: "images",
			Name: bad, Extension: "png", Filename: bad + ".PNG",
			CreatedAt: at, Status: upload.Rejected, FormExpires: at.Add(15 * time.Minute),
			Declared:      upload.Declared{Size: 1234, Type: bad},
			JudgedVersion: "v1", SettledAt: at.Add(8 * time.Hour), Reason: &upload.Reason{Code: upload.ByOperator, Message: bad},
			Failures: 3, LastFailure: &upload.Failure{At: at.Add(3 * time.Hour), Message: bad},
			Resends: 2, ResentAt: at.Add(4 * time.Hour)},
		Versions: []StoredVersion{{Where: InQuarantine, Version: "v1", Size: 1234, At: at.Add(time.Minute), Judged: true},
			{Where: InFiles, Version: "f1", Size: 1234, At: at.Add(2 * time.Minute)}},
		Attempts: []attempts.Attempt{
			{MessageID: "m1", Receive: 4, MaxReceives: 5, Began: at.Add(time.Hour), Ended: at.Add(time.Hour + 1),
				Failures: []attempts.Failure{{Error: bad}}},
			{MessageID: "m1", Receive: 5, MaxReceives: 5, Began: at.Add(2 * time.Hour)}},
		Letters: []Letter{{MessageID: bad, SentAt: at.Add(5 * time.Hour), ExpiresAt: at.Add(14 * 24 * time.Hour),
			Redrives: 1, Diagnosis: Diagnosis{Cause: Crashed, Sentence: bad, Suggest: Redrive}}},
	}
}

func TestATimelineHoldsAllThatIsKnownInOrder(t *testing.T) {
	k := everything()
	events := k.timeline(k.Record.CreatedAt.Add(24 * time.Hour))
	want := []string{"accepted, and a form was signed", "version v1 of 1,234 bytes came into quarantine, and the verdict",
		"version f1 of 1,234 bytes was copied into files, and is not served", "its form expired",
		"reception 4 of 5 of message m1 failed: ", "reception 5 of 5 of message m1 began, and no failure", "failure 3, ",
		"the reconciler sent its message again, for the 2nd time", "an operator redrove, for the 1st time, message",
		"rejected as operator, about version v1: ", "to come: the queue removes dead letter"}
	if len(events) != len(want) {
		t.Fatalf("%d events, want %d: %+v", len(events), len(want), events)
	}
	for i, e := range events {
		if !strings.HasPrefix(e.What, want[i]) || i > 0 && e.At.Before(events[i-1].At) {
			t.Errorf("event %d is %q at %s, want %q", i, e.What, e.At, want[i])
		}
	}
}

// TestAnAttemptWithoutAnEndMayHaveEndedWell: a validator writes no end of what succeeds.
func TestAnAttemptWithoutAnEndMayHaveEndedWell(t *testing.T) {
	four := attempts.Attempt{MessageID: "m1", Receive: 4, MaxReceives: 5}
	five := attempts.Attempt{MessageID: "m1", Receive: 5, MaxReceives: 5, Ended: time.Unix(1, 0)}
	died := []Letter{{MessageID: "m1"}}
	for _, c := range []struct {
		k       Story
		crashed bool
	}{
		{Story{Attempts: []attempts.Attempt{four}}, false},
		{Story{Attempts: []attempts.Attempt{four, {MessageID: "m2", Receive: 5, Ended: five.Ended}}}, false},
		{Story{Attempts: []attempts.Attempt{four, five}}, true},
		{Story{Attempts: []attempts.Attempt{four}, Letters: died}, true},
	} {
		for _, e := range c.k.timeline(time.Unix(2, 0)) {
			if strings.HasPrefix(e.What, "reception 4 ") && strings.Contains(e.What, "never ended") != c.crashed {
				t.Errorf("%+v: %q", c.k, e.What)
			}
		}
	}
}

func TestAnUploadIsNamedInThreeForms(t *testing.T) {
	const id = "01990000-0000-7000-8000-00000000000a"
	for arg, want := range map[string]UploadName{
		id:                       {ID: id},
		strings.ToUpper(id):      {ID: id},
		"j/e/" + id:              {Journal: "j", Entry: "e", ID: id},
		"j/e/my-scans_2/" + id:   {Journal: "j", Entry: "e", Kind: "my-scans_2", ID: id},
		"":                       {},
		"j/" + id:                {},
		"j/e/k/x/" + id:          {},
		"j/e/images/x":           {},
		"j j/e/" + id:            {},
		"j//" + id:               {},
		"j/e/No Kind/" + id:      {},
		"\x1b[2J/e/images/" + id: {},
	} {
		if want.Kind != "" && !want.Kind.Valid() {
			want = UploadName{}
		}
		got, err := ParseUploadName(arg)
		if got != want || (err != nil) != (want == UploadName{}) || err != nil && strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q: %+v, %v; want %+v", arg, got, err, want)
		}
	}
}

func TestAnUploadIsFoundWithoutItsKind(t *testing.T) {
	records := uploadtest.NewRecords(uploadtest.RecordsOptions{Swap: true})
	r := upload.Record{ID: "01990000-0000-7000-8000-000000000001", Journal: "j", Entry: "e", Kind: "scans",
		Status: upload.Pending}
	records.Overwrite(r)
	kinds := policy.Policy{Kinds: map[policy.KindName]policy.Kind{"images": {}, "scans": {}}}
	for _, name := range []UploadName{{ID: r.ID}, {Journal: "j", Entry: "e", ID: r.ID},
		{Journal: "j", Entry: "e", Kind: "scans", ID: r.ID}} {
		if got, err := (&Review{Records: records, Policy: kinds}).Find(t.Context(), name); err != nil || got.Kind != "scans" {
			t.Errorf("%+v: %+v, %v", name, got, err)
		}
	}
}
