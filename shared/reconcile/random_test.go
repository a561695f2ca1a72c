package reconcile_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"hatchery/shared/queue"
	"hatchery/shared/reconcile"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// faults makes calls fail: some do nothing, some are done all the same.
type faults struct {
	random  *rand.Rand
	enabled bool
}

func (f *faults) inject(do func() error) error {
	if !f.enabled || f.random.IntN(5) > 0 {
		return do()
	}
	if f.random.IntN(2) == 0 {
		_ = do() // done, but the answer is lost
	}
	return errTrouble
}

type flakyRecords struct {
	*uploadtest.Records
	*faults
}

func (r flakyRecords) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (out upload.Record, err error) {
	err = r.inject(func() error { out, err = r.Records.Update(ctx, ref, t); return err })
	return out, err
}

type flakyObjects struct {
	*uploadtest.Objects
	*faults
}

func (o flakyObjects) Promote(ctx context.Context, p upload.Promotion) (out upload.Copy, err error) {
	err = o.inject(func() error { out, err = o.Objects.Promote(ctx, p); return err })
	return out, err
}

func (o flakyObjects) Remove(ctx context.Context, key upload.Key, version upload.Version) error {
	return o.inject(func() error { return o.Objects.Remove(ctx, key, version) })
}

func (o flakyObjects) ListVersions(ctx context.Context, prefix string, cursor upload.Cursor,
	limit int) (out upload.InventoryPage, err error) {
	err = o.inject(func() error { out, err = o.Objects.ListVersions(ctx, prefix, cursor, limit); return err })
	return out, err
}

// randomRun does things in random order: uploads come, messages are lost, validators
// and reconcilers fail at any step.
type randomRun struct {
	*fixture
	*faults
	refs    []upload.Ref
	bytes   map[upload.Ref]bool // whether bytes were accepted
	robbed  map[upload.Ref]bool // whether somebody else removed bytes
	waiting []delivery
	sent    map[upload.Ref]int // the highest number that a message carried
	notes   *notebook
}

// delivery is a message that was not acknowledged.
type delivery struct {
	message
	receptions int
}

func (w *randomRun) step() {
	w.Helper()
	switch w.random.IntN(9) {
	case 0:
		ref := w.accepted(uploadtest.Picture(uint8(w.random.IntN(256))))
		w.refs = append(w.refs, ref)
		w.bytes[ref] = true
	case 1:
		w.refs = append(w.refs, w.announced(15*time.Minute))
	case 2, 3:
		// A form is posted, any number of times; S3's own message is lost, or
		// handled once.
		if ref, ok := w.any(); ok && w.record(ref).FormExpires.After(w.clock.Now()) {
			body := []uploadtest.Body{uploadtest.Script(), uploadtest.Picture(1), uploadtest.BrokenPicture(2)}[w.random.IntN(3)]
			version := w.post(ref, body)
			w.bytes[ref] = true
			if w.random.IntN(2) == 0 {
				_, _ = w.pipeline.Validate(w.Context(), quarantineKey(ref), version) // it may fail: a fault was injected
			}
		}
	case 4:
		if ref, ok := w.any(); ok && w.random.IntN(4) == 0 {
			_, _ = w.pipeline.Delete(w.Context(), ref) // it may fail: the caller asks again, or never
		}
	case 5:
		w.clock.Pass(time.Duration(w.random.IntN(int(2 * overdue))))
	case 6:
		w.reconcile()
	case 7:
		w.deliver()
	case 8:
		if ref, ok := w.any(); ok && w.random.IntN(2) == 0 {
			for _, version := range w.versionsOf(ref) {
				w.robbed[ref] = true
				if err := w.objects.Remove(w.Context(), quarantineKey(ref), version); err != nil {
					w.Fatal(err)
				}
			}
		}
	}
}

func (w *randomRun) any() (upload.Ref, bool) {
	if len(w.refs) == 0 {
		return upload.Ref{}, false
	}
	return w.refs[w.random.IntN(len(w.refs))], true
}

// reconcile does what the schedule does, in pieces, and takes over what was sent.
func (w *randomRun) reconcile() (complete bool) {
	w.Helper()
	report, err := w.r.Scheduled(w.Context(), w.notes, reconcile.Options{MaxObjects: 1 + w.random.IntN(20)})
	if err != nil && !w.enabled {
		w.Fatalf("without faults: %v", err)
	}
	for _, m := range w.messages() {
		w.waiting = append(w.waiting, delivery{message: m})
		ref, _ := upload.DefaultLayout.ParseQuarantineKey(upload.Key(m.created.Key))
		if m.number < 1 || m.number > 2 || m.number < w.sent[ref] {
			w.Fatalf("message %d of %s after message %d", m.number, ref, w.sent[ref])
		}
		w.sent[ref] = m.number
	}
	return report.Complete
}

// deliver hands out what waits, some of it to nobody: the validator acknowledges it
// when it succeeds, and in any case after the third time.
func (w *randomRun) deliver() {
	var left []delivery
	for _, d := range w.waiting {
		d.receptions++
		var err error
		if !w.enabled || w.random.IntN(4) > 0 {
			_, err = w.pipeline.Validate(w.Context(), upload.Key(d.created.Key), upload.Version(d.created.VersionID))
		} else {
			err = errTrouble // the validator died
		}
		if err != nil && d.receptions < 3 {
			left = append(left, d)
		}
	}
	w.waiting = left
}

// TestWhateverIsLostEveryUploadComesToItsEnd: every accepted upload ends stored or
// rejected, or it is pending with its bytes in quarantine and reported.
func TestWhateverIsLostEveryUploadComesToItsEnd(t *testing.T) {
	ends := map[string]int{}
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { runRandomly(t, seed, ends) })
	}
	for _, end := range []string{"stored", "rejected", "never_arrived", "bytes_lost", "deleted", "stuck"} {
		if ends[end] == 0 {
			t.Errorf("no upload of all these ended as %s: the runs prove less than it says", end)
		}
	}
	t.Logf("ended: %v", ends)
}

func runRandomly(t *testing.T, seed uint64, ends map[string]int) {
	base := newFixture(t)
	w := &randomRun{fixture: base, faults: &faults{random: rand.New(rand.NewPCG(seed, 1)), enabled: true},
		bytes: map[upload.Ref]bool{}, robbed: map[upload.Ref]bool{},
		sent: map[upload.Ref]int{}, notes: &notebook{text: map[string]string{}}}
	flaky := flakyObjects{w.objects, w.faults}
	w.pipeline.Records = flakyRecords{w.records, w.faults}
	w.pipeline.Objects = flaky
	w.r.Records, w.r.Inventory = flakyRecords{w.records, w.faults}, flaky
	w.r.SetConcurrency(1)
	w.r.Queue = senderFunc(func(ctx context.Context, m queue.Message) error {
		return w.inject(func() error { return w.queue.Send(ctx, m) })
	})
	for range 150 {
		w.step()
	}
	// No more faults, and time passes.
	w.enabled = false
	counted := map[upload.Ref]int{}
	for _, ref := range w.refs {
		counted[ref] = w.record(ref).Resends
	}
	for range 4 {
		w.clock.Pass(day + overdue)
		for !w.reconcile() { // each goes on where the last one ended
		}
		for range 3 {
			w.deliver()
		}
	}
	report := w.run(reconcile.Options{})
	stuck := map[upload.ID]reconcile.What{}
	for _, f := range report.Findings {
		if f.What == reconcile.PendingTooLong || f.What == reconcile.UnfinishedTooLong {
			stuck[f.Upload] = f.What
		}
	}
	for _, ref := range w.refs {
		w.ended(ref, w.bytes[ref], counted[ref], stuck[ref.ID], ends)
	}
	if got := w.queue.Messages(); len(got) != 0 || len(w.waiting) != 0 {
		t.Errorf("it comes to no rest: %d messages, %d waiting", len(got), len(w.waiting))
	}
	if report.OrphanObjects+report.LostRecords+report.ForeignObjects+report.Failed > 0 {
		t.Errorf("found %+v", report.Findings)
	}
}

// ended checks how one upload ended.
func (w *randomRun) ended(ref upload.Ref, bytes bool, counted int, stuck reconcile.What, ends map[string]int) {
	w.Helper()
	r := w.record(ref)
	end := string(r.Status)
	switch {
	case r.Status == upload.Pending:
		end = "stuck"
		_, copied := w.objects.Bytes(filesKey(ref), "")
		if len(w.versionsOf(ref)) == 0 && !(w.robbed[ref] && copied) || stuck != reconcile.PendingTooLong || counted < 2 {
			w.Errorf("%s is pending with %d versions, reported as %q, counted %d before the faults ended", ref,
				len(w.versionsOf(ref)), stuck, counted)
		}
	case r.Status == upload.Rejected && r.Reason.Code == upload.NeverArrived:
		end = "never_arrived"
		if bytes && !w.robbed[ref] || r.BytesCame() {
			w.Errorf("%s was accepted with its bytes and given up", ref)
		}
	case r.Status == upload.Rejected && r.Reason.Code == upload.BytesLost:
		end = "bytes_lost"
		if !w.robbed[ref] || !r.BytesCame() {
			w.Errorf("%s was called lost, and nobody removed its bytes, or nobody heard of them", ref)
		}
	case r.Status == upload.Stored:
		if _, ok := w.objects.Bytes(filesKey(ref), r.ServedVersion); !ok {
			w.Errorf("%s is stored and its version is not there", ref)
		}
	}
	ends[end]++
	if r.Status == upload.Pending {
		return
	}
	for _, v := range w.versionsOf(ref) {
		needsWork, err := w.pipeline.NeedsWork(w.Context(), quarantineKey(ref), v)
		if err != nil {
			w.Fatal(err)
		}
		if needsWork && (stuck != reconcile.UnfinishedTooLong || counted < 2) {
			w.Errorf("%s is %s, and version %s was left without a word (counted %d)", ref, r.Status, v, counted)
		}
	}
}
