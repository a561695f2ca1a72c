package uploadtest

import (
	"strings"
	"time"
	"unicode/utf8"

	"hatchery/shared/upload"
)

var deleteCases = []recordsCase{
	{"any record becomes a tombstone that keeps its facts", func(s *recordsSuite) {
		at, forget := s.clock.Now(), s.clock.Now().Add(time.Hour)
		for _, r := range []upload.Record{s.pending(), s.stored(10), s.rejected()} {
			got, err := s.store.Update(s.ctx, r.Ref(), upload.Delete(at, forget))
			s.must(err, "delete a %s record", r.Status)
			s.same(got, After(upload.Delete(at, forget), r))
			s.stands(After(upload.Delete(at, forget), r))
		}
	}},
	{"the second time it is not found and the tombstone stays", func(s *recordsSuite) {
		tombstone := s.deleted()
		later := s.clock.Now().Add(time.Minute)
		_, err := s.store.Update(s.ctx, tombstone.Ref(), upload.Delete(later, later))
		s.is(err, upload.ErrNotFound, "delete again")
		s.stands(tombstone)
	}},
	{"what is not there cannot be deleted", func(s *recordsSuite) {
		r := s.draft()
		_, err := s.store.Update(s.ctx, r.Ref(), upload.Delete(s.clock.Now(), s.clock.Now()))
		s.is(err, upload.ErrNotFound, "delete")
		_, err = s.store.Get(s.ctx, r.Ref())
		s.is(err, upload.ErrNotFound, "get")
	}},
	{"of deletions at once one wins", func(s *recordsSuite) {
		r := s.stored(10)
		s.winners(race(6, func(int) error {
			_, err := s.store.Update(s.ctx, r.Ref(), upload.Delete(s.clock.Now(), s.clock.Now().Add(time.Hour)))
			return err
		}), upload.ErrNotFound)
		s.stands(After(upload.Delete(s.clock.Now(), s.clock.Now().Add(time.Hour)), r))
	}},
	{"while a form may be posted a tombstone is left in every store", func(s *recordsSuite) {
		neighbour := s.withForm()
		for _, from := range []upload.Status{upload.Pending, upload.Stored, upload.Rejected} {
			r := s.withForm()
			verdict := s.storing()
			switch from {
			case upload.Stored:
				r = s.settle(r.Ref(), verdict)
			case upload.Rejected:
				r = s.settle(r.Ref(), s.rejecting())
			}
			tombstone := s.delete(r.Ref())
			s.stands(tombstone)
			for _, t := range []upload.Transition{upload.Settle(verdict), upload.Reopen()} {
				_, err := s.store.Update(s.ctx, r.Ref(), t)
				s.is(err, upload.ErrConflict, "%s a %s record that was deleted", t.Name, from)
			}
			_, err := s.store.Update(s.ctx, r.Ref(), upload.Delete(s.clock.Now(), s.clock.Now()))
			s.is(err, upload.ErrNotFound, "delete again")
			_, err = s.store.Create(s.ctx, asCreated(r), nil)
			s.is(err, upload.ErrExists, "create what was deleted")
			s.stands(tombstone)
			tombstone = s.reenqueue(tombstone, s.clock.Now())
			s.stands(tombstone)
		}
		s.stands(neighbour)
		s.uses(upload.Usage{Files: 1})
		s.gives(s.list(upload.Stored))
		s.holds(s.byStatus(upload.Pending), neighbour)
	}},
	{"once no form may be posted any more a deletion is as any other", func(s *recordsSuite) {
		r := s.withForm()
		s.clock.Pass(r.FormExpires.Add(upload.LateForms).Sub(s.clock.Now()))
		s.stands(s.delete(r.Ref()))
	}},
	{"a deletion wins over a verdict at the same time, and over later ones", func(s *recordsSuite) {
		for range 10 {
			r, tombstone := s.withForm(), upload.Record{}
			for i, err := range race(2, func(i int) (err error) {
				if i == 0 {
					_, err = s.store.Update(s.ctx, r.Ref(), upload.Settle(s.storing()))
					return err
				}
				tombstone, err = s.store.Update(s.ctx, r.Ref(), upload.Delete(s.clock.Now(), s.clock.Now().Add(time.Hour)))
				return err
			}) {
				if i == 1 {
					s.must(err, "delete")
				}
			}
			s.stands(tombstone)
		}
	}},
	{"a neighbour is not touched", func(s *recordsSuite) {
		neighbour := s.stored(10)
		s.delete(s.stored(10).Ref())
		s.stands(neighbour)
	}},
}

// withForm makes a pending record with a form that may be posted.
func (s *recordsSuite) withForm() upload.Record {
	s.Helper()
	r := s.draft()
	r.FormExpires = s.clock.Now().Add(15 * time.Minute)
	return s.create(r)
}

// asCreated is a record as it was when it was created.
func asCreated(r upload.Record) upload.Record {
	return upload.Record{ID: r.ID, Journal: r.Journal, Entry: r.Entry, Kind: r.Kind, Name: r.Name, Extension: r.Extension,
		CreatedAt: r.CreatedAt, Status: upload.Pending, FormExpires: r.FormExpires}
}

var reopenCases = []recordsCase{
	{"a rejected record is pending again without its verdict", func(s *recordsSuite) {
		r := s.pending()
		s.must(upload.NoteFailure(s.ctx, s.store, r.Ref(), upload.Failure{At: s.clock.Now(), Message: "slow"}),
			"note a failure")
		rejected := s.settle(r.Ref(), s.rejecting())
		got, err := s.store.Update(s.ctx, r.Ref(), upload.Reopen())
		s.must(err, "reopen")
		s.same(got, After(upload.Reopen(), rejected))
		s.stands(got)
		if got.Round() == 0 {
			s.Error("no other round has begun")
		}
		_, err = s.store.Update(s.ctx, r.Ref(), upload.Settle(s.storing()))
		s.is(err, upload.ErrConflict, "settle with a verdict that was begun before")
		s.stands(got)
		v := s.storing()
		v.Round = got.Round()
		s.settle(r.Ref(), v)
	}},
	{"a pending, stored or deleted record is not reopened", func(s *recordsSuite) {
		for _, r := range []upload.Record{s.pending(), s.stored(10), s.deleted()} {
			want := upload.ErrConflict
			if r.Status == upload.Deleted {
				want = s.gone()
			}
			_, err := s.store.Update(s.ctx, r.Ref(), upload.Reopen())
			s.is(err, want, "reopen a %s record", r.Status)
			s.stands(r)
		}
	}},
	{"what is not there cannot be reopened", func(s *recordsSuite) {
		_, err := s.store.Update(s.ctx, s.draft().Ref(), upload.Reopen())
		s.is(err, upload.ErrNotFound, "reopen")
	}},
}

var dropCases = []recordsCase{
	{"a rejected record says when its bytes went, and is not reopened any more", func(s *recordsSuite) {
		for _, version := range []upload.Version{"quarantine-v9", ""} {
			r := s.rejected()
			_, err := s.store.Update(s.ctx, r.Ref(), upload.Drop(version, s.clock.Now()))
			s.is(err, upload.ErrConflict, "drop the bytes of version %q", version)
			s.stands(r)
		}
		r := s.reenqueue(s.rejected(), s.clock.Now())
		dropped := After(upload.Drop(r.JudgedVersion, s.clock.Now()), r)
		for range 2 {
			got, err := s.store.Update(s.ctx, r.Ref(), upload.Drop(r.JudgedVersion, s.clock.Now()))
			s.must(err, "drop its bytes")
			s.same(got, dropped)
			s.stands(dropped)
			s.clock.Pass(time.Hour)
		}
		_, err := s.store.Update(s.ctx, r.Ref(), upload.Reopen())
		s.is(err, upload.ErrGone, "reopen it")
		s.stands(dropped)
		s.stands(s.delete(r.Ref()))
	}},
	{"nothing else is dropped", func(s *recordsSuite) {
		for _, r := range []upload.Record{s.pending(), s.stored(10), s.deleted()} {
			want := upload.ErrConflict
			if r.Status == upload.Deleted {
				want = s.gone()
			}
			_, err := s.store.Update(s.ctx, r.Ref(), upload.Drop(r.JudgedVersion, s.clock.Now()))
			s.is(err, want, "drop the bytes of a %s record", r.Status)
			s.stands(r)
		}
		_, err := s.store.Update(s.ctx, s.draft().Ref(), upload.Drop("quarantine-v2", s.clock.Now()))
		s.is(err, upload.ErrNotFound, "drop the bytes of what is not there")
	}},
	{"of dropping and reopening at once one wins", func(s *recordsSuite) {
		r := s.rejected()
		errs := race(2, func(i int) error {
			t := upload.Reopen()
			if i == 0 {
				t = upload.Drop(r.JudgedVersion, s.clock.Now())
			}
			_, err := s.store.Update(s.ctx, r.Ref(), t)
			return err
		})
		if s.atomic && (errs[0] == nil) == (errs[1] == nil) {
			s.Errorf("dropping gave %v, reopening %v", errs[0], errs[1])
		}
	}},
}

var adoptCases = []recordsCase{
	{"what the replaced service stored takes a verdict and is as any other", func(s *recordsSuite) {
		r := s.pending()
		old := s.settle(r.Ref(), upload.Verdict{Status: upload.Stored})
		if !old.Legacy() {
			s.Fatalf("%+v is not old", old)
		}
		v := s.storing()
		v.Version, v.Extension = upload.LegacyVersion, "jpg"
		got, err := s.store.Update(s.ctx, r.Ref(), upload.Adopt(v))
		s.must(err, "adopt")
		s.same(got, v.Apply(old))
		s.stands(v.Apply(old))
		s.gives(s.list(upload.Stored), v.Apply(old))
		s.uses(upload.Usage{Files: 1, Bytes: v.Size})
		s.refusedAsDuplicate(s.pending(), s.unique(v.SHA256), r.ID)
		_, err = s.store.Update(s.ctx, r.Ref(), upload.Adopt(v))
		s.is(err, upload.ErrConflict, "adopt again")
	}},
	{"nothing else is adopted", func(s *recordsSuite) {
		for _, r := range []upload.Record{s.pending(), s.stored(10), s.rejected(), s.deleted()} {
			want := upload.ErrConflict
			if r.Status == upload.Deleted {
				want = s.gone()
			}
			_, err := s.store.Update(s.ctx, r.Ref(), upload.Adopt(s.storing()))
			s.is(err, want, "adopt a %s record", r.Status)
			s.stands(r)
		}
		_, err := s.store.Update(s.ctx, s.draft().Ref(), upload.Adopt(s.storing()))
		s.is(err, upload.ErrNotFound, "adopt what is not there")
	}},
}

var failureCases = []recordsCase{
	{"failures of a pending record are counted and the last is kept", func(s *recordsSuite) {
		r := s.pending()
		for i, message := range []string{"slow", "", "the store was away"} {
			f := upload.Failure{At: s.clock.Now().Add(time.Duration(i) * time.Minute), Message: message}
			s.must(upload.NoteFailure(s.ctx, s.store, r.Ref(), f), "note a failure")
			r.Failures, r.LastFailure = i+1, &f
			s.stands(r)
		}
		v := s.storing()
		s.same(s.settle(r.Ref(), v), v.Apply(r))
		s.stands(v.Apply(r))
	}},
	{"nothing changes in a record that is not pending", func(s *recordsSuite) {
		for _, r := range []upload.Record{s.stored(10), s.rejected(), s.deleted()} {
			err := upload.NoteFailure(s.ctx, s.store, r.Ref(), upload.Failure{At: s.clock.Now(), Message: "late"})
			if r.Status == upload.Deleted && !s.atomic {
				s.is(err, upload.ErrNotFound, "note a failure of what was removed")
			} else {
				s.must(err, "note a failure of a %s record", r.Status)
			}
			s.stands(r)
		}
	}},
	{"what is not there has no failures", func(s *recordsSuite) {
		s.is(upload.NoteFailure(s.ctx, s.store, s.draft().Ref(), upload.Failure{At: s.clock.Now(), Message: "no"}),
			upload.ErrNotFound, "note a failure")
	}},
	{"a message without end is kept from its beginning in whole characters", func(s *recordsSuite) {
		for _, message := range []string{strings.Repeat("é", 100_000), "x" + strings.Repeat("€", 70_000)} {
			r := s.pending()
			s.must(upload.NoteFailure(s.ctx, s.store, r.Ref(), upload.Failure{At: s.clock.Now(), Message: message}),
				"note a failure")
			got, err := s.store.Get(s.ctx, r.Ref())
			s.must(err, "get")
			if got.LastFailure == nil {
				s.Fatal("no failure was kept")
			}
			kept := got.LastFailure.Message
			if len(kept) < 200 || !strings.HasPrefix(message, kept) || !utf8.ValidString(kept) {
				s.Errorf("%d bytes were kept, beginning with %.20q and ending in %q", len(kept), kept, kept[max(0, len(kept)-4):])
			}
		}
	}},
	{"failures at once are all counted", func(s *recordsSuite) {
		r := s.pending()
		for i, err := range race(8, func(int) error {
			return upload.NoteFailure(s.ctx, s.store, r.Ref(), upload.Failure{At: s.clock.Now(), Message: "slow"})
		}) {
			s.must(err, "note failure %d", i)
		}
		got, err := s.store.Get(s.ctx, r.Ref())
		s.must(err, "get")
		if got.Failures < 1 || got.Failures > 8 || s.atomic && got.Failures != 8 {
			s.Errorf("%d failures are counted of 8", got.Failures)
		}
	}},
}

var resendCases = []recordsCase{
	{"messages sent again are counted, whatever the status", func(s *recordsSuite) {
		for _, r := range []upload.Record{s.pending(), s.stored(10), s.rejected()} {
			for seen := range 2 {
				at := s.clock.Now().Add(time.Duration(seen) * time.Hour)
				got, err := s.store.Update(s.ctx, r.Ref(), upload.CountResend(seen, at))
				s.must(err, "count a further message of a %s record", r.Status)
				r = After(upload.CountResend(r.Resends, at), r)
				s.same(got, r)
				s.stands(r)
			}
		}
	}},
	{"a count that another has raised is a conflict and changes nothing", func(s *recordsSuite) {
		r := s.pending()
		first := s.reenqueue(r, s.clock.Now())
		for _, seen := range []int{0, 2, -1} {
			_, err := s.store.Update(s.ctx, r.Ref(), upload.CountResend(seen, s.clock.Now().Add(time.Hour)))
			s.is(err, upload.ErrConflict, "count a further message after %d", seen)
			s.stands(first)
		}
	}},
	{"of several at once one counts", func(s *recordsSuite) {
		r := s.pending()
		s.winners(race(6, func(int) error {
			_, err := s.store.Update(s.ctx, r.Ref(), upload.CountResend(0, s.clock.Now()))
			return err
		}), upload.ErrConflict)
		s.stands(After(upload.CountResend(r.Resends, s.clock.Now()), r))
	}},
	{"a verdict and failures leave the count, a re-check begins anew", func(s *recordsSuite) {
		r := s.reenqueue(s.pending(), s.clock.Now())
		s.must(upload.NoteFailure(s.ctx, s.store, r.Ref(), upload.Failure{At: s.clock.Now(), Message: "slow"}),
			"note a failure")
		rejected := s.settle(r.Ref(), s.rejecting())
		if rejected.Resends != 1 || rejected.Failures != 1 {
			s.Errorf("after its verdict: %d messages, %d failures", rejected.Resends, rejected.Failures)
		}
		got, err := s.store.Update(s.ctx, r.Ref(), upload.Reopen())
		s.must(err, "reopen")
		s.same(got, After(upload.Reopen(), rejected))
		s.reenqueue(got, s.clock.Now())
	}},
	{"what is not there is not counted", func(s *recordsSuite) {
		_, err := s.store.Update(s.ctx, s.draft().Ref(), upload.CountResend(0, s.clock.Now()))
		s.is(err, upload.ErrNotFound, "count a further message")
	}},
}

func (s *recordsSuite) reenqueue(r upload.Record, at time.Time) upload.Record {
	s.Helper()
	got, err := s.store.Update(s.ctx, r.Ref(), upload.CountResend(r.Resends, at))
	s.must(err, "count a further message of %s", r.Ref())
	s.same(got, After(upload.CountResend(r.Resends, at), r))
	return got
}

var usageCases = []recordsCase{
	{"pending records count as files and stored ones with their bytes", func(s *recordsSuite) {
		s.uses(upload.Usage{})
		s.pending()
		s.uses(upload.Usage{Files: 1})
		s.stored(10)
		first := s.stored(32)
		s.uses(upload.Usage{Files: 3, Bytes: 42})
		s.rejected()
		s.deleted()
		s.uses(upload.Usage{Files: 3, Bytes: 42})
		s.delete(first.Ref())
		s.uses(upload.Usage{Files: 2, Bytes: 10})
	}},
	{"the declared size of a pending record is no usage", func(s *recordsSuite) {
		r := s.draft()
		r.Declared.Size = 5_000_000
		s.create(r)
		s.uses(upload.Usage{Files: 1})
	}},
	{"other journals, entries and kinds do not count", func(s *recordsSuite) {
		s.stored(10)
		for _, ref := range elsewhere(s.draft().Ref())[:3] {
			r := s.draft()
			r.Journal, r.Entry, r.Kind = ref.Journal, ref.Entry, ref.Kind
			s.create(r)
			s.settle(r.Ref(), s.storing())
		}
		s.uses(upload.Usage{Files: 1, Bytes: 10})
	}},
}

func (s *recordsSuite) uses(want upload.Usage) {
	s.Helper()
	got, err := s.store.Usage(s.ctx, suiteJournal, suiteEntry, suiteKind)
	s.must(err, "sum what the entry holds")
	if got != want {
		s.Errorf("the entry holds %+v, want %+v", got, want)
	}
}
