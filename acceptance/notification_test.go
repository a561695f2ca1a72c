//go:build acceptance

package acceptance

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// tellsTheApplication: each verdict comes out of the bus, here into a queue of the
// application's.
func tellsTheApplication(t *testing.T, s *stack) {
	ctx := t.Context()
	const arn = "arn:aws:sqs:" + region + ":000000000000:told"
	made, err := s.queues.CreateQueue(ctx,
		&sqs.CreateQueueInput{QueueName: aws.String("told"), Attributes: map[string]string{
			"Policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"` + arn + `"}]}`}})
	check(t, err)
	s.target(t, "events", "AWSEvents.PutRule", map[string]any{"Name": "told", "EventPattern": `{"source":["hatchery"]}`},
		nil)
	s.target(t, "events", "AWSEvents.PutTargets",
		map[string]any{"Rule": "told", "Targets": []any{map[string]any{"Id": "queue", "Arn": arn}}}, nil)
	t.Cleanup(func() {
		s.target(t, "events", "AWSEvents.RemoveTargets", map[string]any{"Rule": "told", "Ids": []string{"queue"}}, nil)
		s.target(t, "events", "AWSEvents.DeleteRule", map[string]any{"Name": "told"}, nil)
	})

	e := s.newEntry()
	good, err := e.post(ctx, "images", "cat.gif", picture(t))
	check(t, err)
	bad, err := e.post(ctx, "images", "cat.png", sample(t, "refused/cat.png"))
	check(t, err)
	want := map[string]string{good.ID: "Upload Stored stored", bad.ID: "Upload Rejected rejected"}
	eventually(t, s.patience, "both verdicts are told", func() (bool, string) {
		out, err := s.queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: made.QueueUrl, MaxNumberOfMessages: 10})
		check(t, err)
		for _, m := range out.Messages {
			var event struct {
				Source     string
				DetailType string `json:"detail-type"`
				Detail     struct {
					ID     string
					Record record
				}
			}
			check(t, json.Unmarshal([]byte(aws.ToString(m.Body)), &event))
			id := event.Detail.Record.ID
			if told := event.DetailType + " " + event.Detail.Record.Status; want[id] != "" && told != want[id] ||
				!strings.HasPrefix(event.Detail.ID, id+":") {
				t.Errorf("told %s, want %q", aws.ToString(m.Body), want[id])
			}
			delete(want, id)
		}
		return len(want) == 0, fmt.Sprint("still to come: ", want)
	})
}
