package localsqs_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func TestMessageReceivedTooOftenMovesToTheDeadLetters(t *testing.T) {
	s := open(t)
	dead := s.queue("dead", "MessageRetentionPeriod", "600")
	url := s.queue("work", "RedrivePolicy", s.deadLetters("dead", 2))
	sent := s.clock.Now()
	id := s.send(url, "poison")
	s.send(url, "other")
	for range 2 {
		if n := len(s.receive(url)); n != 2 {
			t.Fatalf("received %d messages", n)
		}
		s.wantCounts(dead, "0 0 0")
		s.move(31 * time.Second)
	}
	fresh := s.send(url, "fresh")
	if m := s.one(url); *m.MessageId != fresh {
		t.Fatalf("received %q instead of the fresh message", *m.Body)
	}
	s.wantCounts(url, "0 1 0")
	letters := s.receive(dead)
	if len(letters) != 2 {
		t.Fatalf("%d dead letters", len(letters))
	}
	m := letters[0]
	if *m.MessageId != id || *m.Body != "poison" ||
		m.Attributes["DeadLetterQueueSourceArn"] != s.server.QueueARN("work") ||
		m.Attributes["SentTimestamp"] != fmt.Sprint(sent.UnixMilli()) || m.Attributes["ApproximateReceiveCount"] != "3" {
		t.Fatalf("dead letter %q %v", *m.MessageId, m.Attributes)
	}
	// Retention counts from the first enqueue.
	s.move(sent.Add(600*time.Second).Sub(s.clock.Now()) - time.Millisecond)
	s.wantCounts(dead, "2 0 0")
	s.move(time.Millisecond)
	s.wantCounts(dead, "0 0 0")
}

func TestMessagesStayWhenTheirDeadLetterQueueIsGone(t *testing.T) {
	s := open(t)
	dead := s.queue("dead")
	url := s.queue("work", "RedrivePolicy", s.deadLetters("dead", 1))
	s.send(url, "x")
	s.one(url)
	_, err := s.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: dead})
	s.ok(err)
	s.move(31 * time.Second)
	s.one(url)
}

// start begins a move task; destination "" is back to the source.
func (s *stack) start(source, destination string, rate int32) (string, error) {
	in := &sqs.StartMessageMoveTaskInput{SourceArn: aws.String(s.server.QueueARN(source))}
	if destination != "" {
		in.DestinationArn = aws.String(s.server.QueueARN(destination))
	}
	if rate > 0 {
		in.MaxNumberOfMessagesPerSecond = &rate
	}
	out, err := s.StartMessageMoveTask(s.t.Context(), in)
	if err != nil {
		return "", err
	}
	return *out.TaskHandle, nil
}

func (s *stack) tasks(source string) []types.ListMessageMoveTasksResultEntry {
	s.t.Helper()
	out, err := s.ListMessageMoveTasks(s.t.Context(),
		&sqs.ListMessageMoveTasksInput{SourceArn: aws.String(s.server.QueueARN(source)), MaxResults: aws.Int32(10)})
	s.ok(err)
	return out.Results
}

// ended waits until the newest task is in that state.
func (s *stack) ended(source, status string) types.ListMessageMoveTasksResultEntry {
	s.t.Helper()
	eventually(s.t, "a task "+status, func() bool { return *s.tasks(source)[0].Status == status })
	return s.tasks(source)[0]
}

// letters makes queues with so many dead letters of "work", and returns the URL of "work" and that of "dead".
func (s *stack) letters(n int) (work, dead *string) {
	s.t.Helper()
	dead = s.queue("dead")
	work = s.queue("work", "RedrivePolicy", s.deadLetters("dead", 1))
	for i := range n {
		s.ok(s.server.Send(s.t.Context(), "work", fmt.Sprint("letter ", i), fmt.Sprint("tag ", i)))
	}
	for range (n + 9) / 10 {
		s.receive(work)
	}
	s.move(31 * time.Second)
	s.none(work)
	s.wantCounts(dead, fmt.Sprint(n, " 0 0"))
	return work, dead
}

func TestMoveTaskSendsDeadLettersBackAsNewMessages(t *testing.T) {
	s := open(t)
	work, dead := s.letters(150)
	old := s.one1(dead)
	s.move(31 * time.Second)
	handle, err := s.start("dead", "", 0)
	s.ok(err)
	if handle == "" {
		t.Fatal("no handle")
	}
	task := s.ended("dead", "COMPLETED")
	if task.ApproximateNumberOfMessagesMoved != 150 || *task.ApproximateNumberOfMessagesToMove != 150 ||
		task.TaskHandle != nil ||
		task.DestinationArn != nil || task.StartedTimestamp != s.clock.Now().UnixMilli() {
		t.Fatalf("task %+v", task)
	}
	s.wantCounts(dead, "0 0 0")
	s.wantCounts(work, "150 0 0")
	for _, m := range s.receive(work) {
		if *m.MessageId == *old.MessageId || m.Attributes["ApproximateReceiveCount"] != "1" ||
			m.Attributes["DeadLetterQueueSourceArn"] != "" ||
			m.Attributes["SentTimestamp"] != fmt.Sprint(s.clock.Now().UnixMilli()) {
			t.Fatalf("redriven message %v", m.Attributes)
		}
	}
	if found, err := s.server.Holds(t.Context(), "work", "tag 149"); err != nil || !found {
		t.Errorf("a redriven message lost its tag: %v, %v", found, err)
	}
}

// one1 receives a single message of many.
func (s *stack) one1(url *string) types.Message {
	s.t.Helper()
	out, err := s.ReceiveMessage(s.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url})
	s.ok(err)
	return out.Messages[0]
}

func TestMoveTaskKeepsItsRateAndCanBeCancelled(t *testing.T) {
	s := open(t)
	_, dead := s.letters(10)
	s.queue("elsewhere")
	handle, err := s.start("dead", "elsewhere", 2)
	s.ok(err)
	eventually(t, "the first message", func() bool { return s.tasks("dead")[0].ApproximateNumberOfMessagesMoved == 1 })
	s.move(1500 * time.Millisecond)
	eventually(t, "three more", func() bool { return s.tasks("dead")[0].ApproximateNumberOfMessagesMoved == 4 })
	task := s.tasks("dead")[0]
	if *task.Status != "RUNNING" || *task.TaskHandle != handle || *task.MaxNumberOfMessagesPerSecond != 2 ||
		*task.DestinationArn != s.server.QueueARN("elsewhere") {
		t.Fatalf("task %+v", task)
	}
	_, err = s.start("dead", "", 0)
	wantCode(t, err, "InvalidParameterValue")
	out, err := s.CancelMessageMoveTask(t.Context(), &sqs.CancelMessageMoveTaskInput{TaskHandle: &handle})
	s.ok(err)
	if out.ApproximateNumberOfMessagesMoved != 4 {
		t.Fatalf("cancelled after %d", out.ApproximateNumberOfMessagesMoved)
	}
	s.ended("dead", "CANCELLED")
	s.wantCounts(dead, "6 0 0")
	_, err = s.CancelMessageMoveTask(t.Context(), &sqs.CancelMessageMoveTaskInput{TaskHandle: &handle})
	isError[*types.UnsupportedOperation](t, err)
	_, err = s.start("dead", "", 0)
	s.ok(err)
	if s.ended("dead", "COMPLETED"); len(s.tasks("dead")) != 2 {
		t.Fatalf("%d tasks", len(s.tasks("dead")))
	}
}

func TestMoveTaskRefusals(t *testing.T) {
	s := open(t)
	s.letters(1)
	_, err := s.start("work", "", 0)
	wantCode(t, err, "InvalidParameterValue") // not a dead-letter queue
	_, err = s.start("missing", "", 0)
	isError[*types.ResourceNotFoundException](t, err)
	_, err = s.start("dead", "missing", 0)
	isError[*types.ResourceNotFoundException](t, err)
	_, err = s.start("dead", "dead", 0)
	wantCode(t, err, "InvalidParameterValue")
	_, err = s.start("dead", "", 501)
	wantCode(t, err, "InvalidParameterValue")
	for handle, want := range map[string]string{
		"x": "InvalidParameterValue", "e30": "InvalidParameterValue",
		"eyJ0YXNrSWQiOiJ4Iiwic291cmNlQXJuIjoieSJ9": "ResourceNotFoundException", // {"taskId":"x","sourceArn":"y"}
	} {
		_, err := s.CancelMessageMoveTask(t.Context(), &sqs.CancelMessageMoveTaskInput{TaskHandle: &handle})
		wantCode(t, err, want)
	}
	_, err = s.ListMessageMoveTasks(t.Context(), &sqs.ListMessageMoveTasksInput{SourceArn: aws.String("x")})
	isError[*types.ResourceNotFoundException](t, err)
}

func TestMoveTaskFailsWhereAWSFailsIt(t *testing.T) {
	s := open(t)
	work, dead := s.letters(3)
	s.send(dead, "sent here directly")
	_, err := s.start("dead", "", 0)
	s.ok(err)
	task := s.ended("dead", "FAILED")
	if *task.FailureReason != "CouldNotDetermineMessageSource" || task.ApproximateNumberOfMessagesMoved != 3 {
		t.Fatalf("task %+v", task)
	}
	s.wantCounts(work, "3 0 0")
	s.wantCounts(dead, "1 0 0")
	s.queue("elsewhere")
	_, err = s.start("dead", "elsewhere", 1)
	s.ok(err)
	s.ended("dead", "COMPLETED")

	for range 2 {
		s.ok(s.server.Send(t.Context(), "dead", "x", ""))
	}
	_, err = s.start("dead", "elsewhere", 1)
	s.ok(err)
	eventually(t, "the first message", func() bool { return s.tasks("dead")[0].ApproximateNumberOfMessagesMoved == 1 })
	_, err = s.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: aws.String(s.server.QueueURL("elsewhere"))})
	s.ok(err)
	s.move(time.Second)
	if task := s.ended("dead", "FAILED"); *task.FailureReason != "AWS.SimpleQueueService.NonExistentQueue" {
		t.Fatalf("task %+v", task)
	}
}

func TestMoveTaskGoesOnAfterARestart(t *testing.T) {
	path, c := t.TempDir()+"/queue.db", newClock()
	s := openAt(t, path, c)
	s.letters(5)
	_, err := s.start("dead", "", 1)
	s.ok(err)
	eventually(t, "the first message", func() bool { return s.tasks("dead")[0].ApproximateNumberOfMessagesMoved == 1 })
	s.close()
	s = openAt(t, path, c)
	s.move(10 * time.Second)
	if task := s.ended("dead", "COMPLETED"); task.ApproximateNumberOfMessagesMoved != 5 {
		t.Fatalf("task %+v", task)
	}
}

// What somebody is looking at stays: it is moved once it was given back.
func TestMoveTaskLeavesWhatIsInFlight(t *testing.T) {
	s := open(t)
	work, dead := s.letters(3)
	s.move(31 * time.Second)
	looked := s.receive(dead)
	if _, err := s.start("dead", "", 0); err != nil || len(looked) != 3 {
		t.Fatalf("%d letters, %v", len(looked), err)
	}
	if task := s.ended("dead", "COMPLETED"); task.ApproximateNumberOfMessagesMoved != 0 {
		t.Errorf("moved %d that are in flight", task.ApproximateNumberOfMessagesMoved)
	}
	s.wantCounts(dead, "0 3 0")
	for _, m := range looked {
		_, err := s.ChangeMessageVisibility(t.Context(),
			&sqs.ChangeMessageVisibilityInput{QueueUrl: dead, ReceiptHandle: m.ReceiptHandle})
		s.ok(err)
	}
	_, err := s.start("dead", "", 0)
	s.ok(err)
	if task := s.ended("dead", "COMPLETED"); task.ApproximateNumberOfMessagesMoved != 3 {
		t.Errorf("moved %d that were given back", task.ApproximateNumberOfMessagesMoved)
	}
	s.wantCounts(work, "3 0 0")
}

// A message that fails again while the task runs must not be sent round and round by it.
func TestMoveTaskLeavesWhatFailsAgainMeanwhile(t *testing.T) {
	s := open(t)
	work, dead := s.letters(3)
	_, err := s.start("dead", "", 1)
	s.ok(err)
	eventually(t, "the first message", func() bool { return s.counts(work) == "1 0 0" })
	m := s.one(work)
	_, err = s.ChangeMessageVisibility(t.Context(),
		&sqs.ChangeMessageVisibilityInput{QueueUrl: work, ReceiptHandle: m.ReceiptHandle})
	s.ok(err)
	s.none(work)
	s.wantCounts(dead, "3 0 0")
	s.move(10 * time.Second)
	if task := s.ended("dead", "COMPLETED"); task.ApproximateNumberOfMessagesMoved != 3 {
		t.Errorf("moved %d", task.ApproximateNumberOfMessagesMoved)
	}
	if left := s.one(dead); *left.MessageId != *m.MessageId {
		t.Errorf("left message %q", *left.Body)
	}
}
