package main

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"hatchery/shared/local/localdynamo"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/upload"
)

// recordCalls is what the records of one stored upload cost in DynamoDB, in units.
type recordCalls struct {
	create, settle, get consumed
}

// consumed are the units of one call: of writes in all, of those that fell to one
// entry's own partition (table and local indexes) and to one shard of the status
// index; and of reads.
type consumed struct {
	writes, entryWrites, shardWrites, reads float64
	calls                                   string
}

// meteredRecords are records in a DynamoDB endpoint in this process. DynamoDB counts
// by documented rules, which the endpoint follows.
func meteredRecords(t *testing.T) (*dynamorecords.Store, *meter) {
	t.Helper()
	const region, key, secret = "us-east-1", "counted", "a secret of this test"
	server, err := localdynamo.Open(t.Context(), localdynamo.Options{Listen: "127.0.0.1:0", Region: region,
		AccessKey: key, SecretKey: secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	m := &meter{}
	client := dynamodb.New(dynamodb.Options{Region: region, BaseEndpoint: aws.String(server.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
		APIOptions: []func(*middleware.Stack) error{func(stack *middleware.Stack) error {
			return stack.Initialize.Add(m, middleware.After)
		}}})
	if _, err := client.CreateTable(t.Context(), dynamorecords.TableInput("records")); err != nil {
		t.Fatal(err)
	}
	return dynamorecords.New(client, "records", dynamorecords.Options{Now: time.Now}), m
}

// countRecords counts what creating, reading and settling a record consume.
func countRecords(t *testing.T) recordCalls {
	t.Helper()
	store, m := meteredRecords(t)
	p := upload.Pipeline{Policy: upload.DefaultPolicy(), Layout: upload.DefaultLayout, Records: store, Now: time.Now,
		NewID: upload.NewID}
	// Names and ids as long as they usually are.
	draft, err := p.Draft(upload.Request{Journal: "6f1c9a52-6f0e-4a43-9d4c-1b6a2f0f7c11",
		Entry: "0c2d7c1e-53b1-4d0a-9a5c-3a1f0a9b8d22", Kind: "images", Filename: "holiday-2026-08-14-0042.jpg"})
	if err != nil {
		t.Fatal(err)
	}
	var c recordCalls
	m.take()
	if _, err := p.Begin(t.Context(), draft, nil); err != nil {
		t.Fatal(err)
	}
	c.create = m.take()
	if _, err := store.Get(t.Context(), draft.Ref()); err != nil {
		t.Fatal(err)
	}
	c.get = m.take()
	version := upload.Version("3HL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY")
	if _, err := store.Settle(t.Context(), draft.Ref(), upload.Verdict{Status: upload.Stored, Version: version,
		At: time.Now(), Size: smallPicture,
		ContentType: "image/jpeg", SHA256: strings.Repeat("0123456789abcdef", 4), Served: version}); err != nil {
		t.Fatal(err)
	}
	c.settle = m.take()
	return c
}

// meter asks of each call what it consumed and sums it.
type meter struct {
	mu  sync.Mutex
	sum consumed
}

func (m *meter) ID() string { return "meter" }

func (m *meter) take() consumed {
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := m.sum
	m.sum = consumed{}
	return sum
}

func (m *meter) HandleInitialize(ctx context.Context, in middleware.InitializeInput,
	next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
	name := "other"
	switch call := in.Parameters.(type) {
	case *dynamodb.PutItemInput:
		name, call.ReturnConsumedCapacity = "PutItem", types.ReturnConsumedCapacityIndexes
	case *dynamodb.GetItemInput:
		name, call.ReturnConsumedCapacity = "GetItem", types.ReturnConsumedCapacityIndexes
	case *dynamodb.QueryInput:
		name, call.ReturnConsumedCapacity = "Query", types.ReturnConsumedCapacityIndexes
	case *dynamodb.BatchGetItemInput:
		name, call.ReturnConsumedCapacity = "BatchGetItem", types.ReturnConsumedCapacityIndexes
	case *dynamodb.TransactWriteItemsInput:
		name, call.ReturnConsumedCapacity = "TransactWriteItems", types.ReturnConsumedCapacityIndexes
	}
	out, metadata, err := next.HandleInitialize(ctx, in)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sum.calls = strings.TrimPrefix(m.sum.calls+" + "+name, " + ")
	switch answer := out.Result.(type) {
	case *dynamodb.PutItemOutput:
		m.wrote(answer.ConsumedCapacity)
	case *dynamodb.TransactWriteItemsOutput:
		for i := range answer.ConsumedCapacity {
			m.wrote(&answer.ConsumedCapacity[i])
		}
	case *dynamodb.GetItemOutput:
		m.read(answer.ConsumedCapacity)
	case *dynamodb.QueryOutput:
		m.read(answer.ConsumedCapacity)
	case *dynamodb.BatchGetItemOutput:
		for i := range answer.ConsumedCapacity {
			m.read(&answer.ConsumedCapacity[i])
		}
	}
	return out, metadata, err
}

func (m *meter) wrote(c *types.ConsumedCapacity) {
	if c == nil {
		return
	}
	m.sum.writes += aws.ToFloat64(c.CapacityUnits)
	if c.Table != nil {
		m.sum.entryWrites += aws.ToFloat64(c.Table.CapacityUnits)
	}
	for _, index := range c.LocalSecondaryIndexes {
		m.sum.entryWrites += aws.ToFloat64(index.CapacityUnits)
	}
	for _, index := range c.GlobalSecondaryIndexes {
		m.sum.shardWrites += aws.ToFloat64(index.CapacityUnits)
	}
}

func (m *meter) read(c *types.ConsumedCapacity) {
	if c != nil {
		m.sum.reads += aws.ToFloat64(c.CapacityUnits)
	}
}
