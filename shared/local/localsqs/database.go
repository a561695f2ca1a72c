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

	"hatchery/shared/sqlitefile"
)

// schemaVersion goes up whenever schema changes. It is the file's user_version.
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

// uninterrupted is the context of every statement: each takes well under a millisecond, and a caller that hangs up must
// not leave a transaction half done.
var uninterrupted = context.Background()

// ErrFileInUse is returned by Open when another process, or another Server of this one, serves the same file.
var ErrFileInUse = errors.New("the file is in use")

// database is a SQLite file that nobody else may have open. It has one connection: SQLite has a single writer anyway,
// so the mutex before the connection is the only queue that callers stand in, and every call sees all that was
// answered before it. Foreign keys are enforced.
type database struct {
	pool *sql.DB
	mu   sync.Mutex // guards conn
	conn connection
}

// connection is for the functions that write and alone run.
type connection struct {
	*sql.Conn
	prepared map[string]*sql.Stmt // by query; each at its first use
}

// openDatabase opens the file at path, which is absolute, and makes it when it does not exist; its folder must. A file
// without a schema gets this one, and a file of another version is refused rather than misread. The error is
// ErrFileInUse when somebody else has the file. After an error nothing stays open.
func openDatabase(ctx context.Context, path string, version int, schema string) (*database, error) {
	if err := sqlitefile.Create(path); err != nil {
		return nil, err
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a Windows drive: SQLite wants file:/C:/…
	}
	// In this order: with exclusive locking chosen before WAL, SQLite needs no shared memory beside the file.
	query := url.Values{"_pragma": {
		"busy_timeout(500)", "locking_mode(exclusive)", "journal_mode(wal)", "synchronous(normal)", "foreign_keys(1)",
	}}
	source := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: query.Encode()}
	pool, err := sql.Open("sqlite", source.String())
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(1)
	d := &database{pool: pool, conn: connection{prepared: map[string]*sql.Stmt{}}}
	if d.conn.Conn, err = pool.Conn(ctx); err == nil {
		err = d.migrate(ctx, version, schema)
	}
	if err != nil {
		var e *sqlite.Error
		if errors.As(err, &e) && (e.Code()&0xff == sqlite3.SQLITE_BUSY || e.Code()&0xff == sqlite3.SQLITE_LOCKED) {
			err = fmt.Errorf("%w: %w", ErrFileInUse, err)
		}
		return nil, errors.Join(sqlitefile.Explain(err), d.close())
	}
	return d, nil
}

func (d *database) migrate(ctx context.Context, version int, schema string) error {
	var found int
	if err := d.conn.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&found); err != nil {
		return err
	}
	switch found {
	case version:
		return nil
	case 0:
		_, err := d.conn.ExecContext(ctx,
			fmt.Sprintf("BEGIN IMMEDIATE; %s PRAGMA user_version = %d; COMMIT;", schema, version))
		return err
	}
	return fmt.Errorf("the file has schema version %d, this program knows version %d", found, version)
}

// isForeignKey tells whether err is SQLite's refusal of a row that refers to one that does not exist.
func isForeignKey(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code() == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY
}

// alone runs fn alone on the connection: all that it reads is of one moment, and a change is a transaction of its own.
func (d *database) alone(fn func(*connection) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fn(&d.conn)
}

// write runs fn in one transaction: all of it or, when fn or the commit fails, nothing.
func (d *database) write(fn func(*connection) error) error {
	return d.alone(func(c *connection) error {
		if _, err := c.exec(`BEGIN IMMEDIATE`); err != nil {
			return err
		}
		err := fn(c)
		if err == nil {
			_, err = c.exec(`COMMIT`)
		}
		if err != nil {
			_, _ = c.exec(`ROLLBACK`) // it fails where SQLite did so itself, as on a full disk
		}
		return err
	})
}

// exec is one statement in a transaction of its own.
func (d *database) exec(query string, args ...any) (result sql.Result, err error) {
	err = d.alone(func(c *connection) error {
		result, err = c.exec(query, args...)
		return err
	})
	return result, err
}

// with prepares a query, once, and runs use with it.
func (c *connection) with(query string, use func(*sql.Stmt) error) error {
	statement := c.prepared[query]
	if statement == nil {
		var err error
		if statement, err = c.PrepareContext(uninterrupted, query); err != nil {
			return fmt.Errorf("prepare %q: %w", strings.Join(strings.Fields(query), " "), sqlitefile.Explain(err))
		}
		c.prepared[query] = statement
	}
	return sqlitefile.Explain(use(statement))
}

func (c *connection) exec(query string, args ...any) (result sql.Result, err error) {
	err = c.with(query, func(statement *sql.Stmt) (err error) {
		result, err = statement.ExecContext(uninterrupted, args...)
		return err
	})
	return result, err
}

// row reads the one row of a query; sql.ErrNoRows is none.
func (c *connection) row(query string, args []any, into ...any) error {
	return c.with(query, func(statement *sql.Stmt) error {
		return statement.QueryRowContext(uninterrupted, args...).Scan(into...)
	})
}

// each calls scan for one row of a query after the other.
func (c *connection) each(query string, args []any, scan func(row *sql.Rows) error) error {
	return c.with(query, func(statement *sql.Stmt) (err error) {
		rows, err := statement.QueryContext(uninterrupted, args...)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rows.Close()) }()
		for rows.Next() {
			if err := scan(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}

// close releases the file; SQLite folds the log into it. SQLite keeps a file, and its lock, for as long as a statement
// is prepared on it, so these go first.
func (d *database) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var err error
	for _, statement := range d.conn.prepared {
		err = errors.Join(err, statement.Close())
	}
	if d.conn.Conn != nil {
		err = errors.Join(err, d.conn.Close())
	}
	return errors.Join(err, d.pool.Close())
}
