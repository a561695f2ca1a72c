//go:build acceptance

package acceptance

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// setting changes one environment variable of a function until the test ends.
func (s *stack) setting(t testing.TB, logical, name, value string) {
	t.Helper()
	path := "/2015-03-31/functions/" + s.physical(t, logical) + "/configuration"
	var now struct {
		Environment struct{ Variables map[string]string }
	}
	s.rest(t, "lambda", http.MethodGet, path, nil, &now)
	before, was := now.Environment.Variables[name]
	if !was {
		t.Fatalf("%s has no setting %s", logical, name)
	}
	put := func(value string) {
		now.Environment.Variables[name] = value
		s.rest(t, "lambda", http.MethodPut, path, map[string]any{"Environment": now.Environment}, nil)
	}
	put(value)
	t.Cleanup(func() { put(before) })
}

// expired moves the end of an upload's form, in the table.
func (e entry) expired(ctx context.Context, r record, at time.Time) error {
	_, err := e.database.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &e.table, Key: e.itemKey(r),
		ConditionExpression: aws.String("attribute_exists(form_expires)"),
		UpdateExpression:    aws.String("SET form_expires = :at"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":at": &types.AttributeValueMemberS{Value: at.UTC().Format("2006-01-02T15:04:05.000000Z")}}})
	if err != nil {
		err = fmt.Errorf("move the end of a form: %w", err)
	}
	return err
}
