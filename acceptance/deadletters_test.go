//go:build acceptance

package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// hurry lets failed messages come back after a second: the template's visibility is
// six times the validator's time-out.
func (s *stack) hurry(ctx context.Context) error {
	_, err := s.queues.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: &s.queue,
		Attributes: map[string]string{"VisibilityTimeout": "1"}})
	return err
}

// poisonComesToTheDeadLetters sends a message that cannot be read beside an upload's:
// the one ends among the dead letters, the other upload is stored all the same.
func poisonComesToTheDeadLetters(ctx context.Context, s *stack, bytes []byte) error {
	poison := "no notification " + entryID()
	if _, err := s.queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &s.queue, MessageBody: &poison}); err != nil {
		return err
	}
	e := s.newEntry()
	r, err := e.post(ctx, "images", "cat.gif", bytes)
	if err != nil {
		return err
	}
	if _, err := e.stored(ctx, r); err != nil {
		return err
	}
	dead, err := s.deadLetter(ctx, poison)
	if err != nil {
		return err
	}
	if dead.Attributes["ApproximateReceiveCount"] == "" ||
		!strings.HasSuffix(dead.Attributes["DeadLetterQueueSourceArn"], ":"+s.name+"-uploads") {
		return fmt.Errorf("the dead letter says of itself %v", dead.Attributes)
	}
	return s.forget(ctx, s.dead, dead)
}

// deadLetter waits for the dead letter whose body has some text; others stay.
func (s *stack) deadLetter(ctx context.Context, has string) (types.Message, error) {
	var found types.Message
	err := waitFor(ctx, 2*s.patience, "a dead letter with "+has, func() (bool, string) {
		out, err := s.queues.ReceiveMessage(ctx,
			&sqs.ReceiveMessageInput{QueueUrl: &s.dead, MaxNumberOfMessages: 10, VisibilityTimeout: 1,
				MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll}})
		if err != nil {
			return false, err.Error()
		}
		for _, m := range out.Messages {
			if strings.Contains(aws.ToString(m.Body), has) {
				found = m
				return true, ""
			}
		}
		return false, fmt.Sprintf("%d others", len(out.Messages))
	})
	return found, err
}

func (s *stack) forget(ctx context.Context, queue string, m types.Message) error {
	_, err := s.queues.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &queue, ReceiptHandle: m.ReceiptHandle})
	return err
}

// troubleIsSurvived takes a right away from the validator, so that every try fails:
// the upload stays pending, its message becomes a dead letter, and once the right is
// back and the message is sent again, it is stored.
func troubleIsSurvived(t *testing.T, s *stack) {
	ctx, e := t.Context(), s.newEntry()
	restore := s.without(t, "ValidatorRole", "ReadQuarantine")
	defer restore()
	r, err := e.post(ctx, "images", "cat.gif", picture(t))
	check(t, err)
	dead, err := s.deadLetter(ctx, r.ID)
	check(t, err)
	var now record
	_, err = e.want(ctx, http.StatusOK, &now, http.MethodGet, e.path("images", r.ID, "status"), nil)
	check(t, err)
	item, err := e.item(ctx, r)
	check(t, err)
	if now.Status != "pending" || !strings.Contains(fmt.Sprint(shown(item)), "AccessDenied") {
		t.Errorf("after every try the record is %+v, and the table has %v", now, shown(item))
	}
	_, err = e.want(ctx, http.StatusConflict, nil, http.MethodGet, e.path("images", r.ID), nil)
	check(t, err)
	restore()
	// As an operator sends it back: first sent, then deleted.
	_, err = s.queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &s.queue, MessageBody: dead.Body})
	check(t, err)
	_, err = e.stored(ctx, r)
	check(t, err)
	dead, err = s.deadLetter(ctx, r.ID)
	check(t, err)
	check(t, s.forget(ctx, s.dead, dead))
}

// noDeadLetters: nothing else has failed on the way.
func (s *stack) noDeadLetters(ctx context.Context) error {
	return errors.Join(s.drained(ctx, s.queue), s.drained(ctx, s.dead))
}

// drained waits until nothing is in a queue, and nobody is at work on anything of it.
func (s *stack) drained(ctx context.Context, queue string) error {
	return waitFor(ctx, s.patience, "the queue is empty", func() (bool, string) {
		out, err := s.queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &queue,
			AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
		if err != nil {
			return false, err.Error()
		}
		return out.Attributes["ApproximateNumberOfMessages"] == "0" &&
				out.Attributes["ApproximateNumberOfMessagesNotVisible"] == "0",
			fmt.Sprint(queue, out.Attributes)
	})
}

// mapping turns the event source mapping on or off.
func (s *stack) mapping(t testing.TB, on bool) {
	t.Helper()
	s.rest(t, "lambda", http.MethodPut, "/2015-03-31/event-source-mappings/"+s.physical(t, "ValidatorFunctionArrived"),
		map[string]any{"Enabled": on}, nil)
}

// invoke calls a function and reads what it gives.
func (s *stack) invoke(t testing.TB, logical string, in, out any) {
	t.Helper()
	body, err := json.Marshal(in)
	check(t, err)
	text, err := s.signedCall(t.Context(), root(), "lambda", http.MethodPost,
		"/2015-03-31/functions/"+s.physical(t, logical)+"/invocations", nil, body)
	check(t, err)
	if err := json.Unmarshal(text, out); err != nil {
		t.Fatalf("%s answered %v: %s", logical, err, text)
	}
}

// reconcilesLostMessages: an upload whose message got lost is sent again and stored,
// and one whose bytes never came is given up.
func reconcilesLostMessages(t *testing.T, s *stack) {
	ctx, e := t.Context(), s.newEntry()
	s.setting(t, "ReconcilerFunction", "HATCHERY_VISIBILITY_SECONDS", "1") // messages are given up after 5 s

	s.mapping(t, false)
	r, err := e.post(ctx, "images", "cat.gif", picture(t))
	check(t, err)
	eventually(t, s.patience, "the message that gets lost", func() (bool, string) {
		out, err := s.queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &s.queue, MaxNumberOfMessages: 10})
		check(t, err)
		for _, m := range out.Messages {
			check(t, s.forget(ctx, s.queue, m))
			if strings.Contains(aws.ToString(m.Body), r.ID) {
				return true, ""
			}
		}
		return false, "another"
	})
	s.mapping(t, true)

	f, err := e.form(ctx, "images", map[string]any{"name": "never.gif"})
	check(t, err)
	check(t, e.expired(ctx, f.Record, time.Now().Add(-25*time.Hour)))

	done := map[string]int{}
	eventually(t, 2*s.patience, "both are seen to", func() (bool, string) {
		var report struct {
			Findings []struct {
				What   string `json:"what"`
				Upload string `json:"upload_id"`
			} `json:"findings"`
		}
		s.invoke(t, "ReconcilerFunction", map[string]any{"source": "aws.events", "detail-type": "Scheduled Event"}, &report)
		for _, found := range report.Findings {
			if found.Upload == r.ID || found.Upload == f.Record.ID {
				done[found.What]++
			}
		}
		return len(done) == 2, fmt.Sprintf("%v, %+v", done, report)
	})
	_, err = e.stored(ctx, r)
	check(t, err)
	check(t, e.rejected(ctx, f.Record, "never_arrived"))
	if done["reenqueued"] != 1 || done["never_arrived"] != 1 {
		t.Errorf("done were %v, want one reenqueued and one never_arrived", done)
	}
}
