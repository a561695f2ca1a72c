package deadletter_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hatchery/shared/arrival"
	"hatchery/shared/deadletter"
	"hatchery/shared/policy"
	"hatchery/shared/queue"
	"hatchery/shared/queue/queuetest"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// acting is a deployment with dead letters, on fakes that behave.
type acting struct {
	clock        *uploadtest.Clock
	dead, source *queuetest.Memory
	records      *uploadtest.Records
	objects      *uploadtest.Objects
	notes        *uploadtest.Notes
	log          syncBuffer

	mu     sync.Mutex
	sent   map[string]int // bodies that the source queue took
	stored []upload.Ref   // by the validator
	made   int
	paused []time.Duration // what After was asked for
}

const actBucket = "uploads"

var actStart = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func newActing() *acting {
	w := &acting{clock: uploadtest.NewClock(actStart), records: uploadtest.NewRecords(uploadtest.RecordsOptions{Swap: true}),
		objects: uploadtest.NewObjects(), notes: uploadtest.NewNotes(), sent: map[string]int{}}
	w.dead = &queuetest.Memory{Now: w.clock.Now, Retention: 14 * 24 * time.Hour}
	w.source = &queuetest.Memory{Now: w.clock.Now}
	return w
}

// review is an operator's. Whatever it asks of anybody passes the gate.
func (w *acting) review(operator string, g *gate) *deadletter.Review {
	return &deadletter.Review{
		DeadLetters: gatedQueue{w.dead, g}, Source: gatedSource{w, g}, Notes: gatedNotes{w.notes, g},
		Records: gatedRecords{w.records, g}, Objects: gatedObjects{w.objects, g},
		Pipeline: &upload.Pipeline{Policy: policy.Default(), Layout: upload.DefaultLayout, Now: w.clock.Now,
			Records: gatedRecords{w.records, g}, Objects: gatedObjects{w.objects, g}},
		Layout: upload.DefaultLayout, Bucket: actBucket, MaxReceives: 5, Concurrency: 1, Operator: operator,
		Now: w.clock.Now, After: w.after, NewID: w.newID, Log: slog.New(slog.NewTextHandler(&w.log, nil))}
}

// after is a timer that moves the clock instead of waiting.
func (w *acting) after(d time.Duration) <-chan time.Time {
	w.mu.Lock()
	w.paused = append(w.paused, d)
	w.mu.Unlock()
	w.clock.Pass(d)
	c := make(chan time.Time, 1)
	c <- w.clock.Now()
	return c
}

func (w *acting) newID() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.made++
	return fmt.Sprintf("run-%06d", w.made)
}

func actRef(n int) upload.Ref {
	return upload.Ref{Journal: "j1", Entry: "e1", Kind: "images",
		ID: upload.ID(fmt.Sprintf("0195600d-0000-7000-8000-%012d", n))}
}

// bury puts a message into the dead letters that was sent n minutes after the start of the day, and gives its id.
func (w *acting) bury(n int, body string, attributes map[string]queue.Attribute) string {
	id := fmt.Sprintf("dead-%04d", n)
	w.dead.Put(queue.Received{Message: queue.Message{Body: body, Attributes: attributes}, ID: id,
		SentAt: actStart.Add(time.Duration(n-1000) * time.Minute), Receives: 5, Source: "arn:aws:sqs:eu-west-1:1:source"})
	return id
}

// upload makes a pending upload with its bytes, and gives the body of its message.
func (w *acting) upload(t testing.TB, n int) (upload.Ref, string) {
	t.Helper()
	ref := actRef(n)
	_, err := w.records.Create(t.Context(), upload.Record{ID: ref.ID, Journal: ref.Journal, Entry: ref.Entry, Kind: ref.Kind,
		Name: "picture", Extension: "png", CreatedAt: actStart.Add(-24 * time.Hour), Status: upload.Pending}, nil)
	if err != nil {
		t.Fatal(err)
	}
	key := upload.DefaultLayout.QuarantineKey(ref)
	version := w.objects.Post(key, fmt.Append(nil, "bytes of ", n))
	body, err := arrival.Format(arrival.Created{Name: "ObjectCreated:Put", Time: actStart.Add(-24 * time.Hour),
		Bucket: actBucket, Key: string(key), VersionID: string(version), Size: 10, Sequencer: "01"})
	if err != nil {
		t.Fatal(err)
	}
	return ref, string(body)
}

// unreachable makes the dead letter of a pending upload that died of an outage.
func (w *acting) unreachable(t testing.TB, n int) string {
	t.Helper()
	ref, body := w.upload(t, n)
	w.fail(t, ref, "dial tcp 10.0.0.1:443: connection refused")
	return w.bury(n, body, nil)
}

func (w *acting) fail(t testing.TB, ref upload.Ref, message string) {
	t.Helper()
	if err := upload.NoteFailure(t.Context(), w.records, ref,
		upload.Failure{At: w.clock.Now().Add(-time.Hour), Message: message}); err != nil {
		t.Fatal(err)
	}
}

// obsolete makes the dead letter of an upload that was stored since.
func (w *acting) obsolete(t testing.TB, n int) string {
	t.Helper()
	_, body := w.upload(t, n)
	w.settle(t, body)
	return w.bury(n, body, nil)
}

// poison makes a dead letter that cannot be read.
func (w *acting) poison(n int) string { return w.bury(n, fmt.Sprintf(`{"n":%d, nonsense`, n), nil) }

// settle does what a validator does with a message about a pending upload.
func (w *acting) settle(t testing.TB, body string) {
	t.Helper()
	parsed, err := arrival.Parse([]byte(body))
	if err != nil {
		return // poison
	}
	for _, c := range parsed.Created {
		ref, _ := upload.DefaultLayout.ParseQuarantineKey(upload.Key(c.Key))
		_, err := w.records.Update(t.Context(), ref, upload.Settle(upload.Verdict{Status: upload.Stored,
			Version: upload.Version(c.VersionID), At: w.clock.Now(), Size: 10, ContentType: "image/png", SHA256: "00", Served: "s"}))
		if errors.Is(err, upload.ErrConflict) {
			continue
		}
		if err == nil {
			err = w.objects.Remove(t.Context(), upload.Key(c.Key), upload.Version(c.VersionID))
		}
		if err != nil {
			t.Fatal(err)
		}
		w.stored = append(w.stored, ref)
	}
}

// validate works off the source queue.
func (w *acting) validate(t testing.TB) {
	t.Helper()
	for _, m := range w.source.Take() {
		w.settle(t, m.Body)
	}
}

// validateInVain has the messages of the source queue die again.
func (w *acting) validateInVain() {
	for _, m := range w.source.Take() {
		w.dead.Put(queue.Received{Message: m})
	}
}

// list lists the dead letters, and gives the snapshot's id.
func (w *acting) list(t testing.TB) string {
	t.Helper()
	s, err := w.review("alice", nil).List(t.Context(), func(deadletter.Letter) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return s.ID
}

func (w *acting) plan(t testing.TB, action deadletter.Action, s deadletter.Selection) deadletter.Plan {
	t.Helper()
	p, err := w.review("alice", nil).Plan(t.Context(), action, "", s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// act plans and acts, without trouble.
func (w *acting) act(t testing.TB, action deadletter.Action, s deadletter.Selection) deadletter.Audit {
	t.Helper()
	return w.carry(t, w.plan(t, action, s))
}

func (w *acting) carry(t testing.TB, p deadletter.Plan) deadletter.Audit {
	t.Helper()
	audit, err := w.review("alice", nil).Act(t.Context(), p, actOptions)
	if err != nil {
		t.Fatal(err)
	}
	return audit
}

var actOptions = deadletter.Options{Reason: "The file was lost by us: send it again."}

// waiting are the ids of the dead letters, in order, after whoever hid one has lost it.
func (w *acting) waiting(t testing.TB) (ids []string) {
	t.Helper()
	w.clock.Pass(time.Hour)
	for {
		some, err := w.dead.Receive(t.Context(), time.Second, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(some) == 0 {
			break
		}
		for _, m := range some {
			ids = append(ids, m.ID)
		}
	}
	w.clock.Pass(time.Minute)
	slices.Sort(ids)
	return ids
}

func (w *acting) inFlight(t testing.TB) int {
	t.Helper()
	state, err := w.dead.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return state.InFlight
}

func (w *acting) status(t testing.TB, n int) upload.Record {
	t.Helper()
	record, err := w.records.Get(t.Context(), actRef(n))
	if err != nil {
		t.Fatal(err)
	}
	return record
}

// note reads a note into v; false when there is none.
func (w *acting) note(t testing.TB, key string, v any) bool {
	t.Helper()
	body, err := w.notes.Get(context.Background(), upload.Key(upload.DeadLetterPrefix+key))
	if errors.Is(err, upload.ErrGone) {
		return false
	}
	if err == nil {
		err = json.Unmarshal(body, v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return true
}

func wantResult(t testing.TB, a deadletter.Audit, id, result, detail string) {
	t.Helper()
	for _, r := range a.Results {
		if r.MessageID == id {
			if r.Result != result || !strings.Contains(r.Detail, detail) {
				t.Errorf("%s is %s %q, want %s %q", id, r.Result, r.Detail, result, detail)
			}
			return
		}
	}
	t.Errorf("nothing is said of %s, want %s", id, result)
}

func wantIDs(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// syncBuffer is a log that may be written concurrently.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

var (
	errActTrouble = errors.New("trouble")
	errActKilled  = errors.New("the process was killed")
)

// gate is what all calls of an operator pass; nil lets all of them through. At one of them something happens.
type gate struct {
	call string // which
	at   int    // the how manieth of them, from 1; 0 is every one
	// before and after are what happens around it; an error is what the call answers.
	before, after func() error

	mu     sync.Mutex
	killed bool
	counts map[string]int
}

func (g *gate) kill() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.killed = true
	return errActKilled
}

func (g *gate) pass(call string, do func() error) error {
	if g == nil {
		return do()
	}
	g.mu.Lock()
	if g.counts == nil {
		g.counts = map[string]int{}
	}
	g.counts[call]++
	here := call == g.call && (g.at == 0 || g.counts[call] == g.at)
	killed := g.killed
	g.mu.Unlock()
	if killed {
		return errActKilled
	}
	if here && g.before != nil {
		if err := g.before(); err != nil {
			return err
		}
	}
	err := do()
	if here && g.after != nil {
		if after := g.after(); after != nil {
			return after
		}
	}
	return err
}

type gatedQueue struct {
	*queuetest.Memory
	g *gate
}

func (q gatedQueue) Inspect(ctx context.Context) (s queue.State, err error) {
	err = q.g.pass("inspect", func() error { s, err = q.Memory.Inspect(ctx); return err })
	return s, err
}

func (q gatedQueue) Receive(ctx context.Context, hide, wait time.Duration) (m []queue.Received, err error) {
	err = q.g.pass("receive", func() error { m, err = q.Memory.Receive(ctx, hide, wait); return err })
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (q gatedQueue) Hide(ctx context.Context, receipts []string, hide time.Duration) error {
	return q.g.pass("hide", func() error { return q.Memory.Hide(ctx, receipts, hide) })
}

func (q gatedQueue) Delete(ctx context.Context, receipt string) error {
	return q.g.pass("delete", func() error { return q.Memory.Delete(ctx, receipt) })
}

type gatedSource struct {
	w *acting
	g *gate
}

func (s gatedSource) Send(ctx context.Context, m queue.Message) error {
	return s.g.pass("send", func() error {
		err := s.w.source.Send(ctx, m)
		if err == nil {
			s.w.mu.Lock()
			s.w.sent[m.Body]++
			s.w.mu.Unlock()
		}
		return err
	})
}

type gatedNotes struct {
	upload.Notes
	g *gate
}

func (n gatedNotes) Put(ctx context.Context, key upload.Key, body []byte) error {
	return n.g.pass("put", func() error { return n.Notes.Put(ctx, key, body) })
}

func (n gatedNotes) Get(ctx context.Context, key upload.Key) (body []byte, err error) {
	err = n.g.pass("get", func() error { body, err = n.Notes.Get(ctx, key); return err })
	return body, err
}

type gatedRecords struct {
	upload.Records
	g *gate
}

func (r gatedRecords) Get(ctx context.Context, ref upload.Ref) (record upload.Record, err error) {
	err = r.g.pass("get record", func() error { record, err = r.Records.Get(ctx, ref); return err })
	return record, err
}

func (r gatedRecords) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (record upload.Record, err error) {
	err = r.g.pass("update record", func() error { record, err = r.Records.Update(ctx, ref, t); return err })
	return record, err
}

type gatedObjects struct {
	*uploadtest.Objects
	g *gate
}

func (o gatedObjects) Stat(ctx context.Context, key upload.Key) (c upload.Copy, err error) {
	err = o.g.pass("stat", func() error { c, err = o.Objects.Stat(ctx, key); return err })
	return c, err
}

func (o gatedObjects) Open(ctx context.Context, key upload.Key, version upload.Version) (object upload.Object, err error) {
	err = o.g.pass("open", func() error { object, err = o.Objects.Open(ctx, key, version); return err })
	return object, err
}

func (o gatedObjects) ListVersions(ctx context.Context, prefix string, cursor upload.Cursor,
	limit int) (p upload.InventoryPage, err error) {
	err = o.g.pass("list versions", func() error { p, err = o.Objects.ListVersions(ctx, prefix, cursor, limit); return err })
	return p, err
}
