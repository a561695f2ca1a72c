package uploadtest

import (
	"time"

	"hatchery/shared/upload"
)

// once is a claim that lives for a day.
func (s *recordsSuite) once(scope, key, fingerprint string) *upload.Once {
	return &upload.Once{Scope: scope, Key: key, Fingerprint: fingerprint, Expires: s.clock.now().Add(24 * time.Hour)}
}

// claims creates a new record under a key that must be free.
func (s *recordsSuite) claims(once *upload.Once) upload.Record {
	s.Helper()
	r := s.draft()
	got, err := s.store.Create(s.ctx, r, once)
	s.must(err, "create %s under key %q", r.Ref(), once.Key)
	s.same(got, r)
	s.stands(r)
	return r
}

// repeats asks to create a new record under a key that was claimed for want: want
// is given and nothing created.
func (s *recordsSuite) repeats(once *upload.Once, want upload.Record) {
	s.Helper()
	r := s.draft()
	got, err := s.store.Create(s.ctx, r, once)
	s.must(err, "create again under key %q", once.Key)
	s.same(got, want)
	_, err = s.store.Get(s.ctx, r.Ref())
	s.is(err, upload.ErrNotFound, "get what must not have been created")
}

var onceCases = []recordsCase{
	{"a repeated request gets the first record", func(s *recordsSuite) {
		once := s.once("scope", "key", "print")
		first := s.claims(once)
		s.repeats(once, first)
		s.repeats(once, first)
	}},
	{"a repeated request gets the record as it stands now", func(s *recordsSuite) {
		a, b := s.once("scope", "a", "print"), s.once("scope", "b", "print")
		toStore, toReject := s.claims(a), s.claims(b)
		s.repeats(a, s.settle(toStore.Ref(), s.storing()))
		s.repeats(b, s.settle(toReject.Ref(), s.rejecting()))
	}},
	{"a repeated request gets the tombstone, or creates anew where none is kept", func(s *recordsSuite) {
		once := s.once("scope", "key", "print")
		tombstone := s.delete(s.claims(once).Ref())
		if s.atomic {
			s.repeats(once, tombstone)
			return
		}
		s.repeats(once, s.claims(once))
	}},
	{"the very same creation repeated gets its own record", func(s *recordsSuite) {
		once := s.once("scope", "key", "print")
		r := s.claims(once)
		got, err := s.store.Create(s.ctx, r, once)
		s.must(err, "create again")
		s.same(got, r)
	}},
	{"a key used for something else is refused", func(s *recordsSuite) {
		first := s.claims(s.once("scope", "key", "print"))
		other := s.draft()
		_, err := s.store.Create(s.ctx, other, s.once("scope", "key", "another"))
		s.is(err, upload.ErrKeyReused, "create something else")
		_, err = s.store.Get(s.ctx, other.Ref())
		s.is(err, upload.ErrNotFound, "get what must not have been created")
		s.stands(first)
	}},
	{"a key is taken until it expires and free from then on", func(s *recordsSuite) {
		once := s.once("scope", "key", "print")
		first := s.claims(once)
		s.clock.pass(24*time.Hour - time.Microsecond)
		s.repeats(once, first)
		s.clock.pass(time.Microsecond)
		renewed := s.once("scope", "key", "another")
		second := s.claims(renewed)
		s.repeats(renewed, second)
		s.stands(first)
	}},
	{"other scopes and keys are independent", func(s *recordsSuite) {
		s.claims(s.once("scope", "key", "print"))
		s.claims(s.once("scope2", "key", "print"))
		s.claims(s.once("scope", "key2", "print"))
		s.claims(s.once("scopek", "ey", "print"))
		s.claims(s.once("", "scopekey", "print"))
		s.claims(s.once("scope/key", "", "print"))
		s.claims(s.once("scope", "KEY", "print"))
	}},
	{"hostile keys are keys like others", func(s *recordsSuite) {
		for _, text := range hostileTexts {
			once := s.once("scope", text, text)
			s.repeats(once, s.claims(once))
		}
	}},
	{"a record that is there already takes no key", func(s *recordsSuite) {
		there := s.pending()
		once := s.once("scope", "key", "print")
		_, err := s.store.Create(s.ctx, there, once)
		s.is(err, upload.ErrExists, "create what is there")
		s.repeats(once, s.claims(once))
	}},
	{"of requests at once under one key one creates", func(s *recordsSuite) {
		once := s.once("scope", "key", "print")
		drafts, got := make([]upload.Record, 8), make([]upload.Record, 8)
		for i := range drafts {
			drafts[i] = s.draft()
		}
		for i, err := range race(len(drafts), func(i int) (err error) {
			got[i], err = s.store.Create(s.ctx, drafts[i], once)
			return err
		}) {
			s.must(err, "create number %d", i)
		}
		created := 0
		for i, r := range drafts {
			if _, err := s.store.Get(s.ctx, r.Ref()); err == nil {
				created++
			}
			s.stands(got[i])
			if s.atomic {
				s.same(got[i], got[0])
			}
		}
		if created == 0 || s.atomic && created > 1 {
			s.Errorf("%d records were created", created)
		}
	}},
}
