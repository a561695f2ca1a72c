package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hatchery/shared/arrival"
	"hatchery/shared/attempts"
	"hatchery/shared/objects/s3objects"
	"hatchery/shared/upload"
)

// TestADeadLetterOfDevLeavesItsAttemptsInTheBucket: two messages that fail whenever they are
// received become dead letters, and the bucket says why of the last two receptions of each.
func TestADeadLetterOfDevLeavesItsAttemptsInTheBucket(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	h := startHatchery(t, data, "--no-validator")
	poison := h.queueMessage(t, "no JSON")
	foreign, err := arrival.Format(arrival.Created{Name: "ObjectCreated:Put", Time: time.Now(), Bucket: "another",
		Key: "quarantine/j1/entries/e1/images/0195600d-0000-7000-8000-000000000001", VersionID: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := h.queueMessage(t, string(foreign))
	for range 3 {
		h.receiveAll(t, h.env["HATCHERY_QUEUE_URL"], 2)
	}
	h.mustEnd(t)
	// Each start is one more reception: what a run held is released when the next one begins.
	for receive := 4; receive <= 5; receive++ {
		h = startHatchery(t, data)
		for id, cause := range map[string]string{poison: "the body is no JSON object",
			elsewhere: "the event is about another bucket"} {
			a := h.whenKept(t, attempts.Key("", id, receive))
			if a.MaxReceives != 5 || len(a.Failures) != 1 || !strings.Contains(a.Failures[0].Error, cause) {
				t.Errorf("kept is %+v", a)
			}
		}
		h.mustEnd(t)
	}
	h = startHatchery(t, data)
	h.receiveAll(t, h.env["HATCHERY_DEAD_LETTER_URL"], 2)
	page, err := h.notes().List(t.Context(), attempts.Prefix, "", 10)
	if err != nil || len(page.Keys) != 4 {
		t.Errorf("kept are %q, %v, want two attempts of two messages", page.Keys, err)
	}
}

// notes are those in dev's bucket.
func (h *hatchery) notes() *s3objects.Notes {
	return s3objects.NewNotes(h.bucketClient(), h.env["HATCHERY_BUCKET"])
}

// queueMessage puts a message into the validator's queue and gives its id.
func (h *hatchery) queueMessage(t *testing.T, body string) string {
	t.Helper()
	sent, err := h.queues().SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: aws.String(h.env["HATCHERY_QUEUE_URL"]),
		MessageBody: &body})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(sent.MessageId)
}

// receiveAll receives so many messages of a queue, each once, and gives them back.
func (h *hatchery) receiveAll(t *testing.T, url string, n int) {
	t.Helper()
	var receipts []*string
	for len(receipts) < n {
		got, err := h.queues().ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10,
			WaitTimeSeconds: 5})
		if err != nil || len(got.Messages) == 0 {
			t.Fatalf("%d of %d messages received, %v", len(receipts), n, err)
		}
		for _, m := range got.Messages {
			receipts = append(receipts, m.ReceiptHandle)
		}
	}
	for _, receipt := range receipts {
		if _, err := h.queues().ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: &url,
			ReceiptHandle: receipt}); err != nil {
			t.Fatal(err)
		}
	}
}

func (h *hatchery) mustEnd(t *testing.T) {
	t.Helper()
	if code := h.interrupt(); code != exitDone {
		t.Fatalf("exit %d\n%s", code, h.errors)
	}
}

// whenKept waits until an attempt has ended.
func (h *hatchery) whenKept(t *testing.T, key upload.Key) attempts.Attempt {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(30 * time.Second); ; <-again.C {
		note, err := h.notes().Get(t.Context(), key)
		if err == nil {
			a, err := attempts.Parse(note)
			if err != nil {
				t.Fatal(err)
			}
			if !a.Ended.IsZero() {
				return a
			}
		}
		if time.Now().After(end) {
			t.Fatalf("%s holds %s, %v\n%s", key, note, err, h.log)
		}
	}
}
