package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"hatchery/shared/queue"
)

// SQS's bounds of time.
const (
	longestHide = 12 * time.Hour
	longestWait = 20 * time.Second
)

// Receive implements queue.Receiver.
func (q *Queue) Receive(ctx context.Context, hide, wait time.Duration) ([]queue.Received, error) {
	if !wholeSeconds(hide, time.Second, longestHide) || !wholeSeconds(wait, 0, longestWait) {
		return nil, fmt.Errorf("sqs receive: hide for %v and wait for %v: not whole seconds, 1 s to %v and 0 to %v",
			hide, wait, longestHide, longestWait)
	}
	ctx, cancel := context.WithTimeout(ctx, wait+q.callTimeout)
	defer cancel()
	out, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &q.url,
		MaxNumberOfMessages: queue.MaxBatch, VisibilityTimeout: seconds(hide), WaitTimeSeconds: seconds(wait),
		MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameSentTimestamp, types.MessageSystemAttributeNameApproximateReceiveCount,
			types.MessageSystemAttributeNameDeadLetterQueueSourceArn}})
	if err != nil {
		return nil, translateError("receive", err)
	}
	var all []queue.Received
	for _, m := range out.Messages {
		r, err := received(m)
		if err != nil {
			return nil, fmt.Errorf("sqs receive: message %s: %w", aws.ToString(m.MessageId), err)
		}
		all = append(all, r)
	}
	return all, nil
}

func wholeSeconds(d, least, most time.Duration) bool {
	return d >= least && d <= most && d%time.Second == 0
}

func seconds(d time.Duration) int32 { return int32(d / time.Second) }

// received puts a message of SQS into the contract's words.
func received(m types.Message) (queue.Received, error) {
	system := func(name types.MessageSystemAttributeName) string { return m.Attributes[string(name)] }
	sent, err := strconv.ParseInt(system(types.MessageSystemAttributeNameSentTimestamp), 10, 64)
	if err != nil {
		return queue.Received{}, fmt.Errorf("when it was sent: %w", err)
	}
	receives, err := strconv.Atoi(system(types.MessageSystemAttributeNameApproximateReceiveCount))
	if err != nil {
		return queue.Received{}, fmt.Errorf("how often it was received: %w", err)
	}
	r := queue.Received{Message: queue.Message{Body: aws.ToString(m.Body)}, ID: aws.ToString(m.MessageId),
		Receipt: aws.ToString(m.ReceiptHandle), SentAt: time.UnixMilli(sent).UTC(), Receives: receives,
		Source: system(types.MessageSystemAttributeNameDeadLetterQueueSourceArn)}
	for name, v := range m.MessageAttributes {
		if r.Attributes == nil {
			r.Attributes = map[string]queue.Attribute{}
		}
		r.Attributes[name] = queue.Attribute{Type: aws.ToString(v.DataType), Text: aws.ToString(v.StringValue),
			Binary: v.BinaryValue}
	}
	return r, nil
}

// Hide implements queue.Receiver. A failed batch does not keep the next ones from being tried: they
// may be messages to give back.
func (q *Queue) Hide(ctx context.Context, receipts []string, hide time.Duration) error {
	if !wholeSeconds(hide, 0, longestHide) {
		return fmt.Errorf("sqs hide: for %v: not whole seconds, 0 to %v", hide, longestHide)
	}
	var errs []error
	for batch := range slices.Chunk(receipts, queue.MaxBatch) {
		if err := q.hide(ctx, batch, hide); err != nil {
			errs = append(errs, translateError("hide", err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

func (q *Queue) hide(ctx context.Context, batch []string, hide time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, q.callTimeout)
	defer cancel()
	entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(batch))
	for i := range batch {
		entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String(strconv.Itoa(i)),
			ReceiptHandle: &batch[i], VisibilityTimeout: seconds(hide)}
	}
	out, err := q.client.ChangeMessageVisibilityBatch(ctx,
		&sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &q.url, Entries: entries})
	if err != nil {
		return err
	}
	failed := slices.DeleteFunc(out.Failed, func(f types.BatchResultErrorEntry) bool {
		code := strings.TrimPrefix(aws.ToString(f.Code), "AWS.SimpleQueueService.")
		return code == "MessageNotInflight" || aboutReceipt(code, aws.ToString(f.Message))
	})
	if len(failed) > 0 {
		return fmt.Errorf("%d of %d messages, the first with %s: %s", len(failed), len(batch),
			aws.ToString(failed[0].Code), aws.ToString(failed[0].Message))
	}
	return nil
}

// aboutReceipt says whether SQS refused a receipt. For one that expired, or whose message is not in
// flight, it has no code of its own: it calls the parameter invalid, and names it in the text.
func aboutReceipt(code, message string) bool {
	return code == "ReceiptHandleIsInvalid" || code == "InvalidIdFormat" ||
		code == invalidParameter && strings.Contains(message, "ReceiptHandle")
}

// Delete implements queue.Receiver.
func (q *Queue) Delete(ctx context.Context, receipt string) error {
	ctx, cancel := context.WithTimeout(ctx, q.callTimeout)
	defer cancel()
	_, err := q.client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &q.url, ReceiptHandle: &receipt})
	if answer, ok := errors.AsType[smithy.APIError](err); ok && aboutReceipt(answer.ErrorCode(), answer.ErrorMessage()) {
		err = fmt.Errorf("%w: %w", queue.ErrReceipt, err)
	}
	return translateError("delete", err)
}
