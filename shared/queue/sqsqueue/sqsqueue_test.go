package sqsqueue_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
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
	return serveAt(t, nil)
}

// serveAt serves by a clock. A client signs by the time of day, so that the clock stays within minutes of it.
func serveAt(t *testing.T, now func() time.Time) *localsqs.Server {
	t.Helper()
	server, err := localsqs.Open(t.Context(),
		localsqs.Options{Path: filepath.Join(t.TempDir(), "queue.db"), Listen: "127.0.0.1:0",
			Region: region, AccessKey: accessKey, SecretKey: secretKey, Now: now})
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

func TestTheQueueInSQSTellsOfItself(t *testing.T) {
	server := serve(t)
	c := client(server.URL(), secretKey)
	queues := 0
	queuetest.RunInspector(t, func(t *testing.T) queuetest.InspectorHarness {
		queues++
		name, dead, beyond := fmt.Sprint("queue-", queues), fmt.Sprint("dead-", queues), fmt.Sprint("beyond-", queues)
		create(t, server, beyond, nil)
		create(t, server, dead, map[string]string{"MessageRetentionPeriod": "1209600"})
		create(t, server, name, redriveTo(server, dead))
		create(t, server, name, map[string]string{"VisibilityTimeout": "1801"})
		return queuetest.InspectorHarness{Queue: sqsqueue.New(c, server.QueueURL(name)),
			QueueIs: queue.State{ARN: server.QueueARN(name), Retention: 4 * 24 * time.Hour, Visibility: 1801 * time.Second},
			DeadIs:  queue.State{ARN: server.QueueARN(dead), Retention: 14 * 24 * time.Hour, Visibility: 30 * time.Second},
			Dead:    sqsqueue.New(c, server.QueueURL(dead)), Missing: sqsqueue.New(c, server.QueueURL("missing")),
			Fill:  func(t *testing.T, s queue.State) { fill(t, c, server.QueueURL(dead), s) },
			Chain: func(t *testing.T) { create(t, server, dead, redriveTo(server, beyond)) }}
	})
}

// create makes a queue, or changes its attributes.
func create(t *testing.T, server *localsqs.Server, name string, attributes map[string]string) {
	t.Helper()
	if err := server.CreateQueue(t.Context(), name, attributes); err != nil {
		t.Fatal(err)
	}
}

func redriveTo(server *localsqs.Server, dead string) map[string]string {
	return map[string]string{
		"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"5"}`, server.QueueARN(dead))}
}

// fill puts messages where they are to be.
func fill(t *testing.T, c *sqs.Client, url string, s queue.State) {
	t.Helper()
	for n := range s.Messages() {
		delay := int32(0)
		if n >= s.InFlight+s.Visible {
			delay = 900
		}
		if _, err := c.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String("dead"),
			DelaySeconds: delay}); err != nil {
			t.Fatal(err)
		}
	}
	for range s.InFlight {
		out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, VisibilityTimeout: 900})
		if err != nil || len(out.Messages) != 1 {
			t.Fatalf("received %+v, %v", out, err)
		}
	}
}

// TestADeadLetterQueueThatIsGoneSaysSo: a queue keeps its redrive policy when the other one is deleted.
func TestADeadLetterQueueThatIsGoneSaysSo(t *testing.T) {
	server := serve(t)
	c := client(server.URL(), secretKey)
	create(t, server, "dead", nil)
	create(t, server, "queue", redriveTo(server, "dead"))
	if _, err := c.DeleteQueue(t.Context(),
		&sqs.DeleteQueueInput{QueueUrl: aws.String(server.QueueURL("dead"))}); err != nil {
		t.Fatal(err)
	}
	_, err := queue.CountDeadLetters(t.Context(), sqsqueue.New(c, server.QueueURL("queue")))
	if !errors.Is(err, queue.ErrNoQueue) || !strings.Contains(err.Error(), server.QueueARN("dead")) {
		t.Errorf("%v, want ErrNoQueue and which queue", err)
	}
}

// TestWhatSQSDoesNotSayIsNotZero: attributes that are missing or cannot be read, and a caller who may not ask.
func TestWhatSQSDoesNotSayIsNotZero(t *testing.T) {
	const counts = `"ApproximateNumberOfMessages":"1","ApproximateNumberOfMessagesNotVisible":"2"`
	const all = counts + `,"ApproximateNumberOfMessagesDelayed":"0"` +
		`,"MessageRetentionPeriod":"1209600","VisibilityTimeout":"30"`
	const arn = `,"QueueArn":"arn:aws:sqs:eu-central-1:111122223333:queue"`
	for name, c := range map[string]struct {
		status         int
		answer, inText string
	}{
		"no attributes": {200, `{}`, "attribute "},
		"one is missing": {200, `{"Attributes":{` + counts + arn + `,"MessageRetentionPeriod":"60","VisibilityTimeout":"30"}}`,
			"ApproximateNumberOfMessagesDelayed"},
		"no ARN":             {200, `{"Attributes":{` + all + `}}`, "QueueArn"},
		"no redrive policy":  {200, `{"Attributes":{` + all + arn + `,"RedrivePolicy":"{"}}`, "redrive policy"},
		"a target of no ARN": {200, `{"Attributes":{` + all + arn + `,"RedrivePolicy":"{}"}}`, "dead-letter queue"},
		"the caller may not": {403, `{"__type":"com.amazonaws.sqs#AccessDenied","message":"may not sqs:getqueueattributes"}`,
			"AccessDenied: may not sqs:getqueueattributes"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/x-amz-json-1.0")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.answer)
			}))
			defer server.Close()
			n, err := queue.CountDeadLetters(t.Context(),
				sqsqueue.New(client(server.URL, secretKey), server.URL+"/000000000000/queue"))
			if n != 0 || err == nil || !strings.Contains(err.Error(), c.inText) || errors.Is(err, queue.ErrNoDeadLetters) ||
				errors.Is(err, queue.ErrNoQueue) {
				t.Errorf("%d, %v", n, err)
			}
		})
	}
}

// TestTheDeadLetterQueueIsLookedForInItsAccount: by the name and the account of its ARN.
func TestTheDeadLetterQueueIsLookedForInItsAccount(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		asked = append(asked, action+" "+string(body))
		if action == "GetQueueUrl" {
			_, _ = io.WriteString(w, `{"QueueUrl":"http://`+r.Host+`/111122223333/dead"}`)
			return
		}
		redrive := ""
		if strings.Contains(string(body), "/queue") {
			redrive = `,"RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:eu-central-1:111122223333:dead\"}"`
		}
		_, _ = io.WriteString(w, `{"Attributes":{"ApproximateNumberOfMessages":"1",`+
			`"ApproximateNumberOfMessagesNotVisible":"2","ApproximateNumberOfMessagesDelayed":"4",`+
			`"MessageRetentionPeriod":"60","VisibilityTimeout":"30","QueueArn":"arn"`+redrive+`}}`)
	}))
	defer server.Close()
	n, err := queue.CountDeadLetters(t.Context(),
		sqsqueue.New(client(server.URL, secretKey), server.URL+"/111122223333/queue"))
	if n != 7 || err != nil || len(asked) != 3 ||
		asked[1] != `GetQueueUrl {"QueueName":"dead","QueueOwnerAWSAccountId":"111122223333"}` ||
		!strings.Contains(asked[2], "/111122223333/dead") {
		t.Errorf("%d, %v; asked %q", n, err, asked)
	}
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
	began = time.Now()
	if _, err := q.Inspect(t.Context()); err == nil || time.Since(began) > 10*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}
