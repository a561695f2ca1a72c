package sqliterecords

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"hatchery/shared/upload"
)

const (
	claimedSQL = `SELECT fingerprint, journal, entry, kind, id FROM once WHERE scope = ? AND key = ? AND expires > ?`
	claimSQL   = `INSERT OR REPLACE INTO once (scope, key, fingerprint, journal, entry, kind, id, expires) VALUES (?,?,?,?,?,?,?,?)`
	// The earliest holder is the one to name.
	duplicateSQL = `SELECT id FROM uploads WHERE journal = ? AND entry = ? AND kind = ? AND sha256 = ? AND status = 'stored'
		ORDER BY created_at, id LIMIT 1`
	storedSQL = `SELECT count(*), coalesce(sum(size), 0) FROM uploads
		WHERE journal = ? AND entry = ? AND kind = ? AND status = 'stored'`
)

// Create implements upload.Records.
func (s *Store) Create(ctx context.Context, r upload.Record, once *upload.Once) (upload.Record, error) {
	created, err := write(ctx, s, func(w *writer) (upload.Record, error) { return w.create(r, once) })
	return created, s.trouble(err, "create the record of %s", r.Ref())
}

func (w *writer) create(r upload.Record, once *upload.Once) (upload.Record, error) {
	if r.Status != upload.Pending {
		return upload.Record{}, fmt.Errorf("its status is %q, not pending", r.Status)
	}
	if once != nil {
		first, err := w.first(once)
		if !errors.Is(err, upload.ErrNotFound) {
			return first, err
		}
	}
	inserted, err := exec(w.insert, append(identity(r), state(r)...)...)
	if err != nil {
		return upload.Record{}, err
	}
	if inserted == 0 {
		return upload.Record{}, upload.ErrExists
	}
	if once != nil {
		_, err := exec(w.claim, once.Scope, once.Key, once.Fingerprint, r.Journal, r.Entry, r.Kind, r.ID, once.Expires.UnixMicro())
		if err != nil {
			return upload.Record{}, fmt.Errorf("claim its idempotency key: %w", err)
		}
	}
	return r, nil
}

// first finds the record that was created under an idempotency key. ErrNotFound:
// the key is free. It is free too when its record has been forgotten since.
func (w *writer) first(once *upload.Once) (upload.Record, error) {
	var fingerprint string
	var ref upload.Ref
	err := queryRow(w.claimed, once.Scope, once.Key, w.now().UnixMicro()).Scan(&fingerprint, &ref.Journal, &ref.Entry, &ref.Kind, &ref.ID)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return upload.Record{}, upload.ErrNotFound
	case err != nil:
		return upload.Record{}, fmt.Errorf("look up its idempotency key: %w", err)
	}
	r, err := find(context.Background(), w.find, ref)
	if err == nil && fingerprint != once.Fingerprint {
		return upload.Record{}, upload.ErrKeyReused
	}
	return r.Record, err
}

// Settle implements upload.Records.
func (s *Store) Settle(ctx context.Context, ref upload.Ref, v upload.Verdict) (upload.Record, error) {
	settled, err := write(ctx, s, func(w *writer) (upload.Record, error) { return w.settle(ref, v) })
	return settled, s.trouble(err, "settle the record of %s", ref)
}

func (w *writer) settle(ref upload.Ref, v upload.Verdict) (upload.Record, error) {
	if v.Status != upload.Stored && v.Status != upload.Rejected {
		return upload.Record{}, fmt.Errorf("the verdict is %q, neither stored nor rejected", v.Status)
	}
	return w.change(ref, func(r upload.Record) (upload.Record, error) {
		if r.Status != upload.Pending {
			return r, upload.ErrConflict
		}
		if v.Status == upload.Stored {
			if err := w.admit(ref, v); err != nil {
				return r, err
			}
		}
		return v.Apply(r), nil
	})
}

// admit says whether the entry may hold one more stored file.
func (w *writer) admit(ref upload.Ref, v upload.Verdict) error {
	if v.Unique {
		var earlier upload.ID
		err := queryRow(w.duplicate, ref.Journal, ref.Entry, ref.Kind, v.SHA256).Scan(&earlier)
		if err == nil {
			return &upload.DuplicateError{Earlier: earlier}
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("look for the same bytes: %w", err)
		}
	}
	if v.MaxFiles > 0 || v.MaxTotalBytes > 0 {
		var held upload.Usage
		if err := queryRow(w.stored, ref.Journal, ref.Entry, ref.Kind).Scan(&held.Files, &held.Bytes); err != nil {
			return fmt.Errorf("sum what the entry holds: %w", err)
		}
		if v.MaxFiles > 0 && held.Files+1 > v.MaxFiles || v.MaxTotalBytes > 0 && held.Bytes+v.Size > v.MaxTotalBytes {
			return upload.ErrOverQuota
		}
	}
	return nil
}

// Delete implements upload.Records.
func (s *Store) Delete(ctx context.Context, ref upload.Ref, at, forget time.Time) (upload.Record, error) {
	deleted, err := write(ctx, s, func(w *writer) (upload.Record, error) {
		return w.change(ref, func(r upload.Record) (upload.Record, error) {
			if r.Status == upload.Deleted {
				return r, upload.ErrNotFound
			}
			return r.Tombstone(at, forget), nil
		})
	})
	return deleted, s.trouble(err, "delete the record of %s", ref)
}

// Reopen implements upload.Records.
func (s *Store) Reopen(ctx context.Context, ref upload.Ref) (upload.Record, error) {
	reopened, err := write(ctx, s, func(w *writer) (upload.Record, error) {
		return w.change(ref, func(r upload.Record) (upload.Record, error) {
			if r.Status != upload.Rejected {
				return r, upload.ErrConflict
			}
			return r.Reopened(), nil
		})
	})
	return reopened, s.trouble(err, "reopen the record of %s", ref)
}

// Adopt implements upload.Records.
func (s *Store) Adopt(ctx context.Context, ref upload.Ref, v upload.Verdict) (upload.Record, error) {
	adopted, err := write(ctx, s, func(w *writer) (upload.Record, error) {
		return w.change(ref, func(r upload.Record) (upload.Record, error) {
			if !r.Old() {
				return r, upload.ErrConflict
			}
			return v.Apply(r), nil
		})
	})
	return adopted, s.trouble(err, "adopt the record of %s", ref)
}

// NoteFailure implements upload.Records.
func (s *Store) NoteFailure(ctx context.Context, ref upload.Ref, f upload.Failure) error {
	_, err := write(ctx, s, func(w *writer) (upload.Record, error) {
		return w.change(ref, func(r upload.Record) (upload.Record, error) {
			return r.Failed(f), nil
		})
	})
	return s.trouble(err, "note a failure of %s", ref)
}

// NoteReenqueue implements upload.Records.
func (s *Store) NoteReenqueue(ctx context.Context, ref upload.Ref, seen int, at time.Time) (upload.Record, error) {
	noted, err := write(ctx, s, func(w *writer) (upload.Record, error) {
		return w.change(ref, func(r upload.Record) (upload.Record, error) {
			if r.Reenqueued != seen {
				return r, upload.ErrConflict
			}
			return r.SentAgain(at), nil
		})
	})
	return noted, s.trouble(err, "count a further message of %s", ref)
}

// change reads a record, asks what to make of it, and writes that. The write
// lock is held meanwhile: nothing comes between.
func (w *writer) change(ref upload.Ref, to func(upload.Record) (upload.Record, error)) (upload.Record, error) {
	r, err := find(context.Background(), w.find, ref)
	if err != nil {
		return upload.Record{}, err
	}
	changed, err := to(r.Record)
	if err != nil {
		return upload.Record{}, err
	}
	if _, err := exec(w.update, append(state(changed), r.seq)...); err != nil {
		return upload.Record{}, err
	}
	return changed, nil
}
