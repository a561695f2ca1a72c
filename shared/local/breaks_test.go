package local_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"hatchery/shared/arrival"
	"hatchery/shared/local"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

func TestWhatIsToBeBrokenIsReadAndRefused(t *testing.T) {
	for words, want := range map[string]string{
		"s3": "s3", "s3:3": "s3:3", "crash:1 poison application:10000": "crash:1 poison application:10000", "": ""} {
		breaks, err := local.ParseBreaks(strings.Fields(words))
		if err != nil || local.FormatBreaks(breaks) != want {
			t.Errorf("%q is read as %v, %v", words, breaks, err)
		}
	}
	for words, want := range map[string]string{
		"weather": `found "weather"; accepted: records, s3, access, poison, slow, crash, lost, application, alone or as s3:3`,
		"s3:":     "accepted after the colon: how many, 1 to 10000", "s3:0": `found "s3:0"`, "s3:10001": "1 to 10000",
		"s3:-1": "1 to 10000", "s3:x": "1 to 10000", "s3 s3:1": "found s3 twice", "S3": "accepted: records"} {
		if _, err := local.ParseBreaks(strings.Fields(words)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", words, err, want)
		}
	}
}

func FuzzParseBreaks(f *testing.F) {
	f.Add("s3:3 crash")
	f.Add("application:10000 s3:")
	f.Fuzz(func(t *testing.T, words string) {
		breaks, err := local.ParseBreaks(strings.Fields(words))
		if err != nil {
			return
		}
		again, err := local.ParseBreaks(strings.Fields(local.FormatBreaks(breaks)))
		if err != nil || local.FormatBreaks(again) != local.FormatBreaks(breaks) {
			t.Errorf("%v is written as what is read as %v, %v", breaks, again, err)
		}
	})
}

func TestMendingTwiceIsNoErrorAndAMissingFolderIs(t *testing.T) {
	dir := t.TempDir()
	breaks := []local.Break{{Cause: local.BreakS3, Count: 3}}
	if err := errors.Join(local.BreakNow(dir, breaks), local.BreakNow(dir, breaks)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, "broken")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	for _, want := range []bool{true, false} {
		if was, err := local.Mend(dir); was != want || err != nil {
			t.Errorf("%v, %v, want %v", was, err, want)
		}
	}
	missing := filepath.Join(dir, "missing")
	if _, err := local.Mend(missing); err == nil {
		t.Error("a folder that is not there was mended")
	}
	if err := local.BreakNow(missing, breaks); err == nil {
		t.Error("a folder that is not there was broken")
	}
}

// rehearsed is a stack whose validator, while something is broken, is the test's.
type rehearsed struct {
	t      *testing.T
	at     local.Endpoints
	dir    string
	log    *lines
	queue  *sqs.Client
	bucket *s3.Client
	stack  *local.Stack
}

func rehearse(t *testing.T, sound, rehearse local.Function, breaks ...string) *rehearsed {
	t.Helper()
	r := &rehearsed{t: t, dir: t.TempDir(), log: &lines{}}
	if len(breaks) > 0 {
		r.breaks(breaks...)
	}
	o := options(r.dir)
	o.Log, o.Mend = slog.New(slog.NewTextHandler(r.log, nil)), "mend it thus"
	stack, err := local.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r.at, r.stack = stack.Endpoints(), stack
	r.queue = sqs.NewFromConfig(r.at.AWS())
	r.bucket = s3.NewFromConfig(r.at.AWS(), func(o *s3.Options) { o.UsePathStyle = true })
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- stack.Run(ctx, local.Handlers{API: http.NotFoundHandler(), Validate: sound, Rehearse: rehearse,
			NeedsWork: func(context.Context, string, string) (bool, error) { return false, nil }})
	}()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, stack.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *rehearsed) breaks(words ...string) {
	r.t.Helper()
	breaks, err := local.ParseBreaks(words)
	if err == nil {
		err = local.BreakNow(r.dir, breaks)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rehearsed) mend() {
	r.t.Helper()
	if was, err := local.Mend(r.dir); err != nil || !was {
		r.t.Fatal(was, err)
	}
}

func keyOf(n int) string {
	return fmt.Sprintf("quarantine/j/entries/e/images/01890000-0000-7000-8000-%012d", n)
}

// upload puts one, and gives its version.
func (r *rehearsed) upload(key string) string {
	r.t.Helper()
	out, err := r.bucket.PutObject(r.t.Context(), &s3.PutObjectInput{Bucket: &r.at.Bucket, Key: &key,
		Body: strings.NewReader("some bytes")})
	if err != nil {
		r.t.Fatal(err)
	}
	return aws.ToString(out.VersionId)
}

// attribute of the validator's queue.
func (r *rehearsed) attribute(name types.QueueAttributeName) string {
	r.t.Helper()
	out, err := r.queue.GetQueueAttributes(r.t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &r.at.QueueURL,
		AttributeNames: []types.QueueAttributeName{name}})
	if err != nil {
		r.t.Fatal(err)
	}
	return out.Attributes[string(name)]
}

func (r *rehearsed) until(what string, holds func() bool) {
	r.t.Helper()
	deadline := time.After(20 * time.Second)
	for again := time.Tick(10 * time.Millisecond); !holds(); {
		select {
		case <-again:
		case <-deadline:
			r.t.Fatalf("not within 20 s: %s\n%s", what, r.log.buf.String())
		}
	}
}

func TestARunningStackBreaksAndIsMendedAndSaysSo(t *testing.T) {
	arrived, alone := make(chan arrival.Created, 10), make(chan arrival.Created, 10)
	r := rehearse(t, told(arrived, true), told(alone, true))
	r.upload(keyOf(1))
	wait(t, arrived)
	if got := r.attribute("VisibilityTimeout"); got != "40" {
		t.Fatalf("messages are hidden for %s s", got)
	}
	r.breaks("s3:3", "crash")
	r.log.wait(t, `broken="s3:3 crash" tries_apart=10s dead_within=1m0s mend="mend it thus"`)
	r.until("short visibility", func() bool { return r.attribute("VisibilityTimeout") == "10" })
	r.upload(keyOf(2))
	wait(t, alone)
	r.breaks("lost")
	r.log.wait(t, "broken=lost ")
	r.mend()
	r.log.wait(t, "mended: nothing is broken any more")
	if got := r.attribute("VisibilityTimeout"); got != "40" {
		t.Errorf("messages are hidden for %s s", got)
	}
	r.upload(keyOf(3))
	wait(t, arrived)
}

func TestWhatIsBrokenStaysSoOverARestart(t *testing.T) {
	alone := make(chan arrival.Created, 10)
	r := rehearse(t, told(nil, true), told(alone, true), "crash:1")
	r.upload(keyOf(1))
	wait(t, alone) // and never a sound validator
	r.log.wait(t, "broken=crash:1")
}

func TestAFileThatCannotBeReadBreaksNothing(t *testing.T) {
	arrived := make(chan arrival.Created, 10)
	r := rehearse(t, told(arrived, true), told(nil, true), "s3")
	r.log.wait(t, "broken=s3")
	if err := os.WriteFile(filepath.Join(r.dir, "broken"), []byte("s3:three\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.log.wait(t, "cannot be read; hatchery mend removes it")
	r.upload(keyOf(1))
	wait(t, arrived)
	r.mend()
}

// edges calls what a validator calls about a message, and keeps how each call ended.
type edges struct {
	r       *rehearsed
	records upload.Records
	bucket  *s3.Client
	mu      sync.Mutex
	seen    map[string][]string // by key, in the order of receptions
}

func (e *edges) judge(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	message := batch.Records[0]
	parsed, err := arrival.Parse([]byte(message.Body))
	if err != nil {
		return events.SQSEventResponse{}, err
	}
	key := parsed.Created[0].Key
	ended, called := "crashed", make(chan string, 1)
	go func() {
		defer close(called)
		called <- e.call(ctx, key)
	}()
	if how, ok := <-called; ok {
		ended = how
	}
	e.mu.Lock()
	e.seen[key] = append(e.seen[key], ended)
	e.mu.Unlock()
	if ended == "sound" || ended == "crashed" { // of a function that ended what it answers must not count
		return events.SQSEventResponse{}, nil
	}
	// Visible again at once.
	if _, err := e.r.queue.ChangeMessageVisibility(context.WithoutCancel(ctx), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &e.r.at.QueueURL, ReceiptHandle: &message.ReceiptHandle}); err != nil {
		e.r.t.Error(err)
	}
	return events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{{ItemIdentifier: message.MessageId}}}, nil
}

func (e *edges) call(ctx context.Context, key string) string {
	ref, _ := upload.DefaultLayout.ParseQuarantineKey(upload.Key(key))
	_, err := e.records.Get(ctx, ref)
	_, updateErr := e.records.Update(ctx, ref, upload.CountFailure(upload.Failure{}))
	if errors.Is(err, syscall.ECONNREFUSED) && errors.Is(updateErr, syscall.ECONNREFUSED) {
		return "records"
	}
	_, noteErr := e.bucket.PutObject(ctx, &s3.PutObjectInput{Bucket: &e.r.at.Bucket,
		Key: aws.String(upload.DeadLetterPrefix + "attempts/x"), Body: strings.NewReader("{}")})
	out, err := e.bucket.GetObject(ctx, &s3.GetObjectInput{Bucket: &e.r.at.Bucket, Key: &key})
	if failure, ok := errors.AsType[smithy.APIError](err); ok {
		if noteErr != nil {
			return failure.ErrorCode() + ", notes too"
		}
		return failure.ErrorCode()
	}
	if err != nil || noteErr != nil {
		return fmt.Sprint(err, noteErr)
	}
	defer out.Body.Close()
	within, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	read := make(chan error, 1)
	go func() { _, err := io.ReadAll(out.Body); read <- err }()
	select {
	case err := <-read:
		if err != nil {
			return err.Error()
		}
		return "sound"
	case <-within.Done():
		return "slow"
	}
}

func TestEachCauseFailsItsUploadsAtTheEdgeAndNoOthers(t *testing.T) {
	e := &edges{seen: map[string][]string{}, records: local.FailingRecords(uploadtest.NewRecords(uploadtest.RecordsOptions{}))}
	e.r = rehearse(t, told(nil, true), func(ctx context.Context, b events.SQSEvent) (events.SQSEventResponse, error) {
		return e.judge(ctx, b)
	})
	e.bucket = s3.NewFromConfig(local.FailingS3(e.r.at.AWS()), func(o *s3.Options) {
		o.UsePathStyle, o.RetryMaxAttempts = true, 1
	})
	e.r.breaks("records:1", "s3:2", "access:1", "slow:1", "crash:1")
	e.r.log.wait(t, "broken until hatchery mend")
	for n := range 8 {
		e.r.upload(keyOf(n))
	}
	counts := map[string]int{}
	e.r.until("each was received twice, or was sound", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		clear(counts)
		for _, how := range e.seen {
			if len(how) < 2 && how[0] != "sound" {
				return false
			}
			counts[how[0]]++
		}
		return len(e.seen) == 8
	})
	want := map[string]int{"records": 1, "ServiceUnavailable, notes too": 2, "AccessDenied": 1, "slow": 1, "crashed": 1, "sound": 2}
	if !maps.Equal(counts, want) {
		t.Errorf("%v, want %v", counts, want)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for key, how := range e.seen {
		for _, again := range how {
			if again != how[0] {
				t.Errorf("%s fails of one thing and then of another: %q", key, how)
			}
		}
	}
}

func TestLostBytesAreRemovedAndTheirMessageComesAllTheSame(t *testing.T) {
	alone := make(chan arrival.Created, 10)
	r := rehearse(t, told(nil, true), told(alone, true), "lost:1")
	r.log.wait(t, "broken=lost:1")
	for n, lost := range []bool{true, false} {
		version := r.upload(keyOf(n))
		if c := wait(t, alone); c.VersionID != version {
			t.Errorf("told about %+v", c)
		}
		out, err := r.bucket.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &r.at.Bucket,
			Prefix: aws.String(keyOf(n))})
		if err != nil || (len(out.Versions)+len(out.DeleteMarkers) == 0) != lost {
			t.Errorf("upload %d has %d versions, %v", n, len(out.Versions), err)
		}
	}
}

func TestPoisonIsAMessageBesideTheUploads(t *testing.T) {
	bodies := make(chan string, 10)
	r := rehearse(t, told(nil, true), func(_ context.Context, b events.SQSEvent) (events.SQSEventResponse, error) {
		bodies <- b.Records[0].Body
		return events.SQSEventResponse{}, nil
	}, "poison:1", "crash")
	r.log.wait(t, "broken=\"poison:1 crash\"")
	r.upload(keyOf(1))
	r.upload(keyOf(2))
	readable, poison := 0, 0
	for range 3 {
		if _, err := arrival.Parse([]byte(wait(t, bodies))); err == nil {
			readable++
		} else {
			poison++
		}
	}
	if readable != 2 || poison != 1 {
		t.Errorf("%d notifications and %d messages that nobody can read", readable, poison)
	}
}

func TestTheApplicationFailsAsOftenAsWasSaid(t *testing.T) {
	// Without a validator here that is broken all the same, and what is not is said.
	r := rehearse(t, nil, nil, "application:2", "s3")
	r.log.wait(t, "the validator is somewhere else")
	for n, want := range []int{500, 500, 200} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.at.App+"/journals/j/entries/e", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "demo")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("request %d is answered %d, want %d", n, response.StatusCode, want)
		}
	}
}
