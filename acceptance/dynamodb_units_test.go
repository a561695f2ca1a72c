//go:build acceptance

package acceptance

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"hatchery/shared/policy"
	"hatchery/shared/reconcile"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// recordUnits is what the records of one stored upload cost in DynamoDB, and the reads of
// a survey of 1,000 stored files.
type recordUnits struct {
	Create, Settle, Get consumed
	SurveyReads         float64
}

// consumed are the units of one call: of writes in all, of those that fell to one
// entry's own partition (table and local indexes) and to one shard of the status
// index; and of reads.
type consumed struct {
	Writes, EntryWrites, ShardWrites, Reads float64
}

// journal and entryOfUnits are as long as they usually are.
const (
	journal      = "6f1c9a52-6f0e-4a43-9d4c-1b6a2f0f7c11"
	entryOfUnits = "0c2d7c1e-53b1-4d0a-9a5c-3a1f0a9b8d22"
)

// docs/costs.md and docs/scale.md are computed from the file.
func TestTheCostsInTheDocsAreThoseThatDynamoDBLocalCounts(t *testing.T) {
	m := &meter{}
	client := dynamodb.New(serveDynamoDBLocal(t).Options(), func(o *dynamodb.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(m, middleware.After)
		})
	})
	check(t, makeTable(t, client, "one"))
	check(t, makeTable(t, client, "survey"))
	got := countUpload(t, dynamorecords.New(client, "one", dynamorecords.Options{Now: time.Now}), m)
	got.SurveyReads = countSurvey(t, dynamorecords.New(client, "survey", dynamorecords.Options{Now: time.Now}), m)

	file := filepath.Join(moduleRoot(t), "cmd", "hatchery", "testdata", "dynamodb-units.json")
	text, err := os.ReadFile(file)
	check(t, err)
	var want recordUnits
	check(t, json.Unmarshal(text, &want))
	if got != want {
		t.Errorf("counted are %+v; %s says %+v", got, file, want)
	}
}

func makeTable(t testing.TB, client *dynamodb.Client, table string) error {
	t.Helper()
	_, err := client.CreateTable(t.Context(), dynamorecords.TableInput(table))
	return err
}

// judged is a verdict on a picture of 100 kB, whose bytes are its own for each number.
func judged(n int, served upload.Version) upload.Verdict {
	return upload.Verdict{Status: upload.Stored, Version: "3HL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY", At: time.Now(),
		Size: 100_000, ContentType: "image/jpeg", SHA256: fmt.Sprintf("%064x", n), Served: served}
}

// countUpload counts what creating, reading and settling a record consume.
func countUpload(t *testing.T, store *dynamorecords.Store, m *meter) (u recordUnits) {
	t.Helper()
	p := upload.Pipeline{Policy: policy.Default(), Layout: upload.DefaultLayout, Records: store,
		Now: time.Now, NewID: upload.NewID}
	draft, err := p.Draft(upload.Request{Journal: journal, Entry: entryOfUnits, Kind: "images",
		Filename: "holiday-2026-08-14-0042.jpg"})
	check(t, err)
	m.take()
	_, err = p.Begin(t.Context(), draft, nil)
	check(t, err)
	u.Create = m.take()
	settle := upload.Settle(judged(1, "3HL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY"))
	settle.Seen, err = store.Get(t.Context(), draft.Ref())
	check(t, err)
	u.Get = m.take()
	_, err = store.Update(t.Context(), draft.Ref(), settle)
	check(t, err)
	u.Settle = m.take()
	return u
}

// countSurvey counts the reads of a scheduled run that surveys.
func countSurvey(t *testing.T, records *dynamorecords.Store, m *meter) float64 {
	t.Helper()
	const surveyed = 1000
	objects := uploadtest.NewObjects()
	for n := range surveyed {
		r := upload.Record{ID: upload.ID(fmt.Sprintf("0195600d-0000-7000-8000-%012d", n)),
			Journal: journal, Entry: entryOfUnits, Kind: "images", Name: "holiday-2026-08-14-0001", Extension: "jpg",
			CreatedAt: time.Now(), Status: upload.Pending}
		_, err := records.Create(t.Context(), r, nil)
		check(t, err)
		served := objects.Post(upload.DefaultLayout.FilesKey(r.Ref()), []byte("bytes"))
		_, err = records.Update(t.Context(), r.Ref(), upload.Settle(judged(1, served)))
		check(t, err)
	}
	m.take()
	r := &reconcile.Reconciler{Records: records, Inventory: objects, Layout: upload.DefaultLayout,
		Limits: reconcile.DefaultLimits(5, time.Minute), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	report, err := r.Run(t.Context(), reconcile.Options{})
	if err != nil || report.NeedsPerson() || report.StoredSeen != surveyed || report.ObjectsSeen != surveyed {
		t.Fatalf("surveyed %+v, %v", report, err)
	}
	return m.take().Reads
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
	switch call := in.Parameters.(type) {
	case *dynamodb.PutItemInput:
		call.ReturnConsumedCapacity = types.ReturnConsumedCapacityIndexes
	case *dynamodb.GetItemInput:
		call.ReturnConsumedCapacity = types.ReturnConsumedCapacityIndexes
	case *dynamodb.QueryInput:
		call.ReturnConsumedCapacity = types.ReturnConsumedCapacityIndexes
	case *dynamodb.ScanInput:
		call.ReturnConsumedCapacity = types.ReturnConsumedCapacityIndexes
	case *dynamodb.BatchGetItemInput:
		call.ReturnConsumedCapacity = types.ReturnConsumedCapacityIndexes
	case *dynamodb.TransactWriteItemsInput:
		call.ReturnConsumedCapacity = types.ReturnConsumedCapacityIndexes
	}
	out, metadata, err := next.HandleInitialize(ctx, in)
	m.mu.Lock()
	defer m.mu.Unlock()
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
	case *dynamodb.ScanOutput:
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
	m.sum.Writes += aws.ToFloat64(c.CapacityUnits)
	if c.Table != nil {
		m.sum.EntryWrites += aws.ToFloat64(c.Table.CapacityUnits)
	}
	for _, index := range c.LocalSecondaryIndexes {
		m.sum.EntryWrites += aws.ToFloat64(index.CapacityUnits)
	}
	for _, index := range c.GlobalSecondaryIndexes {
		m.sum.ShardWrites += aws.ToFloat64(index.CapacityUnits)
	}
}

func (m *meter) read(c *types.ConsumedCapacity) {
	if c != nil {
		m.sum.Reads += aws.ToFloat64(c.CapacityUnits)
	}
}
