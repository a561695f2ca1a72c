// Package sqsqueue is a queue in Amazon SQS.
//
// It needs sqs:SendMessage on the queue.
package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"time"

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

var _ queue.Sender = (*Queue)(nil)

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
	return translateError(err)
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
func translateError(err error) error {
	if err == nil {
		return nil
	}
	if _, gone := errors.AsType[*types.QueueDoesNotExist](err); gone {
		return fmt.Errorf("sqs send: %w", queue.ErrNoQueue)
	}
	_, refused := errors.AsType[*types.InvalidMessageContents](err)
	if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() == "InvalidParameterValue" {
		refused = true // a message beyond what this queue is set to take
	}
	if refused {
		err = fmt.Errorf("%w: %w", queue.ErrRefused, err)
	}
	return fmt.Errorf("sqs send: %w", err)
}
