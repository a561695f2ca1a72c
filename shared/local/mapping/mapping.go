// Package mapping hands the messages of an SQS queue to a function the way a Lambda event source mapping does, so that
// a handler that is deployed behind one meets the same batches, failures and retries in one process.
//
// Facts from the Lambda developer guide ("Using Lambda with Amazon SQS" and "Handling errors for an SQS event source"):
//   - without a batch window a batch is what one receive gives, at most 10 messages; with one, messages are gathered
//     until there are BatchSize of them, the window ends, or the event would pass 6 MB;
//   - the mapping sets no visibility timeout: the queue's own counts, and a queue whose timeout is shorter than the
//     function's is refused;
//   - a function that returns is believed: messages it does not report as failed are deleted;
//   - an error, a panic, a time-out, or a report that names an empty or unknown id fails the whole batch;
//   - a failed message is left alone: it comes back when its visibility timeout ends, counts one receive more, and in
//     the end goes to the dead letters. It is not made visible early.
//
// Not imitated: Lambda's slower polling after errors, its scaling from five pollers upwards, and filters.
package mapping

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Queue is what a mapping calls; an *sqs.Client is one.
type Queue interface {
	GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (
		*sqs.GetQueueAttributesOutput, error)
	ReceiveMessage(context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	DeleteMessageBatch(context.Context, *sqs.DeleteMessageBatchInput, ...func(*sqs.Options)) (
		*sqs.DeleteMessageBatchOutput, error)
	ChangeMessageVisibilityBatch(context.Context, *sqs.ChangeMessageVisibilityBatchInput, ...func(*sqs.Options)) (
		*sqs.ChangeMessageVisibilityBatchOutput, error)
}

var _ Queue = (*sqs.Client)(nil)

// Handler is a function as Lambda calls it for a queue. It must report failed messages (ReportBatchItemFailures).
type Handler func(context.Context, events.SQSEvent) (events.SQSEventResponse, error)

// Mapping is an event source mapping. Set its fields, then call Run once; they must not change afterwards.
type Mapping struct {
	Queue                      Queue
	QueueURL, QueueARN, Region string

	// BatchSize is the most messages of one call: 1 to 10, or up to 10,000 with a Window of a second or more.
	// 0 is 10. A large batch that fails is large to repeat.
	BatchSize int
	// Window is how long to gather messages for a batch after its first: 0 (not at all) to 5 minutes. It delays every
	// message that much when there are few, and counts against the queue's visibility timeout.
	Window time.Duration
	// Concurrency is the most calls at once, and the number of receives that wait on an idle queue; 0 is 5.
	Concurrency int
	// FunctionTimeout ends a call: up to 15 minutes, and no longer than the queue's visibility timeout. Required.
	FunctionTimeout time.Duration

	Handler Handler
	// Paused says whether to receive nothing for now, as a disabled mapping does; nil is never. It is asked before each
	// receive and once a second meanwhile, by several goroutines. What was received is handled all the same.
	Paused func() bool
	// Log receives what goes wrong with the queue or the function; nil drops it. Message bodies are never logged.
	Log *slog.Logger
}

// Limits of the Lambda API reference and developer guide.
const (
	receiveSize        = 10
	maxBatchSize       = 10_000
	maxWindow          = 5 * time.Minute
	maxFunctionTimeout = 15 * time.Minute
	maxEventBytes      = 6 << 20

	defaultConcurrency = 5
	longPoll           = 20 * time.Second
)

// Run polls and calls the handler until ctx ends. Then it waits for running calls, FunctionTimeout at most, settles
// them, makes what it gathered but did not hand over visible again, and returns nil. An error means that it never
// started: a wrong field, or a queue that cannot be asked or whose visibility timeout is too short.
func (m *Mapping) Run(ctx context.Context) error {
	run := *m
	if err := run.complete(); err != nil {
		return fmt.Errorf("map queue %q to a function: %w", m.QueueURL, err)
	}
	// When ctx has ended the workers return at once, whatever the queue said.
	if err := run.checkQueue(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("map queue %q to a function: %w", m.QueueURL, err)
	}
	p := &poller{Mapping: run, receiving: health{log: run.Log, what: "receiving from the queue"},
		deleting: health{log: run.Log, what: "deleting from the queue"}}
	var workers sync.WaitGroup
	for range run.Concurrency {
		workers.Go(func() { p.work(ctx) })
	}
	workers.Wait()
	return nil
}

// complete puts defaults in and checks the fields.
func (m *Mapping) complete() error {
	m.BatchSize, m.Concurrency = cmp.Or(m.BatchSize, receiveSize), cmp.Or(m.Concurrency, defaultConcurrency)
	if m.Log == nil {
		m.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case m.Queue == nil || m.Handler == nil || m.QueueURL == "" || m.QueueARN == "" || m.Region == "":
		return errors.New("a queue with URL, ARN and region, and a handler are required")
	case m.BatchSize < 1 || m.BatchSize > maxBatchSize:
		return fmt.Errorf("a batch size of %d is not in 1 to %d", m.BatchSize, maxBatchSize)
	case m.Window < 0 || m.Window > maxWindow:
		return fmt.Errorf("a window of %v is not in 0 to %v", m.Window, maxWindow)
	case m.BatchSize > receiveSize && m.Window < time.Second:
		return fmt.Errorf("a batch size of %d needs a window of at least a second", m.BatchSize)
	case m.Concurrency < 1:
		return fmt.Errorf("a concurrency of %d is not positive", m.Concurrency)
	case m.FunctionTimeout <= 0 || m.FunctionTimeout > maxFunctionTimeout:
		return fmt.Errorf("a function timeout of %v is not within %v", m.FunctionTimeout, maxFunctionTimeout)
	}
	return nil
}

// checkQueue refuses what Lambda refuses when a mapping is made.
func (m *Mapping) checkQueue(ctx context.Context) error {
	out, err := m.Queue.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &m.QueueURL,
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameVisibilityTimeout}})
	if err != nil {
		return fmt.Errorf("ask for its visibility timeout: %w", err)
	}
	seconds, err := strconv.Atoi(out.Attributes["VisibilityTimeout"])
	if err != nil {
		return fmt.Errorf("read its visibility timeout: %w", err)
	}
	if visibility := time.Duration(seconds) * time.Second; visibility < m.FunctionTimeout {
		return fmt.Errorf("its visibility timeout of %v is less than the function timeout of %v",
			visibility, m.FunctionTimeout)
	}
	return nil
}
