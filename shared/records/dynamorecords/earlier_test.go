package dynamorecords_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/upload"
)

// Earlier versions wrote the keys of by-list and by-status for records of every status. testdata/earlier is what such a
// version wrote, and it runs beside this one while a stack is updated or rolled back.

// plantEarlier puts the items of a transition into the table as the earlier version wrote them, for draft n.
func (w *harness) plantEarlier(t *testing.T, table, transition string, n int) upload.Record {
	t.Helper()
	written, err := os.ReadFile(filepath.Join("testdata", "earlier", transition+".json"))
	if err != nil {
		t.Fatal(err)
	}
	written = bytes.ReplaceAll(written, []byte(draft(1).ID), []byte(draft(n).ID))
	var calls []struct {
		Request struct {
			Item          map[string]map[string]any
			TransactItems []struct {
				Put struct{ Item map[string]map[string]any }
			}
		}
	}
	if err := json.Unmarshal(written, &calls); err != nil || len(calls) != 1 {
		t.Fatalf("%d calls, %v", len(calls), err)
	}
	items := []map[string]map[string]any{calls[0].Request.Item}
	for _, i := range calls[0].Request.TransactItems {
		items = append(items, i.Put.Item)
	}
	for _, i := range items {
		if i == nil {
			continue
		}
		put := map[string]types.AttributeValue{}
		for name, value := range i {
			switch {
			case value["S"] != nil:
				put[name] = text(value["S"].(string))
			case value["N"] != nil:
				put[name] = &types.AttributeValueMemberN{Value: value["N"].(string)}
			default:
				put[name] = &types.AttributeValueMemberBOOL{Value: value["BOOL"].(bool)}
			}
		}
		if _, err := w.client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: put}); err != nil {
			t.Fatal(err)
		}
	}
	return draft(n)
}

// listed is what the store's lists give of a status: of draft's entry, and of all entries.
func listed(t *testing.T, s *dynamorecords.Store, status upload.Status) (entry, all []upload.ID) {
	t.Helper()
	entry = rest(t, 100, func(c upload.Cursor, limit int) (upload.Page, error) {
		return s.List(t.Context(), upload.Query{Journal: "journal-1", Entry: "entry_A", Kind: "images", Status: status,
			Cursor: c, Limit: limit})
	})
	all = rest(t, 100, func(c upload.Cursor, limit int) (upload.Page, error) {
		return s.Scan(t.Context(), upload.ScanQuery{Status: status, Cursor: c, Limit: limit})
	})
	slices.Sort(entry)
	slices.Sort(all)
	return entry, all
}

func wantListed(t *testing.T, s *dynamorecords.Store, want map[upload.Status][]upload.ID) {
	t.Helper()
	for _, status := range upload.Statuses() {
		entry, all := listed(t, s, status)
		if !slices.Equal(entry, want[status]) || !slices.Equal(all, want[status]) {
			t.Errorf("%s: the entry's list gives %v, and that of all entries %v; want %v", status, entry, all, want[status])
		}
	}
}

func TestItemsOfAnEarlierVersionAreListedSettledAndDeleted(t *testing.T) {
	w := newHarness(t)
	table := w.newTable(t)
	s := w.store(table, dynamorecords.Options{})
	waiting := w.plantEarlier(t, table, "create", 1)
	w.plantEarlier(t, table, "create", 2)
	stored := w.plantEarlier(t, table, "settle-stored", 3)
	rejected := w.plantEarlier(t, table, "settle-rejected", 4)
	w.plantEarlier(t, table, "delete-stored", 5)
	id := func(n int) upload.ID { return draft(n).ID }
	wantListed(t, s, map[upload.Status][]upload.ID{upload.Pending: {id(1), id(2)}, upload.Stored: {id(3)},
		upload.Rejected: {id(4)}, upload.Deleted: {id(5)}})
	if usage, err := s.Usage(t.Context(), "journal-1", "entry_A", "images"); err != nil ||
		usage != (upload.Usage{Files: 3, Bytes: 1000}) {
		t.Errorf("the entry holds %+v, %v", usage, err)
	}

	settle(t, s, waiting, stores(7))
	for _, step := range []struct {
		of upload.Record
		t  upload.Transition
	}{
		{draft(2), upload.Settle(rejects())}, {stored, upload.Delete(w.clock.Now(), w.clock.Now().Add(time.Hour))},
		{rejected, upload.Reopen()},
	} {
		if _, err := s.Update(t.Context(), step.of.Ref(), step.t); err != nil {
			t.Fatalf("%s: %v", step.t.Name, err)
		}
	}
	wantListed(t, s, map[upload.Status][]upload.ID{upload.Pending: {id(4)}, upload.Stored: {id(1)},
		upload.Rejected: {id(2)}, upload.Deleted: {id(3), id(5)}})
}

// What an earlier version stored counts for a later one: its claim on bytes, its sum and its checksum.
func TestAFileThatAnEarlierVersionStoredIsADuplicate(t *testing.T) {
	w := newHarness(t)
	table := w.newTable(t)
	s := w.store(table, dynamorecords.Options{})
	w.plantEarlier(t, table, "settle-stored-unique", 3)
	again := create(t, s, draft(9))
	_, err := s.Update(t.Context(), again.Ref(), upload.Settle(unique(stores(1))))
	is(t, err, upload.ErrDuplicate, "the same bytes")
	_, err = s.Update(t.Context(), again.Ref(), upload.Settle(atMost(1, stores(2))))
	is(t, err, upload.ErrOverQuota, "one file more")
	if _, err := s.Update(t.Context(), draft(3).Ref(), upload.Delete(w.clock.Now(), w.clock.Now())); err != nil {
		t.Fatal(err)
	}
	settle(t, s, again, unique(stores(1)))
}

// earlierQuery is a query of the earlier version, which asked by-list and by-status for every status: the ids that it
// gives, in its order.
func (w *harness) earlierQuery(t *testing.T, table, index, hash, value, sort, from, to string) []upload.ID {
	t.Helper()
	out, err := w.client.Query(t.Context(), &dynamodb.QueryInput{TableName: &table, IndexName: &index,
		KeyConditionExpression:   aws.String("#hash = :hash AND #sort BETWEEN :from AND :to"),
		ExpressionAttributeNames: map[string]string{"#hash": hash, "#sort": sort},
		ExpressionAttributeValues: map[string]types.AttributeValue{":hash": text(value), ":from": text(from),
			":to": text(to)}})
	if err != nil {
		t.Fatal(err)
	}
	var ids []upload.ID
	for _, i := range out.Items {
		ids = append(ids, upload.ID(i["sk"].(*types.AttributeValueMemberS).Value[len("r#"):]))
	}
	return ids
}

// An earlier version beside this one, or after a rollback, finds what is served and what waits. Of the lists by
// another status it misses what this one wrote: docs/operations.md says so.
func TestAnEarlierVersionFindsWhatIsStoredAndWhatWaits(t *testing.T) {
	w := newHarness(t)
	table := w.newTable(t)
	s := w.store(table, dynamorecords.Options{}.WithShards(8))
	waiting, stored := create(t, s, draft(1)), create(t, s, draft(2))
	settle(t, s, stored, stores(2))
	settle(t, s, create(t, s, draft(3)), rejects())
	w.plantEarlier(t, table, "create", 4)
	w.plantEarlier(t, table, "settle-stored", 5)
	settle(t, s, draft(4), stores(4)) // written by one, settled by the other

	ofEntry := func(status upload.Status) []upload.ID {
		return w.earlierQuery(t, table, "by-list", "pk", "e#journal-1/entry_A/images", "list_key", string(status)+"#0",
			string(status)+"#~")
	}
	var pending []upload.ID
	for shard := range 8 {
		pending = append(pending, w.earlierQuery(t, table, "by-status", "status_shard", fmt.Sprintf("pending#%d", shard),
			"status_at", "0", "~")...)
	}
	held := w.earlierQuery(t, table, "by-bytes", "pk", "e#journal-1/entry_A/images", "bytes_key", "#", "~")
	slices.Sort(held)
	files := ofEntry(upload.Stored)
	slices.Sort(files)
	if want := []upload.ID{stored.ID, draft(4).ID, draft(5).ID}; !slices.Equal(files, want) || !slices.Equal(held, want) {
		t.Errorf("it finds %v stored, and %v by their bytes, want %v", files, held, want)
	}
	if want := []upload.ID{waiting.ID}; !slices.Equal(pending, want) {
		t.Errorf("it finds %v pending, want %v", pending, want)
	}
	if found := slices.Concat(ofEntry(upload.Pending), ofEntry(upload.Rejected)); len(found) > 0 {
		t.Errorf("it finds %v: docs/operations.md says otherwise", found)
	}
}
