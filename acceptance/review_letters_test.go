//go:build acceptance

package acceptance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"golang.org/x/sync/errgroup"

	"hatchery/shared/arrival"
	"hatchery/shared/deadletter"
	"hatchery/shared/local"
	"hatchery/shared/notifier/eventbridgenotifier"
	"hatchery/shared/objects/s3objects"
	"hatchery/shared/pipeline"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/upload"
	"hatchery/shared/validator"
)

// death is how some messages die, and what the commands should make of it.
type death struct {
	name  string
	want  deadletter.Cause
	count int
	// message puts a message into the validator's queue, and gives what it is about.
	message func(n int) (string, error)
	// judge is the validator that fails on it; nil is none that ever starts.
	judge *validator.Validator
	// hangs is set where the function is ended while it judges, and reports nothing.
	hangs *hanging
	// time is the function's; 0 is a minute.
	time time.Duration
	// text: the bytes are no picture, and will be rejected.
	text bool
	// then is what happens to its upload when the message is dead; nil is nothing.
	then func(ref upload.Ref, created arrival.Created) error
}

// letter is a message that is to die.
type letter struct {
	death   *death
	id      string // of the message: known once it was received
	body    string
	ref     upload.Ref
	created arrival.Created
}

// graveyard makes dead letters.
type graveyard struct {
	*reviewed
	gif     []byte
	mu      sync.Mutex
	letters map[string]*letter // by what they are about
}

// bury makes the messages of all deaths, mixed, and lets each die by a validator's failure.
func (g *graveyard) bury(deaths []death) {
	g.t.Helper()
	var all []*death
	for i := range deaths {
		all = append(all, slices.Repeat([]*death{&deaths[i]}, deaths[i].count)...)
	}
	var making errgroup.Group
	making.SetLimit(8)
	for n := range all {
		d := all[n*389%len(all)] // mixed: 389 is prime to their number
		making.Go(func() error {
			about, err := d.message(n)
			g.mu.Lock()
			defer g.mu.Unlock()
			g.letters[about] = &letter{death: d}
			return err
		})
	}
	check(g.t, making.Wait())
	if len(g.letters) != len(all) {
		g.t.Fatalf("%d different messages of %d", len(g.letters), len(all))
	}
	g.deliver(g.fail)
	var after errgroup.Group
	after.SetLimit(8)
	for _, l := range g.letters {
		if l.id == "" {
			g.t.Fatalf("a message that was to die of %q was never received", l.death.name)
		}
		if l.death.then != nil {
			after.Go(func() error { return l.death.then(l.ref, l.created) })
		}
	}
	check(g.t, after.Wait())
}

// fail hands each message of a batch to the validator that it is to die of.
func (g *graveyard) fail(ctx context.Context, batch []events.SQSMessage) (failed []events.SQSBatchItemFailure) {
	parts := map[*death][]events.SQSMessage{}
	for _, m := range batch {
		g.mu.Lock()
		l := g.letters[g.about(m.Body)]
		l.id, l.body = m.MessageId, m.Body
		l.ref, l.created, _ = g.upload(m.Body)
		g.mu.Unlock()
		parts[l.death] = append(parts[l.death], m)
	}
	for d, part := range parts {
		switch {
		case d.judge == nil:
			failed = append(failed, failuresOf(part)...)
		case d.hangs != nil:
			d.hangs.until(part, d.judge)
			failed = append(failed, failuresOf(part)...)
		default:
			within, cancel := context.WithTimeout(ctx, cmp.Or(d.time, time.Minute))
			answer, err := d.judge.Handle(within, events.SQSEvent{Records: part})
			cancel()
			if err != nil || len(answer.BatchItemFailures) != len(part) {
				g.t.Errorf("%s: %d of %d messages failed, %v", d.name, len(answer.BatchItemFailures), len(part), err)
			}
			failed = append(failed, answer.BatchItemFailures...)
		}
	}
	return failed
}

func failuresOf(batch []events.SQSMessage) (failed []events.SQSBatchItemFailure) {
	for _, m := range batch {
		failed = append(failed, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
	}
	return failed
}

// Where a validator's edges fail. Each error is the SDK's own, of a real call, where there is one.

// judge is a validator with some edges changed.
func (d *reviewed) judge(change func(*upload.Pipeline)) *validator.Validator {
	v, p := d.parts.Validator(pipeline.ValidatorOptions{}), *d.parts.Uploads
	change(&p)
	v.Pipeline, v.Records = &p, p.Records
	return v
}

// answering is a service that answers every call alike.
func answering(t testing.TB, status int, contentType, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

var anybody = credentials.NewStaticCredentialsProvider("HATCHERYTEST", "a-secret-for-tests", "")

// storeDown: nothing listens where the records are.
func storeDown(p *upload.Pipeline) {
	p.Records = dynamorecords.New(dynamodb.New(dynamodb.Options{Region: region, Credentials: anybody, RetryMaxAttempts: 1,
		BaseEndpoint: aws.String("http://127.0.0.1:1")}), "hatchery-records", dynamorecords.Options{})
}

// bucketAnswers: the bucket answers with an error.
func bucketAnswers(t testing.TB, status int, code string) func(*upload.Pipeline) {
	url := answering(t, status, "application/xml", fmt.Sprintf("<Error><Code>%s</Code><Message>no</Message></Error>", code))
	return func(p *upload.Pipeline) {
		p.Objects = s3objects.New(s3.New(s3.Options{Region: region, Credentials: anybody, RetryMaxAttempts: 1,
			BaseEndpoint: &url, UsePathStyle: true}), local.Bucket)
	}
}

// busDown: verdicts are settled, and cannot be told.
func busDown(t testing.TB) func(*upload.Pipeline) {
	url := answering(t, http.StatusServiceUnavailable, "application/x-amz-json-1.1", `{"__type":"InternalException"}`)
	return func(p *upload.Pipeline) {
		p.Notifier = eventbridgenotifier.New(func() *eventbridge.Client {
			return eventbridge.New(eventbridge.Options{Region: region, Credentials: anybody, RetryMaxAttempts: 1,
				BaseEndpoint: &url})
		}, "verdicts", local.Bucket, p.Layout)
	}
}

// wrongSum copies well, and answers with another file's checksum.
type wrongSum struct{ upload.Objects }

func (o wrongSum) Promote(ctx context.Context, p upload.Promotion) (upload.Copy, error) {
	copied, err := o.Objects.Promote(ctx, p)
	copied.SHA256 = strings.Repeat("0", 64)
	return copied, err
}

// panicking records panic.
type panicking struct{ upload.Records }

func (panicking) Get(context.Context, upload.Ref) (upload.Record, error) {
	panic("a fault in the validator")
}

// hanging are records that never answer, so that a function that asks them is ended by Lambda.
type hanging struct {
	upload.Records
	asked chan struct{}
	over  <-chan struct{}
}

func (h *hanging) Get(context.Context, upload.Ref) (upload.Record, error) {
	h.asked <- struct{}{}
	<-h.over
	return upload.Record{}, errors.New("the test is over")
}

// until hands over a batch, and leaves the validator alone when it has begun with every message.
func (h *hanging) until(batch []events.SQSMessage, v *validator.Validator) {
	go func() { _, _ = v.Handle(context.Background(), events.SQSEvent{Records: batch}) }()
	for range batch {
		<-h.asked
	}
}

const deletedSince = "deleted since"

// deaths are a thousand messages that die of everything that messages die of.
func (g *graveyard) deaths() []death {
	t, objects := g.t, g.parts.Objects
	picture := func(int) (string, error) {
		ref, err := g.accept("cat.gif", string(g.gif))
		return string(ref.ID), err
	}
	text := func(int) (string, error) {
		ref, err := g.accept("cat.gif", "This is no picture.")
		return string(ref.ID), err
	}
	send := func(body string) (string, error) {
		_, err := g.queues.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &g.queueURL, MessageBody: &body})
		return body, err
	}
	healthy := g.judge(func(*upload.Pipeline) {})
	down := g.judge(storeDown) // it tries again as long as there is time
	const downTime = 1600 * time.Millisecond
	down.Margin, down.Concurrency = 1200*time.Millisecond, 10
	fails := g.judge(bucketAnswers(t, http.StatusServiceUnavailable, "InternalError"))
	busDown := g.judge(busDown(t))
	hung := &hanging{Records: g.records, asked: make(chan struct{}), over: t.Context().Done()}
	hangs := g.judge(func(p *upload.Pipeline) { p.Records = hung })
	hangs.Concurrency = 10
	hasty := g.judge(func(*upload.Pipeline) {})
	hasty.Margin, hasty.ReadRate = 1, 1
	return append(g.overtaken(picture, text, fails), []death{
		{name: "the record store is not there", want: deadletter.Unreachable, count: 70, message: picture, judge: down,
			time: downTime},
		{name: "the bucket answers 503", want: deadletter.Unreachable, count: 100, message: picture,
			judge: fails},
		{name: "the bucket answers 403", want: deadletter.Denied, count: 120, message: picture,
			judge: g.judge(bucketAnswers(t, http.StatusForbidden, "AccessDenied"))},
		{name: "there is not enough time", want: deadletter.NoTime, count: 80, message: picture, judge: hasty},
		{name: "the copy has another checksum", want: deadletter.Checksum, count: 80, message: picture,
			judge: g.judge(func(p *upload.Pipeline) { p.Objects = wrongSum{objects} })},
		{name: "the function never ends", want: deadletter.Crashed, count: 60, message: picture, judge: hangs, hangs: hung},
		{name: "the validator panics", want: deadletter.Crashed, count: 20, message: picture,
			judge: g.judge(func(p *upload.Pipeline) { p.Records = panicking{g.records} })},
		{name: "it is no notification", want: deadletter.Poison, count: 80, judge: healthy,
			message: func(n int) (string, error) { return send(fmt.Sprintf("{%d", n)) }},
		{name: "it is about another bucket", want: deadletter.Foreign, count: 60, judge: healthy,
			message: func(n int) (string, error) {
				body, err := arrival.Format(arrival.Created{Name: "ObjectCreated:Put", Time: time.Now(), Region: region,
					Bucket: "another", Key: fmt.Sprintf("quarantine/%d", n), VersionID: "v1"})
				check(t, err)
				return send(string(body))
			}},
		{name: "no validator ever starts", want: deadletter.Unknown, count: 40, message: picture},
		{name: "stored, and nobody can be told", want: deadletter.Unfinished, count: 60, message: picture, judge: busDown},
		{name: "rejected, and nobody can be told", want: deadletter.Unfinished, count: 20, message: text, text: true, judge: busDown},
	}...)
}

// overtaken are messages with which nothing is left to do, or nothing can be done, once they are dead.
func (g *graveyard) overtaken(picture, text func(int) (string, error), fails *validator.Validator) []death {
	settled := func(_ upload.Ref, c arrival.Created) error {
		_, err := g.parts.Uploads.Validate(g.t.Context(), upload.Key(c.Key), upload.Version(c.VersionID))
		return err
	}
	deleted := func(ref upload.Ref, _ arrival.Created) error {
		_, err := g.parts.Uploads.Delete(g.t.Context(), ref)
		return err
	}
	removed := func(_ upload.Ref, c arrival.Created) error {
		return g.parts.Objects.Remove(g.t.Context(), upload.Key(c.Key), upload.Version(c.VersionID))
	}
	return []death{
		{name: "its bytes are removed", want: deadletter.Lost, count: 80, message: picture, judge: fails, then: removed},
		{name: "stored since by another message", want: deadletter.Obsolete, count: 60, message: picture, judge: fails,
			then: settled},
		{name: "rejected since by another message", want: deadletter.Obsolete, count: 30, message: text, text: true,
			judge: fails, then: settled},
		{name: deletedSince, want: deadletter.Obsolete, count: 40, message: picture, judge: fails, then: deleted},
	}
}
