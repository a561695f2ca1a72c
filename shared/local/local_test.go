package local_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hatchery/shared/arrival"
	"hatchery/shared/local"
)

const key = "quarantine/j/entries/e/images/01890000-0000-7000-8000-000000000000"

func options(dir string) local.Options {
	return local.Options{Data: dir, Listen: "127.0.0.1:0", S3Listen: "127.0.0.1:0", SQSListen: "127.0.0.1:0",
		QuarantinePrefix: "quarantine/",
		FunctionTimeout:  10 * time.Second, RequestTime: 28 * time.Second, SweepEvery: time.Hour, Log: slog.New(slog.DiscardHandler)}
}

func something() bool { return true }

func nothing() bool { return false }

// running is a stack with its handlers, until stop.
func running(t *testing.T, dir string, validate local.Function,
	needsWork func() bool) (at local.Endpoints, stop func()) {
	t.Helper()
	return runningWith(t, options(dir), validate, needsWork)
}

func runningWith(t *testing.T, o local.Options, validate local.Function,
	needsWork func() bool) (at local.Endpoints, stop func()) {
	t.Helper()
	stack, err := local.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- stack.Run(ctx, local.Handlers{API: http.NotFoundHandler(), Validate: validate,
			NeedsWork: func(context.Context, string, string) (bool, error) { return needsWork(), nil }})
	}()
	return stack.Endpoints(), func() {
		t.Helper()
		cancel()
		if err := errors.Join(<-ended, stack.Close(context.Background())); err != nil {
			t.Fatal(err)
		}
	}
}

func put(t *testing.T, at local.Endpoints) string {
	t.Helper()
	client := s3.New(s3.Options{Region: at.Region, BaseEndpoint: aws.String(at.S3), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(at.AccessKey, at.SecretKey, "")})
	out, err := client.PutObject(t.Context(),
		&s3.PutObjectInput{Bucket: &at.Bucket, Key: aws.String(key), Body: strings.NewReader("bytes")})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.VersionId)
}

// told gives a validator that passes on what it was told about, and answers done or
// not.
func told(into chan<- arrival.Created, done bool) local.Function {
	return func(_ context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
		var answer events.SQSEventResponse
		for _, message := range batch.Records {
			parsed, err := arrival.Parse([]byte(message.Body))
			if err != nil {
				return answer, err
			}
			for _, created := range parsed.Created {
				into <- created
			}
			if !done {
				answer.BatchItemFailures = append(answer.BatchItemFailures,
					events.SQSBatchItemFailure{ItemIdentifier: message.MessageId})
			}
		}
		return answer, nil
	}
}

func wait[T any](t *testing.T, from <-chan T) (got T) {
	t.Helper()
	select {
	case got = <-from:
	case <-time.After(20 * time.Second):
		t.Fatal("the validator was not told")
	}
	return got
}

func TestAnObjectInQuarantineReachesTheValidatorAsAnEvent(t *testing.T) {
	arrived := make(chan arrival.Created, 10)
	at, stop := running(t, t.TempDir(), told(arrived, true), nothing)
	version := put(t, at)
	if c := wait(t, arrived); c.Key != key || c.VersionID != version || c.Bucket != at.Bucket || c.Size != 5 {
		t.Errorf("told about %+v, want version %s of %s", c, version, key)
	}
	stop()
}

func TestAMessageThatWasHeldAtTheEndComesAgainAtTheNextStart(t *testing.T) {
	dir, arrived := t.TempDir(), make(chan arrival.Created, 10)
	at, stop := running(t, dir, told(arrived, false), nothing)
	version := put(t, at)
	wait(t, arrived)
	stop()
	// Its visibility timeout is far from over.
	_, stop = running(t, dir, told(arrived, true), nothing)
	if c := wait(t, arrived); c.VersionID != version {
		t.Errorf("told about %+v", c)
	}
	stop()
}

func TestALostEventIsFoundByTheSweepWhereSomethingIsOwed(t *testing.T) {
	dir, arrived := t.TempDir(), make(chan arrival.Created, 10)
	at, stop := running(t, dir, told(arrived, true), nothing)
	version := put(t, at)
	wait(t, arrived)
	stop()
	queues, err := filepath.Glob(filepath.Join(dir, "queue.db*"))
	if err != nil || len(queues) == 0 {
		t.Fatalf("no queue in %s: %v", dir, err)
	}
	for _, file := range queues {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	_, stop = running(t, dir, told(arrived, true), something)
	if c := wait(t, arrived); c.Key != key || c.VersionID != version || c.Size != 5 {
		t.Errorf("told about %+v", c)
	}
	stop()
}

func TestTheSweepSendsNoSecondMessageForWhatTheQueueHolds(t *testing.T) {
	dir, arrived := t.TempDir(), make(chan arrival.Created, 10)
	at, stop := running(t, dir, told(arrived, false), nothing)
	put(t, at)
	wait(t, arrived)
	stop()
	// Released at the start, the message is received at once and held again; the
	// sweep runs beside it.
	var calls atomic.Int32
	swept := make(chan struct{}, 1)
	_, stop = running(t, dir, func(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
		calls.Add(int32(len(batch.Records)))
		return told(arrived, false)(ctx, batch)
	}, func() bool {
		select {
		case swept <- struct{}{}:
		default:
		}
		return true
	})
	wait(t, arrived)
	select {
	case <-swept:
	case <-time.After(20 * time.Second):
		t.Fatal("there was no sweep")
	}
	stop()
	if n := calls.Load(); n != 1 {
		t.Errorf("the validator was called for %d messages, want 1", n)
	}
}

func TestTheSweepSendsNoSecondMessageForWhatAClientSentAgain(t *testing.T) {
	dir, arrived := t.TempDir(), make(chan arrival.Created, 10)
	at, stop := running(t, dir, told(arrived, true), nothing)
	put(t, at)
	body, err := arrival.Format(wait(t, arrived)) // and it is acknowledged: the queue is empty
	if err != nil {
		t.Fatal(err)
	}
	stop()
	o, sent, sweeps := options(dir), make(chan struct{}), make(chan struct{}, 1)
	o.SweepEvery = time.Millisecond
	at, stop = runningWith(t, o, nil, func() bool {
		<-sent
		sweeps <- struct{}{}
		return true
	})
	queues := sqs.NewFromConfig(at.AWS())
	_, err = queues.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &at.QueueURL, MessageBody: aws.String(string(body))})
	if err != nil {
		t.Fatal(err)
	}
	close(sent)
	for range 3 { // the first of them has ended
		<-sweeps
	}
	out, err := queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &at.QueueURL,
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameApproximateNumberOfMessages}})
	if err != nil || out.Attributes["ApproximateNumberOfMessages"] != "1" {
		t.Errorf("the queue has %v, %v", out.Attributes, err)
	}
	go func() {
		for range sweeps { // until the end
		}
	}()
	stop()
	close(sweeps)
}

func TestTheFolderIsHeldByOneProcessAndFreeAgainAfterClose(t *testing.T) {
	for range 3 { // a stranger's outgoing connection may have taken a port in between
		err := heldThenFree(t, filepath.Join(t.TempDir(), "with spaces", "and depth"))
		if err == nil {
			return
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
	}
	t.Error("the ports of a stack that was closed are taken each time")
}

func heldThenFree(t *testing.T, dir string) error {
	stack, err := local.Open(t.Context(), options(dir))
	if err != nil {
		return err
	}
	first := stack.Endpoints()
	if _, err := local.Open(t.Context(), options(dir)); !errors.Is(err, local.ErrInUse) {
		t.Errorf("a second opening: %v", err)
	}
	if err := stack.Close(context.Background()); err != nil {
		return err
	}
	if stack, err = local.Open(t.Context(), options(dir)); err != nil {
		return err
	}
	if again := stack.Endpoints(); again.S3 != first.S3 || again.SQS != first.SQS || again.SecretKey != first.SecretKey {
		t.Errorf("addresses or credentials changed: %+v, were %+v", again, first)
	}
	return stack.Close(context.Background())
}

func TestAStateFileOfSomethingElseIsRefusedByName(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"hatchery.lock": "", "dev.json": "{"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := local.Open(t.Context(), options(dir)); err == nil ||
		!strings.Contains(err.Error(), filepath.Join(dir, "dev.json")) {
		t.Errorf("error %v", err)
	}
}
