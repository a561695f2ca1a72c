package uploadtest

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"

	"hatchery/shared/upload"
)

// list is one of the lists that a store gives, page by page.
type list func(ctx context.Context, cursor upload.Cursor, limit int) (upload.Page, error)

func (s *recordsSuite) list(status upload.Status) list {
	return func(ctx context.Context, cursor upload.Cursor, limit int) (upload.Page, error) {
		return s.store.List(ctx, upload.Query{Journal: suiteJournal, Entry: suiteEntry, Kind: suiteKind,
			Status: status, Cursor: cursor, Limit: limit})
	}
}

func (s *recordsSuite) before(t time.Time) list {
	return func(ctx context.Context, cursor upload.Cursor, limit int) (upload.Page, error) {
		return s.store.Scan(ctx, upload.ScanQuery{Status: upload.Pending, Before: t, Cursor: cursor, Limit: limit})
	}
}

func (s *recordsSuite) byStatus(status upload.Status) list {
	return func(ctx context.Context, cursor upload.Cursor, limit int) (upload.Page, error) {
		return s.store.Scan(ctx, upload.ScanQuery{Status: status, Cursor: cursor, Limit: limit})
	}
}

// page reads one page and checks that it has at most limit records.
func (s *recordsSuite) page(l list, cursor upload.Cursor, limit int) upload.Page {
	s.Helper()
	p, err := l(s.ctx, cursor, limit)
	s.must(err, "read a page of %d after %q", limit, cursor)
	if len(p.Records) > limit {
		s.Fatalf("a page of %d has %d records", limit, len(p.Records))
	}
	return p
}

// rest reads all pages from cursor on.
func (s *recordsSuite) rest(l list, cursor upload.Cursor, limit int) []upload.Record {
	s.Helper()
	var all []upload.Record
	for range 1000 {
		p := s.page(l, cursor, limit)
		all = append(all, p.Records...)
		if cursor = p.Next; cursor == "" {
			return all
		}
	}
	s.Fatal("the list does not end")
	return nil
}

// gives checks what a list holds and its order, in pages of several sizes.
func (s *recordsSuite) gives(l list, want ...upload.Record) {
	s.Helper()
	for _, limit := range []int{1, 2, 3, upload.MaxPage} {
		got := s.rest(l, "", limit)
		if a, b := idsOf(got), idsOf(want); !slices.Equal(a, b) {
			s.Fatalf("in pages of %d the list gives\n%v, want\n%v", limit, a, b)
		}
		for i := range got {
			s.same(got[i], want[i])
		}
	}
}

// holds is gives for a list in no promised order.
func (s *recordsSuite) holds(l list, want ...upload.Record) {
	s.Helper()
	for _, limit := range []int{1, 2, 3, upload.MaxPage} {
		got := s.rest(l, "", limit)
		byID(got)
		byID(want)
		if a, b := idsOf(got), idsOf(want); !slices.Equal(a, b) {
			s.Fatalf("in pages of %d the list gives\n%v, want\n%v", limit, a, b)
		}
		for i := range got {
			s.same(got[i], want[i])
		}
	}
}

func byID(records []upload.Record) {
	slices.SortFunc(records, func(a, b upload.Record) int { return strings.Compare(string(a.ID), string(b.ID)) })
}

func idsOf(records []upload.Record) []string {
	ids := make([]string, len(records))
	for i, r := range records {
		ids[i] = r.Ref().String()
	}
	return ids
}

var listCases = []recordsCase{
	{"an entry's records of one status come newest first", func(s *recordsSuite) {
		a, b, c := s.stored(1), s.stored(2), s.stored(3)
		p, q := s.pending(), s.pending()
		x, y := s.rejected(), s.rejected()
		s.gives(s.list(upload.Stored), c, b, a)
		s.gives(s.list(upload.Pending), q, p)
		s.gives(s.list(upload.Rejected), y, x)
		s.gives(s.list(upload.Deleted))
		s.delete(b.Ref())
		s.gives(s.list(upload.Stored), c, a)
	}},
	{"the order of stored records is by creation, not by arrival, and by id within an instant", func(s *recordsSuite) {
		drafts := []upload.Record{s.draft(), s.draft(), s.draft(), s.draft(), s.draft()}
		at := drafts[0].CreatedAt
		for i, after := range []time.Duration{time.Microsecond, 0, 0, -time.Microsecond, 0} {
			drafts[i].CreatedAt = at.Add(after)
			drafts[i] = s.settle(s.create(drafts[i]).Ref(), s.storing())
		}
		s.gives(s.list(upload.Stored), drafts[0], drafts[4], drafts[2], drafts[1], drafts[3])
	}},
	{"other journals, entries and kinds have lists of their own", func(s *recordsSuite) {
		own := s.pending()
		for _, ref := range elsewhere(own.Ref())[:3] {
			r := s.draft()
			r.Journal, r.Entry, r.Kind = ref.Journal, ref.Entry, ref.Kind
			s.create(r)
		}
		s.gives(s.list(upload.Pending), own)
	}},
	{"a list goes on where it ended while records come and go", func(s *recordsSuite) {
		old := []upload.Record{s.pending(), s.pending(), s.pending(), s.pending(), s.pending()}
		first := s.page(s.list(upload.Pending), "", 2)
		s.pending()
		s.delete(old[3].Ref()) // where the page ended
		s.delete(old[1].Ref())
		got := append(first.Records, s.rest(s.list(upload.Pending), first.Next, 2)...)
		want := []upload.Record{old[4], old[3], old[2], old[0]}
		if !slices.Equal(idsOf(got), idsOf(want)) {
			s.Errorf("the list gave\n%v, want\n%v", idsOf(got), idsOf(want))
		}
	}},
	{"a cursor may be used again", func(s *recordsSuite) {
		s.pending()
		s.pending()
		first := s.page(s.list(upload.Pending), "", 1)
		second := s.page(s.list(upload.Pending), first.Next, 1)
		again := s.page(s.list(upload.Pending), first.Next, 1)
		if !slices.Equal(idsOf(again.Records), idsOf(second.Records)) {
			s.Error("the same cursor gave two different pages")
		}
	}},
}

func (s *recordsSuite) all(ctx context.Context, c upload.Cursor, limit int) (upload.Page, error) {
	return s.store.Scan(ctx, upload.ScanQuery{Cursor: c, Limit: limit})
}

var scanCases = []recordsCase{
	{"pending records before an instant come oldest first from every entry", func(s *recordsSuite) {
		a, elsewhere, b := s.pending(), s.draft(), s.pending()
		elsewhere.Journal, elsewhere.Entry, elsewhere.Kind = "journal-2", "entry_B", "documents"
		s.create(elsewhere)
		s.stored(1)
		s.rejected()
		s.deleted()
		last := s.pending()
		s.gives(s.before(last.CreatedAt), a, elsewhere, b)
		s.gives(s.before(last.CreatedAt.Add(time.Microsecond)), a, elsewhere, b, last)
		s.gives(s.before(a.CreatedAt))
	}},
	{"the instant is exact below a microsecond", func(s *recordsSuite) {
		r := s.pending()
		s.gives(s.before(r.CreatedAt.Add(time.Nanosecond)), r)
		s.gives(s.before(r.CreatedAt.Add(-time.Nanosecond)))
	}},
	{"of one instant every pending record is given", func(s *recordsSuite) {
		var want []upload.Record
		for range 5 {
			r := s.draft()
			r.CreatedAt = s.clock.Now()
			want = append(want, s.create(r))
		}
		s.holds(s.before(s.clock.Now().Add(time.Second)), want...)
	}},
	{"pages of pending records go on while records are settled", func(s *recordsSuite) {
		old := []upload.Record{s.pending(), s.pending(), s.pending(), s.pending()}
		l := s.before(s.clock.Now().Add(time.Hour))
		first := s.page(l, "", 2)
		s.settle(old[0].Ref(), s.storing())
		s.settle(old[1].Ref(), s.rejecting())
		got := append(first.Records, s.rest(l, first.Next, 2)...)
		if !slices.Equal(idsOf(got), idsOf(old)) {
			s.Errorf("the list gave\n%v, want\n%v", idsOf(got), idsOf(old))
		}
	}},
	{"every record of a status is given once", func(s *recordsSuite) {
		p, q, elsewhere := s.pending(), s.pending(), s.draft()
		elsewhere.Journal, elsewhere.CreatedAt = "journal-2", p.CreatedAt
		s.create(elsewhere)
		a, b, x, tombstone := s.stored(1), s.stored(2), s.rejected(), s.deleted()
		s.holds(s.byStatus(upload.Pending), p, q, elsewhere)
		s.holds(s.byStatus(upload.Stored), a, b)
		s.holds(s.byStatus(upload.Rejected), x)
		if s.atomic {
			s.holds(s.byStatus(upload.Deleted), tombstone)
		} else {
			s.holds(s.byStatus(upload.Deleted))
		}
	}},
	{"records of any status before an instant are given", func(s *recordsSuite) {
		a, b := s.stored(1), s.stored(2)
		s.holds(func(ctx context.Context, c upload.Cursor, limit int) (upload.Page, error) {
			return s.store.Scan(ctx, upload.ScanQuery{Status: upload.Stored, Before: b.CreatedAt, Cursor: c, Limit: limit})
		}, a)
	}},
	{"every record is given once", func(s *recordsSuite) {
		elsewhere := s.draft()
		elsewhere.Journal, elsewhere.Entry, elsewhere.Kind = "journal-2", "entry_B", "documents"
		all := []upload.Record{s.pending(), s.stored(1), s.rejected(), s.create(elsewhere), s.pending()}
		tombstone := s.deleted()
		if s.atomic {
			all = append(all, tombstone)
		}
		s.holds(s.all, all...)
	}},
	{"records that stay are given once while others come and go", func(s *recordsSuite) {
		staying := map[upload.ID]int{}
		for range 6 {
			staying[s.pending().ID] = 0
		}
		going := s.pending()
		var cursor upload.Cursor
		for i := range 1000 {
			p := s.page(s.all, cursor, 2)
			for _, r := range p.Records {
				if _, ok := staying[r.ID]; ok {
					staying[r.ID]++
				}
			}
			if i == 0 {
				s.delete(going.Ref())
			}
			if i < 3 {
				s.pending()
			}
			if cursor = p.Next; cursor == "" {
				break
			}
		}
		for id, times := range staying {
			if times != 1 {
				s.Errorf("%s was given %d times", id, times)
			}
		}
	}},
}

// hostileCursors are cursors that no list gave.
func hostileCursors() []upload.Cursor {
	cursors := []upload.Cursor{"x", "0", "-1", " ", "\x00", "AAAA", "====", "null", "e30", "W10", "bnVsbA", "{}", "../..",
		"%00", "é",
		upload.Cursor(strings.Repeat("A", 100_000))}
	for _, text := range hostileTexts {
		cursors = append(cursors, upload.Cursor(text), upload.Cursor(base64.RawURLEncoding.EncodeToString([]byte(text))))
	}
	for n := range 64 {
		cursors = append(cursors, upload.Cursor(base64.RawURLEncoding.EncodeToString(make([]byte, n+1))))
	}
	return cursors
}

var everyCases = []recordsCase{
	{"a cursor that was never given is refused by every list", func(s *recordsSuite) {
		s.pending()
		for name, l := range s.lists() {
			for _, c := range hostileCursors() {
				if p, err := l(s.ctx, c, 10); len(p.Records) > 0 || p.Next != "" {
					s.Errorf("%s gave a page for cursor %.40q", name, c)
				} else {
					s.is(err, upload.ErrBadCursor, "%s with cursor %.40q", name, c)
				}
			}
		}
	}},
	{"a cursor of one list is refused by the others", func(s *recordsSuite) {
		for range 3 {
			s.pending()
			s.stored(1)
		}
		lists := s.lists()
		elsewhere := upload.Query{Journal: "journal-2", Entry: suiteEntry, Kind: suiteKind, Status: upload.Pending, Limit: 1}
		for name, l := range lists {
			next := s.page(l, "", 1).Next
			if next == "" {
				s.Fatalf("%s has no second page", name)
			}
			elsewhere.Cursor = next
			_, err := s.store.List(s.ctx, elsewhere)
			s.is(err, upload.ErrBadCursor, "a list of another journal with a cursor of %s", name)
			for other, l := range lists {
				if other != name {
					_, err := l(s.ctx, next, 1)
					s.is(err, upload.ErrBadCursor, "%s with a cursor of %s", other, name)
				}
			}
		}
	}},
	{"a limit outside 1 to MaxPage is an error", func(s *recordsSuite) {
		s.pending()
		for name, l := range s.lists() {
			for _, limit := range []int{-1, 0, upload.MaxPage + 1} {
				if p, err := l(s.ctx, "", limit); err == nil {
					s.Errorf("%s with limit %d gave %d records", name, limit, len(p.Records))
				}
			}
		}
	}},
	{"a context that has ended is an error", func(s *recordsSuite) {
		p, x := s.pending(), s.rejected()
		ended, cancel := context.WithCancel(s.ctx)
		cancel()
		fresh := s.draft()
		for name, call := range map[string]func() error{
			"Create": func() error { _, err := s.store.Create(ended, fresh, s.key("scope", "key", "print")); return err },
			"Get":    func() error { _, err := s.store.Get(ended, p.Ref()); return err },
			"Settle": func() error { _, err := s.store.Update(ended, p.Ref(), upload.Settle(s.storing())); return err },
			"Delete": func() error {
				_, err := s.store.Update(ended, p.Ref(), upload.Delete(s.clock.Now(), s.clock.Now()))
				return err
			},
			"Reopen": func() error { _, err := s.store.Update(ended, x.Ref(), upload.Reopen()); return err },
			"CountFailure": func() error {
				return upload.NoteFailure(ended, s.store, p.Ref(), upload.Failure{At: s.clock.Now()})
			},
			"Usage": func() error { _, err := s.store.Usage(ended, p.Journal, p.Entry, p.Kind); return err },
		} {
			s.is(call(), context.Canceled, "%s", name)
		}
		for name, l := range s.lists() {
			_, err := l(ended, "", 1)
			s.is(err, context.Canceled, "%s", name)
		}
		s.stands(p)
		s.stands(x)
		_, err := s.store.Get(s.ctx, fresh.Ref())
		s.is(err, upload.ErrNotFound, "get what was not created")
	}},
	{"many callers at once each find what they wrote", func(s *recordsSuite) {
		drafts := make([]upload.Record, 24)
		for i := range drafts {
			drafts[i] = s.draft()
		}
		v := s.storing()
		for i, err := range race(len(drafts), func(i int) error {
			r := drafts[i]
			if _, err := s.store.Create(s.ctx, r, nil); err != nil {
				return err
			}
			if got, err := s.store.Get(s.ctx, r.Ref()); err != nil || got.Status != upload.Pending {
				return fmt.Errorf("after creating: %q, %w", got.Status, err)
			}
			if _, err := s.store.Update(s.ctx, r.Ref(), upload.Settle(v)); err != nil {
				return err
			}
			if got, err := s.store.Get(s.ctx, r.Ref()); err != nil || got.Status != upload.Stored {
				return fmt.Errorf("after settling: %q, %w", got.Status, err)
			}
			return nil
		}) {
			s.must(err, "caller %d", i)
		}
		s.holds(s.byStatus(upload.Stored), func() (all []upload.Record) {
			for _, r := range drafts {
				all = append(all, v.Apply(r))
			}
			return all
		}()...)
	}},
}

// lists are all lists, by name, that give pending records.
func (s *recordsSuite) lists() map[string]list {
	return map[string]list{"List": s.list(upload.Pending), "List of stored": s.list(upload.Stored),
		"Scan of pending before": s.before(s.clock.Now().Add(time.Hour)), "Scan of a status": s.byStatus(upload.Pending),
		"Scan": s.all}
}
