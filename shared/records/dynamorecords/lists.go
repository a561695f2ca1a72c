package dynamorecords

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hatchery/shared/upload"
)

// Usage implements upload.Records. It reads the stored files' part of by-bytes
// and the pending files' part of by-list, so its cost grows with what the entry
// holds. A file that is stored between the two is not counted.
func (s *Store) Usage(ctx context.Context, journal upload.Journal, entry upload.Entry, kind upload.KindName) (upload.Usage, error) {
	ctx, cancel := s.patient(ctx)
	defer cancel()
	pk := entryKey(journal, entry, kind)
	u, err := s.sumStored(ctx, pk)
	if err == nil {
		var pending int64
		pending, err = s.count(ctx, pk, upload.Pending)
		u.Files += pending
	}
	if err != nil {
		return upload.Usage{}, s.trouble(err, "sum what %s/entries/%s/%s holds", journal, entry, kind)
	}
	return u, nil
}

// sumStored sums what an entry has stored.
func (s *Store) sumStored(ctx context.Context, pk string) (upload.Usage, error) {
	var u upload.Usage
	// From "#" is all of it, also what has no checksum. That a range is named keeps out
	// what has no such key where an endpoint's local indexes are not sparse (minidyn).
	all := span{index: bytesIndex, hashName: partitionKey, hash: pk, sortName: bytesKey, from: "#", to: lastOfAll,
		consistent: true, only: "size"}
	for {
		out, err := s.query(ctx, all)
		if err != nil {
			return upload.Usage{}, err
		}
		for _, i := range out.items {
			r := reading{item: i}
			u.Files, u.Bytes = u.Files+1, u.Bytes+r.number("size")
			if r.err != nil {
				return upload.Usage{}, r.err
			}
		}
		if all.start = out.end; all.start == nil {
			return u, nil
		}
	}
}

// count counts the records of one status that an entry has.
func (s *Store) count(ctx context.Context, pk string, status upload.Status) (int64, error) {
	var n int64
	prefix := string(status) + "#"
	all := span{index: listIndex, hashName: partitionKey, hash: pk, sortName: listKey, from: prefix, to: prefix + lastOfAll, consistent: true, countOnly: true}
	for {
		out, err := s.query(ctx, all)
		if err != nil {
			return 0, err
		}
		n += out.count
		if all.start = out.end; all.start == nil {
			return n, nil
		}
	}
}

// listed reads an item for a list; false is left out. One that is damaged must not
// keep the others from whoever lists them.
func (s *Store) listed(ctx context.Context, i item) (held, bool) {
	h, err := heldOf(i)
	if err != nil {
		s.tellDamaged(ctx, i, err)
		return held{}, false
	}
	return h, !h.gone(s.o.Now())
}

// List implements upload.Records. An empty Status means any. A page may hold fewer
// than the query's limit, or none, and have a next one.
func (s *Store) List(ctx context.Context, q upload.Query) (upload.Page, error) {
	ctx, cancel := s.patient(ctx)
	defer cancel()
	page, err := s.list(ctx, q)
	return page, s.trouble(err, "list %s/entries/%s/%s", q.Journal, q.Entry, q.Kind)
}

func (s *Store) list(ctx context.Context, q upload.Query) (upload.Page, error) {
	name := listName("list", string(q.Journal), string(q.Entry), string(q.Kind), string(q.Status))
	after, err := name.place(q.Cursor, q.Limit)
	if err != nil {
		return upload.Page{}, err
	}
	statuses := []upload.Status{q.Status}
	if q.Status == "" {
		statuses = []upload.Status{upload.Pending, upload.Stored, upload.Rejected, upload.Deleted}
	}
	pk := entryKey(q.Journal, q.Entry, q.Kind)
	var strands []*strand
	for _, status := range statuses {
		strands = append(strands, newStrand(span{index: listIndex, hashName: partitionKey, hash: pk, sortName: listKey, newestFirst: true, consistent: true},
			string(status)+"#", after, ""))
	}
	found, err := s.merge(ctx, strands, q.Limit+1)
	if err != nil {
		return upload.Page{}, err
	}
	var page upload.Page
	if len(found) > q.Limit {
		found = found[:q.Limit]
		page.Next = name.cursor(found[q.Limit-1].place)
	}
	for _, f := range found {
		if h, ok := s.listed(ctx, f.item); ok {
			page.Records = append(page.Records, h.Record)
		}
	}
	return page, nil
}

// PendingBefore implements upload.Records. Which records there are comes from
// by-status, which is a moment behind, mostly less than a second; what is given
// is read from the table, as it stands now. A page may hold fewer than limit
// records, or none, and have a next one.
func (s *Store) PendingBefore(ctx context.Context, t time.Time, cursor upload.Cursor, limit int) (upload.Page, error) {
	page, err := s.ofStatus(ctx, upload.Pending, textOf(ceilMicro(t)), listName("pending"), cursor, limit)
	return page, s.trouble(err, "list the pending records")
}

// ByStatus implements upload.Records, as PendingBefore does, and in the order of
// creation.
func (s *Store) ByStatus(ctx context.Context, status upload.Status, cursor upload.Cursor, limit int) (upload.Page, error) {
	page, err := s.ofStatus(ctx, status, lastOfAll, listName("status", string(status)), cursor, limit)
	return page, s.trouble(err, "list the %s records", status)
}

// ofStatus gives one page of the records of one status that come before to in
// by-status.
func (s *Store) ofStatus(ctx context.Context, status upload.Status, to string, name listID, cursor upload.Cursor, limit int) (upload.Page, error) {
	ctx, cancel := s.patient(ctx)
	defer cancel()
	after, err := name.place(cursor, limit)
	if err != nil {
		return upload.Page{}, err
	}
	var strands []*strand
	for shard := range s.o.Shards {
		strands = append(strands, newStrand(span{index: statusIndex, hashName: statusShard, hash: shardKey(status, shard), sortName: statusAt}, "", after, to))
	}
	found, err := s.merge(ctx, strands, limit+1)
	if err != nil {
		return upload.Page{}, err
	}
	var page upload.Page
	if len(found) > limit {
		found = found[:limit]
		page.Next = name.cursor(found[limit-1].place)
	}
	keys := make([]itemKey, len(found))
	for i, f := range found {
		keys[i] = f.item.key()
	}
	items, err := s.getAll(ctx, keys)
	if err != nil {
		return upload.Page{}, err
	}
	for _, k := range keys {
		if items[k] == nil {
			continue // forgotten since
		}
		if h, ok := s.listed(ctx, items[k]); ok && h.Status == status {
			page.Records = append(page.Records, h.Record)
		}
	}
	return page, nil
}

// What one page of All reads at most: scans, and items of a scan beyond those
// asked for, because not every item is a record.
const (
	maxScans  = 20
	scanExtra = 100
)

// All implements upload.Records. It reads the whole table, whatever lies in it:
// it is for operators. A page may hold fewer than limit records, or none, and
// have a next one.
func (s *Store) All(ctx context.Context, cursor upload.Cursor, limit int) (upload.Page, error) {
	ctx, cancel := s.patient(ctx)
	defer cancel()
	page, err := s.all(ctx, cursor, limit)
	return page, s.trouble(err, "list all records")
}

func (s *Store) all(ctx context.Context, cursor upload.Cursor, limit int) (upload.Page, error) {
	name := listName("all")
	after, err := name.item(cursor, limit)
	if err != nil {
		return upload.Page{}, err
	}
	in := &dynamodb.ScanInput{TableName: &s.table, ConsistentRead: aws.Bool(true), ExclusiveStartKey: after}
	var page upload.Page
	for range maxScans {
		in.Limit = aws.Int32(int32(limit - len(page.Records) + scanExtra))
		out, err := ask(ctx, s, s.client.Scan, in)
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
			if h, ok := s.listed(ctx, i); ok {
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

// span is part of an index, to be queried.
type span struct {
	index          string
	hashName, hash string
	// From sortName = from to sortName = to, both included; all of it when
	// sortName is "".
	sortName, from, to string
	newestFirst        bool
	consistent         bool
	limit              int
	only               string // the one attribute that is wanted
	countOnly          bool
	start              map[string]types.AttributeValue
}

// answer is one page of a span.
type answer struct {
	items []item
	count int64
	end   map[string]types.AttributeValue // nil: there is no more
}

// query reads one page of a span.
func (s *Store) query(ctx context.Context, q span) (answer, error) {
	if q.sortName != "" && q.from > q.to {
		return answer{}, nil // DynamoDB takes that for a mistake
	}
	if !(itemKey{q.hash, q.from}).possible() || !(itemKey{q.hash, q.to}).possible() {
		return answer{}, nil
	}
	in := &dynamodb.QueryInput{TableName: &s.table, IndexName: &q.index, ExclusiveStartKey: q.start,
		KeyConditionExpression:    aws.String("#hash = :hash"),
		ExpressionAttributeNames:  map[string]string{"#hash": q.hashName},
		ExpressionAttributeValues: map[string]types.AttributeValue{":hash": &types.AttributeValueMemberS{Value: q.hash}},
		ScanIndexForward:          aws.Bool(!q.newestFirst)}
	if q.sortName != "" {
		in.KeyConditionExpression = aws.String("#hash = :hash AND #sort BETWEEN :from AND :to")
		in.ExpressionAttributeNames["#sort"] = q.sortName
		in.ExpressionAttributeValues[":from"] = &types.AttributeValueMemberS{Value: q.from}
		in.ExpressionAttributeValues[":to"] = &types.AttributeValueMemberS{Value: q.to}
	}
	if q.consistent {
		in.ConsistentRead = aws.Bool(true)
	}
	if q.limit > 0 {
		in.Limit = aws.Int32(int32(q.limit))
	}
	if q.only != "" {
		in.ProjectionExpression = aws.String("#only")
		in.ExpressionAttributeNames["#only"] = q.only
	}
	if q.countOnly {
		in.Select = types.SelectCount
	}
	out, err := ask(ctx, s, s.client.Query, in)
	if err != nil {
		return answer{}, fmt.Errorf("query %s: %w", q.index, err)
	}
	f := answer{count: int64(out.Count), end: out.LastEvaluatedKey}
	for _, i := range out.Items {
		f.items = append(f.items, i)
	}
	return f, nil
}
