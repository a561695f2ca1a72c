package uploadtest

import (
	"time"

	"hatchery/shared/upload"
)

// key is an idempotency key that lives for a day.
func (s *recordsSuite) key(scope, key, fingerprint string) *upload.IdempotencyKey {
	return &upload.IdempotencyKey{Scope: scope, Key: key, Fingerprint: fingerprint,
		Expires: s.clock.Now().Add(24 * time.Hour)}
}

// createUnder creates a new record under a key that must be free.
func (s *recordsSuite) createUnder(key *upload.IdempotencyKey) upload.Record {
	s.Helper()
	r := s.draft()
	got, err := s.store.Create(s.ctx, r, key)
	s.must(err, "create %s under key %q", r.Ref(), key.Key)
	s.same(got, r)
	s.stands(r)
	return r
}

// repeats asks to create a new record under a key that gave want before: want
// is given and nothing created.
func (s *recordsSuite) repeats(key *upload.IdempotencyKey, want upload.Record) {
	s.Helper()
	r := s.draft()
	got, err := s.store.Create(s.ctx, r, key)
	s.must(err, "create again under key %q", key.Key)
	s.same(got, want)
	_, err = s.store.Get(s.ctx, r.Ref())
	s.is(err, upload.ErrNotFound, "get what must not have been created")
}

var idempotencyCases = []recordsCase{
	{"a repeated request gets the first record", func(s *recordsSuite) {
		key := s.key("scope", "key", "print")
		first := s.createUnder(key)
		s.repeats(key, first)
		s.repeats(key, first)
	}},
	{"a repeated request gets the record as it stands now", func(s *recordsSuite) {
		a, b := s.key("scope", "a", "print"), s.key("scope", "b", "print")
		toStore, toReject := s.createUnder(a), s.createUnder(b)
		s.repeats(a, s.settle(toStore.Ref(), s.storing()))
		s.repeats(b, s.settle(toReject.Ref(), s.rejecting()))
	}},
	{"a repeated request gets the tombstone, or creates anew where none is kept", func(s *recordsSuite) {
		key := s.key("scope", "key", "print")
		tombstone := s.delete(s.createUnder(key).Ref())
		if s.atomic {
			s.repeats(key, tombstone)
			return
		}
		s.repeats(key, s.createUnder(key))
	}},
	{"the very same creation repeated gets its own record", func(s *recordsSuite) {
		key := s.key("scope", "key", "print")
		r := s.createUnder(key)
		got, err := s.store.Create(s.ctx, r, key)
		s.must(err, "create again")
		s.same(got, r)
	}},
	{"a key used for something else is refused", func(s *recordsSuite) {
		first := s.createUnder(s.key("scope", "key", "print"))
		other := s.draft()
		_, err := s.store.Create(s.ctx, other, s.key("scope", "key", "another"))
		s.is(err, upload.ErrKeyReused, "create something else")
		_, err = s.store.Get(s.ctx, other.Ref())
		s.is(err, upload.ErrNotFound, "get what must not have been created")
		s.stands(first)
	}},
	{"a key is taken until it expires and free from then on", func(s *recordsSuite) {
		key := s.key("scope", "key", "print")
		first := s.createUnder(key)
		s.clock.Pass(24*time.Hour - time.Microsecond)
		s.repeats(key, first)
		s.clock.Pass(time.Microsecond)
		renewed := s.key("scope", "key", "another")
		second := s.createUnder(renewed)
		s.repeats(renewed, second)
		s.stands(first)
	}},
	{"other scopes and keys are independent", func(s *recordsSuite) {
		s.createUnder(s.key("scope", "key", "print"))
		s.createUnder(s.key("scope2", "key", "print"))
		s.createUnder(s.key("scope", "key2", "print"))
		s.createUnder(s.key("scopek", "ey", "print"))
		s.createUnder(s.key("", "scopekey", "print"))
		s.createUnder(s.key("scope/key", "", "print"))
		s.createUnder(s.key("scope", "KEY", "print"))
	}},
	{"hostile keys are keys like others", func(s *recordsSuite) {
		for _, text := range hostileTexts {
			key := s.key("scope", text, text)
			s.repeats(key, s.createUnder(key))
		}
	}},
	{"a record that is there already takes no key", func(s *recordsSuite) {
		existing := s.pending()
		key := s.key("scope", "key", "print")
		_, err := s.store.Create(s.ctx, existing, key)
		s.is(err, upload.ErrExists, "create what is there")
		s.repeats(key, s.createUnder(key))
	}},
	{"of requests at once under one key one creates", func(s *recordsSuite) {
		key := s.key("scope", "key", "print")
		drafts, got := make([]upload.Record, 8), make([]upload.Record, 8)
		for i := range drafts {
			drafts[i] = s.draft()
		}
		for i, err := range race(len(drafts), func(i int) (err error) {
			got[i], err = s.store.Create(s.ctx, drafts[i], key)
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
