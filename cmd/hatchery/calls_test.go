package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"hatchery/shared/local"
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

// TestOneStoredUploadCostsFourCallsToTheBucketAndReadsItsBytesOnce counts on the
// wire what is paid for in AWS. The calls to the records are counted beside the
// pipeline, in shared/upload.
func TestOneStoredUploadCostsFourCallsToTheBucketAndReadsItsBytesOnce(t *testing.T) {
	settings, err := devSettings(devFlags{data: "any", records: "sqlite"}, door{getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	stack, err := local.Open(t.Context(), local.Options{Data: filepath.Join(t.TempDir(), "data"), Listen: "127.0.0.1:0", S3Listen: "127.0.0.1:0",
		SQSListen: "127.0.0.1:0", QuarantinePrefix: settings.Layout.Quarantine, FunctionTimeout: time.Minute, SweepEvery: time.Hour, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	records, err := sqliterecords.Open(t.Context(), stack.Path("records.db"), sqliterecords.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	counted := &countingClient{calls: map[string]int{}}
	handlers, err := buildHandlers(settings, stack, records, log, wiring{client: counted})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- stack.Run(ctx, handlers) }()

	h := &hatchery{t: t, base: stack.Endpoints().API, errors: new(bytes.Buffer), log: new(lines), client: &http.Client{}}
	picture := pngOf(t, 100, 1)
	posted := h.mustPost(images, "cat.png", picture)
	if r := h.mustSettle(images, posted.ID); r.Status != "stored" {
		t.Fatalf("%+v", r)
	}
	h.client.CloseIdleConnections()
	// The quarantine version is deleted after the verdict: the end waits for it.
	end()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	counted.mu.Lock()
	want := map[string]int{http.MethodPut: 1, http.MethodGet: 1, "COPY": 1, http.MethodDelete: 1}
	if !maps.Equal(counted.calls, want) || counted.read != len(picture) {
		t.Errorf("calls %v and %d bytes read; want %v and %d", counted.calls, counted.read, want, len(picture))
	}
	counted.mu.Unlock()
	counted.CloseIdleConnections()
	if err := records.Close(); err != nil {
		t.Error(err)
	}
	if err := stack.Close(context.Background()); err != nil {
		t.Error(err)
	}
}
