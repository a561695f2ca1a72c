package upload_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

const words = "Use the other form, please."

// reject has an operator reject an upload and wants a result.
func (d *desk) reject(t *testing.T, r upload.Record, v upload.Version, want upload.Result) upload.Outcome {
	t.Helper()
	outcome, err := d.RejectByOperator(t.Context(), d.quarantine(r), v, words)
	if err != nil || outcome.Result != want {
		t.Fatalf("RejectByOperator gave %q (%+v), %v; want %q", outcome.Result, outcome.Record, err, want)
	}
	return outcome
}

// recheck has an operator undo a rejection.
func (d *desk) recheck(t *testing.T, r upload.Record) (upload.Record, upload.ObjectVersion) {
	t.Helper()
	reopened, left, err := d.Recheck(t.Context(), r.Ref())
	if err != nil {
		t.Fatalf("Recheck: %v", err)
	}
	return reopened, left
}

func TestAnOperatorRejectsByTheNamedVersionElseTheNewestElseTheCopy(t *testing.T) {
	t.Run("named", func(t *testing.T) {
		d := newDesk()
		r, first := d.accept(t, "cat.png", picture(t, "png", 1))
		second := d.objects.Post(d.quarantine(r), picture(t, "png", 2))
		if got := d.reject(t, r, first, upload.ResultRejected).Record; got.JudgedVersion != first || got.Size == 0 {
			t.Errorf("%+v", got)
		}
		if got := d.wantCode(t, r, upload.ByOperator); got.Message != words {
			t.Errorf("the uploader reads %q", got.Message)
		}
		d.wantVersions(t, d.quarantine(r), first, second)
	})
	t.Run("newest, also below a delete marker, and when the named one is gone", func(t *testing.T) {
		for _, named := range []upload.Version{"", "elsewhere"} {
			d := newDesk()
			r, first := d.accept(t, "cat.png", picture(t, "png", 1))
			d.objects.Mark(d.quarantine(r))
			if got := d.reject(t, r, named, upload.ResultRejected).Record; got.JudgedVersion != first {
				t.Errorf("named %q: %+v", named, got)
			}
		}
	})
	t.Run("the copy alone, which stays", func(t *testing.T) {
		d := newDesk()
		r, v := d.accept(t, "cat.png", picture(t, "png", 1))
		copied := d.promoted(t, r, v)
		if err := d.objects.Remove(t.Context(), d.quarantine(r), v); err != nil {
			t.Fatal(err)
		}
		if got := d.reject(t, r, "", upload.ResultRejected).Record; got.JudgedVersion != v {
			t.Errorf("%+v", got)
		}
		d.validate(t, r, v, upload.ResultAlreadySettled)
		d.wantVersions(t, d.files(r), copied.Version)
	})
	t.Run("none, and no foreign object is touched", func(t *testing.T) {
		d := newDesk()
		r, err := d.records.Create(t.Context(), d.draft(t, request("cat.png")), nil)
		if err != nil {
			t.Fatal(err)
		}
		foreign := d.objects.Post(d.files(r), []byte("put here by hand"))
		if got := d.reject(t, r, "", upload.ResultRejected).Record; got.JudgedVersion != "" || got.Status != upload.Rejected {
			t.Errorf("%+v", got)
		}
		d.wantVersions(t, d.files(r), foreign)
	})
}

// promoted leaves the copy of a validator that ended before its verdict.
func (d *desk) promoted(t *testing.T, r upload.Record, v upload.Version) upload.Copy {
	t.Helper()
	copied, err := d.objects.Promote(t.Context(), upload.Promotion{From: d.quarantine(r), Version: v, To: d.files(r)})
	if err != nil {
		t.Fatal(err)
	}
	return copied
}

func TestARejectionByAnOperatorTakesTheCopyBackAndKeepsTheBytes(t *testing.T) {
	for _, atomic := range []bool{true, false} {
		d := deskOn(uploadtest.RecordsOptions{Swap: atomic})
		r, v := d.accept(t, "cat.png", picture(t, "png", 1))
		copied := d.promoted(t, r, v)
		d.reject(t, r, v, upload.ResultRejected)
		var left []upload.Version
		if !atomic {
			left = append(left, copied.Version) // a slow validator may still settle with it
		}
		d.wantVersions(t, d.files(r), left...)
		d.wantVersions(t, d.quarantine(r), v)
		d.validate(t, r, v, upload.ResultAlreadySettled)
		d.wantVersions(t, d.quarantine(r), v)
	}
}

func TestARejectionWhoseAnswerWasLostIsFinishedByTheSecond(t *testing.T) {
	for _, fails := range []string{"Remove", "Tell"} {
		d, app := notifyingDesk()
		r, v := d.accept(t, "cat.png", picture(t, "png", 1))
		d.promoted(t, r, v)
		d.fail(fails)
		if _, err := d.RejectByOperator(t.Context(), d.quarantine(r), v, words); !errors.Is(err, errTrouble) {
			t.Fatalf("%s fails: %v", fails, err)
		}
		d.heal()
		settled := d.wantStatus(t, r, upload.Rejected)
		got := d.reject(t, r, "", upload.ResultAlreadySettled)
		if !got.Record.Equal(settled) {
			t.Errorf("%s failed: the second gave %+v", fails, got.Record)
		}
		app.wantHeard(t, settled)
		d.wantVersions(t, d.files(r))
	}
}

func TestWhatIsNotPendingIsNotRejectedByAnOperator(t *testing.T) {
	d := newDesk()
	stored, v := d.accept(t, "cat.png", picture(t, "png", 1))
	d.validate(t, stored, v, upload.ResultStored)
	broken, v := d.accept(t, "dog.png", []byte("no picture"))
	d.validate(t, broken, v, upload.ResultRejected)
	deleted, _ := d.accept(t, "cow.png", picture(t, "png", 2))
	if _, err := d.Delete(t.Context(), deleted.Ref()); err != nil {
		t.Fatal(err)
	}
	app := &told{w: d.watch}
	d.Notifier = app
	for _, c := range []struct {
		r    upload.Record
		want upload.Result
	}{{stored, upload.ResultAlreadySettled}, {broken, upload.ResultAlreadySettled}, {deleted, upload.ResultDeleted}} {
		before := d.record(t, c.r)
		d.forget()
		if got := d.reject(t, c.r, "", c.want); !got.Record.Equal(before) || !d.record(t, c.r).Equal(before) {
			t.Errorf("%s: gave %+v", before.Status, got.Record)
		}
		if calls := d.seen(); !slices.Equal(calls, []string{"Get"}) || len(app.heard) > 0 {
			t.Errorf("%s: calls %v, told %d times", before.Status, calls, len(app.heard))
		}
	}
	absent := stored
	absent.ID = idNumber(99)
	d.reject(t, absent, "", upload.ResultOrphan)
	if got, err := d.RejectByOperator(t.Context(), "files/x", "", words); err != nil || got.Result != upload.ResultForeign {
		t.Errorf("a foreign key: %+v, %v", got, err)
	}
}

func TestAVerdictThatComesFirstIsNotOverwrittenByAnOperator(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	d.before[upload.SettleName] = func() error {
		clear(d.before)
		d.validate(t, r, v, upload.ResultStored)
		return nil
	}
	if got := d.reject(t, r, v, upload.ResultAlreadySettled); got.Record.Status != upload.Stored {
		t.Errorf("%+v", got.Record)
	}
	d.wantStatus(t, r, upload.Stored)
}

func TestWordsThatAnUploaderCannotReadAreRefused(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	d.forget()
	for _, bad := range []string{"", "  ", strings.Repeat("é", 251), "two\nlines", "\x1b[2J", "\xff", "a\u2028b", "\u202egnp"} {
		if _, err := d.RejectByOperator(t.Context(), d.quarantine(r), v, bad); !errors.Is(err, upload.ErrWords) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if calls := d.seen(); len(calls) > 0 {
		t.Errorf("calls %v", calls)
	}
	if _, err := d.RejectByOperator(t.Context(), d.quarantine(r), v, strings.Repeat("é", 250)); err != nil {
		t.Error(err)
	}
}

func TestARecheckGivesExactlyTheVersionThatWasRejected(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	d.reject(t, r, v, upload.ResultRejected)
	d.objects.Post(d.quarantine(r), []byte("late"))
	reopened, left := d.recheck(t, r)
	if calls := d.seen(); slices.Contains(calls, "Open") {
		t.Errorf("an operator may not read what is in quarantine: %v", calls)
	}
	if reopened.Status != upload.Pending || reopened.Reason != nil || left.Key != d.quarantine(r) || left.Version != v ||
		left.Size != int64(len(picture(t, "png", 1))) {
		t.Errorf("%+v, %+v", reopened, left)
	}
	d.validate(t, r, left.Version, upload.ResultStored)
}

func TestARecheckWithoutTheBytesChangesNothing(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", []byte("no picture"))
	d.validate(t, r, v, upload.ResultRejected)
	if err := d.objects.Remove(t.Context(), d.quarantine(r), v); err != nil {
		t.Fatal(err)
	}
	d.objects.Post(d.quarantine(r), picture(t, "png", 1)) // another version is no substitute
	if _, _, err := d.Recheck(t.Context(), r.Ref()); !errors.Is(err, upload.ErrGone) {
		t.Errorf("Recheck: %v", err)
	}
	if _, _, _, err := d.Reinspect(t.Context(), r.Ref()); !errors.Is(err, upload.ErrGone) {
		t.Errorf("Reinspect: %v", err)
	}
	d.wantStatus(t, r, upload.Rejected)
}

func TestARejectionByNoBytesIsRecheckedByTheNewestThereAre(t *testing.T) {
	d := newDesk()
	r, err := d.records.Create(t.Context(), d.draft(t, request("cat.png")), nil)
	if err != nil {
		t.Fatal(err)
	}
	d.reject(t, r, "", upload.ResultRejected)
	if _, _, err := d.Recheck(t.Context(), r.Ref()); !errors.Is(err, upload.ErrGone) {
		t.Errorf("without bytes: %v", err)
	}
	v := d.objects.Post(d.quarantine(r), picture(t, "png", 1))
	if _, left := d.recheck(t, r); left.Version != v {
		t.Errorf("%+v", left)
	}
}

func TestOnlyWhatIsRejectedIsRechecked(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	for _, status := range []upload.Status{upload.Pending, upload.Stored} {
		record, _, err := d.Recheck(t.Context(), r.Ref())
		if !errors.Is(err, upload.ErrConflict) || record.Status != status {
			t.Errorf("%s: %v, %+v", status, err, record)
		}
		if status == upload.Pending {
			d.validate(t, r, v, upload.ResultStored)
		}
	}
	absent := r.Ref()
	absent.ID = idNumber(99)
	if _, _, err := d.Recheck(t.Context(), absent); !errors.Is(err, upload.ErrNotFound) {
		t.Errorf("absent: %v", err)
	}
}

func TestADryRunGivesTheVerdictOfNowAndChangesNothing(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	d.reject(t, r, v, upload.ResultRejected)
	before := d.record(t, r)
	d.forget()
	record, facts, reason, err := d.Reinspect(t.Context(), r.Ref())
	if err != nil || reason != nil || facts.ContentType != "image/png" || !record.Equal(before) {
		t.Errorf("%+v, %+v, %+v, %v", record, facts, reason, err)
	}
	if calls := d.seen(); !slices.Equal(calls, []string{"Get", "ListVersions", "Open"}) || d.open != 0 {
		t.Errorf("calls %v, %d bodies open", calls, d.open)
	}
	broken, v := d.accept(t, "dog.png", []byte("no picture"))
	d.validate(t, broken, v, upload.ResultRejected)
	if _, _, reason, err := d.Reinspect(t.Context(), broken.Ref()); err != nil || reason == nil {
		t.Errorf("%+v, %v", reason, err)
	}
}

// What began before a re-check must not end after it: the copy may be removed by whoever saw
// the rejection.
func TestAVerdictThatBeganBeforeARecheckIsNotSettledAfterIt(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	d.before[upload.SettleName] = func() error {
		clear(d.before)
		d.reject(t, r, v, upload.ResultRejected)
		d.recheck(t, r)
		return nil
	}
	if err := d.validateInTrouble(t, r, v); !errors.Is(err, upload.ErrConflict) {
		t.Errorf("%v", err)
	}
	d.wantStatus(t, r, upload.Pending)
	stored := d.validate(t, r, v, upload.ResultStored).Record
	d.wantVersions(t, d.files(r), stored.ServedVersion)
}

func TestACopyFromBeforeARecheckIsReplaced(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	old := d.promoted(t, r, v)
	d.fail("Stat") // the operator's process ends before it looks for the copy
	if _, err := d.RejectByOperator(t.Context(), d.quarantine(r), v, words); err == nil {
		t.Fatal("it did not fail")
	}
	d.heal()
	d.recheck(t, r)
	d.validateInTrouble(t, r, v)
	d.wantVersions(t, d.files(r))
	stored := d.validate(t, r, v, upload.ResultStored).Record
	if stored.ServedVersion == old.Version {
		t.Errorf("the old copy %s is served", old.Version)
	}
}
