package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"hatchery/shared/upload"
)

// list is a list of records or objects that a run goes through page by page.
type list struct {
	what     string // for logs and errors
	pageSize int
	// read gives a page from after a cursor as tasks, and the cursor of the next page, "" at the end.
	read func(from upload.Cursor, limit int) ([]task, upload.Cursor, error)
	// seen counts what was looked at, up to max; 0 is no bound.
	seen   *int
	max    int
	stopAt time.Time
}

// task looks at something that counts as so many.
type task struct {
	count int
	run   func()
}

// perRecord makes a task of each record.
func perRecord(ctx context.Context, page upload.Page, look func(context.Context, upload.Record)) []task {
	tasks := make([]task, 0, len(page.Records))
	for _, record := range page.Records {
		tasks = append(tasks, task{1, func() { look(ctx, record) }})
	}
	return tasks
}

// eachPage goes through a list from after a cursor. It gives where it stopped, and whether that is the end. It
// stops at the bound, when time is over, and when the list cannot be read.
func (x *run) eachPage(ctx context.Context, l list, from upload.Cursor) (upload.Cursor, bool) {
	for {
		limit := l.pageSize
		if l.max > 0 {
			limit = min(limit, l.max-*l.seen)
		}
		if limit <= 0 || x.stopped(ctx, l.stopAt) {
			return from, false
		}
		tasks, next, err := l.read(from, limit)
		if errors.Is(err, upload.ErrBadCursor) && x.restartLists && from != "" {
			x.Log.WarnContext(ctx, "reconcile: "+l.what+
				": the place where the last run ended is not known any more, so it begins anew", "error", err)
			from = ""
			continue
		}
		if err != nil {
			x.failed(ctx, l.what, err)
			return from, false
		}
		if !x.do(ctx, l, tasks) {
			return from, false // the page is done again: everything may be repeated
		}
		if next == "" {
			return "", true
		}
		from = next
	}
}

var errStopped = errors.New("time is over")

// do does the tasks of a page, several at a time, and says whether it did all of them before time was over.
func (x *run) do(ctx context.Context, l list, tasks []task) bool {
	var group errgroup.Group
	group.SetLimit(cmp.Or(x.concurrency, 8))
	var done atomic.Int64
	for _, t := range tasks {
		group.Go(func() error {
			if x.stopped(ctx, l.stopAt) {
				return errStopped
			}
			t.run()
			done.Add(int64(t.count))
			return nil
		})
	}
	err := group.Wait()
	*l.seen += int(done.Load())
	return err == nil
}

// stopped says that nothing new may be begun: the run was ended, or at has come.
func (x *run) stopped(ctx context.Context, at time.Time) bool {
	return ctx.Err() != nil || !at.IsZero() && !x.Now().Before(at)
}

// get reads a record, which is about a key. A failure is counted, but not upload.ErrNotFound.
func (x *run) get(ctx context.Context, what string, ref upload.Ref, key upload.Key) (upload.Record, error) {
	record, err := x.Records.Get(ctx, ref)
	if err != nil && !errors.Is(err, upload.ErrNotFound) {
		x.failedOn(ctx, what, ref.ID, key, fmt.Errorf("get record %s: %w", ref, err))
	}
	return record, err
}

// versions lists the versions of exactly one key, newest first, at most Limits.Versions of them.
func (x *run) versions(ctx context.Context, key upload.Key) ([]upload.ObjectVersion, error) {
	var versions []upload.ObjectVersion
	err := x.eachVersion(ctx, key, func(v upload.ObjectVersion) bool {
		versions = append(versions, v)
		return len(versions) < x.Limits.Versions
	})
	return versions, err
}

// eachVersion yields the versions of exactly one key, newest first, until yield is false.
func (x *run) eachVersion(ctx context.Context, key upload.Key, yield func(upload.ObjectVersion) bool) error {
	return upload.EachVersion(ctx, x.Inventory, key, min(x.Limits.Versions, upload.MaxPage), yield)
}
