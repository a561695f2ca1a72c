//go:build acceptance

package acceptance

import (
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// send sends messages to the validator's queue.
func (s *stack) send(t *testing.T, bodies []string) {
	t.Helper()
	for len(bodies) > 0 {
		some := bodies[:min(10, len(bodies))]
		bodies = bodies[len(some):]
		var entries []types.SendMessageBatchRequestEntry
		for i := range some {
			entries = append(entries, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: &some[i]})
		}
		out, err := s.queues.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &s.queue, Entries: entries})
		check(t, err)
		if len(out.Failed) > 0 {
			t.Fatalf("%d messages were not sent", len(out.Failed))
		}
	}
}

// haveDied waits until so many messages are among the dead letters.
func (s *stack) haveDied(t *testing.T, n int) {
	t.Helper()
	eventually(t, 2*time.Minute, strconv.Itoa(n)+" dead letters", func() (bool, string) {
		out, err := s.queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &s.dead,
			AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameApproximateNumberOfMessages}})
		if err != nil {
			return false, err.Error()
		}
		visible := out.Attributes["ApproximateNumberOfMessages"]
		return visible == strconv.Itoa(n), visible
	})
}
