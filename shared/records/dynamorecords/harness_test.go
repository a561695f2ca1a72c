package dynamorecords_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hatchery/shared/local/localdynamo"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// harness is an endpoint with a way to it on which things go wrong.
type harness struct {
	t      testing.TB
	client *dynamodb.Client
	way    *way
	clock  *uploadtest.Clock // the stores'
	tables atomic.Int64
}

func newHarness(t testing.TB) *harness {
	t.Helper()
	w := &harness{t: t, way: &way{}, clock: uploadtest.NewClock(time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC))}
	server, err := localdynamo.Open(t.Context(), localdynamo.Options{Listen: "127.0.0.1:0", Region: "eu-south-1",
		AccessKey: "key", SecretKey: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 32}
	w.way.transport = transport
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := server.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	w.client = dynamodb.New(dynamodb.Options{Region: "eu-south-1", BaseEndpoint: aws.String(server.URL()),
		HTTPClient:  &http.Client{Transport: w.way},
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")})
	return w
}

// newTable makes an empty table.
func (w *harness) newTable(t testing.TB) string {
	t.Helper()
	table := fmt.Sprintf("records-%d", w.tables.Add(1))
	if _, err := w.client.CreateTable(t.Context(), dynamorecords.TableInput(table)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.UpdateTimeToLive(t.Context(), dynamorecords.TimeToLiveInput(table)); err != nil {
		t.Fatal(err)
	}
	return table
}

// store is one process's store of a table. It does not wait before it asks again,
// unless o says how.
func (w *harness) store(table string, o dynamorecords.Options) *dynamorecords.Store {
	if o.Now == nil {
		o.Now = w.clock.Now
	}
	return dynamorecords.New(w.client, table, o.WithoutWaits())
}

// fault is what happens to one request: it may be answered by the fault itself,
// or be let through.
type fault func(w *way, r *http.Request) (*http.Response, error)

// way is the transport to the endpoint. It counts the requests by their
// operation and lets the next ones meet what was planned for them.
type way struct {
	transport http.RoundTripper

	mu      sync.Mutex
	asked   []string
	planned map[string][]fault
}

func (w *way) RoundTrip(r *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	w.mu.Lock()
	w.asked = append(w.asked, operation)
	var next fault
	if waiting := w.planned[operation]; len(waiting) > 0 {
		next, w.planned[operation] = waiting[0], waiting[1:]
	}
	w.mu.Unlock()
	if next != nil {
		return next(w, r)
	}
	return w.transport.RoundTrip(r)
}

// plan has the next requests of an operation meet faults.
func (w *way) plan(operation string, faults ...fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.planned == nil {
		w.planned = map[string][]fault{}
	}
	w.planned[operation] = append(w.planned[operation], faults...)
}

// since gives the operations that were asked for since the last call of it, and
// forgets what was planned and not met.
func (w *way) since() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := w.asked
	w.asked, w.planned = nil, nil
	return asked
}

// met fails the test when something that was planned has not happened.
func (w *way) met(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for operation, faults := range w.planned {
		if len(faults) > 0 {
			t.Errorf("%d %s were never asked for", len(faults), operation)
		}
	}
}

// lost carries the request out and loses the answer.
func lost(w *way, r *http.Request) (*http.Response, error) {
	if err := carriedOut(w, r); err != nil {
		return nil, err
	}
	return nil, errors.New("connection reset by peer")
}

// late carries the request out and does not answer in time.
func late(w *way, r *http.Request) (*http.Response, error) {
	if err := carriedOut(w, r); err != nil {
		return nil, err
	}
	return nil, context.DeadlineExceeded
}

// silent never answers.
func silent(_ *way, r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// brokenOff carries the request out and breaks the answer off.
func brokenOff(w *way, r *http.Request) (*http.Response, error) {
	answer, err := w.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer.Body.Close()
	answer.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), failing{}))
	return answer, nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func carriedOut(w *way, r *http.Request) error {
	answer, err := w.transport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s %w", answer.Status, text, err)
	}
	return nil
}

// then does a fault's work and something after it.
func (f fault) then(more func()) fault {
	return func(w *way, r *http.Request) (*http.Response, error) {
		answer, err := f(w, r)
		more()
		return answer, err
	}
}

// after does something before the request goes on as usual.
func after(more func()) fault {
	return func(w *way, r *http.Request) (*http.Response, error) {
		more()
		return w.transport.RoundTrip(r)
	}
}

// refused answers with an error of DynamoDB, and carries nothing out.
func refused(status int, code string, more ...string) fault {
	body := fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"no","Message":"no"%s}`, code,
		strings.Join(more, ""))
	return func(_ *way, r *http.Request) (*http.Response, error) { return reply(r, status, body), nil }
}

// canceled is a transaction that failed for reasons.
func canceled(codes ...string) fault {
	var reasons []map[string]string
	for _, code := range codes {
		reasons = append(reasons, map[string]string{"Code": code})
	}
	text, _ := json.Marshal(reasons)
	return refused(http.StatusBadRequest, "TransactionCanceledException", `,"CancellationReasons":`, string(text))
}

func reply(r *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Status: http.StatusText(status), ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, ContentLength: int64(len(body)),
		Body: io.NopCloser(strings.NewReader(body))}
}

// draft makes a pending record, a second younger for each number.
func draft(n int) upload.Record {
	return upload.Record{ID: upload.ID(fmt.Sprintf("019a0000-0000-7000-8000-%012x", n)), Journal: "journal-1",
		Entry: "entry_A", Kind: "images",
		Name: "cat", Extension: "png",
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(n) * time.Second), Status: upload.Pending,
		Declared: upload.Declared{Size: 123456, Type: "image/png"}}
}

// stores is a verdict with bytes of its own for each number.
func stores(n int) upload.Verdict {
	return upload.Verdict{Status: upload.Stored, Version: "quarantine-v1",
		At: time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC), Size: 1000,
		ContentType: "image/png", SHA256: fmt.Sprintf("%064x", n), Served: "files-v1"}
}

func rejects() upload.Verdict {
	return upload.Verdict{Status: upload.Rejected, Version: "quarantine-v1",
		At:     time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC),
		Reason: &upload.Reason{Code: upload.TypeMismatch, Message: "This is no picture."}}
}

func unique(v upload.Verdict) upload.Verdict {
	v.Unique = true
	return v
}

func atMost(files int64, v upload.Verdict) upload.Verdict {
	v.MaxFiles = files
	return v
}

func create(t testing.TB, s *dynamorecords.Store, r upload.Record) upload.Record {
	t.Helper()
	if _, err := s.Create(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	return r
}

func settle(t testing.TB, s *dynamorecords.Store, r upload.Record, v upload.Verdict) upload.Record {
	t.Helper()
	settled, err := s.Update(t.Context(), r.Ref(), upload.Settle(v))
	if err != nil {
		t.Fatal(err)
	}
	return settled
}

// status is the record's, "" when there is none.
func status(t testing.TB, s *dynamorecords.Store, r upload.Record) upload.Status {
	t.Helper()
	found, err := s.Get(t.Context(), r.Ref())
	if errors.Is(err, upload.ErrNotFound) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return found.Status
}

func is(t testing.TB, err, want error, what string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error is %v, want %v", what, err, want)
	}
}

// claims are the sort keys of everything in the table that is no record, and what
// owns it.
func (w *harness) claims(t testing.TB, table string) map[string]string {
	t.Helper()
	out, err := w.client.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]string{}
	for _, i := range out.Items {
		sk := i["sk"].(*types.AttributeValueMemberS).Value
		if owner, ok := i["owner"].(*types.AttributeValueMemberS); ok {
			claims[sk] = owner.Value
		}
	}
	return claims
}

// remove takes a record out of the table behind the store's back.
func (w *harness) remove(t testing.TB, table string, r upload.Record) {
	t.Helper()
	key := map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: fmt.Sprintf("e#%s/%s/%s", r.Journal, r.Entry, r.Kind)},
		"sk": &types.AttributeValueMemberS{Value: "r#" + string(r.ID)}}
	if _, err := w.client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: key}); err != nil {
		t.Fatal(err)
	}
}

// rest reads a list to its end.
func rest(t testing.TB, limit int, page func(upload.Cursor, int) (upload.Page, error)) []upload.ID {
	t.Helper()
	var ids []upload.ID
	var cursor upload.Cursor
	for range 10_000 {
		p, err := page(cursor, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range p.Records {
			ids = append(ids, r.ID)
		}
		if cursor = p.Next; cursor == "" {
			return ids
		}
	}
	t.Fatal("the list does not end")
	return nil
}

// times says how often an operation was asked for.
func times(asked []string, operation string) int {
	n := 0
	for _, a := range asked {
		if a == operation {
			n++
		}
	}
	return n
}

// together calls f n times in all, from several callers.
func together(tb testing.TB, callers, n int, f func(i int) error) {
	tb.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, callers)
	for c := range callers {
		all.Go(func() {
			for errs[c] == nil {
				i := int(next.Add(1))
				if i > n {
					return
				}
				errs[c] = f(i)
			}
		})
	}
	all.Wait()
	if err := errors.Join(slices.DeleteFunc(errs, func(err error) bool { return err == nil })...); err != nil {
		tb.Fatal(err)
	}
}
