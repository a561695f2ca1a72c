package sqliterecords

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// applicationID marks the file as ours: "Htch" in ASCII.
const applicationID = 0x48746368

// migrations take a file from one schema version to the next: the first makes an
// empty file version 1. They are only ever added to.
var migrations = []string{
	// Times are microseconds since 1970 UTC, NULL for none. seq orders records by
	// when they came to be and is what long lists page by.
	//
	// The SHA-256 claim of a stored record is its own row: uploads_bytes finds the
	// holder, so turning duplicates off later also counts what was stored before.
	`CREATE TABLE uploads (
		seq                  INTEGER PRIMARY KEY,
		journal              TEXT NOT NULL,
		entry                TEXT NOT NULL,
		kind                 TEXT NOT NULL,
		id                   TEXT NOT NULL,
		name                 TEXT NOT NULL,
		extension            TEXT NOT NULL,
		created_at           INTEGER NOT NULL,
		status               TEXT NOT NULL,
		size                 INTEGER NOT NULL,
		content_type         TEXT NOT NULL,
		sha256               TEXT NOT NULL,
		reason_code          TEXT,
		reason_message       TEXT,
		settled_at           INTEGER,
		declared_size        INTEGER NOT NULL,
		declared_type        TEXT NOT NULL,
		declared_sha256      TEXT NOT NULL,
		form_expires         INTEGER,
		judged_version       TEXT NOT NULL,
		served_version       TEXT NOT NULL,
		failures             INTEGER NOT NULL,
		last_failure_at      INTEGER,
		last_failure_message TEXT,
		deleted_at           INTEGER,
		forget_after         INTEGER
	) STRICT;
	CREATE UNIQUE INDEX uploads_ref ON uploads (journal, entry, kind, id);
	CREATE INDEX uploads_entry ON uploads (journal, entry, kind, status, created_at, id);
	CREATE INDEX uploads_bytes ON uploads (journal, entry, kind, sha256) WHERE status = 'stored';
	CREATE INDEX uploads_status ON uploads (status, created_at, seq);
	CREATE INDEX uploads_forget ON uploads (forget_after) WHERE forget_after IS NOT NULL;

	CREATE TABLE once (
		scope       TEXT NOT NULL,
		key         TEXT NOT NULL,
		fingerprint TEXT NOT NULL,
		journal     TEXT NOT NULL,
		entry       TEXT NOT NULL,
		kind        TEXT NOT NULL,
		id          TEXT NOT NULL,
		expires     INTEGER NOT NULL,
		PRIMARY KEY (scope, key)
	) STRICT, WITHOUT ROWID;
	CREATE INDEX once_expires ON once (expires);`,

	`ALTER TABLE uploads ADD COLUMN reenqueued INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE uploads ADD COLUMN reenqueued_at INTEGER;`,

	`ALTER TABLE uploads ADD COLUMN filename TEXT NOT NULL DEFAULT '';
	ALTER TABLE uploads ADD COLUMN dropped_at INTEGER;`,
}

// prepareFile makes sure that the file is ours and brings its schema up to date.
// A file that is not ours is left as it was.
func prepareFile(ctx context.Context, conn *sql.Conn, migrations []string) error {
	if err := checkFile(ctx, conn, len(migrations)); err != nil {
		return err
	}
	if err := writeAhead(ctx, conn); err != nil {
		return fmt.Errorf("switch to write-ahead logging: %w", err)
	}
	// Rolled back unless committed; an error in between is the one to tell.
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("lock the file: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // after Commit it does nothing
	var version int
	// Read again under the lock: another process may have been faster.
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	for ; version < len(migrations); version++ {
		script := fmt.Sprintf("%s; PRAGMA application_id = %d; PRAGMA user_version = %d", migrations[version], applicationID,
			version+1)
		if _, err := tx.ExecContext(ctx, script); err != nil {
			return fmt.Errorf("bring the schema to version %d: %w", version+1, err)
		}
	}
	return tx.Commit()
}

// writeAhead switches the journal mode. Of several who switch a new file at once SQLite sends all but one away, without
// waiting (sqlite3_busy_handler: to wait would be a deadlock); so each tries again, for as long as lockWait.
func writeAhead(ctx context.Context, conn *sql.Conn) error {
	for tries := 1000; ; tries-- {
		var mode string
		err := conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode)
		problem, ok := errors.AsType[*sqlite.Error](err)
		switch {
		case ok && problem.Code()&0xff == sqlite3.SQLITE_BUSY && tries > 0:
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(10 * time.Millisecond):
			}
		case err != nil:
			return err
		case mode != "wal":
			return fmt.Errorf("the journal mode stays %q, so the file system does not carry it", mode)
		default:
			return nil
		}
	}
}

// checkFile refuses a file that is no database, belongs to another program, or
// has a schema newer than known.
func checkFile(ctx context.Context, conn *sql.Conn, known int) error {
	var id, version, tables int
	err := conn.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_schema)`).Scan(&id, &version, &tables)
	switch fresh := id == 0 && version == 0 && tables == 0; {
	case err != nil:
		return fmt.Errorf("read the file: %w", err)
	case id != applicationID && !fresh:
		return errors.New("the file is an SQLite database of something else")
	case version > known:
		return fmt.Errorf("the file has schema version %d, and this program knows versions up to %d: use a newer program",
			version, known)
	}
	return nil
}
