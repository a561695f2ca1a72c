//go:build acceptance

package acceptance

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// setting changes one environment variable of a function until the test ends.
func (s *stack) setting(t testing.TB, logical, name, value string) {
	t.Helper()
	path := s.configuration(t, logical)
	variables := s.variables(t, path)
	before, was := variables[name]
	if !was {
		t.Fatalf("%s has no setting %s", logical, name)
	}
	put := func(value string) {
		variables[name] = value
		s.rest(t, "lambda", http.MethodPut, path, environmentOf(variables), nil)
	}
	put(value)
	t.Cleanup(func() { put(before) })
}

// configuration is the path of a function's.
func (s *stack) configuration(t testing.TB, logical string) string {
	t.Helper()
	return "/2015-03-31/functions/" + s.physical(t, logical) + "/configuration"
}

func (s *stack) variables(t testing.TB, path string) map[string]string {
	t.Helper()
	var now struct {
		Environment struct{ Variables map[string]string }
	}
	s.rest(t, "lambda", http.MethodGet, path, nil, &now)
	return now.Environment.Variables
}

func environmentOf(variables map[string]string) map[string]any {
	return map[string]any{"Environment": map[string]any{"Variables": variables}}
}

// misled gives a function variables that it has not, until restore is called, or the test ends.
func (s *stack) misled(t testing.TB, logical string, by map[string]string) (restore func()) {
	t.Helper()
	path := s.configuration(t, logical)
	before := s.variables(t, path)
	more := maps.Clone(before)
	maps.Copy(more, by)
	s.rest(t, "lambda", http.MethodPut, path, environmentOf(more), nil)
	restore = sync.OnceFunc(func() { s.rest(t, "lambda", http.MethodPut, path, environmentOf(before), nil) })
	t.Cleanup(restore)
	return restore
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
