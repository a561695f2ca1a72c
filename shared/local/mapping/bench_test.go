package mapping_test

import (
	"context"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hatchery/shared/local/localsqs"
	"hatchery/shared/local/mapping"
)

// movedClock is a time that stands until a test moves it.
type movedClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *movedClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *movedClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// serve opens a queue server on the machine's clock, with a client.
func serve(t testing.TB) (*localsqs.Server, *sqs.Client) {
	t.Helper()
	return serveOn(t, filepath.Join(t.TempDir(), "queue.db"), nil)
}

// serveOn opens a queue server on a clock; nil is the machine's. The clock must stay within a few minutes of the
// machine's, by which the client signs.
func serveOn(t testing.TB, path string, clock *movedClock) (*localsqs.Server, *sqs.Client) {
	t.Helper()
	options := localsqs.Options{Path: path, Listen: "127.0.0.1:0", Region: "us-east-1", AccessKey: "AKIDTEST",
		SecretKey: "secret"}
	if clock != nil {
		options.Now = clock.Now
	}
	server, err := localsqs.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return server, sqs.New(sqs.Options{BaseEndpoint: aws.String(server.URL()), Region: "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", "secret", "")})
}

// BenchmarkDrain measures messages that were sent in process and go through the mapping to a handler.
func BenchmarkDrain(b *testing.B) {
	for _, concurrency := range []int{1, 2, 5, 10} {
		b.Run("concurrency="+strconv.Itoa(concurrency), func(b *testing.B) {
			server, client := serve(b)
			if err := server.CreateQueue(b.Context(), "work", nil); err != nil {
				b.Fatal(err)
			}
			for range b.N {
				if err := server.Send(b.Context(), "work", `{"Records":[]}`, "key version"); err != nil {
					b.Fatal(err)
				}
			}
			ctx, stop := context.WithCancel(b.Context())
			var handled sync.WaitGroup
			handled.Add(b.N)
			m := &mapping.Mapping{Queue: client, QueueURL: server.QueueURL("work"), QueueARN: server.QueueARN("work"),
				Region:      "us-east-1",
				Concurrency: concurrency, FunctionTimeout: 5 * time.Second,
				Handler: func(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
					handled.Add(-len(e.Records))
					return events.SQSEventResponse{}, nil
				}}
			var run sync.WaitGroup
			b.ResetTimer()
			run.Go(func() {
				if err := m.Run(ctx); err != nil {
					b.Error(err)
				}
			})
			handled.Wait()
			stop()
			run.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}
