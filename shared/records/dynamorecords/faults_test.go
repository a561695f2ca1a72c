package dynamorecords_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"testing"
	"time"

	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// changing is one way to change a table, and what stands afterwards.
type changing struct {
	name  string
	write string // the operation that writes
	setup func(t *testing.T, s *dynamorecords.Store)
	call  func(ctx context.Context, s *dynamorecords.Store) (upload.Record, error)
	want  func() upload.Record
}

func changings(now time.Time) []changing {
	r, at, forget := draft(1), now, now.Add(time.Hour)
	key := &upload.IdempotencyKey{Scope: "scope", Key: "key", Fingerprint: "print", Expires: now.Add(time.Hour)}
	wishes := unique(atMost(1, stores(1)))
	pending := func(t *testing.T, s *dynamorecords.Store) { create(t, s, r) }
	settled := func(v upload.Verdict) func(t *testing.T, s *dynamorecords.Store) {
		return func(t *testing.T, s *dynamorecords.Store) {
			create(t, s, r)
			settle(t, s, r, v)
		}
	}
	return []changing{
		{"Create", "PutItem", func(*testing.T, *dynamorecords.Store) {},
			func(ctx context.Context, s *dynamorecords.Store) (upload.Record, error) { return s.Create(ctx, r, nil) },
			func() upload.Record { return r }},
		{"Create under a key", "TransactWriteItems", func(*testing.T, *dynamorecords.Store) {},
			func(ctx context.Context, s *dynamorecords.Store) (upload.Record, error) {
				return s.Create(ctx, r, key)
			},
			func() upload.Record { return r }},
		{"Settle as stored", "PutItem", pending,
			func(ctx context.Context, s *dynamorecords.Store) (upload.Record, error) {
				return s.Update(ctx, r.Ref(), upload.Settle(stores(1)))
			},
			func() upload.Record { return stores(1).Apply(r) }},
		{"Settle as rejected", "PutItem", pending,
			func(ctx context.Context, s *dynamorecords.Store) (upload.Record, error) {
				return s.Update(ctx, r.Ref(), upload.Settle(rejects()))
			},
			func() upload.Record { return rejects().Apply(r) }},
		{"Settle what was seen", "PutItem", pending,
			func(ctx context.Context, s *dynamorecords.Store) (upload.Record, error) {
				return settleSeen(ctx, s, r, stores(1))
			},
			func() upload.Record { return stores(1).Apply(r) }},
		{"Settle what was seen with all wishes", "TransactWriteItems", pending,
			func(ctx context.Context, s *dynamorecords.Store) (upload.Record, error) {
				return settleSeen(ctx, s, r, wishes)
			},
			func() upload.Record { return wishes.Apply(r) }},
		{"Settle with all wishes", "TransactWriteItems", pending,
			func(ctx context.Context, s *dynamorecords.Store) (upload.Record, error) {
				return s.Update(ctx, r.Ref(), upload.Settle(wishes))
			},
			func() upload.Record { return wishes.Apply(r) }},
		{"Delete", "PutItem", pending,
			func(ctx context.Context, s *dynamorecords.Store) (upload.Record, error) {
				return s.Update(ctx, r.Ref(), upload.Delete(at, forget))
			},
			func() upload.Record { return uploadtest.After(upload.Delete(at, forget), r) }},
		{"Delete of an owner", "TransactWriteItems", settled(wishes),
			func(ctx context.Context, s *dynamorecords.Store) (upload.Record, error) {
				return s.Update(ctx, r.Ref(), upload.Delete(at, forget))
			},
			func() upload.Record { return uploadtest.After(upload.Delete(at, forget), wishes.Apply(r)) }},
		{"Reopen", "PutItem", settled(rejects()),
			func(ctx context.Context, s *dynamorecords.Store) (upload.Record, error) {
				return s.Update(ctx, r.Ref(), upload.Reopen())
			},
			func() upload.Record { return uploadtest.After(upload.Reopen(), rejects().Apply(r)) }},
		{"CountFailure", "PutItem", pending,
			func(ctx context.Context, s *dynamorecords.Store) (upload.Record, error) {
				if err := upload.NoteFailure(ctx, s, r.Ref(), upload.Failure{At: at, Message: "slow"}); err != nil {
					return upload.Record{}, err
				}
				return s.Get(ctx, r.Ref())
			},
			func() upload.Record {
				failed := r
				failed.Failures, failed.LastFailure = 1, &upload.Failure{At: at, Message: "slow"}
				return failed
			}},
		{"CountResend", "PutItem", pending,
			func(ctx context.Context, s *dynamorecords.Store) (upload.Record, error) {
				return s.Update(ctx, r.Ref(), upload.CountResend(0, at))
			},
			func() upload.Record { return uploadtest.After(upload.CountResend(r.Resends, at), r) }},
	}
}

// Whatever becomes of the first write's answer, the change is made once, and is
// not taken for another's.
// settleSeen settles a record that it reads first, as a validator does.
func settleSeen(ctx context.Context, s *dynamorecords.Store, r upload.Record,
	v upload.Verdict) (upload.Record, error) {
	settle := upload.Settle(v)
	var err error
	if settle.Seen, err = s.Get(ctx, r.Ref()); err != nil {
		return upload.Record{}, err
	}
	if settle.Seen.Revision == "" {
		return upload.Record{}, errors.New("the record was given without its revision")
	}
	return s.Update(ctx, r.Ref(), settle)
}

func TestAChangeWhoseAnswerWasLostIsMadeOnce(t *testing.T) {
	w := newHarness(t)
	for _, c := range changings(w.clock.Now()) {
		for name, f := range map[string]fault{
			"lost": lost, "late": late, "broken off": brokenOff,
			"not carried out":   refused(http.StatusServiceUnavailable, "ServiceUnavailable"),
			"in another's way":  refused(http.StatusBadRequest, "TransactionConflictException"),
			"too much at once":  refused(http.StatusBadRequest, "ProvisionedThroughputExceededException"),
			"throttled":         refused(http.StatusBadRequest, "ThrottlingException"),
			"an internal fault": refused(http.StatusInternalServerError, "InternalServerError"),
		} {
			t.Run(c.name+", "+name, func(t *testing.T) {
				s := w.store(w.newTable(t), dynamorecords.Options{})
				c.setup(t, s)
				w.way.plan(c.write, f)
				got, err := c.call(t.Context(), s)
				if err != nil {
					t.Fatal(err)
				}
				w.way.met(t)
				stands, err := s.Get(t.Context(), draft(1).Ref())
				got.Revision, stands.Revision = "", ""
				if err != nil || !reflect.DeepEqual(got, c.want()) || !reflect.DeepEqual(stands, c.want()) {
					t.Errorf("gave %+v\nand has %+v, %v\nwant     %+v", got, stands, err, c.want())
				}
			})
		}
	}
}

// The answer is lost, and before the store asks again others have written.
func TestAChangeIsKnownAsOursAfterOthersHaveWritten(t *testing.T) {
	w := newHarness(t)
	for _, c := range changings(w.clock.Now()) {
		t.Run(c.name, func(t *testing.T) {
			table := w.newTable(t)
			s, other := w.store(table, dynamorecords.Options{}), w.store(table, dynamorecords.Options{})
			c.setup(t, s)
			w.way.plan(c.write, fault(lost).then(func() {
				r, err := other.Get(t.Context(), draft(1).Ref())
				if err != nil {
					t.Error(err)
				}
				for n := range 3 {
					if _, err := other.Update(t.Context(), r.Ref(), upload.CountResend(r.Resends+n, w.clock.Now())); err != nil {
						t.Error(err)
					}
				}
			}))
			got, err := c.call(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			want := c.want()
			got.Revision = ""
			got.Resends, got.ResentAt, want.Resends, want.ResentAt = 0, time.Time{}, 0, time.Time{}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("gave %+v\nwant %+v", got, want)
			}
			want = c.want()
			if r, err := s.Get(t.Context(), draft(1).Ref()); err != nil || r.Resends != want.Resends+3 ||
				r.Failures != want.Failures {
				t.Errorf("it has %+v, %v", r, err)
			}
		})
	}
}

// The token of a transaction that was carried out is refused for one that is
// written another way, as maps are each time.
func TestATransactionThatWasCarriedOutIsKnownByItsToken(t *testing.T) {
	w := newHarness(t)
	for _, c := range changings(w.clock.Now()) {
		if c.write != "TransactWriteItems" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			s := w.store(w.newTable(t), dynamorecords.Options{})
			c.setup(t, s)
			w.way.plan(c.write, lost, refused(http.StatusBadRequest, "IdempotentParameterMismatchException"))
			if got, err := c.call(t.Context(), s); err != nil || !reflect.DeepEqual(got, c.want()) {
				t.Errorf("gave %+v, %v\nwant %+v", got, err, c.want())
			}
			w.way.met(t)
		})
	}
}

// A verdict that was made by another is a conflict, even when our own request got
// lost on its way.
func TestAnothersVerdictIsAConflict(t *testing.T) {
	w := newHarness(t)
	table := w.newTable(t)
	s, other := w.store(table, dynamorecords.Options{}), w.store(table, dynamorecords.Options{})
	for i, v := range []upload.Verdict{stores(1), unique(atMost(3, stores(1)))} {
		r := create(t, s, draft(i))
		operation := []string{"PutItem", "TransactWriteItems"}[i]
		w.way.plan(operation, func(*way, *http.Request) (*http.Response, error) {
			settle(t, other, r, rejects())
			return nil, errors.New("connection reset by peer")
		})
		_, err := s.Update(t.Context(), r.Ref(), upload.Settle(v))
		is(t, err, upload.ErrConflict, "settle")
		if got := status(t, s, r); got != upload.Rejected {
			t.Errorf("the record is %s", got)
		}
	}
}

func TestAnothersRecordIsNotOurs(t *testing.T) {
	w := newHarness(t)
	table := w.newTable(t)
	s, other := w.store(table, dynamorecords.Options{}), w.store(table, dynamorecords.Options{})
	w.way.plan("PutItem", func(*way, *http.Request) (*http.Response, error) {
		create(t, other, draft(1))
		return nil, errors.New("connection reset by peer")
	})
	_, err := s.Create(t.Context(), draft(1), nil)
	is(t, err, upload.ErrExists, "create")
}

func TestATransactionInAnothersWayIsAskedAgain(t *testing.T) {
	w := newHarness(t)
	s := w.store(w.newTable(t), dynamorecords.Options{})
	r := create(t, s, draft(1))
	w.way.plan("TransactWriteItems", canceled("None", "TransactionConflict"), canceled("ThrottlingError", "None"),
		canceled("ProvisionedThroughputExceeded", "None"), refused(http.StatusBadRequest, "TransactionInProgressException"))
	settle(t, s, r, unique(stores(1)))
	w.way.met(t)

	r = create(t, s, draft(2))
	w.way.since()
	w.way.plan("TransactWriteItems", canceled("None", "ValidationError"))
	if _, err := s.Update(t.Context(), r.Ref(), upload.Settle(unique(stores(2)))); err == nil ||
		times(w.way.since(), "TransactWriteItems") != 1 {
		t.Errorf("a transaction that cannot be made: %v", err)
	}
}

func TestReadsAreAskedAgain(t *testing.T) {
	w := newHarness(t)
	s := w.store(w.newTable(t), dynamorecords.Options{}.WithCallTimeout(200*time.Millisecond))
	r := create(t, s, draft(1))
	for _, f := range []fault{lost, silent, refused(http.StatusBadRequest, "ThrottlingException"),
		refused(http.StatusInternalServerError, "InternalServerError")} {
		for _, operation := range []string{"GetItem", "Query", "BatchGetItem", "Scan"} {
			w.way.plan(operation, f)
		}
		if got := status(t, s, r); got != upload.Pending {
			t.Errorf("Get gives %q", got)
		}
		if page, err := s.Scan(t.Context(),
			upload.ScanQuery{Status: upload.Pending, Before: r.CreatedAt.Add(time.Hour), Cursor: "", Limit: 10}); err != nil ||
			len(page.Records) != 1 {
			t.Errorf("the pending records are %d records, %v", len(page.Records), err)
		}
		if page, err := s.Scan(t.Context(), upload.ScanQuery{Cursor: "", Limit: 10}); err != nil || len(page.Records) != 1 {
			t.Errorf("All gives %d records, %v", len(page.Records), err)
		}
		w.way.met(t)
	}
}

// DynamoDB leaves keys for later when a batch is too much.
func TestWhatABatchLeavesIsAskedForAgain(t *testing.T) {
	w := newHarness(t)
	s := w.store(w.newTable(t), dynamorecords.Options{})
	for i := range 120 {
		create(t, s, draft(i))
	}
	leave := func(_ *way, r *http.Request) (*http.Response, error) {
		var asked struct{ RequestItems json.RawMessage }
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &asked); err != nil {
			return nil, err
		}
		return reply(r, http.StatusOK, fmt.Sprintf(`{"Responses":{},"UnprocessedKeys":%s}`, asked.RequestItems)), nil
	}
	w.way.plan("BatchGetItem", leave, leave)
	page, err := s.Scan(t.Context(),
		upload.ScanQuery{Status: upload.Pending, Before: draft(1000).CreatedAt, Cursor: "", Limit: 200})
	if err != nil || len(page.Records) != 120 {
		t.Errorf("%d records, %v", len(page.Records), err)
	}
	w.way.met(t)
}

func TestWaitsGrowToABoundAndEnd(t *testing.T) {
	w := newHarness(t)
	var waits []time.Duration
	s := w.store(w.newTable(t), dynamorecords.Options{}.WithWait(func(ctx context.Context, longest time.Duration) error {
		waits = append(waits, longest)
		return ctx.Err()
	}))
	throttled := refused(http.StatusBadRequest, "ThrottlingException")
	for range 10 {
		w.way.plan("GetItem", throttled)
	}
	if _, err := s.Get(t.Context(), draft(1).Ref()); !errors.Is(err, upload.ErrNotFound) {
		t.Error(err)
	}
	for i, longest := range waits {
		if want := min(25*time.Millisecond<<i, time.Second); longest != want {
			t.Errorf("wait %d is up to %s, want %s", i, longest, want)
		}
	}
	if len(waits) != 10 {
		t.Errorf("%d waits", len(waits))
	}

	// With a deadline ahead it gives up before it, and says why.
	for range 100 {
		w.way.plan("GetItem", throttled)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := s.Get(ctx, draft(1).Ref())
	if err == nil || ctx.Err() != nil || errors.Is(err, upload.ErrNotFound) {
		t.Errorf("error is %v, the context's is %v", err, ctx.Err())
	}
	if n := times(w.way.since(), "GetItem"); n > 16 {
		t.Errorf("it asked %d times", n)
	}
	impatient := w.store("records-1", dynamorecords.Options{}.WithPatience(300*time.Millisecond))
	for range 100 {
		w.way.plan("GetItem", throttled)
	}
	if _, err := impatient.Get(t.Context(), draft(1).Ref()); err == nil || errors.Is(err, upload.ErrNotFound) {
		t.Errorf("error is %v", err)
	}
}

func TestACallerWhoGoesIsNotWaitedFor(t *testing.T) {
	w := newHarness(t)
	s := w.store(w.newTable(t), dynamorecords.Options{}.WithCallTimeout(time.Minute).WithPatience(time.Minute))
	ctx, cancel := context.WithCancel(t.Context())
	w.way.plan("GetItem", func(way *way, r *http.Request) (*http.Response, error) {
		cancel()
		return silent(way, r)
	})
	_, err := s.Get(ctx, draft(1).Ref())
	is(t, err, context.Canceled, "get")
}
