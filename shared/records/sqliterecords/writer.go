package sqliterecords

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// maxBatch bounds how many changes share one transaction, and so how long the
// first of them waits.
const maxBatch = 64

// change is one caller's work for the writer.
type change struct {
	ctx  context.Context
	do   func(*writer) error
	done chan error // buffered: the caller may have gone
}

// write has do run by the writer and waits until it is committed. When ctx ends
// first, the change may or may not be made, and what do gives is dropped.
func write[T any](ctx context.Context, s *Store, do func(*writer) (T, error)) (T, error) {
	var given, none T
	c := &change{ctx: ctx, done: make(chan error, 1), do: func(w *writer) (err error) {
		given, err = do(w)
		return err
	}}
	if err := ctx.Err(); err != nil {
		return none, err
	}
	select {
	case s.changes <- c:
	case <-ctx.Done():
		return none, ctx.Err()
	case <-s.closing:
		return none, errClosed
	}
	select {
	case err := <-c.done:
		if err != nil {
			return none, err
		}
		return given, nil
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// writer owns the one connection that writes. Only its goroutine uses it.
type writer struct {
	conn *sql.Conn
	now  func() time.Time
	// purged is when everything that had expired was last removed.
	purged time.Time
	// prepared are all of the statements below.
	prepared []*sql.Stmt

	begin, commit, rollback, save, undo, release *sql.Stmt
	find, insert, update, duplicate, stored      *sql.Stmt
	keyUsed, keepKey, forgetUploads, forgetKeys  *sql.Stmt
}

// newWriter takes the only connection of db, prepares the file, and removes what
// had expired.
func newWriter(ctx context.Context, db *sql.DB, now func() time.Time) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{conn: conn, now: now}
	if err := w.prepare(ctx); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// close closes the statements before the connection: SQLite keeps a connection
// open behind the scenes while it has any.
func (w *writer) close() error {
	var errs []error
	for _, statement := range w.prepared {
		errs = append(errs, statement.Close())
	}
	return errors.Join(append(errs, w.conn.Close())...)
}

func (w *writer) prepare(ctx context.Context) error {
	if err := prepareFile(ctx, w.conn, migrations); err != nil {
		return err
	}
	var err error
	w.prepared, err = prepareAll(ctx, w.conn, map[**sql.Stmt]string{
		&w.begin: "BEGIN IMMEDIATE", &w.commit: "COMMIT", &w.rollback: "ROLLBACK",
		&w.save: "SAVEPOINT change", &w.undo: "ROLLBACK TO change", &w.release: "RELEASE change",
		&w.find: findSQL, &w.insert: insertSQL, &w.update: updateSQL, &w.duplicate: duplicateSQL, &w.stored: storedSQL,
		&w.keyUsed: keyUsedSQL, &w.keepKey: keepKeySQL, &w.forgetUploads: forgetUploadsSQL, &w.forgetKeys: forgetKeysSQL,
	})
	if err != nil {
		return err
	}
	return w.commitBatch(nil, nil)
}

// run makes changes until closing is closed. A change that it has taken is
// answered.
func (w *writer) run(changes <-chan *change, closing <-chan struct{}) {
	for {
		select {
		case <-closing:
			return
		case first := <-changes:
			batch := takeBatch(first, changes)
			errs := make([]error, len(batch))
			failed := w.commitBatch(batch, errs)
			for i, c := range batch {
				// Also an answer like ErrConflict rests on what was written with it.
				if failed != nil {
					errs[i] = failed
				}
				c.done <- errs[i]
			}
		}
	}
}

// takeBatch takes the changes that are waiting by now.
func takeBatch(first *change, changes <-chan *change) []*change {
	batch := []*change{first}
	for len(batch) < maxBatch {
		select {
		case next := <-changes:
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// commitBatch makes a batch of changes in one transaction and sets the error of
// each. One that fails is undone alone. The error is of the transaction as a
// whole: nothing of it is known to be durable.
func (w *writer) commitBatch(batch []*change, errs []error) (err error) {
	if _, err := exec(w.begin); err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	defer func() {
		if err != nil {
			// SQLite may have rolled back by itself, then this is an error of no
			// interest.
			exec(w.rollback) //nolint:errcheck // see above
		}
	}()
	if err := w.purge(); err != nil {
		return err
	}
	for i, c := range batch {
		if errs[i] = c.ctx.Err(); errs[i] != nil {
			continue
		}
		if errs[i], err = w.applyOne(c); err != nil {
			return err
		}
	}
	if _, err := exec(w.commit); err != nil {
		return fmt.Errorf("commit a transaction: %w", err)
	}
	return nil
}

// exec runs a statement of the writer and gives how many rows it changed.
//
// No caller's context reaches the writer's statements: SQLite answers an
// interrupt within a transaction by rolling all of it back, other callers'
// changes too.
func exec(statement *sql.Stmt, args ...any) (changed int64, err error) {
	result, err := statement.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// queryRow is exec for a statement that gives a row.
func queryRow(statement *sql.Stmt, args ...any) *sql.Row {
	return statement.QueryRowContext(context.Background(), args...)
}

// applyOne makes one change whole or not at all.
func (w *writer) applyOne(c *change) (failed, broken error) {
	if _, err := exec(w.save); err != nil {
		return nil, fmt.Errorf("set a savepoint: %w", err)
	}
	failed = c.do(w)
	if failed != nil {
		if _, err := exec(w.undo); err != nil {
			return nil, fmt.Errorf("undo a change (%w) that failed: %w", err, failed)
		}
	}
	if _, err := exec(w.release); err != nil {
		return nil, fmt.Errorf("release a savepoint: %w", err)
	}
	return failed, nil
}

// Purging is spread out: a share with at most one change in an hour, more often
// only while there is more than a share to remove.
const (
	purgeEvery = time.Hour
	purgeShare = 500
)

const (
	forgetUploadsSQL = `DELETE FROM uploads WHERE seq IN
		(SELECT seq FROM uploads WHERE forget_after <= ? ORDER BY forget_after LIMIT ?)`
	forgetKeysSQL = `DELETE FROM once WHERE (scope, key) IN
		(SELECT scope, key FROM once WHERE expires <= ? ORDER BY expires LIMIT ?)`
)

// purge removes tombstones and idempotency keys that have expired, if it is
// time.
func (w *writer) purge() error {
	now := w.now()
	if now.Before(w.purged.Add(purgeEvery)) {
		return nil
	}
	full := false
	for _, forget := range []*sql.Stmt{w.forgetUploads, w.forgetKeys} {
		removed, err := exec(forget, now.UnixMicro(), purgeShare)
		if err != nil {
			return fmt.Errorf("remove what has expired: %w", err)
		}
		full = full || removed == purgeShare
	}
	if !full {
		w.purged = now
	}
	return nil
}
