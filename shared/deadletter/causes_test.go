package deadletter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"hatchery/shared/notifier/eventbridgenotifier"
	"hatchery/shared/objects/s3objects"
	"hatchery/shared/queue"
	"hatchery/shared/records/bugoutrecords"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/records/sqliterecords"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
	"hatchery/shared/validator"
)

// service answers in the place of one of AWS.
type service func(w http.ResponseWriter, r *http.Request)

// inXML answers as S3 does, with ids that no two answers share.
func inXML(status int, code, message string) service {
	return func(w http.ResponseWriter, _ *http.Request) {
		n := time.Now().UnixNano()
		w.Header().Set("X-Amz-Request-Id", fmt.Sprintf("44%014X", n))
		w.Header().Set("X-Amz-Id-2", fmt.Sprintf("Eftixk72aD6Ap51TnqcoF8eFidJG9Z/2mkiDFu8yU9AS1ed4OpIszj7UDNEHGran%x=", n))
		w.WriteHeader(status)
		fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>%s</Message></Error>`, code, message)
	}
}

func inJSON(status int, code, message string) service {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amzn-RequestId", fmt.Sprintf("4KBNVRGD25RG1KEO9UT4V3FQDJVV4KQNSO5AEMVJF66Q%X", time.Now().UnixNano()))
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":%q}`, code, message)
	}
}

// silently has a service take a request and not answer, until the function's time is over.
func silently(with func(service) func(*testing.T, *broken)) func(*testing.T, *broken) {
	return func(t *testing.T, b *broken) {
		with(func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // before that, the server does not notice that the caller is gone
			b.invocation.end()
			<-r.Context().Done()
		})(t, b)
	}
}

// invocation is the time of a function. It is over when a test says so, however fast the machine is.
type invocation struct {
	context.Context // its deadline is far away
	over            chan struct{}
	end             func()
}

func newInvocation(t *testing.T, left time.Duration) *invocation {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), left)
	t.Cleanup(cancel)
	over := make(chan struct{})
	return &invocation{ctx, over, sync.OnceFunc(func() { close(over) })}
}

func (i *invocation) Done() <-chan struct{} { return i.over }

func (i *invocation) Err() error {
	select {
	case <-i.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

const functionTime = time.Hour

// briefly leaves two seconds to a store that tries again until its time is over.
func briefly(how func(*testing.T, *broken)) func(*testing.T, *broken) {
	return func(t *testing.T, b *broken) {
		how(t, b)
		b.invocation = newInvocation(t, b.validator.Margin+2*time.Second)
	}
}

// reading says what happens before the n-th read of an object, from 1.
type reading struct {
	upload.Objects
	before func(n int)
}

func (r reading) Open(ctx context.Context, k upload.Key, v upload.Version) (upload.Object, error) {
	o, err := r.Objects.Open(ctx, k, v)
	if err == nil {
		o.Body = &watchedBody{o.Body, r.before, 0}
	}
	return o, err
}

type watchedBody struct {
	io.ReadCloser
	before func(n int)
	reads  int
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.reads++
	b.before(b.reads)
	return b.ReadCloser.Read(p)
}

// comes has an object come so far, by ten seconds for each read, until the function's time is over before the last one.
func comes(last int, rest service) func(*testing.T, *broken) {
	return func(t *testing.T, b *broken) {
		withBucket(breakOff(rest))(t, b)
		b.pipeline.Objects = reading{b.pipeline.Objects, func(n int) {
			if n > 1 {
				b.later.Add(int64(10 * time.Second))
			}
			if n == last {
				b.invocation.end()
			}
		}}
	}
}

func hangUp(w http.ResponseWriter, _ *http.Request) {
	connection, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		connection.Close()
	}
}

func reset(w http.ResponseWriter, _ *http.Request) {
	connection, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		connection.(*net.TCPConn).SetLinger(0)
		connection.Close()
	}
}

// trickle sends too little to come to an end, and never stops.
func trickle(w http.ResponseWriter, r *http.Request) {
	for more := time.Tick(20 * time.Millisecond); ; {
		select {
		case <-r.Context().Done():
			return
		case <-more:
			w.Write([]byte{0})
			w.(http.Flusher).Flush()
		}
	}
}

// breakOff begins to send an object, and then does as it is told.
func breakOff(then service) service {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Amz-Version-Id", "v1")
		w.Header().Set("Content-Length", "100")
		w.Write(uploadtest.Picture(1).Data[:30])
		if then != nil {
			w.(http.Flusher).Flush()
			then(w, r)
		}
	}
}

func start(t *testing.T, s service) *string {
	server := httptest.NewServer(http.HandlerFunc(s))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return &server.URL
}

var key = credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "secret", "")

func impatient() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 2, time.Millisecond })
}

func bucketAt(url *string) *s3objects.Store {
	return s3objects.New(s3.New(s3.Options{Region: "eu-central-1", BaseEndpoint: url, UsePathStyle: true,
		Retryer: impatient(), Credentials: key}), bucket)
}

// withBucket has the pipeline ask a service for its bucket: for the named calls, or for all.
func withBucket(s service, calls ...string) func(*testing.T, *broken) {
	return func(t *testing.T, b *broken) {
		b.pipeline.Objects = &partly{Objects: b.objects, broken: bucketAt(start(t, s)), calls: calls}
	}
}

func withTable(s service) func(*testing.T, *broken) {
	return func(t *testing.T, b *broken) {
		b.pipeline.Records = dynamorecords.New(dynamodb.New(dynamodb.Options{Region: "eu-central-1",
			BaseEndpoint: start(t, s), Credentials: key}), "records", dynamorecords.Options{})
	}
}

func withBus(s service) func(*testing.T, *broken) {
	return func(t *testing.T, b *broken) {
		b.pipeline.Notifier = eventbridgenotifier.New(func() *eventbridge.Client {
			return eventbridge.New(eventbridge.Options{Region: "eu-central-1", BaseEndpoint: start(t, s), Credentials: key,
				Retryer: impatient()})
		}, "verdicts", bucket, upload.DefaultLayout)
	}
}

func withBugout(s service) func(*testing.T, *broken) {
	return func(t *testing.T, b *broken) {
		store, err := bugoutrecords.New(bugoutrecords.Options{URL: *start(t, s),
			Application: "0195600d-0000-7000-8000-000000000009", Token: func(context.Context) (string, error) {
				return "0195600d-0000-7000-8000-00000000000a", nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		b.pipeline.Records = store
	}
}

// partly is a bucket that is broken for the calls that are named; none named is all.
type partly struct {
	*uploadtest.Objects
	broken *s3objects.Store
	calls  []string
}

func (p *partly) of(call string) upload.Objects {
	for _, c := range p.calls {
		if c == call {
			return p.broken
		}
	}
	if len(p.calls) == 0 {
		return p.broken
	}
	return p.Objects
}

func (p *partly) Open(ctx context.Context, k upload.Key, v upload.Version) (upload.Object, error) {
	return p.of("open").Open(ctx, k, v)
}

func (p *partly) Promote(ctx context.Context, promotion upload.Promotion) (upload.Copy, error) {
	return p.of("promote").Promote(ctx, promotion)
}

func (p *partly) Stat(ctx context.Context, k upload.Key) (upload.Copy, error) {
	return p.of("stat").Stat(ctx, k)
}

func (p *partly) Remove(ctx context.Context, k upload.Key, v upload.Version) error {
	return p.of("remove").Remove(ctx, k, v)
}

// wrongCopy promotes other bytes.
type wrongCopy struct{ *uploadtest.Objects }

func (w wrongCopy) Promote(ctx context.Context, p upload.Promotion) (upload.Copy, error) {
	c, err := w.Objects.Promote(ctx, p)
	c.SHA256 = strings.Repeat("0", len(c.SHA256))
	return c, err
}

// judging is a pipeline of one function.
type judging func(context.Context, upload.Key, upload.Version) (upload.Outcome, error)

func (j judging) Validate(ctx context.Context, k upload.Key, v upload.Version) (upload.Outcome, error) {
	return j(ctx, k, v)
}

// broken is a deployment whose validator fails on the last reception of one message.
type broken struct {
	*fixture
	validator  *validator.Validator
	invocation *invocation
	later      atomic.Int64 // how far the validator's clock is ahead
	before     []queue.Received
}

func newBroken(t *testing.T) *broken {
	b := &broken{fixture: newFixture(t), invocation: newInvocation(t, functionTime)}
	now := func() time.Time { return time.Now().Add(time.Duration(b.later.Load())) }
	b.pipeline.Now = now
	b.validator = &validator.Validator{Pipeline: b.pipeline, Records: b.records, Attempts: b.notes,
		Layout: upload.DefaultLayout, Bucket: bucket, Concurrency: 1, Margin: time.Minute, MaxReceives: 5,
		Visibility: 1801 * time.Second, Now: now, Log: quiet()}
	return b
}

// dies has the validator receive the message for the last time, and gives its letter.
func (b *broken) dies(t *testing.T, m queue.Received) Letter {
	t.Helper()
	batch := events.SQSEvent{}
	for _, m := range append(b.before, m) {
		batch.Records = append(batch.Records, events.SQSMessage{MessageId: m.ID, Body: m.Body,
			Attributes: map[string]string{"ApproximateReceiveCount": "5"}})
	}
	if _, err := b.validator.Handle(b.invocation, batch); err != nil {
		t.Fatal(err)
	}
	letter, err := b.explain(t.Context(), m, false)
	if err != nil {
		t.Fatal(err)
	}
	return letter
}

const role = "User: arn:aws:sts::123456789012:assumed-role/hatchery-ValidatorFunctionRole-1AB2/hatchery-ValidatorFunction " +
	"is not authorized to perform: "

// deaths are all ways to die that are known, each with what its letter has to say.
var deaths = []struct {
	name  string
	how   func(*testing.T, *broken)
	cause Cause
	words []string
}{
	{"S3 denies and names the action", withBucket(inXML(403, "AccessDenied", role+
		`s3:GetObjectVersion on resource: "arn:aws:s3:::uploads/quarantine/j/entries/e/images/i" because no identity-based `+
		`policy allows the s3:GetObjectVersion action`)), Denied, []string{"s3:GetObjectVersion on arn:aws:s3:::uploads/quarantine/…"}},
	{"S3 denies by a bucket policy", withBucket(inXML(403, "AccessDenied", role+
		`s3:GetObjectVersion on resource: "arn:aws:s3:::uploads/quarantine/j" with an explicit deny in a resource-based policy`)),
		Denied, []string{"s3:GetObjectVersion", "explicit deny in a resource-based policy"}},
	{"S3 denies and names nothing", withBucket(inXML(403, "AccessDenied", "Access Denied")), Denied,
		[]string{"s3:GetObject", "on quarantine/…"}},
	{"S3 denies the copy", withBucket(inXML(403, "AccessDenied", "Access Denied"), "promote"), Denied, []string{"s3:PutObject"}},
	{"KMS denies", withBucket(inXML(403, "AccessDenied", role+"kms:Decrypt on resource: arn:aws:kms:eu-central-1:"+
		"123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab because no identity-based policy allows it")), Denied,
		[]string{"kms:Decrypt on arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"}},
	{"the role's token is expired", withBucket(inXML(400, "ExpiredToken", "The provided token has expired.")), Denied,
		[]string{"credentials were refused (ExpiredToken)"}},
	{"S3 throttles", withBucket(inXML(503, "SlowDown", "Please reduce your request rate.")), Unreachable,
		[]string{"The bucket (S3) throttled"}},
	{"S3 fails", withBucket(inXML(500, "InternalError", "We encountered an internal error.")), Unreachable, []string{"The bucket (S3)"}},
	{"something before S3 fails", withBucket(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(503)
		io.WriteString(w, "<html>")
	}), Unreachable, []string{"The bucket (S3)"}},
	{"S3 is silent", silently(func(s service) func(*testing.T, *broken) { return withBucket(s) }), Unreachable, []string{"The bucket (S3) did not answer in time"}},
	{"S3 hangs up", withBucket(hangUp), Unreachable, []string{"The bucket (S3)"}},
	{"S3's connection is reset", withBucket(reset), Unreachable, []string{"The bucket (S3)"}},
	{"an object breaks off", withBucket(breakOff(nil)), Unreachable, []string{"The bucket (S3)"}},
	{"an object stalls", comes(2, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), Unreachable,
		[]string{"The bucket (S3) did not answer in time"}},
	{"an object comes too slowly", comes(4, trickle), NoTime, []string{"bytes did not come", "small file", "large one"}},
	{"nobody listens for S3", func(_ *testing.T, b *broken) {
		b.pipeline.Objects = bucketAt(aws.String("http://127.0.0.1:1"))
	}, Unreachable, []string{"The bucket (S3) could not be reached"}},
	{"S3 has no address", func(_ *testing.T, b *broken) {
		b.pipeline.Objects = bucketAt(aws.String("http://bucket.invalid"))
	}, Unreachable, []string{"The bucket (S3)"}},
	{"the bucket is not there", withBucket(inXML(404, "NoSuchBucket", "The specified bucket does not exist")), Unknown,
		[]string{"NoSuchBucket"}},
	{"DynamoDB denies", withTable(inJSON(400, "AccessDeniedException", role+"dynamodb:GetItem on resource: "+
		"arn:aws:dynamodb:eu-central-1:123456789012:table/records because no identity-based policy allows it")), Denied,
		[]string{"dynamodb:GetItem on arn:aws:dynamodb:eu-central-1:123456789012:table/records"}},
	{"the table's key is denied", withTable(inJSON(400, "AccessDeniedException", "KMS key access denied error: no access.")),
		Denied, []string{"kms:Decrypt on the key of the table records"}},
	{"DynamoDB throttles", briefly(withTable(inJSON(400, "ProvisionedThroughputExceededException", "too much"))), Unreachable,
		[]string{"The record store (DynamoDB) throttled"}},
	{"DynamoDB fails", briefly(withTable(inJSON(500, "InternalServerError", "Internal server error"))), Unreachable,
		[]string{"The record store (DynamoDB)"}},
	{"DynamoDB is silent", silently(withTable), Unreachable, []string{"The record store (DynamoDB) did not answer in time"}},
	{"the table is not there", withTable(inJSON(400, "ResourceNotFoundException", "Requested resource not found")), Unknown,
		[]string{"ResourceNotFoundException"}},
	{"Bugout fails", withBugout(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }), Unreachable,
		[]string{"The record store (Bugout)"}},
	{"Bugout is silent", silently(withBugout), Unreachable, nil},
	{"Bugout hangs up", withBugout(hangUp), Unreachable, []string{"The record store (Bugout)"}},
	{"Bugout does not know the token", withBugout(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }), Denied,
		[]string{"HATCHERY_BUGOUT_TOKEN"}},
	{"SQLite is closed", func(t *testing.T, b *broken) {
		store, err := sqliterecords.Open(t.Context(), filepath.Join(t.TempDir(), "records.db"), sqliterecords.Options{})
		if err != nil {
			t.Fatal(err)
		}
		store.Close()
		b.pipeline.Records = store
	}, Unreachable, []string{"The record store"}},
	{"EventBridge denies", withBus(inJSON(400, "AccessDeniedException", role+"events:PutEvents on resource: "+
		"arn:aws:events:eu-central-1:123456789012:event-bus/verdicts because no identity-based policy allows it")), Unfinished,
		[]string{"The upload is stored", "events:PutEvents on arn:aws:events:eu-central-1:123456789012:event-bus/verdicts"}},
	{"EventBridge fails", withBus(inJSON(500, "InternalException", "oops")), Unfinished, []string{"The event bus"}},
	{"the bus does not take the event", withBus(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		io.WriteString(w, `{"FailedEntryCount":1,"Entries":[{"ErrorCode":"InternalFailure","ErrorMessage":"x"}]}`)
	}), Unfinished, []string{"The event bus"}},
	{"S3 denies the removal", withBucket(inXML(403, "AccessDenied", "Access Denied"), "remove"), Unfinished,
		[]string{"The upload is stored", "s3:DeleteObjectVersion on quarantine/…"}},
	{"there is not enough time", func(_ *testing.T, b *broken) {
		_, first := b.pending(uploadtest.Picture(3).Data)
		b.before = append(b.before, b.message("first", first))
		b.validator.ReadRate = 1
		b.validator.Observe = func(upload.Outcome, error) { b.later.Store(int64(functionTime - 30*time.Second)) }
	}, NoTime, []string{"bytes did not come", "small file", "large one"}},
	{"the copy has another SHA-256", func(_ *testing.T, b *broken) { b.pipeline.Objects = wrongCopy{b.objects} }, Checksum,
		[]string{"SHA-256"}},
	{"the validator panics", func(_ *testing.T, b *broken) {
		b.validator.Pipeline = judging(func(context.Context, upload.Key, upload.Version) (upload.Outcome, error) {
			var none []int
			return upload.Outcome{}, fmt.Errorf("never: %d", none[len(b.before)])
		})
	}, Crashed, []string{"panicked", "index out of range"}},
	{"the function ends", func(_ *testing.T, b *broken) {
		b.validator.Pipeline = judging(func(context.Context, upload.Key, upload.Version) (upload.Outcome, error) {
			runtime.Goexit()
			return upload.Outcome{}, nil
		})
	}, Crashed, []string{"never came to its end"}},
	{"an error that is not known", func(_ *testing.T, b *broken) {
		b.validator.Pipeline = judging(func(_ context.Context, k upload.Key, _ upload.Version) (upload.Outcome, error) {
			return upload.Outcome{}, fmt.Errorf("do with %q: 42 is not the answer", k)
		})
	}, Unknown, []string{"is not the answer"}},
}

func TestEachCauseIsDiagnosedFromTheErrorThatTheCodeReallyGives(t *testing.T) {
	for _, death := range deaths {
		t.Run(death.name, func(t *testing.T) {
			t.Parallel()
			var groups []string
			for i := range 2 {
				b := newBroken(t)
				b.ids += 1000 * i // another upload, with other ids
				ref, created := b.pending(uploadtest.Picture(uint8(i)).Data)
				death.how(t, b)
				letter := b.dies(t, b.message(fmt.Sprint("message-", i), created))
				wantDiagnosis(t, letter.Diagnosis, death.cause, Redrive, death.words...)
				groups = append(groups, letter.Diagnosis.Group)
				for _, id := range []string{string(ref.ID), created.VersionID, "/entries/", "123456789012"} {
					if strings.Contains(letter.Diagnosis.Group, id) {
						t.Errorf("the group %q has %s", letter.Diagnosis.Group, id)
					}
				}
				// What the record keeps alone says the same.
				if letter.Arrivals[0].LastError == "" || death.cause == Unfinished {
					continue
				}
				b.Notes = uploadtest.NewNotes()
				wantDiagnosis(t, b.mustExplain(t, b.message("without attempts", created)).Diagnosis, death.cause, Redrive, death.words...)
			}
			if groups[0] != groups[1] {
				t.Errorf("two of the same are two groups:\n%s\n%s", groups[0], groups[1])
			}
			t.Log(groups[0])
		})
	}
}

func (f *fixture) mustExplain(t *testing.T, m queue.Received) Letter {
	t.Helper()
	letter, err := f.explain(t.Context(), m, false)
	if err != nil {
		t.Fatal(err)
	}
	return letter
}

func TestDifferentOperationsAreDifferentGroups(t *testing.T) {
	seen := map[string]string{}
	for _, call := range []string{"open", "promote"} {
		b := newBroken(t)
		_, created := b.pending(uploadtest.Picture(1).Data)
		withBucket(inXML(403, "AccessDenied", "Access Denied"), call)(t, b)
		group := b.dies(t, b.message("m", created)).Diagnosis.Group
		if seen[group] != "" {
			t.Errorf("%s and %s are both %q", call, seen[group], group)
		}
		seen[group] = call
	}
}

func TestWhoeverActsIsToldWhatTheyMayNot(t *testing.T) {
	for text, want := range map[string]string{
		`get the listing "x": operation error S3: GetObject, https response error StatusCode: 403, api error AccessDenied: ` + role +
			`s3:GetObject on resource: "arn:aws:s3:::uploads/dead-letters/snapshots/x" because no identity-based policy allows it`: "" +
			"You may not do that: it needs the right to s3:GetObject on arn:aws:s3:::uploads/dead-letters/….",
		`operation error SQS: SendMessage, https response error StatusCode: 403, api error AccessDenied: ` + role +
			`sqs:SendMessage on resource: "arn:aws:sqs:eu-central-1:1:uploads" with an explicit deny in a service control policy`: "" +
			"You may not do that: it needs the right to sqs:SendMessage on arn:aws:sqs:eu-central-1:1:uploads, and an explicit deny " +
			"in a service control policy refuses it.",
		`operation error S3: PutObject, https response error StatusCode: 400, api error ExpiredToken: The provided token has expired.`: "" +
			"Your credentials were refused (ExpiredToken): log in again, and start again.",
		"get record j: refused by Bugout (401)": "Bugout denies you access.",
		"get record j: connection refused":      "",
		"no record is called AccessDeny":        "",
	} {
		if got := Refusal(errors.New(text)); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
