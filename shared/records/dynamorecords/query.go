package dynamorecords

import (
	"cmp"
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// queryRange is part of an index or of the table, to be queried: what has one hash key, and a sort key
// from from to to, both included.
type queryRange struct {
	index
	key, from, to string
	newestFirst   bool
	limit         int
	only          string // the one attribute that is wanted
	start         map[string]types.AttributeValue
}

// withPrefix has the range begin and end with what a prefix begins.
func (q queryRange) withPrefix(prefix string) queryRange {
	q.from, q.to = prefix, prefix+lastOfAll
	return q
}

// query reads one page of a queryRange, consistently where the index allows for it.
func (s *Store) query(ctx context.Context, q queryRange) (*dynamodb.QueryOutput, error) {
	// DynamoDB takes an empty range for a mistake.
	if q.from > q.to || !(itemKey{q.key, q.from}).possible() || !(itemKey{q.key, q.to}).possible() {
		return &dynamodb.QueryOutput{}, nil
	}
	in := &dynamodb.QueryInput{TableName: &s.table, ExclusiveStartKey: q.start,
		KeyConditionExpression:   aws.String("#hash = :hash AND #sort BETWEEN :from AND :to"),
		ExpressionAttributeNames: map[string]string{"#hash": q.hash, "#sort": q.sort},
		ExpressionAttributeValues: map[string]types.AttributeValue{":hash": text(q.key), ":from": text(q.from),
			":to": text(q.to)},
		ScanIndexForward: aws.Bool(!q.newestFirst)}
	if q.name != "" {
		in.IndexName = &q.name
	}
	if q.local() {
		in.ConsistentRead = aws.Bool(true)
	}
	if q.limit > 0 {
		in.Limit = aws.Int32(int32(q.limit))
	}
	if q.only != "" {
		in.ProjectionExpression = aws.String("#only")
		in.ExpressionAttributeNames["#only"] = q.only
	}
	out, err := call(ctx, s, s.client.Query, in)
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", cmp.Or(q.name, "the entry"), err)
	}
	return out, nil
}
