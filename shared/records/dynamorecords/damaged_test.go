package dynamorecords_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/upload"
)

// damagedItems keeps what Options.Damaged got, by the sk.
type damagedItems struct {
	mu sync.Mutex
	of map[string]error
	n  int
}

func (d *damagedItems) damaged(_ context.Context, key string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var k struct{ PK, SK struct{ S string } }
	if json.Unmarshal([]byte(key), &k) != nil || k.PK.S == "" {
		panic("the key is " + key)
	}
	if d.of == nil {
		d.of = map[string]error{}
	}
	d.of[k.SK.S] = err
	d.n++
}

// keys gives the sort keys that were reported since the last call of it.
func (d *damagedItems) keys() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	reported := slices.Sorted(maps.Keys(d.of))
	d.of, d.n = nil, 0
	return reported
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// spoil changes attributes of a record's item behind the store's back. It may change
// its key: then another item comes to lie beside it.
func (w *harness) spoil(t testing.TB, table string, r upload.Record, change map[string]types.AttributeValue) {
	t.Helper()
	key := map[string]types.AttributeValue{"pk": text(fmt.Sprintf("e#%s/%s/%s", r.Journal, r.Entry, r.Kind)),
		"sk": text("r#" + string(r.ID))}
	out, err := w.client.GetItem(t.Context(),
		&dynamodb.GetItemInput{TableName: &table, Key: key, ConsistentRead: aws.Bool(true)})
	if err != nil || out.Item == nil {
		t.Fatal(err)
	}
	maps.Copy(out.Item, change)
	if _, err := w.client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: out.Item}); err != nil {
		t.Fatal(err)
	}
}

// lists are all ways to read many records, those of draft's entry that are pending
// among them.
func lists(t *testing.T, s *dynamorecords.Store) map[string]func(upload.Cursor, int) (upload.Page, error) {
	list := func(status upload.Status) func(upload.Cursor, int) (upload.Page, error) {
		return func(c upload.Cursor, limit int) (upload.Page, error) {
			r := draft(1)
			return s.List(t.Context(),
				upload.Query{Journal: r.Journal, Entry: r.Entry, Kind: r.Kind, Status: status, Cursor: c, Limit: limit})
		}
	}
	return map[string]func(upload.Cursor, int) (upload.Page, error){
		"List": list(upload.Pending), "List of any": list(""),
		"Scan of pending before": func(c upload.Cursor, limit int) (upload.Page, error) {
			return s.Scan(t.Context(),
				upload.ScanQuery{Status: upload.Pending, Before: draft(1).CreatedAt.Add(24 * time.Hour), Cursor: c, Limit: limit})
		},
		"Scan of a status": func(c upload.Cursor, limit int) (upload.Page, error) {
			return s.Scan(t.Context(), upload.ScanQuery{Status: upload.Pending, Cursor: c, Limit: limit})
		},
		"Scan": func(c upload.Cursor, limit int) (upload.Page, error) {
			return s.Scan(t.Context(), upload.ScanQuery{Cursor: c, Limit: limit})
		},
	}
}

// One item that cannot be read keeps nobody from the others, whatever is wrong with
// it; whoever asks for that very one hears of it.
func TestADamagedItemIsPassedOverInEveryList(t *testing.T) {
	w := newHarness(t)
	for name, damage := range map[string]map[string]types.AttributeValue{
		"a status of another version": {"status": text("archived")},
		"no status":                   {"status": text("")},
		"a time that is none":         {"created_at": text("yesterday")},
		"a number that is text":       {"failures": text("7")},
		"a long fault":                {"created_at": text(strings.Repeat("x", 100_000))},
	} {
		t.Run(name, func(t *testing.T) {
			table := w.newTable(t)
			var d damagedItems
			s := w.store(table, dynamorecords.Options{Damaged: d.damaged})
			var want []upload.ID
			for n := range 7 {
				r := create(t, s, draft(n))
				if n == 3 {
					w.spoil(t, table, r, damage)
					continue
				}
				want = append(want, r.ID)
			}
			for list, page := range lists(t, s) {
				for _, limit := range []int{1, 3, 100} {
					got := rest(t, limit, page)
					if slices.Sort(got); !slices.Equal(got, want) {
						t.Errorf("%s in pages of %d gives %v", list, limit, got)
					}
					d.mu.Lock()
					n, err := d.n, d.of["r#"+string(draft(3).ID)]
					d.mu.Unlock()
					if reported := d.keys(); n != 1 || len(reported) != 1 || err == nil ||
						!strings.Contains(err.Error(), draft(3).Ref().String()) || len(err.Error()) > 1000 {
						t.Errorf("%s in pages of %d reported %d times %v: %.2000v", list, limit, n, reported, err)
					}
				}
			}
			for what, err := range map[string]error{
				"Get":    func() error { _, err := s.Get(t.Context(), draft(3).Ref()); return err }(),
				"Create": func() error { _, err := s.Create(t.Context(), draft(3), nil); return err }(),
				"CountFailure": upload.NoteFailure(t.Context(), s, draft(3).Ref(),
					upload.Failure{At: draft(3).CreatedAt, Message: "slow"}),
			} {
				if err == nil || errors.Is(err, upload.ErrNotFound) || !strings.Contains(err.Error(), "damaged") {
					t.Errorf("%s of the damaged one: %v", what, err)
				}
			}
			if reported := d.keys(); len(reported) > 0 {
				t.Errorf("reported what its caller gets anyway: %v", reported)
			}
		})
	}
}

// What lies in an index under a key that the store never makes would be the end of a
// page, and no list could go on after it.
func TestADamagedIndexKeyEndsNoPage(t *testing.T) {
	w := newHarness(t)
	for _, place := range []string{"2", "2026-01-02", "2026-00-02T03:04:05.678901Z#x", "2026-01-02T03:04:06.000000Z#",
		"2026-01-02T03:04:06.000000Z#" + strings.Repeat("x", 600)} {
		table := w.newTable(t)
		var d damagedItems
		s := w.store(table, dynamorecords.Options{Damaged: d.damaged}.WithShards(1))
		var want []upload.ID
		for n := range 5 {
			want = append(want, create(t, s, draft(n)).ID)
		}
		for n := range 5 {
			r := create(t, s, draft(100+n))
			w.spoil(t, table, r, map[string]types.AttributeValue{"list_key": text("stored#" + place), "status_at": text(place),
				"status": text("archived")})
		}
		all := lists(t, s)
		all["List of stored"] = func(c upload.Cursor, limit int) (upload.Page, error) {
			r := draft(1)
			return s.List(t.Context(),
				upload.Query{Journal: r.Journal, Entry: r.Entry, Kind: r.Kind, Status: upload.Stored, Cursor: c, Limit: limit})
		}
		for list, page := range all {
			for _, limit := range []int{1, 2, 100} {
				got := rest(t, limit, page)
				want := want
				if list == "List of stored" {
					want = nil
				}
				if slices.Sort(got); !slices.Equal(got, want) {
					t.Errorf("%s in pages of %d with %.40q gives %v", list, limit, place, got)
				}
				if reported := d.keys(); len(reported) != 5 {
					t.Errorf("%s in pages of %d with %.40q reported %v", list, limit, place, reported)
				}
			}
		}
	}
}

// A page on which nothing can be read has a next one, and costs no more than others.
func TestAPageOfDamagedItemsHasANextOne(t *testing.T) {
	w := newHarness(t)
	table := w.newTable(t)
	var d damagedItems
	s := w.store(table, dynamorecords.Options{Damaged: d.damaged})
	const damaged, limit = 60, 10
	for n := range damaged {
		w.spoil(t, table, create(t, s, draft(n)), map[string]types.AttributeValue{"status": text("archived")})
	}
	// Older and younger: whichever way a list goes, it ends with one that is whole.
	old := draft(1000)
	old.CreatedAt = draft(0).CreatedAt.Add(-time.Hour)
	want := []upload.ID{create(t, s, old).ID, create(t, s, draft(1001)).ID}
	for list, page := range lists(t, s) {
		w.way.since()
		var got []upload.ID
		empty, pages, cursor := 0, 0, upload.Cursor("")
		for pages == 0 || cursor != "" {
			p, err := page(cursor, limit)
			if err != nil || pages > damaged {
				t.Fatalf("%s, page %d: %v", list, pages, err)
			}
			if pages++; len(p.Records) == 0 && p.Next != "" {
				empty++
			}
			for _, r := range p.Records {
				got = append(got, r.ID)
			}
			cursor = p.Next
		}
		if slices.Sort(got); !slices.Equal(got, want) || len(d.keys()) != damaged {
			t.Errorf("%s gives %v", list, got)
		}
		if strings.HasPrefix(list, "Scan of") && (pages != (damaged+2+limit-1)/limit || empty < 4) {
			t.Errorf("%s has %d pages, %d empty", list, pages, empty)
		}
		if asked := w.way.since(); len(asked) > 200 {
			t.Errorf("%s asked %d times", list, len(asked))
		}
	}
}

// All goes over the whole table, also over what nobody knows.
func TestAllGoesOnAfterItemsThatNobodyKnows(t *testing.T) {
	w := newHarness(t)
	table := w.newTable(t)
	var d damagedItems
	s := w.store(table, dynamorecords.Options{Damaged: d.damaged})
	var want []upload.ID
	for n := range 9 {
		want = append(want, create(t, s, draft(n)).ID)
	}
	for n := range 30 {
		key := map[string]types.AttributeValue{"pk": text(fmt.Sprintf("mine/%d", n)), "sk": text("r#x")}
		if n%3 == 0 {
			// Escaped otherwise than the store does it.
			key = map[string]types.AttributeValue{"pk": text(fmt.Sprintf("e#%%6A/entry/images%%%d", n)), "sk": text("r#%41")}
		}
		if _, err := w.client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: key}); err != nil {
			t.Fatal(err)
		}
	}
	// Whole, but where nobody would look for it.
	w.spoil(t, table, draft(8), map[string]types.AttributeValue{"sk": text("r#%30")})
	for _, limit := range []int{1, 4, 100} {
		got := rest(t, limit, func(c upload.Cursor, limit int) (upload.Page, error) {
			return s.Scan(t.Context(), upload.ScanQuery{Cursor: c, Limit: limit})
		})
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %v", limit, got)
		}
		if reported := d.keys(); !slices.Equal(reported, []string{"r#%30", "r#%41", "r#x"}) {
			t.Errorf("in pages of %d reported %v", limit, reported)
		}
	}
}

func TestNobodyNeedBeToldOfDamage(t *testing.T) {
	w := newHarness(t)
	table := w.newTable(t)
	s := w.store(table, dynamorecords.Options{})
	w.spoil(t, table, create(t, s, draft(1)), map[string]types.AttributeValue{"status": text("archived")})
	for list, page := range lists(t, s) {
		if got := rest(t, 1, page); len(got) > 0 {
			t.Errorf("%s gives %v", list, got)
		}
	}
}

// The line says which item, what is wrong and what to do.
func TestDamageIsLogged(t *testing.T) {
	w := newHarness(t)
	table := w.newTable(t)
	var out bytes.Buffer
	s := w.store(table, dynamorecords.Options{Damaged: dynamorecords.LogDamaged(slog.New(slog.NewJSONHandler(&out, nil)))})
	w.spoil(t, table, create(t, s, draft(1)), map[string]types.AttributeValue{"status": text("archived")})
	if _, err := s.Scan(t.Context(), upload.ScanQuery{Cursor: "", Limit: 10}); err != nil {
		t.Fatal(err)
	}
	var line struct{ Level, Msg, Item, Error, Do string }
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	if line.Level != "ERROR" ||
		line.Item != `{"pk":{"S":"e#journal-1/entry_A/images"},"sk":{"S":"r#`+string(draft(1).ID)+`"}}` ||
		!strings.Contains(line.Error, "archived") || !strings.Contains(line.Do, "docs/operations.md") {
		t.Errorf("the line is %s", out.String())
	}
}
