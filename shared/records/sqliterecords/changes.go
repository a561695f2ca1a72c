package sqliterecords

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"hatchery/shared/upload"
)

const (
	keyUsedSQL = `SELECT fingerprint, journal, entry, kind, id FROM once WHERE scope = ? AND key = ? AND expires > ?`
	keepKeySQL = `INSERT OR REPLACE INTO once (scope, key, fingerprint, journal, entry, kind, id, expires)
		VALUES (?,?,?,?,?,?,?,?)`
	// The earliest holder is the one to name.
	duplicateSQL = `SELECT id FROM uploads
		WHERE journal = ? AND entry = ? AND kind = ? AND sha256 = ? AND status = 'stored'
		ORDER BY created_at, id LIMIT 1`
	storedSQL = `SELECT count(*), coalesce(sum(size), 0) FROM uploads
		WHERE journal = ? AND entry = ? AND kind = ? AND status = 'stored'`
)

// Create implements upload.Records.
func (s *Store) Create(ctx context.Context, r upload.Record, key *upload.IdempotencyKey) (upload.Record, error) {
	created, err := write(ctx, s, func(w *writer) (upload.Record, error) { return w.create(r, key) })
	return created, s.wrap(err, "create the record of %s", r.Ref())
}

func (w *writer) create(r upload.Record, key *upload.IdempotencyKey) (upload.Record, error) {
	if r.Status != upload.Pending {
		return upload.Record{}, fmt.Errorf("its status is %q, not pending", r.Status)
	}
	if key != nil {
		first, err := w.first(key)
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
	if key != nil {
		_, err := exec(w.keepKey, key.Scope, key.Key, key.Fingerprint, r.Journal, r.Entry, r.Kind, r.ID,
			key.Expires.UnixMicro())
		if err != nil {
			return upload.Record{}, fmt.Errorf("keep its idempotency key: %w", err)
		}
	}
	return r, nil
}

// first finds the record that was created under an idempotency key. ErrNotFound:
// the key is free. It is free too when its record has been forgotten since.
func (w *writer) first(key *upload.IdempotencyKey) (upload.Record, error) {
	var fingerprint string
	var ref upload.Ref
	err := queryRow(w.keyUsed, key.Scope, key.Key, w.now().UnixMicro()).Scan(&fingerprint, &ref.Journal, &ref.Entry,
		&ref.Kind, &ref.ID)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return upload.Record{}, upload.ErrNotFound
	case err != nil:
		return upload.Record{}, fmt.Errorf("look up its idempotency key: %w", err)
	}
	r, err := find(context.Background(), w.find, ref)
	if err == nil && fingerprint != key.Fingerprint {
		return upload.Record{}, upload.ErrKeyReused
	}
	return r.Record, err
}

// Update implements upload.Records. The write lock is held meanwhile: nothing comes
// between, and To is asked once.
func (s *Store) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (upload.Record, error) {
	updated, err := write(ctx, s, func(w *writer) (upload.Record, error) { return w.change(ref, t) })
	return updated, s.wrap(err, "%s the record of %s", t.Name, ref)
}

func (w *writer) change(ref upload.Ref, t upload.Transition) (upload.Record, error) {
	before, err := find(context.Background(), w.find, ref)
	if err != nil {
		return upload.Record{}, err
	}
	after, err := t.To(before.Record)
	if err != nil {
		return upload.Record{}, err
	}
	if after.Equal(before.Record) {
		return after, nil
	}
	if before.Status == upload.Pending && after.Status == upload.Stored {
		if err := w.admit(after, t.Admit); err != nil {
			return upload.Record{}, err
		}
	}
	if _, err := exec(w.update, append(state(after), before.seq)...); err != nil {
		return upload.Record{}, err
	}
	return after, nil
}

// admit says whether the entry may hold one more stored file.
func (w *writer) admit(r upload.Record, a upload.Admission) error {
	return a.Check(r.Size, func() (earliest upload.ID, err error) {
		err = queryRow(w.duplicate, r.Journal, r.Entry, r.Kind, r.SHA256).Scan(&earliest)
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		return earliest, err
	}, func() (stored upload.Usage, err error) {
		err = queryRow(w.stored, r.Journal, r.Entry, r.Kind).Scan(&stored.Files, &stored.Bytes)
		return stored, err
	})
}
