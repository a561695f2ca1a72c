package localdynamo

import (
	"bytes"
	"context"
	"hash/fnv"
)

// maxPageBytes is how much one Query or Scan reads before its filter.
const maxPageBytes = 1 << 20

// listInput is what Query and Scan have in common.
type listInput struct {
	readInput
	IndexName         string
	Limit             *int
	ExclusiveStartKey item
	FilterExpression  *string
	Select            string
}

type queryInput struct {
	listInput
	KeyConditionExpression *string
	ScanIndexForward       *bool
}

type scanInput struct {
	listInput
	Segment, TotalSegments *int
}

type listOutput struct {
	Items            *[]item `json:",omitempty"`
	Count            int
	ScannedCount     int
	LastEvaluatedKey item      `json:",omitempty"`
	ConsumedCapacity *capacity `json:",omitempty"`
}

// listing is a Query or Scan ready to run.
type listing struct {
	table    *table
	index    *index // nil for the table itself
	filter   condition
	paths    []path
	count    bool // the items themselves are not asked for
	whole    bool // what a local index does not project is read from the table
	limit    int
	keys     *keyRange // nil for a scan
	backward bool
	start    *startKey
	segment  func(hash []byte) bool // nil for all
}

// startKey is where the page before ended: the key in the index, or in the table, and the item's own key.
type startKey struct{ at, own key }

// schema is the key that the listing goes by.
func (l *listing) schema() keySchema {
	if l.index != nil {
		return l.index.keySchema
	}
	return l.table.keySchema
}

func (s *Server) query(_ context.Context, in *queryInput) (*listOutput, error) {
	if err := in.refuse(); err != nil {
		return nil, err
	}
	if in.KeyConditionExpression == nil {
		return nil, invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	l, ph, err := s.prepareList(&in.listInput, true)
	if err != nil {
		return nil, err
	}
	c, err := parseCondition("KeyConditionExpression", *in.KeyConditionExpression, ph)
	if err != nil {
		return nil, err
	}
	r, err := newKeyRange(c, l.schema())
	if err != nil {
		return nil, err
	}
	for _, name := range attributes(l.filter) {
		if l.schema().has(name) {
			return nil, invalid("Filter Expression can only contain non-primary key attributes: Primary key attribute: %s", name)
		}
	}
	l.keys, l.backward = &r, in.ScanIndexForward != nil && !*in.ScanIndexForward
	if err := l.checkStart(); err != nil {
		return nil, err
	}
	return s.list(l, &in.listInput, ph)
}

func (s *Server) scan(_ context.Context, in *scanInput) (*listOutput, error) {
	l, ph, err := s.prepareList(&in.listInput, false)
	if err != nil {
		return nil, err
	}
	if l.segment, err = in.segments(); err != nil {
		return nil, err
	}
	return s.list(l, &in.listInput, ph)
}

// segments chooses the items of one segment of a parallel scan, by their hash keys.
func (in *scanInput) segments() (func([]byte) bool, error) {
	const most = 1000000
	switch {
	case in.TotalSegments == nil && in.Segment == nil:
		return nil, nil
	case in.TotalSegments == nil:
		return nil, invalid("The TotalSegments parameter is required but was not present in the request when Segment parameter is present")
	case in.Segment == nil:
		return nil, invalid("The Segment parameter is required but was not present in the request when parameter TotalSegments is present")
	case *in.TotalSegments < 1 || *in.TotalSegments > most:
		return nil, invalid("1 validation error detected: Value '%d' at 'totalSegments' failed to satisfy constraint: Member must have value from 1 to %d", *in.TotalSegments, most)
	case *in.Segment < 0 || *in.Segment >= *in.TotalSegments:
		return nil, invalid("The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: %d is not less than TotalSegments: %d", *in.Segment, *in.TotalSegments)
	}
	return func(hash []byte) bool {
		sum := fnv.New32a()
		sum.Write(hash)
		return int(sum.Sum32())%*in.TotalSegments == *in.Segment
	}, nil
}

// prepareList reads what Query and Scan have in common.
func (s *Server) prepareList(in *listInput, hasExpression bool) (*listing, *placeholders, error) {
	t, err := s.table(in.TableName)
	if err != nil {
		return nil, nil, err
	}
	if err := in.refuse(); err != nil {
		return nil, nil, err
	}
	if err := checkCapacityWord(in.ReturnConsumedCapacity); err != nil {
		return nil, nil, err
	}
	l := &listing{table: t}
	if in.IndexName != "" {
		if l.index = t.index(in.IndexName); l.index == nil {
			return nil, nil, invalid("The table does not have the specified index: %s", in.IndexName)
		}
		if in.ConsistentRead && !l.index.local {
			return nil, nil, invalid("Consistent reads are not supported on global secondary indexes")
		}
	}
	if in.Limit != nil {
		if l.limit = *in.Limit; l.limit < 1 {
			return nil, nil, invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1", l.limit)
		}
	}
	if err := l.readSelect(in); err != nil {
		return nil, nil, err
	}
	if in.ExclusiveStartKey != nil {
		if l.start, err = l.startKey(in.ExclusiveStartKey); err != nil {
			return nil, nil, err
		}
	}
	ph, err := in.placeholders(hasExpression || in.FilterExpression != nil || in.ProjectionExpression != nil, "FilterExpression is null")
	if err != nil {
		return nil, nil, err
	}
	if in.FilterExpression != nil {
		if l.filter, err = parseCondition("FilterExpression", *in.FilterExpression, ph); err != nil {
			return nil, nil, err
		}
	}
	if in.ProjectionExpression != nil {
		if l.paths, err = parseProjection(*in.ProjectionExpression, ph); err != nil {
			return nil, nil, err
		}
	}
	return l, ph, l.checkProjected()
}

// readSelect reads which attributes are wanted.
func (l *listing) readSelect(in *listInput) error {
	switch in.Select {
	case "", "ALL_PROJECTED_ATTRIBUTES", "COUNT", "SPECIFIC_ATTRIBUTES", "ALL_ATTRIBUTES":
	default:
		return oneOfWords("select", in.Select, "SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES")
	}
	switch {
	case in.Select == "COUNT" && in.ProjectionExpression != nil:
		return invalid("Cannot specify the ProjectionExpression when choosing to get only the Count")
	case in.Select == "SPECIFIC_ATTRIBUTES" && in.ProjectionExpression == nil:
		return invalid("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
	case in.Select == "ALL_PROJECTED_ATTRIBUTES" && l.index == nil:
		return invalid("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
	case in.Select != "SPECIFIC_ATTRIBUTES" && in.Select != "" && in.ProjectionExpression != nil:
		return invalid("Cannot specify the ProjectionExpression when choosing to get %s", in.Select)
	case in.Select == "ALL_ATTRIBUTES" && l.index != nil && l.index.projection != "ALL":
		if !l.index.local {
			return invalidParameter("Select type ALL_ATTRIBUTES is not supported for global secondary index %s because its projection type is not ALL", l.index.name)
		}
		l.whole = true
	}
	l.count = in.Select == "COUNT"
	return nil
}

// checkProjected refuses what an index does not have. Behind a local one, the table has it.
func (l *listing) checkProjected() error {
	if l.index == nil {
		return nil
	}
	for _, p := range l.paths {
		switch {
		case l.table.projects(l.index, p[0].name):
		case l.index.local:
			l.whole = true
		default:
			return invalidParameter("Global secondary index %s does not project [%s]", l.index.name, p[0].name)
		}
	}
	for _, name := range attributes(l.filter) {
		if !l.table.projects(l.index, name) {
			return invalidParameter("Secondary index %s does not project one or more filter attributes: [%s]", l.index.name, name)
		}
	}
	return nil
}

// startKey checks an ExclusiveStartKey.
func (l *listing) startKey(given item) (*startKey, error) {
	want := map[string]bool{}
	own := item{}
	for _, s := range []keySchema{l.schema(), l.table.keySchema} {
		for _, part := range s.parts() {
			v, ok := given[part.name]
			if !ok || v.kind != part.kind || isEmpty(v) {
				return nil, errStartKey()
			}
			want[part.name] = true
			if l.table.has(part.name) {
				own[part.name] = v
			}
		}
	}
	if len(given) != len(want) {
		return nil, errStartKey()
	}
	return &startKey{l.schema().of(given), l.table.of(own)}, nil
}

func errStartKey() error { return invalid("The provided starting key is invalid") }

// list runs a Query or Scan.
func (s *Server) list(l *listing, in *listInput, ph *placeholders) (*listOutput, error) {
	if err := ph.allUsed(); err != nil {
		return nil, err
	}
	out := &listOutput{}
	items := []item{}
	size := 0
	var fetched cost
	err := s.db.Alone(func() error {
		return s.db.list(l, func(it item) bool {
			shown := l.table.through(l.index, it)
			size += itemSize(shown)
			if l.whole {
				fetched.add(readCost(nil, itemSize(it), in.ConsistentRead))
				shown = it
			}
			out.ScannedCount++
			if l.filter == nil || l.filter.holds(shown) {
				out.Count++
				if !l.count {
					items = append(items, project(l.paths, shown))
				}
			}
			if out.ScannedCount == l.limit || size >= maxPageBytes {
				out.LastEvaluatedKey = l.keyOf(it)
				return false
			}
			return true
		})
	})
	if err != nil {
		return nil, err
	}
	if !l.count {
		out.Items = &items
	}
	fetched.add(readCost(l.index, size, in.ConsistentRead))
	out.ConsumedCapacity = fetched.shown(in.ReturnConsumedCapacity, l.table)
	return out, nil
}

// checkStart wants that a page before this one can have ended at the starting key.
func (l *listing) checkStart() error {
	switch {
	case l.start == nil:
		return nil
	case !bytes.Equal(l.start.at.hash, l.keys.hash):
		return invalid("The provided starting key is outside query boundaries based on provided conditions")
	case bytes.Compare(l.start.at.sort, l.keys.low) < 0, l.keys.high != nil && bytes.Compare(l.start.at.sort, l.keys.high) >= 0:
		return invalid("The provided starting key does not match the range key predicate")
	}
	return nil
}

// keyOf is the item's key as the next page's ExclusiveStartKey: with the index's key, if there is one.
func (l *listing) keyOf(it item) item {
	k := item{}
	for _, s := range []keySchema{l.schema(), l.table.keySchema} {
		for _, part := range s.parts() {
			k[part.name] = it[part.name]
		}
	}
	return k
}
