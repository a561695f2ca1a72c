package upload_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 123456000, time.UTC)

// errTrouble is what a store says when it is in trouble.
var errTrouble = errors.New("the store does not answer")

// desk is a pipeline on fakes that behave, with a watch between them.
type desk struct {
	*upload.Pipeline
	*watch
	records *uploadtest.Records
	objects *uploadtest.Objects
	now     time.Time
	dropped int // what the outcomes of refused tell
}

func newDesk() *desk { return deskOn(uploadtest.RecordsOptions{Swap: true}) }

func deskOn(o uploadtest.RecordsOptions) *desk {
	d := &desk{watch: &watch{before: map[string]func() error{}, after: map[string]func() error{}},
		records: uploadtest.NewRecords(o), objects: uploadtest.NewObjects(), now: noon}
	made := 0
	d.Pipeline = &upload.Pipeline{
		Policy: policy.Default(), Layout: upload.DefaultLayout,
		Records: watchedRecords{d.records, d.watch}, Objects: watchedObjects{d.objects, d.watch},
		AtOnce: inTurn,
		Now:    func() time.Time { return d.now },
		NewID: func() (upload.ID, error) {
			made++
			return idNumber(made), nil
		},
		TombstoneLife: upload.DefaultTombstoneLife,
	}
	return d
}

// inTurn makes two calls in the order in which they are given.
func inTurn(one, other func()) {
	one()
	other()
}

func idNumber(n int) upload.ID {
	return upload.ID(fmt.Sprintf("0195600d-0000-7000-8000-%012d", n))
}

// kind changes the policy of images.
func (d *desk) kind(change func(*policy.Kind)) {
	k := d.Policy.Kinds["images"]
	change(&k)
	d.Policy = policy.Policy{Kinds: map[policy.KindName]policy.Kind{"images": k}}
}

func request(filename string) upload.Request {
	return upload.Request{Journal: "j1", Entry: "e1", Kind: "images", Filename: filename}
}

func (d *desk) draft(t testing.TB, q upload.Request) upload.Record {
	t.Helper()
	r, err := d.Draft(q)
	if err != nil {
		t.Fatalf("Draft(%+v): %v", q, err)
	}
	return r
}

// accept takes a file in and says which version it became.
func (d *desk) accept(t testing.TB, filename string, body []byte) (upload.Record, upload.Version) {
	t.Helper()
	return d.acceptAs(t, request(filename), body)
}

func (d *desk) acceptAs(t testing.TB, q upload.Request, body []byte) (upload.Record, upload.Version) {
	t.Helper()
	r, err := d.Accept(t.Context(), d.draft(t, q), nil, bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatalf("Accept %s: %v", q.Filename, err)
	}
	arrivals := d.objects.Arrivals()
	return r, arrivals[len(arrivals)-1].Version
}

// validate handles one version and wants a result.
func (d *desk) validate(t testing.TB, r upload.Record, v upload.Version, want upload.Result) upload.Outcome {
	t.Helper()
	outcome, err := d.Validate(t.Context(), d.quarantine(r), v)
	if err != nil {
		t.Fatalf("Validate %s: %v", v, err)
	}
	if outcome.Result != want {
		t.Fatalf("Validate %s gave %q, want %q (record %+v)", v, outcome.Result, want, outcome.Record)
	}
	return outcome
}

// validateInTrouble handles one version and wants an error.
func (d *desk) validateInTrouble(t testing.TB, r upload.Record, v upload.Version) error {
	t.Helper()
	outcome, err := d.Validate(t.Context(), d.quarantine(r), v)
	if err == nil {
		t.Fatalf("Validate %s gave %q, want trouble", v, outcome.Result)
	}
	if outcome.Ref != r.Ref() {
		t.Fatalf("trouble with %s speaks of upload %s", r.Ref(), outcome.Ref)
	}
	return err
}

func (d *desk) quarantine(r upload.Record) upload.Key { return d.Layout.QuarantineKey(r.Ref()) }
func (d *desk) files(r upload.Record) upload.Key      { return d.Layout.FilesKey(r.Ref()) }

// record is the record as the store has it.
func (d *desk) record(t testing.TB, r upload.Record) upload.Record {
	t.Helper()
	got, err := d.records.Get(t.Context(), r.Ref())
	if err != nil {
		t.Fatalf("Get %s: %v", r.Ref(), err)
	}
	return got
}

func (d *desk) wantStatus(t testing.TB, r upload.Record, want upload.Status) upload.Record {
	t.Helper()
	got := d.record(t, r)
	if got.Status != want {
		t.Fatalf("the record is %q (%+v), want %q", got.Status, got.Reason, want)
	}
	return got
}

func (d *desk) wantCode(t testing.TB, r upload.Record, want upload.Code) upload.Reason {
	t.Helper()
	got := d.wantStatus(t, r, upload.Rejected)
	if got.Reason == nil || got.Reason.Code != want || got.Reason.Message == "" {
		t.Fatalf("rejected for %+v, want %q and a sentence", got.Reason, want)
	}
	return *got.Reason
}

// wantVersions says what is left under a key.
func (d *desk) wantVersions(t testing.TB, key upload.Key, want ...upload.Version) {
	t.Helper()
	got, err := d.objects.Versions(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("under %s lie the versions %v, want %v", key, got, want)
	}
}

// watch sees every call that the pipeline makes, and makes some of them fail.
type watch struct {
	mu     sync.Mutex
	calls  []string
	read   int64 // bytes read of bodies
	open   int   // bodies not closed yet
	before map[string]func() error
	// after runs when the call is done: an error hides that it was.
	after map[string]func() error
}

// forget forgets what was seen.
func (w *watch) forget() { w.calls, w.read = nil, 0 }

// seen gives the calls since forget.
func (w *watch) seen() []string { return slices.Clone(w.calls) }

// fail makes every later call of this name fail, before it does anything.
func (w *watch) fail(call string) { w.before[call] = func() error { return errTrouble } }

// heal undoes fail and whatever else was set.
func (w *watch) heal() {
	clear(w.before)
	clear(w.after)
}

func watched[T any](w *watch, call string, do func() (T, error)) (T, error) {
	var zero T
	w.mu.Lock()
	w.calls = append(w.calls, call)
	before, after := w.before[call], w.after[call]
	w.mu.Unlock()
	if before != nil {
		if err := before(); err != nil {
			return zero, err
		}
	}
	got, err := do()
	if after != nil {
		if fault := after(); fault != nil {
			return zero, fault
		}
	}
	return got, err
}

type none = struct{}

type watchedRecords struct {
	upload.Records
	w *watch
}

func (s watchedRecords) Create(ctx context.Context, r upload.Record,
	key *upload.IdempotencyKey) (upload.Record, error) {
	return watched(s.w, "Create", func() (upload.Record, error) { return s.Records.Create(ctx, r, key) })
}

func (s watchedRecords) Get(ctx context.Context, ref upload.Ref) (upload.Record, error) {
	return watched(s.w, "Get", func() (upload.Record, error) { return s.Records.Get(ctx, ref) })
}

func (s watchedRecords) List(ctx context.Context, q upload.Query) (upload.Page, error) {
	return watched(s.w, "List", func() (upload.Page, error) { return s.Records.List(ctx, q) })
}

func (s watchedRecords) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (upload.Record, error) {
	return watched(s.w, t.Name, func() (upload.Record, error) { return s.Records.Update(ctx, ref, t) })
}

func (s watchedRecords) Usage(ctx context.Context, j upload.Journal, e upload.Entry,
	k policy.KindName) (upload.Usage, error) {
	return watched(s.w, "Usage", func() (upload.Usage, error) { return s.Records.Usage(ctx, j, e, k) })
}

func (s watchedRecords) Scan(ctx context.Context, q upload.ScanQuery) (upload.Page, error) {
	return watched(s.w, "Scan", func() (upload.Page, error) { return s.Records.Scan(ctx, q) })
}

type watchedObjects struct {
	upload.Objects
	w *watch
}

func (o watchedObjects) Put(ctx context.Context, key upload.Key, body io.ReadSeeker, size int64) error {
	_, err := watched(o.w, "Put", func() (none, error) { return none{}, o.Objects.Put(ctx, key, body, size) })
	return err
}

func (o watchedObjects) Open(ctx context.Context, key upload.Key, v upload.Version) (upload.Object, error) {
	return watched(o.w, "Open", func() (upload.Object, error) {
		object, err := o.Objects.Open(ctx, key, v)
		if err == nil {
			o.w.open++
			object.Body = &watchedBody{object.Body, o.w}
		}
		return object, err
	})
}

func (o watchedObjects) ReadRange(ctx context.Context, key upload.Key, v upload.Version,
	offset, length int64) (io.ReadCloser, error) {
	return watched(o.w, "ReadRange", func() (io.ReadCloser, error) {
		part, err := o.Objects.ReadRange(ctx, key, v, offset, length)
		if err == nil {
			o.w.open++
			part = &watchedBody{part, o.w}
		}
		return part, err
	})
}

func (o watchedObjects) Promote(ctx context.Context, p upload.Promotion) (upload.Copy, error) {
	return watched(o.w, "Promote", func() (upload.Copy, error) { return o.Objects.Promote(ctx, p) })
}

func (o watchedObjects) Stat(ctx context.Context, key upload.Key) (upload.Copy, error) {
	return watched(o.w, "Stat", func() (upload.Copy, error) { return o.Objects.Stat(ctx, key) })
}

func (o watchedObjects) Remove(ctx context.Context, key upload.Key, v upload.Version) error {
	_, err := watched(o.w, "Remove", func() (none, error) { return none{}, o.Objects.Remove(ctx, key, v) })
	return err
}

func (o watchedObjects) Versions(ctx context.Context, key upload.Key) ([]upload.Version, error) {
	return watched(o.w, "Versions", func() ([]upload.Version, error) { return o.Objects.Versions(ctx, key) })
}

func (o watchedObjects) ListVersions(ctx context.Context, prefix string, cursor upload.Cursor,
	limit int) (upload.InventoryPage, error) {
	return watched(o.w, "ListVersions", func() (upload.InventoryPage, error) {
		return o.Objects.ListVersions(ctx, prefix, cursor, limit)
	})
}

type watchedBody struct {
	io.ReadCloser
	w *watch
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.w.read += int64(n)
	return n, err
}

func (b *watchedBody) Close() error {
	b.w.open--
	return b.ReadCloser.Close()
}

// picture draws a small picture in one shade, so that each shade is a different
// file.
func picture(t testing.TB, extension string, shade uint8) []byte {
	t.Helper()
	img := image.NewPaletted(image.Rect(0, 0, 3, 2), color.Palette{color.Gray{shade}, color.White})
	var b bytes.Buffer
	var err error
	switch extension {
	case "png":
		err = png.Encode(&b, img)
	case "gif":
		err = gif.Encode(&b, img, nil)
	case "jpg", "jpeg":
		err = jpeg.Encode(&b, img, nil)
	case "bmp": // one pixel of 24 bits
		b.WriteString("BM\x3a\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x18\x00" +
			"\x00\x00\x00\x00\x04\x00\x00\x00\x13\x0b\x00\x00\x13\x0b\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
		b.Write([]byte{shade, shade, shade, 0})
	default:
		t.Fatalf("no encoder for %q", extension)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
