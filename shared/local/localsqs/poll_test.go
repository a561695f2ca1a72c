package localsqs_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// answer is what a receive in the background came back with.
type answer struct {
	messages []types.Message
	err      error
}

// poll starts a receive that waits up to 20 seconds by the clock, and returns when it waits.
func (s *stack) poll(ctx context.Context, name string, count int32) <-chan answer {
	s.t.Helper()
	before := s.server.Waiting(name)
	done := make(chan answer, 1)
	go func() {
		out, err := s.ReceiveMessage(ctx,
			&sqs.ReceiveMessageInput{QueueUrl: aws.String(s.server.QueueURL(name)), MaxNumberOfMessages: count,
				WaitTimeSeconds: 20})
		if err != nil {
			done <- answer{nil, err}
			return
		}
		done <- answer{out.Messages, nil}
	}()
	eventually(s.t, "the receive waiting", func() bool { return s.server.Waiting(name) > before })
	return done
}

// wait wants the receive to come back soon with so many messages.
func (s *stack) wait(done <-chan answer, want int) []types.Message {
	s.t.Helper()
	select {
	case a := <-done:
		s.ok(a.err)
		if len(a.messages) != want {
			s.t.Fatalf("the receive came back with %d messages, want %d", len(a.messages), want)
		}
		return a.messages
	case <-time.After(10 * time.Second):
		s.t.Fatal("the receive did not come back")
		return nil
	}
}

func TestWaitingReceiveComesBackWhenAMessageCanBeHad(t *testing.T) {
	send := func(s *stack, body string) {
		s.ok(s.server.Send(s.t.Context(), "work", body, ""))
	}
	for _, c := range []struct {
		name string
		when func(s *stack, url *string)
	}{
		{"a send in process", func(s *stack, _ *string) { send(s, "x") }},
		{"a send over the wire", func(s *stack, url *string) { s.send(url, "x") }},
		{"a delay that ends", func(s *stack, url *string) {
			_, err := s.SendMessage(s.t.Context(),
				&sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x"), DelaySeconds: 15})
			s.ok(err)
			s.move(15 * time.Second)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			url := s.queue("work")
			done := s.poll(t.Context(), "work", 1)
			c.when(s, url)
			if m := s.wait(done, 1)[0]; *m.Body != "x" {
				t.Fatalf("received %q", *m.Body)
			}
		})
	}
	t.Run("a visibility timeout that ends", func(t *testing.T) {
		s := open(t)
		url := s.queue("work", "VisibilityTimeout", "10")
		s.send(url, "x")
		s.one(url)
		done := s.poll(t.Context(), "work", 1)
		s.move(10 * time.Second)
		s.wait(done, 1)
	})
	t.Run("a message given back", func(t *testing.T) {
		s := open(t)
		url := s.queue("work")
		s.send(url, "x")
		m := s.one(url)
		done := s.poll(t.Context(), "work", 1)
		_, err := s.ChangeMessageVisibility(t.Context(),
			&sqs.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle})
		s.ok(err)
		s.wait(done, 1)
	})
	t.Run("a release", func(t *testing.T) {
		s := open(t)
		url := s.queue("work")
		s.send(url, "x")
		s.one(url)
		done := s.poll(t.Context(), "work", 1)
		if n, err := s.server.Release(t.Context()); err != nil || n != 1 {
			t.Fatalf("released %d, %v", n, err)
		}
		if m := s.wait(done, 1)[0]; *m.Body != "x" {
			t.Fatalf("received %q", *m.Body)
		}
	})
	t.Run("a dead letter", func(t *testing.T) {
		s := open(t)
		s.queue("dead")
		url := s.queue("work", "RedrivePolicy", s.deadLetters("dead", 1))
		s.send(url, "x")
		s.one(url)
		done := s.poll(t.Context(), "dead", 1)
		s.move(31 * time.Second)
		// The receive in the dead letters has waited longer than its 20 seconds by now.
		s.wait(done, 0)
		done = s.poll(t.Context(), "dead", 1)
		s.none(url)
		s.wait(done, 1)
	})
}

func TestWaitingReceiveComesBackEmptyWhenItsTimeIsOver(t *testing.T) {
	s := open(t)
	s.queue("work", "ReceiveMessageWaitTimeSeconds", "20")
	done := s.poll(t.Context(), "work", 1)
	s.move(20*time.Second - time.Millisecond)
	select {
	case a := <-done:
		t.Fatalf("came back too early: %+v", a)
	default:
	}
	s.move(time.Millisecond)
	s.wait(done, 0)
}

func TestEachMessageWakesAReceiveThatCanHaveIt(t *testing.T) {
	s := open(t)
	s.queue("work")
	var polls []<-chan answer
	for range 5 {
		polls = append(polls, s.poll(t.Context(), "work", 1))
	}
	for range 5 {
		s.ok(s.server.Send(t.Context(), "work", "x", ""))
	}
	for _, p := range polls {
		s.wait(p, 1)
	}
}

func TestWaitingReceiveEndsWithItsQueueAndItsServer(t *testing.T) {
	s := open(t)
	url := s.queue("work")
	done := s.poll(t.Context(), "work", 1)
	_, err := s.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: url})
	s.ok(err)
	isError[*types.QueueDoesNotExist](t, (<-done).err)
	s.queue("other")
	done = s.poll(t.Context(), "other", 1)
	s.close()
	if a := <-done; a.err != nil || len(a.messages) != 0 {
		t.Fatalf("at the end of the server: %+v", a)
	}
}

func TestAChangeOfTheVisibilityTimeoutCountsForReceivesThatWait(t *testing.T) {
	s := open(t)
	url := s.queue("work", "VisibilityTimeout", "30")
	done := s.poll(t.Context(), "work", 1)
	_, err := s.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: url,
		Attributes: map[string]string{"VisibilityTimeout": "5"}})
	s.ok(err)
	s.ok(s.server.Send(t.Context(), "work", "x", ""))
	s.wait(done, 1)
	s.move(6 * time.Second)
	s.one(url)
}
