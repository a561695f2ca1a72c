package bugoutrecords

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"hatchery/shared/upload"
)

// Settle implements upload.Records.
func (s *Store) Settle(ctx context.Context, ref upload.Ref, v upload.Verdict) (upload.Record, error) {
	if v.Status != upload.Stored && v.Status != upload.Rejected {
		return upload.Record{}, fmt.Errorf("settle the record of %s: the verdict is %q, neither stored nor rejected", ref, v.Status)
	}
	settled, err := s.change(ctx, ref, change{keys: verdictKeys,
		to: func(r upload.Record) (upload.Record, error) {
			if r.Status != upload.Pending {
				return r, upload.ErrConflict
			}
			if v.Status == upload.Stored {
				if err := s.admit(ctx, ref, v); err != nil {
					return r, err
				}
			}
			return v.Apply(r), nil
		},
		stands: func(r upload.Record) bool { return same(r, v.Apply(r)) }})
	return settled, wrap(err, "settle the record of %s", ref)
}

// admit says whether the entry may hold one more stored file.
func (s *Store) admit(ctx context.Context, ref upload.Ref, v upload.Verdict) error {
	if !v.Unique && v.MaxFiles == 0 && v.MaxTotalBytes == 0 {
		return nil
	}
	there, err := s.entry(ctx, ref.Journal, ref.Entry, ref.Kind)
	if err != nil {
		return err
	}
	files, bytes := int64(1), v.Size
	var earlier *resource
	for _, r := range there {
		if r.Status != upload.Stored || r.ID == ref.ID {
			continue
		}
		files, bytes = files+1, bytes+r.Size
		if v.Unique && r.SHA256 == v.SHA256 && (earlier == nil || r.CreatedAt.Before(earlier.CreatedAt) || r.CreatedAt.Equal(earlier.CreatedAt) && r.ID < earlier.ID) {
			earlier = &r
		}
	}
	switch {
	case earlier != nil:
		return &upload.DuplicateError{Earlier: earlier.ID}
	case v.MaxFiles > 0 && files > v.MaxFiles, v.MaxTotalBytes > 0 && bytes > v.MaxTotalBytes:
		return upload.ErrOverQuota
	}
	return nil
}

// Delete implements upload.Records. The tombstone that it returns is kept nowhere.
func (s *Store) Delete(ctx context.Context, ref upload.Ref, at, forget time.Time) (upload.Record, error) {
	deleted, err := s.delete(ctx, ref)
	if err != nil {
		return upload.Record{}, wrap(err, "delete the record of %s", ref)
	}
	return deleted.Tombstone(at, forget), nil
}

func (s *Store) delete(ctx context.Context, ref upload.Ref) (upload.Record, error) {
	there, err := s.under(ctx, ref)
	if err != nil {
		return upload.Record{}, err
	}
	if len(there) == 0 {
		return upload.Record{}, upload.ErrNotFound
	}
	// The one that counts goes last: whoever looks meanwhile finds nothing older.
	for i := len(there) - 1; i >= 0; i-- {
		err := s.remove(ctx, there[i].id)
		if err != nil && (i == 0 || !errors.Is(err, upload.ErrNotFound)) {
			return upload.Record{}, err
		}
	}
	return there[0].Record, nil
}

// remove deletes one resource. ErrNotFound: it is not there, and it was not this
// call that removed it.
func (s *Store) remove(ctx context.Context, id string) error {
	tried := 0
	err := s.attempts(ctx, func(n int) error {
		tried = n
		return s.do(ctx, http.MethodDelete, itemPath(id), nil, nil, nil)
	})
	if !errors.Is(err, upload.ErrNotFound) {
		return err
	}
	err = s.absent(ctx, id)
	if tried > 1 && errors.Is(err, upload.ErrNotFound) {
		return nil // an earlier attempt did it, though its answer was lost
	}
	return err
}

// Reopen implements upload.Records.
func (s *Store) Reopen(ctx context.Context, ref upload.Ref) (upload.Record, error) {
	reopened, err := s.change(ctx, ref, change{keys: slices.Concat(verdictKeys, failureKeys, reenqueueKeys),
		to: func(r upload.Record) (upload.Record, error) {
			if r.Status != upload.Rejected {
				return r, upload.ErrConflict
			}
			return r.Reopened(), nil
		},
		stands: func(r upload.Record) bool { return r.Status == upload.Pending }})
	return reopened, wrap(err, "reopen the record of %s", ref)
}

// Adopt implements upload.Records.
func (s *Store) Adopt(ctx context.Context, ref upload.Ref, v upload.Verdict) (upload.Record, error) {
	adopted, err := s.change(ctx, ref, change{keys: verdictKeys,
		to: func(r upload.Record) (upload.Record, error) {
			if !r.Old() {
				return r, upload.ErrConflict
			}
			return v.Apply(r), nil
		},
		stands: func(r upload.Record) bool { return same(r, v.Apply(r)) }})
	return adopted, wrap(err, "adopt the record of %s", ref)
}

// NoteFailure implements upload.Records.
func (s *Store) NoteFailure(ctx context.Context, ref upload.Ref, f upload.Failure) error {
	f.Message = clean(f.Message)
	count := 0
	_, err := s.change(ctx, ref, change{keys: failureKeys,
		to: func(r upload.Record) (upload.Record, error) {
			r = r.Failed(f)
			count = r.Failures
			return r, nil
		},
		stands: func(r upload.Record) bool { return r.Status != upload.Pending || r.Failures >= count }})
	if errors.Is(err, upload.ErrConflict) {
		return nil // something else was written at the same time
	}
	return wrap(err, "note a failure of %s", ref)
}

// NoteReenqueue implements upload.Records.
func (s *Store) NoteReenqueue(ctx context.Context, ref upload.Ref, seen int, at time.Time) (upload.Record, error) {
	noted, err := s.change(ctx, ref, change{keys: reenqueueKeys,
		to: func(r upload.Record) (upload.Record, error) {
			if r.Reenqueued != seen {
				return r, upload.ErrConflict
			}
			return r.SentAgain(at), nil
		},
		stands: func(r upload.Record) bool { return r.Reenqueued == seen+1 }})
	return noted, wrap(err, "count a further message of %s", ref)
}

// change is one change of a record.
type change struct {
	// to says what to make of the record.
	to func(upload.Record) (upload.Record, error)
	// keys are all that it writes, so that what two changes of a kind leave is never
	// a mixture of both.
	keys []string
	// stands says whether a record is as the change left it, whatever happened
	// beside.
	stands func(upload.Record) bool
}

// change reads a record, makes a change of it and reads it back. What another made
// of the same keys in between is overwritten; what another makes of them before the
// reading back is ErrConflict, or ErrNotFound. With a verdict, and from then on, it
// heals the upload to one resource; while all wait, any of them may be the one that is
// given the verdict.
func (s *Store) change(ctx context.Context, ref upload.Ref, c change) (upload.Record, error) {
	there, err := s.under(ctx, ref)
	if err != nil {
		return upload.Record{}, err
	}
	if len(there) == 0 {
		return upload.Record{}, upload.ErrNotFound
	}
	before := there[0]
	after, err := c.to(before.Record)
	if err != nil {
		return upload.Record{}, err
	}
	if before.Status != upload.Pending || after.Status != upload.Pending {
		if err := s.heal(ctx, there[1:]); err != nil {
			return upload.Record{}, err
		}
	}
	if same(before.Record, after) {
		return after, nil
	}
	body := bodyOfChange(after, c.keys)
	err = s.attempts(ctx, func(n int) error {
		if n > 1 {
			// The attempt before may have been done, and another change after it.
			now, err := s.read(ctx, before.id)
			switch {
			case err != nil || c.stands(now.Record):
				return err
			case !same(now.Record, before.Record):
				return upload.ErrConflict
			}
		}
		return s.do(ctx, http.MethodPut, itemPath(before.id), nil, body, nil)
	})
	if errors.Is(err, upload.ErrNotFound) {
		err = s.absent(ctx, before.id)
	}
	if err != nil {
		return upload.Record{}, err
	}
	now, err := s.read(ctx, before.id)
	if err != nil {
		return upload.Record{}, err
	}
	if !c.stands(now.Record) {
		return upload.Record{}, upload.ErrConflict
	}
	return now.Record, nil
}

// heal deletes the resources of an upload that do not count. The list that they come
// from may be old: each is read once more, and one that is not as it was listed, because
// it was given a verdict for instance, is ErrConflict. The caller comes again and sees
// what counts by then.
func (s *Store) heal(ctx context.Context, surplus []resource) error {
	for _, listed := range surplus {
		now, err := s.read(ctx, listed.id)
		if err == nil && !same(now.Record, listed.Record) {
			err = upload.ErrConflict
		}
		if err == nil {
			err = s.remove(ctx, listed.id)
		}
		if err != nil && !errors.Is(err, upload.ErrNotFound) {
			return fmt.Errorf("delete the surplus resource %s: %w", listed.id, err)
		}
	}
	return nil
}

// read reads one resource. ErrNotFound: it was deleted.
func (s *Store) read(ctx context.Context, id string) (resource, error) {
	found, err := s.fetch(ctx, id)
	if err != nil {
		return resource{}, err
	}
	r, ok, err := found.resource()
	if err == nil && (!ok || r.id != id) {
		err = errNonsense // it is not what was asked for
	}
	return r, err
}
