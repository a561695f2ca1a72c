package validator_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"hatchery/shared/arrival"
	"hatchery/shared/upload"
)

// sentAgain is a message of the reconciler that has been received so often.
func sentAgain(t testing.TB, receptions string) events.SQSMessage {
	t.Helper()
	m := message(t, "again", arrived(1))
	m.Attributes["ApproximateReceiveCount"] = receptions
	count := "1"
	m.MessageAttributes = map[string]events.SQSMessageAttribute{arrival.ReenqueuedAttribute: {DataType: "Number", StringValue: &count}}
	return m
}

func TestAMessageThatWasSentAgainNeverBecomesADeadLetter(t *testing.T) {
	for _, receptions := range []string{"1", "2", "3", "4", "5", "1000", "many"} {
		t.Run(receptions, func(t *testing.T) {
			n, err := strconv.Atoi(receptions)
			over := err == nil && n > 3
			tried := false
			b := newBench(pipelineFunc(func(context.Context, upload.Key, upload.Version) (upload.Outcome, error) {
				tried = true
				return upload.Outcome{}, errTrouble
			}))
			want := []string{"again"}
			if over {
				want = nil
			}
			b.wantFailed(t, t.Context(), []events.SQSMessage{sentAgain(t, receptions)}, want...)
			if tried == over {
				t.Errorf("tried: %v", tried)
			}
			if over {
				line := b.line(t, "a message that was sent again has come to nothing: the upload stays as it is")
				if line["level"] != "ERROR" || line["reenqueued"] != true || line["receive_count"] != receptions {
					t.Errorf("logged as %v", line)
				}
			}
		})
	}
}

func TestAMessageOfS3IsTriedUntilTheQueueGivesItUp(t *testing.T) {
	m := message(t, "m", arrived(1))
	m.Attributes["ApproximateReceiveCount"] = "1000"
	newBench(all("", errTrouble)).wantFailed(t, t.Context(), []events.SQSMessage{m}, "m")
}

func TestAMessageThatWasSentAgainDoesItsWork(t *testing.T) {
	b := newBench(all(upload.ResultStored, nil))
	b.wantFailed(t, t.Context(), []events.SQSMessage{sentAgain(t, "3")})
	if line := b.line(t, "validated"); line["reenqueued"] != true || line["result"] != "stored" {
		t.Errorf("logged as %v", line)
	}
}
