package sqliterecords

import (
	"cmp"
	"context"
	"database/sql"
	"math"
	"time"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// reads are the readers' statements.
type reads struct {
	find, usage, list, listAny, byStatus, all *sql.Stmt
}

// Each list goes on after a position and is read by one index, in its order;
// listAnySQL sorts what one entry holds.
const (
	usageSQL = `SELECT count(*), coalesce(sum(CASE status WHEN 'stored' THEN size END), 0) FROM uploads
		WHERE journal = ? AND entry = ? AND kind = ? AND status IN ('pending', 'stored')`
	listSQL = `SELECT ` + columns + ` FROM uploads WHERE journal = ? AND entry = ? AND kind = ? AND status = ?
		AND (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT ?`
	listAnySQL = `SELECT ` + columns + ` FROM uploads WHERE journal = ? AND entry = ? AND kind = ?
		AND (created_at, id) < (?, ?) ORDER BY created_at DESC, id DESC LIMIT ?`
	byStatusSQL = `SELECT ` + columns + ` FROM uploads WHERE status = ? AND created_at < ?
		AND (created_at, seq) > (?, ?) ORDER BY created_at, seq LIMIT ?`
	allSQL = `SELECT ` + columns + ` FROM uploads WHERE seq > ? ORDER BY seq LIMIT ?`
)

func prepareReads(ctx context.Context, db *sql.DB) (*reads, error) {
	r := &reads{}
	// The pool closes them.
	_, err := prepareAll(ctx, db, map[**sql.Stmt]string{&r.find: findSQL, &r.usage: usageSQL,
		&r.list: listSQL, &r.listAny: listAnySQL, &r.byStatus: byStatusSQL, &r.all: allSQL})
	return r, err
}

// Get implements upload.Records.
func (s *Store) Get(ctx context.Context, ref upload.Ref) (upload.Record, error) {
	r, err := find(ctx, s.read.find, ref)
	return r.Record, s.wrap(err, "get the record of %s", ref)
}

// Count says how many records there are. It reads one index, and no record.
func (s *Store) Count(ctx context.Context) (int, error) {
	var n int
	err := s.readers.QueryRowContext(ctx, "SELECT count(*) FROM uploads").Scan(&n)
	return n, s.wrap(err, "count the records")
}

// Usage implements upload.Records.
func (s *Store) Usage(ctx context.Context, journal upload.Journal, entry upload.Entry,
	kind policy.KindName) (upload.Usage, error) {
	var u upload.Usage
	err := s.read.usage.QueryRowContext(ctx, journal, entry, kind).Scan(&u.Files, &u.Bytes)
	return u, s.wrap(err, "sum what %s/entries/%s/%s holds", journal, entry, kind)
}

// List implements upload.Records. An empty Status means any.
func (s *Store) List(ctx context.Context, q upload.Query) (upload.Page, error) {
	page, err := s.page(ctx, q.Name(), q.Cursor, q.Limit, newest, func(after position, limit int) (*sql.Rows, error) {
		if q.Status == "" {
			return s.read.listAny.QueryContext(ctx, q.Journal, q.Entry, q.Kind, after.at, after.id, limit)
		}
		return s.read.list.QueryContext(ctx, q.Journal, q.Entry, q.Kind, q.Status, after.at, after.id, limit)
	})
	return page, s.wrap(err, "list %s/entries/%s/%s", q.Journal, q.Entry, q.Kind)
}

// Scan implements upload.Records.
func (s *Store) Scan(ctx context.Context, q upload.ScanQuery) (upload.Page, error) {
	page, err := s.page(ctx, q.Name(), q.Cursor, q.Limit, oldest, func(after position, limit int) (*sql.Rows, error) {
		if q.Status == "" {
			return s.read.all.QueryContext(ctx, after.seq, limit)
		}
		before := int64(math.MaxInt64)
		if !q.Before.IsZero() {
			before = ceilMicro(q.Before)
		}
		return s.read.byStatus.QueryContext(ctx, q.Status, before, after.at, after.seq, limit)
	})
	return page, s.wrap(err, "list %s records", cmp.Or(string(q.Status), "all"))
}

// ceilMicro gives the first whole microsecond that is not before t, so that
// comparing with it is comparing with t.
func ceilMicro(t time.Time) int64 {
	floor := t.UnixMicro()
	if t.Nanosecond()%1000 != 0 {
		floor++
	}
	return floor
}

// page reads one page of a list from where its cursor points, or from its start.
func (s *Store) page(ctx context.Context, list upload.ListName, cursor upload.Cursor, limit int, start position,
	query func(after position, limit int) (*sql.Rows, error)) (_ upload.Page, err error) {
	after, err := positionOf(list, cursor, limit, start)
	if err != nil {
		return upload.Page{}, err
	}
	// One more than asked for tells whether this is the last page.
	rows, err := query(after, limit+1)
	if err != nil {
		return upload.Page{}, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err below has what there is to say
	var page upload.Page
	var last position
	for rows.Next() {
		if len(page.Records) == limit {
			page.Next = last.cursor(list)
			break
		}
		r, err := scan(rows)
		if err != nil {
			return upload.Page{}, err
		}
		page.Records = append(page.Records, r.Record)
		last = position{at: r.CreatedAt.UnixMicro(), seq: r.seq, id: r.ID}
	}
	if err := rows.Err(); err != nil {
		return upload.Page{}, err
	}
	return page, nil
}
