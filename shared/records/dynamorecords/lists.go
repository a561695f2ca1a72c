package dynamorecords

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// Usage implements upload.Records. It reads the stored files' part of by-bytes and the
// pending files' part of by-list, so its cost grows with what the entry holds. A file that is
// stored between the two is not counted.
func (s *Store) Usage(ctx context.Context, journal upload.Journal, entry upload.Entry,
	kind policy.KindName) (_ upload.Usage, err error) {
	ctx, end := s.begin(ctx, &err, "sum what %s/entries/%s/%s holds", journal, entry, kind)
	defer end()
	pk := entryKey(journal, entry, kind)
	u, err := s.sumStored(ctx, pk)
	if err != nil {
		return upload.Usage{}, err
	}
	pending, err := s.count(ctx, pk, upload.Pending)
	u.Files += pending
	return u, err
}

// sumStored sums what an entry has stored.
func (s *Store) sumStored(ctx context.Context, pk string) (upload.Usage, error) {
	var u upload.Usage
	// From "#" is all of it, also what has no checksum. That a range is named keeps out what
	// has no such key where an endpoint's local indexes are not sparse (minidyn).
	all := queryRange{index: bytesIndex, key: pk, from: "#", to: lastOfAll, only: "size"}
	for {
		out, err := s.query(ctx, all)
		if err != nil {
			return upload.Usage{}, err
		}
		for _, i := range out.Items {
			r := reading{item: i}
			u.Files, u.Bytes = u.Files+1, u.Bytes+r.number("size")
			if r.err != nil {
				return upload.Usage{}, r.err
			}
		}
		if all.start = out.LastEvaluatedKey; all.start == nil {
			return u, nil
		}
	}
}

// count counts the records of one status that an entry has.
func (s *Store) count(ctx context.Context, pk string, status upload.Status) (int64, error) {
	var n int64
	all := queryRange{index: listIndex, key: pk, countOnly: true}.withPrefix(string(status) + "#")
	for {
		out, err := s.query(ctx, all)
		if err != nil {
			return 0, err
		}
		n += int64(out.Count)
		if all.start = out.LastEvaluatedKey; all.start == nil {
			return n, nil
		}
	}
}

// readable reads an item for a list; false is left out. One that is damaged must not keep
// the others from whoever lists them.
func (s *Store) readable(ctx context.Context, i item) (storedItem, bool) {
	h, err := parseItem(i)
	if err != nil {
		s.logDamaged(ctx, i, err)
		return storedItem{}, false
	}
	return h, !h.gone(s.o.Now())
}

// List implements upload.Records. A page may hold fewer records than the query's limit, or
// none, and have a next one.
func (s *Store) List(ctx context.Context, q upload.Query) (_ upload.Page, err error) {
	ctx, end := s.begin(ctx, &err, "list %s/entries/%s/%s", q.Journal, q.Entry, q.Kind)
	defer end()
	name := listID{q.Name()}
	after, err := name.position(q.Cursor, q.Limit)
	if err != nil {
		return upload.Page{}, err
	}
	statuses := []upload.Status{q.Status}
	if q.Status == "" {
		statuses = upload.Statuses()
	}
	pk := entryKey(q.Journal, q.Entry, q.Kind)
	var sources []*mergeSource
	for _, status := range statuses {
		all := queryRange{index: listIndex, key: pk, newestFirst: true}
		sources = append(sources, newSource(all, string(status)+"#", after, lastOfAll))
	}
	found, next, err := s.merge(ctx, sources, name, q.Limit)
	if err != nil {
		return upload.Page{}, err
	}
	page := upload.Page{Next: next}
	for _, i := range found {
		if h, ok := s.readable(ctx, i); ok {
			page.Records = append(page.Records, h.Record)
		}
	}
	return page, nil
}

// Scan implements upload.Records. A page may hold fewer records than the limit, or
// none, and have a next one.
//
// With a status the records are found by by-status, which is mostly less than a second
// behind, and read from the table as they stand now. Without one it reads the whole table:
// that is for operators.
func (s *Store) Scan(ctx context.Context, q upload.ScanQuery) (_ upload.Page, err error) {
	ctx, end := s.begin(ctx, &err, "list %s records", cmp.Or(string(q.Status), "all"))
	defer end()
	if q.Status == "" {
		return s.all(ctx, q)
	}
	return s.ofStatus(ctx, q)
}

// ofStatus gives one page of the records of one status.
func (s *Store) ofStatus(ctx context.Context, q upload.ScanQuery) (upload.Page, error) {
	name := listID{q.Name()}
	after, err := name.position(q.Cursor, q.Limit)
	if err != nil {
		return upload.Page{}, err
	}
	to := lastOfAll
	if !q.Before.IsZero() {
		to = textOf(ceil(q.Before, time.Microsecond))
	}
	var sources []*mergeSource
	for shard := range s.o.shards {
		all := queryRange{index: statusIndex, key: shardKey(q.Status, shard)}
		sources = append(sources, newSource(all, "", after, to))
	}
	found, next, err := s.merge(ctx, sources, name, q.Limit)
	if err != nil {
		return upload.Page{}, err
	}
	page := upload.Page{Next: next}
	keys := make([]itemKey, len(found))
	for n, i := range found {
		keys[n] = i.key()
	}
	items, err := s.getAll(ctx, keys)
	if err != nil {
		return upload.Page{}, err
	}
	for _, k := range keys {
		if items[k] == nil {
			continue // forgotten since
		}
		if h, ok := s.readable(ctx, items[k]); ok && h.Status == q.Status {
			page.Records = append(page.Records, h.Record)
		}
	}
	return page, nil
}

// What one page of all reads at most: scans, and items of a scan beyond those
// asked for, because not every item is a record.
const (
	maxScans  = 20
	scanExtra = 100
)

func (s *Store) all(ctx context.Context, q upload.ScanQuery) (upload.Page, error) {
	name, limit := listID{q.Name()}, q.Limit
	after, err := name.item(q.Cursor, limit)
	if err != nil {
		return upload.Page{}, err
	}
	in := &dynamodb.ScanInput{TableName: &s.table, ConsistentRead: aws.Bool(true), ExclusiveStartKey: after}
	var page upload.Page
	for range maxScans {
		in.Limit = aws.Int32(int32(limit - len(page.Records) + scanExtra))
		out, err := call(ctx, s, s.client.Scan, in)
		if err != nil {
			return upload.Page{}, err
		}
		for _, i := range out.Items {
			k := item(i).key()
			if !strings.HasPrefix(k.sk, recordPrefix) {
				continue
			}
			if len(page.Records) == limit {
				page.Next = name.itemCursor(keyOf(page.Records[limit-1].Ref()))
				return page, nil
			}
			if h, ok := s.readable(ctx, i); ok {
				page.Records = append(page.Records, h.Record)
			}
		}
		if out.LastEvaluatedKey == nil {
			return page, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
	page.Next = name.itemCursor(item(in.ExclusiveStartKey).key())
	return page, nil
}
