package bugoutrecords

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// filter names texts that members of resource_data must equal.
type filter map[string]string

// list gives the resources that match, as far as they are uploads.
func (s *Store) list(ctx context.Context, f filter, match func(resource) bool) ([]resource, error) {
	return s.listAnd(ctx, f, match, func(err error) {
		if s.o.Damaged != nil {
			s.o.Damaged(ctx, err)
		}
	})
}

// listAnd is list, and tells of each resource of an upload that cannot be read. That
// the list is whole is proved.
func (s *Store) listAnd(ctx context.Context, f filter, match func(resource) bool, damaged func(error)) ([]resource, error) {
	return s.answered(ctx, f, match, damaged, true)
}

// answered is listAnd. A list that need not be whole is proved only when it is empty.
func (s *Store) answered(ctx context.Context, f filter, match func(resource) bool, damaged func(error), whole bool) ([]resource, error) {
	query := url.Values{"application_id": {s.o.Application}}
	for key, value := range f {
		query.Set(key, value)
	}
	var found []resource
	var broken []error
	err := s.attempts(ctx, func(int) error {
		var answer struct {
			Resources *wireList `json:"resources"`
		}
		list := &wireList{match: match}
		answer.Resources = list
		token, err := s.ask(ctx, http.MethodGet, collection, query, nil, &answer)
		switch {
		case err != nil:
			return err
		case !list.read:
			return errNonsense
		}
		found, broken = list.found, list.damaged
		if whole || len(found)+len(broken) == 0 {
			return s.prove(ctx, token)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, fault := range broken {
		damaged(fault)
	}
	return found, nil
}

// entry gives everything of one kind that an entry holds, one resource an upload.
func (s *Store) entry(ctx context.Context, j upload.Journal, e upload.Entry, k policy.KindName) ([]resource, error) {
	there, err := s.list(ctx, filter{keyJournal: string(j), keyEntry: string(e)}, func(r resource) bool {
		return r.Journal == j && r.Entry == e && r.Kind == k
	})
	return onePerUpload(there), err
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

// Usage implements upload.Records.
func (s *Store) Usage(ctx context.Context, journal upload.Journal, entry upload.Entry, kind policy.KindName) (upload.Usage, error) {
	there, err := s.entry(ctx, journal, entry, kind)
	if err != nil {
		return upload.Usage{}, wrap(err, "sum what %s/entries/%s/%s holds", journal, entry, kind)
	}
	var u upload.Usage
	for _, r := range there {
		switch r.Status {
		case upload.Pending:
			u.Files++
		case upload.Stored:
			u.Files, u.Bytes = u.Files+1, u.Bytes+r.Size
		}
	}
	return u, nil
}

// List implements upload.Records. An empty Status means any.
func (s *Store) List(ctx context.Context, q upload.Query) (upload.Page, error) {
	page, err := s.page(q.Name(), true, q.Cursor, q.Limit, func() ([]resource, error) {
		there, err := s.entry(ctx, q.Journal, q.Entry, q.Kind)
		return slices.DeleteFunc(there, func(r resource) bool { return q.Status != "" && r.Status != q.Status }), err
	})
	return page, wrap(err, "list %s/entries/%s/%s", q.Journal, q.Entry, q.Kind)
}

// Scan implements upload.Records. There are no deleted records.
func (s *Store) Scan(ctx context.Context, q upload.ScanQuery) (upload.Page, error) {
	var f filter
	if q.Status != "" && q.Status != upload.Stored { // what the replaced service recorded says nothing of a status
		f = filter{keyStatus: string(q.Status)}
	}
	page, err := s.page(q.Name(), false, q.Cursor, q.Limit, func() ([]resource, error) {
		found, err := s.list(ctx, f, func(r resource) bool {
			return (q.Status == "" || r.Status == q.Status) && (q.Before.IsZero() || r.CreatedAt.Before(q.Before))
		})
		return onePerUpload(found), err
	})
	return page, wrap(err, "list the %s records", cmp.Or(string(q.Status), "all"))
}

// page cuts one page out of what fetch gives, by creation.
func (s *Store) page(list upload.ListName, newestFirst bool, cursor upload.Cursor, limit int, fetch func() ([]resource, error)) (upload.Page, error) {
	if limit < 1 || limit > upload.MaxPage {
		return upload.Page{}, fmt.Errorf("the limit is %d, not 1 to %d", limit, upload.MaxPage)
	}
	var after position
	if cursor != "" {
		var err error
		if after, err = readPosition(list, cursor); err != nil {
			return upload.Page{}, err
		}
	}
	order := position.compare
	if newestFirst {
		order = func(p, q position) int { return q.compare(p) }
	}
	there, err := fetch()
	if err != nil {
		return upload.Page{}, err
	}
	there = slices.DeleteFunc(there, func(r resource) bool { return cursor != "" && order(positionOf(r), after) <= 0 })
	slices.SortFunc(there, func(a, b resource) int { return order(positionOf(a), positionOf(b)) })
	var page upload.Page
	for _, r := range there[:min(limit, len(there))] {
		page.Records = append(page.Records, r.Record)
	}
	if len(there) > limit {
		page.Next = positionOf(there[limit-1]).cursor(list)
	}
	return page, nil
}

// position is a place in a list: right after the record that it describes.
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

// maxCursorBytes is far more than a cursor has that this store gave.
const maxCursorBytes = 2048

func (p position) cursor(list upload.ListName) upload.Cursor {
	return list.Cursor(append(binary.BigEndian.AppendUint64(nil, uint64(p.at)), p.ref...))
}

// readPosition reads a cursor of a list.
func readPosition(list upload.ListName, c upload.Cursor) (position, error) {
	raw, err := list.Place(c, maxCursorBytes)
	if err != nil || len(raw) <= 8 {
		return position{}, upload.ErrBadCursor
	}
	return position{int64(binary.BigEndian.Uint64(raw)), string(raw[8:])}, nil
}
