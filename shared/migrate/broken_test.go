package migrate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hatchery/shared/local/localbugout"
	"hatchery/shared/migrate"
	"hatchery/shared/upload"
)

// limited is a store that bears so many calls. The one after them is broken off.
type limited struct {
	upload.Records
	left int
	// late lets the call that is broken off happen all the same.
	late bool
	// cancel, when set, is what happens instead of an error.
	cancel context.CancelFunc

	calls atomic.Int64
}

var errTrouble = errors.New("the store does not answer")

func call[T any](ctx context.Context, s *limited, do func() (T, error)) (T, error) {
	var none T
	over := int(s.calls.Add(1)) - s.left
	if over == 1 && s.cancel != nil {
		s.cancel()
	}
	if err := ctx.Err(); err != nil {
		return none, err
	}
	if over < 1 || s.cancel != nil {
		return do()
	}
	if over == 1 && s.late {
		if _, err := do(); err != nil {
			return none, err
		}
	}
	return none, errTrouble
}

func (s *limited) broken() bool { return int(s.calls.Load()) > s.left }

func (s *limited) Create(ctx context.Context, r upload.Record, key *upload.IdempotencyKey) (upload.Record, error) {
	return call(ctx, s, func() (upload.Record, error) { return s.Records.Create(ctx, r, key) })
}

func (s *limited) Get(ctx context.Context, ref upload.Ref) (upload.Record, error) {
	return call(ctx, s, func() (upload.Record, error) { return s.Records.Get(ctx, ref) })
}

func (s *limited) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (upload.Record, error) {
	return call(ctx, s, func() (upload.Record, error) { return s.Records.Update(ctx, ref, t) })
}

func (s *limited) Scan(ctx context.Context, q upload.ScanQuery) (upload.Page, error) {
	return call(ctx, s, func() (upload.Page, error) { return s.Records.Scan(ctx, q) })
}

// TestWhatWasBrokenOffAnywhereIsFinished: after every number of calls the target
// fails, before the call is done or after it; the next run makes it whole.
func TestWhatWasBrokenOffAnywhereIsFinished(t *testing.T) {
	source := stores["memory"](t)
	fill(t, source)
	want := all(t, source)
	for n := 0; ; n++ {
		target := stores["memory"](t)
		to := &limited{Records: target, left: n / 2, late: n%2 == 1}
		report, err := (&migrate.Migration{From: source, To: to, AtOnce: 1}).Run(t.Context(), migrate.Place{})
		if (err == nil) != (report.Failed == 0) || (err == nil) == to.broken() {
			t.Fatalf("after %d calls: %+v, %v", to.left, report, err)
		}
		if report, err := (&migrate.Migration{From: source, To: target}).Run(t.Context(), migrate.Place{}); err != nil ||
			report.Different > 0 {
			t.Fatalf("begun again after %d calls: %+v, %v", to.left, report, err)
		}
		if got := all(t, target); !slices.Equal(got, want) {
			t.Fatalf("begun again after %d calls:\n%s\nwant\n%s", to.left, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if err == nil {
			if n < 50 {
				t.Errorf("it was broken off %d times only", n)
			}
			return
		}
	}
}

// resources asks a Brood without our store, and adds one when there is data.
func resources(t *testing.T, brood *localbugout.Server, data map[string]string) int {
	t.Helper()
	method, body := http.MethodGet, ""
	if data != nil {
		text, err := json.Marshal(map[string]any{"application_id": application, "resource_data": data})
		if err != nil {
			t.Fatal(err)
		}
		method, body = http.MethodPost, string(text)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, brood.URL()+"/resources/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var list struct {
		Resources []json.RawMessage `json:"resources"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", method, answer.StatusCode, err)
	}
	return len(list.Resources)
}

// TestAMigrationBetweenRealStoresMayBeBrokenOffAgainAndAgain: by either store's
// failure before a call or after it, and by whoever runs it; and begun again from its
// start or from where it was.
func TestAMigrationBetweenRealStoresMayBeBrokenOffAgainAndAgain(t *testing.T) {
	open := func(t *testing.T, name string) (upload.Records, *localbugout.Server) {
		if name == "bugout" {
			return openBugout(t)
		}
		return stores[name](t), nil
	}
	names := []string{"sqlite", "dynamodb", "bugout"}
	for _, from := range names {
		for _, to := range names {
			if from == to {
				continue
			}
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				source, brood := open(t, from)
				fill(t, source)
				if brood != nil {
					resources(t, brood, map[string]string{"id": "8c39d1f2-7a5b-4a36-9d2a-0e2f4b9c1a01", "journal_id": "j",
						"entry_id": "e1",
						"name":     "my_cat", "extension": "png", "created_at": "2021-09-19 15:15:00.437163"})
				}
				target, brood := open(t, to)
				before := all(t, source)
				want := slices.DeleteFunc(slices.Clone(before), func(line string) bool {
					return !target.Atomic() && strings.Contains(line, "Status:deleted")
				})

				var kept migrate.Place
				runs := 0
				for ended := false; !ended; runs++ {
					ctx, cancel := context.WithCancel(t.Context())
					reading, writing := &limited{Records: source, left: 1 << 20}, &limited{Records: target, left: 2 + runs}
					switch runs % 4 {
					case 0:
						writing.late = true
					case 1:
						writing.cancel = cancel
					case 2:
						reading.left = runs / 2
					}
					m := &migrate.Migration{From: reading, To: writing, AtOnce: 1 + runs%3,
						Keep: func(p migrate.Place) error { kept = p; return nil }}
					start := kept
					if runs%3 == 0 {
						start = migrate.Place{}
					}
					report, err := m.WithPageSize(4).Run(ctx, start)
					cancel()
					ended = err == nil
					if report.Different+report.Alone > 0 || ended == (reading.broken() || writing.broken()) {
						t.Fatalf("run %d: %+v, %v", runs, report, err)
					}
				}
				if runs < 8 {
					t.Errorf("it was broken off %d times only", runs-1)
				}
				if got := all(t, target); !slices.Equal(got, want) {
					t.Errorf("copied\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				if brood != nil {
					if n := resources(t, brood, nil); n != len(want) {
						t.Errorf("%d resources were made of %d records", n, len(want))
					}
				}
				report, err := (&migrate.Migration{From: source, To: target}).Run(t.Context(), migrate.Place{})
				if err != nil || report.Same != len(want) || report.Same+report.Forgotten != report.Read ||
					len(report.Findings) > 0 {
					t.Errorf("once more: %+v, %v", report, err)
				}
				if !slices.Equal(all(t, source), before) {
					t.Error("the source was changed")
				}
			})
		}
	}
}

// TestWhatWasDoneBeforeTheEndIsReported, and what was not is no failure.
func TestWhatWasDoneBeforeTheEndIsReported(t *testing.T) {
	source := stores["memory"](t)
	fill(t, source)
	for left := range 40 {
		target := stores["memory"](t)
		ctx, cancel := context.WithCancel(t.Context())
		to := &limited{Records: target, left: left, cancel: cancel}
		report, err := (&migrate.Migration{From: source, To: to, AtOnce: 1}).Run(ctx, migrate.Place{})
		if !errors.Is(err, context.Canceled) || report.Copied == 0 || report.Copied > 15 || report.Read != report.Copied ||
			len(report.Findings) > 0 {
			t.Fatalf("after %d calls: %+v, %v", left, report, err)
		}
		// What was begun was finished.
		if n := len(all(t, target)); n != report.Copied {
			t.Errorf("after %d calls the target has %d records, and %d were copied", left, n, report.Copied)
		}
	}
}

// hanging is a store whose creations end with their context, which begins to end then.
type hanging struct {
	upload.Records
	end context.CancelFunc
}

func (h hanging) Create(ctx context.Context, _ upload.Record, _ *upload.IdempotencyKey) (upload.Record, error) {
	h.end()
	<-ctx.Done()
	return upload.Record{}, ctx.Err()
}

func TestNobodyWaitsLongForWhatHangsAtTheEnd(t *testing.T) {
	source := stores["memory"](t)
	fill(t, source)
	ctx, cancel := context.WithCancel(t.Context())
	m := (&migrate.Migration{From: source, To: hanging{stores["memory"](t), cancel}}).WithGrace(time.Millisecond)
	began := time.Now()
	if report, err := m.Run(ctx, migrate.Place{}); !errors.Is(err, context.Canceled) || report.Read != 0 ||
		time.Since(began) > 5*time.Second {
		t.Errorf("%+v, %v, after %v", report, err, time.Since(began))
	}
}

// many makes pending records.
func many(t *testing.T, s upload.Records, n int) {
	t.Helper()
	for n := range n {
		r := upload.Record{ID: upload.ID(fmt.Sprintf("019a0000-0000-7000-8000-%012d", n)), Journal: "j", Entry: "e",
			Kind: "images", Name: "cat", Extension: "png", CreatedAt: noon, Status: upload.Pending}
		if _, err := s.Create(t.Context(), r, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAStoreThatIsAwayEndsTheRun, and is not asked about each of the records: soon when
// nothing at all has worked.
func TestAStoreThatIsAwayEndsTheRun(t *testing.T) {
	source, target := stores["memory"](t), stores["memory"](t)
	many(t, source, 300)
	for _, c := range []struct{ works, failed int }{{0, 5}, {3, 50}} {
		away := &limited{Records: target, left: c.works}
		report, err := (&migrate.Migration{From: source, To: away, AtOnce: 1}).WithPageSize(2).Run(t.Context(),
			migrate.Place{})
		if !errors.Is(err, errTrouble) || !strings.Contains(err.Error(), fmt.Sprintf("%d records in a row", c.failed)) ||
			report.Failed != c.failed {
			t.Errorf("%+v, %v", report, err)
		}
		// It is one trouble, and told once.
		if len(report.Findings) != 1 || report.Findings[0].More != c.failed-1 || report.Hidden() != 0 {
			t.Errorf("%d calls work: found %+v", c.works, report.Findings)
		}
		if calls := int(away.calls.Load()); calls > c.works+c.failed+1 {
			t.Errorf("it was asked %d times", calls)
		}
	}
	// Much trouble that is not of the store is no reason to end.
	for want, to := range map[int]rejecting{150: {Records: stores["memory"](t)},
		50: {Records: stores["memory"](t), all: true}} {
		report, err := (&migrate.Migration{From: source, To: to, AtOnce: 1}).Run(t.Context(), migrate.Place{})
		if err == nil || report.Failed != want || want == 150 && report.Read != 300 ||
			len(report.Findings) != min(want, 100) || report.Hidden() != max(want-100, 0) ||
			len(report.Findings[0].What) > 1010 {
			t.Errorf("%d failed, %d copied, %d findings of %d bytes, %v", report.Failed, report.Copied, len(report.Findings),
				len(report.Findings[0].What), err)
		}
	}
}

// rejecting is a store that takes every second record, or none, and has a reason of its
// own for each.
type rejecting struct {
	upload.Records
	all bool
}

func (p rejecting) Create(ctx context.Context, r upload.Record, key *upload.IdempotencyKey) (upload.Record, error) {
	if p.all || (r.ID[len(r.ID)-1]-'0')%2 == 1 {
		return r, fmt.Errorf("%s: %s", r.ID, strings.Repeat("é", 5000))
	}
	return p.Records.Create(ctx, r, key)
}

// repeating is a store in which a creation that was given up happens just before the
// next one.
type repeating struct{ upload.Records }

func (h repeating) Create(ctx context.Context, r upload.Record, key *upload.IdempotencyKey) (upload.Record, error) {
	if r, err := h.Records.Create(ctx, r, key); err != nil {
		return r, err
	}
	return h.Records.Create(ctx, r, key)
}

func TestWhatWasGivenUpMayHappenAfterAll(t *testing.T) {
	source, target := stores["memory"](t), stores["memory"](t)
	fill(t, source)
	if report, err := (&migrate.Migration{From: source, To: repeating{target}}).Run(t.Context(),
		migrate.Place{}); err != nil || report.Different != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	if !slices.Equal(all(t, target), all(t, source)) {
		t.Error("they differ")
	}
}
