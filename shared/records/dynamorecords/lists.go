package dynamorecords

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// Usage implements upload.Records. It reads the stored files' part of by-bytes
// and the pending files' part of by-list, so its cost grows with what the entry
// holds. A file that is stored between the two is not counted.
func (s *Store) Usage(ctx context.Context, journal upload.Journal, entry upload.Entry, kind policy.KindName) (upload.Usage, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	pk := entryKey(journal, entry, kind)
	u, err := s.sumStored(ctx, pk)
	if err == nil {
		var pending int64
		pending, err = s.count(ctx, pk, upload.Pending)
		u.Files += pending
	}
	if err != nil {
		return upload.Usage{}, s.wrap(err, "sum what %s/entries/%s/%s holds", journal, entry, kind)
	}
	return u, nil
}

// sumStored sums what an entry has stored.
func (s *Store) sumStored(ctx context.Context, pk string) (upload.Usage, error) {
	var u upload.Usage
	// From "#" is all of it, also what has no checksum. That a range is named keeps out
	// what has no such key where an endpoint's local indexes are not sparse (minidyn).
	all := queryRange{index: bytesIndex, hashName: partitionKey, hash: pk, sortName: bytesKey, from: "#", to: lastOfAll,
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
	all := queryRange{index: listIndex, hashName: partitionKey, hash: pk, sortName: listKey, from: prefix, to: prefix + lastOfAll, consistent: true, countOnly: true}
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
func (s *Store) listed(ctx context.Context, i item) (storedItem, bool) {
	h, err := parseItem(i)
	if err != nil {
		s.tellDamaged(ctx, i, err)
		return storedItem{}, false
	}
	return h, !h.gone(s.o.Now())
}

// List implements upload.Records. An empty Status means any. A page may hold fewer
// than the query's limit, or none, and have a next one.
func (s *Store) List(ctx context.Context, q upload.Query) (upload.Page, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	page, err := s.list(ctx, q)
	return page, s.wrap(err, "list %s/entries/%s/%s", q.Journal, q.Entry, q.Kind)
}

func (s *Store) list(ctx context.Context, q upload.Query) (upload.Page, error) {
	name := listID{q.Name()}
	after, err := name.place(q.Cursor, q.Limit)
	if err != nil {
		return upload.Page{}, err
	}
	statuses := []upload.Status{q.Status}
	if q.Status == "" {
		statuses = []upload.Status{upload.Pending, upload.Stored, upload.Rejected, upload.Deleted}
	}
	pk := entryKey(q.Journal, q.Entry, q.Kind)
	var sources []*mergeSource
	for _, status := range statuses {
		sources = append(sources, newSource(queryRange{index: listIndex, hashName: partitionKey, hash: pk, sortName: listKey, newestFirst: true, consistent: true},
			string(status)+"#", after, ""))
	}
	found, err := s.merge(ctx, sources, q.Limit+1)
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

// Scan implements upload.Records. A page may hold fewer records than the limit, or
// none, and have a next one.
//
// With a status, which records there are comes from by-status, which is a moment
// behind, mostly less than a second; what is given is read from the table, as it stands
// now. Without one it reads the whole table: that is for operators.
func (s *Store) Scan(ctx context.Context, q upload.ScanQuery) (upload.Page, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	if q.Status == "" {
		page, err := s.all(ctx, q)
		return page, s.wrap(err, "list all records")
	}
	page, err := s.ofStatus(ctx, q)
	return page, s.wrap(err, "list the %s records", q.Status)
}

// ofStatus gives one page of the records of one status.
func (s *Store) ofStatus(ctx context.Context, q upload.ScanQuery) (upload.Page, error) {
	name := listID{q.Name()}
	after, err := name.place(q.Cursor, q.Limit)
	if err != nil {
		return upload.Page{}, err
	}
	to := lastOfAll
	if !q.Before.IsZero() {
		to = textOf(ceilMicro(q.Before))
	}
	var sources []*mergeSource
	for shard := range s.o.Shards {
		sources = append(sources, newSource(queryRange{index: statusIndex, hashName: statusShard, hash: shardKey(q.Status, shard), sortName: statusAt}, "", after, to))
	}
	found, err := s.merge(ctx, sources, q.Limit+1)
	if err != nil {
		return upload.Page{}, err
	}
	var page upload.Page
	if len(found) > q.Limit {
		found = found[:q.Limit]
		page.Next = name.cursor(found[q.Limit-1].place)
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
		if h, ok := s.listed(ctx, items[k]); ok && h.Status == q.Status {
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

// queryRange is part of an index, to be queried.
type queryRange struct {
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

// queryPage is one page of a queryRange.
type queryPage struct {
	items []item
	count int64
	end   map[string]types.AttributeValue // nil: there is no more
}

// query reads one page of a queryRange.
func (s *Store) query(ctx context.Context, q queryRange) (queryPage, error) {
	if q.sortName != "" && q.from > q.to {
		return queryPage{}, nil // DynamoDB takes that for a mistake
	}
	if !(itemKey{q.hash, q.from}).possible() || !(itemKey{q.hash, q.to}).possible() {
		return queryPage{}, nil
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
	out, err := call(ctx, s, s.client.Query, in)
	if err != nil {
		return queryPage{}, fmt.Errorf("query %s: %w", q.index, err)
	}
	f := queryPage{count: int64(out.Count), end: out.LastEvaluatedKey}
	for _, i := range out.Items {
		f.items = append(f.items, i)
	}
	return f, nil
}
