package reconcile_test

import (
	"strings"
	"testing"
	"time"

	"hatchery/shared/reconcile"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// scheduled does what the schedule does.
func (w *fixture) scheduled(notes *notebook, o reconcile.Options) reconcile.Report {
	w.Helper()
	report, err := w.r.Scheduled(w.Context(), notes, o)
	if err != nil {
		w.Fatal(err)
	}
	return report
}

// lists counts the listings from now on.
func (w *fixture) lists() *int {
	n := 0
	w.r.SetConcurrency(1)
	w.r.Inventory = inventoryFunc{w.objects, func(string) error { n++; return nil }}
	return &n
}

// TestASurveyDoesNotListEachFile: a listing of the files has shown nearly all of
// what the records serve.
func TestASurveyDoesNotListEachFile(t *testing.T) {
	w := newFixture(t)
	const files = 250
	for range files {
		w.validate(w.accepted(uploadtest.Picture(1)), "")
	}
	lost := w.accepted(uploadtest.Picture(2))
	w.validate(lost, "")
	if err := w.objects.Remove(t.Context(), filesKey(lost), w.record(lost).ServedVersion); err != nil {
		t.Fatal(err)
	}
	lists := w.lists()
	w.runs(counts{lost: 1})
	if *lists != 3 {
		t.Errorf("%d listings, want one of quarantine, one of the files and one of the record that they did not show", *lists)
	}
	// What an earlier run was shown is not remembered.
	bounded := w.run(reconcile.Options{MaxRecords: 1})
	*lists = 0
	report := w.run(reconcile.Options{Resume: bounded.Resume})
	if report.StoredSeen != files || *lists != files {
		t.Errorf("%d stored records, %d listings, want %d", report.StoredSeen, *lists, files)
	}
}

func TestScheduledRunsSurveyOnceInSoManyDays(t *testing.T) {
	w := newFixture(t)
	w.validate(w.accepted(uploadtest.Picture(1)), "")
	w.objects.Post("quarantine/foreign", nil)
	notes := &notebook{text: map[string]string{}}
	every, began := reconcile.Options{SurveyEvery: 7 * day}, w.clock.Now()
	if report := w.scheduled(notes, every); report.StoredSeen != 1 || report.ObjectsSeen != 2 || !report.Complete {
		t.Fatalf("the first run surveyed not all: %+v", report)
	}
	lists := w.lists()
	for w.clock.Pass(time.Hour); w.clock.Now().Sub(began) < 7*day; w.clock.Pass(time.Hour) {
		if report := w.scheduled(notes, every); report.StoredSeen+report.ObjectsSeen+*lists > 0 || !report.Complete ||
			report.Survey != (reconcile.Total{}) {
			t.Fatalf("surveyed after %v: %+v", w.clock.Now().Sub(began), report)
		}
	}
	if report := w.scheduled(notes, every); report.StoredSeen != 1 || report.ObjectsSeen != 2 {
		t.Errorf("not surveyed after a week: %+v", report)
	}
	// By hand, it surveys whenever it is asked to.
	if report := w.run(every); report.StoredSeen != 1 || report.ObjectsSeen != 2 {
		t.Errorf("not surveyed by hand: %+v", report)
	}
	// The walk is in every run.
	w.accepted(uploadtest.Picture(2))
	w.clock.Pass(overdue + time.Second)
	if report := w.scheduled(notes, every); report.Resent != 1 || report.ObjectsSeen != 0 || !report.Walk.Whole {
		t.Errorf("the walk was left out: %+v", report)
	}
	// Who does not want to wait asks for a survey now.
	if report := w.scheduled(notes, reconcile.Options{}); report.StoredSeen != 1 {
		t.Errorf("not surveyed at once: %+v", report)
	}
}

// TestASurveyThatTakesSeveralRunsGoesOnAtOnce: and is one survey, counted from its
// beginning.
func TestASurveyThatTakesSeveralRunsGoesOnAtOnce(t *testing.T) {
	w := newFixture(t)
	w.oneOfEach()
	notes := &notebook{text: map[string]string{}}
	o := reconcile.Options{MaxObjects: 4, SurveyEvery: 7 * day}
	began := w.clock.Now()
	total := reconcile.Total{}
	for runs := 1; ; runs++ {
		report := w.scheduled(notes, o)
		if report.Survey.Stuck < total.Stuck || report.Survey.Orphans < total.Orphans ||
			report.Survey.Whole != report.Complete {
			t.Fatalf("run %d: %+v after %+v", runs, report.Survey, total)
		}
		if total = report.Survey; report.Complete {
			if runs < 2 || report.UnfinishedTooLong != 0 {
				t.Fatalf("the last of %d runs found %+v: the test proves less than it says", runs, report)
			}
			break
		}
		w.clock.Pass(time.Hour)
	}
	if want := (reconcile.Total{Whole: true, Stuck: 1, Orphans: 2, Lost: 1}); total != want {
		t.Errorf("in all %+v, want %+v", total, want)
	}
	w.clock.Pass(7*day - w.clock.Now().Sub(began))
	if report := w.scheduled(notes, reconcile.Options{SurveyEvery: 7 * day}); report.Survey != total ||
		report.ObjectsSeen == 0 {
		t.Errorf("the next survey: %+v", report)
	}
}

func TestWhatWasNotSeenWholeSaysSo(t *testing.T) {
	w := newFixture(t)
	w.oneOfEach()
	w.validate(w.accepted(uploadtest.Picture(6)), "")
	old := w.accepted(uploadtest.Picture(7))
	w.clock.Pass(overdue + time.Second)
	notes := &notebook{text: map[string]string{}}
	once := reconcile.Options{SurveyEvery: 7 * day}
	fails := func(when func(prefix string) bool) reconcile.Report {
		w.r.Inventory = inventoryFunc{w.objects, func(prefix string) error {
			if when(prefix) {
				return errTrouble
			}
			return nil
		}}
		defer func() { w.r.Inventory = w.objects }()
		report, err := w.r.Scheduled(t.Context(), notes, once)
		if err == nil {
			t.Errorf("nothing failed: %+v", report)
		}
		return report
	}
	// One pending upload, and the record of a lost file, cannot be looked at.
	report := fails(func(prefix string) bool {
		return strings.Contains(prefix, string(old.ID)) || strings.HasPrefix(prefix, upload.DefaultLayout.Files+"j")
	})
	if report.Walk != (reconcile.Total{Stuck: 1}) || report.Survey != (reconcile.Total{Stuck: 1, Orphans: 2}) ||
		!report.Complete {
		t.Errorf("the walk %+v, the survey %+v", report.Walk, report.Survey)
	}
	w.clock.Pass(7 * day)
	// A list that cannot be read is read on in the next run: nothing is missing.
	report = fails(func(prefix string) bool { return prefix == upload.DefaultLayout.Files })
	if !report.Walk.Whole || report.Survey != (reconcile.Total{Stuck: 1, Orphans: 1}) {
		t.Errorf("the walk %+v, the survey %+v", report.Walk, report.Survey)
	}
	if report := w.scheduled(notes, once); report.Survey != (reconcile.Total{Whole: true, Stuck: 1, Orphans: 2, Lost: 1}) {
		t.Errorf("in all %+v", report.Survey)
	}
	w.clock.Pass(7 * day)
	// What the walk could not look at is not the survey's.
	report = fails(func(prefix string) bool { return strings.Contains(prefix, string(old.ID)) })
	if report.Walk.Whole || !report.Survey.Whole {
		t.Errorf("the walk %+v, the survey %+v", report.Walk, report.Survey)
	}
	if report := w.scheduled(notes, once); !report.Walk.Whole {
		t.Errorf("the next walk %+v", report.Walk)
	}
}

// TestAWalkOfSeveralRunsIsCountedTogether: and the next one begins at nothing.
func TestAWalkOfSeveralRunsIsCountedTogether(t *testing.T) {
	w := newFixture(t)
	for range 3 {
		stuck := w.accepted(uploadtest.Picture(2))
		for seen := range 2 {
			if _, err := w.records.Update(t.Context(), stuck, upload.CountResend(seen, w.clock.Now())); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.clock.Pass(overdue + time.Second)
	notes := &notebook{text: map[string]string{}}
	for round := range 2 {
		for n := 1; n <= 3; n++ {
			report := w.scheduled(notes, reconcile.Options{MaxRecords: 1})
			if report.Walk.Whole && n < 3 || report.Walk.Stuck != n {
				t.Fatalf("round %d, run %d: %+v", round, n, report.Walk)
			}
			if n == 3 && !report.Walk.Whole {
				report = w.scheduled(notes, reconcile.Options{MaxRecords: 1})
				if report.Walk != (reconcile.Total{Whole: true, Stuck: 3}) {
					t.Fatalf("round %d: in all %+v", round, report.Walk)
				}
			}
		}
	}
}
