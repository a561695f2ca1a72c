package validator_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"hatchery/shared/arrival"
	"hatchery/shared/upload"
)

// resent is a message of the reconciler that has been received so often.
func resent(t testing.TB, receptions string) events.SQSMessage {
	t.Helper()
	m := message(t, "again", arrived(1))
	m.Attributes["ApproximateReceiveCount"] = receptions
	count := "1"
	m.MessageAttributes = map[string]events.SQSMessageAttribute{arrival.ResendAttribute: {DataType: "Number", StringValue: &count}}
	return m
}

func TestAMessageThatWasSentAgainNeverBecomesADeadLetter(t *testing.T) {
	for _, receptions := range []string{"1", "2", "3", "4", "5", "1000", "many"} {
		t.Run(receptions, func(t *testing.T) {
			n, err := strconv.Atoi(receptions)
			over := err == nil && n > 3
			tried := false
			b := newFixture(pipelineFunc(func(context.Context, upload.Key, upload.Version) (upload.Outcome, error) {
				tried = true
				return upload.Outcome{}, errTrouble
			}))
			want := []string{"again"}
			if over {
				want = nil
			}
			b.wantFailed(t, t.Context(), []events.SQSMessage{resent(t, receptions)}, want...)
			if tried == over {
				t.Errorf("tried: %v", tried)
			}
			if over {
				line := b.line(t, "a message that was sent again has come to nothing: the upload stays as it is")
				if line["level"] != "ERROR" || line["reenqueued"] != true || line["receive_count"] != receptions ||
					line["upload_id"] != string(refNumber(1).ID) || line["key"] != arrived(1).Key {
					t.Errorf("logged as %v", line)
				}
			}
		})
	}
}

func TestAMessageOfS3IsTriedUntilTheQueueGivesItUp(t *testing.T) {
	m := message(t, "m", arrived(1))
	m.Attributes["ApproximateReceiveCount"] = "1000"
	newFixture(all("", errTrouble)).wantFailed(t, t.Context(), []events.SQSMessage{m}, "m")
}

func TestAMessageThatWasSentAgainDoesItsWork(t *testing.T) {
	b := newFixture(all(upload.ResultStored, nil))
	b.wantFailed(t, t.Context(), []events.SQSMessage{resent(t, "3")})
	if line := b.line(t, "validated"); line["reenqueued"] != true || line["result"] != "stored" {
		t.Errorf("logged as %v", line)
	}
}

// TestARejectionIsToldHoweverOftenItTakes: nothing but this message would come back to
// an upload that is rejected, so that it is tried as any other is.
func TestARejectionIsToldHoweverOftenItTakes(t *testing.T) {
	for name, c := range map[string]struct {
		record upload.Record
		err    error
		tried  bool
	}{
		"rejected with this version": {upload.Record{Status: upload.Rejected, JudgedVersion: upload.Version(arrived(1).VersionID)}, nil, true},
		"rejected with another":      {upload.Record{Status: upload.Rejected, JudgedVersion: "another"}, nil, false},
		"pending":                    {upload.Record{Status: upload.Pending}, nil, false},
		"stored":                     {upload.Record{Status: upload.Stored, JudgedVersion: upload.Version(arrived(1).VersionID)}, nil, false},
		"the records do not answer":  {upload.Record{}, errTrouble, false},
		"there is no record":         {upload.Record{}, upload.ErrNotFound, false},
	} {
		t.Run(name, func(t *testing.T) {
			tried := false
			b := newFixture(pipelineFunc(func(context.Context, upload.Key, upload.Version) (upload.Outcome, error) {
				tried = true
				return upload.Outcome{}, errTrouble
			}))
			b.Layout = upload.DefaultLayout
			b.notes.find = func(ref upload.Ref) (upload.Record, error) {
				if ref != refNumber(1) {
					t.Errorf("asked for %s", ref)
				}
				return c.record, c.err
			}
			var want []string
			if c.tried {
				want = []string{"again"}
			}
			b.wantFailed(t, t.Context(), []events.SQSMessage{resent(t, "4")}, want...)
			if tried != c.tried {
				t.Errorf("tried: %v", tried)
			}
		})
	}
}

func TestASpentMessageThatCannotBeReadIsAcknowledged(t *testing.T) {
	m := resent(t, "4")
	m.Body = "{"
	newFixture(all("", errTrouble)).wantFailed(t, t.Context(), []events.SQSMessage{m})
}
