package deadletter

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hatchery/shared/arrival"
	"hatchery/shared/attempts"
	"hatchery/shared/queue"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// dead puts dead letters about n uploads into the queue, each of which failed of what because gives.
func (f *fixture) dead(n int, because func(i int) string) []arrival.Created {
	f.Helper()
	var all []arrival.Created
	for i := range n {
		ref, created := f.pending(uploadtest.Picture(uint8(i)).Data)
		f.fails(ref, because(i))
		f.queue.Put(f.message(fmt.Sprintf("message-%04d", i), created))
		all = append(all, created)
	}
	return all
}

func always(text string) func(int) string { return func(int) string { return text } }

// rows remembers letters, and that they came one at a time.
type rows struct {
	t       *testing.T
	letters []Letter
	now     atomic.Int64
}

func (r *rows) add(l Letter) error {
	if r.now.Add(1) != 1 {
		r.t.Error("two rows at once")
	}
	r.letters = append(r.letters, l)
	r.now.Add(-1)
	return nil
}

func (f *fixture) letters(s Snapshot) (all []Letter) {
	f.Helper()
	err := f.Letters(f.Context(), s, func(l Letter) error {
		all = append(all, l)
		return nil
	})
	if err != nil {
		f.Fatal(err)
	}
	return all
}

func inJSONOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWhatOthersGaveBackInTimeIsNotInTheirHands(t *testing.T) {
	f := newFixture(t)
	f.dead(3, func(int) string { return denied })
	held, err := f.queue.Memory.Receive(t.Context(), time.Minute, time.Second)
	if err != nil || len(held) != 3 {
		t.Fatalf("%d letters held, %v", len(held), err)
	}
	f.queue.before = func(context.Context, string) error {
		f.clock.Pass(time.Minute)
		f.queue.before = nil
		return nil
	}
	f.Concurrency = 1
	if s, err := f.List(t.Context(), func(Letter) error { return nil }); err != nil || s.Letters != 3 || s.InOtherHands != 0 {
		t.Errorf("%d listed, %d in other hands, %v", s.Letters, s.InOtherHands, err)
	}
}

func TestAListingSaysHowManyItCountedAndDidNotMeet(t *testing.T) {
	f := newFixture(t)
	f.dead(5, func(int) string { return denied })
	f.queue.InFlight, f.queue.extra = 7, 3 // another operator receives them meanwhile
	s, err := f.List(t.Context(), (&rows{t: t}).add)
	if err != nil || s.Letters != 5 || s.InOtherHands != 10 || !s.Complete {
		t.Errorf("listed %+v, %v, want 5, and 10 in other hands", s, err)
	}
	if kept, err := f.Snapshot(t.Context(), s.ID); err != nil || kept.InOtherHands != 10 {
		t.Errorf("kept is %+v, %v", kept, err)
	}
}

func TestAListingIsShownAndKept(t *testing.T) {
	f := newFixture(t)
	sent := f.clock.Now()
	f.dead(30, func(i int) string { return []string{denied, unavailable, unavailable}[i%3] })
	f.clock.Pass(time.Hour)
	f.queue.Put(withBody("poison", "{", f.clock.Now()))
	f.queue.InFlight = 7
	shown := rows{t: t}
	s, err := f.List(t.Context(), shown.add)
	if err != nil {
		t.Fatal(err)
	}
	f.wantCounts(31, 7)
	if s.ID == "" || s.Operator != "somebody" || !s.At.Equal(f.clock.Now()) || !s.Complete || s.Letters != 31 || s.Parts != 1 ||
		s.InOtherHands != 7 || s.Unread != 0 || len(s.Groups) != 3 {
		t.Errorf("the snapshot is %+v", s)
	}
	var causes []Cause
	for _, g := range s.Groups {
		causes = append(causes, g.Cause)
	}
	if !slices.Equal(causes, []Cause{Denied, Unreachable, Poison}) {
		t.Errorf("the groups are in the order %v", causes)
	}
	g := s.Groups[1]
	if g.Letters != 20 || g.Bytes != 20 || !g.Oldest.Equal(sent) || !g.Expires.Equal(sent.Add(retention)) || g.Sentence == "" ||
		g.Suggest != Redrive || !strings.HasPrefix(g.Group, "unreachable: ") {
		t.Errorf("the group is %+v", g)
	}
	for _, l := range shown.letters {
		if !l.ExpiresAt.Equal(l.SentAt.Add(retention)) {
			t.Errorf("%s expires at %v", l.MessageID, l.ExpiresAt)
		}
	}
	kept, err := f.Snapshot(t.Context(), s.ID)
	if err != nil || inJSONOf(t, kept) != inJSONOf(t, s) {
		t.Errorf("kept is %+v, %v\nwant %+v", kept, err, s)
	}
	if got, want := inJSONOf(t, f.letters(kept)), inJSONOf(t, shown.letters); got != want {
		t.Errorf("kept letters are\n%.2000s, shown were\n%.2000s", got, want)
	}
}

func TestGroupsOfACauseAreOrderedByTheirLetters(t *testing.T) {
	f := newFixture(t)
	f.dead(6, func(i int) string { return []string{"a strange error", "b strange error", "b strange error"}[i%3] })
	s, err := f.List(t.Context(), func(Letter) error { return nil })
	if err != nil || len(s.Groups) != 2 || s.Groups[0].Letters != 4 || s.Groups[1].Letters != 2 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestTheFirstRowComesBeforeTheSecondMessageIsExplained(t *testing.T) {
	f := newFixture(t)
	f.Concurrency = 1
	f.dead(2, always(denied))
	explained := 0
	f.notes.Before = func(_ context.Context, call string, key upload.Key) error {
		if call == "get" && strings.HasPrefix(string(key), attempts.Prefix) && strings.HasSuffix(string(key), "/5") {
			explained++
		}
		return nil
	}
	shown := 0
	_, err := f.List(t.Context(), func(Letter) error {
		shown++
		if explained != shown {
			t.Errorf("row %d came after %d were explained", shown, explained)
		}
		return nil
	})
	if err != nil || shown != 2 {
		t.Errorf("%d rows, %v", shown, err)
	}
}

// many is a queue of n letters that cost nothing to make: n messages about as many uploads without a record.
func (f *fixture) many(n int) *longQueue {
	_, created := f.pending(uploadtest.Picture(1).Data)
	body := f.message("", created).Body
	ref, _ := upload.DefaultLayout.ParseQuarantineKey(upload.Key(created.Key))
	q := &longQueue{n: n, make: func(i int) queue.Received {
		id := fmt.Sprintf("019b0000-0000-7000-8000-%012d", i)
		m := withBody(id, strings.ReplaceAll(body, string(ref.ID), id), f.clock.Now())
		m.Receipt = id
		return m
	}}
	f.DeadLetters = q
	return q
}

func TestALongListingIsKeptInPartsWhileItGoesOn(t *testing.T) {
	f := newFixture(t)
	f.many(2*PartLetters + 5)
	shown, heads := 0, 0
	s, err := f.List(t.Context(), func(Letter) error {
		shown++
		if shown == 2*PartLetters {
			kept, err := f.Snapshot(t.Context(), "")
			if err != nil || kept.Complete || kept.Parts != 1 || kept.Letters != PartLetters || len(kept.Groups) != 1 {
				t.Errorf("meanwhile it is %+v, %v", kept, err)
			}
			if got := len(f.letters(kept)); got != PartLetters {
				t.Errorf("meanwhile %d letters are kept", got)
			}
		}
		if shown == 1 {
			kept, err := f.Snapshots(t.Context())
			if err != nil || len(kept) != 1 || kept[0].Complete || kept[0].Letters != 0 {
				t.Errorf("at its start they are %+v, %v", kept, err)
			}
			heads++
		}
		return nil
	})
	if err != nil || s.Parts != 3 || s.Letters != 2*PartLetters+5 || heads != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	seen := map[string]bool{}
	for _, l := range f.letters(s) {
		seen[l.MessageID] = true
	}
	if len(seen) != s.Letters {
		t.Errorf("%d letters are kept of %d", len(seen), s.Letters)
	}
}

func TestLargeBodiesMakeSmallParts(t *testing.T) {
	f := newFixture(t)
	const n = 40
	noise := make([]byte, queue.MaxBytes/2)
	f.DeadLetters = &longQueue{n: n, make: func(i int) queue.Received {
		state := uint64(i + 1)
		for j := range noise { // what no compression makes smaller
			state = state*6364136223846793005 + 1442695040888963407
			noise[j] = '!' + byte(state>>40)%90
		}
		m := withBody(fmt.Sprint(i), string(noise), f.clock.Now())
		m.Receipt = m.ID
		return m
	}}
	f.Concurrency = 1
	s, err := f.List(t.Context(), func(Letter) error { return nil })
	if err != nil || s.Parts < 2 || len(f.letters(s)) != n {
		t.Errorf("%d parts, %v", s.Parts, err)
	}
}

func TestALetterThatCannotBeExplainedDoesNotEndTheListing(t *testing.T) {
	f := newFixture(t)
	f.dead(3, always(denied))
	f.Records = &failsOnce{Records: f.records}
	shown := rows{t: t}
	s, err := f.List(t.Context(), shown.add)
	if err != nil || !s.Complete || s.Letters != 3 || s.Unread != 1 || !strings.Contains(s.UnreadError, "get record") {
		t.Errorf("%+v, %v", s, err)
	}
	unread := slices.IndexFunc(shown.letters, func(l Letter) bool { return l.Diagnosis.Cause == Unknown })
	if unread < 0 || len(shown.letters) != 3 {
		t.Fatalf("shown are %+v", shown.letters)
	}
	wantDiagnosis(t, shown.letters[unread].Diagnosis, Unknown, Redrive, "could not be read just now: get record")
}

type failsOnce struct {
	Records
	failed atomic.Bool
}

func (r *failsOnce) Get(ctx context.Context, ref upload.Ref) (upload.Record, error) {
	if !r.failed.Swap(true) {
		return upload.Record{}, errTrouble
	}
	return r.Records.Get(ctx, ref)
}

func TestAListingThatCannotBeKeptIsShownToItsEndAndSaysSo(t *testing.T) {
	for _, name := range []string{"head.json", "000001.json.gz", "000002.json.gz"} {
		f := newFixture(t)
		f.many(PartLetters + 5)
		puts := 0
		f.notes.Before = func(_ context.Context, call string, key upload.Key) error {
			if call == "put" {
				puts++
				if strings.HasSuffix(string(key), name) {
					return errTrouble
				}
			}
			return nil
		}
		shown := rows{t: t}
		s, err := f.List(t.Context(), shown.add)
		if !errors.Is(err, errTrouble) || !strings.Contains(err.Error(), name) || s.Complete || len(shown.letters) != PartLetters+5 ||
			s.Letters != PartLetters+5 || len(s.Groups) != 1 {
			t.Errorf("%s: %+v, %v, %d shown", name, s, err, len(shown.letters))
		}
		if kept, err := f.Snapshot(t.Context(), ""); err == nil && kept.Complete {
			t.Errorf("%s: kept is %+v", name, kept)
		}
		f.notes.Before = nil
	}
}

func TestAnInterruptedListingIsKeptAsIncompleteAndGivesAllBack(t *testing.T) {
	f := newFixture(t)
	f.dead(50, always(denied))
	ctx, cancel := context.WithCancel(t.Context())
	shown := rows{t: t}
	s, err := f.List(ctx, func(l Letter) error {
		if len(shown.letters) == 9 {
			cancel()
		}
		return shown.add(l)
	})
	if !errors.Is(err, context.Canceled) || s.Complete || s.Letters != len(shown.letters) || s.Letters < 10 || s.Unread > 0 {
		t.Errorf("%+v, %v, %d shown", s, err, len(shown.letters))
	}
	f.wantCounts(50, 0)
	kept, err := f.Snapshot(t.Context(), "")
	if err != nil || kept.Complete || len(f.letters(kept)) != s.Letters {
		t.Errorf("kept is %+v, %v", kept, err)
	}
}

func TestALetterThatWasBeingExplainedAtTheInterruptionIsNotListedAsUnread(t *testing.T) {
	f := newFixture(t)
	f.Concurrency = 1
	f.dead(1, always(denied))
	ctx, cancel := context.WithCancel(t.Context())
	f.notes.Before = func(_ context.Context, call string, _ upload.Key) error {
		if call == "get" {
			cancel()
		}
		return nil
	}
	s, err := f.List(ctx, func(l Letter) error {
		t.Errorf("shown is %+v", l)
		return nil
	})
	if !errors.Is(err, context.Canceled) || s.Letters != 0 || s.Unread != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	f.wantCounts(1, 0)
}

func TestARowThatCannotBeShownEndsTheListing(t *testing.T) {
	f := newFixture(t)
	f.dead(50, always(denied))
	calls := 0
	s, err := f.List(t.Context(), func(Letter) error {
		calls++
		if calls == 3 {
			return errTrouble
		}
		return nil
	})
	if !errors.Is(err, errTrouble) || calls != 3 || s.Complete || s.Letters != 2 {
		t.Errorf("%+v, %v after %d rows", s, err, calls)
	}
	f.wantCounts(50, 0)
}

func TestNothingIsListedWhereDeadLettersMove(t *testing.T) {
	f := newFixture(t)
	f.queue.DeadLetters = f.queue.Memory
	if s, err := f.List(t.Context(), nil); !errors.Is(err, queue.ErrDeadLettersMove) || len(f.notes.Keys()) > 0 {
		t.Errorf("%+v, %v, kept %v", s, err, f.notes.Keys())
	}
}

func TestGroupsAreBounded(t *testing.T) {
	l := &listing{groups: map[string]*Group{}}
	for i := range maxGroups + 20 {
		group := fmt.Sprintf("unknown: %c%c%c", 'a'+i%26, 'a'+i/26%26, 'a'+i/676)
		l.count(Letter{Diagnosis: Diagnosis{Cause: Unknown, Group: group}}, nil)
	}
	if len(l.groups) != maxGroups+1 || l.groups["unknown:"].Letters != 20 {
		t.Errorf("%d groups, the last is %+v", len(l.groups), l.groups["unknown:"])
	}
}

func TestSnapshotsAreFoundNewestFirst(t *testing.T) {
	f := newFixture(t)
	if _, err := f.Snapshot(t.Context(), ""); !errors.Is(err, ErrNoSnapshot) {
		t.Errorf("before the first listing: %v", err)
	}
	if all, err := f.Snapshots(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("before the first listing: %v, %v", all, err)
	}
	var last Snapshot
	for range maxSnapshots + 3 {
		f.queue.Put(withBody("m", "{", f.clock.Now()))
		s, err := f.List(t.Context(), func(Letter) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		f.queue.Take()
		last = s
	}
	all, err := f.Snapshots(t.Context())
	if err != nil || len(all) != maxSnapshots || all[0].ID != last.ID ||
		!slices.IsSortedFunc(all, func(a, b Snapshot) int { return strings.Compare(b.ID, a.ID) }) {
		t.Errorf("%d are found, the first is %+v, %v", len(all), all[0], err)
	}
	if s, err := f.Snapshot(t.Context(), ""); err != nil || s.ID != last.ID {
		t.Errorf("the newest is %+v, %v, want %s", s, err, last.ID)
	}
	for _, id := range []string{"none", "../audit/x", "a/b", strings.Repeat("x", 65), "é"} {
		if _, err := f.Snapshot(t.Context(), id); !errors.Is(err, ErrNoSnapshot) {
			t.Errorf("%q: %v, want ErrNoSnapshot", id, err)
		}
	}
}

func TestAListingThatFoundNothingYetIsNotTheNewest(t *testing.T) {
	f := newFixture(t)
	f.queue.Put(withBody("m", "{", f.clock.Now()))
	listed, err := f.List(t.Context(), func(Letter) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	wantNewest := func() {
		t.Helper()
		if s, err := f.Snapshot(t.Context(), ""); err != nil || s.ID != listed.ID {
			t.Errorf("the newest is %+v, %v, want %s", s, err, listed.ID)
		}
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	f.queue.before = func(_ context.Context, call string) error {
		if call == "receive" {
			wantNewest()
			interrupt()
		}
		return nil
	}
	if _, err := f.List(ctx, func(Letter) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want an interruption", err)
	}
	wantNewest()
}

func TestADamagedListingIsAnError(t *testing.T) {
	pack := func(text string) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		fmt.Fprint(w, text)
		w.Close()
		return b.Bytes()
	}
	for name, c := range map[string]struct {
		head string
		part []byte
	}{
		"head is no JSON":          {`{`, nil},
		"head is of another":       {`{"id":"other"}`, nil},
		"parts without end":        {`{"id":"s","parts":2000000000}`, nil},
		"the part is not there":    {`{"id":"s","parts":1}`, nil},
		"the part is no gzip":      {`{"id":"s","parts":1}`, []byte("plain")},
		"the part is cut":          {`{"id":"s","parts":1}`, pack(`{}`)[:12]},
		"a letter is no JSON":      {`{"id":"s","parts":1}`, pack("{}\n{")},
		"a letter has no end":      {`{"id":"s","parts":1}`, pack(strings.Repeat(" ", maxLetterBytes+1))},
		"more letters than a part": {`{"id":"s","parts":1}`, pack(strings.Repeat("{}\n", PartLetters+1))},
	} {
		f := newFixture(t)
		f.notes.Overwrite(headKey("s"), []byte(c.head))
		if c.part != nil {
			f.notes.Overwrite(partKey("s", 1), c.part)
		}
		s, err := f.Snapshot(t.Context(), "s")
		if err == nil {
			err = f.Letters(t.Context(), s, func(Letter) error { return nil })
		}
		if err == nil || errors.Is(err, ErrNoSnapshot) {
			t.Errorf("%s: %v, want an error", name, err)
		}
	}
}

func TestLettersEndWithTheErrorOfWhoReadsThem(t *testing.T) {
	f := newFixture(t)
	f.many(20)
	s, err := f.List(t.Context(), func(Letter) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	err = f.Letters(t.Context(), s, func(Letter) error {
		calls++
		return errTrouble
	})
	if err != errTrouble || calls != 1 { //nolint:errorlint // it is handed on as it is
		t.Errorf("%v after %d", err, calls)
	}
}

func TestALetterIsShownAfreshWithAllItsAttempts(t *testing.T) {
	f := newFixture(t)
	all := f.dead(3, always(denied))
	ref, _ := upload.DefaultLayout.ParseQuarantineKey(upload.Key(all[1].Key))
	s, err := f.List(t.Context(), func(Letter) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{4, 5} {
		f.attempted(ref.ID, attempts.Attempt{MessageID: "message-0001", Receive: n, MaxReceives: 5, Began: f.clock.Now().Add(-time.Hour),
			Ended: f.clock.Now().Add(-time.Hour)})
	}
	f.clock.Pass(time.Second) // what fails at the moment of the verdict may have failed after it
	f.settle(all[1])
	for _, id := range []string{"message-0001", string(ref.ID)} {
		letters, err := f.Show(t.Context(), s, id)
		if err != nil || len(letters) != 1 {
			t.Fatalf("%s: %+v, %v", id, letters, err)
		}
		l := letters[0]
		if l.MessageID != "message-0001" || len(l.Attempts) != 2 || l.Arrivals[0].Status != upload.Stored ||
			l.Diagnosis.Cause != Obsolete || !l.ExpiresAt.Equal(l.SentAt.Add(retention)) || l.Source == "" || l.Body == "" {
			t.Errorf("%s: %+v", id, l)
		}
	}
	if letters, err := f.Show(t.Context(), s, "none"); err != nil || len(letters) != 0 {
		t.Errorf("none: %+v, %v", letters, err)
	}
	f.Records = failing{}
	letters, err := f.Show(t.Context(), s, "message-0001")
	if !errors.Is(err, errTrouble) || len(letters) != 1 || letters[0].Body == "" {
		t.Errorf("with trouble: %+v, %v", letters, err)
	}
}

// BenchmarkAListing measures what a listing of 10,000 letters costs by itself, on stores in memory: letters a second,
// and the most memory that was in use at once.
func BenchmarkAListing(b *testing.B) {
	const n = 10_000
	b.ReportAllocs()
	var peak uint64
	for b.Loop() {
		f := newFixture(b)
		f.Concurrency = 16
		f.many(n)
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		before, rows := stats.HeapAlloc, 0
		s, err := f.List(b.Context(), func(Letter) error {
			if rows++; rows%1000 == 0 {
				runtime.ReadMemStats(&stats)
				peak = max(peak, stats.HeapAlloc-min(before, stats.HeapAlloc))
			}
			return nil
		})
		if err != nil || s.Letters != n {
			b.Fatal(s, err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "letters/s")
	b.ReportMetric(float64(peak)/(1<<20), "MB-peak")
}

// slowRecords take a time-out to fail.
type slowRecords struct {
	Records
	clock *uploadtest.Clock
	asked atomic.Int64
}

func (r *slowRecords) Get(context.Context, upload.Ref) (upload.Record, error) {
	r.asked.Add(1)
	r.clock.Pass(15 * time.Second)
	return upload.Record{}, errors.New("operation error DynamoDB: GetItem, exceeded maximum number of attempts")
}

func TestAStoreThatIsDownHoldsUpNoListingAndTheAttemptsSayWhy(t *testing.T) {
	f := newFixture(t)
	for n, created := range f.dead(30, always("")) {
		ref, _ := f.Layout.ParseQuarantineKey(upload.Key(created.Key))
		f.attempted(ref.ID, attempts.Attempt{MessageID: fmt.Sprintf("message-%04d", n), Receive: 5, MaxReceives: 5,
			Began: f.clock.Now(), Ended: f.clock.Now(), Failures: []attempts.Failure{{Key: created.Key,
				Version: created.VersionID, Error: "get record: " + unavailable, Cause: "x"}}})
	}
	slow := &slowRecords{clock: f.clock}
	f.Records, f.Concurrency = slow, 1
	s, err := f.List(t.Context(), func(Letter) error { return nil })
	if err != nil || s.Letters != 30 || s.Unread != 30 || slow.asked.Load() != 2 {
		t.Fatalf("%+v, %v, the store was asked %d times", s, err, slow.asked.Load())
	}
	if len(s.Groups) != 1 || s.Groups[0].Cause != Unreachable || !strings.Contains(s.Groups[0].Sentence, "just now") {
		t.Errorf("groups %+v", s.Groups)
	}
}
