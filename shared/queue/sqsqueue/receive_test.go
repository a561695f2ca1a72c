package sqsqueue_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hatchery/shared/local/localsqs"
	"hatchery/shared/queue"
	"hatchery/shared/queue/queuetest"
	"hatchery/shared/queue/sqsqueue"
	"hatchery/shared/uploadtest"
)

// graveyard is a queue with a dead-letter queue, on a server whose clock stands.
type graveyard struct {
	client     *sqs.Client
	server     *localsqs.Server
	clock      *uploadtest.Clock
	live, dead string // names
}

func newGraveyard(t *testing.T) graveyard {
	t.Helper()
	clock := uploadtest.NewClock(time.Now())
	g := graveyard{server: serveAt(t, clock.Now), clock: clock, live: "live", dead: "dead"}
	g.client = client(g.server.URL(), secretKey)
	create(t, g.server, g.dead, nil)
	create(t, g.server, g.live, map[string]string{
		"RedrivePolicy": fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"1"}`, g.server.QueueARN(g.dead))})
	return g
}

func (g graveyard) queue(name string) *sqsqueue.Queue {
	return sqsqueue.New(g.client, g.server.QueueURL(name))
}

func (g graveyard) pass(d time.Duration) {
	g.clock.Pass(d)
	g.server.Wake()
}

// bury lets a message fail in the live queue.
func (g graveyard) bury(t *testing.T, m queue.Message) queue.Received {
	t.Helper()
	live := g.queue(g.live)
	if err := live.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got, err := live.Receive(t.Context(), time.Second, 0)
	if err != nil || len(got) != 1 {
		t.Fatalf("received %+v, %v", got, err)
	}
	g.pass(time.Second)
	if more, err := live.Receive(t.Context(), time.Second, 0); err != nil || len(more) != 0 {
		t.Fatalf("not dead: %+v, %v", more, err)
	}
	got[0].Source = g.server.QueueARN(g.live)
	return got[0]
}

func TestTheQueueInSQSHandsOut(t *testing.T) {
	queuetest.RunReceiver(t, func(t *testing.T) queuetest.ReceiverHarness {
		g := newGraveyard(t)
		return queuetest.ReceiverHarness{Queue: g.queue(g.dead), Missing: g.queue("missing"), Bury: g.bury,
			Now: g.clock.Now, Pass: g.pass, Waits: true}
	})
}

func TestTheQueueInSQSMovesItsMessages(t *testing.T) {
	queuetest.RunMover(t, func(t *testing.T) queuetest.MoverHarness {
		g := newGraveyard(t)
		return queuetest.MoverHarness{Dead: g.queue(g.dead), To: g.queue(g.live), ToARN: g.server.QueueARN(g.live),
			Bury: g.bury, Now: g.clock.Now, Pass: g.pass,
			Missing: g.queue("missing"), MissingARN: g.server.QueueARN("another")}
	})
}

func TestTheDeadLetterQueueIsFound(t *testing.T) {
	g := newGraveyard(t)
	want := g.bury(t, queue.Message{Body: "dead"})
	dead, err := g.queue(g.live).DeadLetterQueue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := dead.Receive(t.Context(), time.Minute, 0); err != nil || len(got) != 1 || got[0].ID != want.ID {
		t.Errorf("it has %+v, %v, want %+v", got, err, want)
	}
	if _, err := dead.DeadLetterQueue(t.Context()); !errors.Is(err, queue.ErrNoDeadLetters) {
		t.Errorf("the dead letters of the dead letters: %v, want ErrNoDeadLetters", err)
	}
	if _, err := g.queue("missing").DeadLetterQueue(t.Context()); !errors.Is(err, queue.ErrNoQueue) {
		t.Errorf("of a queue that is not there: %v, want ErrNoQueue", err)
	}
}

// A queue that is not a dead-letter queue of any other cannot be moved from.
func TestWhatSQSRefusesToMoveIsNotCalledMoving(t *testing.T) {
	g := newGraveyard(t)
	err := g.queue(g.live).StartMove(t.Context(), g.server.QueueARN(g.dead), 1)
	if err == nil || errors.Is(err, queue.ErrMoving) || errors.Is(err, queue.ErrUnsupported) {
		t.Errorf("moved from a queue without others' dead letters: %v", err)
	}
}

// answers serves one answer for each action of SQS, and keeps what it was asked.
func answers(t *testing.T, status int, byAction map[string]string) (q *sqsqueue.Queue, asked map[string]map[string]any) {
	t.Helper()
	asked = map[string]map[string]any{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		asked[action] = body
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		answer, code, _ := strings.Cut(byAction[action], " query-error ")
		if code != "" {
			w.Header().Set("X-Amzn-Query-Error", code+";Sender")
		}
		if strings.Contains(answer, "__type") {
			w.WriteHeader(status)
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	return sqsqueue.New(client(server.URL, secretKey), server.URL+"/111122223333/dead"), asked
}

func TestAReceiveAsksForAllThatTheContractTells(t *testing.T) {
	q, asked := answers(t, 200, map[string]string{"ReceiveMessage": "{}"})
	if _, err := q.Receive(t.Context(), time.Minute, 20*time.Second); err != nil {
		t.Fatal(err)
	}
	got := asked["ReceiveMessage"]
	names := fmt.Sprint(got["MessageSystemAttributeNames"])
	if got["MaxNumberOfMessages"] != 10.0 || got["VisibilityTimeout"] != 60.0 || got["WaitTimeSeconds"] != 20.0 ||
		fmt.Sprint(got["MessageAttributeNames"]) != "[All]" ||
		names != "[SentTimestamp ApproximateReceiveCount DeadLetterQueueSourceArn]" {
		t.Errorf("asked for %v", got)
	}
}

// What SQS does not tell of a message is an error: a time of zero would look like one that is long over.
func TestAMessageWithoutItsTimeOrCountIsAnError(t *testing.T) {
	for _, attributes := range []string{`{}`, `{"SentTimestamp":"1"}`, `{"ApproximateReceiveCount":"1"}`,
		`{"SentTimestamp":"soon","ApproximateReceiveCount":"1"}`} {
		q, _ := answers(t, 200, map[string]string{"ReceiveMessage": `{"Messages":[{"MessageId":"m-1","Body":"",` +
			`"MD5OfBody":"d41d8cd98f00b204e9800998ecf8427e","ReceiptHandle":"r","Attributes":` + attributes + `}]}`})
		if got, err := q.Receive(t.Context(), time.Minute, 0); err == nil || !strings.Contains(err.Error(), "m-1") {
			t.Errorf("%s: %+v, %v", attributes, got, err)
		}
	}
}

// SQS has several answers for a receipt that is no good: as clients of it reported them.
func TestSQSsWordsForAReceiptThatIsNoGood(t *testing.T) {
	const value = `Value AQEB for parameter ReceiptHandle is invalid. Reason: `
	for name, c := range map[string]struct {
		shape, code, message string
		want                 bool
	}{
		"invalid": {"com.amazonaws.sqs#ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", "The receipt is invalid.", true},
		"expired": {"com.amazon.coral.service#InvalidParameterValueException", invalidParameter,
			value + "The receipt handle has expired.", true},
		"another parameter": {"com.amazon.coral.service#InvalidParameterValueException", invalidParameter,
			"Value for parameter QueueUrl is invalid.", false},
		"no right": {"com.amazonaws.sqs#AccessDenied", "AccessDenied", "may not", false},
	} {
		q, _ := answers(t, 400, map[string]string{"DeleteMessage": fmt.Sprintf(`{"__type":%q,"message":%q} query-error %s`,
			c.shape, c.message, c.code)})
		err := q.Delete(t.Context(), "AQEB")
		if err == nil || errors.Is(err, queue.ErrReceipt) != c.want || errors.Is(err, queue.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const invalidParameter = "InvalidParameterValue"

func TestWhatCannotBeHiddenIsSaidUnlessItIsNotInFlight(t *testing.T) {
	for _, c := range []struct{ code, message, inText string }{
		{"AWS.SimpleQueueService.MessageNotInflight", "", ""},
		{"MessageNotInflight", "", ""},
		{"ReceiptHandleIsInvalid", "The input receipt handle is invalid.", ""},
		{invalidParameter, "Value AQEB for parameter ReceiptHandle is invalid. Reason: Message does not exist or is " +
			"not available for visibility timeout change.", ""},
		{invalidParameter, "Value 43200 for parameter VisibilityTimeout is invalid.", "for parameter VisibilityTimeout"},
		{"InternalError", "not now", "1 of 10 messages, the first with InternalError: not now"},
	} {
		q, asked := answers(t, 200, map[string]string{"ChangeMessageVisibilityBatch": fmt.Sprintf(
			`{"Successful":[],"Failed":[{"Id":"0","SenderFault":true,"Code":%q,"Message":%q}]}`, c.code, c.message)})
		receipts := slices.Repeat([]string{"AQEB"}, 20)
		err := q.Hide(t.Context(), receipts, 0)
		if (err == nil) != (c.inText == "") || err != nil && !strings.Contains(err.Error(), c.inText) {
			t.Errorf("%s %s: %v", c.code, c.message, err)
		}
		if entries := asked["ChangeMessageVisibilityBatch"]["Entries"].([]any); len(entries) != 10 ||
			entries[0].(map[string]any)["VisibilityTimeout"] != 0.0 {
			t.Errorf("asked for %v", entries)
		}
	}
}

// A failed batch does not keep the next from being given back.
func TestTheNextBatchIsHiddenAfterAFailedOne(t *testing.T) {
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		if calls++; calls == 1 {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"__type":"com.amazonaws.sqs#AccessDenied","message":"may not"}`)
			return
		}
		_, _ = io.WriteString(w, `{"Successful":[],"Failed":[]}`)
	}))
	defer server.Close()
	q := sqsqueue.New(client(server.URL, secretKey), server.URL+"/111122223333/dead")
	err := q.Hide(t.Context(), slices.Repeat([]string{"AQEB"}, 25), 0)
	if err == nil || !strings.Contains(err.Error(), "AccessDenied") || calls != 3 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

func TestAServiceWithoutMovesSaysSo(t *testing.T) {
	const unknown = `{"__type":"InvalidAction","message":"The action is not valid for this endpoint."}`
	const state = `{"Attributes":{"ApproximateNumberOfMessages":"1","ApproximateNumberOfMessagesNotVisible":"2",` +
		`"ApproximateNumberOfMessagesDelayed":"0","MessageRetentionPeriod":"60","VisibilityTimeout":"30","QueueArn":"arn"}}`
	q, _ := answers(t, 400, map[string]string{"GetQueueAttributes": state, "StartMessageMoveTask": unknown,
		"ListMessageMoveTasks": unknown, "CancelMessageMoveTask": unknown})
	_, err := q.Moves(t.Context())
	for what, err := range map[string]error{"listed": err, "started": q.StartMove(t.Context(), "arn:to", 1),
		"cancelled": q.CancelMove(t.Context(), queue.Move{Handle: "handle"})} {
		if !errors.Is(err, queue.ErrUnsupported) {
			t.Errorf("%s: %v, want ErrUnsupported", what, err)
		}
	}
}

// TestAnOperatorsCallsAreGivenUp: the listener takes the connections and says nothing.
func TestAnOperatorsCallsAreGivenUp(t *testing.T) {
	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	at := "http://" + silent.Addr().String()
	q := sqsqueue.New(client(at, secretKey), at+"/000000000000/queue")
	q.SetCallTimeout(20 * time.Millisecond)
	began := time.Now()
	_, received := q.Receive(t.Context(), time.Minute, 0)
	_, moves := q.Moves(t.Context())
	for what, err := range map[string]error{"receive": received, "moves": moves,
		"hide": q.Hide(t.Context(), []string{"r"}, 0), "delete": q.Delete(t.Context(), "r"),
		"move": q.StartMove(t.Context(), "arn", 1), "cancel": q.CancelMove(t.Context(), queue.Move{Handle: "h"})} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("given up after %v", took)
	}
}
