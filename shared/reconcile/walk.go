package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"hatchery/shared/upload"
)

// recordsPage is how many records are read at once. Each is compared with the
// bucket, and a page that was not done with is done again.
const recordsPage = 100

// walk goes over the pending uploads from after a cursor, oldest first, and gives
// where it stopped and whether that is the end.
//
// Of the time that there is it takes half: uploads that nothing helps are always the
// oldest, and must not keep the survey from its work for good.
func (x *run) walk(ctx context.Context, from upload.Cursor) (upload.Cursor, bool) {
	stopAt := x.stopAt
	if !stopAt.IsZero() {
		stopAt = x.now.Add(stopAt.Sub(x.now) / 2)
	}
	// The younger of the two limits: what is younger than that needs nothing.
	before := x.now.Add(-min(x.Limits.Overdue, x.Limits.Missing))
	list := pages{what: "list the pending records", size: recordsPage, bound: x.o.MaxRecords, stopAt: stopAt}
	return x.through(ctx, list, from, func(cursor upload.Cursor, limit int) (upload.Cursor, []task, error) {
		page, err := x.Records.PendingBefore(ctx, before, cursor, limit)
		tasks := make([]task, 0, len(page.Records))
		for _, record := range page.Records {
			tasks = append(tasks, task{1, func() { x.pending(ctx, record) }})
		}
		return page.Next, tasks, err
	}, &x.report.PendingSeen)
}

// pages is how one list is gone through.
type pages struct {
	what string
	// size of a page; bound is how much is looked at in all, 0 is no bound.
	size, bound int
	stopAt      time.Time
}

// task looks at something that counts as so many.
type task struct {
	count int
	run   func()
}

// through goes through a list page by page, the tasks of a page at the same time,
// and gives where it stopped and whether that is the end. It stops at a bound, when
// time is over, and when the list cannot be read.
func (x *run) through(ctx context.Context, p pages, from upload.Cursor, read func(upload.Cursor, int) (upload.Cursor, []task, error), seen *int) (upload.Cursor, bool) {
	for left := p.bound; ; {
		if x.stopped(ctx, p.stopAt) || p.bound > 0 && left <= 0 {
			return from, false
		}
		limit := p.size
		if p.bound > 0 {
			limit = min(limit, left)
		}
		next, tasks, err := read(from, limit)
		if errors.Is(err, upload.ErrBadCursor) && x.anew && from != "" {
			x.Log.WarnContext(ctx, "reconcile: "+p.what+": the place where the last run ended is not known any more, so it begins anew", "error", err)
			from = ""
			continue
		}
		if err != nil {
			x.failed(ctx, p.what, err)
			return from, false
		}
		done, whole := x.do(ctx, p, tasks)
		*seen += done
		left -= done
		if !whole {
			return from, false // the page is done again: everything may be repeated
		}
		if next == "" {
			return "", true
		}
		from = next
	}
}

// do does tasks, several at a time, until time is over. It gives how much they count
// that were done, and whether that is all.
func (x *run) do(ctx context.Context, p pages, tasks []task) (done int, whole bool) {
	var group errgroup.Group
	if group.SetLimit(8); x.Concurrency > 0 {
		group.SetLimit(x.Concurrency)
	}
	began := make([]bool, len(tasks))
	for i, t := range tasks {
		group.Go(func() error {
			if began[i] = !x.stopped(ctx, p.stopAt); began[i] {
				t.run()
			}
			return nil
		})
	}
	_ = group.Wait() // every function returns nil
	whole = true
	for i, t := range tasks {
		if began[i] {
			done += t.count
		}
		whole = whole && began[i]
	}
	return done, whole
}

// pending looks at one pending upload of the list.
func (x *run) pending(ctx context.Context, listed upload.Record) {
	ref := listed.Ref()
	key := x.Layout.QuarantineKey(ref)
	versions, err := x.versions(ctx, key)
	if err != nil {
		x.failedOn(ctx, "look at upload", ref.ID, key, err)
		return
	}
	// The list may be some moments old.
	record, err := x.Records.Get(ctx, ref)
	switch {
	case errors.Is(err, upload.ErrNotFound):
		return
	case err != nil:
		x.failedOn(ctx, "look at upload", ref.ID, key, fmt.Errorf("get record %s: %w", ref, err))
	case record.Status != upload.Pending:
		// What it leaves in quarantine is the survey's.
	case len(versions) > 0:
		x.again(ctx, record, versions)
	default:
		x.missing(ctx, record)
	}
}

// missing gives up an upload without bytes once none can come any more, unless they
// were promoted: then the validator judges the copy.
func (x *run) missing(ctx context.Context, record upload.Record) {
	since := record.CreatedAt
	if !record.FormExpires.IsZero() {
		since = record.FormExpires
	}
	if x.now.Sub(since) <= x.Limits.Missing {
		return
	}
	key := x.Layout.QuarantineKey(record.Ref())
	copies, err := x.versions(ctx, x.Layout.FilesKey(record.Ref()))
	if err != nil {
		x.failedOn(ctx, "look at upload", record.ID, key, err)
		return
	}
	if len(copies) > 0 {
		// Which version it is a copy of, only the validator may see.
		x.again(ctx, record, []upload.Kept{{Key: key, Size: copies[0].Size, At: copies[0].At}})
		return
	}
	if !x.o.DryRun {
		_, err := x.Pipeline.GiveUp(ctx, record.Ref())
		if errors.Is(err, upload.ErrConflict) || errors.Is(err, upload.ErrNotFound) {
			return // its bytes or its verdict came, or it was deleted
		}
		if err != nil {
			x.failedOn(ctx, "give up upload", record.ID, key, err)
			return
		}
	}
	x.found(ctx, Finding{What: NeverArrived, Key: key, Upload: record.ID, Status: record.Status,
		Detail: fmt.Sprintf("no bytes came by %s", stamp(since.Add(x.Limits.Missing)))})
}

// versions lists the versions of exactly one key, newest first, at most
// Limits.Versions of them.
func (x *run) versions(ctx context.Context, key upload.Key) ([]upload.Kept, error) {
	var found []upload.Kept
	err := x.eachVersion(ctx, key, func(v upload.Kept) bool {
		found = append(found, v)
		return len(found) < x.Limits.Versions
	})
	return found, err
}

// eachVersion yields the versions of exactly one key, newest first, until yield has
// enough.
func (x *run) eachVersion(ctx context.Context, key upload.Key, yield func(upload.Kept) bool) error {
	for cursor := upload.Cursor(""); ; {
		page, err := x.Inventory.Under(ctx, string(key), cursor, min(x.Limits.Versions, upload.MaxPage))
		if err != nil {
			return fmt.Errorf("list versions of object %q: %w", key, err)
		}
		for _, v := range page.Versions {
			// Keys come in order: those that merely begin alike follow.
			if v.Key != key || !yield(v) {
				return nil
			}
		}
		if page.Next == "" {
			return nil
		}
		cursor = page.Next
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
