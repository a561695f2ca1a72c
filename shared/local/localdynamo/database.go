package localdynamo

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"hatchery/shared/local/sqlitefile"
)

// schemaVersion goes up whenever schema changes.
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

// database is the file, and the statements that are prepared on it.
type database struct {
	*sqlitefile.Database

	get, put, remove        *sql.Stmt
	enter, leave            *sql.Stmt
	token, remember, forget *sql.Stmt
}

// openDatabase opens the file, or for path "" a database in memory.
func openDatabase(ctx context.Context, path string) (d *database, err error) {
	d = &database{}
	d.Database, err = sqlitefile.Open(ctx, path, sqlitefile.Schema{Version: schemaVersion, SQL: schema}, map[**sql.Stmt]string{
		&d.get: `SELECT data FROM item WHERE tab = ? AND hash = ? AND sort = ?`,
		&d.put: `INSERT INTO item (tab, hash, sort, data, expires) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (tab, hash, sort) DO UPDATE SET data = excluded.data, expires = excluded.expires RETURNING id`,
		&d.remove:   `DELETE FROM item WHERE tab = ? AND hash = ? AND sort = ?`,
		&d.enter:    `INSERT OR REPLACE INTO entry (tab, number, hash, sort, pk, sk, item) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		&d.leave:    `DELETE FROM entry WHERE tab = ? AND number = ? AND hash = ? AND sort = ? AND pk = ? AND sk = ?`,
		&d.token:    `SELECT digest FROM token WHERE token = ? AND at > ?`,
		&d.remember: `INSERT OR REPLACE INTO token (token, digest, at) VALUES (?, ?, ?)`,
		&d.forget:   `DELETE FROM token WHERE at <= ?`,
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// item reads one item, nil when it is not there. To be called in Alone or Write, as all that follows.
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
