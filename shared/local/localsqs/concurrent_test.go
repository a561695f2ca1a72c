package localsqs_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func TestManySendersAndReceiversLoseAndRepeatNothing(t *testing.T) {
	s := open(t)
	url := s.queue("work", "VisibilityTimeout", "600")
	const senders, each, receivers = 4, 100, 6
	var sent, received sync.Map
	var left atomic.Int64
	left.Store(senders * each)
	ctx, done := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for i := range senders {
		running.Go(func() {
			for j := range each {
				body := fmt.Sprint(i, " ", j)
				sent.Store(body, true)
				var err error
				if j%2 == 0 {
					err = s.server.Send(t.Context(), "work", body, "")
				} else {
					_, err = s.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: url, MessageBody: &body})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range receivers {
		running.Go(func() {
			for left.Load() > 0 {
				// The frozen clock never ends the wait; a message does, or the last receiver does.
				out, err := s.ReceiveMessage(ctx,
					&sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 7, WaitTimeSeconds: 20})
				if err != nil {
					if ctx.Err() == nil {
						t.Error(err)
					}
					return
				}
				entries := []types.DeleteMessageBatchRequestEntry{}
				for i, m := range out.Messages {
					if _, twice := received.LoadOrStore(*m.Body, true); twice {
						t.Errorf("message %q was received twice", *m.Body)
					}
					if _, ok := sent.Load(*m.Body); !ok {
						t.Errorf("message %q was never sent", *m.Body)
					}
					entries = append(entries,
						types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
				}
				if len(entries) == 0 {
					continue
				}
				if out, err := s.DeleteMessageBatch(t.Context(),
					&sqs.DeleteMessageBatchInput{QueueUrl: url, Entries: entries}); err != nil || len(out.Failed) > 0 {
					t.Errorf("delete: %v %v", out, err)
				}
				if left.Add(-int64(len(entries))) == 0 {
					done()
				}
			}
		})
	}
	running.Wait()
	done()
	if n := left.Load(); n != 0 {
		t.Errorf("%d messages were not received", n)
	}
	s.wantCounts(url, "0 0 0")
}

// Settings change while messages flow; the race detector is the judge.
func TestSettingsMayChangeWhileMessagesFlow(t *testing.T) {
	s := open(t)
	s.queue("dead")
	url := s.queue("work")
	var running sync.WaitGroup
	for i := range 3 {
		running.Go(func() {
			for j := range 30 {
				var err error
				switch i {
				case 0:
					err = s.server.CreateQueue(t.Context(), "work",
						map[string]string{"VisibilityTimeout": fmt.Sprint(j), "RedrivePolicy": s.deadLetters("dead", 1+j)})
				case 1:
					err = s.server.Send(t.Context(), "work", "x", "tag")
				case 2:
					_, err = s.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
}

func BenchmarkSendInProcess(b *testing.B) {
	s := open(b)
	s.queue("work")
	body := fmt.Sprintf("%0900d", 0) // about what an S3 notification has
	for i := 0; b.Loop(); i++ {
		if err := s.server.Send(b.Context(), "work", body, fmt.Sprint("quarantine/journal/entry/", i)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

func BenchmarkSendOverTheWire(b *testing.B) {
	s := open(b)
	url := s.queue("work")
	body := fmt.Sprintf("%0900d", 0)
	for b.Loop() {
		if _, err := s.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: url, MessageBody: &body}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}
