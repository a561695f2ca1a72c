package localsqs_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hatchery/shared/local/localsqs"
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

// signer signs at a clock's time, so that a client follows the server's.
type signer struct{ now func() time.Time }

func (c signer) SignHTTP(ctx context.Context, who aws.Credentials, r *http.Request, hash, service, region string,
	_ time.Time, o ...func(*v4.SignerOptions)) error {
	return v4.NewSigner().SignHTTP(ctx, who, r, hash, service, region, c.now(), o...)
}

// stack is a server with its clock and a client.
type stack struct {
	*sqs.Client
	t      testing.TB
	server *localsqs.Server
	clock  *clock
}

func open(t testing.TB) *stack {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "queue.db"), newClock())
}

func openAt(t testing.TB, path string, c *clock) *stack {
	t.Helper()
	s := serveWith(t, options(t, path, c))
	s.clock = c
	return s
}

// serveWith opens a server with a client that signs by the server's clock.
func serveWith(t testing.TB, o localsqs.Options) *stack {
	t.Helper()
	server, err := localsqs.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	s := &stack{Client: client(server.URL(), signer{o.Now}, secretKey), t: t, server: server}
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

func options(t testing.TB, path string, c *clock) localsqs.Options {
	return localsqs.Options{Path: path, Listen: "127.0.0.1:0", Region: region, AccessKey: accessKey, SecretKey: secretKey,
		Now: c.Now, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

func client(url string, c signer, secret string) *sqs.Client {
	return sqs.New(sqs.Options{
		BaseEndpoint: aws.String(url), Region: region, RetryMaxAttempts: 1, HTTPSignerV4: c,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secret, ""),
	})
}

// move sets the clock forward and lets the server see it.
func (s *stack) move(d time.Duration) {
	s.clock.mu.Lock()
	s.clock.now = s.clock.now.Add(d)
	s.clock.mu.Unlock()
	s.server.Wake()
}

// queue makes a queue over the wire; attributes come in pairs.
func (s *stack) queue(name string, attributes ...string) *string {
	s.t.Helper()
	given := map[string]string{}
	for i := 0; i < len(attributes); i += 2 {
		given[attributes[i]] = attributes[i+1]
	}
	out, err := s.CreateQueue(s.t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: given})
	s.ok(err)
	return out.QueueUrl
}

// deadLetters is a RedrivePolicy.
func (s *stack) deadLetters(name string, maxReceives int) string {
	policy, err := json.Marshal(map[string]any{"deadLetterTargetArn": s.server.QueueARN(name),
		"maxReceiveCount": maxReceives})
	s.ok(err)
	return string(policy)
}

func (s *stack) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *stack) send(url *string, body string) string {
	s.t.Helper()
	out, err := s.SendMessage(s.t.Context(), &sqs.SendMessageInput{QueueUrl: url, MessageBody: &body})
	s.ok(err)
	return *out.MessageId
}

// receive takes up to ten messages, with everything there is to know, without waiting.
func (s *stack) receive(url *string) []types.Message {
	s.t.Helper()
	out, err := s.ReceiveMessage(s.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10,
		MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}})
	s.ok(err)
	return out.Messages
}

// one receives exactly one message.
func (s *stack) one(url *string) types.Message {
	s.t.Helper()
	messages := s.receive(url)
	if len(messages) != 1 {
		s.t.Fatalf("received %d messages, want 1", len(messages))
	}
	return messages[0]
}

// none wants the queue to have nothing to receive.
func (s *stack) none(url *string) {
	s.t.Helper()
	if messages := s.receive(url); len(messages) != 0 {
		s.t.Fatalf("received %d messages, want none", len(messages))
	}
}

func (s *stack) delete(url *string, m types.Message) {
	s.t.Helper()
	_, err := s.DeleteMessage(s.t.Context(), &sqs.DeleteMessageInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle})
	s.ok(err)
}

// attributes are all attributes of the queue.
func (s *stack) attributes(url *string) map[string]string {
	s.t.Helper()
	out, err := s.GetQueueAttributes(s.t.Context(),
		&sqs.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []types.QueueAttributeName{"All"}})
	s.ok(err)
	return out.Attributes
}

// counts are the queue's visible, in-flight and delayed messages.
func (s *stack) counts(url *string) string {
	s.t.Helper()
	a := s.attributes(url)
	return strings.Join([]string{a["ApproximateNumberOfMessages"], a["ApproximateNumberOfMessagesNotVisible"],
		a["ApproximateNumberOfMessagesDelayed"]}, " ")
}

func (s *stack) wantCounts(url *string, want string) {
	s.t.Helper()
	if got := s.counts(url); got != want {
		s.t.Fatalf("visible, in flight and delayed messages are %q, want %q", got, want)
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
