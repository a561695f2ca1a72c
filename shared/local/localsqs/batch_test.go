package localsqs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func TestBatchOfMessagesIsSentHiddenAndDeleted(t *testing.T) {
	s := open(t)
	url := s.queue("work")
	entries := []types.SendMessageBatchRequestEntry{}
	for i := range 10 {
		entries = append(entries,
			types.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint("id-", i)),
				MessageBody: aws.String(fmt.Sprint("body ", i))})
	}
	entries[3].MessageBody = aws.String("\x00")
	entries[4].DelaySeconds = 5
	entries[5].MessageAttributes = map[string]types.MessageAttributeValue{"a": text("String", "b")}
	sent, err := s.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: url, Entries: entries})
	s.ok(err)
	if len(sent.Successful) != 9 || len(sent.Failed) != 1 || *sent.Failed[0].Id != "id-3" ||
		*sent.Failed[0].Code != "InvalidMessageContents" || !sent.Failed[0].SenderFault {
		t.Fatalf("sent %d, failed %+v", len(sent.Successful), sent.Failed)
	}
	if sent.Successful[4].MD5OfMessageAttributes == nil || *sent.Successful[4].Id != "id-5" {
		t.Errorf("answer for the entry with attributes: %+v", sent.Successful[4])
	}
	s.wantCounts(url, "8 0 1")
	messages := s.receive(url)
	if len(messages) != 8 || *messages[0].Body != "body 0" {
		t.Fatalf("received %d messages", len(messages))
	}

	hide := []types.ChangeMessageVisibilityBatchRequestEntry{
		{Id: aws.String("now"), ReceiptHandle: messages[0].ReceiptHandle, VisibilityTimeout: 0},
		{Id: aws.String("later"), ReceiptHandle: messages[1].ReceiptHandle, VisibilityTimeout: 100},
		{Id: aws.String("bad"), ReceiptHandle: aws.String("x"), VisibilityTimeout: 100},
	}
	hidden, err := s.ChangeMessageVisibilityBatch(t.Context(),
		&sqs.ChangeMessageVisibilityBatchInput{QueueUrl: url, Entries: hide})
	s.ok(err)
	if len(hidden.Successful) != 2 || len(hidden.Failed) != 1 || *hidden.Failed[0].Code != "ReceiptHandleIsInvalid" {
		t.Fatalf("hidden %+v", hidden)
	}
	s.wantCounts(url, "1 7 1")

	drop := []types.DeleteMessageBatchRequestEntry{{Id: aws.String("bad"), ReceiptHandle: aws.String("x")}}
	for i, m := range messages[1:] {
		drop = append(drop, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)),
			ReceiptHandle: m.ReceiptHandle})
	}
	dropped, err := s.DeleteMessageBatch(t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: url, Entries: drop})
	s.ok(err)
	if len(dropped.Successful) != 7 || len(dropped.Failed) != 1 || *dropped.Failed[0].Id != "bad" {
		t.Fatalf("deleted %+v", dropped)
	}
	s.wantCounts(url, "1 0 1")
	s.move(time.Hour)
	s.wantCounts(url, "2 0 0")
}

func TestBatchRulesAreChecked(t *testing.T) {
	s := open(t)
	url := s.queue("work")
	send := func(bodies int, body string, id func(int) string) error {
		entries := []types.SendMessageBatchRequestEntry{}
		for i := range bodies {
			entries = append(entries, types.SendMessageBatchRequestEntry{Id: aws.String(id(i)), MessageBody: &body})
		}
		_, err := s.SendMessageBatch(t.Context(), &sqs.SendMessageBatchInput{QueueUrl: url, Entries: entries})
		return err
	}
	number := func(i int) string { return fmt.Sprint(i) }
	isError[*types.EmptyBatchRequest](t, send(0, "x", number))
	isError[*types.TooManyEntriesInBatchRequest](t, send(11, "x", number))
	isError[*types.BatchEntryIdsNotDistinct](t, send(2, "x", func(int) string { return "same" }))
	isError[*types.InvalidBatchEntryId](t, send(1, "x", func(int) string { return "a b" }))
	isError[*types.InvalidBatchEntryId](t, send(1, "x", func(int) string { return strings.Repeat("a", 81) }))
	isError[*types.InvalidBatchEntryId](t, send(1, "x", func(int) string { return "" }))
	isError[*types.BatchRequestTooLong](t, send(2, strings.Repeat("x", 1<<19+1), number))
	s.wantCounts(url, "0 0 0")
	s.ok(send(2, strings.Repeat("x", 1<<19), number))
	_, err := s.DeleteMessageBatch(t.Context(),
		&sqs.DeleteMessageBatchInput{QueueUrl: url, Entries: []types.DeleteMessageBatchRequestEntry{}})
	isError[*types.EmptyBatchRequest](t, err)
	_, err = s.ChangeMessageVisibilityBatch(t.Context(),
		&sqs.ChangeMessageVisibilityBatchInput{QueueUrl: url,
			Entries: make([]types.ChangeMessageVisibilityBatchRequestEntry, 0)})
	isError[*types.EmptyBatchRequest](t, err)
}
