// Package sqsqueue is a queue in Amazon SQS.
//
// Sending needs sqs:SendMessage on the queue; counting its dead letters needs
// sqs:GetQueueAttributes on the queue and on its dead-letter queue, and sqs:GetQueueUrl
// on that.
package sqsqueue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
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
	return translateError("send", err)
}

// Inspect implements queue.Inspector. It reads attributes: nothing is received.
func (q *Queue) Inspect(ctx context.Context) (queue.State, error) {
	ctx, cancel := context.WithTimeout(ctx, q.callTimeout)
	defer cancel()
	var state queue.State
	counts := map[types.QueueAttributeName]*int{
		types.QueueAttributeNameApproximateNumberOfMessages:           &state.Visible,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible: &state.InFlight,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed:    &state.Delayed}
	names := append(slices.Collect(maps.Keys(counts)), types.QueueAttributeNameRedrivePolicy)
	out, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &q.url, AttributeNames: names})
	if err != nil {
		return queue.State{}, translateError("inspect", err)
	}
	for name, count := range counts {
		if *count, err = strconv.Atoi(out.Attributes[string(name)]); err != nil {
			return queue.State{}, fmt.Errorf("sqs inspect: attribute %s: %w", name, err)
		}
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

// deadLetters is the dead-letter queue of a queue. It is looked for by its ARN when it is inspected.
type deadLetters struct {
	of  *Queue
	arn string
}

// Inspect implements queue.Inspector.
func (d deadLetters) Inspect(ctx context.Context) (queue.State, error) {
	name, err := arn.Parse(d.arn)
	if err != nil {
		return queue.State{}, fmt.Errorf("sqs inspect: dead-letter queue %.200q: %w", d.arn, err)
	}
	finding, cancel := context.WithTimeout(ctx, d.of.callTimeout)
	defer cancel()
	out, err := d.of.client.GetQueueUrl(finding,
		&sqs.GetQueueUrlInput{QueueName: &name.Resource, QueueOwnerAWSAccountId: &name.AccountID})
	if err != nil {
		return queue.State{}, translateError("find "+d.arn, err)
	}
	q := *d.of
	q.url = aws.ToString(out.QueueUrl)
	return q.Inspect(ctx)
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

// translateError turns an SDK error into what the contract names. The SDK's text names
// the operation, the request id and SQS's own code, and no secret.
func translateError(what string, err error) error {
	if err == nil {
		return nil
	}
	if _, gone := errors.AsType[*types.QueueDoesNotExist](err); gone {
		return fmt.Errorf("sqs %s: %w", what, queue.ErrNoQueue)
	}
	_, refused := errors.AsType[*types.InvalidMessageContents](err)
	if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() == "InvalidParameterValue" {
		refused = true // a message beyond what this queue is set to take
	}
	if refused {
		err = fmt.Errorf("%w: %w", queue.ErrRefused, err)
	}
	return fmt.Errorf("sqs %s: %w", what, err)
}
