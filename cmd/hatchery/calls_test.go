package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"hatchery/shared/local"
	"hatchery/shared/pipeline"
	"hatchery/shared/records/sqliterecords"
)

// countingClient counts the calls to the bucket and the object bytes read from it.
type countingClient struct {
	http.Client
	mu    sync.Mutex
	calls map[string]int
	read  int
}

func (c *countingClient) Do(req *http.Request) (*http.Response, error) {
	operation := req.Method
	if req.Header.Get("x-amz-copy-source") != "" {
		operation = "COPY"
	}
	c.mu.Lock()
	c.calls[operation]++
	c.mu.Unlock()
	res, err := c.Client.Do(req)
	if err == nil && operation == http.MethodGet {
		res.Body = &countingBody{ReadCloser: res.Body, client: c}
	}
	return res, err
}

type countingBody struct {
	io.ReadCloser
	client *countingClient
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.client.mu.Lock()
	b.client.read += n
	b.client.mu.Unlock()
	return n, err
}

// counted is what one upload took.
type counted struct {
	calls  map[string]int // to the bucket, by the API and the validator
	read   int            // bytes of objects
	logged int            // bytes of its log: one line for each request and for the verdict
}

// countUpload sends one picture, waits until it is stored and counts on the wire
// what is paid for in AWS. A form's own POST is the client's call: it is not in it.
func countUpload(t *testing.T, picture []byte, byForm bool) counted {
	t.Helper()
	settings, err := devSettings(devFlags{data: "any", records: "sqlite"},
		terminal{getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&logged, nil)) // one line is one Write, made under its lock
	stack, err := local.Open(t.Context(), local.Options{Data: filepath.Join(t.TempDir(), "data"),
		Listen: "127.0.0.1:0", S3Listen: "127.0.0.1:0",
		SQSListen: "127.0.0.1:0", QuarantinePrefix: settings.Layout.Quarantine, FunctionTimeout: time.Minute, RequestTime: time.Minute,
		SweepEvery: time.Hour, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	records, err := sqliterecords.Open(t.Context(), stack.Path("records.db"), sqliterecords.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	client := &countingClient{calls: map[string]int{}}
	at := stack.Endpoints()
	cloud := at.AWS()
	cloud.HTTPClient = client
	handlers, err := stackHandlers(compose(onStack(settings, at), cloud, records, nil, log), stack, pipeline.APIOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- stack.Run(ctx, handlers) }()

	h := &hatchery{t: t, base: at.API, errors: new(bytes.Buffer), log: new(lines), client: &http.Client{}}
	var sent record
	if byForm {
		form, err := h.askForm(images, map[string]any{"name": "cat.jpg"})
		if err != nil {
			t.Fatal(err)
		}
		if a, err := h.sendForm(t.Context(), form, picture); err != nil || a.status/100 != 2 {
			t.Fatalf("form: %v, %d %s", err, a.status, a.body)
		}
		sent = form.Record
	} else {
		sent = h.mustPost(images, "cat.jpg", picture)
	}
	if r := h.mustSettle(images, sent.ID); r.Status != "stored" {
		t.Fatalf("%+v", r)
	}
	h.client.CloseIdleConnections()
	// The quarantine version is deleted after the verdict: the end waits for it.
	end()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	client.mu.Lock()
	c := counted{calls: maps.Clone(client.calls), read: client.read, logged: lengthOfLines(&logged)}
	client.mu.Unlock()
	client.CloseIdleConnections()
	if err := records.Close(); err != nil {
		t.Error(err)
	}
	if err := stack.Close(context.Background()); err != nil {
		t.Error(err)
	}
	return c
}

// lengthOfLines sums the longest line of each kind: how often a client asks for the
// verdict depends on the machine.
func lengthOfLines(log *bytes.Buffer) int {
	longest := map[string]int{}
	for line := range bytes.Lines(log.Bytes()) {
		var kind struct {
			Message string `json:"msg"`
			Route   string `json:"route"`
		}
		if json.Unmarshal(line, &kind) == nil {
			longest[kind.Message+kind.Route] = max(longest[kind.Message+kind.Route], len(line))
		}
	}
	sum := 0
	for _, n := range longest {
		sum += n
	}
	return sum
}

// The calls to the records are counted beside the pipeline, in shared/upload.
func TestOneStoredUploadCostsFourCallsToTheBucketAndReadsItsBytesOnce(t *testing.T) {
	picture := jpegOf(t, 100_000)
	c := countUpload(t, picture, false)
	want := map[string]int{http.MethodPut: 1, http.MethodGet: 1, "COPY": 1, http.MethodDelete: 1}
	if !maps.Equal(c.calls, want) || c.read != len(picture) {
		t.Errorf("calls %v and %d bytes read; want %v and %d", c.calls, c.read, want, len(picture))
	}
}

func TestAnUploadByFormCostsTheFunctionsThreeCallsToTheBucket(t *testing.T) {
	picture := jpegOf(t, 5_000_000)
	c := countUpload(t, picture, true)
	want := map[string]int{http.MethodGet: 1, "COPY": 1, http.MethodDelete: 1}
	if !maps.Equal(c.calls, want) || c.read != len(picture) {
		t.Errorf("calls %v and %d bytes read; want %v and %d", c.calls, c.read, want, len(picture))
	}
}
