package uploadtest

import (
	"errors"
	"time"

	"hatchery/shared/upload"
)

// inRome is a time as a careless caller would hand it over.
func inRome(t time.Time) time.Time {
	return t.Add(123 * time.Nanosecond).In(time.FixedZone("Rome", 3600))
}

var settleCases = []recordsCase{
	{"a stored verdict is kept whole", func(s *recordsSuite) {
		r := s.pending()
		v := s.storing()
		settled := s.settle(r.Ref(), v)
		s.same(settled, v.Apply(r))
		s.stands(v.Apply(r))
	}},
	{"a rejecting verdict is kept whole with its reason", func(s *recordsSuite) {
		r := s.pending()
		v := s.rejecting()
		s.same(s.settle(r.Ref(), v), v.Apply(r))
		s.stands(v.Apply(r))
	}},
	{"a verdict without facts leaves them unknown", func(s *recordsSuite) {
		r := s.pending()
		v := upload.Verdict{Status: upload.Rejected, At: s.clock.Now(),
			Reason: &upload.Reason{Code: upload.NeverArrived, Message: "Nothing came."}}
		s.same(s.settle(r.Ref(), v), v.Apply(r))
		s.stands(v.Apply(r))
	}},
	{"the extension that a verdict found is the record's, wherever it is read", func(s *recordsSuite) {
		r, key := s.draft(), s.key("scope", "key", "print")
		r.Declared.Type = "image/png"
		_, err := s.store.Create(s.ctx, r, key)
		s.must(err, "create")
		v := s.storing()
		v.Extension, v.ContentType = "gif", "image/gif"
		want := v.Apply(r)
		if want.Extension != "gif" || want.Filename != r.FullName() || want.DisplayName() != r.Name+".gif" {
			s.Fatalf("the verdict makes of it a .%s, which was called %q", want.Extension, want.Filename)
		}
		s.same(s.settle(r.Ref(), v), want)
		s.stands(want)
		s.repeats(key, want)
		s.gives(s.list(upload.Stored), want)
		s.gives(s.byStatus(upload.Stored), want)
		s.gives(s.all, want)
		s.stands(s.delete(r.Ref()))
	}},
	{"times are kept in UTC and whole microseconds", func(s *recordsSuite) {
		r, v, at := s.pending(), s.storing(), s.clock.Now()
		v.At = inRome(at)
		s.must(upload.NoteFailure(s.ctx, s.store, r.Ref(), upload.Failure{At: inRome(at), Message: "slow"}), "note a failure")
		r = v.Apply(r)
		r.SettledAt, r.Failures, r.LastFailure = at, 1, &upload.Failure{At: at, Message: "slow"}
		s.same(s.settle(r.Ref(), v), r)
		s.stands(r)
		deleted, err := s.store.Update(s.ctx, r.Ref(), upload.Delete(inRome(at), inRome(at.Add(time.Hour))))
		s.must(err, "delete")
		r.Status, r.DeletedAt, r.ForgetAfter = upload.Deleted, at, at.Add(time.Hour)
		s.same(deleted, r)
		s.stands(r)
	}},
	{"a verdict that is neither stored nor rejected is an error", func(s *recordsSuite) {
		r := s.pending()
		for _, status := range []upload.Status{upload.Pending, upload.Deleted, "", "served"} {
			v := s.storing()
			v.Status = status
			if _, err := s.store.Update(s.ctx, r.Ref(), upload.Settle(v)); err == nil {
				s.Errorf("a verdict of %q was taken", status)
			}
		}
		s.stands(r)
	}},
	{"what is not there cannot be settled", func(s *recordsSuite) {
		r := s.draft()
		_, err := s.store.Update(s.ctx, r.Ref(), upload.Settle(s.storing()))
		s.is(err, upload.ErrNotFound, "settle")
		_, err = s.store.Get(s.ctx, r.Ref())
		s.is(err, upload.ErrNotFound, "get")
	}},
	{"a stored record keeps its verdict", func(s *recordsSuite) {
		s.keepsVerdict(s.settle(s.pending().Ref(), s.storing()), upload.ErrConflict)
	}},
	{"a rejected record keeps its verdict", func(s *recordsSuite) { s.keepsVerdict(s.rejected(), upload.ErrConflict) }},
	{"a deleted record takes no verdict", func(s *recordsSuite) { s.keepsVerdict(s.deleted(), s.gone()) }},
	{"of verdicts at once one wins and is the record's", func(s *recordsSuite) {
		for range 10 {
			r := s.pending()
			verdicts := make([]upload.Verdict, 6)
			for i := range verdicts {
				verdicts[i] = s.storing()
				if i%2 == 1 {
					verdicts[i] = s.rejecting()
				}
				verdicts[i].Size = int64(i)
			}
			winner := s.winners(race(len(verdicts), func(i int) error {
				settled, err := s.store.Update(s.ctx, r.Ref(), upload.Settle(verdicts[i]))
				if err == nil && settled.Size != int64(i) {
					return errors.New("the winner was given another's verdict")
				}
				return err
			}), upload.ErrConflict)
			if s.atomic {
				s.stands(verdicts[winner].Apply(r))
			}
		}
	}},
	{"a deletion wins over a verdict at the same time", func(s *recordsSuite) {
		for range 10 {
			r, tombstone := s.pending(), upload.Record{}
			errs := race(2, func(i int) (err error) {
				if i == 0 {
					_, err = s.store.Update(s.ctx, r.Ref(), upload.Settle(s.storing()))
					return err
				}
				tombstone, err = s.store.Update(s.ctx, r.Ref(), upload.Delete(s.clock.Now(), s.clock.Now().Add(time.Hour)))
				return err
			})
			if errs[0] != nil {
				s.is(errs[0], s.gone(), "settle")
			}
			s.must(errs[1], "delete")
			s.stands(tombstone)
		}
	}},
}

func (s *recordsSuite) keepsVerdict(r upload.Record, answer error) {
	s.Helper()
	for _, v := range []upload.Verdict{s.storing(), s.rejecting()} {
		v.Version = "another-version"
		_, err := s.store.Update(s.ctx, r.Ref(), upload.Settle(v))
		s.is(err, answer, "settle as %s", v.Status)
		s.stands(r)
	}
}

// unique is a verdict that stores bytes at most once.
func (s *recordsSuite) unique(sha256 string) upload.Verdict {
	v := s.storing()
	v.SHA256, v.Unique = sha256, true
	return v
}

// refusedAsDuplicate checks that the bytes are refused for the sake of earlier
// and that the record stays pending.
func (s *recordsSuite) refusedAsDuplicate(r upload.Record, v upload.Verdict, earlier upload.ID) {
	s.Helper()
	_, err := s.store.Update(s.ctx, r.Ref(), upload.Settle(v))
	s.is(err, upload.ErrDuplicate, "settle %s", r.Ref())
	if d, ok := errors.AsType[*upload.DuplicateError](err); !ok || d.Earlier != earlier {
		s.Errorf("error is %#v, want a DuplicateError that names %s", err, earlier)
	}
	s.stands(r)
}

var uniqueCases = []recordsCase{
	{"the same bytes are refused and the earlier upload is named", func(s *recordsSuite) {
		first, second := s.pending(), s.pending()
		s.settle(first.Ref(), s.unique(suiteSHA))
		s.refusedAsDuplicate(second, s.unique(suiteSHA), first.ID)
		v := s.rejecting()
		s.same(s.settle(second.Ref(), v), v.Apply(second))
	}},
	{"other bytes are stored beside", func(s *recordsSuite) {
		s.settle(s.pending().Ref(), s.unique(suiteSHA))
		s.settle(s.pending().Ref(), s.unique(otherSHA))
	}},
	{"the same bytes are stored twice where that is not asked for", func(s *recordsSuite) {
		s.settle(s.pending().Ref(), s.storing())
		s.settle(s.pending().Ref(), s.storing())
	}},
	{"what was stored before anybody asked counts too", func(s *recordsSuite) {
		first := s.settle(s.pending().Ref(), s.storing())
		s.refusedAsDuplicate(s.pending(), s.unique(suiteSHA), first.ID)
	}},
	{"another journal, entry and kind may hold the same bytes", func(s *recordsSuite) {
		first := s.settle(s.pending().Ref(), s.unique(suiteSHA))
		for _, ref := range elsewhere(first.Ref())[:3] {
			r := s.draft()
			r.Journal, r.Entry, r.Kind = ref.Journal, ref.Entry, ref.Kind
			s.create(r)
			s.settle(r.Ref(), s.unique(suiteSHA))
		}
	}},
	{"a rejected upload holds no bytes", func(s *recordsSuite) {
		v := s.rejecting()
		v.SHA256 = suiteSHA
		s.settle(s.pending().Ref(), v)
		s.settle(s.pending().Ref(), s.unique(suiteSHA))
	}},
	{"a deleted upload gives its bytes free", func(s *recordsSuite) {
		first := s.settle(s.pending().Ref(), s.unique(suiteSHA))
		s.delete(first.Ref())
		second := s.settle(s.pending().Ref(), s.unique(suiteSHA))
		s.refusedAsDuplicate(s.pending(), s.unique(suiteSHA), second.ID)
	}},
	{"a deleted duplicate does not free the first one's bytes", func(s *recordsSuite) {
		first := s.settle(s.pending().Ref(), s.unique(suiteSHA))
		second := s.pending()
		s.refusedAsDuplicate(second, s.unique(suiteSHA), first.ID)
		v := s.rejecting()
		v.SHA256 = suiteSHA
		s.settle(second.Ref(), v)
		s.delete(second.Ref())
		s.refusedAsDuplicate(s.pending(), s.unique(suiteSHA), first.ID)
	}},
	{"of the same bytes at once one is stored", func(s *recordsSuite) {
		for range 5 {
			sha, records := s.draft().ID, make([]upload.Record, 6)
			for i := range records {
				records[i] = s.pending()
			}
			s.winners(race(len(records), func(i int) error {
				_, err := s.store.Update(s.ctx, records[i].Ref(), upload.Settle(s.unique(string(sha))))
				return err
			}), upload.ErrDuplicate)
		}
	}},
}

// bounded is a verdict that stores size bytes within bounds.
func (s *recordsSuite) bounded(size, maxFiles, maxTotalBytes int64) upload.Verdict {
	v := s.storing()
	v.SHA256 = string(s.draft().ID)
	v.Size, v.MaxFiles, v.MaxTotalBytes = size, maxFiles, maxTotalBytes
	return v
}

func (s *recordsSuite) refusedAsFull(r upload.Record, v upload.Verdict) {
	s.Helper()
	_, err := s.store.Update(s.ctx, r.Ref(), upload.Settle(v))
	s.is(err, upload.ErrOverQuota, "settle %s", r.Ref())
	s.stands(r)
}

var quotaCases = []recordsCase{
	{"the last file fits and one more does not", func(s *recordsSuite) {
		s.stored(10)
		s.settle(s.pending().Ref(), s.bounded(10, 2, 0))
		s.refusedAsFull(s.pending(), s.bounded(10, 2, 0))
	}},
	{"the last byte fits and one more does not", func(s *recordsSuite) {
		s.stored(10)
		full := s.pending()
		s.refusedAsFull(full, s.bounded(11, 0, 20))
		s.settle(full.Ref(), s.bounded(10, 0, 20))
		s.refusedAsFull(s.pending(), s.bounded(1, 0, 20))
	}},
	{"one file that is larger than the whole bound does not fit", func(s *recordsSuite) {
		s.refusedAsFull(s.pending(), s.bounded(21, 0, 20))
	}},
	{"no bound is none", func(s *recordsSuite) {
		s.stored(1 << 40)
		s.settle(s.pending().Ref(), s.bounded(1<<40, 0, 0))
	}},
	{"only stored files count", func(s *recordsSuite) {
		s.pending()
		s.rejected()
		s.deleted()
		s.delete(s.stored(10).Ref())
		s.settle(s.pending().Ref(), s.bounded(10, 1, 10))
	}},
	{"a full entry still rejects", func(s *recordsSuite) {
		s.stored(10)
		v := s.rejecting()
		v.MaxFiles = 1
		s.settle(s.pending().Ref(), v)
	}},
	{"other journals, entries and kinds do not count", func(s *recordsSuite) {
		for _, ref := range elsewhere(s.draft().Ref())[:3] {
			r := s.draft()
			r.Journal, r.Entry, r.Kind = ref.Journal, ref.Entry, ref.Kind
			s.create(r)
			s.settle(r.Ref(), s.bounded(10, 0, 0))
		}
		s.settle(s.pending().Ref(), s.bounded(10, 1, 10))
	}},
	{"a file that does not fit holds no bytes", func(s *recordsSuite) {
		first := s.stored(10)
		v := s.unique(suiteSHA)
		v.MaxFiles = 1
		s.refusedAsFull(s.pending(), v)
		s.delete(first.Ref())
		s.settle(s.pending().Ref(), v)
	}},
	{"of files for the last place at once one is stored", func(s *recordsSuite) {
		s.stored(10)
		records, verdicts := make([]upload.Record, 6), make([]upload.Verdict, 6)
		for i := range records {
			records[i], verdicts[i] = s.pending(), s.bounded(10, 2, 20)
		}
		s.winners(race(len(records), func(i int) error {
			_, err := s.store.Update(s.ctx, records[i].Ref(), upload.Settle(verdicts[i]))
			return err
		}), upload.ErrOverQuota)
	}},
}
