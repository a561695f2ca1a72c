package validator_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"hatchery/shared/arrival"
	"hatchery/shared/policy"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

var errTrouble = errors.New("the store does not answer")

// TestABatchIsJudgedByThePipeline runs the real pipeline: one message of every
// outcome, none of them a failure.
func TestABatchIsJudgedByThePipeline(t *testing.T) {
	objects, records := uploadtest.NewObjects(), uploadtest.NewRecords(uploadtest.RecordsOptions{Swap: true})
	made := 0
	p := &upload.Pipeline{Policy: policy.Default(), Layout: upload.DefaultLayout, Records: records, Objects: objects,
		Now: func() time.Time { return noon }, TombstoneLife: upload.DefaultTombstoneLife,
		NewID: func() (upload.ID, error) { made++; return refNumber(made).ID, nil }}
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	accept := func(body []byte) arrival.Created {
		draft, err := p.Draft(upload.Request{Journal: "j1", Entry: "e1", Kind: "images", Filename: "cat.png"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Accept(t.Context(), draft, nil, bytes.NewReader(body), int64(len(body))); err != nil {
			t.Fatal(err)
		}
		all := objects.Arrivals()
		a := arrived(made)
		a.VersionID, a.Size = string(all[len(all)-1].Version), int64(len(body))
		return a
	}
	stored, rejected, deleted := accept(picture.Bytes()), accept([]byte("<script>")), accept(picture.Bytes())
	if _, err := p.Delete(t.Context(), refNumber(3)); err != nil {
		t.Fatal(err)
	}
	orphan, foreign := arrived(99), arrived(98)
	foreign.Key = "quarantine/a b+c%.png"
	noVersion := arrived(1)
	noVersion.VersionID = ""

	b := newFixture(p)
	b.Records = records
	b.wantFailed(t, t.Context(), []events.SQSMessage{
		message(t, "stored", stored), message(t, "rejected", rejected), message(t, "deleted", deleted),
		message(t, "orphan", orphan), message(t, "foreign", foreign),
	})
	// Everything once more.
	b.wantFailed(t, t.Context(),
		[]events.SQSMessage{message(t, "again", stored, rejected, deleted, orphan, foreign, noVersion)})
	for n, want := range map[int]upload.Status{1: upload.Stored, 2: upload.Rejected, 3: upload.Deleted} {
		r, err := records.Get(t.Context(), refNumber(n))
		if err != nil || r.Status != want || r.Failures != 0 {
			t.Errorf("upload %d: %+v, %v; want %q and no failures", n, r, err, want)
		}
	}
	for _, line := range b.lines(t) {
		if line["level"] == "ERROR" {
			t.Errorf("a rejection or an old event is logged as an error: %v", line)
		}
	}
}

func TestWhatS3RecordedReachesThePipeline(t *testing.T) {
	for file, want := range map[string]string{
		"put.json":         "quarantine/red flower@home+é.jpg 096fKKXTRTtl3on89fVO.nfljtsv6qko",
		"unversioned.json": "quarantine/big ",
		"eventbridge.json": "quarantine/red+flower 100%.jpg IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
	} {
		t.Run(file, func(t *testing.T) {
			var got []string
			b := newFixture(pipelineFunc(func(_ context.Context, key upload.Key, v upload.Version) (upload.Outcome, error) {
				got = append(got, string(key)+" "+string(v))
				return upload.Outcome{Result: upload.ResultForeign, Version: v}, nil
			}))
			b.wantFailed(t, t.Context(), []events.SQSMessage{withBody("m", recorded(t, file))})
			if !slices.Equal(got, []string{want}) {
				t.Errorf("the pipeline got %q, want %q", got, want)
			}
			if line := b.line(t, "validated"); line["level"] != "WARN" || line["result"] != "foreign" ||
				!strings.HasPrefix(line["key"].(string), "quarantine/") {
				t.Errorf("a foreign key is logged as %v", line)
			}
		})
	}
}

func TestTheTestEventIsAcknowledged(t *testing.T) {
	b := newFixture(all("", errTrouble))
	b.wantFailed(t, t.Context(), []events.SQSMessage{withBody("m", recorded(t, "test-event.json"))})
	if b.log.Len() > 0 {
		t.Errorf("the log:\n%s", b.log)
	}
}

func TestEventsThatAreNotAboutNewObjectsAreAcknowledged(t *testing.T) {
	b := newFixture(all("", errTrouble))
	b.wantFailed(t, t.Context(),
		[]events.SQSMessage{withBody("m",
			strings.Replace(recorded(t, "put.json"), "ObjectCreated:Put", "ObjectRemoved:Delete", 1))})
	if line := b.line(t, "event is not about a new object"); line["level"] != "WARN" ||
		line["event"] != "ObjectRemoved:Delete" {
		t.Errorf("logged as %v", line)
	}
}

func TestARecordThatCannotBeReadFailsItsMessageButNotItsNeighbours(t *testing.T) {
	var mu sync.Mutex
	var got []string
	b := newFixture(pipelineFunc(func(_ context.Context, key upload.Key, v upload.Version) (upload.Outcome, error) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, string(v))
		return upload.Outcome{Result: upload.ResultStored}, nil
	}))
	// Its second record's key is "100%", which nobody can decode.
	several := strings.ReplaceAll(recorded(t, "several.json"), `"name":"b"`, `"name":"`+bucket+`"`)
	b.wantFailed(t, t.Context(), []events.SQSMessage{withBody("several", several), message(t, "good", arrived(5))},
		"several")
	slices.Sort(got)
	if want := []string{"v1", "v4", "v5"}; !slices.Equal(got, want) {
		t.Errorf("handled are %v, want %v", got, want)
	}
	if line := b.line(t, "record of a message cannot be read"); line["level"] != "ERROR" ||
		line["message_id"] != "several" {
		t.Errorf("logged as %v", line)
	}
}

func TestAMessageThatIsNoNotificationFailsAlone(t *testing.T) {
	var messages []events.SQSMessage
	var ids []string
	for i, body := range []string{"", "not JSON", "null", "{}", "[]", `"x"`, `{"Records":null}`, `{"Records":[]}`,
		`{"Records":{}}`, `{"Type":"Notification","Message":"{}"}`,
		`{"Records":[`, "\x00", strings.Repeat(" ", arrival.MaxBody+1), `{"Records":[1,"x",null,{}]}`} {
		ids = append(ids, fmt.Sprint("bad", i))
		messages = append(messages, withBody(ids[i], body))
	}
	b := newFixture(all(upload.ResultStored, nil))
	b.wantFailed(t, t.Context(), append(messages, message(t, "good", arrived(1))), ids...)
	if line := b.line(t, "validated"); line["message_id"] != "good" {
		t.Errorf("logged as %v", line)
	}
}

func TestAnEventOfAnotherBucketFailsUnseen(t *testing.T) {
	b := newFixture(pipelineFunc(func(context.Context, upload.Key, upload.Version) (upload.Outcome, error) {
		t.Error("the pipeline was asked")
		return upload.Outcome{}, nil
	}))
	foreign := arrived(1)
	foreign.Bucket = "somebody-elses"
	b.wantFailed(t, t.Context(), []events.SQSMessage{message(t, "m", foreign)}, "m")
	if line := b.line(t, "event is about another bucket"); line["level"] != "ERROR" ||
		line["bucket"] != "somebody-elses" || line["key"] != foreign.Key {
		t.Errorf("logged as %v", line)
	}
}

func TestOnlyWhatFailedIsListedInTheOrderOfTheBatch(t *testing.T) {
	b := newFixture(pipelineFunc(func(ctx context.Context, key upload.Key, v upload.Version) (upload.Outcome, error) {
		if v == "v2" || v == "v5" || v == "v9" {
			return all("", errTrouble)(ctx, key, v)
		}
		return all(upload.ResultStored, nil)(ctx, key, v)
	}))
	var messages []events.SQSMessage
	for n := 1; n <= 8; n++ {
		messages = append(messages, message(t, fmt.Sprint("m", n), arrived(n)))
	}
	// One bad record among good ones is enough.
	messages = append(messages, message(t, "m9", arrived(1), arrived(9), arrived(3)))
	b.wantFailed(t, t.Context(), messages, "m2", "m5", "m9")
}

func TestAnEmptyBatchFailsNothing(t *testing.T) {
	newFixture(all("", errTrouble)).wantFailed(t, t.Context(), nil)
}

func TestAPanicFailsItsOwnMessageOnly(t *testing.T) {
	var mu sync.Mutex
	var got []string
	b := newFixture(pipelineFunc(func(_ context.Context, key upload.Key, v upload.Version) (upload.Outcome, error) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, string(v))
		if v == "v2" {
			var none *upload.Record
			none.Size = 1
		}
		return upload.Outcome{Result: upload.ResultStored}, nil
	}))
	b.wantFailed(t, t.Context(),
		[]events.SQSMessage{message(t, "m1", arrived(1)), message(t, "m2", arrived(2), arrived(3)),
			message(t, "m4", arrived(4))}, "m2")
	slices.Sort(got)
	if want := []string{"v1", "v2", "v3", "v4"}; !slices.Equal(got, want) {
		t.Errorf("handled are %v, want %v", got, want)
	}
	line := b.line(t, "validation panicked")
	if stack, _ := line["stack"].(string); line["level"] != "ERROR" || line["message_id"] != "m2" ||
		line["key"] != arrived(2).Key ||
		!strings.Contains(fmt.Sprint(line["panic"]), "nil pointer") || !strings.Contains(stack, "validator_test.go") {
		t.Errorf("logged as %v", line)
	}
}

func TestMessagesAreHandledConcurrentlyWithinTheBound(t *testing.T) {
	for _, c := range []struct{ concurrency, want int }{{3, 3}, {1, 1}, {0, 1}, {-1, 1}, {100, 10}} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			inside := 0
			gate := make(chan struct{})
			b := newFixture(pipelineFunc(func(_ context.Context, key upload.Key, v upload.Version) (upload.Outcome, error) {
				mu.Lock()
				inside++
				mu.Unlock()
				<-gate
				mu.Lock()
				inside--
				mu.Unlock()
				return upload.Outcome{Result: upload.ResultStored}, nil
			}))
			b.Concurrency = c.concurrency
			var messages []events.SQSMessage
			for n := range 10 {
				messages = append(messages, message(t, fmt.Sprint("m", n), arrived(n)))
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				if answer, err := b.Handle(t.Context(), events.SQSEvent{Records: messages}); err != nil ||
					len(answer.BatchItemFailures) > 0 {
					t.Errorf("%+v, %v", answer, err)
				}
			}()
			for left := 10; left > 0; left-- {
				synctest.Wait() // until nobody can go on by itself
				if want := min(c.want, left); inside != want {
					t.Errorf("concurrency %d: %d are handled at once while %d are left, want %d", c.concurrency, inside, left, want)
				}
				gate <- struct{}{}
			}
			<-done
		})
	}
}

func TestTroubleIsNotedOnTheRecord(t *testing.T) {
	cause := fmt.Errorf("open object %q: %w", "quarantine/x", errTrouble)
	b := newFixture(all("", cause))
	b.wantFailed(t, t.Context(), []events.SQSMessage{message(t, "m", arrived(1))}, "m")
	want := []note{{refNumber(1), upload.Failure{At: noon, Message: cause.Error()}, nil}}
	if !slices.Equal(b.notes.notes, want) {
		t.Errorf("notes %+v, want %+v", b.notes.notes, want)
	}
	line := b.line(t, "validation failed")
	if line["level"] != "ERROR" || line["upload_id"] != string(refNumber(1).ID) || line["version"] != "v1" ||
		line["error"] != cause.Error() || line["receive_count"] != "3" {
		t.Errorf("logged as %v", line)
	}
}

func TestARejectionIsNoFailure(t *testing.T) {
	b := newFixture(pipelineFunc(func(_ context.Context, key upload.Key, v upload.Version) (upload.Outcome, error) {
		return upload.Outcome{Result: upload.ResultRejected, Ref: refNumber(1), Version: v,
			Record: upload.Record{ID: refNumber(1).ID, Name: "cat", Extension: "png",
				Status: upload.Rejected, CreatedAt: noon, SettledAt: noon.Add(1500 * time.Millisecond), Size: 9,
				Reason: &upload.Reason{Code: upload.TypeMismatch, Message: "Not a PNG."}}}, nil
	}))
	b.wantFailed(t, t.Context(), []events.SQSMessage{message(t, "m", arrived(1))})
	if len(b.notes.notes) > 0 {
		t.Errorf("notes %+v", b.notes.notes)
	}
	line := b.line(t, "validated")
	for name, want := range map[string]any{"level": "INFO", "result": "rejected", "status": "rejected",
		"code": "type_mismatch", "reason": "Not a PNG.", "name": "cat.png",
		"size": 9.0, "upload_id": string(refNumber(1).ID), "version": "v1", "message_id": "m", "event": "ObjectCreated:Put",
		"since_accepted_ms": 1500.0, "took_ms": 0.0} {
		if line[name] != want {
			t.Errorf("%s is logged as %v, want %v", name, line[name], want)
		}
	}
}

func TestTheVerdictThatAnOperatorUndidIsNotLoggedAsOne(t *testing.T) {
	b := newFixture(pipelineFunc(func(_ context.Context, _ upload.Key, v upload.Version) (upload.Outcome, error) {
		return upload.Outcome{Result: upload.ResultGone, Ref: refNumber(1), Version: v, Record: upload.Record{
			ID: refNumber(1).ID, Status: upload.Pending, CreatedAt: noon, SettledAt: noon.Add(time.Second)}}, nil
	}))
	b.wantFailed(t, t.Context(), []events.SQSMessage{message(t, "m", arrived(1))})
	if line := b.line(t, "validated"); line["since_accepted_ms"] != nil {
		t.Errorf("logged as %v", line)
	}
}

func TestAFailureThatCannotBeNotedIsStillAFailure(t *testing.T) {
	one := []events.SQSMessage{message(t, "m", arrived(1))}
	b := newFixture(all("", errTrouble))
	b.notes.err = errors.New("no pen")
	b.wantFailed(t, t.Context(), one, "m")
	if line := b.line(t, "failure could not be noted"); line["level"] != "WARN" || line["error"] != "no pen" ||
		line["upload_id"] != string(refNumber(1).ID) {
		t.Errorf("logged as %v", line)
	}
	b = newFixture(all("", errTrouble))
	b.notes.err = fmt.Errorf("note: %w", upload.ErrNotFound)
	b.wantFailed(t, t.Context(), one, "m")
	if strings.Contains(b.log.String(), "could not be noted") {
		t.Errorf("a record that is gone is worth a warning:\n%s", b.log)
	}
	b = newFixture(pipelineFunc(func(context.Context, upload.Key, upload.Version) (upload.Outcome, error) {
		return upload.Outcome{}, errTrouble
	}))
	b.wantFailed(t, t.Context(), one, "m")
	if len(b.notes.notes) > 0 {
		t.Errorf("noted without an upload: %+v", b.notes.notes)
	}
}

func TestACancelledInvocationFailsWhatItHas(t *testing.T) {
	b := newFixture(pipelineFunc(func(ctx context.Context, key upload.Key, v upload.Version) (upload.Outcome, error) {
		return all("", ctx.Err())(ctx, key, v)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b.wantFailed(t, ctx, []events.SQSMessage{message(t, "m1", arrived(1)), message(t, "m2", arrived(2))}, "m1", "m2")
	// The notes are made all the same.
	if len(b.notes.notes) != 2 || b.notes.notes[0].ctx != nil ||
		b.notes.notes[0].failure.Message != context.Canceled.Error() {
		t.Errorf("notes %+v", b.notes.notes)
	}
}

func TestTheLogNeverHoldsABody(t *testing.T) {
	const canary = "canary-7f3a"
	good := message(t, "good", arrived(1))
	good.Body = strings.Replace(good.Body, "AIDAEXAMPLE", canary, 1)
	good.ReceiptHandle = canary
	good.MessageAttributes = map[string]events.SQSMessageAttribute{"a": {StringValue: new(canary)}}
	messages := []events.SQSMessage{good, withBody("text", canary), withBody("value", `{"a":"`+canary+`"}`),
		withBody("list", `["`+canary+`"]`),
		withBody("record", `{"Records":["`+canary+
			`",{"eventSource":"aws:s3","eventVersion":"2.1","eventName":"ObjectCreated:Put","userIdentity":{"principalId":"`+
			canary+`"}}]}`)}
	for _, p := range []pipelineFunc{all(upload.ResultStored, nil), all("", errTrouble)} {
		b := newFixture(p)
		if _, err := b.Handle(t.Context(), events.SQSEvent{Records: messages}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.log.String(), canary) {
			t.Errorf("the log holds what a message said:\n%s", b.log)
		}
		if len(b.lines(t)) < len(messages) {
			t.Errorf("messages went by unlogged:\n%s", b.log)
		}
	}
}
