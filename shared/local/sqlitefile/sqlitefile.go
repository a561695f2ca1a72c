// Package sqlitefile keeps the state of a stand-in in one SQLite file that nobody else may have open.
//
// There is one connection. SQLite has a single writer anyway, and so the mutex before the connection is the only queue
// that callers stand in, every call sees all that was answered before it, and each statement is prepared once.
//
// The file is in WAL mode with synchronous=NORMAL: a commit is a completed write(2) into the log before Write returns.
// A killed process loses nothing that was written; losing power may lose the last commits, never the file's integrity.
// The file is opened with locking_mode=EXCLUSIVE, and the lock dies with its process. Foreign keys are enforced.
package sqlitefile

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"strings"
	"sync"

	"modernc.org/sqlite" // also registers the "sqlite" driver
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrInUse: another process, or another Database of this one, has the file open.
var ErrInUse = errors.New("the file is in use")

// uninterrupted is the context of every statement: a caller that hangs up must not leave a transaction half done.
var uninterrupted = context.Background()

// Schema is what a file holds.
type Schema struct {
	// Version, above 0, is kept in the file's user_version.
	Version int
	// SQL makes the tables and indexes of an empty file.
	SQL string
}

// Database is an open file. Write, Alone and Close may be called by several goroutines at once; the connection and the
// prepared statements are for the functions that Write and Alone run.
type Database struct {
	pool *sql.DB
	mu   sync.Mutex // guards conn and the statements
	conn *sql.Conn

	prepared                []*sql.Stmt // to be closed
	begin, commit, rollback *sql.Stmt
}

// Open opens the file at path, which is absolute, and makes it when it is not there; its folder must be. For path ""
// it is a database in memory, until Close. A file without a schema gets this one, and a file of another version is
// refused rather than misread. Every statement is prepared and put where its key points to. The error is ErrInUse when
// somebody else has the file. After an error nothing stays open.
func Open(ctx context.Context, path string, schema Schema, statements map[**sql.Stmt]string) (*Database, error) {
	pool, err := sql.Open("sqlite", dataSource(path))
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(1)
	d := &Database{pool: pool}
	if err := d.prepare(ctx, schema, statements); err != nil {
		if isBusy(err) {
			err = fmt.Errorf("%w: %w", ErrInUse, err)
		}
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func dataSource(path string) string {
	const foreignKeys = "foreign_keys(1)"
	if path == "" {
		return ":memory:?" + url.Values{"_pragma": {foreignKeys}}.Encode()
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a Windows drive: SQLite wants file:/C:/…
	}
	// In this order: with exclusive locking chosen before WAL, SQLite needs no shared memory beside the file.
	query := url.Values{"_pragma": {
		"busy_timeout(500)", "locking_mode(exclusive)", "journal_mode(wal)", "synchronous(normal)", foreignKeys,
	}}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: query.Encode()}).String()
}

func isBusy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code()&0xff == sqlite3.SQLITE_BUSY || e.Code()&0xff == sqlite3.SQLITE_LOCKED)
}

// IsForeignKey tells whether err is SQLite's refusal of a row that refers to one that is not there.
func IsForeignKey(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code() == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
}

// prepare takes the connection, brings the file to the schema and prepares the statements.
func (d *Database) prepare(ctx context.Context, schema Schema, statements map[**sql.Stmt]string) (err error) {
	if d.conn, err = d.pool.Conn(ctx); err != nil {
		return err
	}
	if err := d.migrate(ctx, schema); err != nil {
		return err
	}
	wanted := map[**sql.Stmt]string{&d.begin: `BEGIN IMMEDIATE`, &d.commit: `COMMIT`, &d.rollback: `ROLLBACK`}
	maps.Copy(wanted, statements)
	for to, query := range wanted {
		statement, err := d.conn.PrepareContext(ctx, query) //nolint:sqlclosecheck // it lives as long as the connection; Close closes it
		if err != nil {
			return fmt.Errorf("prepare %q: %w", strings.Join(strings.Fields(query), " "), err)
		}
		*to, d.prepared = statement, append(d.prepared, statement)
	}
	return nil
}

func (d *Database) migrate(ctx context.Context, schema Schema) error {
	var version int
	if err := d.conn.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
		return err
	}
	switch version {
	case schema.Version:
		return nil
	case 0:
		_, err := d.conn.ExecContext(ctx, fmt.Sprintf("BEGIN IMMEDIATE; %s PRAGMA user_version = %d; COMMIT;", schema.SQL, schema.Version))
		return err
	}
	return fmt.Errorf("the file has schema version %d, this program knows version %d", version, schema.Version)
}

// Conn is the connection, for queries that are not worth preparing.
func (d *Database) Conn() *sql.Conn { return d.conn }

// Write runs fn in one transaction: all of it or, when fn or the commit fails, nothing. Neither Write nor Alone may be
// called within.
func (d *Database) Write(fn func() error) error {
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

// Alone runs fn alone on the connection: all that it reads is of one moment, and a change is a transaction of its own.
func (d *Database) Alone(fn func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fn()
}

// Each runs a query, within Write or Alone, and calls scan for one row after the other until it says that is enough.
func (d *Database) Each(query string, args []any, scan func(row *sql.Rows) (more bool, err error)) error {
	rows, err := d.conn.QueryContext(uninterrupted, query, args...)
	if err != nil {
		return err
	}
	return eachRow(rows, scan)
}

// EachOf is Each for a prepared statement.
func EachOf(statement *sql.Stmt, args []any, scan func(row *sql.Rows) (more bool, err error)) error {
	rows, err := statement.QueryContext(uninterrupted, args...)
	if err != nil {
		return err
	}
	return eachRow(rows, scan)
}

func eachRow(rows *sql.Rows, scan func(*sql.Rows) (more bool, err error)) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if more, err := scan(rows); err != nil || !more {
			return err
		}
	}
	return rows.Err()
}

// Close releases the file; SQLite folds the log into it. SQLite keeps a file, and its lock, for as long as a statement
// is prepared on it, so these go first.
func (d *Database) Close() error {
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
