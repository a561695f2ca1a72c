package uploadtest

import (
	"time"

	"hatchery/shared/upload"
)

// seenCases: a transition that brings the record as Get gave it. A store that gives no revisions
// passes them all by reading.
var seenCases = []recordsCase{
	{"a record that is as it was seen is changed", func(s *recordsSuite) {
		for _, v := range []upload.Verdict{s.storing(), s.rejecting()} {
			r := s.pending()
			got, err := s.store.Update(s.ctx, r.Ref(), s.seeing(upload.Settle(v), r.Ref()))
			s.must(err, "settle what was seen")
			s.same(got, v.Apply(r))
			if got.Revision != "" {
				s.Errorf("the change gave the revision %q, which was that of before", got.Revision)
			}
			s.stands(v.Apply(r))
		}
	}},
	{"what was written since stays", func(s *recordsSuite) {
		r, v := s.pending(), s.storing()
		settle := s.seeing(upload.Settle(v), r.Ref())
		counted := s.reenqueue(r, s.clock.Now())
		got, err := s.store.Update(s.ctx, r.Ref(), settle)
		s.must(err, "settle what has changed since")
		s.same(got, v.Apply(counted))
		s.stands(v.Apply(counted))
	}},
	{"a verdict that came since is kept", func(s *recordsSuite) {
		r := s.pending()
		settle := s.seeing(upload.Settle(s.storing()), r.Ref())
		first := s.settle(r.Ref(), s.rejecting())
		_, err := s.store.Update(s.ctx, r.Ref(), settle)
		s.is(err, upload.ErrConflict, "settle what is rejected by now")
		s.stands(first)
	}},
	{"a verdict from before a re-check is a conflict", func(s *recordsSuite) {
		r := s.pending()
		settle := s.seeing(upload.Settle(s.storing()), r.Ref())
		s.settle(r.Ref(), s.rejecting())
		reopened, err := s.store.Update(s.ctx, r.Ref(), upload.Reopen())
		s.must(err, "reopen")
		_, err = s.store.Update(s.ctx, r.Ref(), settle)
		s.is(err, upload.ErrConflict, "settle what was reopened")
		s.stands(reopened)
	}},
	{"a deletion that came since is kept", func(s *recordsSuite) {
		r := s.pending()
		settle := s.seeing(upload.Settle(s.storing()), r.Ref())
		tombstone := s.delete(r.Ref())
		_, err := s.store.Update(s.ctx, r.Ref(), settle)
		s.is(err, s.gone(), "settle what is deleted by now")
		s.stands(tombstone)
	}},
	{"an answer that is no is of the record as it is", func(s *recordsSuite) {
		r := s.pending()
		resend := s.seeing(upload.CountResend(1, s.clock.Now()), r.Ref()) // of what was seen, it is a conflict
		first := s.reenqueue(r, s.clock.Now())
		_, err := s.store.Update(s.ctx, r.Ref(), resend)
		s.must(err, "count the second message")
		s.stands(After(upload.CountResend(1, s.clock.Now()), first))
	}},
	{"nothing to change is found in the record as it is", func(s *recordsSuite) {
		r := s.pending()
		keep := upload.Transition{Name: "keep what has no message", To: func(r upload.Record) (upload.Record, error) {
			r.Resends *= 2
			return r, nil
		}}
		keep = s.seeing(keep, r.Ref())
		want := s.reenqueue(r, s.clock.Now())
		got, err := s.store.Update(s.ctx, r.Ref(), keep)
		s.must(err, "double the messages")
		want.Resends = 2
		s.same(got, want)
		s.stands(want)
	}},
	{"a stored record is no duplicate of itself", func(s *recordsSuite) {
		r, v := s.pending(), s.storing()
		v.Admission = upload.Admission{Unique: true, MaxFiles: 1, MaxTotalBytes: v.Size}
		settle := s.seeing(upload.Settle(v), r.Ref())
		first := s.settle(r.Ref(), v)
		_, err := s.store.Update(s.ctx, r.Ref(), settle)
		s.is(err, upload.ErrConflict, "settle what is stored by now")
		s.stands(first)
	}},
	{"a revision is of one record", func(s *recordsSuite) {
		r, other := s.pending(), s.pending()
		got, err := s.store.Update(s.ctx, r.Ref(), s.seeing(upload.Settle(s.storing()), other.Ref()))
		s.must(err, "settle one having seen another")
		s.same(got, s.storing().Apply(r))
		s.stands(s.storing().Apply(r))
		s.stands(other)
	}},
	{"of verdicts at once on what all have seen one wins", func(s *recordsSuite) {
		r := s.pending()
		verdicts := make([]upload.Transition, 6)
		for i := range verdicts {
			v := s.rejecting()
			v.Size = int64(i)
			verdicts[i] = s.seeing(upload.Settle(v), r.Ref())
		}
		winner := s.winners(race(len(verdicts), func(i int) error {
			_, err := s.store.Update(s.ctx, r.Ref(), verdicts[i])
			return err
		}), upload.ErrConflict)
		if s.atomic {
			s.stands(After(verdicts[winner], r))
		}
	}},
	{"a revision that no store gave costs time alone", func(s *recordsSuite) {
		for _, made := range hostileTexts {
			r := s.pending()
			t := s.seeing(upload.CountResend(0, s.clock.Now().Add(time.Hour)), r.Ref())
			t.Seen.Revision, t.Seen.Name = upload.Revision(made), "another name"
			_, err := s.store.Update(s.ctx, r.Ref(), t)
			s.must(err, "count a message with the revision %q", made)
			s.stands(After(upload.CountResend(0, s.clock.Now().Add(time.Hour)), r))
		}
	}},
}

// seeing is a transition that brings the record of ref as it is now.
func (s *recordsSuite) seeing(t upload.Transition, ref upload.Ref) upload.Transition {
	s.Helper()
	t.Seen = s.find(ref)
	return t
}
