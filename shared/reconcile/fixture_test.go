package reconcile_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"hatchery/shared/arrival"
	"hatchery/shared/policy"
	"hatchery/shared/queue"
	"hatchery/shared/queue/queuetest"
	"hatchery/shared/reconcile"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

const (
	bucket  = "uploads"
	overdue = 5 * 1801 * time.Second
	day     = 24 * time.Hour
)

// fixture is a deployment in memory, with a clock that the test moves.
type fixture struct {
	*testing.T
	mu       sync.Mutex
	clock    *uploadtest.Clock
	ids      int
	records  *uploadtest.Records
	objects  *uploadtest.Objects
	queue    *queuetest.Memory
	told     []upload.Record
	log      bytes.Buffer
	logger   *slog.Logger // the one that writes there
	pipeline *upload.Pipeline
	r        *reconcile.Reconciler
}

func newFixture(t *testing.T) *fixture {
	// A future that the real clock does not reach: deadlines of contexts are set in it.
	w := &fixture{T: t, clock: uploadtest.NewClock(time.Date(2126, 1, 2, 3, 4, 5, 0, time.UTC)),
		queue: &queuetest.Memory{}}
	w.logger = slog.New(slog.NewTextHandler(&w.log, nil))
	w.records = uploadtest.NewRecords(uploadtest.RecordsOptions{Swap: true, Now: w.clock.Now})
	w.objects = uploadtest.NewObjects()
	w.objects.SetClock(w.clock.Now)
	policy := policy.Default()
	w.pipeline = &upload.Pipeline{Policy: policy, Layout: upload.DefaultLayout, Records: w.records, Objects: w.objects,
		Notifier: w,
		Now:      w.clock.Now, NewID: w.newID, TombstoneLife: upload.DefaultTombstoneLife}
	w.r = w.reconciler()
	return w
}

func (w *fixture) reconciler() *reconcile.Reconciler {
	return &reconcile.Reconciler{Records: w.records, Inventory: w.objects, Pipeline: w.pipeline, Queue: w.queue,
		Layout: upload.DefaultLayout,
		Bucket: bucket, Region: "eu-central-1", Limits: reconcile.DefaultLimits(5, 1801*time.Second), Now: w.clock.Now,
		Log: w.logger}
}

func (w *fixture) newID() (upload.ID, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids++
	return upload.ID(fmt.Sprintf("019a0000-0000-7000-8000-%012d", w.ids)), nil
}

// Notify implements upload.Notifier.
func (w *fixture) Notify(_ context.Context, r upload.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, r)
	return nil
}

func (w *fixture) draft(formLife time.Duration) upload.Record {
	w.Helper()
	q := upload.Request{Journal: "j", Entry: "e", Kind: "images", Filename: "cat.png"}
	if formLife > 0 {
		q.FormExpires = w.clock.Now().Add(formLife)
	}
	r, err := w.pipeline.Draft(q)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// announced makes a record whose bytes are to come, by a form if that has a life.
func (w *fixture) announced(formLife time.Duration) upload.Ref {
	w.Helper()
	r, err := w.pipeline.Begin(w.Context(), w.draft(formLife), nil)
	if err != nil {
		w.Fatal(err)
	}
	return r.Ref()
}

// accepted makes an upload whose bytes are in quarantine. Nobody is notified.
func (w *fixture) accepted(b uploadtest.Body) upload.Ref {
	w.Helper()
	r, err := w.pipeline.Accept(w.Context(), w.draft(0), nil, bytes.NewReader(b.Data), int64(len(b.Data)))
	if err != nil {
		w.Fatal(err)
	}
	return r.Ref()
}

func (w *fixture) post(ref upload.Ref, b uploadtest.Body) upload.Version {
	return w.objects.Post(upload.DefaultLayout.QuarantineKey(ref), b.Data)
}

// validate judges a version of an upload; "" is the newest.
func (w *fixture) validate(ref upload.Ref, version upload.Version) upload.Outcome {
	w.Helper()
	out, err := w.pipeline.Validate(w.Context(), upload.DefaultLayout.QuarantineKey(ref), version)
	if err != nil {
		w.Fatal(err)
	}
	return out
}

func (w *fixture) record(ref upload.Ref) upload.Record {
	w.Helper()
	r, err := w.records.Get(w.Context(), ref)
	if err != nil {
		w.Fatal(err)
	}
	return r
}

func (w *fixture) run(o reconcile.Options) reconcile.Report {
	w.Helper()
	report, err := w.r.Run(w.Context(), o)
	if err != nil {
		w.Fatal(err)
	}
	return report
}

// counts are what a report counts, but for what was looked at.
type counts struct {
	reenqueued, neverArrived, bytesLost, pendingTooLong, unfinishedTooLong, orphans, strays, foreign, lost, failed int
}

func countsOf(r reconcile.Report) counts {
	return counts{r.Resent, r.NeverArrived, r.BytesLost, r.PendingTooLong, r.UnfinishedTooLong, r.OrphanObjects,
		r.StrayFiles, r.ForeignObjects, r.LostRecords, r.Failed}
}

// runs does a run and wants it to be complete and to count exactly this.
func (w *fixture) runs(want counts) reconcile.Report {
	w.Helper()
	report := w.run(reconcile.Options{})
	w.counted(report, want)
	if !report.Complete || report.Resume != "" {
		w.Errorf("the run is not complete: %+v", report)
	}
	return report
}

func (w *fixture) counted(report reconcile.Report, want counts) {
	w.Helper()
	if got := countsOf(report); got != want {
		w.Errorf("counted %+v, want %+v; findings %+v", got, want, report.Findings)
	}
	if total := want.reenqueued + want.neverArrived + want.bytesLost + want.pendingTooLong +
		want.unfinishedTooLong + want.orphans + want.strays + want.foreign + want.lost; len(report.Findings) != total {
		w.Errorf("%d findings, want %d: %+v", len(report.Findings), total, report.Findings)
	}
	if !slices.IsSortedFunc(report.Findings, func(a, b reconcile.Finding) int {
		return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(a.Key, b.Key))
	}) {
		w.Errorf("the findings are in no order: %+v", report.Findings)
	}
}

// message is one that the queue holds, as the validator reads it.
type message struct {
	created arrival.Created
	number  int // which of the re-enqueued ones it is
}

func (w *fixture) messages() (out []message) {
	w.Helper()
	for _, m := range w.queue.Take() {
		out = append(out, w.read(m))
	}
	return out
}

func (w *fixture) read(m queue.Message) message {
	w.Helper()
	parsed, err := arrival.Parse([]byte(m.Body))
	if err != nil || len(parsed.Created) != 1 || len(parsed.Faults)+len(parsed.Ignored) != 0 {
		w.Fatalf("the validator reads %+v, %v of %s", parsed, err, m.Body)
	}
	a := m.Attributes[arrival.ResendAttribute]
	number, err := strconv.Atoi(a.Text)
	if err != nil || a.Type != "Number" || len(m.Attributes) != 1 {
		w.Fatalf("the message has the attributes %+v", m.Attributes)
	}
	return message{parsed.Created[0], number}
}

// holds checks which versions the queue has messages about, and takes them out.
func (w *fixture) holds(number int, ref upload.Ref, want ...upload.Version) {
	w.Helper()
	var got []upload.Version
	for _, m := range w.messages() {
		if m.created.Key != string(upload.DefaultLayout.QuarantineKey(ref)) || m.created.Bucket != bucket ||
			m.number != number {
			w.Errorf("a message is about %+v, number %d; want number %d about %s", m.created, m.number, number, ref)
		}
		got = append(got, upload.Version(m.created.VersionID))
	}
	if !slices.Equal(got, want) {
		w.Errorf("messages about %q, want %q", got, want)
	}
}

var errTrouble = errors.New("the store does not answer")
