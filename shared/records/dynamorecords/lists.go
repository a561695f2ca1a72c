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

// Usage implements upload.Records. The stored files are summed from by-bytes, all of them. Pending ones are counted
// among the newest maxRead records of the entry (fewer where those have more than DynamoDB's 1 MB), so that what waits
// costs no more than that to count. A file that is stored between the two is not counted.
func (s *Store) Usage(ctx context.Context, journal upload.Journal, entry upload.Entry,
	kind policy.KindName) (_ upload.Usage, err error) {
	ctx, end := s.begin(ctx, &err, "sum what %s/entries/%s/%s holds", journal, entry, kind)
	defer end()
	u, err := s.sumStored(ctx, entryKey(journal, entry, kind))
	if err != nil {
		return upload.Usage{}, err
	}
	pending, err := s.ofEntry(ctx, upload.Query{Journal: journal, Entry: entry, Kind: kind, Status: upload.Pending,
		Limit: maxRead})
	u.Files += int64(len(pending.Records))
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

// List implements upload.Records. Stored records come from by-list. No index has the others: a page of them is
// what ofEntry finds.
func (s *Store) List(ctx context.Context, q upload.Query) (_ upload.Page, err error) {
	ctx, end := s.begin(ctx, &err, "list %s/entries/%s/%s", q.Journal, q.Entry, q.Kind)
	defer end()
	if q.Status != upload.Stored {
		return s.ofEntry(ctx, q)
	}
	name := listID{q.Name()}
	after, err := name.position(q.Cursor, q.Limit)
	if err != nil {
		return upload.Page{}, err
	}
	all := queryRange{index: listIndex, key: entryKey(q.Journal, q.Entry, q.Kind), newestFirst: true}
	found, next, err := s.merge(ctx, []*mergeSource{newSource(all, listPrefix, after, lastOfAll)}, name, q.Limit)
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

// maxRead is how many records of an entry one page of ofEntry reads.
const maxRead = upload.MaxPage

// ofEntry gives the records of any status, or of one, that are among the next maxRead of an entry. They come by
// descending id, which is newest first for every id that Hatchery makes.
func (s *Store) ofEntry(ctx context.Context, q upload.Query) (page upload.Page, _ error) {
	name := listID{q.Name()}
	after, err := name.recordKey(q.Cursor, q.Limit)
	if err != nil {
		return upload.Page{}, err
	}
	next := queryRange{index: tableItself, key: entryKey(q.Journal, q.Entry, q.Kind), newestFirst: true,
		limit: maxRead + 1}.withPrefix(recordPrefix) // one of them may be what lies at after
	if after != "" {
		next.to = after
	}
	out, err := s.query(ctx, next)
	if err != nil {
		return upload.Page{}, err
	}
	last := after
	for _, i := range out.Items {
		k := item(i).key()
		if k.sk == after {
			continue
		}
		if h, ok := s.readable(ctx, i); ok && (q.Status == "" || h.Status == q.Status) {
			if len(page.Records) == q.Limit {
				page.Next = name.cursor(last)
				return page, nil
			}
			page.Records = append(page.Records, h.Record)
		}
		last = k.sk
	}
	if out.LastEvaluatedKey != nil {
		page.Next = name.cursor(last)
	}
	return page, nil
}

// Scan implements upload.Records. A page may hold fewer records than the limit, or
// none, and have a next one.
//
// Pending records are found by by-status, which is mostly less than a second behind, and read
// from the table as they stand now. All else is a scan of the whole table: that is for the
// reconciler's survey and for operators.
func (s *Store) Scan(ctx context.Context, q upload.ScanQuery) (_ upload.Page, err error) {
	ctx, end := s.begin(ctx, &err, "list %s records", cmp.Or(string(q.Status), "all"))
	defer end()
	if q.Status == upload.Pending {
		return s.pending(ctx, q)
	}
	return s.scan(ctx, q)
}

// pending gives one page of the pending records.
func (s *Store) pending(ctx context.Context, q upload.ScanQuery) (upload.Page, error) {
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
		all := queryRange{index: statusIndex, key: shardKey(shard)}
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
		if h, ok := s.readable(ctx, items[k]); ok && h.Status == upload.Pending {
			page.Records = append(page.Records, h.Record)
		}
	}
	return page, nil
}

// scan gives what belongs on the page among the next records of the table, as many as the page may have: what is rare
// has pages without a record, none of which takes longer than one request.
func (s *Store) scan(ctx context.Context, q upload.ScanQuery) (page upload.Page, _ error) {
	name := listID{q.Name()}
	after, err := name.item(q.Cursor, q.Limit)
	if err != nil {
		return upload.Page{}, err
	}
	out, err := call(ctx, s, s.client.Scan, &dynamodb.ScanInput{TableName: &s.table, ConsistentRead: aws.Bool(true),
		ExclusiveStartKey: after, Limit: aws.Int32(int32(q.Limit))})
	if err != nil {
		return upload.Page{}, err
	}
	for _, i := range out.Items {
		if !strings.HasPrefix(item(i).key().sk, recordPrefix) {
			continue
		}
		if h, ok := s.readable(ctx, i); ok && q.Matches(h.Record) {
			page.Records = append(page.Records, h.Record)
		}
	}
	if out.LastEvaluatedKey != nil {
		page.Next = name.itemCursor(item(out.LastEvaluatedKey).key())
	}
	return page, nil
}
