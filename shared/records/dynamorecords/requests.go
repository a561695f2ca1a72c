package dynamorecords

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hatchery/shared/upload"
)

// find reads a record, consistently. A tombstone that has expired is ErrNotFound.
func (s *Store) find(ctx context.Context, ref upload.Ref) (storedItem, error) {
	i, err := s.get(ctx, keyOf(ref))
	if err != nil {
		return storedItem{}, err
	}
	if i == nil {
		return storedItem{}, upload.ErrNotFound
	}
	h, err := parseItem(i)
	if err == nil && h.gone(s.o.Now()) {
		return storedItem{}, upload.ErrNotFound
	}
	return h, err
}

// get reads one item, consistently; nil when there is none.
func (s *Store) get(ctx context.Context, k itemKey) (item, error) {
	if !k.possible() {
		return nil, nil
	}
	out, err := call(ctx, s, s.client.GetItem,
		&dynamodb.GetItemInput{TableName: &s.table, Key: keyed(k), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

// maxBatch is how many items BatchGetItem takes.
const maxBatch = 100

// getAll reads the items that are there of keys, consistently.
func (s *Store) getAll(ctx context.Context, keys []itemKey) (map[itemKey]item, error) {
	found := make(map[itemKey]item, len(keys))
	for batch := range slices.Chunk(keys, maxBatch) {
		var asked []map[string]types.AttributeValue
		for _, k := range batch {
			asked = append(asked, keyed(k))
		}
		for tries := 0; len(asked) > 0; tries++ {
			if tries > 0 {
				if err := s.pause(ctx, tries-1, errors.New("DynamoDB left part of a batch unread")); err != nil {
					return nil, err
				}
			}
			out, err := call(ctx, s, s.client.BatchGetItem, &dynamodb.BatchGetItemInput{
				RequestItems: map[string]types.KeysAndAttributes{s.table: {Keys: asked, ConsistentRead: aws.Bool(true)}}})
			if err != nil {
				return nil, err
			}
			for _, i := range out.Responses[s.table] {
				found[item(i).key()] = i
			}
			// What is too much at once is left for the next request.
			asked = out.UnprocessedKeys[s.table].Keys
		}
	}
	return found, nil
}

// condition is what must hold of the item that lies where something is written.
type condition struct {
	expression string
	names      map[string]string
	values     map[string]types.AttributeValue
}

// absent: nothing lies there.
func absent() condition {
	return condition{"attribute_not_exists(#pk)", map[string]string{"#pk": partitionKey}, nil}
}

// asSeen: what lies there is what was seen: signed with the same tokens.
func asSeen(seen string) condition {
	return condition{"#by = :seen", map[string]string{"#by": writerTokens},
		map[string]types.AttributeValue{":seen": text(seen)}}
}

// upTo: the item has the attribute, and it is not above the value.
func upTo(attribute string, value types.AttributeValue) condition {
	return condition{"#" + attribute + " <= :" + attribute, map[string]string{"#" + attribute: attribute},
		map[string]types.AttributeValue{":" + attribute: value}}
}

// or holds when one of two conditions does.
func (c condition) or(d condition) condition {
	names, values := maps.Clone(c.names), map[string]types.AttributeValue{}
	maps.Copy(names, d.names)
	maps.Copy(values, c.values)
	maps.Copy(values, d.values)
	return condition{c.expression + " OR " + d.expression, names, values}
}

// change is one write: an item to put, or a key to remove.
type change struct {
	put    item
	remove itemKey
	when   condition
}

// write makes changes all or not at all. errChanged: a condition did not hold. A transaction
// costs double and may meet others, so one change is a plain write.
func (s *Store) write(ctx context.Context, token string, changes ...change) error {
	if len(changes) == 1 && changes[0].put != nil {
		c := changes[0]
		_, err := call(ctx, s, s.client.PutItem, &dynamodb.PutItemInput{TableName: &s.table, Item: c.put,
			ConditionExpression: &c.when.expression, ExpressionAttributeNames: c.when.names,
			ExpressionAttributeValues: c.when.values})
		return err
	}
	// With the token the same transaction, sent again, is made once.
	in := &dynamodb.TransactWriteItemsInput{ClientRequestToken: &token}
	for _, c := range changes {
		var w types.TransactWriteItem
		if c.put != nil {
			w.Put = &types.Put{TableName: &s.table, Item: c.put, ConditionExpression: &c.when.expression,
				ExpressionAttributeNames: c.when.names, ExpressionAttributeValues: c.when.values}
		} else {
			w.Delete = &types.Delete{TableName: &s.table, Key: keyed(c.remove), ConditionExpression: &c.when.expression,
				ExpressionAttributeNames: c.when.names, ExpressionAttributeValues: c.when.values}
		}
		in.TransactItems = append(in.TransactItems, w)
	}
	_, err := call(ctx, s, s.client.TransactWriteItems, in)
	return err
}
