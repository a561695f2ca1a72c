// Package sqsqueue is a queue in Amazon SQS.
//
// Sending needs sqs:SendMessage on the queue; counting its dead letters, or finding the
// queue of them, needs sqs:GetQueueAttributes on the queue and on its dead-letter queue, and
// sqs:GetQueueUrl on that. Looking at messages needs sqs:ReceiveMessage and
// sqs:ChangeMessageVisibility, removing them sqs:DeleteMessage. Moving all of them needs
// sqs:GetQueueAttributes, sqs:StartMessageMoveTask, sqs:ListMessageMoveTasks,
// sqs:CancelMessageMoveTask, sqs:ReceiveMessage and sqs:DeleteMessage on the dead-letter queue,
// and sqs:SendMessage on the other one.
package sqsqueue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"hatchery/shared/queue"
)

// Queue is one queue. Its methods may be called concurrently.
type Queue struct {
	client *sqs.Client
	url    string
	// callTimeout bounds one call, retries included: much lower and a slow minute of SQS
	// fails what would have gone through, much higher and a caller waits in vain.
	callTimeout time.Duration
}

var (
	_ queue.Sender    = (*Queue)(nil)
	_ queue.Inspector = (*Queue)(nil)
	_ queue.Receiver  = (*Queue)(nil)
	_ queue.Mover     = (*Queue)(nil)
)

// New makes a Queue of the URL that SQS gave it. The client's own retries apply; a
// retry may bring a message twice.
func New(client *sqs.Client, url string) *Queue {
	return &Queue{client: client, url: url, callTimeout: 15 * time.Second}
}

// Send implements queue.Sender. The SDK compares SQS's MD5 of the body with its own.
func (q *Queue) Send(ctx context.Context, m queue.Message) error {
	if err := m.Check(); err != nil {
		return fmt.Errorf("sqs send: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, q.callTimeout)
	defer cancel()
	_, err := q.client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: &m.Body,
		MessageAttributes: attributes(m.Attributes)})
	_, refused := errors.AsType[*types.InvalidMessageContents](err)
	if refused || hasCode(err, invalidParameter) { // the latter: beyond what this queue is set to take
		err = fmt.Errorf("%w: %w", queue.ErrRefused, err)
	}
	return translateError("send", err)
}

// Inspect implements queue.Inspector. It reads attributes: nothing is received.
func (q *Queue) Inspect(ctx context.Context) (queue.State, error) {
	ctx, cancel := context.WithTimeout(ctx, q.callTimeout)
	defer cancel()
	var state queue.State
	var retention, visibility int
	numbers := map[types.QueueAttributeName]*int{
		types.QueueAttributeNameApproximateNumberOfMessages:           &state.Visible,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible: &state.InFlight,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed:    &state.Delayed,
		types.QueueAttributeNameMessageRetentionPeriod:                &retention,
		types.QueueAttributeNameVisibilityTimeout:                     &visibility}
	names := append(slices.Collect(maps.Keys(numbers)), types.QueueAttributeNameQueueArn,
		types.QueueAttributeNameRedrivePolicy)
	out, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &q.url, AttributeNames: names})
	if err != nil {
		return queue.State{}, translateError("inspect", err)
	}
	for name, number := range numbers {
		if *number, err = strconv.Atoi(out.Attributes[string(name)]); err != nil {
			return queue.State{}, fmt.Errorf("sqs inspect: attribute %s: %w", name, err)
		}
	}
	state.Retention, state.Visibility = time.Duration(retention)*time.Second, time.Duration(visibility)*time.Second
	if state.ARN = out.Attributes[string(types.QueueAttributeNameQueueArn)]; state.ARN == "" {
		return queue.State{}, fmt.Errorf("sqs inspect: attribute %s is missing", types.QueueAttributeNameQueueArn)
	}
	if text := out.Attributes[string(types.QueueAttributeNameRedrivePolicy)]; text != "" {
		var redrive struct {
			Target string `json:"deadLetterTargetArn"`
		}
		if err := json.Unmarshal([]byte(text), &redrive); err != nil {
			return queue.State{}, fmt.Errorf("sqs inspect: the redrive policy %.200q: %w", text, err)
		}
		state.DeadLetters = deadLetters{q, redrive.Target}
	}
	return state, nil
}

// DeadLetterQueue finds the queue of the dead letters by the redrive policy. It returns
// queue.ErrNoDeadLetters when there is none.
func (q *Queue) DeadLetterQueue(ctx context.Context) (*Queue, error) {
	state, err := q.Inspect(ctx)
	if err != nil {
		return nil, err
	}
	dead, ok := state.DeadLetters.(deadLetters)
	if !ok {
		return nil, fmt.Errorf("sqs find the dead letters of %s: %w", state.ARN, queue.ErrNoDeadLetters)
	}
	return dead.find(ctx)
}

// deadLetters is the dead-letter queue of a queue. It is looked for by its ARN when it is inspected.
type deadLetters struct {
	of  *Queue
	arn string
}

// Inspect implements queue.Inspector.
func (d deadLetters) Inspect(ctx context.Context) (queue.State, error) {
	q, err := d.find(ctx)
	if err != nil {
		return queue.State{}, err
	}
	return q.Inspect(ctx)
}

// find asks for the URL of the queue, in the account that its ARN names.
func (d deadLetters) find(ctx context.Context) (*Queue, error) {
	name, err := arn.Parse(d.arn)
	if err != nil {
		return nil, fmt.Errorf("sqs find the dead-letter queue %.200q: %w", d.arn, err)
	}
	ctx, cancel := context.WithTimeout(ctx, d.of.callTimeout)
	defer cancel()
	out, err := d.of.client.GetQueueUrl(ctx,
		&sqs.GetQueueUrlInput{QueueName: &name.Resource, QueueOwnerAWSAccountId: &name.AccountID})
	if err != nil {
		return nil, translateError("find "+d.arn, err)
	}
	q := *d.of
	q.url = aws.ToString(out.QueueUrl)
	return &q, nil
}

func attributes(from map[string]queue.Attribute) map[string]types.MessageAttributeValue {
	if len(from) == 0 {
		return nil
	}
	out := make(map[string]types.MessageAttributeValue, len(from))
	for name, a := range from {
		value := types.MessageAttributeValue{DataType: &a.Type, StringValue: &a.Text}
		if len(a.Binary) > 0 {
			value = types.MessageAttributeValue{DataType: &a.Type, BinaryValue: a.Binary}
		}
		out[name] = value
	}
	return out
}

// invalidParameter is SQS's code for a parameter that it does not take, or not now.
const invalidParameter = "InvalidParameterValue"

// hasCode says whether SQS answered with one of these codes.
func hasCode(err error, codes ...string) bool {
	answer, ok := errors.AsType[smithy.APIError](err)
	return ok && slices.Contains(codes, strings.TrimPrefix(answer.ErrorCode(), "AWS.SimpleQueueService."))
}

// translateError turns an SDK error into what the contract names. The SDK's text names
// the operation, the request id and SQS's own code, and no secret.
func translateError(what string, err error) error {
	if err == nil {
		return nil
	}
	if _, gone := errors.AsType[*types.QueueDoesNotExist](err); gone {
		return fmt.Errorf("sqs %s: %w", what, queue.ErrNoQueue)
	}
	return fmt.Errorf("sqs %s: %w", what, err)
}
