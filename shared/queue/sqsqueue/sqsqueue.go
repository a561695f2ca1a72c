// Package sqsqueue is a queue in Amazon SQS.
//
// It needs sqs:SendMessage on the queue.
package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"hatchery/shared/queue"
)

// Queue is one queue. Its methods may be called concurrently.
type Queue struct {
	client *sqs.Client
	url    string
	o      Options
}

var _ queue.Sender = (*Queue)(nil)

// Options of a Queue; the zero value has the defaults.
type Options struct {
	// CallTimeout bounds one call, retries included. Default 15 s; much lower and a
	// slow minute of SQS fails what would have gone through, much higher and a
	// caller waits in vain.
	CallTimeout time.Duration
}

// New makes a Queue of the URL that SQS gave it. The client's own retries apply; a
// retry may bring a message twice.
func New(client *sqs.Client, url string, o Options) *Queue {
	if o.CallTimeout <= 0 {
		o.CallTimeout = 15 * time.Second
	}
	return &Queue{client: client, url: url, o: o}
}

// Send implements queue.Sender. The SDK compares SQS's MD5 of the body with its own.
func (q *Queue) Send(ctx context.Context, m queue.Message) error {
	if err := m.Check(); err != nil {
		return fmt.Errorf("sqs send: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, q.o.CallTimeout)
	defer cancel()
	_, err := q.client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &q.url, MessageBody: &m.Body, MessageAttributes: attributes(m.Attributes)})
	return fault(err, "send")
}

func attributes(from map[string]queue.Attribute) map[string]types.MessageAttributeValue {
	if len(from) == 0 {
		return nil
	}
	out := make(map[string]types.MessageAttributeValue, len(from))
	for name, a := range from {
		value := types.MessageAttributeValue{DataType: aws.String(a.Type)}
		if len(a.Binary) > 0 {
			value.BinaryValue = a.Binary
		} else {
			value.StringValue = aws.String(a.Text)
		}
		out[name] = value
	}
	return out
}

// fault turns an SDK error into what the contract names. The SDK's text names the
// operation, the request id and SQS's own code, and no secret.
func fault(err error, what string) error {
	if err == nil {
		return nil
	}
	if _, gone := errors.AsType[*types.QueueDoesNotExist](err); gone {
		return fmt.Errorf("sqs %s: %w", what, queue.ErrNoQueue)
	}
	if _, bad := errors.AsType[*types.InvalidMessageContents](err); bad {
		return fmt.Errorf("sqs %s: %w: %w", what, queue.ErrRefused, err)
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() == "InvalidParameterValue" {
		// A message beyond what this queue is set to take.
		return fmt.Errorf("sqs %s: %w: %w", what, queue.ErrRefused, err)
	}
	return fmt.Errorf("sqs %s: %w", what, err)
}
