package reconcile_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"hatchery/shared/queue"
	"hatchery/shared/reconcile"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// oneOfEach makes one finding of each kind, and gives their counts.
func (w *fixture) oneOfEach() counts {
	w.Helper()
	late := w.accepted(uploadtest.Script())
	w.validate(late, "")
	w.post(late, uploadtest.Picture(1))
	for range 2 {
		r := w.record(late)
		if _, err := w.records.Update(w.Context(), late, upload.CountResend(r.Resends, w.clock.Now())); err != nil {
			w.Fatal(err)
		}
	}
	stuck := w.accepted(uploadtest.Picture(2))
	for seen := range 2 {
		if _, err := w.records.Update(w.Context(), stuck, upload.CountResend(seen, w.clock.Now())); err != nil {
			w.Fatal(err)
		}
	}
	w.accepted(uploadtest.Picture(3)) // its message is lost
	w.announced(time.Hour)            // its bytes never come
	lost := w.accepted(uploadtest.Picture(4))
	w.validate(lost, "")
	if err := w.objects.Remove(w.Context(), filesKey(lost), w.record(lost).ServedVersion); err != nil {
		w.Fatal(err)
	}
	nobody := upload.Ref{Journal: "j", Entry: "e", Kind: "images", ID: "019a0000-0000-7000-8000-00000000ffff"}
	w.post(nobody, uploadtest.Picture(5))
	w.objects.Post(filesKey(nobody), []byte("copy"))
	w.objects.Post("quarantine/foreign", nil)
	w.clock.Pass(30 * day)
	return counts{reenqueued: 1, neverArrived: 1, pendingTooLong: 1, unfinishedTooLong: 1, orphans: 1, strays: 1,
		foreign: 1, lost: 1}
}

func TestADryRunSaysWhatItWouldDoAndDoesNothing(t *testing.T) {
	w := newFixture(t)
	want := w.oneOfEach()
	records, objects := w.records.Digest(), w.objects.Digest()
	notes := &notebook{text: map[string]string{reconcile.NoteName: ""}}
	for range 2 {
		report := w.run(reconcile.Options{DryRun: true})
		if w.counted(report, want); !report.DryRun || !report.Complete {
			t.Errorf("the report says %+v", report)
		}
		if _, err := w.r.Scheduled(t.Context(), notes, reconcile.Options{DryRun: true, MaxObjects: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if w.records.Digest() != records || w.objects.Digest() != objects || len(w.messages()) != 0 || len(w.told) != 2 ||
		notes.sets != 0 {
		t.Error("something was changed, sent, told or noted")
	}
	report := w.run(reconcile.Options{})
	if w.counted(report, want); report.DryRun {
		t.Error("a real run calls itself dry")
	}
}

func TestAReportIsOneObjectWithEveryMember(t *testing.T) {
	w := newFixture(t)
	text, err := json.Marshal(w.run(reconcile.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"dry_run":false,"started_at":"2126-01-02T03:04:05Z","ended_at":"2126-01-02T03:04:05Z","complete":true,"resume":"",` +
		`"pending_seen":0,"objects_seen":0,"stored_seen":0,"reenqueued":0,"never_arrived":0,"bytes_lost":0,"pending_too_long":0,"unfinished_too_long":0,` +
		`"orphan_objects":0,"stray_files":0,"foreign_objects":0,"lost_records":0,"failed":0,"findings":[],"findings_left_out":0}`
	if string(text) != want {
		t.Errorf("%s\nwant\n%s", text, want)
	}
}

func TestOfManyReconcilersOneSendsAnUploadAgain(t *testing.T) {
	w := newFixture(t)
	const uploads, reconcilers = 30, 6
	for range uploads {
		w.accepted(uploadtest.Picture(1))
	}
	for round := 1; round <= 3; round++ {
		w.clock.Pass(overdue + time.Second)
		var group sync.WaitGroup
		var mu sync.Mutex
		sent, stuck := 0, 0
		for range reconcilers {
			group.Go(func() {
				report, err := w.reconciler().Run(t.Context(), reconcile.Options{})
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				sent += report.Resent
				stuck += report.PendingTooLong
			})
		}
		group.Wait()
		want := uploads
		if round > 2 {
			want = 0
		}
		if got := w.messages(); sent != want || len(got) != want || (stuck > 0) != (round > 2) {
			t.Errorf("round %d: %d sent, %d messages, %d reported as stuck; want %d", round, sent, len(got), stuck, want)
		}
	}
}

// TestACrashBetweenCountingAndSendingLeavesOneMore: the count stands, the
// message was never sent, and the second one makes up for it.
func TestACrashBetweenCountingAndSendingLeavesOneMore(t *testing.T) {
	w := newFixture(t)
	ref := w.accepted(uploadtest.Picture(1))
	version := w.versionsOf(ref)[0]
	w.clock.Pass(overdue + time.Second)
	w.r.Queue = senderFunc(func(context.Context, queue.Message) error { return errTrouble })
	report, err := w.r.Run(t.Context(), reconcile.Options{})
	if !errors.Is(err, errTrouble) || report.Failed != 1 || report.Resent != 0 || w.record(ref).Resends != 1 {
		t.Fatalf("%+v, %v; the record counts %d", report, err, w.record(ref).Resends)
	}
	w.r = w.reconciler()
	w.runs(counts{})
	w.clock.Pass(overdue + time.Second)
	w.runs(counts{reenqueued: 1})
	w.holds(2, ref, version)
	w.clock.Pass(overdue + time.Second)
	w.runs(counts{pendingTooLong: 1})
	w.holds(0, ref)
}

// TestWhatCannotBeCountedIsNotSent: a store that does not answer keeps the message.
func TestWhatCannotBeCountedIsNotSent(t *testing.T) {
	w := newFixture(t)
	w.accepted(uploadtest.Picture(1))
	w.clock.Pass(overdue + time.Second)
	w.r.Records = countsNothing{w.records}
	report, err := w.r.Run(t.Context(), reconcile.Options{})
	if !errors.Is(err, errTrouble) || report.Failed != 1 || report.Resent != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	if got := w.messages(); len(got) != 0 {
		t.Errorf("sent %+v", got)
	}
}

type countsNothing struct{ *uploadtest.Records }

func (countsNothing) Update(context.Context, upload.Ref, upload.Transition) (upload.Record, error) {
	return upload.Record{}, errTrouble
}

// TestWhatFailsIsCountedAndTheRestGoesOn: for one upload, the bucket
// does not answer.
func TestWhatFailsIsCountedAndTheRestGoesOn(t *testing.T) {
	for name, inject := range map[string]func(w *fixture, broken upload.Ref){
		"listing one upload": func(w *fixture, broken upload.Ref) {
			w.r.Inventory = inventoryFunc{w.objects, func(prefix string) error {
				if strings.Contains(prefix, string(broken.ID)) {
					return errTrouble
				}
				return nil
			}}
		},
		"reading one record": func(w *fixture, broken upload.Ref) { w.r.Records = readsAllBut{w.records, broken} },
		"sending one message": func(w *fixture, broken upload.Ref) {
			w.r.Queue = senderFunc(func(ctx context.Context, m queue.Message) error {
				if strings.Contains(m.Body, string(broken.ID)) {
					return errTrouble
				}
				return w.queue.Send(ctx, m)
			})
		},
		"giving one up": func(w *fixture, broken upload.Ref) {
			w.r.Pipeline = pipelineFunc(func(ctx context.Context, ref upload.Ref) (upload.Record, error) {
				if ref == broken {
					return upload.Record{}, errTrouble
				}
				return w.pipeline.Expire(ctx, ref)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t)
			var withBytes, without []upload.Ref
			for range 3 {
				withBytes = append(withBytes, w.accepted(uploadtest.Picture(1)))
				without = append(without, w.announced(0))
			}
			w.objects.Post("quarantine/foreign", nil)
			w.clock.Pass(day + time.Second)
			broken, want := withBytes[1], counts{reenqueued: 2, neverArrived: 3, foreign: 1, failed: 1}
			if name == "giving one up" {
				broken, want = without[1], counts{reenqueued: 3, neverArrived: 2, foreign: 1, failed: 1}
			}
			if name == "reading one record" {
				want.failed = 2 // in the walk and in the survey
			}
			inject(w, broken)
			report, err := w.r.Run(t.Context(), reconcile.Options{})
			if !errors.Is(err, errTrouble) || !strings.Contains(err.Error(), string(broken.ID)) {
				t.Errorf("%v: want the trouble, and with which upload", err)
			}
			if w.counted(report, want); !report.Complete {
				t.Errorf("the rest did not go on: %+v", report)
			}
			if where := fmt.Sprintf("upload_id=%s key=%s error=", broken.ID,
				quarantineKey(broken)); strings.Count(w.log.String(), where) != want.failed {
				t.Errorf("logged not %d times with %s: %s", want.failed, where, &w.log)
			}
		})
	}
}

type readsAllBut struct {
	*uploadtest.Records
	broken upload.Ref
}

func (r readsAllBut) Get(ctx context.Context, ref upload.Ref) (upload.Record, error) {
	if ref == r.broken {
		return upload.Record{}, errTrouble
	}
	return r.Records.Get(ctx, ref)
}

// TestAListThatCannotBeReadStopsTheSurveyThere: the walk is done all the same, and the
// survey goes on in the next run where it stopped.
func TestAListThatCannotBeReadStopsTheSurveyThere(t *testing.T) {
	w := newFixture(t)
	want := w.oneOfEach()
	w.r.Inventory = inventoryFunc{w.objects, func(prefix string) error {
		if prefix == upload.DefaultLayout.Files {
			return errTrouble
		}
		return nil
	}}
	report, err := w.r.Run(t.Context(), reconcile.Options{})
	first := want
	first.strays, first.lost, first.failed = 0, 0, 1
	if w.counted(report, first); !errors.Is(err, errTrouble) || report.Complete || report.Resume == "" {
		t.Fatalf("%+v, %v", report, err)
	}
	w.r = w.reconciler()
	report = w.run(reconcile.Options{Resume: report.Resume})
	if w.counted(report, counts{pendingTooLong: 1, strays: 1, lost: 1}); !report.Complete {
		t.Errorf("the second run is not complete: %+v", report)
	}
}

// TestWhoComesSecondHasNothingToReport: the bytes, the verdict or another reconciler came
// first.
func TestWhoComesSecondHasNothingToReport(t *testing.T) {
	w := newFixture(t)
	w.announced(0)
	w.accepted(uploadtest.Picture(1))
	w.clock.Pass(day + time.Second)
	for _, err := range []error{upload.ErrConflict, upload.ErrNotFound} {
		w.r.Pipeline = pipelineFunc(func(context.Context, upload.Ref) (upload.Record, error) {
			return upload.Record{}, fmt.Errorf("give up: %w", err)
		})
		w.r.Records = countedBefore{w.records, err}
		w.runs(counts{})
	}
	if got := w.messages(); len(got) != 0 {
		t.Errorf("sent %+v", got)
	}
}

type countedBefore struct {
	*uploadtest.Records
	err error
}

func (c countedBefore) Update(context.Context, upload.Ref, upload.Transition) (upload.Record, error) {
	return upload.Record{}, c.err
}

// TestAListThatIsSomeMomentsOldMisleadsNobody: the index still says pending.
func TestAListThatIsSomeMomentsOldMisleadsNobody(t *testing.T) {
	w := newFixture(t)
	settled, deleted, missing := w.accepted(uploadtest.Picture(1)), w.accepted(uploadtest.Picture(2)), w.announced(0)
	w.clock.Pass(day + time.Second)
	old := w.records.Clone()
	left := w.versionsOf(settled)[0]
	w.pipeline.Objects = keepsQuarantine{w.objects}
	w.validate(settled, left)
	w.pipeline.Objects = w.objects
	if _, err := w.records.Update(t.Context(), deleted, upload.Delete(w.clock.Now(), w.clock.Now().Add(91*day))); err != nil {
		t.Fatal(err)
	}
	w.validate(missing, w.post(missing, uploadtest.Picture(3)))
	w.r.Records = listsFrom{w.records, old}
	w.counted(w.run(reconcile.Options{DryRun: true}), counts{})
	report := w.runs(counts{})
	if report.PendingSeen != 3 {
		t.Errorf("saw %d, want the three of the old list", report.PendingSeen)
	}
	if r := w.record(missing); r.Status != upload.Stored {
		t.Errorf("the upload became %s", r.Status)
	}
}

// listsFrom gives lists from an older state than records.
type listsFrom struct {
	*uploadtest.Records
	old *uploadtest.Records
}

func (l listsFrom) Scan(ctx context.Context, q upload.ScanQuery) (upload.Page, error) {
	if q.Status == upload.Pending {
		return l.old.Scan(ctx, q)
	}
	return l.Records.Scan(ctx, q)
}

func TestADeletedUploadIsNotLost(t *testing.T) {
	w := newFixture(t)
	ref, gone := w.accepted(uploadtest.Picture(1)), w.accepted(uploadtest.Picture(2))
	w.validate(ref, "")
	w.validate(gone, "")
	old := w.records.Clone()
	for _, r := range []upload.Ref{ref, gone} {
		if _, err := w.pipeline.Delete(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	w.r.Records = storedFrom{w.records, old}
	if report := w.runs(counts{}); report.StoredSeen != 2 {
		t.Errorf("saw %d stored records, want the two of the old list", report.StoredSeen)
	}
}

type storedFrom struct {
	*uploadtest.Records
	old *uploadtest.Records
}

func (s storedFrom) Scan(ctx context.Context, q upload.ScanQuery) (upload.Page, error) {
	if q.Status == upload.Stored {
		return s.old.Scan(ctx, q)
	}
	return s.Records.Scan(ctx, q)
}

func TestAnEndedRunSaysSo(t *testing.T) {
	w := newFixture(t)
	w.oneOfEach()
	ctx, cancel := context.WithCancel(t.Context())
	w.r.Inventory = inventoryFunc{w.objects, func(string) error { cancel(); return nil }}
	report, err := w.r.Run(ctx, reconcile.Options{})
	if !errors.Is(err, context.Canceled) || report.Complete || report.Resume == "" {
		t.Errorf("%+v, %v: want context.Canceled and where to go on", report, err)
	}
}

// encoded is a position as it is written.
func encoded(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func TestAPositionThatNoReportGaveIsABadCursor(t *testing.T) {
	w := newFixture(t)
	w.oneOfEach()
	for _, resume := range []string{"x", "!", encoded(`{}`), encoded(`{"s":"elsewhere"}`), encoded(`{"s":"done","x":1}`),
		encoded(`{"s":"done"} `),
		strings.Repeat("A", 20_000), encoded(`{"s":"files","c":"made up"}`), encoded(`{"p":"made up","s":"files"}`)} {
		if report, err := w.r.Run(t.Context(), reconcile.Options{Resume: resume}); !errors.Is(err, upload.ErrBadCursor) {
			t.Errorf("%.40q: %+v, %v; want ErrBadCursor", resume, report, err)
		}
	}
}

func FuzzAPositionIsTakenOrRefused(f *testing.F) {
	f.Add(encoded(`{"p":"a","s":"files","c":"b"}`))
	f.Add(encoded(`{"s":"stored","b":4922000000,"w":{"s":1},"f":{"o":2,"l":3,"m":4}}`))
	f.Fuzz(func(t *testing.T, resume string) {
		w := newFixture(t)
		if _, err := w.r.Run(t.Context(), reconcile.Options{Resume: resume}); err != nil &&
			!errors.Is(err, upload.ErrBadCursor) {
			t.Errorf("%q: %v", resume, err)
		}
	})
}
