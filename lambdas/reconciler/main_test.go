package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hatchery/lambdas/bootstrap/bootstraptest"
	"hatchery/shared/arrival"
	"hatchery/shared/config"
	"hatchery/shared/local/localsqs"
	"hatchery/shared/reconcile"
	"hatchery/shared/upload"
)

// fixture is a reconciler function, and a DynamoDB, an SQS and a bucket that holds
// one version, three days old.
type fixture struct {
	*bootstraptest.Function
	queue string
}

func ref(n int) upload.Ref {
	return upload.Ref{Journal: "j", Entry: "e", Kind: "images",
		ID: upload.ID(fmt.Sprintf("0195600d-0000-7000-8000-%012d", n))}
}

var longAgo = time.Now().Add(-72 * time.Hour)

func newFixture(t *testing.T) *fixture {
	t.Helper()
	return newFixtureWith(t, nil)
}

// newFixtureWith has settings besides.
func newFixtureWith(t *testing.T, settings map[string]string) *fixture {
	t.Helper()
	queues, err := localsqs.Open(t.Context(), localsqs.Options{Path: filepath.Join(t.TempDir(), "queue.db"),
		Listen: "127.0.0.1:0",
		Region: bootstraptest.Region, AccessKey: bootstraptest.AccessKey, SecretKey: bootstraptest.SecretKey})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = queues.Close(context.WithoutCancel(t.Context())) })
	s3 := httptest.NewServer(http.HandlerFunc(listVersions))
	t.Cleanup(s3.Close)
	f := &fixture{queue: queues.QueueURL("uploads")}
	env := bootstraptest.Env()
	env["AWS_ENDPOINT_URL_S3"], env["AWS_ENDPOINT_URL_SQS"], env["HATCHERY_QUEUE_URL"] = s3.URL, queues.URL(), f.queue
	maps.Copy(env, settings)
	f.Function = bootstraptest.Start(t, env, build, config.Messages)
	if _, err := f.sqs().CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("uploads")}); err != nil {
		t.Fatal(err)
	}
	return f
}

// listVersions is a bucket with the bytes of upload 1. It takes notes, and has none.
func listVersions(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/"+bootstraptest.Bucket+"/"+upload.DeadLetterPrefix) {
		if r.Method != http.MethodPut {
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprint(w, `<Error><Code>NoSuchKey</Code></Error>`)
		}
		return
	}
	if _, list := r.URL.Query()["list-type"]; list {
		_, _ = fmt.Fprint(w, `<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>`)
		return
	}
	key := string(upload.DefaultLayout.QuarantineKey(ref(1)))
	if _, ok := r.URL.Query()["versions"]; !ok || r.Method != http.MethodGet {
		http.Error(w, "only versions are listed here", http.StatusNotImplemented)
		return
	}
	_, _ = fmt.Fprint(w, `<?xml version="1.0"?><ListVersionsResult><IsTruncated>false</IsTruncated>`)
	if strings.HasPrefix(key, r.URL.Query().Get("prefix")) {
		_, _ = fmt.Fprintf(w, `<Version><Key>%s</Key><VersionId>v1</VersionId><IsLatest>true</IsLatest><Size>7</Size>`+
			`<LastModified>%s</LastModified></Version>`,
			key, longAgo.UTC().Format("2006-01-02T15:04:05.000Z"))
	}
	_, _ = fmt.Fprint(w, `</ListVersionsResult>`)
}

func (f *fixture) sqs() *sqs.Client { return sqs.NewFromConfig(f.AWS) }

// makeTable makes the table with two pending uploads.
func (f *fixture) makeTable(t *testing.T) {
	t.Helper()
	f.CreateTable(t)
	for n := range 2 {
		r := ref(n + 1)
		if _, err := f.Records.Create(t.Context(), upload.Record{ID: r.ID, Journal: r.Journal, Entry: r.Entry,
			Kind: r.Kind, Name: "cat", Extension: "gif",
			CreatedAt: longAgo, Status: upload.Pending}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

const schedule = `{"source":"aws.events","detail-type":"Scheduled Event","detail":{}}`

func TestTheScheduleBringsLostUploadsToTheirEnd(t *testing.T) {
	f := newFixture(t)
	f.makeTable(t)
	reply, err := f.Invoke(t.Context(), []byte(schedule))
	var report reconcile.Report
	if err != nil || json.Unmarshal(reply, &report) != nil || !report.Complete || report.Resent != 1 ||
		report.NeverArrived != 1 || report.Failed != 0 {
		t.Fatalf("%v, reply %s", err, reply)
	}
	r, err := f.Records.Get(t.Context(), ref(2))
	if err != nil || r.Status != upload.Rejected || r.Reason.Code != upload.NeverArrived {
		t.Errorf("the upload without bytes is %+v, %v", r, err)
	}
	got, err := f.sqs().ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &f.queue,
		MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"}})
	if err != nil || len(got.Messages) != 1 {
		t.Fatalf("the queue has %+v, %v", got, err)
	}
	message, err := arrival.Parse([]byte(*got.Messages[0].Body))
	if err != nil || len(message.Created) != 1 || message.Created[0].Bucket != bootstraptest.Bucket ||
		message.Created[0].Region != bootstraptest.Region ||
		message.Created[0].Key != string(upload.DefaultLayout.QuarantineKey(ref(1))) || message.Created[0].VersionID != "v1" {
		t.Errorf("sent again: %+v, %v", message, err)
	}
	if _, marked := got.Messages[0].MessageAttributes[arrival.ResendAttribute]; !marked {
		t.Error("the message does not say that it was sent again")
	}
	for _, want := range []string{`"Reenqueued":1`, `"NeverArrived":1`, `"PendingTooLong":0`, `"UnfinishedTooLong":0`,
		`"OrphanObjects":0`, `"LostRecords":0`, `"Lost":0`} {
		if !strings.Contains(f.Stdout.String(), want) {
			t.Errorf("not counted: %s in %s", want, f.Stdout.String())
		}
	}
	if log := f.Stderr.String(); !strings.Contains(log, `"message":"reconciled"`) ||
		strings.Contains(log, bootstraptest.SecretKey) {
		t.Errorf("logged %s", log)
	}
}

func TestTheScheduleClearsObsoleteDeadLettersWhereItIsAskedTo(t *testing.T) {
	for _, c := range []struct {
		setting string
		left    string
	}{{"true", "0"}, {"false", "1"}} {
		f := newFixtureWith(t, map[string]string{"HATCHERY_CLEAR_OBSOLETE": c.setting})
		f.makeTable(t)
		dead, err := f.sqs().CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("dead")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.sqs().SetQueueAttributes(t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &f.queue,
			Attributes: map[string]string{"RedrivePolicy": `{"maxReceiveCount":"5","deadLetterTargetArn":"arn:aws:sqs:` +
				bootstraptest.Region + `:000000000000:dead"}`}}); err != nil {
			t.Fatal(err)
		}
		body, err := arrival.Format(arrival.Created{Name: "ObjectCreated:Put", Time: longAgo, Bucket: bootstraptest.Bucket,
			Key: string(upload.DefaultLayout.QuarantineKey(ref(9))), VersionID: "v1"}) // of which there is no record
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.sqs().SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: dead.QueueUrl,
			MessageBody: aws.String(string(body))}); err != nil {
			t.Fatal(err)
		}
		if reply, err := f.Invoke(t.Context(), []byte(schedule)); err != nil {
			t.Fatalf("%s: %v, %s", c.setting, err, reply)
		}
		out, err := f.sqs().GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: dead.QueueUrl,
			AttributeNames: []types.QueueAttributeName{"ApproximateNumberOfMessages"}})
		if err != nil || out.Attributes["ApproximateNumberOfMessages"] != c.left {
			t.Errorf("%s: left are %v, %v\n%s", c.setting, out, err, f.Stderr.String())
		}
	}
}

func TestTheScheduleSurveysOnceAWeekAndAPersonAtOnce(t *testing.T) {
	f := newFixture(t)
	f.makeTable(t)
	for n, c := range []struct {
		event  string
		survey bool
	}{{schedule, true}, {schedule, false}, {`{}`, false}, {`"text"`, false}, {`{"survey":true}`, true},
		{schedule, false}} {
		f.Stdout.Reset()
		reply, err := f.Invoke(t.Context(), []byte(c.event))
		var report reconcile.Report
		if err != nil || json.Unmarshal(reply, &report) != nil || !report.Complete || (report.ObjectsSeen == 1) != c.survey {
			t.Errorf("run %d, %s: %v, %s", n, c.event, err, reply)
		}
		if got := f.Stdout.String(); strings.Contains(got, `"LostRecords"`) != c.survey ||
			!strings.Contains(got, `"PendingTooLong":0`) {
			t.Errorf("run %d, %s, counted %s", n, c.event, got)
		}
	}
}

func TestARunWithTroubleFailsItsInvocation(t *testing.T) {
	f := newFixture(t) // without the table
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if reply, err := f.Invoke(ctx, []byte(schedule)); err == nil {
		t.Errorf("replied %s", reply)
	}
	if log := f.Stderr.String(); !strings.Contains(log, `"message":"reconciled"`) {
		t.Errorf("logged %s", log)
	}
	if counted := f.Stdout.String(); !strings.Contains(counted, `"Reenqueued":0`) ||
		strings.Contains(counted, "PendingTooLong") {
		t.Errorf("counted %s", counted)
	}
}

func TestAPanicIsLoggedAndIsAnError(t *testing.T) {
	f := newFixture(t)
	f.Dependencies.Records = nil
	_, err := f.Invoke(t.Context(), []byte(schedule))
	if err == nil || !strings.Contains(err.Error(), "panicked") {
		t.Errorf("the error is %v", err)
	}
	if !strings.Contains(f.Stderr.String(), `"message":"reconcile panicked"`) ||
		!strings.Contains(f.Stderr.String(), "main.go") {
		t.Errorf("the log does not say where: %s", f.Stderr.String())
	}
}
