package deadletter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"hatchery/shared/arrival"
	"hatchery/shared/attempts"
	"hatchery/shared/policy"
	"hatchery/shared/queue"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

const (
	bucket    = "uploads"
	retention = 14 * 24 * time.Hour
)

var errTrouble = errors.New("operation error SQS: ReceiveMessage, https response error StatusCode: 503")

// deadQueue is a dead-letter queue in memory, whose clock the test moves. It hands out the oldest first.
type deadQueue struct {
	now func() time.Time
	// before, when set, is asked before each call: "receive" and "hide".
	before func(ctx context.Context, call string, receipts []string) error
	moves  queue.Inspector // where its own dead letters go
	extra  int             // messages that it counts, and others hold
	// none, when set, says that a receive gives nothing, as one of SQS may though there are messages.
	none func() bool

	mu       sync.Mutex
	ready    []*dead
	hidden   []*dead // by the time at which they come back
	handedTo map[string]*dead
	receives int
	released int
}

type dead struct {
	queue.Received
	visible bool
	until   time.Time
}

func (q *deadQueue) put(m queue.Received) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ready = append(q.ready, &dead{Received: m, visible: true})
}

func (q *deadQueue) Inspect(ctx context.Context) (queue.State, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.comeBack()
	return queue.State{Visible: len(q.ready) + q.extra, InFlight: len(q.handedTo), Retention: retention,
		DeadLetters: q.moves}, ctx.Err()
}

// comeBack makes visible what was hidden long enough.
func (q *deadQueue) comeBack() {
	for len(q.hidden) > 0 && !q.hidden[0].until.After(q.now()) {
		m := q.hidden[0]
		q.hidden = q.hidden[1:]
		if !m.visible {
			q.free(m)
		}
	}
}

func (q *deadQueue) free(m *dead) {
	delete(q.handedTo, m.Receipt)
	m.visible, m.Receipt = true, ""
	q.ready = append(q.ready, m)
}

func (q *deadQueue) Receive(ctx context.Context, hide, wait time.Duration) ([]queue.Received, error) {
	if q.before != nil {
		if err := q.before(ctx, "receive", nil); err != nil {
			return nil, err
		}
	}
	if q.none != nil && q.none() {
		return nil, nil
	}
	if hide < time.Second || wait < time.Second {
		return nil, fmt.Errorf("hidden for %v after a wait of %v", hide, wait)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	q.comeBack()
	var out []queue.Received
	for len(out) < queue.MaxBatch && len(q.ready) > 0 {
		m := q.ready[0]
		q.ready = q.ready[1:]
		q.receives++
		m.visible, m.until, m.Receives = false, q.now().Add(hide), m.Receives+1
		m.Receipt = fmt.Sprint("receipt ", q.receives)
		if q.handedTo == nil {
			q.handedTo = map[string]*dead{}
		}
		q.handedTo[m.Receipt] = m
		q.hidden = append(q.hidden, m)
		out = append(out, m.Received)
	}
	return out, nil
}

func (q *deadQueue) Hide(ctx context.Context, receipts []string, hide time.Duration) error {
	if q.before != nil {
		if err := q.before(ctx, "hide", receipts); err != nil {
			return err
		}
	}
	if hide != 0 || len(receipts) > queue.MaxBatch {
		return fmt.Errorf("%d hidden for %v", len(receipts), hide)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, receipt := range receipts {
		if m := q.handedTo[receipt]; m != nil {
			q.released++
			q.free(m)
		}
	}
	return ctx.Err()
}

func (q *deadQueue) Delete(_ context.Context, receipt string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.handedTo[receipt] == nil {
		return queue.ErrReceipt
	}
	q.handedTo[receipt].visible = true // so that it does not come back
	delete(q.handedTo, receipt)
	return nil
}

// counts says how many can be received now and how many are in flight.
func (q *deadQueue) counts() (visible, inFlight int) {
	state, _ := q.Inspect(context.Background()) //nolint:errcheck // it fails with its context alone
	return state.Visible - q.extra, state.InFlight
}

// fixture is a deployment in memory.
type fixture struct {
	testing.TB
	*Review
	mu       sync.Mutex
	clock    *uploadtest.Clock
	records  *uploadtest.Records
	objects  *uploadtest.Objects
	notes    *uploadtest.Notes
	queue    *deadQueue
	pipeline *upload.Pipeline
	log      bytes.Buffer
	ids      int
}

func newFixture(t testing.TB) *fixture {
	f := &fixture{TB: t, clock: uploadtest.NewClock(time.Date(2126, 1, 2, 3, 4, 5, 0, time.UTC)),
		objects: uploadtest.NewObjects(), notes: uploadtest.NewNotes()}
	f.records = uploadtest.NewRecords(uploadtest.RecordsOptions{Swap: true, Now: f.clock.Now})
	f.queue = &deadQueue{now: f.clock.Now}
	f.pipeline = &upload.Pipeline{Policy: policy.Default(), Layout: upload.DefaultLayout, Records: f.records,
		Objects: f.objects, Now: f.clock.Now, NewID: f.newID, TombstoneLife: upload.DefaultTombstoneLife}
	f.Review = &Review{DeadLetters: f.queue, Records: f.records, Objects: f.objects, Notes: f.notes,
		Layout: upload.DefaultLayout, Bucket: bucket, Notifies: true, MaxReceives: 5, Concurrency: 4,
		Operator: "somebody", Now: f.clock.Now, Log: slog.New(slog.NewTextHandler(&f.log, nil)),
		NewID: func() string {
			id, _ := f.newID() //nolint:errcheck // it does not fail
			return string(id)
		}}
	return f
}

func (f *fixture) newID() (upload.ID, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ids++
	return upload.ID(fmt.Sprintf("019a0000-0000-7000-8000-%012d", f.ids)), nil
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// pending makes an upload whose bytes are in quarantine, and gives what S3 says of them.
func (f *fixture) pending(body []byte) (upload.Ref, arrival.Created) {
	f.Helper()
	r, err := f.pipeline.Draft(upload.Request{Journal: "j", Entry: "e", Kind: "images", Filename: "cat.png"})
	if err == nil {
		r, err = f.pipeline.Accept(f.Context(), r, nil, bytes.NewReader(body), int64(len(body)))
	}
	if err != nil {
		f.Fatal(err)
	}
	return r.Ref(), f.created(r.Ref(), f.newest(r.Ref()), len(body))
}

func (f *fixture) newest(ref upload.Ref) upload.Version {
	f.Helper()
	versions, err := f.objects.Versions(f.Context(), upload.DefaultLayout.QuarantineKey(ref))
	if err != nil || len(versions) == 0 {
		f.Fatalf("versions of %s: %v, %v", ref, versions, err)
	}
	return versions[0]
}

func (f *fixture) created(ref upload.Ref, version upload.Version, size int) arrival.Created {
	return arrival.Created{Name: "ObjectCreated:Put", Time: f.clock.Now(), Region: "eu-central-1", Bucket: bucket,
		Key: string(upload.DefaultLayout.QuarantineKey(ref)), VersionID: string(version), Size: int64(size)}
}

func (f *fixture) settle(c arrival.Created) upload.Outcome {
	f.Helper()
	out, err := f.pipeline.Validate(f.Context(), upload.Key(c.Key), upload.Version(c.VersionID))
	if err != nil {
		f.Fatal(err)
	}
	return out
}

func (f *fixture) fails(ref upload.Ref, message string) {
	f.Helper()
	err := upload.NoteFailure(f.Context(), f.records, ref, upload.Failure{At: f.clock.Now(), Message: message})
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) attempted(id upload.ID, a attempts.Attempt) {
	f.Helper()
	note, err := a.Marshal()
	if err == nil {
		err = f.notes.Put(f.Context(), attempts.Key(id, a.MessageID, a.Receive), note)
	}
	if err != nil {
		f.Fatal(err)
	}
}

// message is a dead letter about arrivals.
func (f *fixture) message(id string, created ...arrival.Created) queue.Received {
	f.Helper()
	body, err := arrival.Format(created...)
	if err != nil {
		f.Fatal(err)
	}
	return withBody(id, string(body), f.clock.Now())
}

func withBody(id, body string, sent time.Time) queue.Received {
	return queue.Received{ID: id, SentAt: sent, Receives: 6, Source: "arn:aws:sqs:eu-central-1:123456789012:uploads",
		Message: queue.Message{Body: body}}
}

func (f *fixture) wantDiagnosis(m queue.Received, cause Cause, action Action, words ...string) Letter {
	f.Helper()
	letter, err := f.explain(f.Context(), m, false)
	if err != nil {
		f.Fatalf("explained with %v", err)
	}
	wantDiagnosis(f.TB, letter.Diagnosis, cause, action, words...)
	return letter
}

func wantDiagnosis(t testing.TB, d Diagnosis, cause Cause, action Action, words ...string) {
	t.Helper()
	if d.Cause != cause || d.Suggest != action || !strings.HasPrefix(d.Group, string(cause)+": ") {
		t.Errorf("diagnosed as %+v, want %s and %s", d, cause, action)
	}
	for _, w := range words {
		if !strings.Contains(d.Sentence, w) {
			t.Errorf("the sentence is %q, and does not say %q", d.Sentence, w)
		}
	}
}
