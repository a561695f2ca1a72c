package localdynamo

import (
	"context"
	"encoding/json"
)

// Bounds of batches (API reference, BatchGetItem and BatchWriteItem).
const (
	maxBatchGets     = 100
	maxBatchWrites   = 25
	maxBatchGetBytes = 16 << 20
)

type keysInput struct {
	Keys                 []item
	ProjectionExpression *string `json:",omitempty"`
	ConsistentRead       bool    `json:",omitempty"`
	// The placeholders go back with keys that were not read.
	ExpressionAttributeNames map[string]string `json:",omitempty"`
	AttributesToGet          json.RawMessage   `json:",omitempty"`
}

type batchGetItemInput struct {
	RequestItems           map[string]keysInput
	ReturnConsumedCapacity string
}

type batchGetItemOutput struct {
	Responses        map[string][]item
	UnprocessedKeys  map[string]keysInput
	ConsumedCapacity []*capacity `json:",omitempty"`
}

// itemSet is the items, of all tables, that a request named.
type itemSet map[itemID]bool

type itemID struct{ table, hash, sort string }

// again tells whether the item was named before, and adds it.
func (s itemSet) again(t *table, k key) bool {
	id := itemID{t.name, string(k.hash), string(k.sort)}
	was := s[id]
	s[id] = true
	return was
}

func (s *Server) batchGetItem(_ context.Context, in *batchGetItemInput) (*batchGetItemOutput, error) {
	total := 0
	readings := map[string][]*reading{}
	for _, name := range sortedKeys(in.RequestItems) {
		keys := in.RequestItems[name]
		if len(keys.Keys) == 0 {
			return nil, invalid("1 validation error detected: Value at 'requestItems.%s.member.keys' failed to satisfy constraint: Member must have length greater than or equal to 1", name)
		}
		if total += len(keys.Keys); total > maxBatchGets {
			return nil, invalid("Too many items requested for the BatchGetItem call")
		}
		seen := itemSet{}
		for _, k := range keys.Keys {
			r, err := s.prepareGet(&getItemInput{Key: k, readInput: readInput{TableName: name, ProjectionExpression: keys.ProjectionExpression,
				expressionInput:        expressionInput{ExpressionAttributeNames: keys.ExpressionAttributeNames},
				legacyInput:            legacyInput{AttributesToGet: keys.AttributesToGet},
				ReturnConsumedCapacity: in.ReturnConsumedCapacity}})
			if err != nil {
				return nil, err
			}
			if seen.again(r.table, r.key) {
				return nil, invalid("Provided list of item keys contains duplicates")
			}
			readings[name] = append(readings[name], r)
		}
	}
	if total == 0 {
		return nil, invalid("1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	out := &batchGetItemOutput{Responses: map[string][]item{}, UnprocessedKeys: map[string]keysInput{}}
	err := s.db.Alone(func() error { return s.batchGet(in, readings, out) })
	return out, err
}

// batchGet reads until the answer is full; what is left is given back.
func (s *Server) batchGet(in *batchGetItemInput, readings map[string][]*reading, out *batchGetItemOutput) error {
	bytes := 0
	for _, name := range sortedKeys(readings) {
		out.Responses[name] = []item{}
		given := in.RequestItems[name]
		var spent cost
		for i, r := range readings[name] {
			if bytes > maxBatchGetBytes-maxItemBytes {
				left := given
				left.Keys = given.Keys[i:]
				out.UnprocessedKeys[name] = left
				break
			}
			shown, size, err := r.run(s.db)
			if err != nil {
				return err
			}
			bytes += size
			spent.add(readCost(nil, size, given.ConsistentRead))
			if shown != nil {
				out.Responses[name] = append(out.Responses[name], shown)
			}
		}
		if c := spent.shown(in.ReturnConsumedCapacity, readings[name][0].table); c != nil {
			out.ConsumedCapacity = append(out.ConsumedCapacity, c)
		}
	}
	return nil
}

type writeRequest struct {
	PutRequest    *struct{ Item item }
	DeleteRequest *struct{ Key item }
}

type batchWriteItemInput struct {
	RequestItems                map[string][]writeRequest
	ReturnConsumedCapacity      string
	ReturnItemCollectionMetrics string
}

type batchWriteItemOutput struct {
	UnprocessedItems map[string][]writeRequest
	ConsumedCapacity []*capacity `json:",omitempty"`
}

func (s *Server) batchWriteItem(_ context.Context, in *batchWriteItemInput) (*batchWriteItemOutput, error) {
	var actions []*action
	seen := itemSet{}
	for _, name := range sortedKeys(in.RequestItems) {
		requests := in.RequestItems[name]
		if len(requests) == 0 {
			return nil, invalid("The batch write request list for a table cannot be null or empty: %s", name)
		}
		if len(actions)+len(requests) > maxBatchWrites {
			return nil, invalid("Too many items requested for the BatchWriteItem call")
		}
		for _, request := range requests {
			a, err := s.prepareRequest(name, request, in)
			if err != nil {
				return nil, err
			}
			if seen.again(a.table, a.key) {
				return nil, invalid("Provided list of item keys contains duplicates")
			}
			actions = append(actions, a)
		}
	}
	if len(actions) == 0 {
		return nil, invalid("1 validation error detected: Value '{}' at 'requestItems' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	err := s.db.Write(func() error {
		for _, a := range actions {
			if err := a.run(s.db); err != nil {
				return err
			}
		}
		return nil
	})
	return &batchWriteItemOutput{map[string][]writeRequest{}, costs(actions, in.ReturnConsumedCapacity, func(a *action) cost { return a.cost(1) })}, err
}

func (s *Server) prepareRequest(name string, r writeRequest, in *batchWriteItemInput) (*action, error) {
	common := writeInput{TableName: name, ReturnConsumedCapacity: in.ReturnConsumedCapacity, ReturnItemCollectionMetrics: in.ReturnItemCollectionMetrics}
	switch {
	case r.PutRequest != nil && r.DeleteRequest == nil:
		return s.preparePut(&putItemInput{common, r.PutRequest.Item})
	case r.PutRequest == nil && r.DeleteRequest != nil:
		return s.prepareDelete(&deleteItemInput{common, r.DeleteRequest.Key})
	}
	return nil, invalid("Supplied WriteRequest must contain exactly one of PutRequest and DeleteRequest")
}

// costs sums the prices of the actions, for each table.
func costs(actions []*action, word string, price func(*action) cost) []*capacity {
	spent := map[string]*cost{}
	tables := map[string]*table{}
	for _, a := range actions {
		if spent[a.table.name] == nil {
			spent[a.table.name], tables[a.table.name] = &cost{}, a.table
		}
		spent[a.table.name].add(price(a))
	}
	var out []*capacity
	for _, name := range sortedKeys(spent) {
		if c := spent[name].shown(word, tables[name]); c != nil {
			out = append(out, c)
		}
	}
	return out
}
