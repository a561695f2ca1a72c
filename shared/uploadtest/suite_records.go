package uploadtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// RecordsTraits says which of the behaviours that upload.Records allows a store
// has.
type RecordsTraits struct {
	// Atomic is what the store's Atomic answers. Where it is false, races may have more than
	// one winner, and a deletion leaves a tombstone only while a form may be posted.
	Atomic bool
}

// RunRecords checks every sentence of the contract of upload.Records. open gives
// an empty store each time, whose clock is now, and cleans up through t.
func RunRecords(t *testing.T, open func(t *testing.T, now func() time.Time) upload.Records, o RecordsTraits) {
	for _, group := range []struct {
		name  string
		cases []recordsCase
	}{
		{"Create", createCases}, {"Idempotency keys", idempotencyCases}, {"Settle", settleCases}, {"Unique", uniqueCases},
		{"Quota", quotaCases},
		{"Delete", deleteCases}, {"Reopen", reopenCases}, {"Drop", dropCases}, {"Adopt", adoptCases},
		{"CountFailure", failureCases}, {"Seen", seenCases},
		{"CountResend", resendCases},
		{"Usage", usageCases}, {"List", listCases}, {"Scans", scanCases}, {"Every method", everyCases},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) {
					clock := NewClock(time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC))
					store := open(t, clock.Now)
					if store.Atomic() != o.Atomic {
						t.Fatalf("Atomic() is %v, the traits say %v", store.Atomic(), o.Atomic)
					}
					c.run(&recordsSuite{T: t, ctx: t.Context(), store: store, atomic: o.Atomic, clock: clock})
				})
			}
		})
	}
}

// recordsCase is one sentence of the contract.
type recordsCase struct {
	name string
	run  func(*recordsSuite)
}

// recordsSuite is what one case works with.
type recordsSuite struct {
	*testing.T
	ctx    context.Context
	store  upload.Records
	atomic bool
	clock  *Clock
	made   int
}

const (
	suiteJournal = upload.Journal("journal-1")
	suiteEntry   = upload.Entry("entry_A")
	suiteKind    = policy.KindName("images")
	suiteSHA     = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	otherSHA     = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
)

// draft makes a pending record that is not created yet; each is a second younger
// than the one before.
func (s *recordsSuite) draft() upload.Record {
	s.made++
	return upload.Record{ID: upload.ID(fmt.Sprintf("019a0000-0000-7000-8000-%012x", s.made)),
		Journal: suiteJournal, Entry: suiteEntry, Kind: suiteKind, Name: fmt.Sprintf("cat %d", s.made), Extension: "png",
		CreatedAt: s.clock.Now().Add(time.Duration(s.made) * time.Second), Status: upload.Pending}
}

func (s *recordsSuite) create(r upload.Record) upload.Record {
	s.Helper()
	created, err := s.store.Create(s.ctx, r, nil)
	s.must(err, "create %s", r.Ref())
	s.same(created, r)
	return r
}

func (s *recordsSuite) pending() upload.Record {
	s.Helper()
	return s.create(s.draft())
}

// stored makes a record stored, with its own SHA-256 and as many bytes as size.
func (s *recordsSuite) stored(size int64) upload.Record {
	s.Helper()
	r := s.pending()
	v := s.storing()
	v.SHA256, v.Size = fmt.Sprintf("%064x", s.made), size
	return s.settle(r.Ref(), v)
}

func (s *recordsSuite) rejected() upload.Record {
	s.Helper()
	return s.settle(s.pending().Ref(), s.rejecting())
}

// deleted makes a tombstone; where the store keeps none, nothing is there.
func (s *recordsSuite) deleted() upload.Record {
	s.Helper()
	return s.delete(s.pending().Ref())
}

func (s *recordsSuite) storing() upload.Verdict {
	return upload.Verdict{Status: upload.Stored, Version: "quarantine-v1", At: s.clock.Now(), Size: 1234,
		ContentType: "image/png", SHA256: suiteSHA, Served: "files-v7"}
}

func (s *recordsSuite) rejecting() upload.Verdict {
	return upload.Verdict{Status: upload.Rejected, Version: "quarantine-v2", At: s.clock.Now(), Size: 99,
		ContentType: "text/html", SHA256: otherSHA,
		Reason: &upload.Reason{Code: upload.TypeMismatch, Message: "This is no picture."}}
}

func (s *recordsSuite) settle(ref upload.Ref, v upload.Verdict) upload.Record {
	s.Helper()
	r, err := s.store.Update(s.ctx, ref, upload.Settle(v))
	s.must(err, "settle %s", ref)
	return r
}

func (s *recordsSuite) delete(ref upload.Ref) upload.Record {
	s.Helper()
	r, err := s.store.Update(s.ctx, ref, upload.Delete(s.clock.Now(), s.clock.Now().Add(91*24*time.Hour)))
	s.must(err, "delete %s", ref)
	return r
}

// stands checks that the record under want's ref is want.
func (s *recordsSuite) stands(want upload.Record) {
	s.Helper()
	got, err := s.store.Get(s.ctx, want.Ref())
	if want.Status == upload.Deleted && !s.atomic && !want.FormOpen(want.DeletedAt) {
		s.is(err, upload.ErrNotFound, "get %s, which was removed", want.Ref())
		return
	}
	s.must(err, "get %s", want.Ref())
	s.same(got, want)
}

func (s *recordsSuite) must(err error, format string, args ...any) {
	s.Helper()
	if err != nil {
		s.Fatalf("%s: %v", fmt.Sprintf(format, args...), err)
	}
}

func (s *recordsSuite) is(err, want error, format string, args ...any) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("%s: error is %v, want %v", fmt.Sprintf(format, args...), err, want)
	}
}

func (s *recordsSuite) same(got, want upload.Record) {
	s.Helper()
	g, w := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range g.NumField() {
		if g.Type().Field(i).Name == "Revision" {
			continue // it is the store's
		}
		if a, b := g.Field(i).Interface(), w.Field(i).Interface(); !reflect.DeepEqual(a, b) {
			s.Errorf("%s of %s is %+v, want %+v", g.Type().Field(i).Name, want.Ref(),
				reflect.Indirect(reflect.ValueOf(a)), reflect.Indirect(reflect.ValueOf(b)))
		}
	}
}

// find gives the record under ref.
func (s *recordsSuite) find(ref upload.Ref) upload.Record {
	s.Helper()
	r, err := s.store.Get(s.ctx, ref)
	s.must(err, "get %s", ref)
	return r
}

// gone is what a change of a deleted record is answered with.
func (s *recordsSuite) gone() error {
	if s.atomic {
		return upload.ErrConflict
	}
	return upload.ErrNotFound
}

// race runs f n times at once and gives the errors in order.
func race(n int, f func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	all.Wait()
	return errs
}

// winners checks how many of errs are nil: one, or where the store is not
// atomic at least one; and that the others are lost.
func (s *recordsSuite) winners(errs []error, lost error) int {
	s.Helper()
	won, winner := 0, -1
	for i, err := range errs {
		if err == nil {
			won, winner = won+1, i
			continue
		}
		s.is(err, lost, "number %d of the race", i)
	}
	if won == 0 || s.atomic && won > 1 {
		s.Fatalf("%d of %d won the race", won, len(errs))
	}
	return winner
}

// elsewhere are refs with the same id that are other uploads.
func elsewhere(ref upload.Ref) []upload.Ref {
	journal, entry, kind, id := ref, ref, ref, ref
	journal.Journal, entry.Entry, kind.Kind, id.ID = "journal-2", "entry_B", "documents",
		"019affff-0000-7000-8000-000000000000"
	swapped := ref
	swapped.Journal, swapped.Entry = upload.Journal(ref.Entry), upload.Entry(ref.Journal)
	sql := ref
	sql.Journal = "x' OR '1'='1"
	return []upload.Ref{journal, entry, kind, id, swapped, sql}
}

var createCases = []recordsCase{
	{"a created record is found with every field", func(s *recordsSuite) {
		r := s.draft()
		r.Declared = upload.Declared{Size: 5_500_000, Type: "image/png", SHA256: suiteSHA}
		r.FormExpires, r.Filename = s.clock.Now().Add(15*time.Minute), "My.Cat.PNG"
		s.create(r)
		s.stands(r)
	}},
	{"a record with nothing optional is found as it was", func(s *recordsSuite) { s.stands(s.pending()) }},
	{"a second record under the same ref is refused", func(s *recordsSuite) {
		first := s.settle(s.pending().Ref(), s.storing())
		again := s.draft()
		again.ID, again.Name = first.ID, "another name"
		_, err := s.store.Create(s.ctx, again, nil)
		s.is(err, upload.ErrExists, "create again")
		s.stands(first)
	}},
	{"of creations of one ref at once one wins", func(s *recordsSuite) {
		r := s.draft()
		s.winners(race(8, func(int) error {
			_, err := s.store.Create(s.ctx, r, nil)
			return err
		}), upload.ErrExists)
		s.stands(r)
	}},
	{"a record that is not there is not found", func(s *recordsSuite) {
		_, err := s.store.Get(s.ctx, s.draft().Ref())
		s.is(err, upload.ErrNotFound, "get")
	}},
	{"a record under the same id elsewhere is none", func(s *recordsSuite) {
		r := s.rejected()
		for _, ref := range elsewhere(r.Ref()) {
			_, err := s.store.Get(s.ctx, ref)
			s.is(err, upload.ErrNotFound, "get %s", ref)
			_, err = s.store.Update(s.ctx, ref, upload.Settle(s.storing()))
			s.is(err, upload.ErrNotFound, "settle %s", ref)
			_, err = s.store.Update(s.ctx, ref, upload.Reopen())
			s.is(err, upload.ErrNotFound, "reopen %s", ref)
			_, err = s.store.Update(s.ctx, ref, upload.Delete(s.clock.Now(), s.clock.Now()))
			s.is(err, upload.ErrNotFound, "delete %s", ref)
			s.is(upload.NoteFailure(s.ctx, s.store, ref, upload.Failure{At: s.clock.Now(), Message: "no"}), upload.ErrNotFound,
				"note a failure of %s", ref)
		}
		s.stands(r)
	}},
	{"hostile text comes back as it was", func(s *recordsSuite) {
		for _, text := range hostileTexts {
			r := s.draft()
			r.Name, r.Filename, r.Declared.Type = text, text, text
			s.create(r)
			s.stands(r)
			failure := upload.Failure{At: s.clock.Now(), Message: text}
			s.must(upload.NoteFailure(s.ctx, s.store, r.Ref(), failure), "note a failure")
			r.Failures, r.LastFailure = 1, &failure
			s.stands(r)
			v := s.rejecting()
			v.Version, v.ContentType, v.Reason = upload.Version(text), text,
				&upload.Reason{Code: upload.Code(text), Message: text}
			r = v.Apply(r)
			s.same(s.settle(r.Ref(), v), r)
			s.stands(r)
		}
	}},
	{"a name of 255 bytes comes back as it was", func(s *recordsSuite) {
		r := s.draft()
		r.Name = string(slices.Repeat([]rune("é"), 125)) + "x"
		r.Filename = string(slices.Repeat([]rune("É"), 125)) + "x.png"
		s.create(r)
		s.stands(r)
	}},
	{"what the person called the file stays through a life", func(s *recordsSuite) {
		r := s.draft()
		r.Filename = "My.Cat.PNG"
		s.create(r)
		for _, t := range []upload.Transition{upload.CountResend(0, s.clock.Now()), upload.Settle(s.rejecting()),
			upload.Reopen()} {
			changed, err := s.store.Update(s.ctx, r.Ref(), t)
			s.must(err, "%s %s", t.Name, r.Ref())
			if changed.Filename != r.Filename {
				s.Errorf("after %s it is %q", t.Name, changed.Filename)
			}
		}
		v := s.storing()
		v.Round = s.find(r.Ref()).Round()
		s.settle(r.Ref(), v)
		page, err := s.store.List(s.ctx, upload.Query{Journal: suiteJournal, Entry: suiteEntry, Kind: suiteKind,
			Status: upload.Stored, Limit: 10})
		s.must(err, "list")
		if got := s.find(r.Ref()); got.Filename != r.Filename || len(page.Records) != 1 ||
			page.Records[0].Filename != r.Filename {
			s.Errorf("stored it is %q, and listed %+v", got.Filename, page.Records)
		}
	}},
	{"a caller's copy is not the store's", func(s *recordsSuite) {
		r := s.rejected()
		want := r
		want.Reason = &upload.Reason{Code: r.Reason.Code, Message: r.Reason.Message}
		r.Reason.Message = "scribbled over"
		got, err := s.store.Get(s.ctx, r.Ref())
		s.must(err, "get")
		s.same(got, want)
		got.Reason.Message = "scribbled over"
		s.stands(want)
	}},
}

// hostileTexts try the borders of whatever language a store speaks.
var hostileTexts = []string{
	`'); DROP TABLE uploads; --`, `" OR ""="`, "`;\\", `%_*?[a-z]`, "line\r\nbreak\ttab", "\x01\x7f",
	"𝕏 👩\u200d🚀 \u0645\u0631\u062d\u0628\u0627",
	"\u202egnp.exe", "null", "NULL", "{\"$ne\":1}", "#a :b @c $d ?1", " leading and trailing ", "<script>",
	"e\u0301 is not \u00e9",
}
