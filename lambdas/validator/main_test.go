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
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"hatchery/lambdas/bootstrap/bootstraptest"
	"hatchery/shared/arrival"
	"hatchery/shared/attempts"
	"hatchery/shared/local/locals3"
	"hatchery/shared/upload"
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

// fixture is a validator function and the AWS around it.
type fixture struct {
	*bootstraptest.Function
	bus bus

	mu      sync.Mutex
	arrived []arrival.Created
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{}
	s3, err := locals3.Open(t.Context(), locals3.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0",
		Region:    bootstraptest.Region,
		AccessKey: bootstraptest.AccessKey, SecretKey: bootstraptest.SecretKey, Bucket: bootstraptest.Bucket,
		QuarantinePrefix: upload.DefaultLayout.Quarantine, Created: f.keep})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s3.Close(context.WithoutCancel(t.Context())) })
	events := httptest.NewServer(&f.bus)
	t.Cleanup(events.Close)
	env := bootstraptest.Env()
	env["AWS_ENDPOINT_URL"], env["AWS_ENDPOINT_URL_EVENTBRIDGE"], env["HATCHERY_EVENT_BUS"] = s3.URL(), events.URL,
		"verdicts"
	f.Function = bootstraptest.Start(t, env, build)
	f.CreateTable(t)
	return f
}

func (f *fixture) keep(_ context.Context, c arrival.Created) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.arrived = append(f.arrived, c)
	return nil
}

// accept puts a file into quarantine, as the API does.
func (f *fixture) accept(t *testing.T, body []byte) upload.Ref {
	t.Helper()
	draft, err := f.Uploads.Draft(upload.Request{Journal: "j", Entry: "e", Kind: "images", Filename: "cat.gif"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Uploads.Accept(t.Context(), draft, nil, bytes.NewReader(body), int64(len(body))); err != nil {
		t.Fatal(err)
	}
	return draft.Ref()
}

// invoke hands the function a batch about all that has arrived, a message each.
func (f *fixture) invoke(t *testing.T, more ...events.SQSMessage) string {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	batch := events.SQSEvent{Records: more}
	for _, c := range f.arrived {
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
	reply, err := f.Invoke(t.Context(), payload)
	if err != nil {
		t.Fatal(err)
	}
	return string(reply)
}

func TestABatchIsJudgedToldAndCounted(t *testing.T) {
	f := newFixture(t)
	var picture bytes.Buffer
	if err := gif.Encode(&picture, image.NewGray(image.Rect(0, 0, 2, 2)), nil); err != nil {
		t.Fatal(err)
	}
	stored, rejected := f.accept(t, picture.Bytes()), f.accept(t, []byte("<script>"))

	twice := "2"
	reply := f.invoke(t, events.SQSMessage{MessageId: "unreadable", Body: "no JSON",
		Attributes: map[string]string{"ApproximateReceiveCount": "5"}},
		events.SQSMessage{MessageId: "redriven", Body: "no JSON", Attributes: map[string]string{"ApproximateReceiveCount": "1"},
			MessageAttributes: map[string]events.SQSMessageAttribute{
				arrival.RedriveAttribute: {DataType: "Number", StringValue: &twice}}})
	if reply != `{"batchItemFailures":[{"itemIdentifier":"unreadable"},{"itemIdentifier":"redriven"}]}` {
		t.Errorf("the reply is %s; the log:\n%s", reply, f.Stderr.String())
	}
	if log := f.Stderr.String(); !strings.Contains(log,
		`"message":"last of 5 receptions; a dead letter within 1800 s","message_id":"unreadable"`) {
		t.Errorf("the log does not say what becomes of it:\n%s", log)
	}
	kept, err := f.Notes.List(t.Context(), attempts.Prefix, "", 10)
	if err != nil || !slices.Equal(kept.Keys, []upload.Key{attempts.Key("", "unreadable", 5)}) {
		t.Errorf("why messages died is kept in %+v, %v", kept, err)
	}
	for ref, want := range map[upload.Ref]upload.Status{stored: upload.Stored, rejected: upload.Rejected} {
		if r, err := f.Records.Get(t.Context(), ref); err != nil || r.Status != want {
			t.Errorf("%+v, %v; want %s", r, err, want)
		}
	}
	told := strings.Join(f.bus.sent, "\n")
	if len(f.bus.sent) != 2 || !strings.Contains(told, "Upload Stored") ||
		!strings.Contains(told, "Upload Rejected") || !strings.Contains(told, `"verdicts"`) {
		t.Errorf("the bus was told %s", told)
	}
	counted := f.Stdout.String()
	for _, want := range []string{`"Stored":1`, `"Rejected":1`, `"Code":"type_mismatch"`, `"Failed":1`,
		`"SecondsToVerdict":`, `"Redriven":1`, `"Redrives":"2"`} {
		if !strings.Contains(counted, want) {
			t.Errorf("not counted: %s in\n%s", want, counted)
		}
	}
	if strings.Contains(counted+f.Stderr.String()+told, bootstraptest.SecretKey) {
		t.Error("a secret was shown")
	}
}
