package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hatchery/shared/arrival"
	"hatchery/shared/local"
	"hatchery/shared/pipeline"
	"hatchery/shared/reconcile"
	"hatchery/shared/records/sqliterecords"
)

// command runs hatchery in a process of its own, as a person does, and gives what
// it printed and its exit code.
func command(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, exe, args...)
	c.Env = append(os.Environ(), asHatchery+"=1")
	var out, complaints bytes.Buffer
	c.Stdout, c.Stderr = &out, &complaints
	err = c.Run()
	if exit, ended := errors.AsType[*exec.ExitError](err); ended {
		return out.String(), complaints.String(), exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.String(), complaints.String(), 0
}

// TestALostMessageIsMadeUpForBesideARunningDev: the validator's function swallows
// every message, until it is mended. The sweep of dev is kept out of it.
func TestALostMessageIsMadeUpForBesideARunningDev(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	settings, err := devSettings(devFlags{data: data, records: "sqlite"},
		terminal{getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	stack, err := local.Open(t.Context(), local.Options{Data: data, Listen: "127.0.0.1:0", S3Listen: "127.0.0.1:0",
		SQSListen: "127.0.0.1:0", QuarantinePrefix: settings.Layout.Quarantine, FunctionTimeout: time.Minute, RequestTime: time.Minute,
		SweepEvery: 24 * time.Hour, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	records, err := sqliterecords.Open(t.Context(), stack.Path("records.db"), sqliterecords.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	at := stack.Endpoints()
	composed := compose(onStack(settings, at), at.AWS(), records, nil, log)
	if v := composed.Validator(pipeline.ValidatorOptions{}); v.MaxReceives == 0 || v.MaxReceives != at.MaxReceives ||
		v.Visibility != at.Visibility {
		t.Errorf("the validator is told of %d receptions, %s apart; the queue has %d, %s", v.MaxReceives, v.Visibility,
			at.MaxReceives, at.Visibility)
	}
	handlers, err := stackHandlers(composed, stack, pipeline.APIOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var mended atomic.Bool
	swallowed := make(chan struct{}, 100)
	validate := handlers.Validate
	handlers.Validate = func(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
		if mended.Load() {
			return validate(ctx, batch)
		}
		for range batch.Records {
			swallowed <- struct{}{}
		}
		return events.SQSEventResponse{}, nil
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- stack.Run(ctx, handlers) }()

	h := &hatchery{t: t, base: at.API, errors: new(bytes.Buffer), log: new(lines), client: &http.Client{}}
	lost := h.mustPost(images, "cat.png", pngOf(t, 20, 1))
	select {
	case <-swallowed:
	case <-time.After(20 * time.Second):
		t.Fatal("the message was not handed out")
	}
	mended.Store(true)

	// It is as yet too young.
	out, complaints, code := command(t, "reconcile", "--data", data)
	if code != 0 || strings.Contains(out, "sent again") || complaints != "" {
		t.Errorf("while it is young: exit %d, %s%s", code, out, complaints)
	}
	out, _, code = command(t, "reconcile", "--data", data, "--older-than", "0s", "--dry-run")
	if code != 0 || !strings.Contains(out, lost.ID) || !strings.Contains(out, "1  uploads would be sent again") {
		t.Errorf("the dry run: exit %d, %s", code, out)
	}
	out, complaints, code = command(t, "reconcile", "--data", data, "--older-than", "0s")
	if code != 0 || !strings.Contains(out, lost.ID) || !strings.Contains(out, "1  uploads sent again") ||
		complaints != "" {
		t.Errorf("exit %d, %s%s", code, out, complaints)
	}
	if r := h.mustSettle(images, lost.ID); r.Status != "stored" {
		t.Errorf("the upload ends %s", r.Status)
	}
	h.client.CloseIdleConnections()
	end()
	if err := errors.Join(<-ended, records.Close(), stack.Close(context.Background())); err != nil {
		t.Error(err)
	}
	_, complaints, code = command(t, "reconcile", "--data", data)
	if code != 3 || !strings.Contains(complaints, "no hatchery dev is running on this folder") {
		t.Errorf("after its end: exit %d, %s", code, complaints)
	}
}

// report is what --json prints, as far as a test looks at it.
type report struct {
	DryRun         bool `json:"dry_run"`
	Complete       bool `json:"complete"`
	Reenqueued     int  `json:"reenqueued"`
	PendingTooLong int  `json:"pending_too_long"`
	DeadLetters    *int `json:"dead_letters"`
	Findings       []struct {
		What   string `json:"what"`
		Upload string `json:"upload_id"`
	} `json:"findings"`
}

func TestReconcileBesideDevSendsTwiceAndThenAsksForAPerson(t *testing.T) {
	for _, records := range stores {
		t.Run(records, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			h := startHatchery(t, data, "--no-validator", "--records", records)
			picture := h.mustPost(images, "cat.png", pngOf(t, 20, 1))
			url := h.env["HATCHERY_QUEUE_URL"]
			client := h.queues()
			if _, err := client.PurgeQueue(t.Context(), &sqs.PurgeQueueInput{QueueUrl: &url}); err != nil {
				t.Fatal(err)
			}
			for n, want := range []struct {
				number, what string
				code         int
			}{{"1", "reenqueued", 0}, {"2", "reenqueued", 0}, {"", "pending_too_long", 1}} {
				out, complaints, code := command(t, "reconcile", "--data", data, "--records", records, "--older-than", "0s",
					"--json")
				var r report
				if err := json.Unmarshal([]byte(out), &r); err != nil || strings.Count(out, "\n") != 1 {
					t.Fatalf("run %d prints no one object: %v\n%s%s", n, err, out, complaints)
				}
				if code != want.code || !r.Complete || len(r.Findings) != 1 || r.Findings[0].What != want.what ||
					r.Findings[0].Upload != picture.ID {
					t.Errorf("run %d: exit %d, %+v%s", n, code, r, complaints)
				}
				if want.number == "" {
					continue
				}
				got := received(t, client, url)
				parsed, err := arrival.Parse([]byte(got.body))
				if err != nil || len(parsed.Created) != 1 || !strings.HasSuffix(parsed.Created[0].Key, picture.ID) ||
					got.number != want.number {
					t.Errorf("run %d: received number %s, %+v, %v", n, got.number, parsed, err)
				}
			}
			out, _, code := command(t, "reconcile", "--data", data, "--records", records, "--older-than", "0s")
			if code != 1 || !strings.Contains(out, "1  uploads pending for too long") ||
				!strings.Contains(out, "sent again 2 times") {
				t.Errorf("for a person: exit %d, %s", code, out)
			}
		})
	}
	t.Run("with other records than dev's", func(t *testing.T) {
		data := filepath.Join(t.TempDir(), "data")
		startHatchery(t, data, "--records", "dynamodb")
		if _, complaints, code := command(t, "reconcile", "--data", data); code != 2 ||
			!strings.Contains(complaints, "--records dynamodb") {
			t.Errorf("exit %d, %s", code, complaints)
		}
	})
}

// queues is a client of the SQS that dev serves.
func (h *hatchery) queues() *sqs.Client {
	return sqs.New(sqs.Options{Region: h.env["AWS_REGION"], BaseEndpoint: aws.String(h.env["AWS_ENDPOINT_URL_SQS"]),
		Credentials: credentials.NewStaticCredentialsProvider(h.env["AWS_ACCESS_KEY_ID"],
			h.env["AWS_SECRET_ACCESS_KEY"], "")})
}

// TestReconcileCountsTheDeadLettersBesideDev: wherever they are, and without receiving any.
func TestReconcileCountsTheDeadLettersBesideDev(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	h := startHatchery(t, data)
	client, dead := h.queues(), h.env["HATCHERY_DEAD_LETTER_URL"]
	counts := func(want, wantCode int, args ...string) (stderr string) {
		t.Helper()
		out, complaints, code := command(t, append([]string{"reconcile", "--data", data, "--json"}, args...)...)
		var r report
		if err := json.Unmarshal([]byte(out), &r); err != nil || r.DeadLetters == nil || *r.DeadLetters != want ||
			code != wantCode || !r.Complete {
			t.Errorf("exit %d, want %d; want %d dead letters; %v: %s%s", code, wantCode, want, err, out, complaints)
		}
		return complaints
	}
	counts(0, 0)
	for _, body := range []string{"one", "two", "three"} {
		if _, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &dead, MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
	counts(3, 1)
	counts(3, 1, "--dry-run")
	out, complaints, code := command(t, "reconcile", "--data", data)
	if code != 1 || !strings.Contains(out, "\n3  dead letters: messages that failed") && !strings.HasPrefix(out, "3  dead") {
		t.Errorf("for a person: exit %d, %s%s", code, out, complaints)
	}
	got, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &dead, VisibilityTimeout: 600,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"ApproximateReceiveCount"}})
	if err != nil || len(got.Messages) != 1 || got.Messages[0].Attributes["ApproximateReceiveCount"] != "1" {
		t.Fatalf("after counting is received %+v, %v", got, err)
	}
	counts(3, 1) // somebody looks at one of them

	// A dead-letter queue with dead letters of its own: said, and counted all the same.
	beyond, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("beyond")})
	if err != nil {
		t.Fatal(err)
	}
	of, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: beyond.QueueUrl,
		AttributeNames: []types.QueueAttributeName{"QueueArn"}})
	if err != nil {
		t.Fatal(err)
	}
	set := func(policy string) {
		t.Helper()
		if _, err := client.SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &dead,
			Attributes: map[string]string{"RedrivePolicy": policy}}); err != nil {
			t.Fatal(err)
		}
	}
	set(`{"deadLetterTargetArn":"` + of.Attributes["QueueArn"] + `","maxReceiveCount":3}`)
	if complaints := counts(3, 3); !strings.Contains(complaints,
		"count the dead letters: the dead-letter queue has a redrive policy of its own") {
		t.Errorf("it says %s", complaints)
	}
	set("")
	// Gone: the rest is reported, and no number.
	if _, err := client.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: &dead}); err != nil {
		t.Fatal(err)
	}
	out, complaints, code = command(t, "reconcile", "--data", data, "--json")
	if code != 3 || strings.Contains(out, "dead_letters") || !strings.Contains(out, `"complete":true`) ||
		!strings.Contains(complaints, "the dead-letter queue: sqs find arn:aws:sqs:") {
		t.Errorf("without the queue: exit %d, %s%s", code, out, complaints)
	}
}

// sent is a message as the validator's function gets it.
type sent struct{ body, number string }

// received takes one message that was sent again out of the queue, and whatever
// else is there.
func received(t *testing.T, client *sqs.Client, url string) sent {
	t.Helper()
	for range 10 {
		out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url,
			MessageAttributeNames: []string{"All"}, WaitTimeSeconds: 2})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			if _, err := client.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url,
				ReceiptHandle: m.ReceiptHandle}); err != nil {
				t.Fatal(err)
			}
			if a, again := m.MessageAttributes[arrival.ResendAttribute]; again {
				return sent{aws.ToString(m.Body), aws.ToString(a.StringValue)}
			}
		}
	}
	t.Fatal("no message that was sent again is in the queue")
	return sent{}
}

func TestAReportIsPrintedForAPerson(t *testing.T) {
	dead, none := 11, 0
	all := reconcile.Report{Complete: true, DeadLetters: &dead, PendingSeen: 12, ObjectsSeen: 1234567, StoredSeen: 3,
		Resent: 1, NeverArrived: 2, BytesLost: 1234, PendingTooLong: 3,
		UnfinishedTooLong: 4, OrphanObjects: 5, StrayFiles: 6, ForeignObjects: 7, LostRecords: 8, Failed: 9,
		FindingsLeftOut: 1000,
		Findings: []reconcile.Finding{
			{What: reconcile.Resent, Status: "pending", Key: "quarantine/j/entries/e/images/1",
				Detail: "in quarantine since noon, message 1 of 2"},
			{What: reconcile.ForeignObject, Key: "quarantine/\x1b[2J", Detail: "no key that Hatchery makes"}}}
	dry := reconcile.Report{DryRun: true, Resume: "abc", Resent: 1, NeverArrived: 1}
	for _, c := range []struct {
		report reconcile.Report
		want   string
	}{
		{all, `WHAT            STATUS   WHERE                            WHY
reenqueued      pending  quarantine/j/entries/e/images/1  in quarantine since noon, message 1 of 2
foreign_object  -        "quarantine/\x1b[2J"             no key that Hatchery makes
and 1,000 more, which are counted below

1  uploads sent again
2  uploads given up, as their bytes never came
1,234  uploads whose bytes came, and were removed before they were judged
3  uploads pending for too long: sent again as often as may be
4  settled uploads whose bytes are still in quarantine: sent again as often as may be
5  objects in quarantine without a record
6  copies that no stored record serves
7  objects under keys that Hatchery never makes
8  stored records whose bytes are not there
11  dead letters: messages that failed for good, and wait for a person: hatchery dlq ls
9  failures
Looked at 12 pending uploads, 1,234,567 versions in the bucket and 3 stored records.
`},
		{dry, `1  uploads would be sent again
1  uploads would be given up, as their bytes never came
Looked at 0 pending uploads, 0 versions in the bucket and 0 stored records.
This was a dry run: nothing was done.
Not all has been looked at. Go on with: --resume abc
`},
		{reconcile.Report{Resume: "abc", Failed: 1, StoredSeen: 1}, `1  failures
Looked at 0 pending uploads, 0 versions in the bucket and 1 stored records.
Not all has been looked at. Go on with: --resume abc
`},
		{reconcile.Report{Resume: "abc", Failed: 2}, `2  failures
Looked at 0 pending uploads, 0 versions in the bucket and 0 stored records.
Nothing could be looked at.
`},
		{reconcile.Report{Complete: true, DeadLetters: &none},
			"Looked at 0 pending uploads, 0 versions in the bucket and 0 stored records.\n"},
	} {
		var out bytes.Buffer
		if err := printReport(&out, c.report, false); err != nil || out.String() != c.want {
			t.Errorf("printed (%v)\n%s\nwant\n%s", err, &out, c.want)
		}
	}
}
