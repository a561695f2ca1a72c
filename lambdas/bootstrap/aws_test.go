package bootstrap_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hatchery/lambdas/bootstrap"
	"hatchery/shared/upload"
)

func invocation(t *testing.T, id string) context.Context {
	return lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: id})
}

// partsWith builds what functions are made of.
func partsWith(t *testing.T, changes ...string) *bootstrap.Dependencies {
	t.Helper()
	var parts *bootstrap.Dependencies
	if s := run(env(changes...), func(p *bootstrap.Dependencies) (any, error) {
		parts = p
		return nil,
			nil
	}); s.code != 0 {
		t.Fatal(s.stderr.String())
	}
	return parts
}

// endpoint answers every call with a status, and keeps the last one's host, path
// and headers.
type endpoint struct {
	url    string
	calls  atomic.Int32
	last   atomic.Pointer[http.Request]
	status int
}

func newEndpoint(t *testing.T, status int) *endpoint {
	e := &endpoint{status: status}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		e.calls.Add(1)
		e.last.Store(r)
		w.WriteHeader(e.status)
	}))
	t.Cleanup(server.Close)
	e.url = server.URL
	return e
}

func TestTheEndpointOfAServiceWinsOverTheOneForAll(t *testing.T) {
	all, bucket := newEndpoint(t, 400), newEndpoint(t, 400)
	p := partsWith(t, "AWS_ENDPOINT_URL", all.url, "AWS_ENDPOINT_URL_S3", bucket.url, "HATCHERY_EVENT_BUS", "default")
	_, _ = p.Objects.Versions(t.Context(), "k")
	if all.calls.Load() != 0 || bucket.calls.Load() != 1 {
		t.Fatalf("%d calls for all, %d for the bucket", all.calls.Load(), bucket.calls.Load())
	}
	_, _ = p.Records.Get(t.Context(), upload.Ref{Journal: "j", Entry: "e", Kind: "images",
		ID: "0195600d-0000-7000-8000-000000000001"})
	_, _ = sqs.NewFromConfig(p.AWS).SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &all.url,
		MessageBody: &all.url})
	_ = p.Uploads.Notifier.Notify(t.Context(), upload.Record{Status: upload.Stored})
	if all.calls.Load() != 3 || bucket.calls.Load() != 1 {
		t.Errorf("%d calls for all, want 3; %d for the bucket", all.calls.Load(), bucket.calls.Load())
	}
}

func TestAnEndpointOfOnesOwnIsSpokenToInPathStyle(t *testing.T) {
	e := newEndpoint(t, 400)
	// By a name, for which the SDK would put the bucket's name before it.
	url := strings.Replace(e.url, "127.0.0.1", "localhost", 1)
	_, _ = partsWith(t, "AWS_ENDPOINT_URL", url).Objects.Versions(t.Context(), "k")
	if r := e.last.Load(); r == nil || !strings.HasPrefix(r.Host, "localhost:") || r.URL.Path != "/bucket-1" {
		t.Errorf("asked %+v", r)
	}
}

func TestAWSItselfIsSpokenToByTheBucketsName(t *testing.T) {
	link, err := partsWith(t).Objects.Link(t.Context(), upload.Link{Key: "files/k", Version: "v",
		Lifetime: 60_000_000_000})
	if err != nil || !strings.HasPrefix(link, "https://bucket-1.s3.eu-central-1.amazonaws.com/files/k?") ||
		!strings.Contains(link, "X-Amz-Security-Token=") {
		t.Errorf("link %s, %v", link, err)
	}
}

func TestACallIsTriedThreeTimes(t *testing.T) {
	e := newEndpoint(t, 503)
	p := partsWith(t, "AWS_ENDPOINT_URL", e.url)
	if _, err := p.Objects.Versions(t.Context(), "k"); err == nil || e.calls.Load() != 3 {
		t.Errorf("%v after %d calls", err, e.calls.Load())
	}
}

func TestEveryCallIsSignedWithTheRolesSession(t *testing.T) {
	e := newEndpoint(t, 400)
	p := partsWith(t, "AWS_ENDPOINT_URL", e.url)
	_, _ = p.Objects.Versions(t.Context(), "k")
	header := e.last.Load().Header
	if !strings.Contains(header.Get("Authorization"), "Credential=id/") ||
		!strings.Contains(header.Get("Authorization"), "/eu-central-1/s3/") || header.Get("X-Amz-Security-Token") != canary {
		t.Errorf("header %v", header)
	}
}
