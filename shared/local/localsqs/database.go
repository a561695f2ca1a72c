package localsqs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"sync"

	"modernc.org/sqlite" // also registers the "sqlite" driver
	sqlite3 "modernc.org/sqlite/lib"
)

// schemaVersion is kept in the file's user_version; a file of another version is refused rather than misread.
const schemaVersion = 1

// All times are milliseconds since 1970, SQS's own unit for message times.
//
// message.due is the one column that receiving turns on: a message can be had when due <= now. Sending sets it to now
// plus the delay, receiving to now plus the visibility timeout. message.received tells the two apart: it is the time
// of the last receive, NULL for a message that this queue has not handed out.
// AUTOINCREMENT keeps ids from being used again, so an old receipt handle can never name a newer message.
const schema = `
CREATE TABLE queue (
	id         INTEGER PRIMARY KEY AUTOINCREMENT,
	name       TEXT NOT NULL UNIQUE,
	attributes TEXT NOT NULL,
	created    INTEGER NOT NULL,
	modified   INTEGER NOT NULL
);
CREATE TABLE message (
	id             INTEGER PRIMARY KEY AUTOINCREMENT,
	queue          INTEGER NOT NULL REFERENCES queue(id) ON DELETE CASCADE,
	message_id     TEXT NOT NULL,
	body           TEXT NOT NULL,
	body_md5       TEXT NOT NULL,
	attributes     TEXT,
	trace          TEXT,
	tag            TEXT,
	sent           INTEGER NOT NULL,
	due            INTEGER NOT NULL,
	receives       INTEGER NOT NULL DEFAULT 0,
	first_received INTEGER,
	received       INTEGER,
	source         TEXT
);
CREATE INDEX message_due ON message (queue, due);
CREATE INDEX message_sent ON message (queue, sent);
CREATE INDEX message_tag ON message (queue, tag) WHERE tag IS NOT NULL;
CREATE TABLE move_task (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	handle      TEXT NOT NULL UNIQUE,
	source      TEXT NOT NULL,
	destination TEXT NOT NULL,
	rate        INTEGER NOT NULL,
	last        INTEGER NOT NULL,
	to_move     INTEGER NOT NULL,
	moved       INTEGER NOT NULL DEFAULT 0,
	status      TEXT NOT NULL,
	reason      TEXT NOT NULL DEFAULT '',
	started     INTEGER NOT NULL
);
CREATE INDEX move_task_source ON move_task (source, id);
`

// The queries that run for every message or poll; each has its index. SQLite, which has no statistics here, would look
// for a tag among all messages of the queue, so that index is named.
const (
	sqlVisible = `SELECT id, message_id, body, body_md5, attributes, trace, sent, receives, first_received, source
		FROM message WHERE queue = ? AND due <= ? AND sent > ? ORDER BY due, id LIMIT ?`
	sqlNextDue = `SELECT min(due) FROM message WHERE queue = ?`
	sqlExpire  = `DELETE FROM message WHERE queue = ? AND sent <= ?`
	sqlHolds   = `SELECT EXISTS (SELECT 1 FROM message INDEXED BY message_tag WHERE tag = ? AND queue = ? AND sent > ?)`
)

// uninterrupted is the context of every statement: each takes well under a millisecond, and a caller that hangs up must
// not leave a transaction half done.
var uninterrupted = context.Background()

// database is the SQLite file behind one connection: SQLite has a single writer anyway, and with one connection the
// mutex is the only queue that callers stand in, and every statement is prepared once.
type database struct {
	pool *sql.DB
	mu   sync.Mutex // guards conn and the statements
	conn *sql.Conn

	prepared                []*sql.Stmt // all of those below, to be closed
	begin, commit, rollback *sql.Stmt
	insert                  *sql.Stmt
	visible, hold, bury     *sql.Stmt
	nextDue, expire, purge  *sql.Stmt
	remove, held, rehide    *sql.Stmt
	counts, holds, release  *sql.Stmt
}

func openDatabase(ctx context.Context, path string) (*database, error) {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a Windows drive: SQLite wants file:/C:/…
	}
	// In this order: with exclusive locking chosen before WAL, SQLite needs no shared memory beside the file.
	query := url.Values{"_pragma": {
		"busy_timeout(500)", "locking_mode(exclusive)", "journal_mode(wal)", "synchronous(normal)", "foreign_keys(1)",
	}}
	pool, err := sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: query.Encode()}).String())
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(1)
	d := &database{pool: pool}
	if err := d.prepare(ctx); err != nil {
		if isBusy(err) {
			err = fmt.Errorf("%w: %w", ErrFileInUse, err)
		}
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func isBusy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code()&0xff == sqlite3.SQLITE_BUSY || e.Code()&0xff == sqlite3.SQLITE_LOCKED)
}

// isForeignKey tells a message for a queue that was deleted a moment ago.
func isForeignKey(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code() == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
}

// prepare takes the connection, brings the file to the schema and prepares the statements.
func (d *database) prepare(ctx context.Context) (err error) {
	if d.conn, err = d.pool.Conn(ctx); err != nil {
		return err
	}
	if err := d.migrate(ctx); err != nil {
		return err
	}
	for _, p := range []struct {
		to  **sql.Stmt
		sql string
	}{
		{&d.begin, `BEGIN IMMEDIATE`},
		{&d.commit, `COMMIT`},
		{&d.rollback, `ROLLBACK`},
		{&d.insert, `INSERT INTO message (queue, message_id, body, body_md5, attributes, trace, tag, sent, due)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`},
		{&d.visible, sqlVisible},
		{&d.hold, `UPDATE message SET receives = receives + 1, received = ?1, due = ?2,
			first_received = coalesce(first_received, ?1) WHERE id IN (SELECT value FROM json_each(?3))`},
		{&d.bury, `UPDATE message SET queue = ?, source = ?, due = ?, received = NULL WHERE id = ?`},
		{&d.nextDue, sqlNextDue},
		{&d.expire, sqlExpire},
		{&d.purge, `DELETE FROM message WHERE queue = ?`},
		{&d.remove, `DELETE FROM message WHERE id = ? AND queue = ? AND message_id = ? AND receives = ?`},
		{&d.held, `SELECT received, due FROM message WHERE id = ? AND queue = ? AND message_id = ? AND receives = ?
			AND sent > ?`},
		{&d.rehide, `UPDATE message SET due = ? WHERE id = ?`},
		{&d.counts, `SELECT count(*) FILTER (WHERE due <= ?2), count(*) FILTER (WHERE due > ?2 AND received IS NOT NULL),
			count(*) FILTER (WHERE due > ?2 AND received IS NULL) FROM message WHERE queue = ?1 AND sent > ?3`},
		{&d.holds, sqlHolds},
		{&d.release, `UPDATE message SET due = ?1 WHERE received IS NOT NULL AND due > ?1`},
	} {
		statement, err := d.conn.PrepareContext(ctx, p.sql) //nolint:sqlclosecheck // it lives as long as the connection; close closes it
		if err != nil {
			return fmt.Errorf("prepare %q: %w", strings.Join(strings.Fields(p.sql), " "), err)
		}
		*p.to, d.prepared = statement, append(d.prepared, statement)
	}
	return nil
}

func (d *database) migrate(ctx context.Context) error {
	var version int
	if err := d.conn.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	switch version {
	case schemaVersion:
		return nil
	case 0:
		_, err := d.conn.ExecContext(ctx, fmt.Sprintf("BEGIN IMMEDIATE; %s PRAGMA user_version = %d; COMMIT;", schema, schemaVersion))
		return err
	}
	return fmt.Errorf("the file has schema version %d, this program knows version %d", version, schemaVersion)
}

// write runs fn in one transaction: all of it or, when fn or the commit fails, nothing.
func (d *database) write(fn func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.begin.ExecContext(uninterrupted); err != nil {
		return err
	}
	err := fn()
	if err == nil {
		_, err = d.commit.ExecContext(uninterrupted)
	}
	if err != nil {
		if _, undo := d.rollback.ExecContext(uninterrupted); undo != nil {
			return errors.Join(err, undo)
		}
	}
	return err
}

// statement runs fn, which reads or makes one change (a transaction of its own), alone on the connection.
func (d *database) statement(fn func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fn()
}

// eachRow scans the rows one by one, and closes them.
func eachRow(rows *sql.Rows, scan func() error) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := scan(); err != nil {
			return err
		}
	}
	return rows.Err()
}

// close releases the file; SQLite folds the log into it. SQLite keeps a file, and its lock, for as long as a statement
// is prepared on it, so these go first.
func (d *database) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var err error
	for _, statement := range d.prepared {
		err = errors.Join(err, statement.Close())
	}
	if d.conn != nil {
		err = errors.Join(err, d.conn.Close())
	}
	return errors.Join(err, d.pool.Close())
}
