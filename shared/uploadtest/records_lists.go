package uploadtest

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"hatchery/shared/upload"
)

// Usage implements upload.Records.
func (s *Records) Usage(ctx context.Context, j upload.Journal, e upload.Entry, k upload.KindName) (upload.Usage, error) {
	if err := ctx.Err(); err != nil {
		return upload.Usage{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var u upload.Usage
	for _, r := range s.records {
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
	list := fmt.Sprintf("list %s %s %s %s", q.Journal, q.Entry, q.Kind, q.Status)
	return s.page(ctx, list, true, q.Cursor, q.Limit, func(r upload.Record) bool {
		return sameEntry(r, q.Journal, q.Entry, q.Kind) && (q.Status == "" || r.Status == q.Status)
	})
}

// PendingBefore implements upload.Records.
func (s *Records) PendingBefore(ctx context.Context, t time.Time, c upload.Cursor, limit int) (upload.Page, error) {
	return s.page(ctx, "pending", false, c, limit, func(r upload.Record) bool {
		return r.Status == upload.Pending && r.CreatedAt.Before(t)
	})
}

// ByStatus implements upload.Records.
func (s *Records) ByStatus(ctx context.Context, status upload.Status, c upload.Cursor, limit int) (upload.Page, error) {
	return s.page(ctx, "status "+string(status), false, c, limit, func(r upload.Record) bool { return r.Status == status })
}

// All implements upload.Records.
func (s *Records) All(ctx context.Context, c upload.Cursor, limit int) (upload.Page, error) {
	return s.page(ctx, "all", false, c, limit, func(upload.Record) bool { return true })
}

// position is what a cursor holds: which list it continues, and after what.
type position struct {
	List string
	At   time.Time
	Ref  upload.Ref
}

func (p position) compare(q position) int {
	return cmp.Or(p.At.Compare(q.At), cmp.Compare(p.Ref.ID, q.Ref.ID), strings.Compare(p.Ref.String(), q.Ref.String()))
}

// page gives one page of the records that match, by creation.
func (s *Records) page(ctx context.Context, list string, newestFirst bool, c upload.Cursor, limit int, match func(upload.Record) bool) (upload.Page, error) {
	if err := ctx.Err(); err != nil {
		return upload.Page{}, err
	}
	if limit < 1 || limit > upload.MaxPage {
		return upload.Page{}, fmt.Errorf("limit %d is not 1 to %d", limit, upload.MaxPage)
	}
	var after position
	if c != "" {
		text, err := base64.RawURLEncoding.DecodeString(string(c))
		if err != nil || json.Unmarshal(text, &after) != nil || after.List != list {
			return upload.Page{}, upload.ErrBadCursor
		}
	}
	order := position.compare
	if newestFirst {
		order = func(p, q position) int { return q.compare(p) }
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	var found []position
	for ref, r := range s.records {
		at := position{list, r.CreatedAt, ref}
		if match(r) && (c == "" || order(at, after) > 0) {
			found = append(found, at)
		}
	}
	slices.SortFunc(found, order)
	var page upload.Page
	for _, at := range found[:min(limit, len(found))] {
		page.Records = append(page.Records, detach(s.records[at.Ref]))
	}
	if len(found) > limit {
		text, err := json.Marshal(found[limit-1])
		if err != nil {
			return upload.Page{}, fmt.Errorf("write a cursor: %w", err)
		}
		page.Next = upload.Cursor(base64.RawURLEncoding.EncodeToString(text))
	}
	return page, nil
}
