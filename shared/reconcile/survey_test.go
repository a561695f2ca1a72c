package reconcile_test

import (
	"fmt"
	"testing"
	"time"

	"hatchery/shared/reconcile"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

func quarantineKey(ref upload.Ref) upload.Key { return upload.DefaultLayout.QuarantineKey(ref) }
func filesKey(ref upload.Ref) upload.Key      { return upload.DefaultLayout.FilesKey(ref) }

// settledButLeft makes a stored upload whose judged version was left behind, as by
// a validator that died before its last step.
func (w *fixture) settledButLeft() (upload.Ref, upload.Version) {
	w.Helper()
	ref := w.accepted(uploadtest.Picture(1))
	version := w.versionsOf(ref)[0]
	w.pipeline.Objects = keepsQuarantine{w.objects}
	w.validate(ref, version)
	w.pipeline.Objects = w.objects
	if got := w.record(ref).Status; got != upload.Stored {
		w.Fatalf("the upload is %s", got)
	}
	return ref, version
}

func TestBytesThatASettledUploadLeftAreSentAgain(t *testing.T) {
	for name, prepare := range map[string]func(w *fixture) (upload.Ref, []upload.Version){
		"the judged version of a stored one": func(w *fixture) (upload.Ref, []upload.Version) {
			ref, version := w.settledButLeft()
			return ref, []upload.Version{version}
		},
		"a late version of a stored one": func(w *fixture) (upload.Ref, []upload.Version) {
			ref := w.accepted(uploadtest.Picture(1))
			w.validate(ref, "")
			return ref, []upload.Version{w.post(ref, uploadtest.Picture(2))}
		},
		"a late version of a rejected one": func(w *fixture) (upload.Ref, []upload.Version) {
			ref := w.accepted(uploadtest.Script())
			w.validate(ref, "")
			return ref, []upload.Version{w.post(ref, uploadtest.Picture(2))}
		},
		"bytes of one that never arrived": func(w *fixture) (upload.Ref, []upload.Version) {
			ref := w.announced(time.Hour)
			if _, err := w.pipeline.Expire(w.Context(), ref); err != nil {
				w.Fatal(err)
			}
			return ref, []upload.Version{w.post(ref, uploadtest.Picture(2))}
		},
		"two versions of a deleted one": func(w *fixture) (upload.Ref, []upload.Version) {
			ref := w.accepted(uploadtest.Picture(1))
			if _, err := w.pipeline.Delete(w.Context(), ref); err != nil {
				w.Fatal(err)
			}
			first, second := w.post(ref, uploadtest.Picture(2)), w.post(ref, uploadtest.Picture(3))
			return ref, []upload.Version{second, first}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t)
			ref, versions := prepare(w)
			was := w.record(ref).Status
			for number := 1; number <= 2; number++ {
				w.clock.Pass(overdue)
				w.runs(counts{})
				w.clock.Pass(time.Microsecond)
				report := w.runs(counts{reenqueued: 1})
				w.holds(number, ref, versions...)
				if f := report.Findings[0]; f.Status != was || f.Upload != ref.ID || f.Version != versions[0] {
					t.Errorf("the finding is %+v", f)
				}
				if r := w.record(ref); r.Resends != number || r.Status != was {
					t.Errorf("the record is %s and counts %d", r.Status, r.Resends)
				}
			}
			w.clock.Pass(overdue + time.Microsecond)
			if report := w.runs(counts{unfinishedTooLong: 1}); !report.NeedsPerson() {
				t.Error("nobody is told to look at it")
			}
			if got := w.messages(); len(got) != 0 {
				t.Errorf("sent a third time: %+v", got)
			}
			// What the messages are for.
			for _, v := range versions {
				w.validate(ref, v)
			}
			w.runs(counts{})
			if r := w.record(ref); r.Status != was {
				t.Errorf("the record became %s", r.Status)
			}
		})
	}
}

func TestTheBytesOfARejectionStay(t *testing.T) {
	w := newFixture(t)
	ref := w.announced(time.Hour)
	judged := w.post(ref, uploadtest.Script())
	late := w.post(ref, uploadtest.Picture(1))
	w.validate(ref, judged)
	w.clock.Pass(30 * day)
	w.runs(counts{reenqueued: 1})
	w.holds(1, ref, late) // and not the judged one
	w.validate(ref, late)
	w.clock.Pass(30 * day)
	w.runs(counts{})
	if got := w.versionsOf(ref); len(got) != 1 || got[0] != judged {
		t.Errorf("quarantine holds %q, want %q", got, judged)
	}
}

// TestWhatIsSentAgainIsWhatThePipelineHasWorkWith: the same rule for one version in the
// pipeline, and for all of them here.
func TestWhatIsSentAgainIsWhatThePipelineHasWorkWith(t *testing.T) {
	w := newFixture(t)
	var refs []upload.Ref
	for _, body := range []uploadtest.Body{uploadtest.Picture(1), uploadtest.Script(), uploadtest.Picture(2),
		uploadtest.Picture(3)} {
		ref := w.announced(time.Hour)
		w.post(ref, body)
		w.post(ref, uploadtest.Picture(9))
		refs = append(refs, ref)
	}
	w.pipeline.Objects = keepsQuarantine{w.objects}
	w.validate(refs[0], w.versionsOf(refs[0])[0])
	w.validate(refs[1], w.versionsOf(refs[1])[0])
	if _, err := w.records.Update(t.Context(), refs[2], upload.Delete(w.clock.Now(), w.clock.Now().Add(91*day))); err != nil {
		t.Fatal(err)
	}
	needed := map[string]bool{}
	for _, ref := range refs {
		for _, v := range w.versionsOf(ref) {
			needsWork, err := w.pipeline.NeedsWork(t.Context(), quarantineKey(ref), v)
			if err != nil {
				t.Fatal(err)
			}
			if needsWork {
				needed[string(quarantineKey(ref))+" "+string(v)] = true
			}
		}
	}
	if len(needed) != 7 {
		t.Fatalf("%d versions need work, want all of eight but one", len(needed))
	}
	w.clock.Pass(overdue + time.Second)
	w.runs(counts{reenqueued: 4})
	for _, m := range w.messages() {
		version := m.created.Key + " " + m.created.VersionID
		if !needed[version] {
			t.Errorf("sent %s, which needs no work", version)
		}
		delete(needed, version)
	}
	if len(needed) != 0 {
		t.Errorf("not sent: %v", needed)
	}
}

func TestObjectsWithoutARecordAreReportedAndNotTouched(t *testing.T) {
	w := newFixture(t)
	ref := upload.Ref{Journal: "j", Entry: "e", Kind: "images", ID: "019a0000-0000-7000-8000-00000000ffff"}
	w.post(ref, uploadtest.Picture(1))
	w.objects.Post(filesKey(ref), []byte("copy"))
	before := w.objects.Digest()
	w.clock.Pass(time.Hour)
	w.runs(counts{})
	w.clock.Pass(time.Microsecond)
	report := w.runs(counts{orphans: 1, strays: 1})
	if f := report.Findings[0]; f.What != reconcile.OrphanObject || f.Key != quarantineKey(ref) || f.Upload != ref.ID ||
		f.Version == "" || f.Status != "" {
		t.Errorf("the finding is %+v", f)
	}
	if f := report.Findings[1]; f.What != reconcile.StrayFile || f.Key != filesKey(ref) {
		t.Errorf("the finding is %+v", f)
	}
	w.clock.Pass(60 * day)
	if report := w.runs(counts{orphans: 1, strays: 1}); !report.NeedsPerson() {
		t.Error("nobody is told to look at it")
	}
	if w.objects.Digest() != before || len(w.messages()) != 0 {
		t.Error("something was touched or sent")
	}
}

func TestKeysThatHatcheryNeverMakesAreReported(t *testing.T) {
	w := newFixture(t)
	for _, key := range []upload.Key{"quarantine/readme.txt", "quarantine/j/entries/e/images/NOT-A-UUID",
		"files/j/entries/e/images/\x01",
		"files/j/entries/e/images/019A0000-0000-7000-8000-000000000001"} {
		w.objects.Post(key, []byte("?"))
	}
	w.objects.Post("elsewhere/readme.txt", []byte("not ours to look at"))
	before := w.objects.Digest()
	w.runs(counts{foreign: 4})
	if w.objects.Digest() != before {
		t.Error("something was touched")
	}
}

func TestCopiesThatNoStoredRecordServesAreReported(t *testing.T) {
	w := newFixture(t)
	stored := w.accepted(uploadtest.Picture(1))
	w.validate(stored, "")
	served := w.record(stored).ServedVersion
	other := w.objects.Post(filesKey(stored), []byte("put there by hand"))

	rejected := w.accepted(uploadtest.Script())
	w.validate(rejected, "")
	w.objects.Post(filesKey(rejected), []byte("a copy that was not taken back"))

	deleted := w.accepted(uploadtest.Picture(2))
	if _, err := w.pipeline.Delete(t.Context(), deleted); err != nil {
		t.Fatal(err)
	}
	w.objects.Post(filesKey(deleted), []byte("a copy made meanwhile"))

	// Its validator is between promoting and settling.
	pending := w.accepted(uploadtest.Picture(3))
	w.objects.Post(filesKey(pending), []byte("a copy"))

	w.clock.Pass(time.Hour)
	w.runs(counts{})
	w.clock.Pass(time.Microsecond)
	before := w.objects.Digest()
	report := w.runs(counts{strays: 3})
	for _, f := range report.Findings {
		if f.Key == filesKey(stored) && f.Version != other || f.Version == served || f.Key == filesKey(pending) {
			t.Errorf("reported %+v", f)
		}
	}
	if w.objects.Digest() != before {
		t.Error("something was touched")
	}
}

// TestACopyIsNotStrayWhileItMayBeTakenBack: the copy is old, the verdict is young.
func TestACopyIsNotStrayWhileItMayBeTakenBack(t *testing.T) {
	w := newFixture(t)
	ref := w.accepted(uploadtest.Script())
	w.objects.Post(filesKey(ref), []byte("a copy"))
	w.clock.Pass(2 * time.Hour)
	w.validate(ref, "")
	w.clock.Pass(time.Hour)
	w.runs(counts{})
	w.clock.Pass(time.Second)
	if _, err := w.records.Update(t.Context(), ref, upload.Delete(w.clock.Now(), w.clock.Now().Add(91*day))); err != nil {
		t.Fatal(err)
	}
	w.clock.Pass(time.Hour)
	w.runs(counts{})
	w.clock.Pass(time.Microsecond)
	w.runs(counts{strays: 1})
}

func TestACopyThatIsYoungIsNotStray(t *testing.T) {
	w := newFixture(t)
	ref := w.accepted(uploadtest.Picture(1))
	w.validate(ref, "")
	w.clock.Pass(day)
	w.objects.Post(filesKey(ref), []byte("put there by hand"))
	w.clock.Pass(time.Hour)
	w.runs(counts{})
	w.clock.Pass(time.Microsecond)
	w.runs(counts{strays: 1})
}

// TestTheCopyOfADeletedUploadIsStray: the deletion ended after its first step.
func TestTheCopyOfADeletedUploadIsStray(t *testing.T) {
	w := newFixture(t)
	ref := w.accepted(uploadtest.Picture(1))
	w.validate(ref, "")
	if _, err := w.records.Update(t.Context(), ref, upload.Delete(w.clock.Now(), w.clock.Now().Add(91*day))); err != nil {
		t.Fatal(err)
	}
	w.clock.Pass(time.Hour + time.Second)
	report := w.runs(counts{strays: 1})
	if f := report.Findings[0]; f.Version != w.record(ref).ServedVersion || f.Status != upload.Deleted {
		t.Errorf("the finding is %+v", f)
	}
}

// TestWhatTheReplacedServiceStoredIsNotLost: its records name no version.
func TestWhatTheReplacedServiceStoredIsNotLost(t *testing.T) {
	w := newFixture(t)
	ref := w.announced(0)
	if _, err := w.records.Update(t.Context(), ref,
		upload.Settle(upload.Verdict{Status: upload.Stored, At: w.clock.Now()})); err != nil {
		t.Fatal(err)
	}
	w.clock.Pass(30 * day)
	w.runs(counts{})
}

func TestStoredRecordsWithoutTheirVersionAreReported(t *testing.T) {
	w := newFixture(t)
	kept, lost, replaced := w.accepted(uploadtest.Picture(1)), w.accepted(uploadtest.Picture(2)),
		w.accepted(uploadtest.Picture(3))
	for _, ref := range []upload.Ref{kept, lost, replaced} {
		w.validate(ref, "")
	}
	hidden := w.accepted(uploadtest.Picture(4))
	w.validate(hidden, "")
	w.objects.Mark(filesKey(hidden)) // it is served by its version
	for _, ref := range []upload.Ref{lost, replaced} {
		if err := w.objects.Remove(t.Context(), filesKey(ref), w.record(ref).ServedVersion); err != nil {
			t.Fatal(err)
		}
	}
	w.objects.Post(filesKey(replaced), []byte("something else"))
	report := w.runs(counts{lost: 2})
	for i, ref := range []upload.Ref{lost, replaced} {
		if f := report.Findings[i]; f.What != reconcile.LostRecord || f.Upload != ref.ID ||
			f.Version != w.record(ref).ServedVersion {
			t.Errorf("the finding is %+v, want one about %s", f, ref)
		}
	}
	if !report.NeedsPerson() {
		t.Error("nobody is told to look at it")
	}
	if r := w.record(lost); r.Status != upload.Stored {
		t.Errorf("the record was made %s", r.Status)
	}
}

// TestAKeyWithinWhichAPageEndsIsLookedAtOnce: with every bound that a page can have.
func TestAKeyWithinWhichAPageEndsIsLookedAtOnce(t *testing.T) {
	w := newFixture(t)
	w.r.Inventory = smallPages{w.objects, 2}
	var refs []upload.Ref
	for range 3 {
		ref := w.announced(time.Hour)
		for range 3 {
			w.post(ref, uploadtest.Script())
		}
		w.validate(ref, w.versionsOf(ref)[2]) // the newest, of three
		refs = append(refs, ref)
	}
	w.objects.Post("quarantine/zzz", nil)
	w.objects.Post("quarantine/zzz", nil)
	w.objects.Post("quarantine/zzz", nil)
	w.clock.Pass(30 * day)
	report := w.run(reconcile.Options{DryRun: true})
	if w.counted(report, counts{reenqueued: 3, foreign: 1}); report.ObjectsSeen != 12 {
		t.Errorf("%d versions were looked at, want 12", report.ObjectsSeen)
	}
	w.runs(counts{reenqueued: 3, foreign: 1})
	got := map[string]int{}
	for _, m := range w.messages() {
		got[m.created.Key]++
	}
	for _, ref := range refs {
		if n := got[string(quarantineKey(ref))]; n != 2 {
			t.Errorf("%d messages about %s, want 2", n, ref)
		}
	}
}

func TestAReportListsAThousandFindingsAndCountsTheRest(t *testing.T) {
	w := newFixture(t)
	for n := range reconcile.MaxFindings + 5 {
		w.objects.Post(upload.Key(fmt.Sprintf("quarantine/%04d", n)), nil)
	}
	report := w.run(reconcile.Options{})
	if report.ForeignObjects != reconcile.MaxFindings+5 || len(report.Findings) != reconcile.MaxFindings ||
		report.FindingsLeftOut != 5 {
		t.Errorf("%d counted, %d listed, %d left out", report.ForeignObjects, len(report.Findings), report.FindingsLeftOut)
	}
}
