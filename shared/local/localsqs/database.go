package localsqs

import (
	"context"
	"database/sql"

	"hatchery/shared/local/sqlitefile"
)

// schemaVersion goes up whenever schema changes.
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

// database is the file, and the statements that are prepared on it.
type database struct {
	*sqlitefile.Database

	insert                 *sql.Stmt
	visible, hold, bury    *sql.Stmt
	nextDue, expire, purge *sql.Stmt
	remove, held, rehide   *sql.Stmt
	counts, holds, release *sql.Stmt
}

func openDatabase(ctx context.Context, path string) (d *database, err error) {
	d = &database{}
	d.Database, err = sqlitefile.Open(ctx, path, sqlitefile.Schema{Version: schemaVersion, SQL: schema}, map[**sql.Stmt]string{
		&d.insert: `INSERT INTO message (queue, message_id, body, body_md5, attributes, trace, tag, sent, due)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		&d.visible: sqlVisible,
		&d.hold: `UPDATE message SET receives = receives + 1, received = ?1, due = ?2,
			first_received = coalesce(first_received, ?1) WHERE id IN (SELECT value FROM json_each(?3))`,
		&d.bury:    `UPDATE message SET queue = ?, source = ?, due = ?, received = NULL WHERE id = ?`,
		&d.nextDue: sqlNextDue,
		&d.expire:  sqlExpire,
		&d.purge:   `DELETE FROM message WHERE queue = ?`,
		&d.remove:  `DELETE FROM message WHERE id = ? AND queue = ? AND message_id = ? AND receives = ?`,
		&d.held: `SELECT received, due FROM message WHERE id = ? AND queue = ? AND message_id = ? AND receives = ?
			AND sent > ?`,
		&d.rehide: `UPDATE message SET due = ? WHERE id = ?`,
		&d.counts: `SELECT count(*) FILTER (WHERE due <= ?2), count(*) FILTER (WHERE due > ?2 AND received IS NOT NULL),
			count(*) FILTER (WHERE due > ?2 AND received IS NULL) FROM message WHERE queue = ?1 AND sent > ?3`,
		&d.holds:   sqlHolds,
		&d.release: `UPDATE message SET due = ?1 WHERE received IS NOT NULL AND due > ?1`,
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}
