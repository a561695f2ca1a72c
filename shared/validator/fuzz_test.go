package validator_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"hatchery/shared/arrival"
	"hatchery/shared/policy"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// FuzzHandle: whatever a message says, the batch is answered, its neighbour is
// handled, and a message is acknowledged only if all of it could be read.
func FuzzHandle(f *testing.F) {
	for _, file := range []string{"put.json", "several.json", "test-event.json", "unversioned.json", "eventbridge.json"} {
		f.Add(recorded(f, file), int64(0))
	}
	f.Add(message(f, "m", arrived(1), arrived(2)).Body, int64(1_000_000))
	f.Add(`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","eventTime":"2026-03-04T05:06:07Z","s3":{"bucket":{"name":"`+bucket+`"},"object":{"key":"%","size":9223372036854775807}}}]}`, int64(-1))
	f.Add("", int64(0))
	f.Add("{", int64(0))
	good := message(f, "good", arrived(1))
	f.Fuzz(func(t *testing.T, body string, rate int64) {
		seen := 0
		p := &upload.Pipeline{Policy: policy.Default(), Layout: upload.DefaultLayout,
			Records: uploadtest.NewRecords(uploadtest.RecordsOptions{Swap: true}), Objects: uploadtest.NewObjects()}
		b := newFixture(pipelineFunc(func(ctx context.Context, key upload.Key, v upload.Version) (upload.Outcome, error) {
			seen++
			return p.Validate(ctx, key, v)
		}))
		b.Concurrency, b.ReadRate = 1, rate
		ctx, _ := b.invocation(t, 1<<36)
		answer, err := b.Handle(ctx, events.SQSEvent{Records: []events.SQSMessage{withBody("fuzzed", body), good}})
		if err != nil || answer.BatchItemFailures == nil || len(answer.BatchItemFailures) > 1 {
			t.Fatalf("%+v, %v", answer, err)
		}
		failed := len(answer.BatchItemFailures) == 1
		if failed && answer.BatchItemFailures[0].ItemIdentifier != "fuzzed" {
			t.Fatalf("failed is %+v", answer)
		}
		if wire, err := json.Marshal(answer); err != nil || !failed && string(wire) != `{"batchItemFailures":[]}` {
			t.Fatalf("on the wire: %s, %v", wire, err)
		}
		for _, line := range b.lines(t) {
			if line["msg"] == "validation panicked" {
				t.Fatalf("%v", line)
			}
		}
		parsed, err := arrival.Parse([]byte(body))
		want := err != nil || len(parsed.Faults) > 0
		ours := 0
		for _, c := range parsed.Created {
			if c.Bucket == bucket {
				ours++
			} else {
				want = true
			}
		}
		if failed != want {
			t.Fatalf("failed: %v, want %v; %v, faults %v", failed, want, err, parsed.Faults)
		}
		if seen != ours+1 {
			t.Fatalf("the pipeline saw %d objects, want %d and the neighbour's", seen, ours)
		}
	})
}
