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
	"sync/atomic"
	"testing"
	"time"

	"hatchery/shared/arrival"
	"hatchery/shared/attempts"
	"hatchery/shared/policy"
	"hatchery/shared/queue"
	"hatchery/shared/queue/queuetest"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

const (
	bucket    = "uploads"
	retention = 14 * 24 * time.Hour
)

var errTrouble = errors.New("operation error SQS: ReceiveMessage, https response error StatusCode: 503")

// deadQueue is a dead-letter queue in memory, on which things go wrong.
type deadQueue struct {
	*queuetest.Memory
	// before, when set, is asked before each call: "receive" and "hide". Its error is the answer.
	before func(ctx context.Context, call string) error
	// none, when set, says that a receive gives nothing, as one of SQS may though there are messages.
	none func() bool
	// extra are messages that it counts as visible, and that nobody receives.
	extra int

	received, released atomic.Int64
}

func (q *deadQueue) Inspect(ctx context.Context) (queue.State, error) {
	s, err := q.Memory.Inspect(ctx)
	s.Visible += q.extra
	return s, err
}

func (q *deadQueue) Receive(ctx context.Context, hide, wait time.Duration) ([]queue.Received, error) {
	if q.before != nil {
		if err := q.before(ctx, "receive"); err != nil {
			return nil, err
		}
	}
	if wait == 0 || q.none != nil && q.none() {
		return nil, nil
	}
	messages, err := q.Memory.Receive(ctx, hide, wait)
	q.received.Add(int64(len(messages)))
	return messages, err
}

func (q *deadQueue) Hide(ctx context.Context, receipts []string, hide time.Duration) error {
	if q.before != nil {
		if err := q.before(ctx, "hide"); err != nil {
			return err
		}
	}
	q.released.Add(int64(len(receipts)))
	return q.Memory.Hide(ctx, receipts, hide)
}

// longQueue hands out each of many messages once, at no cost.
type longQueue struct {
	queue.Receiver
	n    int
	make func(i int) queue.Received

	next, released atomic.Int64
}

func (q *longQueue) Inspect(context.Context) (queue.State, error) {
	return queue.State{Visible: q.n, Retention: retention}, nil
}

func (q *longQueue) Receive(context.Context, time.Duration, time.Duration) (out []queue.Received, _ error) {
	end := int(q.next.Add(queue.MaxBatch))
	for i := end - queue.MaxBatch; i < min(end, q.n); i++ {
		out = append(out, q.make(i))
	}
	return out, nil
}

func (q *longQueue) Hide(_ context.Context, receipts []string, _ time.Duration) error {
	q.released.Add(int64(len(receipts)))
	return nil
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
	f.queue = &deadQueue{Memory: &queuetest.Memory{Retention: retention, Now: f.clock.Now}}
	f.pipeline = &upload.Pipeline{Policy: policy.Default(), Layout: upload.DefaultLayout, Records: f.records,
		Objects: f.objects, Now: f.clock.Now, NewID: f.newID, TombstoneLife: upload.DefaultTombstoneLife}
	f.Review = &Review{DeadLetters: f.queue, Records: f.records, Objects: f.objects, Notes: f.notes,
		Layout: upload.DefaultLayout, Bucket: bucket, Notifies: true, MaxReceives: 5, Concurrency: 4,
		Operator: "somebody", Now: f.clock.Now, Log: slog.New(slog.NewTextHandler(&f.log, nil)),
		NewID: func() string {
			id, _ := f.newID()
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
