package uploadtest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// Usage implements upload.Records.
func (s *Records) Usage(ctx context.Context, j upload.Journal, e upload.Entry,
	k policy.KindName) (upload.Usage, error) {
	if err := ctx.Err(); err != nil {
		return upload.Usage{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var u upload.Usage
	for _, r := range s.counting() {
		if !sameEntry(r, j, e, k) {
			continue
		}
		switch r.Status {
		case upload.Pending:
			u.Files++
		case upload.Stored:
			u.Files++
			u.Bytes += r.Size
		}
	}
	return u, nil
}

// List implements upload.Records. An empty Status means any.
func (s *Records) List(ctx context.Context, q upload.Query) (upload.Page, error) {
	return s.page(ctx, q.Name(), true, q.Cursor, q.Limit, func(r upload.Record) bool {
		return sameEntry(r, q.Journal, q.Entry, q.Kind) && (q.Status == "" || r.Status == q.Status)
	})
}

// Scan implements upload.Records.
func (s *Records) Scan(ctx context.Context, q upload.ScanQuery) (upload.Page, error) {
	return s.page(ctx, q.Name(), false, q.Cursor, q.Limit, q.Matches)
}

// position is what a cursor holds: after what its list goes on.
type position struct {
	At  time.Time
	Ref upload.Ref
}

func (p position) compare(q position) int {
	return cmp.Or(p.At.Compare(q.At), cmp.Compare(p.Ref.ID, q.Ref.ID), strings.Compare(p.Ref.String(), q.Ref.String()))
}

// page gives one page of the records that match, by creation.
func (s *Records) page(ctx context.Context, list upload.ListName, newestFirst bool, c upload.Cursor, limit int,
	match func(upload.Record) bool) (upload.Page, error) {
	if err := ctx.Err(); err != nil {
		return upload.Page{}, err
	}
	text, err := list.Start(c, limit)
	if err != nil {
		return upload.Page{}, err
	}
	var after position
	if text != nil && json.Unmarshal(text, &after) != nil {
		return upload.Page{}, upload.ErrBadCursor
	}
	order := position.compare
	if newestFirst {
		order = func(p, q position) int { return q.compare(p) }
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	var found []position
	records := s.counting()
	for ref, r := range records {
		at := position{r.CreatedAt, ref}
		if match(r) && (c == "" || order(at, after) > 0) {
			found = append(found, at)
		}
	}
	slices.SortFunc(found, order)
	var page upload.Page
	for _, at := range found[:min(limit, len(found))] {
		r := detach(records[at.Ref])
		r.Revision = ""
		page.Records = append(page.Records, r)
	}
	if len(found) > limit {
		text, err := json.Marshal(found[limit-1])
		if err != nil {
			return upload.Page{}, fmt.Errorf("write a cursor: %w", err)
		}
		page.Next = list.Cursor(text)
	}
	return page, nil
}
