package mapping

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/uuid"
)

const (
	deleteAttempts = 5
	deleteTimeout  = 30 * time.Second
	lateWarning    = time.Second
)

// errPanicked is the failure of a function that did.
var errPanicked = errors.New("the function panicked")

// handle calls the function with a batch and deletes what did not fail. A call that was begun is finished and settled
// even when ctx ends.
func (p *poller) handle(ctx context.Context, batch []types.Message) {
	request := uuid.NewString()
	response, err := p.call(ctx, request, p.event(batch))
	var done []types.Message
	if err == nil {
		done, err = succeeded(batch, response)
	}
	if err != nil {
		p.Log.Error("a batch failed and comes back after its visibility timeout",
			"request_id", request, "messages", len(batch), "error", err)
		return
	}
	p.delete(context.WithoutCancel(ctx), done)
}

// result is what a function returned.
type result struct {
	response events.SQSEventResponse
	err      error
}

// call runs the function once. Its context ends after FunctionTimeout, and what it returns then is too late, as on
// Lambda. Lambda kills the function; here nothing can, so its worker waits until it returns, and never more than
// Concurrency calls run. When ctx ends, a function beyond its time is left behind.
func (p *poller) call(ctx context.Context, request string, event events.SQSEvent) (events.SQSEventResponse, error) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.FunctionTimeout)
	defer cancel()
	limited = lambdacontext.NewContext(limited, &lambdacontext.LambdaContext{AwsRequestID: request})
	returned := make(chan result, 1)
	go func() { returned <- p.invoke(limited, request, event) }()
	select {
	case r := <-returned:
		if limited.Err() == nil {
			return r.response, r.err
		}
	case <-limited.Done():
		defer time.AfterFunc(lateWarning, func() {
			p.Log.Warn("a function goes on after its time-out; its worker waits for it",
				"request_id", request, "timeout", p.FunctionTimeout)
		}).Stop()
		select {
		case <-returned:
		case <-ctx.Done():
		}
	}
	return events.SQSEventResponse{}, fmt.Errorf("the function timed out after %v", p.FunctionTimeout)
}

// invoke makes a panic an error.
func (p *poller) invoke(ctx context.Context, request string, event events.SQSEvent) (r result) {
	defer func() {
		if v := recover(); v != nil {
			p.Log.Error("the function panicked",
				"request_id", request, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			r.err = errPanicked
		}
	}()
	response, err := p.Handler(ctx, event)
	return result{response, err}
}

// event is the batch as Lambda shows it to a function.
func (p *poller) event(batch []types.Message) events.SQSEvent {
	records := make([]events.SQSMessage, len(batch))
	for i, m := range batch {
		attributes := make(map[string]events.SQSMessageAttribute, len(m.MessageAttributes))
		for name, v := range m.MessageAttributes {
			attributes[name] = events.SQSMessageAttribute{
				StringValue: v.StringValue, BinaryValue: v.BinaryValue, DataType: aws.ToString(v.DataType),
				StringListValues: []string{}, BinaryListValues: [][]byte{},
			}
		}
		records[i] = events.SQSMessage{
			MessageId:              aws.ToString(m.MessageId),
			ReceiptHandle:          aws.ToString(m.ReceiptHandle),
			Body:                   aws.ToString(m.Body),
			Md5OfBody:              aws.ToString(m.MD5OfBody),
			Md5OfMessageAttributes: aws.ToString(m.MD5OfMessageAttributes),
			Attributes:             m.Attributes,
			MessageAttributes:      attributes,
			EventSourceARN:         p.QueueARN,
			EventSource:            "aws:sqs",
			AWSRegion:              p.Region,
		}
	}
	return events.SQSEvent{Records: records}
}

// succeeded are the messages that the function did not report. A report that names no message of the batch says
// nothing one could act on, so Lambda takes the whole batch as failed.
func succeeded(batch []types.Message, response events.SQSEventResponse) ([]types.Message, error) {
	failed := make(map[string]bool, len(batch))
	for _, m := range batch {
		failed[aws.ToString(m.MessageId)] = false
	}
	for _, f := range response.BatchItemFailures {
		if _, known := failed[f.ItemIdentifier]; !known {
			return nil, fmt.Errorf("the function reported the failure of a message that it was not given: %.100q",
				f.ItemIdentifier)
		}
		failed[f.ItemIdentifier] = true
	}
	done := make([]types.Message, 0, len(batch))
	for _, m := range batch {
		if !failed[aws.ToString(m.MessageId)] {
			done = append(done, m)
		}
	}
	return done, nil
}

// delete removes messages that were handled, trying again what fails. What cannot be deleted comes back: delivery is
// at least once.
func (p *poller) delete(ctx context.Context, messages []types.Message) {
	ctx, cancel := context.WithTimeout(ctx, deleteTimeout)
	defer cancel()
	for left := range slices.Chunk(messages, receiveSize) {
		for attempt := 1; len(left) > 0; attempt++ {
			var err error
			left, err = p.deleteOnce(ctx, left)
			if err == nil {
				p.deleting.worked()
				break
			}
			wait := p.deleting.failed(err)
			if attempt == deleteAttempts || ctx.Err() != nil {
				p.Log.Error("handled messages were not deleted and will come back", "messages", len(left), "error", err)
				break
			}
			pause(ctx, wait)
		}
	}
}

// deleteOnce deletes up to ten messages and returns those that are left, with the reason.
func (p *poller) deleteOnce(ctx context.Context, messages []types.Message) ([]types.Message, error) {
	entries := make([]types.DeleteMessageBatchRequestEntry, len(messages))
	byID := make(map[string]types.Message, len(messages))
	for i, m := range messages {
		entries[i] = types.DeleteMessageBatchRequestEntry{Id: entryID(i), ReceiptHandle: m.ReceiptHandle}
		byID[*entries[i].Id] = m
	}
	out, err := p.Queue.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &p.QueueURL, Entries: entries})
	if err != nil {
		return messages, err
	}
	var left []types.Message
	for _, f := range out.Failed {
		if m, ok := byID[aws.ToString(f.Id)]; ok {
			left = append(left, m)
			err = fmt.Errorf("%s: %s", aws.ToString(f.Code), aws.ToString(f.Message))
		}
	}
	return left, err
}

func entryID(i int) *string { return aws.String(strconv.Itoa(i)) }
