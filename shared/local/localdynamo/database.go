package localdynamo

import (
	"context"
	"database/sql"
	"encoding/json"
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

// An item is kept as the JSON of the protocol, under its key as bytes that sort as DynamoDB sorts. entry is what the
// secondary indexes hold: it leads from an index key, with the item's own key after it for a stable order among equals.
// expires is in seconds since 1970, NULL without time to live. token remembers transactions by their client's token.
const schema = `
CREATE TABLE tab (
	id      INTEGER PRIMARY KEY AUTOINCREMENT,
	name    TEXT NOT NULL UNIQUE,
	input   TEXT NOT NULL,
	ttl     TEXT NOT NULL DEFAULT '',
	created INTEGER NOT NULL
);
CREATE TABLE item (
	id      INTEGER PRIMARY KEY,
	tab     INTEGER NOT NULL,
	hash    BLOB NOT NULL,
	sort    BLOB NOT NULL,
	data    TEXT NOT NULL,
	expires INTEGER
);
CREATE UNIQUE INDEX item_by_key ON item (tab, hash, sort);
CREATE INDEX item_expires ON item (tab, expires) WHERE expires IS NOT NULL;
CREATE TABLE entry (
	tab    INTEGER NOT NULL,
	number INTEGER NOT NULL,
	hash   BLOB NOT NULL,
	sort   BLOB NOT NULL,
	pk     BLOB NOT NULL,
	sk     BLOB NOT NULL,
	item   INTEGER NOT NULL,
	PRIMARY KEY (tab, number, hash, sort, pk, sk)
) WITHOUT ROWID;
CREATE TABLE token (
	token  TEXT PRIMARY KEY,
	digest BLOB NOT NULL,
	at     INTEGER NOT NULL
) WITHOUT ROWID;
`

// uninterrupted is the context of every statement: a caller that hangs up must not leave a transaction half done.
var uninterrupted = context.Background()

// database is SQLite behind one connection: it has a single writer anyway, and with one connection the mutex is the
// only queue that callers stand in, every call sees all that was answered before it, and statements are prepared once.
type database struct {
	pool *sql.DB
	mu   sync.Mutex // guards conn and the statements
	conn *sql.Conn

	prepared                []*sql.Stmt // all of those below, to be closed
	begin, commit, rollback *sql.Stmt
	get, put, remove        *sql.Stmt
	enter, leave            *sql.Stmt
	token, remember, forget *sql.Stmt
}

// openDatabase opens the file, or for path "" a database in memory.
func openDatabase(ctx context.Context, path string) (*database, error) {
	pool, err := sql.Open("sqlite", dataSource(path))
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

func dataSource(path string) string {
	if path == "" {
		return ":memory:"
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a Windows drive: SQLite wants file:/C:/…
	}
	// In this order: with exclusive locking chosen before WAL, SQLite needs no shared memory beside the file.
	query := url.Values{"_pragma": {
		"busy_timeout(500)", "locking_mode(exclusive)", "journal_mode(wal)", "synchronous(normal)",
	}}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: query.Encode()}).String()
}

func isBusy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code()&0xff == sqlite3.SQLITE_BUSY || e.Code()&0xff == sqlite3.SQLITE_LOCKED)
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
		{&d.get, `SELECT data FROM item WHERE tab = ? AND hash = ? AND sort = ?`},
		{&d.put, `INSERT INTO item (tab, hash, sort, data, expires) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (tab, hash, sort) DO UPDATE SET data = excluded.data, expires = excluded.expires RETURNING id`},
		{&d.remove, `DELETE FROM item WHERE tab = ? AND hash = ? AND sort = ?`},
		{&d.enter, `INSERT OR REPLACE INTO entry (tab, number, hash, sort, pk, sk, item) VALUES (?, ?, ?, ?, ?, ?, ?)`},
		{&d.leave, `DELETE FROM entry WHERE tab = ? AND number = ? AND hash = ? AND sort = ? AND pk = ? AND sk = ?`},
		{&d.token, `SELECT digest FROM token WHERE token = ? AND at > ?`},
		{&d.remember, `INSERT OR REPLACE INTO token (token, digest, at) VALUES (?, ?, ?)`},
		{&d.forget, `DELETE FROM token WHERE at <= ?`},
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

// read runs fn alone on the connection, so that all it reads is of one moment.
func (d *database) read(fn func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fn()
}

// item reads one item, nil when it is not there. To be called in read or write, as all that follows.
func (d *database) item(t *table, k key) (item, error) {
	var data []byte
	err := d.get.QueryRowContext(uninterrupted, t.id, k.hash, k.sort).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil //nolint:nilnil // no item is a usual answer here, and a nil map serves as one
	}
	if err != nil {
		return nil, err
	}
	return decodeItem(data)
}

func decodeItem(data []byte) (item, error) {
	var it item
	err := json.Unmarshal(data, &it)
	return it, err
}

// store replaces an item by another one of the same key; nil is none.
func (d *database) store(t *table, k key, old, new item) error {
	for _, x := range t.indexes {
		if old != nil && x.holds(old) && (new == nil || !x.holds(new) || !x.of(old).equal(x.of(new))) {
			at := x.of(old)
			if _, err := d.leave.ExecContext(uninterrupted, t.id, x.number, at.hash, at.sort, k.hash, k.sort); err != nil {
				return err
			}
		}
	}
	if new == nil {
		_, err := d.remove.ExecContext(uninterrupted, t.id, k.hash, k.sort)
		return err
	}
	var id int64
	row := d.put.QueryRowContext(uninterrupted, t.id, k.hash, k.sort, string(appendItem(nil, new)), t.expiry(new))
	if err := row.Scan(&id); err != nil {
		return err
	}
	for _, x := range t.indexes {
		if x.holds(new) && (old == nil || !x.holds(old) || !x.of(old).equal(x.of(new))) {
			at := x.of(new)
			if _, err := d.enter.ExecContext(uninterrupted, t.id, x.number, at.hash, at.sort, k.hash, k.sort, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// eachRow calls scan for one row after the other until it says that is enough, and closes them.
func eachRow(rows *sql.Rows, scan func() (more bool, err error)) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if more, err := scan(); err != nil || !more {
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
