package bugoutrecords

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// filter names texts that members of resource_data must equal.
type filter map[string]string

// list gives the resources that match, as far as they are uploads, and tells
// Options.Damaged of the others. That the list is whole is proved.
func (s *Store) list(ctx context.Context, f filter, match func(resource) bool) ([]resource, error) {
	found, damaged, err := s.fetchList(ctx, f, match, true)
	if s.o.Damaged != nil {
		for _, fault := range damaged {
			s.o.Damaged(ctx, fault)
		}
	}
	return found, err
}

// fetchList gives the resources that match, and an error for each resource of an upload that
// cannot be read. A list that need not be whole is proved only when it is empty.
func (s *Store) fetchList(ctx context.Context, f filter, match func(resource) bool, whole bool) (found []resource,
	damaged []error, _ error) {
	query := url.Values{"application_id": {s.o.Application}}
	for key, value := range f {
		query.Set(key, value)
	}
	err := s.attempts(ctx, func(int) error {
		list := &wireList{match: match}
		answer := struct {
			Resources *wireList `json:"resources"`
		}{list}
		token, err := s.ask(ctx, http.MethodGet, collection, query, nil, &answer)
		switch {
		case err != nil:
			return err
		case !list.read:
			return errUnexpected
		}
		found, damaged = list.found, list.damaged
		if whole || len(found)+len(damaged) == 0 {
			return s.prove(ctx, token)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	return found, damaged, nil
}

// wireList reads resources one at a time and keeps those that match.
type wireList struct {
	match   func(resource) bool
	found   []resource
	damaged []error
	read    bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *wireList) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if first, err := d.Token(); err != nil || first != json.Delim('[') {
		return errUnexpected
	}
	for d.More() {
		var w wireResource
		if err := d.Decode(&w); err != nil {
			return err
		}
		r, ok, err := w.resource()
		switch {
		case err != nil:
			l.damaged = append(l.damaged, err)
		case ok && l.match(r):
			l.found = append(l.found, r)
		}
	}
	l.read = true
	return nil
}

// entry gives everything of one kind that an entry holds, one resource an upload.
func (s *Store) entry(ctx context.Context, j upload.Journal, e upload.Entry, k policy.KindName) ([]resource, error) {
	all, err := s.list(ctx, filter{keyJournal: string(j), keyEntry: string(e)}, func(r resource) bool {
		return r.Journal == j && r.Entry == e && r.Kind == k
	})
	return onePerUpload(all), err
}

// onePerUpload leaves out the resources that do not count.
func onePerUpload(all []resource) []resource {
	sortByRank(all)
	seen := map[upload.Ref]bool{}
	return slices.DeleteFunc(all, func(r resource) bool {
		again := seen[r.Ref()]
		seen[r.Ref()] = true
		return again
	})
}

// Count says how many records there are. It reads all of them, as every page of a list does,
// and tells of no damaged one: the lists do.
func (s *Store) Count(ctx context.Context) (int, error) {
	all, _, err := s.fetchList(ctx, nil, func(resource) bool { return true }, true)
	return len(onePerUpload(all)), upload.Wrap(err, "count the records")
}

// Usage implements upload.Records.
func (s *Store) Usage(ctx context.Context, journal upload.Journal, entry upload.Entry,
	kind policy.KindName) (upload.Usage, error) {
	all, err := s.entry(ctx, journal, entry, kind)
	if err != nil {
		return upload.Usage{}, upload.Wrap(err, "sum what %s/entries/%s/%s holds", journal, entry, kind)
	}
	return usageOf(all), nil
}

func usageOf(all []resource) (u upload.Usage) {
	for _, r := range all {
		switch r.Status {
		case upload.Pending:
			u.Files++
		case upload.Stored:
			u.Files, u.Bytes = u.Files+1, u.Bytes+r.Size
		}
	}
	return u
}

// List implements upload.Records. An empty Status means any.
func (s *Store) List(ctx context.Context, q upload.Query) (upload.Page, error) {
	page, err := s.page(q.Name(), true, q.Cursor, q.Limit, func() ([]resource, error) {
		all, err := s.entry(ctx, q.Journal, q.Entry, q.Kind)
		return slices.DeleteFunc(all, func(r resource) bool { return q.Status != "" && r.Status != q.Status }), err
	})
	return page, upload.Wrap(err, "list %s/entries/%s/%s", q.Journal, q.Entry, q.Kind)
}

// Scan implements upload.Records.
func (s *Store) Scan(ctx context.Context, q upload.ScanQuery) (upload.Page, error) {
	var f filter
	if q.Status != "" && q.Status != upload.Stored { // what the replaced service recorded has no status
		f = filter{keyStatus: string(q.Status)}
	}
	page, err := s.page(q.Name(), false, q.Cursor, q.Limit, func() ([]resource, error) {
		found, err := s.list(ctx, f, func(r resource) bool { return q.Matches(r.Record) })
		return onePerUpload(found), err
	})
	return page, upload.Wrap(err, "list %s records", cmp.Or(string(q.Status), "all"))
}

// page cuts one page out of what fetch gives, by creation.
func (s *Store) page(list upload.ListName, newestFirst bool, cursor upload.Cursor, limit int,
	fetch func() ([]resource, error)) (upload.Page, error) {
	raw, err := list.Start(cursor, limit)
	if err != nil {
		return upload.Page{}, err
	}
	var after position
	if raw != nil {
		if after, err = readPosition(raw); err != nil {
			return upload.Page{}, err
		}
	}
	order := position.compare
	if newestFirst {
		order = func(p, q position) int { return q.compare(p) }
	}
	all, err := fetch()
	if err != nil {
		return upload.Page{}, err
	}
	all = slices.DeleteFunc(all, func(r resource) bool { return raw != nil && order(positionOf(r), after) <= 0 })
	slices.SortFunc(all, func(a, b resource) int { return order(positionOf(a), positionOf(b)) })
	var page upload.Page
	for _, r := range all[:min(limit, len(all))] {
		page.Records = append(page.Records, r.Record)
	}
	if len(all) > limit {
		page.Next = list.Cursor(positionOf(all[limit-1]).bytes())
	}
	return page, nil
}

// position is where a list goes on: right after the record that it describes.
type position struct {
	at  int64 // created_at in microseconds
	ref string
}

func positionOf(r resource) position {
	return position{r.CreatedAt.UnixMicro(), string(r.ID) + " " + r.Ref().String()}
}

func (p position) compare(q position) int {
	return cmp.Or(cmp.Compare(p.at, q.at), strings.Compare(p.ref, q.ref))
}

// bytes are what a cursor holds; readPosition reads them.
func (p position) bytes() []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(p.at)), p.ref...)
}

func readPosition(raw []byte) (position, error) {
	if len(raw) <= 8 {
		return position{}, upload.ErrBadCursor
	}
	return position{int64(binary.BigEndian.Uint64(raw)), string(raw[8:])}, nil
}
