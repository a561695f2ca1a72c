package reconcile_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"testing"
	"time"

	"hatchery/shared/reconcile"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// onward runs until a run is complete, each from where the last one ended, and
// gathers what they found.
func (w *fixture) onward(o reconcile.Options) (found map[string]bool, runs int) {
	w.Helper()
	found = map[string]bool{}
	for {
		report := w.run(o)
		runs++
		for _, f := range report.Findings {
			found[fmt.Sprintf("%s %s %s", f.What, f.Key, f.Version)] = true
		}
		if o.MaxObjects > 0 && report.ObjectsSeen > o.MaxObjects || o.MaxRecords > 0 &&
			(report.PendingSeen > o.MaxRecords || report.StoredSeen > o.MaxRecords) {
			w.Fatalf("run %d looked at more than it was to: %+v", runs, report)
		}
		if report.Complete != (report.Resume == "") {
			w.Fatalf("run %d: %+v", runs, report)
		}
		if report.Complete {
			return found, runs
		}
		if runs > 500 {
			w.Fatal("the runs come to no end")
		}
		o.Resume = report.Resume
	}
}

func TestBoundedRunsTogetherFindWhatAWholeOneDoes(t *testing.T) {
	filled := func() *fixture {
		w := newFixture(t)
		w.oneOfEach()
		for range 7 {
			w.accepted(uploadtest.Picture(7))
			stored := w.accepted(uploadtest.Picture(8))
			w.validate(stored, "")
			w.objects.Post(filesKey(stored), []byte("by hand"))
		}
		w.clock.Pass(overdue + time.Second)
		return w
	}
	want, _ := filled().onward(reconcile.Options{})
	if len(want) != 8+7+7 {
		t.Fatalf("a whole run found %v", want)
	}
	for _, o := range []reconcile.Options{{MaxObjects: 1}, {MaxRecords: 1}, {MaxObjects: 1, MaxRecords: 1},
		{MaxObjects: 3, MaxRecords: 2}, {MaxObjects: 1000, MaxRecords: 1000}} {
		w := filled()
		got, runs := w.onward(o)
		if !maps.Equal(got, want) {
			t.Errorf("%+v: in %d runs found %v, want %v", o, runs, got, want)
		}
		if (runs == 1) != (o.MaxObjects == 1000) {
			t.Errorf("%+v took %d runs", o, runs)
		}
		if n := len(w.messages()); n != 8 {
			t.Errorf("%+v: %d messages, want 8", o, n)
		}
	}
}

// TestTheWalkIsDoneInEveryRun: also by a run that goes on with a survey.
func TestTheWalkIsDoneInEveryRun(t *testing.T) {
	w := newFixture(t)
	w.oneOfEach()
	first := w.run(reconcile.Options{MaxObjects: 2})
	w.accepted(uploadtest.Picture(9))
	w.clock.Pass(overdue + time.Second)
	if report := w.run(reconcile.Options{Resume: first.Resume}); report.Resent != 2 {
		t.Errorf("%d sent again, want the new one and, once more, the old one: %+v", report.Resent, report.Findings)
	}
}

// TestARunStopsBeforeItsDeadline: every listing takes a second.
func TestARunStopsBeforeItsDeadline(t *testing.T) {
	for name, c := range map[string]struct {
		margin        time.Duration
		walked, pages int
	}{
		// Half of the time is the walk's, the other half the survey's.
		"with a margin":             {10 * time.Second, 20, 10},
		"with the margin of twenty": {0, 15, 8},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t)
			const uploads = 120
			for range uploads {
				w.accepted(uploadtest.Picture(1))
			}
			w.clock.Pass(overdue + time.Second)
			w.r.SetConcurrency(1)
			lists := 0
			w.r.Inventory = inventoryFunc{smallPages{w.objects, 5}, func(prefix string) error {
				w.clock.Pass(time.Second)
				if prefix == upload.DefaultLayout.Quarantine {
					lists++
				}
				return nil
			}}
			end := w.clock.Now().Add(50 * time.Second)
			ctx, cancel := context.WithDeadline(t.Context(), end)
			defer cancel()
			report, err := w.r.Run(ctx, reconcile.Options{Margin: c.margin})
			if err != nil {
				t.Fatal(err)
			}
			// Each page ends with one more listing, of the key that it may have cut.
			if report.Complete || report.Resume == "" || report.PendingSeen != c.walked || report.Resent != c.walked ||
				lists != c.pages {
				t.Errorf("%d walked over, %d sent again, %d pages: %+v", report.PendingSeen, report.Resent, lists, report)
			}
			// The walk was cut within a page, which is done again: nothing is sent twice.
			w.r = w.reconciler()
			if report := w.run(reconcile.Options{Resume: report.Resume}); report.Resent != uploads-c.walked || !report.Complete {
				t.Errorf("the rest: %+v", report)
			}
			if n := len(w.messages()); n != uploads {
				t.Errorf("%d messages, want %d", n, uploads)
			}
		})
	}
}

// TestACallThatHangsIsCutWithinTheMargin: the listing ends with its context alone.
func TestACallThatHangsIsCutWithinTheMargin(t *testing.T) {
	w := newFixture(t)
	w.accepted(uploadtest.Picture(1))
	w.clock.Pass(overdue + time.Second)
	w.r.Inventory = hangs{w.objects}
	w.r.Now = time.Now // the context's clock
	w.clock.Pass(time.Now().Add(-day).Sub(w.clock.Now()))
	late := w.accepted(uploadtest.Picture(2))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	report, err := w.r.Run(ctx, reconcile.Options{Margin: 200 * time.Millisecond})
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil || report.Failed != 1 || report.Complete {
		t.Errorf("%+v, %v; the context: %v", report, err, ctx.Err())
	}
	if r := w.record(late); r.Resends != 0 {
		t.Errorf("sent again without having been seen")
	}
}

type hangs struct{ upload.Inventory }

func (hangs) ListVersions(ctx context.Context, _ string, _ upload.Cursor, _ int) (upload.InventoryPage, error) {
	<-ctx.Done()
	return upload.InventoryPage{}, ctx.Err()
}

// notebook keeps notes in memory.
type notebook struct {
	text        map[string]string
	read, write error
	sets        int
}

func (n *notebook) Note(_ context.Context, name string) (string, error) { return n.text[name], n.read }

func (n *notebook) SetNote(_ context.Context, name, text string) error {
	n.sets++
	if n.write == nil {
		n.text[name] = text
	}
	return n.write
}

func TestScheduledRunsGoOnFromOneToTheNext(t *testing.T) {
	w := newFixture(t)
	want := w.oneOfEach()
	notes := &notebook{text: map[string]string{}}
	var sum counts
	for range 2 { // two whole surveys
		for runs := 0; ; runs++ {
			report, err := w.r.Scheduled(t.Context(), notes, reconcile.Options{MaxObjects: 2, Resume: "is not looked at"})
			if err != nil {
				t.Fatal(err)
			}
			sum.orphans += report.OrphanObjects
			sum.lost += report.LostRecords
			sum.reenqueued += report.Resent
			if last, err := reconcile.LastRun(t.Context(), notes); err != nil || !last.Equal(w.r.Now().Truncate(time.Second)) {
				t.Fatalf("the last run is said to have ended at %v, %v", last, err)
			}
			noted, err := base64.RawURLEncoding.DecodeString(notes.text[reconcile.NoteName])
			if err != nil {
				t.Fatal(err)
			}
			noted = regexp.MustCompile(`"e":\d+,`).ReplaceAll(noted, nil)
			if !report.Complete && encoded(string(noted)) != report.Resume {
				t.Fatalf("noted %q, want %q", noted, report.Resume)
			}
			if report.Complete {
				break
			}
			if runs > 50 {
				t.Fatal("the runs come to no end")
			}
		}
	}
	if sum.orphans != 2*want.orphans || sum.lost != 2*want.lost || sum.reenqueued != want.reenqueued {
		t.Errorf("two surveys found %+v, want %+v of each", sum, want)
	}
}

func TestANoteThatCannotBeUsedBeginsTheSurveyAnew(t *testing.T) {
	for name, text := range map[string]string{"no position": "what?",
		"cursors that nobody knows any more": encoded(`{"p":"x","s":"quarantine","c":"y","b":4922000000}`),
		"of no scheduled run":                encoded(`{"s":"done"}`),
		"of a time to come":                  encoded(`{"s":"done","b":5000000000}`)} {
		w := newFixture(t)
		want := w.oneOfEach()
		notes := &notebook{text: map[string]string{reconcile.NoteName: text}}
		report, err := w.r.Scheduled(t.Context(), notes, reconcile.Options{SurveyEvery: 7 * day})
		if err != nil || !report.Complete || notes.text[reconcile.NoteName] == text {
			t.Errorf("%s: %+v, %v, noted %q", name, report, err, notes.text)
		}
		w.counted(report, want)
	}
	w := newFixture(t)
	want := w.oneOfEach()
	notes := &notebook{text: map[string]string{}, read: errTrouble, write: errors.New("nor can it be written")}
	report, err := w.r.Scheduled(t.Context(), notes, reconcile.Options{})
	if w.counted(report, want); !errors.Is(err, errTrouble) || !errors.Is(err, notes.write) {
		t.Errorf("without notes: %v", err)
	}
}
