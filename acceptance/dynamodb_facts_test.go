//go:build acceptance

package acceptance

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"

	"hatchery/shared/local"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// What the plain tests' DynamoDB, which is not AWS's, does not do.

// draftOf makes a pending record, a second younger for each number.
func draftOf(n int) upload.Record {
	return upload.Record{ID: upload.ID(fmt.Sprintf("019a0000-0000-7000-8000-%012x", n)),
		Journal: "journal-1", Entry: "entry_A", Kind: "images", Name: "cat", Extension: "png", Status: upload.Pending,
		CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(n) * time.Second)}
}

// losing loses the next answer to a transaction that was carried out.
type losing struct{ next atomic.Bool }

func (l *losing) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := http.DefaultTransport.RoundTrip(r)
	transaction := strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".TransactWriteItems")
	if err == nil && transaction && l.next.CompareAndSwap(true, false) {
		return nil, errors.Join(errors.New("connection reset by peer"), answer.Body.Close())
	}
	return answer, err
}

// DynamoDB remembers the token of a transaction for ten minutes, and answers for it again.
func TestATransactionWhoseAnswerWasLostIsMadeOnce(t *testing.T) {
	way := &losing{}
	client := dynamodb.New(serveDynamoDBLocal(t).Options(), func(o *dynamodb.Options) {
		o.HTTPClient = &http.Client{Transport: way}
	})
	at, forget := time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC), time.Now().AddDate(1, 0, 0).UTC().Truncate(time.Second)
	r, v := draftOf(1), judged(1, "files-v1")
	v.At, v.Unique, v.MaxFiles = at, true, 1
	stored := v.Apply(r)
	ctx := t.Context()
	once := &upload.IdempotencyKey{Scope: "scope", Key: "key", Fingerprint: "print", Expires: time.Now().Add(time.Hour)}
	type call func(*dynamorecords.Store) (upload.Record, error)
	create := func(s *dynamorecords.Store) (upload.Record, error) { return s.Create(ctx, r, nil) }
	settle := func(s *dynamorecords.Store) (upload.Record, error) { return s.Update(ctx, r.Ref(), upload.Settle(v)) }
	remove := func(s *dynamorecords.Store) (upload.Record, error) {
		return s.Update(ctx, r.Ref(), upload.Delete(at, forget))
	}
	for i, c := range []struct {
		name   string
		before []call
		call   call
		want   upload.Record
	}{
		{"Create under a key", nil, func(s *dynamorecords.Store) (upload.Record, error) { return s.Create(ctx, r, once) }, r},
		{"Settle with all wishes", []call{create}, settle, stored},
		{"Delete of an owner", []call{create, settle}, remove, uploadtest.After(upload.Delete(at, forget), stored)},
	} {
		t.Run(c.name, func(t *testing.T) {
			table := fmt.Sprintf("lost-%d", i)
			check(t, makeTable(t, client, table))
			s := dynamorecords.New(client, table, dynamorecords.Options{Now: time.Now})
			for _, call := range c.before {
				_, err := call(s)
				check(t, err)
			}
			way.next.Store(true)
			got, err := c.call(s)
			if err != nil || way.next.Load() {
				t.Fatalf("%v; an answer is still to be lost: %t", err, way.next.Load())
			}
			stands, err := s.Get(ctx, r.Ref())
			stands.Revision = "" // which no record has that was not read
			if err != nil || !reflect.DeepEqual(got, c.want) || !reflect.DeepEqual(stands, c.want) {
				t.Errorf("gave %+v\nand has %+v, %v\nwant     %+v", got, stands, err, c.want)
			}
		})
	}
}

// What dynamorecords takes for its own transaction, or a change of it.
func TestATokenAnswersForItsTransactionAlone(t *testing.T) {
	client := serveDynamoDBLocal(t)
	check(t, makeTable(t, client, "tokens"))
	put := func(sk string) error {
		_, err := client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{
			ClientRequestToken: aws.String("token"),
			TransactItems: []types.TransactWriteItem{{Put: &types.Put{TableName: aws.String("tokens"), Item: keyOf("e#a", sk),
				ConditionExpression: aws.String("attribute_not_exists(pk)")}}}})
		return err
	}
	check(t, put("r#1"))
	check(t, put("r#1"))
	err := put("r#2")
	if _, ok := errors.AsType[*types.IdempotentParameterMismatchException](err); !ok {
		t.Errorf("another transaction with its token: %v", err)
	}
}

func attr(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func keyOf(pk, sk string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"pk": attr(pk), "sk": attr(sk)}
}

// The bounds that dynamorecords refuses keys by before it asks, and the range that it
// does not ask for.
func TestKeysAreBoundedAsTheRecordsAssume(t *testing.T) {
	client := serveDynamoDBLocal(t)
	check(t, makeTable(t, client, "keys"))
	invalid := func(err error) bool {
		failure, ok := errors.AsType[smithy.APIError](err)
		return ok && failure.ErrorCode() == "ValidationException"
	}
	for _, c := range []struct {
		pk, sk int
		taken  bool
	}{{2048, 1024, true}, {2049, 1, false}, {1, 1025, false}} {
		_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("keys"),
			Item: keyOf(strings.Repeat("p", c.pk), strings.Repeat("s", c.sk))})
		if c.taken != (err == nil) || !c.taken && !invalid(err) {
			t.Errorf("keys of %d and %d bytes: %v", c.pk, c.sk, err)
		}
	}
	_, err := client.Query(t.Context(), &dynamodb.QueryInput{TableName: aws.String("keys"),
		KeyConditionExpression:    aws.String("pk = :p AND sk BETWEEN :b AND :a"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":p": attr("p"), ":a": attr("a"), ":b": attr("b")}})
	if !invalid(err) {
		t.Errorf("a range that ends before it begins: %v", err)
	}
}

// DynamoDB answers with 1 MB at most. The entry's long name makes what an index holds of a
// record long, too.
func TestWhatIsLongerThanAPageOfDynamoDBIsReadWhole(t *testing.T) {
	const each, pages = 700, 299
	client := serveDynamoDBLocal(t)
	check(t, makeTable(t, client, "pages"))
	s := dynamorecords.New(client, "pages", dynamorecords.Options{Now: time.Now})
	draft := func(n int) upload.Record {
		r := draftOf(n)
		r.Entry = upload.Entry(strings.Repeat("e", 1900))
		return r
	}
	work, ctx := errgroup.WithContext(t.Context())
	work.SetLimit(16)
	var pending, stored []upload.ID
	for n := range 2 * each {
		r := draft(n)
		if n < each {
			stored = append(stored, r.ID)
		} else {
			pending = append(pending, r.ID)
		}
		work.Go(func() error {
			_, err := s.Create(ctx, r, nil)
			if err == nil && n < each {
				_, err = s.Update(ctx, r.Ref(), upload.Settle(judged(n, "files-v1")))
			}
			return err
		})
	}
	check(t, work.Wait())

	r := draft(0)
	usage, err := s.Usage(t.Context(), r.Journal, r.Entry, r.Kind)
	// All that is stored, and what is pending among as many records as DynamoDB reads at once: some 490 of these.
	if err != nil || usage.Bytes != each*100_000 || usage.Files < each+400 || usage.Files > 2*each {
		t.Errorf("the entry holds %+v, %v", usage, err)
	}
	whole := func(what string, want []upload.ID, page func(upload.Cursor) (upload.Page, error)) {
		t.Helper()
		var got []upload.ID
		for cursor := upload.Cursor(""); len(got) == 0 || cursor != ""; {
			p, err := page(cursor)
			check(t, err)
			if cursor = p.Next; len(p.Records) == 0 && cursor == "" {
				break
			}
			for _, r := range p.Records {
				got = append(got, r.ID)
			}
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s gives %d records of %d", what, len(got), len(want))
		}
	}
	whole("List", stored, func(c upload.Cursor) (upload.Page, error) {
		return s.List(t.Context(), upload.Query{Journal: r.Journal, Entry: r.Entry, Kind: r.Kind, Status: upload.Stored,
			Cursor: c, Limit: pages})
	})
	whole("List of pending", pending, func(c upload.Cursor) (upload.Page, error) {
		return s.List(t.Context(), upload.Query{Journal: r.Journal, Entry: r.Entry, Kind: r.Kind, Status: upload.Pending,
			Cursor: c, Limit: pages})
	})
	whole("Scan of stored", stored, func(c upload.Cursor) (upload.Page, error) {
		return s.Scan(t.Context(), upload.ScanQuery{Status: upload.Stored, Cursor: c, Limit: pages})
	})
	whole("PendingBefore", pending, func(c upload.Cursor) (upload.Page, error) {
		return s.Scan(t.Context(),
			upload.ScanQuery{Status: upload.Pending, Before: draft(3 * each).CreatedAt, Cursor: c, Limit: pages})
	})
	whole("All", slices.Concat(stored, pending), func(c upload.Cursor) (upload.Page, error) {
		return s.Scan(t.Context(), upload.ScanQuery{Cursor: c, Limit: pages})
	})
	// One more with the bytes of the first stored one, and one more than the bound.
	v := judged(0, "files-v1")
	v.Unique = true
	if _, err := s.Update(t.Context(), draft(each).Ref(), upload.Settle(v)); !errors.Is(err, upload.ErrDuplicate) {
		t.Errorf("the same bytes: %v", err)
	}
	v = judged(3*each, "files-v1")
	v.MaxFiles = each
	if _, err := s.Update(t.Context(), draft(each).Ref(), upload.Settle(v)); !errors.Is(err, upload.ErrOverQuota) {
		t.Errorf("one more than the bound: %v", err)
	}
}

func TestATableIsMadeOnceAndForgets(t *testing.T) {
	client := serveDynamoDBLocal(t)
	for range 2 {
		check(t, local.MakeTable(t.Context(), client))
	}
	in := &dynamodb.DescribeTimeToLiveInput{TableName: aws.String(local.Table)}
	out, err := client.DescribeTimeToLive(t.Context(), in)
	check(t, err)
	ttl := out.TimeToLiveDescription
	if ttl.TimeToLiveStatus != types.TimeToLiveStatusEnabled || aws.ToString(ttl.AttributeName) != "forget" {
		t.Errorf("%+v", ttl)
	}
}

// A dev that is told of a DynamoDB keeps the records there.
func TestDevKeepsItsRecordsInDynamoDBLocal(t *testing.T) {
	program := devProgram(t)
	args := []string{"--data", filepath.Join(t.TempDir(), "data"),
		"--dynamodb", *serveDynamoDBLocal(t).Options().BaseEndpoint}
	callerOf := func(ready devReady) entry {
		client := &http.Client{Timeout: time.Minute}
		return entry{stack: &stack{emulator: &emulator{http: client}, api: ready.API},
			journal: "journal", id: "entry", token: "demo"}
	}
	dev, ready := startDev(t, program, args...)
	form, err := callerOf(ready).form(t.Context(), "images", map[string]any{"name": "cat.png"})
	check(t, err)
	dev.end()
	_, ready = startDev(t, program, args...)
	var found record
	e := callerOf(ready)
	_, err = e.want(t.Context(), http.StatusOK, &found, http.MethodGet, e.path("images", form.Record.ID, "status"), nil)
	if err != nil || found.ID != form.Record.ID || found.ID == "" {
		t.Errorf("%+v, %v", found, err)
	}
}
