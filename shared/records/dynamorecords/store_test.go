package dynamorecords_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

func TestStoreKeepsTheContract(t *testing.T) {
	w := newHarness(t)
	uploadtest.RunRecords(t, func(t *testing.T, now func() time.Time) upload.Records {
		return dynamorecords.New(w.client, w.newTable(t), dynamorecords.Options{Now: now})
	}, uploadtest.RecordsTraits{Atomic: true})
}

// The package comment says what each call asks for.
func TestCallsAskForWhatIsWritten(t *testing.T) {
	w := newHarness(t)
	s := w.store(w.newTable(t), dynamorecords.Options{}.WithShards(3))
	key := &upload.IdempotencyKey{Scope: "scope", Key: "key", Fingerprint: "print", Expires: w.clock.Now().Add(time.Hour)}
	list := upload.Query{Journal: "journal-1", Entry: "entry_A", Kind: "images", Status: upload.Stored, Limit: 100}
	for _, c := range []struct {
		name string
		call func() error
		want string
	}{
		{"Create", func() error { _, err := s.Create(t.Context(), draft(1), nil); return err }, "PutItem"},
		{"Create with a key", func() error { _, err := s.Create(t.Context(), draft(2), key); return err },
			"TransactWriteItems"},
		{"Get", func() error { _, err := s.Get(t.Context(), draft(1).Ref()); return err }, "GetItem"},
		{"Settle as stored", func() error {
			_, err := s.Update(t.Context(), draft(1).Ref(), upload.Settle(stores(1)))
			return err
		}, "GetItem PutItem"},
		{"Settle as rejected", func() error {
			_, err := s.Update(t.Context(), draft(2).Ref(), upload.Settle(rejects()))
			return err
		}, "GetItem PutItem"},
		{"Reopen", func() error { _, err := s.Update(t.Context(), draft(2).Ref(), upload.Reopen()); return err },
			"GetItem PutItem"},
		{"CountFailure", func() error {
			return upload.NoteFailure(t.Context(), s, draft(2).Ref(), upload.Failure{Message: "slow"})
		}, "GetItem PutItem"},
		{"CountResend", func() error {
			_, err := s.Update(t.Context(), draft(2).Ref(), upload.CountResend(0, w.clock.Now()))
			return err
		}, "GetItem PutItem"},
		{"Settle what was seen", func() error {
			create(t, s, draft(3))
			_, err := settleSeen(t.Context(), s, draft(3), stores(3))
			return err
		}, "PutItem GetItem PutItem"}, // it is created, seen and settled
		{"Settle what was seen with all wishes", func() error {
			create(t, s, draft(4))
			_, err := settleSeen(t.Context(), s, draft(4), unique(atMost(5, stores(4))))
			return err
		}, "PutItem GetItem BatchGetItem Query Query TransactWriteItems"},
		{"Settle what has changed since it was seen", func() error {
			settle := upload.Settle(stores(5))
			settle.Seen = create(t, s, draft(5))
			settle.Seen.Revision = "another"
			_, err := s.Update(t.Context(), draft(5).Ref(), settle)
			return err
		}, "PutItem PutItem GetItem PutItem"},
		{"Settle with all wishes", func() error {
			_, err := s.Update(t.Context(), draft(2).Ref(), upload.Settle(again(unique(atMost(5, stores(2))), rejects())))
			return err
		}, "GetItem BatchGetItem Query Query TransactWriteItems"},
		{"List", func() error { _, err := s.List(t.Context(), list); return err }, "Query"},
		{"Usage", func() error { _, err := s.Usage(t.Context(), list.Journal, list.Entry, list.Kind); return err },
			"Query Query"},
		{"List of pending", func() error {
			_, err := s.List(t.Context(),
				upload.Query{Journal: "journal-1", Entry: "entry_A", Kind: "images", Status: upload.Pending, Limit: 100})
			return err
		}, "Query"},
		{"Scan of pending", func() error {
			if _, err := s.Create(t.Context(), draft(6), nil); err != nil {
				return err
			}
			_, err := s.Scan(t.Context(), upload.ScanQuery{Status: upload.Pending, Cursor: "", Limit: 100})
			return err
		}, "PutItem Query Query Query BatchGetItem"},
		{"Scan of another status", func() error {
			_, err := s.Scan(t.Context(), upload.ScanQuery{Status: upload.Stored, Cursor: "", Limit: 100})
			return err
		}, "Scan"},
		{"Delete", func() error {
			_, err := s.Update(t.Context(), draft(1).Ref(), upload.Delete(w.clock.Now(), w.clock.Now()))
			return err
		}, "GetItem PutItem"},
		{"Delete of an owner", func() error {
			_, err := s.Update(t.Context(), draft(2).Ref(), upload.Delete(w.clock.Now(), w.clock.Now()))
			return err
		},
			"GetItem GetItem TransactWriteItems"},
	} {
		w.way.since()
		if err := c.call(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := strings.Join(w.way.since(), " "); got != c.want {
			t.Errorf("%s asks for %s, want %s", c.name, got, c.want)
		}
	}
}

// DynamoDB removes what has expired days later.
func TestATombstoneThatHasExpiredCountsAsGone(t *testing.T) {
	w := newHarness(t)
	s := w.store(w.newTable(t), dynamorecords.Options{})
	r, forget := create(t, s, draft(1)), w.clock.Now().Add(time.Hour)
	if _, err := s.Update(t.Context(), r.Ref(), upload.Delete(w.clock.Now(), forget)); err != nil {
		t.Fatal(err)
	}
	lists := map[string]func(upload.Cursor, int) (upload.Page, error){
		"List": func(c upload.Cursor, n int) (upload.Page, error) {
			return s.List(t.Context(),
				upload.Query{Journal: r.Journal, Entry: r.Entry, Kind: r.Kind, Status: upload.Deleted, Cursor: c, Limit: n})
		},
		"Scan of a status": func(c upload.Cursor, n int) (upload.Page, error) {
			return s.Scan(t.Context(), upload.ScanQuery{Status: upload.Deleted, Cursor: c, Limit: n})
		},
		"Scan": func(c upload.Cursor, n int) (upload.Page, error) {
			return s.Scan(t.Context(), upload.ScanQuery{Cursor: c, Limit: n})
		},
	}
	lie := func(want int) {
		t.Helper()
		for name, list := range lists {
			if got := rest(t, 10, list); len(got) != want {
				t.Errorf("%s gives %d records, want %d", name, len(got), want)
			}
		}
	}

	w.clock.Pass(time.Hour - time.Microsecond)
	if got := status(t, s, r); got != upload.Deleted {
		t.Errorf("before it expires the record is %q", got)
	}
	_, err := s.Create(t.Context(), r, nil)
	is(t, err, upload.ErrExists, "create before the tombstone expires")
	lie(1)

	w.clock.Pass(time.Second) // the table counts in seconds
	lie(0)
	if got := status(t, s, r); got != "" {
		t.Errorf("after it expired the record is %q", got)
	}
	for name, call := range map[string]func() error{
		"Settle":       func() error { _, err := s.Update(t.Context(), r.Ref(), upload.Settle(stores(1))); return err },
		"Delete":       func() error { _, err := s.Update(t.Context(), r.Ref(), upload.Delete(forget, forget)); return err },
		"Reopen":       func() error { _, err := s.Update(t.Context(), r.Ref(), upload.Reopen()); return err },
		"CountFailure": func() error { return upload.NoteFailure(t.Context(), s, r.Ref(), upload.Failure{}) },
		"CountResend":  func() error { _, err := s.Update(t.Context(), r.Ref(), upload.CountResend(0, forget)); return err },
	} {
		is(t, call(), upload.ErrNotFound, name)
	}
	create(t, s, r)
	if got := status(t, s, r); got != upload.Pending {
		t.Errorf("created again the record is %q", got)
	}
}

func TestAKeyWhoseRecordIsForgottenIsFree(t *testing.T) {
	w := newHarness(t)
	s := w.store(w.newTable(t), dynamorecords.Options{})
	key := &upload.IdempotencyKey{Scope: "scope", Key: "key", Fingerprint: "print",
		Expires: w.clock.Now().Add(24 * time.Hour)}
	if _, err := s.Create(t.Context(), draft(1), key); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(t.Context(), draft(1).Ref(), upload.Delete(w.clock.Now(), w.clock.Now())); err != nil {
		t.Fatal(err)
	}
	w.clock.Pass(time.Minute)
	// Of several that find the key free one takes it.
	ids := make([]upload.ID, 6)
	together(t, len(ids), len(ids), func(i int) error {
		r, err := s.Create(t.Context(), draft(1+i), key)
		ids[i-1] = r.ID
		return err
	})
	if distinct := slices.Compact(slices.Sorted(slices.Values(ids))); len(distinct) != 1 || distinct[0] == draft(1).ID {
		t.Errorf("the key gave the records %v", ids)
	}
}

// An expired key that still lies there does not answer for its record.
func TestAnExpiredKeyAnswersForNothing(t *testing.T) {
	w := newHarness(t)
	s := w.store(w.newTable(t), dynamorecords.Options{})
	key := &upload.IdempotencyKey{Scope: "scope", Key: "key", Fingerprint: "print", Expires: w.clock.Now().Add(time.Hour)}
	if _, err := s.Create(t.Context(), draft(1), key); err != nil {
		t.Fatal(err)
	}
	existing := create(t, s, draft(2))
	w.clock.Pass(time.Hour)
	_, err := s.Create(t.Context(), existing, key)
	is(t, err, upload.ErrExists, "create what exists")
}

// by-status is a moment behind: a record may have been settled since.
func TestARecordSettledMeanwhileIsNotGivenAsPending(t *testing.T) {
	w := newHarness(t)
	s := w.store(w.newTable(t), dynamorecords.Options{})
	a, b := create(t, s, draft(1)), create(t, s, draft(2))
	w.way.plan("BatchGetItem", after(func() { settle(t, s, a, rejects()) }))
	page, err := s.Scan(t.Context(),
		upload.ScanQuery{Status: upload.Pending, Before: b.CreatedAt.Add(time.Hour), Cursor: "", Limit: 10})
	if err != nil || len(page.Records) != 1 || page.Records[0].ID != b.ID {
		t.Errorf("the page is %+v, %v", page.Records, err)
	}
	w.way.met(t)
}

func TestTwoThousandRecordsArePagedWholeAndSpread(t *testing.T) {
	const n = 2000
	w := newHarness(t)
	table := w.newTable(t)
	s := w.store(table, dynamorecords.Options{})
	want := make([]upload.ID, n)
	together(t, 16, n, func(i int) error {
		want[i-1] = draft(i).ID
		_, err := s.Create(t.Context(), draft(i), nil)
		return err
	})
	before := func(s *dynamorecords.Store) func(upload.Cursor, int) (upload.Page, error) {
		return func(c upload.Cursor, limit int) (upload.Page, error) {
			return s.Scan(t.Context(),
				upload.ScanQuery{Status: upload.Pending, Before: draft(n + 1).CreatedAt, Cursor: c, Limit: limit})
		}
	}
	if got := rest(t, 299, before(s)); !slices.Equal(got, want) {
		t.Errorf("the pending records are %d records, or not oldest first", len(got))
	}
	page, err := s.Scan(t.Context(),
		upload.ScanQuery{Status: upload.Pending, Before: draft(200).CreatedAt, Cursor: "", Limit: 100})
	if err != nil || page.Next == "" {
		t.Fatalf("the first page: %q, %v", page.Next, err)
	}
	if page, err := s.Scan(t.Context(),
		upload.ScanQuery{Status: upload.Pending, Before: draft(50).CreatedAt, Cursor: page.Next, Limit: 100}); err != nil ||
		len(page.Records) > 0 || page.Next != "" {
		t.Errorf("beyond an earlier instant there are %d records, %v", len(page.Records), err)
	}
	if got := rest(t, 299, before(w.store(table, dynamorecords.Options{}.WithShards(20)))); !slices.Equal(got, want) {
		t.Errorf("with more shards, PendingBefore gives %d records, or not oldest first", len(got))
	}
	if got := rest(t, 299, func(c upload.Cursor, limit int) (upload.Page, error) {
		return s.Scan(t.Context(), upload.ScanQuery{Status: upload.Pending, Cursor: c, Limit: limit})
	}); !slices.Equal(got, want) {
		t.Errorf("ByStatus gives %d records", len(got))
	}
	all := rest(t, 299, func(c upload.Cursor, limit int) (upload.Page, error) {
		return s.Scan(t.Context(), upload.ScanQuery{Cursor: c, Limit: limit})
	})
	if slices.Sort(all); !slices.Equal(all, want) {
		t.Errorf("All gives %d records", len(all))
	}
	slices.Reverse(want)
	for _, status := range []upload.Status{upload.Pending, ""} {
		got := rest(t, 299, func(c upload.Cursor, limit int) (upload.Page, error) {
			return s.List(t.Context(),
				upload.Query{Journal: "journal-1", Entry: "entry_A", Kind: "images", Status: status, Cursor: c, Limit: limit})
		})
		if !slices.Equal(got, want) {
			t.Errorf("List of status %q gives %d records, or not newest first", status, len(got))
		}
	}
	for shard := range 8 {
		out, err := w.client.Query(t.Context(),
			&dynamodb.QueryInput{TableName: &table, IndexName: aws.String("by-status"), Select: types.SelectCount,
				KeyConditionExpression: aws.String("status_shard = :s"),
				ExpressionAttributeValues: map[string]types.AttributeValue{
					":s": &types.AttributeValueMemberS{Value: fmt.Sprintf("pending#%d", shard)}}})
		if err != nil || out.Count < n/16 || out.Count > n/4 {
			t.Errorf("shard %d has %d of %d records (%v)", shard, out.Count, n, err)
		}
	}
	// One request looks at so many records of the entry and no more, whatever they are.
	settle(t, s, draft(1), rejects())
	w.way.since()
	oldest := upload.Query{Journal: "journal-1", Entry: "entry_A", Kind: "images", Status: upload.Rejected, Limit: 10}
	first, err := s.List(t.Context(), oldest)
	if err != nil || len(first.Records) > 0 || first.Next == "" {
		t.Errorf("the first page of the rejected has %d records, next %q, %v", len(first.Records), first.Next, err)
	}
	oldest.Cursor = first.Next
	second, err := s.List(t.Context(), oldest)
	if err != nil || len(second.Records) != 1 || second.Next != "" {
		t.Errorf("the second page of the rejected has %d records, next %q, %v", len(second.Records), second.Next, err)
	}
	if asked := w.way.since(); times(asked, "Query") != 2 || len(asked) != 2 {
		t.Errorf("two pages asked for %v", asked)
	}
	if usage, err := s.Usage(t.Context(), "journal-1", "entry_A", "images"); err != nil || usage.Files != upload.MaxPage {
		t.Errorf("of %d pending, %d count, %v", n-1, usage.Files, err)
	}
}

// Copied records may have the same id in several entries, and the same instant.
func TestRecordsThatDifferInTheirEntryAloneAreAllGiven(t *testing.T) {
	w := newHarness(t)
	s := w.store(w.newTable(t), dynamorecords.Options{}.WithShards(1))
	for i := range 5 {
		r := draft(1)
		r.Entry = upload.Entry(fmt.Sprintf("entry-%d", i))
		create(t, s, r)
	}
	for _, limit := range []int{1, 2, 10} {
		got := rest(t, limit, func(c upload.Cursor, limit int) (upload.Page, error) {
			return s.Scan(t.Context(),
				upload.ScanQuery{Status: upload.Pending, Before: draft(2).CreatedAt, Cursor: c, Limit: limit})
		})
		if len(got) != 5 {
			t.Errorf("in pages of %d PendingBefore gives %d records of 5", limit, len(got))
		}
	}
}

func TestAListOfAnyStatusIsInOneOrder(t *testing.T) {
	w := newHarness(t)
	s := w.store(w.newTable(t), dynamorecords.Options{})
	var want []upload.ID
	for i := range 12 {
		r := create(t, s, draft(i))
		want = append(want, r.ID)
		switch i % 4 {
		case 1:
			settle(t, s, r, stores(i))
		case 2:
			settle(t, s, r, rejects())
		case 3:
			if _, err := s.Update(t.Context(), r.Ref(), upload.Delete(w.clock.Now(), w.clock.Now().Add(time.Hour))); err != nil {
				t.Fatal(err)
			}
		}
	}
	slices.Reverse(want)
	for _, limit := range []int{1, 3, 100} {
		got := rest(t, limit, func(c upload.Cursor, limit int) (upload.Page, error) {
			return s.List(t.Context(),
				upload.Query{Journal: "journal-1", Entry: "entry_A", Kind: "images", Cursor: c, Limit: limit})
		})
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %d the list is %v, want %v", limit, got, want)
		}
	}
}

// Other items lie among the records.
func TestAllPassesOverEverythingElse(t *testing.T) {
	w := newHarness(t)
	s := w.store(w.newTable(t), dynamorecords.Options{})
	for i := range 150 {
		key := &upload.IdempotencyKey{Scope: "scope", Key: fmt.Sprint(i), Fingerprint: "print",
			Expires: w.clock.Now().Add(time.Hour)}
		if _, err := s.Create(t.Context(), draft(i), key); err != nil {
			t.Fatal(err)
		}
	}
	got := rest(t, 7, func(c upload.Cursor, limit int) (upload.Page, error) {
		return s.Scan(t.Context(), upload.ScanQuery{Cursor: c, Limit: limit})
	})
	if slices.Sort(got); len(slices.Compact(got)) != 150 {
		t.Errorf("All gives %d records of 150", len(got))
	}
}

func TestAMadeUpCursorStaysWithinItsList(t *testing.T) {
	w := newHarness(t)
	s := w.store(w.newTable(t), dynamorecords.Options{})
	own, other := create(t, s, draft(1)), draft(2)
	create(t, s, draft(3))
	other.Entry = "entry_B"
	create(t, s, other)
	query := upload.Query{Journal: own.Journal, Entry: own.Entry, Kind: own.Kind, Status: upload.Pending, Limit: 1}
	page, err := s.List(t.Context(), query)
	if err != nil || page.Next == "" {
		t.Fatalf("the first page: %+v, %v", page, err)
	}
	query.Cursor, query.Entry = page.Next, other.Entry
	_, err = s.List(t.Context(), query)
	is(t, err, upload.ErrBadCursor, "the cursor in another entry")
	query.Entry = own.Entry
	for i := range len(page.Next) {
		changed := []byte(page.Next)
		changed[i] = "Az"[i%2]
		query.Cursor = upload.Cursor(changed)
		page, err := s.List(t.Context(), query)
		if err != nil {
			is(t, err, upload.ErrBadCursor, fmt.Sprintf("cursor %s", changed))
		}
		for _, r := range page.Records {
			if r.Entry != own.Entry {
				t.Errorf("cursor %s gives a record of %s", changed, r.Entry)
			}
		}
	}
}

func TestARecordThatIsTooLargeIsRefused(t *testing.T) {
	w := newHarness(t)
	s := w.store(w.newTable(t), dynamorecords.Options{})
	r := draft(1)
	r.Declared.Type = strings.Repeat("x", 70_000)
	if _, err := s.Create(t.Context(), r, nil); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a record of 70,000 bytes: %v", err)
	}
	r = create(t, s, draft(2))
	v := rejects()
	v.Reason.Message = strings.Repeat("x", 70_000)
	if _, err := s.Update(t.Context(), r.Ref(), upload.Settle(v)); err == nil || status(t, s, r) != upload.Pending {
		t.Errorf("a reason of 70,000 bytes: %v", err)
	}
}

// What DynamoDB would not take as a key cannot be there.
func TestARefThatIsTooLongIsNotFound(t *testing.T) {
	w := newHarness(t)
	s := w.store(w.newTable(t), dynamorecords.Options{})
	for _, ref := range []upload.Ref{{Journal: upload.Journal(strings.Repeat("j", 3000)), Entry: "e", Kind: "images",
		ID: "x"},
		{Journal: "j", Entry: "e", Kind: "images", ID: upload.ID(strings.Repeat("/", 500))}} {
		_, err := s.Get(t.Context(), ref)
		is(t, err, upload.ErrNotFound, "get")
		page, err := s.List(t.Context(),
			upload.Query{Journal: ref.Journal, Entry: ref.Entry, Kind: ref.Kind, Status: upload.Pending, Limit: 1})
		if err != nil || len(page.Records) > 0 {
			t.Errorf("its list gives %d records, %v", len(page.Records), err)
		}
	}
}

func TestADamagedItemIsAnErrorThatNamesIt(t *testing.T) {
	w := newHarness(t)
	table := w.newTable(t)
	s := w.store(table, dynamorecords.Options{})
	for name, damage := range map[string]types.AttributeValue{
		"status": &types.AttributeValueMemberS{Value: "lost"}, "created_at": &types.AttributeValueMemberS{Value: "yesterday"},
		"size": &types.AttributeValueMemberN{Value: "1e99"}, "name": &types.AttributeValueMemberN{Value: "7"},
		"failures": &types.AttributeValueMemberS{Value: "7"}} {
		r := draft(len(name))
		item := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "e#journal-1/entry_A/images"},
			"sk":         &types.AttributeValueMemberS{Value: "r#" + string(r.ID)},
			"status":     &types.AttributeValueMemberS{Value: "pending"},
			"created_at": &types.AttributeValueMemberS{Value: "2026-01-02T03:04:05.000000Z"}, name: damage}
		if _, err := w.client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item}); err != nil {
			t.Fatal(err)
		}
		_, err := s.Get(t.Context(), r.Ref())
		if err == nil || !strings.Contains(err.Error(), r.Ref().String()) || !strings.Contains(err.Error(), table) {
			t.Errorf("damaged %s: %v", name, err)
		}
	}
}

func TestAMissingTableIsSaid(t *testing.T) {
	w := newHarness(t)
	_, err := w.store("not-there", dynamorecords.Options{}).Get(t.Context(), draft(1).Ref())
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); !ok || !strings.Contains(err.Error(), "not-there") {
		t.Errorf("error is %v", err)
	}
	if asked := w.way.since(); len(asked) != 1 {
		t.Errorf("it asked %v", asked)
	}
}

// What one page takes is a few seconds at most, however slow the way is and however seldom what is looked for.
func TestAScanForWhatIsRareGoesOnOverASlowWay(t *testing.T) {
	w := newHarness(t)
	table := w.newTable(t)
	s := w.store(table, dynamorecords.Options{})
	const others = 30
	for n := range others {
		settle(t, s, create(t, s, draft(n)), stores(n))
	}
	rare := settle(t, s, create(t, s, draft(others)), rejects())
	s = w.store(table, dynamorecords.Options{}.WithPatience(400*time.Millisecond))
	slow := after(func() { <-time.After(40 * time.Millisecond) })
	w.way.plan("Scan", slices.Repeat([]fault{slow}, others+2)...)
	var found []upload.Record
	for cursor := upload.Cursor(""); ; {
		page, err := s.Scan(t.Context(), upload.ScanQuery{Status: upload.Rejected, Cursor: cursor, Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, page.Records...)
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	if len(found) != 1 || found[0].ID != rare.ID {
		t.Errorf("found %+v", found)
	}
}
