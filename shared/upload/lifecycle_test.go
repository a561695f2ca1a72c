package upload_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// TestEveryTransitionFromEveryStatus is the table at upload.Transition: what each makes
// of a record in each status, or the error that it gives.
func TestEveryTransitionFromEveryStatus(t *testing.T) {
	at := noon.Add(time.Hour)
	stored := upload.Verdict{Status: upload.Stored, Version: "v", At: at, Size: 5, ContentType: "image/gif",
		SHA256: someSum, Served: "s"}
	rejected := upload.Verdict{Status: upload.Rejected, Version: "v", At: at,
		Reason: &upload.Reason{Code: upload.Corrupt, Message: "Broken."}}
	transitions := []upload.Transition{upload.Settle(stored), upload.Settle(rejected),
		upload.Delete(at, at.Add(time.Hour)), upload.Reopen(),
		upload.Adopt(stored), upload.CountFailure(upload.Failure{At: at, Message: "slow"}), upload.CountResend(1, at),
		upload.CountResend(0, at), upload.Drop("v", at)}
	base := upload.Record{ID: someID, Journal: "j1", Entry: "e1", Kind: "images", Name: "cat", Extension: "png",
		CreatedAt: noon,
		Declared:  upload.Declared{Size: 5}, Resends: 1, ResentAt: noon}
	legacy := base
	legacy.Status = upload.Stored
	pending := base
	pending.Status, pending.Failures, pending.LastFailure = upload.Pending, 2, &upload.Failure{At: noon, Message: "slower"}
	judged := rejected.Apply(pending)
	conflict, notFound := upload.ErrConflict.Error(), upload.ErrNotFound.Error()
	for _, c := range []struct {
		what   string
		record upload.Record
		// want is a status and what besides changed, or an error, for each transition.
		want []string
	}{
		{"pending", pending, []string{"stored", "rejected", "deleted", conflict, conflict, "pending: 3 failures",
			"pending: 2 resends", conflict, conflict}},
		{"stored", stored.Apply(pending),
			[]string{conflict, conflict, "deleted", conflict, conflict, "stored: unchanged", "stored: 2 resends", conflict,
				conflict}},
		{"legacy", legacy, []string{conflict, conflict, "deleted", conflict, "stored", "stored: unchanged",
			"stored: 2 resends", conflict, conflict}},
		{"rejected", judged, []string{conflict, conflict, "deleted", "pending: 0 failures: 0 resends", conflict,
			"rejected: unchanged", "rejected: 2 resends", conflict, "rejected: dropped"}},
		{"dropped", uploadtest.After(upload.Drop("v", noon), judged), []string{conflict, conflict, "deleted",
			upload.ErrGone.Error(), conflict, "rejected: unchanged", "rejected: 2 resends", conflict, "rejected: unchanged"}},
		{"deleted", uploadtest.After(upload.Delete(noon, noon), judged),
			[]string{conflict, conflict, notFound, conflict, conflict, "deleted: unchanged", "deleted: 2 resends", conflict,
				conflict}},
	} {
		for i, transition := range transitions {
			t.Run(fmt.Sprintf("%s a %s record, %d", transition.Name, c.what, i), func(t *testing.T) {
				before := c.record
				after, err := transition.To(c.record)
				got := string(after.Status)
				switch {
				case err != nil:
					got = err.Error()
				case after.Equal(before):
					got += ": unchanged"
				default:
					if after.DroppedAt != before.DroppedAt {
						got += ": dropped"
					}
					if after.Failures != before.Failures {
						got += fmt.Sprintf(": %d failures", after.Failures)
					}
					if after.Resends != before.Resends {
						got += fmt.Sprintf(": %d resends", after.Resends)
					}
				}
				if got != c.want[i] {
					t.Errorf("gives %q, want %q", got, c.want[i])
				}
				if !c.record.Equal(before) {
					t.Error("it changed the record that it was asked about")
				}
				if err == nil && after.Ref() != before.Ref() {
					t.Errorf("it made another upload of it: %s", after.Ref())
				}
			})
		}
	}
}

func TestOnlyAVerdictAsksForRoom(t *testing.T) {
	room := upload.Admission{Unique: true, MaxFiles: 3, MaxTotalBytes: 7}
	v := upload.Verdict{Status: upload.Stored, Admission: room}
	if got := upload.Settle(v).Admit; got != room {
		t.Errorf("settling asks for %+v", got)
	}
	if got := upload.Adopt(v).Admit; got != (upload.Admission{}) {
		t.Errorf("adopting asks for %+v: the entry holds the image already", got)
	}
}

func TestOneMoreFileFitsUpToTheBound(t *testing.T) {
	const unbounded = 1 << 62
	for _, c := range []struct {
		a      upload.Admission
		stored upload.Usage
		size   int64
		fits   bool
	}{
		{upload.Admission{}, upload.Usage{Files: unbounded, Bytes: unbounded}, unbounded, true},
		{upload.Admission{MaxFiles: 2}, upload.Usage{Files: 1}, unbounded, true},
		{upload.Admission{MaxFiles: 2}, upload.Usage{Files: 2}, 0, false},
		{upload.Admission{MaxTotalBytes: 20}, upload.Usage{Files: unbounded, Bytes: 10}, 10, true},
		{upload.Admission{MaxTotalBytes: 20}, upload.Usage{Bytes: 10}, 11, false},
		{upload.Admission{MaxTotalBytes: 20}, upload.Usage{Bytes: 1<<63 - 1}, 1, false},
	} {
		stored := func() (upload.Usage, error) { return c.stored, nil }
		err := c.a.Check(c.size, nil, stored)
		if (err == nil) != c.fits || err != nil && !errors.Is(err, upload.ErrOverQuota) {
			t.Errorf("%+v beside %+v with %d bytes: %v", c.a, c.stored, c.size, err)
		}
	}
}

func TestADuplicateIsNamedBeforeTheBoundsAreAskedFor(t *testing.T) {
	a := upload.Admission{Unique: true, MaxFiles: 1}
	var duplicate *upload.DuplicateError
	err := a.Check(1, func() (upload.ID, error) { return "earlier", nil }, nil)
	if !errors.As(err, &duplicate) || duplicate.Earlier != "earlier" {
		t.Errorf("same bytes: %v", err)
	}
	full := func() (upload.Usage, error) { return upload.Usage{Files: 1}, nil }
	if err := a.Check(1, func() (upload.ID, error) { return "", nil }, full); !errors.Is(err, upload.ErrOverQuota) {
		t.Errorf("other bytes in a full entry: %v", err)
	}
	broken := errors.New("broken")
	for _, err := range []error{
		a.Check(1, func() (upload.ID, error) { return "", broken }, full),
		a.Check(1, func() (upload.ID, error) { return "", nil },
			func() (upload.Usage, error) { return upload.Usage{}, broken }),
	} {
		if !errors.Is(err, broken) {
			t.Errorf("a store that fails: %v", err)
		}
	}
}

// updates is a store that answers every change with an error.
type updates struct{ error }

func (u updates) Update(context.Context, upload.Ref, upload.Transition) (upload.Record, error) {
	return upload.Record{}, u.error
}

func TestAFailureBesideWhichSomethingElseWasWrittenNeedNotBeCounted(t *testing.T) {
	for _, c := range []struct{ answer, want error }{{nil, nil}, {upload.ErrConflict, nil},
		{upload.ErrNotFound, upload.ErrNotFound}, {errTrouble, errTrouble}} {
		if err := upload.NoteFailure(t.Context(), updates{c.answer}, upload.Ref{}, upload.Failure{}); !errors.Is(err,
			c.want) {
			t.Errorf("the store answers %v: %v, want %v", c.answer, err, c.want)
		}
	}
}

func TestAVerdictBecomesTheRecordsFacts(t *testing.T) {
	pending := upload.Record{ID: someID, Status: upload.Pending, Failures: 2}
	at := time.Date(2026, 3, 4, 14, 0, 0, 123456789, time.FixedZone("", 7200))
	got := upload.Verdict{Status: upload.Stored, Version: "v1", At: at, Size: 5, ContentType: "image/gif",
		SHA256: someSum, Served: "s1"}.Apply(pending)
	want := upload.Record{ID: someID, Status: upload.Stored, Failures: 2, SettledAt: noon, JudgedVersion: "v1", Size: 5,
		ContentType: "image/gif", SHA256: someSum, ServedVersion: "s1"}
	if got != want {
		t.Errorf("stored as\n%+v, want\n%+v", got, want)
	}
	if got.SettledAt.Location() != time.UTC {
		t.Errorf("settled at %v, want UTC", got.SettledAt)
	}
	reason := &upload.Reason{Code: upload.Corrupt, Message: "Broken."}
	got = upload.Verdict{Status: upload.Rejected, Version: "v1", At: at, Size: 5, Reason: reason}.Apply(pending)
	want = upload.Record{ID: someID, Status: upload.Rejected, Failures: 2, SettledAt: noon, JudgedVersion: "v1", Size: 5,
		Reason: reason}
	if got != want {
		t.Errorf("rejected as\n%+v, want\n%+v", got, want)
	}
}

func TestAReopenedRecordKnowsOfItsVerdictNoMoreThanWhen(t *testing.T) {
	r := full()
	r.Status, r.Reason = upload.Rejected, &upload.Reason{Code: upload.Corrupt, Message: "Broken."}
	r.DeletedAt, r.ForgetAfter = time.Time{}, time.Time{}
	want := upload.Record{ID: r.ID, Journal: r.Journal, Entry: r.Entry, Kind: r.Kind, Name: r.Name,
		Extension: r.Extension, CreatedAt: r.CreatedAt,
		Status: upload.Pending, Declared: r.Declared, FormExpires: r.FormExpires, SettledAt: r.SettledAt}
	if got := uploadtest.After(upload.Reopen(), r); got != want {
		t.Errorf("reopened as\n%+v, want\n%+v", got, want)
	}
}

func TestATombstoneKeepsTheFactsAndSaysWhenItMayBeForgotten(t *testing.T) {
	want := full()
	want.Status, want.DeletedAt, want.ForgetAfter = upload.Deleted, noon, noon.Add(time.Hour)
	if got := uploadtest.After(upload.Delete(noon.Add(999*time.Nanosecond), noon.Add(time.Hour)),
		full()); got.ForgetAfter != want.ForgetAfter || got.DeletedAt != want.DeletedAt ||
		got.Status != want.Status || got.SHA256 != want.SHA256 || got.SettledAt != want.SettledAt ||
		got.JudgedVersion != want.JudgedVersion {
		t.Errorf("tombstone\n%+v, want\n%+v", got, want)
	}
}

func TestATombstoneOfAReopenedUploadHasNoVerdict(t *testing.T) {
	r := uploadtest.After(upload.Settle(upload.Verdict{Status: upload.Rejected, Version: "v", At: noon,
		Reason: &upload.Reason{Code: upload.Corrupt, Message: "Broken."}}), upload.Record{ID: someID, Status: upload.Pending})
	r = uploadtest.After(upload.Delete(noon.Add(time.Hour), noon.Add(2*time.Hour)), uploadtest.After(upload.Reopen(), r))
	if !r.SettledAt.IsZero() {
		t.Errorf("its verdict was undone, and it says that it was settled at %s", r.SettledAt)
	}
}

func TestAFailureIsKeptInWholeCharactersOfBoundedLength(t *testing.T) {
	long := strings.Repeat("a", 1999)
	for in, want := range map[string]string{"": "", "slow": "slow", long + "ab": long + "a", long + "é": long,
		"a\xffb": "ab"} {
		at := noon.Add(time.Nanosecond).In(time.FixedZone("", 3600))
		got := uploadtest.After(upload.CountFailure(upload.Failure{At: at, Message: in}),
			upload.Record{Status: upload.Pending, Failures: 2})
		if got.Failures != 3 || *got.LastFailure != (upload.Failure{At: noon, Message: want}) {
			t.Errorf("%.20q…: %d, %.20q… of %d bytes at %s", in, got.Failures, got.LastFailure.Message,
				len(got.LastFailure.Message), got.LastFailure.At)
		}
	}
	if r := uploadtest.After(upload.CountFailure(upload.Failure{At: noon}),
		(upload.Record{Status: upload.Stored})); r.Failures != 0 || r.LastFailure != nil {
		t.Errorf("a stored record has %+v", r.LastFailure)
	}
}
