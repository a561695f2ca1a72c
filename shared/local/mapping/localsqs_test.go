package mapping_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hatchery/shared/local/localsqs"
	"hatchery/shared/local/mapping"
)

// whole is a mapping on a real queue server, over loopback.
func whole(server *localsqs.Server, client *sqs.Client, handler mapping.Handler) *mapping.Mapping {
	return &mapping.Mapping{Queue: client, QueueURL: server.QueueURL("work"), QueueARN: server.QueueARN("work"),
		Region:      "us-east-1",
		Concurrency: 3, FunctionTimeout: time.Second, Handler: handler}
}

// goes runs the mapping until the test calls the function that it returns.
func goes(t *testing.T, m *mapping.Mapping) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := m.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
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

func count(t *testing.T, client *sqs.Client, url string) string {
	t.Helper()
	out, err := client.GetQueueAttributes(t.Context(),
		&sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	return out.Attributes["ApproximateNumberOfMessages"] + " " + out.Attributes["ApproximateNumberOfMessagesNotVisible"]
}

// Some messages always fail, in each of the ways that there are. They end in the dead letters, after exactly as many
// deliveries as the queue allows; their neighbours are handled.
func TestPoisonEndsInTheDeadLettersAndItsNeighboursPass(t *testing.T) {
	clock := &movedClock{now: time.Now()}
	server, client := serveOn(t, filepath.Join(t.TempDir(), "queue.db"), clock)
	policy, err := json.Marshal(map[string]any{"deadLetterTargetArn": server.QueueARN("dead"), "maxReceiveCount": 3})
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []struct {
		name       string
		attributes map[string]string
	}{{"dead", nil}, {"work", map[string]string{"RedrivePolicy": string(policy), "VisibilityTimeout": "5"}}} {
		if err := server.CreateQueue(t.Context(), q.name, q.attributes); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	delivered := map[string]int{}
	m := whole(server, client, func(_ context.Context, e events.SQSEvent) (r events.SQSEventResponse, err error) {
		for _, m := range e.Records {
			mu.Lock()
			delivered[m.Body]++
			mu.Unlock()
			switch m.Body {
			case "reported":
				r.BatchItemFailures = append(r.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
			case "panics":
				panic(m.Body)
			case "errs":
				return r, fmt.Errorf("no %s", m.Body)
			}
		}
		return r, nil
	})
	m.BatchSize = 1
	stop := goes(t, m)
	sent := []string{"a", "reported", "b", "panics", "c", "errs", "d"}
	for _, body := range sent {
		if err := server.Send(t.Context(), "work", body, body); err != nil {
			t.Fatal(err)
		}
	}
	for round := 1; round <= 3; round++ {
		eventually(t, fmt.Sprint("delivery ", round), func() bool {
			mu.Lock()
			defer mu.Unlock()
			return delivered["reported"] == round && delivered["panics"] == round && delivered["errs"] == round
		})
		eventually(t, "the deletion of their neighbours",
			func() bool { return count(t, client, server.QueueURL("work")) == "0 3" })
		clock.move(5 * time.Second)
		server.Wake()
	}
	eventually(t, "three dead letters", func() bool {
		return count(t, client, server.QueueURL("dead")) == "3 0" && count(t, client, server.QueueURL("work")) == "0 0"
	})
	stop()
	for _, body := range sent {
		want := 1
		if len(body) > 1 {
			want = 3
		}
		if delivered[body] != want {
			t.Errorf("%q was delivered %d times, want %d", body, delivered[body], want)
		}
	}
}

func TestIdleMappingHandlesAMessageAtOnce(t *testing.T) {
	server, client := serve(t)
	if err := server.CreateQueue(t.Context(), "work", nil); err != nil {
		t.Fatal(err)
	}
	arrived := make(chan time.Time, 1)
	stop := goes(t, whole(server, client, func(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		arrived <- time.Now()
		return events.SQSEventResponse{}, nil
	}))
	defer stop()
	quickest := time.Hour
	for range 20 {
		sent := time.Now()
		if err := server.Send(t.Context(), "work", "x", ""); err != nil {
			t.Fatal(err)
		}
		quickest = min(quickest, (<-arrived).Sub(sent))
	}
	// The quickest of twenty, because the machine may be busy; a polling loop would never be quick.
	if quickest > 50*time.Millisecond {
		t.Errorf("the quickest of twenty messages took %v", quickest)
	}
	t.Logf("the quickest of twenty messages took %v", quickest)
}

func TestEveryMessageIsHandledOnceByManyWorkers(t *testing.T) {
	server, client := serve(t)
	if err := server.CreateQueue(t.Context(), "work", map[string]string{"VisibilityTimeout": "600"}); err != nil {
		t.Fatal(err)
	}
	const messages = 400
	var seen sync.Map
	var handled atomic.Int64
	stop := goes(t, whole(server, client, func(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		for _, m := range e.Records {
			if _, twice := seen.LoadOrStore(m.Body, true); twice {
				t.Errorf("message %q was handled twice", m.Body)
			}
			handled.Add(1)
		}
		return events.SQSEventResponse{}, nil
	}))
	for i := range messages {
		if _, err := client.SendMessage(t.Context(),
			&sqs.SendMessageInput{QueueUrl: aws.String(server.QueueURL("work")),
				MessageBody: aws.String(fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the last message", func() bool { return handled.Load() == messages })
	stop()
	if got := count(t, client, server.QueueURL("work")); got != "0 0" {
		t.Errorf("the queue still has %s", got)
	}
}
