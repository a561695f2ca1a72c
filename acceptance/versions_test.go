//go:build acceptance

package acceptance

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hatchery/shared/arrival"
	"hatchery/shared/local/locals3"
	"hatchery/shared/local/localsqs"
	"hatchery/shared/reconcile"
	"hatchery/shared/upload"
)

// versions are two versions of the programs at one bucket, table, queue and application. The bucket and the queue are
// those of `hatchery dev`, or all is of a deployed stack, where one version answers at a time.
type versions struct {
	*cloud
	objects     *s3.Client
	uploadsIn   string // the bucket
	queues      *sqs.Client
	queue       string
	this, other *version
	answering   []*version

	mu       sync.Mutex
	arrived  map[upload.Key][]arrival.Created
	uploads  []*uploaded
	pictures int
}

// version has the programs of one commit.
type version struct {
	*versions
	name                       string
	earlier                    bool   // of a commit before this one
	programs                   string // the folder of its functions
	operator                   string // hatchery itself
	api, validator, reconciler *process
	deployed                   *stack // its functions, when they are no processes of ours
}

// uploaded is an upload, and how it has to stand.
type uploaded struct {
	upload.Ref
	body   []byte
	status upload.Status
	wrote  *version // its record, last; nil is either
	lost   bool     // its file was removed past both
	legacy bool     // the replaced service stored it, in a bucket of its own
	// dropped: it was rejected, and its bytes made room for others, or never came.
	dropped bool
}

// versionsPolicy has a kind for each thing that is bounded.
const versionsPolicy = `{"kinds":{"images":{"extensions":["png"]},
	"once":{"extensions":["png"],"duplicates":"refuse"},
	"few":{"extensions":["png"],"max_files":2},
	"light":{"extensions":["png"],"max_total_bytes":25000},
	"small":{"extensions":["png"],"max_bytes":2000,"max_total_bytes":2000}}}`

// newVersions starts this version, and that of -base. Without -base this version is both.
func newVersions(t *testing.T) *versions {
	t.Helper()
	v := &versions{cloud: newCloud(t, false), uploadsIn: cloudBucket, arrived: map[upload.Key][]arrival.Created{}}
	v.this = &version{versions: v, name: "this version", operator: hatcheryProgram(t),
		programs: builtPrograms(t, moduleRoot(t), "./lambdas/reconciler")}
	v.other = &version{versions: v, name: "the same again", operator: v.this.operator, programs: v.this.programs}
	if *base != "" {
		folder := builtPrograms(t, exported(t, *base), "./lambdas/reconciler", "./cmd/hatchery")
		v.other = &version{versions: v, name: *base, earlier: true, operator: filepath.Join(folder, "hatchery"),
			programs: folder}
	}
	v.answering = []*version{v.this, v.other}
	v.openStores(t)
	for _, each := range v.answering {
		for function, started := range map[string]**process{"api": &each.api, "validator": &each.validator,
			"reconciler": &each.reconciler} {
			*started = startProcess(t, filepath.Join(each.programs, function), v.env)
		}
	}
	return v
}

// openStores puts a bucket that can do everything in the place of the memory's, and a queue beside it.
func (v *versions) openStores(t *testing.T) {
	t.Helper()
	bucket, err := locals3.Open(t.Context(), locals3.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0", Region: region,
		AccessKey: cloudAccessKey, SecretKey: cloudSecretKey, Bucket: cloudBucket, QuarantinePrefix: "quarantine/",
		Created: func(_ context.Context, c arrival.Created) error {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.arrived[upload.Key(c.Key)] = append(v.arrived[upload.Key(c.Key)], c)
			return nil
		}})
	check(t, err)
	t.Cleanup(func() { _ = bucket.Close(context.WithoutCancel(t.Context())) })
	queues, err := localsqs.Open(t.Context(), localsqs.Options{Path: filepath.Join(t.TempDir(), "queue"),
		Listen: "127.0.0.1:0", Region: region, AccessKey: cloudAccessKey, SecretKey: cloudSecretKey})
	check(t, err)
	t.Cleanup(func() { _ = queues.Close(context.WithoutCancel(t.Context())) })
	check(t, queues.CreateQueue(t.Context(), "uploads", nil))
	v.queue = queues.QueueURL("uploads")
	keys := credentials.NewStaticCredentialsProvider(cloudAccessKey, cloudSecretKey, "")
	v.objects = s3.New(s3.Options{BaseEndpoint: aws.String(bucket.URL()), Region: region, Credentials: keys,
		UsePathStyle: true})
	v.queues = sqs.New(sqs.Options{BaseEndpoint: aws.String(queues.URL()), Region: region, Credentials: keys})
	// Five seconds after its bytes came, the reconciler sends an upload again.
	v.env = append(v.env, "AWS_ENDPOINT_URL_S3="+bucket.URL(), "AWS_ENDPOINT_URL_SQS="+queues.URL(),
		"HATCHERY_QUEUE_URL="+v.queue, "HATCHERY_VISIBILITY_SECONDS=1", "HATCHERY_MAX_RECEIVES=5",
		"HATCHERY_POLICY="+versionsPolicy)
}

// picture is another one each time, of a kilobyte or so.
func (v *versions) picture(t *testing.T) []byte {
	t.Helper()
	v.pictures++
	return noise(t, 20+v.pictures, 20)
}

// asks sends the version's API a request. Headers are pairs.
func (e *version) asks(t *testing.T, method, target string, body []byte, headers ...string) apiReply {
	t.Helper()
	if e.deployed != nil {
		a, err := entry{stack: e.deployed, token: "Bearer demo"}.call(t.Context(), method, target, body, headers...)
		check(t, err)
		return apiReply{StatusCode: a.status, Body: string(a.body)}
	}
	path, query, _ := strings.Cut(target, "?")
	event := events.APIGatewayV2HTTPRequest{Version: "2.0", RouteKey: "$default", RawPath: path, RawQueryString: query,
		Headers: map[string]string{"authorization": "Bearer demo", "content-length": fmt.Sprint(len(body))},
		Body:    base64.StdEncoding.EncodeToString(body), IsBase64Encoded: true}
	event.RequestContext.HTTP = events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: method, Path: path,
		Protocol: "HTTP/1.1", SourceIP: "203.0.113.7"}
	for i := 0; i+1 < len(headers); i += 2 {
		event.Headers[headers[i]] = headers[i+1]
	}
	text, err := json.Marshal(event)
	check(t, err)
	reply, _ := e.api.invoke(t, text)
	return httpReply(reply)
}

func pathOf(r upload.Ref, more ...string) string {
	parts := []string{"/files", string(r.Journal), "entries", string(r.Entry), string(r.Kind)}
	if r.ID != "" {
		parts = append(parts, string(r.ID))
	}
	return strings.Join(append(parts, more...), "/")
}

// answered reads a reply that has to have this status.
func answered(t *testing.T, r apiReply, status int, into any) {
	t.Helper()
	if r.StatusCode != status {
		t.Fatalf("want %d, but: %d %s", status, r.StatusCode, r.body())
	}
	if into != nil {
		check(t, json.Unmarshal(r.body(), into))
	}
}

// sends posts a picture, and gives the reply as well as the upload, which is nil when it was refused.
func (e *version) sends(t *testing.T, into upload.Ref, body []byte, headers ...string) (*uploaded, apiReply) {
	t.Helper()
	r := e.asks(t, http.MethodPost, pathOf(into)+"?name=cat.png", body, append([]string{"content-type", "image/png"},
		headers...)...)
	if r.StatusCode != http.StatusAccepted {
		return nil, r
	}
	var made record
	answered(t, r, http.StatusAccepted, &made)
	return e.keep(into, made, body), r
}

// keep notes an upload that this version made; nil when another request had made it.
func (e *version) keep(in upload.Ref, made record, body []byte) *uploaded {
	in.ID = upload.ID(made.ID)
	for _, u := range e.uploads {
		if u.Ref == in {
			return nil
		}
	}
	u := &uploaded{Ref: in, body: body, status: upload.Pending, wrote: e}
	e.uploads = append(e.uploads, u)
	return u
}

// accepts is sends of what has to be accepted.
func (e *version) accepts(t *testing.T, into upload.Ref, body []byte, headers ...string) *uploaded {
	t.Helper()
	u, r := e.sends(t, into, body, headers...)
	if u == nil {
		t.Fatalf("%s answered a POST with %d %s", e.name, r.StatusCode, r.body())
	}
	return u
}

// signs gives a form, whose upload is pending without bytes.
func (e *version) signs(t *testing.T, into upload.Ref, body []byte, headers ...string) (*uploaded, signedForm) {
	t.Helper()
	asked, err := json.Marshal(map[string]any{"name": "cat.png", "size": len(body), "sha256": hexSum(body)})
	check(t, err)
	var form signedForm
	answered(t, e.asks(t, http.MethodPost, pathOf(into, "uploads"), asked, append([]string{"content-type",
		"application/json"}, headers...)...), http.StatusCreated, &form)
	return e.keep(into, form.Record, body), form
}

// messagesOf is a batch with what the bucket sent about uploads.
func (v *versions) messagesOf(t *testing.T, of ...*uploaded) events.SQSEvent {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	var batch events.SQSEvent
	for _, u := range of {
		for _, c := range v.arrived[upload.DefaultLayout.QuarantineKey(u.Ref)] {
			body, err := arrival.Format(c)
			check(t, err)
			batch.Records = append(batch.Records, events.SQSMessage{MessageId: fmt.Sprintf("%s %s", u.ID, c.VersionID),
				Body: string(body), EventSource: "aws:sqs", Attributes: map[string]string{"ApproximateReceiveCount": "1"}})
		}
	}
	return batch
}

// handles hands the version's validator a batch, each message of which it has to be done with.
func (e *version) handles(t *testing.T, batch events.SQSEvent) {
	t.Helper()
	for some := range slices.Chunk(batch.Records, 10) {
		event, err := json.Marshal(events.SQSEvent{Records: some})
		check(t, err)
		if reply, _ := e.validator.invoke(t, event); string(reply) != allJudged {
			t.Errorf("the validator of %s: %s", e.name, reply)
		}
	}
}

// judges hands over the messages of uploads, all of which have to become this.
func (e *version) judges(t *testing.T, want upload.Status, of ...*uploaded) {
	t.Helper()
	e.handles(t, e.messagesOf(t, of...))
	for _, u := range of {
		u.status, u.wrote = want, e
		e.bothSay(t, u)
	}
}

// deletes removes an upload, and has both versions say so.
func (e *version) deletes(t *testing.T, u *uploaded) {
	t.Helper()
	answered(t, e.asks(t, http.MethodDelete, pathOf(u.Ref), nil), http.StatusOK, nil)
	u.status, u.wrote = upload.Deleted, e
	e.bothSay(t, u)
}

// standing is what a version says of an upload now.
func (e *version) standing(t *testing.T, u *uploaded) (r record) {
	t.Helper()
	answered(t, e.asks(t, http.MethodGet, pathOf(u.Ref, "status"), nil), http.StatusOK, &r)
	return r
}

// bothSay compares what the versions that answer say of an upload with each other, and with how it has to stand.
func (v *versions) bothSay(t *testing.T, u *uploaded) {
	t.Helper()
	for _, route := range []string{"", "status", "link"} {
		path := strings.TrimSuffix(pathOf(u.Ref, route), "/")
		a := v.answering[0].asks(t, http.MethodGet, path, nil)
		for _, other := range v.answering[1:] {
			b := other.asks(t, http.MethodGet, path, nil)
			if route == "link" && a.StatusCode == http.StatusOK {
				a.Body, b.Body = "", "" // signed at another time
			}
			for _, r := range []apiReply{a, b} {
				delete(r.Headers, "X-Request-Id")
			}
			if a.StatusCode != b.StatusCode || !bytes.Equal(a.body(), b.body()) || fmt.Sprint(a.Headers) != fmt.Sprint(b.Headers) {
				t.Errorf("GET %s, %s: this version answers %d %v %.300q, and the other %d %v %.300q", path, u.status,
					a.StatusCode, a.Headers, a.body(), b.StatusCode, b.Headers, b.body())
			}
		}
		if route == "" && !u.lost {
			v.serves(t, u, a)
		}
	}
	if got := v.answering[0].standing(t, u); got.Status != string(u.status) {
		t.Errorf("%s is %s (%+v), want %s", u.Ref, got.Status, got.Reason, u.status)
	}
}

// serves: the answer to GET is that of an upload's status, with the very bytes of a stored one.
func (v *versions) serves(t *testing.T, u *uploaded, r apiReply) {
	t.Helper()
	want := map[upload.Status]int{upload.Pending: http.StatusConflict, upload.Stored: http.StatusOK,
		upload.Rejected: http.StatusGone, upload.Deleted: http.StatusNotFound}[u.status]
	if r.StatusCode != want || u.status == upload.Stored && !bytes.Equal(r.body(), u.body) {
		t.Errorf("GET of %s, %s: %d with %d bytes, want %d", u.Ref, u.status, r.StatusCode, len(r.body()), want)
	}
}

// pagesOf gives the ids of one list, page by page: each page by the next of the readers.
func pagesOf(t *testing.T, in upload.Ref, status upload.Status, limit int, readers ...*version) (ids []upload.ID) {
	t.Helper()
	query := url.Values{"status": {string(status)}, "limit": {fmt.Sprint(limit)}}
	for n := 0; ; n++ {
		var page map[string]json.RawMessage
		answered(t, readers[n%len(readers)].asks(t, http.MethodGet, pathOf(in)+"?"+query.Encode(), nil), http.StatusOK,
			&page)
		var records []record
		check(t, json.Unmarshal(page[string(in.Kind)], &records))
		for _, r := range records {
			if r.Status != string(status) {
				t.Errorf("the list of what is %s has one that is %s", status, r.Status)
			}
			ids = append(ids, upload.ID(r.ID))
		}
		var next string
		check(t, json.Unmarshal(page["next_cursor"], &next))
		if next == "" {
			return ids
		}
		query.Set("cursor", next)
	}
}

// reconciles runs a version's reconciler, with a survey.
func (e *version) reconciles(t *testing.T) (report reconcile.Report) {
	t.Helper()
	if survey := json.RawMessage(`{"survey":true}`); e.deployed != nil {
		e.deployed.invoke(t, "ReconcilerFunction", survey, &report)
	} else {
		reply, _ := e.reconciler.invoke(t, survey)
		check(t, json.Unmarshal(reply, &report))
	}
	if report.Failed > 0 || !report.Complete {
		t.Errorf("the reconciler of %s: %+v", e.name, report)
	}
	return report
}

// about are the uploads that a report finds something of.
func (v *versions) about(report reconcile.Report, what reconcile.What) (of []*uploaded) {
	for _, f := range report.Findings {
		for _, u := range v.uploads {
			if f.What == what && f.Upload == u.ID {
				of = append(of, u)
			}
		}
	}
	return of
}

// sentAgain takes the messages out of the queue.
func (v *versions) sentAgain(t *testing.T) (batch events.SQSEvent) {
	t.Helper()
	for {
		out, err := v.queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &v.queue,
			MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"}})
		check(t, err)
		if len(out.Messages) == 0 {
			return batch
		}
		for _, m := range out.Messages {
			message := events.SQSMessage{MessageId: *m.MessageId, Body: *m.Body, EventSource: "aws:sqs",
				Attributes:        map[string]string{"ApproximateReceiveCount": "1"},
				MessageAttributes: map[string]events.SQSMessageAttribute{}}
			for name, a := range m.MessageAttributes {
				message.MessageAttributes[name] = events.SQSMessageAttribute{StringValue: a.StringValue, DataType: *a.DataType}
			}
			batch.Records = append(batch.Records, message)
			_, err := v.queues.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &v.queue,
				ReceiptHandle: m.ReceiptHandle})
			check(t, err)
		}
	}
}
