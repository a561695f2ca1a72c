package sqsqueue_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hatchery/shared/local/localsqs"
	"hatchery/shared/queue"
	"hatchery/shared/queue/queuetest"
	"hatchery/shared/queue/sqsqueue"
)

const (
	region    = "us-east-1"
	accessKey = "HATCHERYTEST"
	secretKey = "a-secret-for-tests-that-must-not-show"
)

func client(endpoint, secret string) *sqs.Client {
	return sqs.New(sqs.Options{Region: region, BaseEndpoint: &endpoint, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secret, "")})
}

func serve(t *testing.T) *localsqs.Server {
	t.Helper()
	server, err := localsqs.Open(t.Context(),
		localsqs.Options{Path: filepath.Join(t.TempDir(), "queue.db"), Listen: "127.0.0.1:0",
			Region: region, AccessKey: accessKey, SecretKey: secretKey})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return server
}

func TestTheQueueInSQSKeepsTheContract(t *testing.T) {
	server := serve(t)
	c := client(server.URL(), secretKey)
	queues := 0
	queuetest.RunSender(t, func(t *testing.T) queuetest.SenderHarness {
		queues++
		name := fmt.Sprint("queue-", queues)
		if err := server.CreateQueue(t.Context(), name, nil); err != nil {
			t.Fatal(err)
		}
		url := server.QueueURL(name)
		return queuetest.SenderHarness{Sender: sqsqueue.New(c, url), Missing: sqsqueue.New(c, server.QueueURL("missing")),
			Take: func(t *testing.T) []queue.Message { return take(t, c, url) }}
	})
}

// take receives and deletes until the queue is empty.
func take(t *testing.T, c *sqs.Client, url string) (all []queue.Message) {
	t.Helper()
	for {
		out, err := c.ReceiveMessage(t.Context(),
			&sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"}})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return all
		}
		for _, m := range out.Messages {
			got := queue.Message{Body: aws.ToString(m.Body)}
			for name, v := range m.MessageAttributes {
				if got.Attributes == nil {
					got.Attributes = map[string]queue.Attribute{}
				}
				got.Attributes[name] = queue.Attribute{Type: aws.ToString(v.DataType), Text: aws.ToString(v.StringValue),
					Binary: v.BinaryValue}
			}
			all = append(all, got)
			if _, err := c.DeleteMessage(t.Context(),
				&sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestAQueueThatIsSetToTakeLessRefusesMore(t *testing.T) {
	server := serve(t)
	if err := server.CreateQueue(t.Context(), "small", map[string]string{"MaximumMessageSize": "1024"}); err != nil {
		t.Fatal(err)
	}
	q := sqsqueue.New(client(server.URL(), secretKey), server.QueueURL("small"))
	if err := q.Send(t.Context(), queue.Message{Body: strings.Repeat("x", 1025)}); !errors.Is(err, queue.ErrRefused) {
		t.Errorf("%v, want ErrRefused", err)
	}
}

func TestTroubleIsNeitherOfTheSentinelsAndShowsNoSecret(t *testing.T) {
	server := serve(t)
	if err := server.CreateQueue(t.Context(), "queue", nil); err != nil {
		t.Fatal(err)
	}
	const wrong = "another-secret-that-must-not-show"
	err := sqsqueue.New(client(server.URL(), wrong), server.QueueURL("queue")).Send(t.Context(),
		queue.Message{Body: "body"})
	if err == nil || errors.Is(err, queue.ErrRefused) || errors.Is(err, queue.ErrNoQueue) {
		t.Errorf("a wrong signature: %v", err)
	}
	if err != nil && (strings.Contains(err.Error(), wrong) || !strings.Contains(err.Error(), "SendMessage")) {
		t.Errorf("the error shows a secret, or not what was called: %v", err)
	}
}

// TestAQueueThatDoesNotAnswerIsGivenUp: the listener takes the connection and says
// nothing.
func TestAQueueThatDoesNotAnswerIsGivenUp(t *testing.T) {
	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	at := "http://" + silent.Addr().String()
	q := sqsqueue.New(client(at, secretKey), at+"/000000000000/queue")
	q.SetCallTimeout(50 * time.Millisecond)
	began := time.Now()
	if err := q.Send(t.Context(), queue.Message{Body: "body"}); err == nil || time.Since(began) > 10*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}
