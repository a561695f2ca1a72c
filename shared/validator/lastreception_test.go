package validator_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"hatchery/shared/arrival"
	"hatchery/shared/upload"
)

const lastOfFive = "last of 5 receptions; a dead letter within 1801 s"

// received is a message that has been received so often.
func received(m events.SQSMessage, receptions string) events.SQSMessage {
	m.Attributes["ApproximateReceiveCount"] = receptions
	return m
}

func TestTheLastReceptionIsLogged(t *testing.T) {
	elsewhere := arrived(1)
	elsewhere.Bucket = "another"
	noRecord, err := arrival.Format(arrived(1))
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(noRecord), arrived(1).Key, "%zz", 1)
	panics := pipelineFunc(func(context.Context, upload.Key, upload.Version) (upload.Outcome, error) { panic("odd") })
	fails := all("", fmt.Errorf("promote: %w", errTrouble))
	for name, c := range map[string]struct {
		pipeline     pipelineFunc
		message      events.SQSMessage
		upload       bool // it is known which
		cause, error string
	}{
		"trouble":          {fails, message(t, "m", arrived(1)), true, errTrouble.Error(), "promote: "},
		"a panic":          {panics, message(t, "m", arrived(1)), true, "the validation panicked", "panicked: odd"},
		"another's bucket": {fails, message(t, "m", elsewhere), true, "another bucket", "another bucket"},
		"poison":           {fails, withBody("m", "no JSON"), false, "", "JSON"},
		"a broken record":  {fails, withBody("m", broken), false, "", "%zz"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newFixture(c.pipeline)
			b.wantFailed(t, t.Context(), []events.SQSMessage{received(c.message, "4")}, "m")
			if strings.Contains(b.log.String(), "last of") {
				t.Errorf("said one reception too early:\n%s", b.log)
			}
			for _, receptions := range []string{"5", "6"} {
				b.log.Reset()
				b.wantFailed(t, t.Context(), []events.SQSMessage{received(c.message, receptions)}, "m")
				line := b.line(t, lastOfFive)
				if line["level"] != "ERROR" || line["message_id"] != "m" || line["receive_count"] != receptions ||
					line["max_receives"] != 5. || line["dead_letter_within_s"] != 1801. || line["failures"] != nil {
					t.Errorf("logged as %v", line)
				}
				if cause, text := fmt.Sprint(line["cause"]), fmt.Sprint(line["error"]); cause == "" ||
					!strings.Contains(cause, c.cause) || !strings.Contains(text, c.error) {
					t.Errorf("the error is %q, its cause %q", text, cause)
				}
				id, key, version := "", "", ""
				if c.upload {
					id, key, version = string(refNumber(1).ID), arrived(1).Key, "v1"
				}
				if line["upload_id"] != id || line["key"] != key || line["version"] != version {
					t.Errorf("about %v", line)
				}
			}
		})
	}
}

func TestTheLastReceptionIsLoggedForWantOfTimeToo(t *testing.T) {
	var pass func(time.Duration)
	b := newFixture(pipelineFunc(func(context.Context, upload.Key, upload.Version) (upload.Outcome, error) {
		pass(59 * time.Second)
		return upload.Outcome{Result: upload.ResultStored}, nil
	}))
	b.Concurrency = 1
	ctx, p := b.invocation(t, time.Minute)
	pass = p
	b.wantFailed(t, ctx, []events.SQSMessage{received(message(t, "m1", arrived(1)), "5"),
		received(message(t, "m2", arrived(2)), "5")}, "m2")
	if line := b.line(t, lastOfFive); line["upload_id"] != string(refNumber(2).ID) || line["key"] != arrived(2).Key ||
		line["cause"] != "not enough time is left before the deadline" {
		t.Errorf("logged as %v", line)
	}
}

func TestTheLastReceptionIsLoggedOnceHoweverMuchFailed(t *testing.T) {
	b := newFixture(pipelineFunc(func(_ context.Context, _ upload.Key, v upload.Version) (upload.Outcome, error) {
		if v == "v1" {
			return upload.Outcome{Result: upload.ResultStored}, nil
		}
		return upload.Outcome{}, errors.New(string(v))
	}))
	b.wantFailed(t, t.Context(),
		[]events.SQSMessage{received(message(t, "m", arrived(1), arrived(2), arrived(3)), "5")}, "m")
	if line := b.line(t, lastOfFive); line["key"] != arrived(2).Key || line["error"] != "v2" || line["failures"] != 2. {
		t.Errorf("logged as %v", line)
	}
}

func TestTheNumbersAreTheQueues(t *testing.T) {
	b := newFixture(all("", errTrouble))
	b.MaxReceives, b.Visibility = 7, 90*time.Second
	b.wantFailed(t, t.Context(), []events.SQSMessage{received(message(t, "m", arrived(1)), "6")}, "m")
	if strings.Contains(b.log.String(), "last of") {
		t.Errorf("the sixth of seven is taken for the last:\n%s", b.log)
	}
	b.wantFailed(t, t.Context(), []events.SQSMessage{received(message(t, "m", arrived(1)), "7")}, "m")
	b.line(t, "last of 7 receptions; a dead letter within 90 s")
	b.log.Reset()
	b.MaxReceives = 0 // nobody said
	b.wantFailed(t, t.Context(), []events.SQSMessage{received(message(t, "m", arrived(1)), "7")}, "m")
	if strings.Contains(b.log.String(), "last of") {
		t.Errorf("the last reception, of how many nobody knows:\n%s", b.log)
	}
}

func TestWhatBecomesNoDeadLetterIsNotLoggedAsOne(t *testing.T) {
	spentPoison := resent(t, "5")
	spentPoison.Body = "{"
	fails, first := all("", errTrouble), message(t, "m", arrived(1))
	for name, c := range map[string]struct {
		pipeline pipelineFunc
		message  events.SQSMessage
		failed   []string
	}{
		"done at the last reception":     {all(upload.ResultStored, nil), received(first, "5"), nil},
		"a rejection is a result":        {all(upload.ResultRejected, nil), received(first, "5"), nil},
		"sent again, tried for the last": {fails, resent(t, "3"), []string{"again"}},
		"sent again, acknowledged":       {fails, resent(t, "5"), nil},
		"sent again, cannot be read":     {fails, spentPoison, nil},
		"a count that is none":           {fails, received(message(t, "m", arrived(1)), "many"), []string{"m"}},
		"S3's test event":                {fails, received(withBody("m", recorded(t, "test-event.json")), "5"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			b := newFixture(c.pipeline)
			b.wantFailed(t, t.Context(), []events.SQSMessage{c.message}, c.failed...)
			if strings.Contains(b.log.String(), "last of") {
				t.Errorf("it says\n%s", b.log)
			}
		})
	}
}

// TestAMessageThatWasSentAgainDiesToo: one of a rejection is tried as any other is.
func TestAMessageThatWasSentAgainDiesToo(t *testing.T) {
	b := newFixture(all("", errTrouble))
	b.notes.find = func(upload.Ref) (upload.Record, error) {
		return upload.Record{Status: upload.Rejected, JudgedVersion: "v1"}, nil
	}
	b.wantFailed(t, t.Context(), []events.SQSMessage{resent(t, "5")}, "again")
	if line := b.line(t, lastOfFive); line["reenqueued"] != true || line["upload_id"] != string(refNumber(1).ID) {
		t.Errorf("logged as %v", line)
	}
}
