package dynamorecords

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"hatchery/shared/upload"
)

// Create implements upload.Records. Its token tells our own write, whose answer was lost,
// from another's.
func (s *Store) Create(ctx context.Context, r upload.Record, key *upload.IdempotencyKey) (_ upload.Record, err error) {
	ctx, end := s.begin(ctx, &err, "create the record of %s", r.Ref())
	defer end()
	if r.Status != upload.Pending {
		return upload.Record{}, fmt.Errorf("its status is %q, not pending", r.Status)
	}
	token := s.o.token()
	written, err := s.itemOf(storedItem{Record: r, tokens: token})
	if err != nil {
		return upload.Record{}, err
	}
	replace := absent()
	for round := 0; ; round++ {
		changes := []change{{put: written, when: s.free()}}
		if key != nil {
			kept := idempotencyItem(r.Ref(), key, roundToken(token, round))
			changes = append(changes, change{put: kept, when: s.keyFree(replace)})
		}
		err := s.write(ctx, roundToken(token, round), changes...)
		if !errors.Is(err, errChanged) {
			return r, err
		}
		if key != nil {
			var first upload.Record
			var taken bool
			if first, taken, replace, err = s.first(ctx, key); err != nil || taken {
				return first, err
			}
		}
		existing, err := s.find(ctx, r.Ref())
		switch {
		case err == nil && existing.wrote(token):
			return r, nil
		case err == nil:
			return upload.Record{}, upload.ErrExists
		case !errors.Is(err, upload.ErrNotFound):
			return upload.Record{}, err
		}
		// What was in the way has gone meanwhile.
		if err := s.pause(ctx, round, errChanged); err != nil {
			return upload.Record{}, err
		}
	}
}

// free: a record may be created here. A tombstone that has expired may still lie there.
func (s *Store) free() condition { return absent().or(upTo(forget, number(s.o.Now().Unix()))) }

// roundToken is different for every attempt to write something else, and at most
// 36 bytes long, as tokens of transactions must be.
func roundToken(token string, round int) string { return token + "-" + strconv.Itoa(round) }

// Update implements upload.Records. When an answer was lost, the record has our token: then
// the change is made, whatever has come after it.
func (s *Store) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (_ upload.Record, err error) {
	ctx, end := s.begin(ctx, &err, "%s the record of %s", t.Name, ref)
	defer end()
	token := s.o.token()
	made, err := s.changeSeen(ctx, ref, t, token)
	if !errors.Is(err, errChanged) {
		return made, err
	}
	for round := 0; ; round++ {
		h, err := s.find(ctx, ref)
		if err != nil {
			return upload.Record{}, err
		}
		if h.wrote(token) {
			return made, nil
		}
		after, err := t.To(h.Record)
		if err != nil {
			return upload.Record{}, err
		}
		if after.Equal(h.Record) {
			return after, nil
		}
		made = after
		if err := s.replace(ctx, h, after, t.Admit, token, round); !errors.Is(err, errChanged) {
			return made, err
		}
		if err := s.pause(ctx, round, errChanged); err != nil {
			return upload.Record{}, err
		}
	}
}

// changeSeen changes the record that was seen, without reading it again. errChanged: it has to be
// read, because it has no revision, or another one by now, or because the answer is no.
func (s *Store) changeSeen(ctx context.Context, ref upload.Ref, t upload.Transition,
	token string) (upload.Record, error) {
	seen := storedItem{Record: t.Seen, tokens: string(t.Seen.Revision)}
	if seen.tokens == "" || seen.Ref() != ref {
		return upload.Record{}, errChanged
	}
	seen.Revision = ""
	after, err := t.To(seen.Record)
	if err != nil || after.Equal(seen.Record) {
		return upload.Record{}, errChanged
	}
	err = s.replace(ctx, seen, after, t.Admit, token, -1) // the round before the first
	if errors.Is(err, upload.ErrDuplicate) || errors.Is(err, upload.ErrOverQuota) {
		return upload.Record{}, errChanged // it may be stored already, and be its own duplicate
	}
	return after, err
}

// replace writes what a transition made of the stored item h, with what must be written
// beside it. errChanged: something else was written meanwhile.
func (s *Store) replace(ctx context.Context, h storedItem, after upload.Record, a upload.Admission,
	token string, round int) error {
	var with []change
	var err error
	next := storedItem{Record: after, tokens: signed(token, h.tokens), claims: h.claims}
	switch {
	case h.Status == upload.Pending && after.Status == upload.Stored:
		with, err = s.admit(ctx, after, a, roundToken(token, round))
		next.claims = a.Unique
	case h.claims && after.Status != upload.Stored:
		with, err = s.release(ctx, h)
	}
	if err != nil {
		return err
	}
	i, err := s.itemOf(next)
	if err != nil {
		return err
	}
	return s.write(ctx, roundToken(token, round), append(with, change{put: i, when: asSeen(h.tokens)})...)
}

// Get implements upload.Records.
func (s *Store) Get(ctx context.Context, ref upload.Ref) (_ upload.Record, err error) {
	ctx, end := s.begin(ctx, &err, "get the record of %s", ref)
	defer end()
	h, err := s.find(ctx, ref)
	if h.Status == upload.Pending {
		// The tokens are all that the table has beside a pending record. Beside a stored one there may be a
		// claim, and a tombstone may expire: those are read again.
		h.Revision = upload.Revision(h.tokens)
	}
	return h.Record, err
}
