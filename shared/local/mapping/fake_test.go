package mapping_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// memoryQueue is a queue for tests in a synctest bubble, where a socket would stop the time. It keeps order and long
// polls; a received message stays hidden until it is deleted or given back, for no test here waits that long.
type memoryQueue struct {
	mu       sync.Mutex
	visible  []types.Message
	inFlight map[string]types.Message // by receipt handle
	arrived  chan struct{}            // closed and replaced when a message comes
	receipts int
	waits    []int32  // WaitTimeSeconds of each receive
	deletes  []string // bodies, in order
	released []string

	visibility string                 // the queue's timeout in seconds
	fail       func(op string) error  // nil: nothing fails
	refuse     func(body string) bool // entries that a batch delete reports as failed
}

func newMemoryQueue() *memoryQueue {
	return &memoryQueue{inFlight: map[string]types.Message{}, arrived: make(chan struct{}), visibility: "60",
		fail: func(string) error { return nil }, refuse: func(string) bool { return false }}
}

func (q *memoryQueue) send(bodies ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, b := range bodies {
		q.visible = append(q.visible, types.Message{MessageId: aws.String("id of " + b), Body: aws.String(b), MD5OfBody: aws.String("md5 of " + b),
			Attributes: map[string]string{"ApproximateReceiveCount": "1"}})
	}
	close(q.arrived)
	q.arrived = make(chan struct{})
}

func (q *memoryQueue) GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	if err := q.fail("attributes"); err != nil {
		return nil, err
	}
	return &sqs.GetQueueAttributesOutput{Attributes: map[string]string{"VisibilityTimeout": q.visibility}}, nil
}

func (q *memoryQueue) ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	if in.MaxNumberOfMessages < 1 || in.MaxNumberOfMessages > 10 || in.WaitTimeSeconds > 20 || in.VisibilityTimeout != 0 {
		return nil, fmt.Errorf("a receive that SQS refuses, or that is not Lambda's: %+v", in)
	}
	timer := time.NewTimer(time.Duration(in.WaitTimeSeconds) * time.Second)
	defer timer.Stop()
	for first := true; ; first = false {
		if err := q.fail("receive"); err != nil {
			return nil, err
		}
		q.mu.Lock()
		if first {
			q.waits = append(q.waits, in.WaitTimeSeconds)
		}
		n := min(int(in.MaxNumberOfMessages), len(q.visible))
		found := append([]types.Message{}, q.visible[:n]...)
		q.visible = q.visible[n:]
		for i := range found {
			q.receipts++
			found[i].ReceiptHandle = aws.String(strconv.Itoa(q.receipts))
			q.inFlight[*found[i].ReceiptHandle] = found[i]
		}
		arrived := q.arrived
		q.mu.Unlock()
		if n > 0 || in.WaitTimeSeconds == 0 {
			return &sqs.ReceiveMessageOutput{Messages: found}, nil
		}
		select {
		case <-arrived:
		case <-timer.C:
			return &sqs.ReceiveMessageOutput{}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (q *memoryQueue) DeleteMessageBatch(_ context.Context, in *sqs.DeleteMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error) {
	if err := q.fail("delete"); err != nil {
		return nil, err
	}
	if len(in.Entries) < 1 || len(in.Entries) > 10 {
		return nil, errors.New("a batch that SQS refuses")
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	out := &sqs.DeleteMessageBatchOutput{}
	for _, e := range in.Entries {
		m := q.inFlight[*e.ReceiptHandle]
		if q.refuse(*m.Body) {
			out.Failed = append(out.Failed, types.BatchResultErrorEntry{Id: e.Id, Code: aws.String("InternalError"), Message: aws.String("not now")})
			continue
		}
		delete(q.inFlight, *e.ReceiptHandle)
		q.deletes = append(q.deletes, *m.Body)
	}
	return out, nil
}

func (q *memoryQueue) ChangeMessageVisibilityBatch(_ context.Context, in *sqs.ChangeMessageVisibilityBatchInput, _ ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range in.Entries {
		m := q.inFlight[*e.ReceiptHandle]
		delete(q.inFlight, *e.ReceiptHandle)
		q.released = append(q.released, *m.Body)
		q.visible = append(q.visible, m)
	}
	return &sqs.ChangeMessageVisibilityBatchOutput{}, nil
}
