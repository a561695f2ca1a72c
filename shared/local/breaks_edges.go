package local

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"hatchery/shared/upload"
)

// judged is one message on its way through the validator. Its context carries it to the edges, which fail as its
// cause says; "" is none.
type judged struct {
	cause Cause
	// died is set when the function ended in the middle of it.
	died atomic.Bool
}

type judgedKey struct{}

func (j *judged) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, judgedKey{}, j)
}

func judgedIn(ctx context.Context) *judged {
	if j, ok := ctx.Value(judgedKey{}).(*judged); ok {
		return j
	}
	return &judged{}
}

// FailingRecords are records that fail a validator whose message is to die of them, and nobody else.
func FailingRecords(records upload.Records) upload.Records { return failingRecords{records} }

type failingRecords struct{ upload.Records }

// Get fails as a store that cannot be reached, or ends the function: it is the first call about a message.
func (r failingRecords) Get(ctx context.Context, ref upload.Ref) (upload.Record, error) {
	j := judgedIn(ctx)
	switch j.cause {
	case BreakRecords:
		return upload.Record{}, errNoStore()
	case BreakCrash:
		// What a process that is killed leaves: all before this call is done, and nothing follows. What the function
		// then returns is lost with it.
		j.died.Store(true)
		runtime.Goexit()
	}
	return r.Records.Get(ctx, ref)
}

// Update fails as a store that cannot be reached.
func (r failingRecords) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (upload.Record, error) {
	if judgedIn(ctx).cause == BreakRecords {
		return upload.Record{}, errNoStore()
	}
	return r.Records.Update(ctx, ref, t)
}

// errNoStore is what a driver says of a server that is down.
func errNoStore() error {
	return fmt.Errorf("call the record store: %w", &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED})
}

// FailingS3 is a configuration whose clients of S3 fail a validator whose message is to die of that, and nobody else.
func FailingS3(c aws.Config) aws.Config {
	c.ServiceOptions = append([]func(string, any){}, c.ServiceOptions...)
	c.ServiceOptions = append(c.ServiceOptions, func(_ string, options any) {
		if o, ok := options.(*s3.Options); ok {
			o.HTTPClient = failingClient{o.HTTPClient}
		}
	})
	return c
}

// failingClient stands before S3 and answers in its place. What the SDK makes of an answer is its own.
type failingClient struct{ next s3.HTTPClient }

// Do answers a request, or hands it on.
func (c failingClient) Do(r *http.Request) (*http.Response, error) {
	cause := judgedIn(r.Context()).cause
	switch {
	case cause == BreakS3:
		return answeredByS3(r, http.StatusServiceUnavailable, "ServiceUnavailable", "Service is unable to handle request.")
	case cause == BreakAccess && !aboutNote(r):
		return answeredByS3(r, http.StatusForbidden, "AccessDenied", "Access Denied")
	}
	response, err := c.next.Do(r)
	if err == nil && cause == BreakSlow && r.Method == http.MethodGet {
		response.Body = trickling{response.Body, r.Context()}
	}
	return response, err
}

// aboutNote: the validator's notes have rights of their own, which stay.
func aboutNote(r *http.Request) bool {
	return strings.Contains(r.URL.Path, "/"+upload.DeadLetterPrefix)
}

func answeredByS3(r *http.Request, status int, code, message string) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close() // it is not sent
	}
	body := fmt.Sprintf("<Error><Code>%s</Code><Message>%s</Message></Error>", code, message)
	return &http.Response{Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), StatusCode: status, Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"application/xml"}},
		ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader([]byte(body)))}, nil
}

// trickling gives a byte a second: bytes move, and no file comes to its end in a function's time.
type trickling struct {
	io.ReadCloser
	ctx context.Context // the request's
}

func (b trickling) Read(p []byte) (int, error) {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
	return b.ReadCloser.Read(p[:min(len(p), 1)])
}
