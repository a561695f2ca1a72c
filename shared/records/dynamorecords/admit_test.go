package dynamorecords_test

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/upload"
)

func sameBytes(v upload.Verdict) upload.Verdict {
	v.SHA256 = stores(77).SHA256
	return v
}

func claimOn(v upload.Verdict) string { return "c#" + v.SHA256 }

// Between what one reads and what it writes another goes through the lock item.
func TestWhoComesInBetweenIsSeen(t *testing.T) {
	for _, c := range []struct {
		name        string
		mine, other upload.Verdict
		want        error
	}{
		{"the same bytes", sameBytes(unique(stores(1))), sameBytes(unique(stores(2))), upload.ErrDuplicate},
		{"the last place", atMost(1, stores(1)), atMost(1, stores(2)), upload.ErrOverQuota},
		{"the last place for other bytes", atMost(1, unique(stores(1))), atMost(1, unique(stores(2))), upload.ErrOverQuota},
		{"a place among others", atMost(2, stores(1)), atMost(2, stores(2)), nil},
		{"other bytes", unique(stores(1)), unique(stores(2)), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newHarness(t)
			s := w.store(w.newTable(t), dynamorecords.Options{})
			mine, other := create(t, s, draft(1)), create(t, s, draft(2))
			w.way.plan("TransactWriteItems", after(func() { settle(t, s, other, c.other) }))
			_, err := s.Update(t.Context(), mine.Ref(), upload.Settle(c.mine))
			is(t, err, c.want, "settle")
			want := upload.Stored
			if c.want != nil {
				want = upload.Pending
			}
			if got := status(t, s, mine); got != want {
				t.Errorf("the record is %s, want %s", got, want)
			}
			w.way.met(t)
		})
	}
}

func TestAClaimGoesWithItsOwner(t *testing.T) {
	w := newHarness(t)
	table := w.newTable(t)
	s := w.store(table, dynamorecords.Options{})
	v := unique(stores(1))
	r := create(t, s, draft(1))
	settle(t, s, r, v)
	if got := w.claims(t, table); got[claimOn(v)] != string(r.ID) {
		t.Errorf("the claims are %v", got)
	}
	if _, err := s.Update(t.Context(), r.Ref(), upload.Delete(w.clock.Now(), w.clock.Now())); err != nil {
		t.Fatal(err)
	}
	if got := w.claims(t, table); len(got) != 0 {
		t.Errorf("after the deletion the claims are %v", got)
	}
}

func TestAnothersClaimIsLeftAlone(t *testing.T) {
	w := newHarness(t)
	table := w.newTable(t)
	s := w.store(table, dynamorecords.Options{})
	v := unique(stores(1))
	r := create(t, s, draft(1))
	settle(t, s, r, v)
	item := map[string]types.AttributeValue{"owner": &types.AttributeValueMemberS{Value: "another"},
		"by": &types.AttributeValueMemberS{Value: "another"},
		"pk": &types.AttributeValueMemberS{Value: "e#journal-1/entry_A/images"},
		"sk": &types.AttributeValueMemberS{Value: claimOn(v)}}
	if _, err := w.client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(t.Context(), r.Ref(), upload.Delete(w.clock.Now(), w.clock.Now())); err != nil {
		t.Fatal(err)
	}
	if got := w.claims(t, table); got[claimOn(v)] != "another" {
		t.Errorf("the claims are %v", got)
	}
}

// The claim is left behind when its owner went in another way than Delete.
func TestAClaimWhoseOwnerIsGoneIsTakenOverOnce(t *testing.T) {
	w := newHarness(t)
	table := w.newTable(t)
	s := w.store(table, dynamorecords.Options{})
	v := unique(stores(77))
	gone := create(t, s, draft(99))
	settle(t, s, gone, v)
	w.remove(t, table, gone)

	var won, lostTo atomic.Int64
	together(t, 8, 8, func(i int) error {
		r := draft(i)
		if _, err := s.Create(t.Context(), r, nil); err != nil {
			return err
		}
		switch _, err := s.Update(t.Context(), r.Ref(), upload.Settle(v)); {
		case err == nil:
			won.Store(int64(i))
		case errors.Is(err, upload.ErrDuplicate):
			lostTo.Add(1)
		default:
			return err
		}
		return nil
	})
	if lostTo.Load() != 7 {
		t.Fatalf("%d of 8 were refused", lostTo.Load())
	}
	winner := draft(int(won.Load()))
	if got := w.claims(t, table); got[claimOn(v)] != string(winner.ID) {
		t.Errorf("the claims are %v, the winner is %s", got, winner.ID)
	}
	_, err := s.Update(t.Context(), create(t, s, draft(50)).Ref(), upload.Settle(v))
	if d, ok := errors.AsType[*upload.DuplicateError](err); !ok || d.Earlier != winner.ID {
		t.Errorf("error is %v, want one that names %s", err, winner.ID)
	}
}

// Several may be stored with the same bytes while nobody minds.
func TestTheSameBytesCountUntilTheLastOfThemIsDeleted(t *testing.T) {
	w := newHarness(t)
	s := w.store(w.newTable(t), dynamorecords.Options{})
	a, b, c := create(t, s, draft(1)), create(t, s, draft(2)), create(t, s, draft(3))
	late := create(t, s, draft(4))
	settle(t, s, c, sameBytes(stores(3)))
	settle(t, s, a, sameBytes(stores(1)))
	settle(t, s, b, sameBytes(stores(2)))
	for _, holder := range []upload.Record{a, b, c} {
		_, err := s.Update(t.Context(), late.Ref(), upload.Settle(sameBytes(unique(stores(4)))))
		if d, ok := errors.AsType[*upload.DuplicateError](err); !ok || d.Earlier != holder.ID {
			t.Errorf("error is %v, want one that names the earliest, %s", err, holder.ID)
		}
		if _, err := s.Update(t.Context(), holder.Ref(), upload.Delete(w.clock.Now(), w.clock.Now())); err != nil {
			t.Fatal(err)
		}
	}
	settle(t, s, late, sameBytes(unique(stores(4))))
}

// Bounds are kept exactly, and nobody is refused for whom there is room.
func TestAnEntryFillsUpToItsBoundExactly(t *testing.T) {
	w := newHarness(t)
	s := w.store(w.newTable(t), dynamorecords.Options{})
	const callers, places = 16, 9
	for i := range callers {
		create(t, s, draft(i+1))
	}
	var stored atomic.Int64
	together(t, callers, callers, func(i int) error {
		v := atMost(places, unique(stores(i)))
		v.MaxTotalBytes = places * v.Size
		_, err := s.Update(t.Context(), draft(i).Ref(), upload.Settle(v))
		switch {
		case err == nil:
			stored.Add(1)
		case !errors.Is(err, upload.ErrOverQuota):
			return err
		}
		return nil
	})
	usage, err := s.Usage(t.Context(), "journal-1", "entry_A", "images")
	if err != nil || stored.Load() != places || usage != (upload.Usage{Files: callers, Bytes: places * 1000}) {
		t.Errorf("%d are stored, want %d; the entry holds %+v, %v", stored.Load(), places, usage, err)
	}
}

func TestABoundWithoutRoomForTheLargestNumberIsKept(t *testing.T) {
	w := newHarness(t)
	s := w.store(w.newTable(t), dynamorecords.Options{})
	v := stores(1)
	v.Size, v.MaxTotalBytes = 1<<62, 1<<62
	settle(t, s, create(t, s, draft(1)), v)
	v.SHA256, v.MaxTotalBytes = "other", 1<<62+1
	_, err := s.Update(t.Context(), create(t, s, draft(2)).Ref(), upload.Settle(v))
	is(t, err, upload.ErrOverQuota, "settle")
}

// Images of the replaced service may have no checksum.
func TestAStoredFileWithoutAChecksumCounts(t *testing.T) {
	w := newHarness(t)
	s := w.store(w.newTable(t), dynamorecords.Options{})
	v := stores(1)
	v.SHA256 = ""
	settle(t, s, create(t, s, draft(1)), v)
	settle(t, s, create(t, s, draft(2)), stores(2))
	create(t, s, draft(3))
	if usage, err := s.Usage(t.Context(), "journal-1", "entry_A", "images"); err != nil ||
		usage != (upload.Usage{Files: 3, Bytes: 2000}) {
		t.Errorf("the entry holds %+v, %v", usage, err)
	}
	_, err := s.Update(t.Context(), draft(3).Ref(), upload.Settle(atMost(2, stores(3))))
	is(t, err, upload.ErrOverQuota, "settle")
}
