//go:build acceptance

package acceptance

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hatchery/shared/arrival"
	"hatchery/shared/config"
	"hatchery/shared/deadletter"
	"hatchery/shared/local"
	"hatchery/shared/pipeline"
	"hatchery/shared/queue/sqsqueue"
	"hatchery/shared/records/bugoutrecords"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/records/sqliterecords"
	"hatchery/shared/upload"
)

// reviewed is a `hatchery dev` without a validator, whose dead letters are reviewed with the commands. The
// validators are the test's own, so that they can fail of anything. A message dies of one failure.
type reviewed struct {
	t           testing.TB
	program     string
	data, store string // of --data and --records
	api         string // its address
	dev         *server
	queueURL    string
	settings    config.Config
	records     upload.Records
	queues      *sqs.Client
	parts       *pipeline.Components
	dead        *sqsqueue.Queue
	kills       int // commands that were killed
}

func startReviewed(t testing.TB, store string) *reviewed {
	t.Helper()
	d := &reviewed{t: t, program: hatcheryProgram(t), data: filepath.Join(t.TempDir(), "data"), store: store}
	env := d.start()
	at, err := local.Running(t.Context(), d.data)
	check(t, err)
	d.settings, err = config.Load(func(name string) string { return env[name] }, config.Messages)
	check(t, err)
	d.settings.MaxReceives = at.MaxReceives
	d.openRecords(at)
	d.parts = pipeline.New(d.settings, pipeline.Dependencies{AWS: at.AWS(), S3: pipeline.S3Client(at.AWS()),
		Records: d.records, BugoutRequests: make(chan struct{}, 4), Log: slog.New(slog.DiscardHandler)})
	d.dead = sqsqueue.New(sqs.NewFromConfig(at.AWS(), func(o *sqs.Options) { o.RetryMaxAttempts = 1 }), at.DeadLetterURL)
	return d
}

// start starts dev and sets its queue, which dev sets anew at each start. What an earlier dev's clients held is visible
// at once, as it is by itself when five minutes have passed.
func (d *reviewed) start() map[string]string {
	d.t.Helper()
	args := []string{d.program, "dev", "--json", "--no-validator", "--listen", "127.0.0.1:0", "--records", d.store}
	if d.store != config.RecordsDynamoDB { // which lasts for one run, in a folder of its own
		args = append(args, "--data", d.data)
	}
	d.dev = serve(d.t, "dev", nil, args...)
	var ready struct {
		Msg, Data, API string
		Env            map[string]string
	}
	eventually(d.t, time.Minute, "hatchery dev is ready", func() (bool, string) {
		if d.dev.ended() {
			d.t.Fatalf("dev ended:\n%s", d.dev.tail(4000))
		}
		line, _, whole := strings.Cut(d.dev.tail(64<<10), "\n")
		return whole && json.Unmarshal([]byte(line), &ready) == nil && ready.Msg == "ready", line
	})
	d.data, d.api, d.queueURL = ready.Data, ready.API, ready.Env["HATCHERY_QUEUE_URL"]
	at, err := local.Running(d.t.Context(), d.data)
	check(d.t, err)
	d.queues = sqs.NewFromConfig(at.AWS(), func(o *sqs.Options) { o.RetryMaxAttempts = 1 })
	_, err = d.queues.SetQueueAttributes(d.t.Context(), &sqs.SetQueueAttributesInput{QueueUrl: &d.queueURL,
		Attributes: map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:` + local.Region +
			`:000000000000:` + local.DeadLetters + `","maxReceiveCount":"1"}`}})
	check(d.t, err)
	return ready.Env
}

func (d *reviewed) restart() {
	d.t.Helper()
	d.dev.end()
	d.start()
}

// openRecords opens the store beside dev.
func (d *reviewed) openRecords(at local.Endpoints) {
	d.t.Helper()
	switch d.store {
	case config.RecordsSQLite:
		store, err := sqliterecords.Open(d.t.Context(), filepath.Join(d.data, "records.db"), sqliterecords.Options{})
		check(d.t, err)
		d.t.Cleanup(func() { check(d.t, store.Close()) })
		d.records = store
	case config.RecordsDynamoDB:
		d.records = dynamorecords.New(dynamodb.NewFromConfig(at.AWS()), at.Table, dynamorecords.Options{})
	default:
		store, err := bugoutrecords.New(bugoutrecords.Options{URL: at.Bugout.URL, Application: at.Bugout.Application,
			Now: time.Now, Token: func(context.Context) (string, error) { return at.Bugout.Token, nil }})
		check(d.t, err)
		d.records = store
	}
}

// accept makes an upload of some bytes; S3's message about it is in the queue then.
func (d *reviewed) accept(filename string, data string) (upload.Ref, error) {
	record, err := d.parts.Uploads.Draft(upload.Request{Journal: "j", Entry: "e", Kind: "images", Filename: filename})
	if err == nil {
		record, err = d.parts.Uploads.Accept(d.t.Context(), record, nil, strings.NewReader(data), int64(len(data)))
	}
	return record.Ref(), err
}

// upload finds what a message is about: an upload of this deployment, and which version.
func (d *reviewed) upload(body string) (upload.Ref, arrival.Created, bool) {
	parsed, err := arrival.Parse([]byte(body))
	if err != nil || len(parsed.Created) != 1 || parsed.Created[0].Bucket != local.Bucket {
		return upload.Ref{}, arrival.Created{}, false
	}
	ref, ours := d.settings.Layout.ParseQuarantineKey(upload.Key(parsed.Created[0].Key))
	return ref, parsed.Created[0], ours
}

// deliver hands every message of the validator's queue to handle, as the event source mapping does, until there is
// none. What handle fails is visible again at once: it becomes a dead letter at the next reception.
func (d *reviewed) deliver(handle func(context.Context, []events.SQSMessage) []events.SQSBatchItemFailure) {
	d.t.Helper()
	const workers = 12
	ctx, cancel := context.WithCancel(d.t.Context())
	defer cancel()
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for ctx.Err() == nil {
				if err := d.deliverOne(ctx, handle); err != nil && ctx.Err() == nil {
					d.t.Error(err)
					cancel()
				}
			}
		})
	}
	source := d.parts.Queue()
	eventually(d.t, 3*time.Minute, "the validator's queue is empty", func() (bool, string) {
		state, err := source.Inspect(ctx)
		return err == nil && state.Messages() == 0 || ctx.Err() != nil, fmt.Sprintf("%+v, %v", state, err)
	})
	cancel()
	group.Wait()
}

func (d *reviewed) deliverOne(ctx context.Context,
	handle func(context.Context, []events.SQSMessage) []events.SQSBatchItemFailure) error {
	got, err := d.queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &d.queueURL, MaxNumberOfMessages: 10,
		WaitTimeSeconds: 1, MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll}})
	if err != nil || len(got.Messages) == 0 {
		return err
	}
	var batch []events.SQSMessage
	for _, m := range got.Messages {
		message := events.SQSMessage{MessageId: *m.MessageId, ReceiptHandle: *m.ReceiptHandle, Body: *m.Body,
			Attributes: m.Attributes, MessageAttributes: map[string]events.SQSMessageAttribute{}}
		for name, a := range m.MessageAttributes {
			message.MessageAttributes[name] = events.SQSMessageAttribute{DataType: *a.DataType, StringValue: a.StringValue}
		}
		batch = append(batch, message)
	}
	failed := map[string]bool{}
	for _, f := range handle(ctx, batch) {
		failed[f.ItemIdentifier] = true
	}
	source := d.parts.Queue()
	for _, m := range batch {
		if !failed[m.MessageId] {
			err = source.Delete(ctx, m.ReceiptHandle)
		} else {
			err = source.Hide(ctx, []string{m.ReceiptHandle}, 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// about is the id of the upload that a message is about, else its body.
func (d *reviewed) about(body string) string {
	if ref, _, ours := d.upload(body); ours {
		return string(ref.ID)
	}
	return body
}

// args are the arguments of a command on this deployment.
func (d *reviewed) args(args ...string) []string {
	return append(append([]string{d.program}, args...), "--data", d.data, "--records", d.store, "--json")
}

// types runs a command as a person types it, and wants an exit code.
func (d *reviewed) types(code int, args ...string) []string {
	d.t.Helper()
	r := run(d.t, command{args: d.args(args...)})
	if r.code != code {
		d.t.Fatalf("want exit %d: %s", code, r)
	}
	return strings.Split(strings.TrimSpace(r.stdout), "\n")
}

// typesAndIsKilled runs a command and kills it with SIGKILL after n lines that tell what became of something.
func (d *reviewed) typesAndIsKilled(n int, args ...string) {
	d.t.Helper()
	d.kills++
	runAndKill(d.t, command{args: d.args(args...)}, n)
}

// runAndKill runs a command and kills it with SIGKILL after n lines that tell what became of something. It gives all
// lines that the command printed.
func runAndKill(t testing.TB, c command, n int) (printed []string) {
	t.Helper()
	within, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(within, c.args[0], c.args[1:]...)
	if cmd.Env = c.env; cmd.Env == nil {
		cmd.Env = bareEnvironment(t)
	}
	ownGroup(cmd)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	lines, results := bufio.NewScanner(out), 0
	lines.Buffer(nil, 1<<20)
	for results < n && lines.Scan() {
		printed = append(printed, lines.Text())
		if isResult(lines.Bytes()) {
			results++
		}
	}
	check(t, syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL))
	for lines.Scan() {
		printed = append(printed, lines.Text())
	}
	_ = cmd.Wait()
	status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() || results < n {
		t.Fatalf("%q ended by itself after %d results: it was to be killed after %d", c.args, results, n)
	}
	return printed
}

// isResult tells the lines about one letter or upload from those about a plan, a listing or an audit.
func isResult(line []byte) bool {
	var of struct {
		Message string `json:"message_id"`
		Upload  string `json:"upload_id"`
	}
	return json.Unmarshal(line, &of) == nil && of.Message+of.Upload != ""
}

// resultsIn reads what became of messages from what an action printed.
func resultsIn(t testing.TB, lines []string) map[string]deadletter.Result {
	t.Helper()
	results := map[string]deadletter.Result{}
	for _, line := range lines {
		var r deadletter.Result
		if isResult([]byte(line)) {
			check(t, json.Unmarshal([]byte(line), &r))
			results[r.MessageID] = r
		}
	}
	return results
}

// lettersIn reads the letters of a listing, and the listing itself.
func lettersIn(t testing.TB, lines []string) (map[string]deadletter.Letter, deadletter.Snapshot) {
	t.Helper()
	letters := map[string]deadletter.Letter{}
	var last struct{ Snapshot deadletter.Snapshot }
	for _, line := range lines {
		if isResult([]byte(line)) {
			var l deadletter.Letter
			check(t, json.Unmarshal([]byte(line), &l))
			letters[l.MessageID] = l
		}
	}
	check(t, json.Unmarshal([]byte(lines[len(lines)-1]), &last))
	return letters, last.Snapshot
}

// inBackground is done with the end of a command; it keeps what was printed.
type inBackground struct {
	done chan struct{}
	result
}

// begins runs a command beside others.
func (d *reviewed) begins(args ...string) *inBackground {
	b := &inBackground{done: make(chan struct{})}
	full := d.args(args...)
	go func() {
		defer close(b.done)
		b.result = run(d.t, command{args: full})
	}()
	return b
}

// lines waits for the end.
func (b *inBackground) lines() []string {
	<-b.done
	return strings.Split(strings.TrimSpace(b.stdout), "\n")
}
