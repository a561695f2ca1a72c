package dynamorecords

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hatchery/shared/upload"
)

// Create implements upload.Records.
//
// Our own write that arrived although its answer was lost is told from another's
// by its token.
func (s *Store) Create(ctx context.Context, r upload.Record, once *upload.Once) (upload.Record, error) {
	ctx, cancel := s.patient(ctx)
	defer cancel()
	created, err := s.create(ctx, r, once)
	return created, s.trouble(err, "create the record of %s", r.Ref())
}

func (s *Store) create(ctx context.Context, r upload.Record, once *upload.Once) (upload.Record, error) {
	if r.Status != upload.Pending {
		return upload.Record{}, fmt.Errorf("its status is %q, not pending", r.Status)
	}
	token := s.o.Token()
	written, err := s.itemOf(held{Record: r, by: token})
	if err != nil {
		return upload.Record{}, err
	}
	claim := absent()
	for round := 0; ; round++ {
		changes := []change{{put: written, when: s.free()}}
		if once != nil {
			changes = append(changes, change{put: onceItem(r.Ref(), once, roundToken(token, round)), when: s.claimable(claim)})
		}
		err := s.write(ctx, roundToken(token, round), changes...)
		if !errors.Is(err, errChanged) {
			return r, err
		}
		if once != nil {
			var first upload.Record
			var taken bool
			if first, taken, claim, err = s.first(ctx, once); err != nil || taken {
				return first, err
			}
		}
		there, err := s.find(ctx, r.Ref())
		switch {
		case err == nil && there.wrote(token):
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

// free: a record may be created here. A tombstone that has expired may still lie
// there.
func (s *Store) free() condition {
	return absent().or(upTo(forget, &types.AttributeValueMemberN{Value: strconv.FormatInt(s.o.Now().Unix(), 10)}))
}

// roundToken is different for every attempt to write something else, and at most
// 36 bytes long, as tokens of transactions must be.
func roundToken(token string, round int) string { return token + "-" + strconv.Itoa(round) }

// same is what a change gives that leaves the record as it is.
var errSame = errors.New("nothing is to change")

// edit says what to make of a record, and what must be written with it. It is
// asked again, with another round, when somebody was faster.
type edit func(h *held, round string) (with []change, err error)

// change reads a record, asks what to make of it, and writes that if nobody has
// written meanwhile; else it begins anew.
//
// When an answer was lost, the record has our token: then the change is made,
// whatever has come after it.
func (s *Store) change(ctx context.Context, ref upload.Ref, to edit) (upload.Record, error) {
	ctx, cancel := s.patient(ctx)
	defer cancel()
	token := s.o.Token()
	var made upload.Record
	for round := 0; ; round++ {
		h, err := s.find(ctx, ref)
		if err != nil {
			return upload.Record{}, err
		}
		if h.wrote(token) {
			return made, nil
		}
		seen := h.by
		with, err := to(&h, roundToken(token, round))
		switch {
		case errors.Is(err, errSame):
			return h.Record, nil
		case errors.Is(err, errChanged): // while it looked around
		case err != nil:
			return upload.Record{}, err
		default:
			h.by, made = signed(token, seen), h.Record
			i, err := s.itemOf(h)
			if err != nil {
				return upload.Record{}, err
			}
			err = s.write(ctx, roundToken(token, round), append(with, change{put: i, when: asSeen(seen)})...)
			if !errors.Is(err, errChanged) {
				return made, err
			}
		}
		if err := s.pause(ctx, round, errChanged); err != nil {
			return upload.Record{}, err
		}
	}
}

// Settle implements upload.Records.
func (s *Store) Settle(ctx context.Context, ref upload.Ref, v upload.Verdict) (upload.Record, error) {
	if v.Status != upload.Stored && v.Status != upload.Rejected {
		return upload.Record{}, s.trouble(fmt.Errorf("the verdict is %q, neither stored nor rejected", v.Status), "settle the record of %s", ref)
	}
	settled, err := s.change(ctx, ref, func(h *held, round string) (with []change, err error) {
		if h.Status != upload.Pending {
			return nil, upload.ErrConflict
		}
		if v.Status == upload.Stored {
			if with, err = s.admit(ctx, ref, v, round); err != nil {
				return nil, err
			}
		}
		h.Record = v.Apply(h.Record)
		h.claims = v.Unique
		return with, nil
	})
	return settled, s.trouble(err, "settle the record of %s", ref)
}

// Delete implements upload.Records.
func (s *Store) Delete(ctx context.Context, ref upload.Ref, at, forget time.Time) (upload.Record, error) {
	deleted, err := s.change(ctx, ref, func(h *held, _ string) (with []change, err error) {
		switch {
		case h.Status == upload.Deleted:
			return nil, upload.ErrNotFound
		case h.Status == upload.Stored && h.claims:
			if with, err = s.release(ctx, *h); err != nil {
				return nil, err
			}
		}
		h.Record = h.Tombstone(at, forget)
		return with, nil
	})
	return deleted, s.trouble(err, "delete the record of %s", ref)
}

// Reopen implements upload.Records.
func (s *Store) Reopen(ctx context.Context, ref upload.Ref) (upload.Record, error) {
	reopened, err := s.change(ctx, ref, func(h *held, _ string) ([]change, error) {
		if h.Status != upload.Rejected {
			return nil, upload.ErrConflict
		}
		h.Record = h.Reopened()
		return nil, nil
	})
	return reopened, s.trouble(err, "reopen the record of %s", ref)
}

// Adopt implements upload.Records.
func (s *Store) Adopt(ctx context.Context, ref upload.Ref, v upload.Verdict) (upload.Record, error) {
	adopted, err := s.change(ctx, ref, func(h *held, _ string) ([]change, error) {
		if !h.Old() {
			return nil, upload.ErrConflict
		}
		h.Record = v.Apply(h.Record)
		return nil, nil
	})
	return adopted, s.trouble(err, "adopt the record of %s", ref)
}

// NoteFailure implements upload.Records.
func (s *Store) NoteFailure(ctx context.Context, ref upload.Ref, f upload.Failure) error {
	_, err := s.change(ctx, ref, func(h *held, _ string) ([]change, error) {
		if h.Status != upload.Pending {
			return nil, errSame
		}
		h.Record = h.Failed(f)
		return nil, nil
	})
	return s.trouble(err, "note a failure of %s", ref)
}

// NoteReenqueue implements upload.Records.
func (s *Store) NoteReenqueue(ctx context.Context, ref upload.Ref, seen int, at time.Time) (upload.Record, error) {
	noted, err := s.change(ctx, ref, func(h *held, _ string) ([]change, error) {
		if h.Reenqueued != seen {
			return nil, upload.ErrConflict
		}
		h.Record = h.SentAgain(at)
		return nil, nil
	})
	return noted, s.trouble(err, "count a further message of %s", ref)
}

// Get implements upload.Records.
func (s *Store) Get(ctx context.Context, ref upload.Ref) (upload.Record, error) {
	ctx, cancel := s.patient(ctx)
	defer cancel()
	h, err := s.find(ctx, ref)
	return h.Record, s.trouble(err, "get the record of %s", ref)
}
