package main

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/gif"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hatchery/lambdas/door"
	"hatchery/shared/arrival"
	"hatchery/shared/local/localdynamo"
	"hatchery/shared/local/locals3"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/upload"
)

const (
	region, accessKey, secretKey = "eu-central-1", "id", "canary-7d20ab"
	table, bucket                = "records", "bucket-1"
)

// bus takes every event and keeps what it was sent.
type bus struct {
	mu   sync.Mutex
	sent []string
}

func (b *bus) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent = append(b.sent, string(body))
	_, _ = w.Write([]byte(`{"FailedEntryCount":0,"Entries":[{"EventId":"event-1"}]}`))
}

// world is a validator function and the AWS around it.
type world struct {
	lambda.Handler
	parts          *door.Parts
	bus            bus
	stdout, stderr bytes.Buffer

	mu      sync.Mutex
	arrived []arrival.Created
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{}
	db, err := localdynamo.Open(t.Context(), localdynamo.Options{Listen: "127.0.0.1:0", Region: region, AccessKey: accessKey, SecretKey: secretKey})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.WithoutCancel(t.Context())) })
	s3, err := locals3.Open(t.Context(), locals3.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0", Region: region, AccessKey: accessKey, SecretKey: secretKey,
		Bucket: bucket, QuarantinePrefix: upload.DefaultLayout.Quarantine, Created: w.keep})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s3.Close(context.WithoutCancel(t.Context())) })
	events := httptest.NewServer(&w.bus)
	t.Cleanup(events.Close)
	env := map[string]string{"AWS_REGION": region, "AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey,
		"AWS_ENDPOINT_URL": s3.URL(), "AWS_ENDPOINT_URL_DYNAMODB": db.URL(), "AWS_ENDPOINT_URL_EVENTBRIDGE": events.URL,
		"HATCHERY_BUCKET": bucket, "HATCHERY_RECORDS": "dynamodb", "HATCHERY_TABLE": table, "HATCHERY_EVENT_BUS": "verdicts"}
	code := door.Run(door.Process{Getenv: func(name string) string { return env[name] }, Stdout: &w.stdout, Stderr: &w.stderr,
		Serve: func(handler any) { w.Handler = lambda.NewHandler(handler) }},
		func(p *door.Parts) (any, error) { w.parts = p; return build(p) })
	if code != 0 {
		t.Fatalf("the function did not start: %s", w.stderr.String())
	}
	if _, err := dynamodb.NewFromConfig(w.parts.AWS).CreateTable(t.Context(), dynamorecords.TableInput(table)); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) keep(_ context.Context, c arrival.Created) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arrived = append(w.arrived, c)
	return nil
}

// accept puts a file into quarantine, as the API does.
func (w *world) accept(t *testing.T, body []byte) upload.Ref {
	t.Helper()
	draft, err := w.parts.Pipeline.Draft(upload.Request{Journal: "j", Entry: "e", Kind: "images", Filename: "cat.gif"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.parts.Pipeline.Accept(t.Context(), draft, nil, bytes.NewReader(body), int64(len(body))); err != nil {
		t.Fatal(err)
	}
	return draft.Ref()
}

// invoke hands the function a batch about all that has arrived, a message each.
func (w *world) invoke(t *testing.T, more ...events.SQSMessage) string {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	batch := events.SQSEvent{Records: more}
	for _, c := range w.arrived {
		body, err := arrival.Format(c)
		if err != nil {
			t.Fatal(err)
		}
		batch.Records = append(batch.Records, events.SQSMessage{MessageId: c.Key, Body: string(body)})
	}
	payload, err := json.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := w.Invoke(t.Context(), payload)
	if err != nil {
		t.Fatal(err)
	}
	return string(reply)
}

func TestABatchIsJudgedToldAndCounted(t *testing.T) {
	w := newWorld(t)
	var picture bytes.Buffer
	if err := gif.Encode(&picture, image.NewGray(image.Rect(0, 0, 2, 2)), nil); err != nil {
		t.Fatal(err)
	}
	stored, rejected := w.accept(t, picture.Bytes()), w.accept(t, []byte("<script>"))

	reply := w.invoke(t, events.SQSMessage{MessageId: "unreadable", Body: "no JSON"})
	if reply != `{"batchItemFailures":[{"itemIdentifier":"unreadable"}]}` {
		t.Errorf("the reply is %s; the log:\n%s", reply, w.stderr.String())
	}
	for ref, want := range map[upload.Ref]upload.Status{stored: upload.Stored, rejected: upload.Rejected} {
		if r, err := w.parts.Records.Get(t.Context(), ref); err != nil || r.Status != want {
			t.Errorf("%+v, %v; want %s", r, err, want)
		}
	}
	told := strings.Join(w.bus.sent, "\n")
	if len(w.bus.sent) != 2 || !strings.Contains(told, "Upload Stored") || !strings.Contains(told, "Upload Rejected") || !strings.Contains(told, `"verdicts"`) {
		t.Errorf("the bus was told %s", told)
	}
	counted := w.stdout.String()
	for _, want := range []string{`"Stored":1`, `"Rejected":1`, `"Code":"type_mismatch"`, `"Failed":1`, `"SecondsToVerdict":`} {
		if !strings.Contains(counted, want) {
			t.Errorf("not counted: %s in\n%s", want, counted)
		}
	}
	if strings.Contains(counted+w.stderr.String()+told, secretKey) {
		t.Error("a secret was shown")
	}
}
