package validator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"hatchery/shared/arrival"
	"hatchery/shared/upload"
	"hatchery/shared/validator"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

const bucket = "uploads-example"

// pipelineFunc is a pipeline that one test needs.
type pipelineFunc func(ctx context.Context, key upload.Key, v upload.Version) (upload.Outcome, error)

func (f pipelineFunc) Validate(ctx context.Context, key upload.Key, v upload.Version) (upload.Outcome, error) {
	return f(ctx, key, v)
}

// all answers every call with the same.
func all(result upload.Result, err error) pipelineFunc {
	return func(_ context.Context, key upload.Key, v upload.Version) (upload.Outcome, error) {
		ref, _ := upload.DefaultLayout.ParseQuarantineKey(key)
		return upload.Outcome{Result: result, Ref: ref, Version: v}, err
	}
}

// note is a failure that was noted.
type note struct {
	ref     upload.Ref
	failure upload.Failure
	ctx     error // the state of the context that it was noted under
}

// notebook keeps failures; its answer is err. It has no records but what find gives.
type notebook struct {
	mu    sync.Mutex
	notes []note
	err   error
	find  func(upload.Ref) (upload.Record, error)
}

func (n *notebook) Get(_ context.Context, ref upload.Ref) (upload.Record, error) {
	if n.find == nil {
		return upload.Record{}, upload.ErrNotFound
	}
	return n.find(ref)
}

func (n *notebook) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (upload.Record, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	failed, err := t.To(upload.Record{Status: upload.Pending})
	if err != nil {
		return upload.Record{}, err
	}
	n.notes = append(n.notes, note{ref, *failed.LastFailure, ctx.Err()})
	return failed, n.err
}

// fixture is a validator whose log and notes can be read.
type fixture struct {
	*validator.Validator
	log   *bytes.Buffer
	notes *notebook
}

func newFixture(p validator.Pipeline) *fixture {
	b := &fixture{log: new(bytes.Buffer), notes: new(notebook)}
	b.Validator = &validator.Validator{Pipeline: p, Records: b.notes, Bucket: bucket, Layout: upload.DefaultLayout,
		Concurrency: 4,
		Margin:      validator.DefaultMargin, ReadRate: 20_000_000, MaxReceives: 5, Visibility: 1801 * time.Second,
		Now: func() time.Time { return noon }, Log: slog.New(slog.NewJSONHandler(b.log, nil))}
	return b
}

// wantFailed handles the messages and says which have to come again.
func (b *fixture) wantFailed(t testing.TB, ctx context.Context, messages []events.SQSMessage, want ...string) {
	t.Helper()
	answer, err := b.Handle(ctx, events.SQSEvent{Records: messages})
	if err != nil {
		t.Fatalf("an error fails the whole batch: %v", err)
	}
	got := []string{}
	for _, f := range answer.BatchItemFailures {
		got = append(got, f.ItemIdentifier)
	}
	if !slices.Equal(got, append([]string{}, want...)) {
		t.Errorf("failed are %v, want %v; the log:\n%s", got, want, b.log)
	}
	wire, err := json.Marshal(answer)
	if err != nil || strings.Contains(string(wire), "null") || len(want) == 0 &&
		string(wire) != `{"batchItemFailures":[]}` {
		t.Errorf("on the wire: %s, %v", wire, err)
	}
}

// lines are the log's lines.
func (b *fixture) lines(t testing.TB) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for d := json.NewDecoder(bytes.NewReader(b.log.Bytes())); d.More(); {
		var line map[string]any
		if err := d.Decode(&line); err != nil {
			t.Fatalf("the log is no JSON: %v\n%s", err, b.log)
		}
		lines = append(lines, line)
	}
	return lines
}

// line is the one line of the log with this message.
func (b *fixture) line(t testing.TB, message string) map[string]any {
	t.Helper()
	var found []map[string]any
	for _, l := range b.lines(t) {
		if l["msg"] == message {
			found = append(found, l)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d lines say %q, want one; the log:\n%s", len(found), message, b.log)
	}
	return found[0]
}

func refNumber(n int) upload.Ref {
	return upload.Ref{Journal: "j1", Entry: "e1", Kind: "images",
		ID: upload.ID(fmt.Sprintf("0195600d-0000-7000-8000-%012d", n))}
}

// arrived is the S3 record of upload number n.
func arrived(n int) arrival.Created {
	return arrival.Created{Name: "ObjectCreated:Put", Time: noon, Region: "eu-central-1", Bucket: bucket,
		Key: string(upload.DefaultLayout.QuarantineKey(refNumber(n))), VersionID: fmt.Sprintf("v%d", n), ETag: "e",
		Sequencer: "1", Size: 100}
}

// message is a queue message about S3 records.
func message(t testing.TB, id string, records ...arrival.Created) events.SQSMessage {
	t.Helper()
	body, err := arrival.Format(records...)
	if err != nil {
		t.Fatal(err)
	}
	return withBody(id, string(body))
}

func withBody(id, body string) events.SQSMessage {
	return events.SQSMessage{MessageId: id, Body: body, Attributes: map[string]string{"ApproximateReceiveCount": "3"}}
}

// recorded is a message as S3 sent it.
func recorded(t testing.TB, file string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("..", "arrival", "testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
