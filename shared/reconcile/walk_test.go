package reconcile_test

import (
	"strings"
	"testing"
	"time"

	"hatchery/shared/reconcile"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

func TestAPendingUploadWithBytesIsSentAgainOnceItIsOverdue(t *testing.T) {
	w := newFixture(t)
	body := uploadtest.Picture(1)
	ref := w.accepted(body)
	at := w.clock.Now()
	w.clock.Pass(overdue)
	w.runs(counts{})
	if got := w.messages(); len(got) != 0 {
		t.Fatalf("sent at the limit: %+v", got)
	}
	w.clock.Pass(time.Microsecond)
	report := w.runs(counts{reenqueued: 1})
	got := w.messages()
	if len(got) != 1 || got[0].number != 1 {
		t.Fatalf("sent %+v, want one message, number 1", got)
	}
	c, key := got[0].created, upload.DefaultLayout.QuarantineKey(ref)
	version := c.VersionID
	if c.Key != string(key) || c.Bucket != bucket || c.Region != "eu-central-1" || c.Size != int64(len(body.Data)) ||
		!c.Time.Equal(at.Truncate(time.Millisecond)) {
		t.Errorf("the message is about %+v", c)
	}
	if data, ok := w.objects.Bytes(key, upload.Version(version)); !ok || len(data) != len(body.Data) {
		t.Errorf("the message is about version %q, which is not there", version)
	}
	if r := w.record(ref); r.Resends != 1 || !r.ResentAt.Equal(w.clock.Now()) || r.Status != upload.Pending {
		t.Errorf("the record counts %d at %v", r.Resends, r.ResentAt)
	}
	f := report.Findings[0]
	if f.What != reconcile.Resent || f.Key != key || f.Upload != ref.ID || f.Status != upload.Pending ||
		string(f.Version) != version || f.Detail == "" {
		t.Errorf("the finding is %+v", f)
	}
	if out := w.validate(ref, upload.Version(version)); out.Result != upload.ResultStored {
		t.Errorf("validated: %s", out.Result)
	}
	w.clock.Pass(overdue + day)
	w.runs(counts{})
}

func TestItIsSentAgainTwiceAndThenReported(t *testing.T) {
	w := newFixture(t)
	ref := w.accepted(uploadtest.Picture(1))
	version := upload.Version(w.versionsOf(ref)[0])
	for number := 1; number <= 2; number++ {
		// Measured from the last time that it was sent.
		w.clock.Pass(overdue)
		w.runs(counts{})
		w.clock.Pass(time.Microsecond)
		w.runs(counts{reenqueued: 1})
		w.holds(number, ref, version)
		w.runs(counts{})
	}
	w.clock.Pass(overdue)
	w.runs(counts{})
	// Who may not do what stands at the end of what AWS says.
	failure := "operation error S3: CopyObject, " + strings.Repeat("https response error, ", 60) +
		"is not authorized to perform: s3:GetObjectVersion"
	if err := upload.NoteFailure(t.Context(), w.records, ref,
		upload.Failure{At: w.clock.Now(), Message: failure}); err != nil {
		t.Fatal(err)
	}
	w.clock.Pass(time.Microsecond)
	for range 2 {
		report := w.runs(counts{pendingTooLong: 1})
		if !report.NeedsPerson() || !strings.Contains(report.Findings[0].Detail, failure) {
			t.Errorf("%+v: want that a person looks at the last failure", report.Findings)
		}
		w.clock.Pass(10 * day)
	}
	if got := w.messages(); len(got) != 0 {
		t.Errorf("sent again: %+v", got)
	}
	if !strings.Contains(w.log.String(), "level=ERROR") || !strings.Contains(w.log.String(), string(ref.ID)) {
		t.Errorf("logged %s", &w.log)
	}
	// An operator who has it judged again begins anew.
	w.objects.Post(quarantineKey(ref), uploadtest.Script().Data)
	w.validate(ref, "")
	if _, err := w.records.Update(t.Context(), ref, upload.Reopen()); err != nil {
		t.Fatal(err)
	}
	w.clock.Pass(overdue + time.Second)
	w.runs(counts{reenqueued: 1})
}

func (w *fixture) versionsOf(ref upload.Ref) []upload.Version {
	w.Helper()
	versions, err := w.objects.Versions(w.Context(), upload.DefaultLayout.QuarantineKey(ref))
	if err != nil {
		w.Fatal(err)
	}
	return versions
}

func TestBytesThatCameLateAreGivenTheirTime(t *testing.T) {
	w := newFixture(t)
	ref := w.announced(15 * time.Minute)
	w.clock.Pass(10 * time.Minute)
	first := w.post(ref, uploadtest.Script())
	w.clock.Pass(time.Minute)
	second := w.post(ref, uploadtest.Picture(1))
	w.clock.Pass(overdue)
	w.runs(counts{}) // the first is overdue, the second is not
	w.clock.Pass(time.Microsecond)
	w.runs(counts{reenqueued: 1})
	w.holds(1, ref, second, first)
}

// TestEveryVersionGetsItsMessage: a validator died after it had promoted the first
// version, and only the message of that one can settle the upload.
func TestEveryVersionGetsItsMessage(t *testing.T) {
	w := newFixture(t)
	ref := w.announced(15 * time.Minute)
	key := upload.DefaultLayout.QuarantineKey(ref)
	first := w.post(ref, uploadtest.Picture(1))
	second := w.post(ref, uploadtest.Picture(2))
	if _, err := w.objects.Promote(t.Context(),
		upload.Promotion{From: key, Version: first, To: upload.DefaultLayout.FilesKey(ref)}); err != nil {
		t.Fatal(err)
	}
	w.clock.Pass(overdue + time.Second)
	w.runs(counts{reenqueued: 1})
	w.holds(1, ref, second, first)
	if _, err := w.pipeline.Validate(t.Context(), key, second); err == nil {
		t.Fatal("the second version was judged beside the first one's copy")
	}
	w.validate(ref, first)
	w.validate(ref, second)
	if r := w.record(ref); r.Status != upload.Stored || r.JudgedVersion != first || len(w.versionsOf(ref)) != 0 {
		t.Errorf("it ends %s by version %s", r.Status, r.JudgedVersion)
	}
}

func TestAFormThatWasPostedManyTimesIsSentAgainInPart(t *testing.T) {
	for name, settled := range map[string]bool{"pending": false, "settled": true} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t)
			w.r.Limits.Versions = 3
			ref := w.announced(15 * time.Minute)
			if settled {
				w.validate(ref, w.post(ref, uploadtest.Picture(1)))
			}
			var versions []upload.Version
			for range 5 {
				versions = append(versions, w.post(ref, uploadtest.Script()))
			}
			w.clock.Pass(overdue + time.Second)
			w.runs(counts{reenqueued: 1})
			w.holds(1, ref, versions[4], versions[3], versions[2])
		})
	}
}

func TestAKeyThatBeginsAlikeIsAnotherObject(t *testing.T) {
	w := newFixture(t)
	missing, present := w.announced(0), w.accepted(uploadtest.Picture(1))
	version := w.versionsOf(present)[0]
	w.clock.Pass(day)
	for _, ref := range []upload.Ref{missing, present} {
		w.objects.Post(quarantineKey(ref)+"0", []byte("foreign, and young"))
	}
	w.clock.Pass(time.Second)
	w.runs(counts{reenqueued: 1, neverArrived: 1, foreign: 2})
	w.holds(1, present, version)
}

func TestAnUploadBehindADeleteMarkerStillHasBytes(t *testing.T) {
	w := newFixture(t)
	w.r.Limits.Versions = 1 // so that the marker fills a page of its own
	ref := w.accepted(uploadtest.Picture(1))
	version := w.versionsOf(ref)[0]
	w.objects.Mark(upload.DefaultLayout.QuarantineKey(ref))
	w.clock.Pass(30 * day)
	w.runs(counts{reenqueued: 1})
	w.holds(1, ref, version)
}

func TestAnUploadWhoseBytesNeverCameIsGivenUpADayAfterTheyCould(t *testing.T) {
	for name, c := range map[string]struct{ form, after time.Duration }{
		"by a form":            {15 * time.Minute, 15*time.Minute + day},
		"with the request":     {0, day},
		"by a form of an hour": {time.Hour, time.Hour + day},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t)
			ref := w.announced(c.form)
			w.clock.Pass(c.after)
			w.runs(counts{})
			w.clock.Pass(time.Microsecond)
			report := w.runs(counts{neverArrived: 1})
			if report.NeedsPerson() {
				t.Error("nobody has to look at it")
			}
			r := w.record(ref)
			if r.Status != upload.Rejected || r.Reason == nil || r.Reason.Code != upload.NeverArrived {
				t.Errorf("the record is %+v", r)
			}
			if len(w.told) != 1 || w.told[0].ID != ref.ID {
				t.Errorf("told of %+v", w.told)
			}
			w.clock.Pass(day)
			w.runs(counts{})
			if got := w.messages(); len(got) != 0 {
				t.Errorf("sent %+v", got)
			}
		})
	}
}

// robbed is an upload whose bytes somebody removed before the validator looked.
func (w *fixture) robbed() upload.Ref {
	w.Helper()
	ref := w.accepted(uploadtest.Picture(1))
	version := w.versionsOf(ref)[0]
	if err := w.objects.Remove(w.Context(), quarantineKey(ref), version); err != nil {
		w.Fatal(err)
	}
	if out := w.validate(ref, version); out.Result != upload.ResultLost {
		w.Fatalf("validated: %s", out.Result)
	}
	return ref
}

func TestBytesThatSomebodyRemovedAreReportedUntilTheyAreGivenUp(t *testing.T) {
	w := newFixture(t)
	ref := w.robbed()
	w.clock.Pass(overdue)
	w.runs(counts{})
	w.clock.Pass(time.Microsecond)
	for range 2 {
		report := w.runs(counts{bytesLost: 1})
		f := report.Findings[0]
		if !report.NeedsPerson() || report.Walk != (reconcile.Total{Whole: true, Lost: 1}) ||
			f.What != reconcile.BytesLost || f.Key != quarantineKey(ref) || f.Upload != ref.ID || f.Status != upload.Pending ||
			!strings.Contains(f.Detail, "1 failures") || !strings.Contains(f.Detail, "bytes lost: version ") {
			t.Errorf("%+v: %+v", report.Walk, f)
		}
		if r := w.record(ref); r.Status != upload.Pending || len(w.told) != 0 {
			t.Fatalf("it is %+v, told %+v", r, w.told)
		}
		w.clock.Pass(time.Hour)
	}
	if !strings.Contains(w.log.String(), "level=ERROR") || !strings.Contains(w.log.String(), "finding=bytes_lost") {
		t.Errorf("logged %s", &w.log)
	}
	w.clock.Pass(day)
	if report := w.runs(counts{bytesLost: 1}); !report.NeedsPerson() {
		t.Error("nobody looks at it")
	}
	r := w.record(ref)
	if r.Status != upload.Rejected || r.Reason.Code != upload.BytesLost {
		t.Errorf("the record is %+v", r)
	}
	if len(w.told) != 1 || w.told[0].ID != ref.ID || w.told[0].Reason.Code != upload.BytesLost {
		t.Errorf("told of %+v", w.told)
	}
	w.clock.Pass(day)
	if report := w.runs(counts{}); report.NeedsPerson() || report.Walk != (reconcile.Total{Whole: true}) {
		t.Errorf("it is reported still: %+v", report)
	}
}

// TestBytesThatAreRemovedAfterTheirMessageWasSentAgain: no validator ever looked.
func TestBytesThatAreRemovedAfterTheirMessageWasSentAgain(t *testing.T) {
	w := newFixture(t)
	ref := w.accepted(uploadtest.Picture(1))
	w.clock.Pass(overdue + time.Second)
	w.runs(counts{reenqueued: 1})
	w.messages()
	if err := w.objects.Remove(t.Context(), quarantineKey(ref), w.versionsOf(ref)[0]); err != nil {
		t.Fatal(err)
	}
	w.runs(counts{bytesLost: 1})
	w.clock.Pass(day)
	w.runs(counts{bytesLost: 1})
	if r := w.record(ref); r.Status != upload.Rejected || r.Reason.Code != upload.BytesLost {
		t.Errorf("the record is %+v", r)
	}
}

func TestWhatIsThereIsNotCalledLost(t *testing.T) {
	for name, more := range map[string]func(w *fixture, ref upload.Ref){
		"another version came": func(w *fixture, ref upload.Ref) { w.post(ref, uploadtest.Picture(2)) },
		"a copy is there": func(w *fixture, ref upload.Ref) {
			w.objects.Post(filesKey(ref), uploadtest.Picture(2).Data)
		},
		"it was deleted": func(w *fixture, ref upload.Ref) {
			if _, err := w.pipeline.Delete(w.Context(), ref); err != nil {
				w.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t)
			ref := w.robbed()
			w.clock.Pass(overdue - time.Minute)
			more(w, ref)
			w.clock.Pass(2 * time.Minute)
			w.runs(counts{})
		})
	}
}

// TestACopyWaitsForItsVerdictUntilItsTimeIsOver: also when the version that it was made of
// was called lost.
func TestACopyWaitsForItsVerdictUntilItsTimeIsOver(t *testing.T) {
	w := newFixture(t)
	ref := w.robbed()
	w.objects.Post(filesKey(ref), uploadtest.Picture(2).Data)
	w.clock.Pass(2 * overdue)
	w.runs(counts{})
	w.clock.Pass(day)
	w.runs(counts{reenqueued: 1})
}

// TestADeleteMarkerAloneIsNoBytes: it keeps an upload from being given up, and is reported.
func TestADeleteMarkerAloneIsNoBytes(t *testing.T) {
	w := newFixture(t)
	ref := w.robbed()
	marker := w.objects.Mark(quarantineKey(ref))
	w.clock.Pass(2 * day)
	w.runs(counts{bytesLost: 1})
	if r := w.record(ref); r.Status != upload.Pending {
		t.Errorf("the record is %+v", r)
	}
	if err := w.objects.Remove(t.Context(), quarantineKey(ref), marker); err != nil {
		t.Fatal(err)
	}
	w.runs(counts{bytesLost: 1})
	if r := w.record(ref); r.Status != upload.Rejected || r.Reason.Code != upload.BytesLost {
		t.Errorf("the record is %+v", r)
	}
}

func TestOnlyPendingUploadsAreWalkedOver(t *testing.T) {
	w := newFixture(t)
	stored, rejected, deleted := w.accepted(uploadtest.Picture(1)), w.accepted(uploadtest.Script()),
		w.accepted(uploadtest.Picture(2))
	w.validate(stored, "")
	w.validate(rejected, "")
	if _, err := w.pipeline.Delete(t.Context(), deleted); err != nil {
		t.Fatal(err)
	}
	w.clock.Pass(30 * day)
	report := w.runs(counts{})
	if report.PendingSeen != 0 || report.StoredSeen != 1 || report.ObjectsSeen != 2 {
		t.Errorf("saw %+v", report)
	}
	if got := w.messages(); len(got) != 0 {
		t.Errorf("sent %+v", got)
	}
}

// TestAnUploadThatLostItsVerdictIsSettledWithItsCopy: a store without compare-and-swap
// may lose what the validator settled, after the bytes left quarantine.
func TestAnUploadThatLostItsVerdictIsSettledWithItsCopy(t *testing.T) {
	w := newFixture(t)
	ref := w.accepted(uploadtest.Picture(1))
	pending := w.record(ref)
	w.validate(ref, "")
	stored := w.record(ref)
	w.records.Overwrite(pending)

	w.clock.Pass(day)
	w.runs(counts{})
	w.clock.Pass(time.Microsecond)
	w.runs(counts{reenqueued: 1})
	w.holds(1, ref, "")
	if out := w.validate(ref, ""); out.Result != upload.ResultStored {
		t.Errorf("the validator says %s", out.Result)
	}
	again := w.record(ref)
	again.SettledAt, again.Resends, again.ResentAt = stored.SettledAt, stored.Resends, stored.ResentAt
	if again != stored {
		t.Errorf("it was\n%+v, and is\n%+v", stored, again)
	}
	w.clock.Pass(day)
	w.runs(counts{})
}
