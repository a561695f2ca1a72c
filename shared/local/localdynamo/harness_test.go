package localdynamo_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hatchery/shared/local/localdynamo"
)

const (
	region    = "us-east-1"
	accessKey = "AKIDTEST"
	secretKey = "a secret of the tests"
)

// clock is a time that stands until a test moves it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// signer signs at a clock's time, so that a client follows the server's.
type signer struct{ now func() time.Time }

func (c signer) SignHTTP(ctx context.Context, who aws.Credentials, r *http.Request, hash, service, region string, _ time.Time, o ...func(*v4.SignerOptions)) error {
	return v4.NewSigner().SignHTTP(ctx, who, r, hash, service, region, c.now(), o...)
}

// stack is a server with its clock and a client, and the one table that most tests want.
type stack struct {
	*dynamodb.Client
	t      testing.TB
	server *localdynamo.Server
	clock  *clock
}

var table = aws.String("things")

func open(t testing.TB) *stack {
	t.Helper()
	s := openAt(t, filepath.Join(t.TempDir(), "tables.db"), newClock())
	s.createTable()
	return s
}

func openAt(t testing.TB, path string, c *clock) *stack {
	t.Helper()
	s := serveWith(t, options(t, path, c))
	s.clock = c
	return s
}

// serveWith opens a server with a client that signs by the server's clock.
func serveWith(t testing.TB, o localdynamo.Options) *stack {
	t.Helper()
	server, err := localdynamo.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	s := &stack{t: t, server: server}
	s.Client = client(server.URL(), signer{o.Now}, secretKey)
	t.Cleanup(s.close)
	return s
}

func (s *stack) close() {
	if s.server == nil {
		return
	}
	// The test's own context has ended when this runs as a clean-up.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.server.Close(ctx); err != nil {
		s.t.Error(err)
	}
	s.server = nil
}

func options(t testing.TB, path string, c *clock) localdynamo.Options {
	o := localdynamo.Options{Path: path, Listen: "127.0.0.1:0", Region: region, AccessKey: accessKey, SecretKey: secretKey,
		Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if c != nil {
		o.Now = c.Now
	}
	return o
}

func client(url string, c signer, secret string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		BaseEndpoint: aws.String(url), Region: region, RetryMaxAttempts: 1, HTTPSignerV4: c,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secret, ""),
	})
}

// createTable makes the table, with an index for what has a group.
func (s *stack) createTable() {
	s.t.Helper()
	_, err := s.CreateTable(s.t.Context(), tableInput())
	s.ok(err)
}

func tableInput() *dynamodb.CreateTableInput {
	key := func(name string) []types.KeySchemaElement {
		return []types.KeySchemaElement{{AttributeName: &name, KeyType: types.KeyTypeHash}}
	}
	return &dynamodb.CreateTableInput{TableName: table, BillingMode: types.BillingModePayPerRequest, KeySchema: key("pk"),
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}, {AttributeName: aws.String("grp"), AttributeType: "S"}},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{IndexName: aws.String("by-group"), KeySchema: key("grp"),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll}}}}
}

type item = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func (s *stack) put(it item) {
	s.t.Helper()
	_, err := s.PutItem(s.t.Context(), &dynamodb.PutItemInput{TableName: table, Item: it})
	s.ok(err)
}

// has tells whether there is an item of that key.
func (s *stack) has(pk string) bool {
	s.t.Helper()
	out, err := s.GetItem(s.t.Context(), &dynamodb.GetItemInput{TableName: table, Key: item{"pk": text(pk)}})
	s.ok(err)
	return out.Item != nil
}

// inGroup counts what the index has of a group.
func (s *stack) inGroup(group string) int32 {
	s.t.Helper()
	out, err := s.Query(s.t.Context(), &dynamodb.QueryInput{TableName: table, IndexName: aws.String("by-group"), Select: types.SelectCount,
		KeyConditionExpression: aws.String("grp = :g"), ExpressionAttributeValues: item{":g": text(group)}})
	s.ok(err)
	return out.Count
}

func (s *stack) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// isError wants err to be of the SDK's type E.
func isError[E error](t testing.TB, err error) E {
	t.Helper()
	var e E
	if !errors.As(err, &e) {
		t.Fatalf("error %v is no %T", err, e)
	}
	return e
}

// eventually waits until the condition holds, a few seconds at most. It is for what another goroutine is about to do.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for again := time.Tick(time.Millisecond); !condition(); {
		select {
		case <-again:
		case <-deadline:
			t.Fatalf("%s did not happen", what)
		}
	}
}
