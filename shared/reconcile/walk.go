package reconcile

import (
	"context"
	"errors"
	"fmt"

	"hatchery/shared/upload"
)

// recordsPage is how many records are read at once. Each is compared with the bucket, and a page that was not
// done with is done again.
const recordsPage = 100

// walk goes over the pending uploads, oldest first, and says whether it came to the end.
//
// It takes half of the time: uploads that nothing helps are always the oldest, and must not keep the survey
// from its work for good.
func (x *run) walk(ctx context.Context, at position) (position, bool) {
	stopAt := x.stopAt
	if !stopAt.IsZero() {
		stopAt = x.now.Add(stopAt.Sub(x.now) / 2)
	}
	if at.Pending == "" {
		at.Walked = tally{} // it begins
	}
	// What is younger than both limits needs nothing.
	before := x.now.Add(-min(x.Limits.Overdue, x.Limits.Missing))
	read := func(cursor upload.Cursor, limit int) ([]task, upload.Cursor, error) {
		page, err := x.Records.Scan(ctx,
			upload.ScanQuery{Status: upload.Pending, Before: before, Cursor: cursor, Limit: limit})
		return perRecord(ctx, page, x.pending), page.Next, err
	}
	var ended bool
	at.Pending, ended = x.eachPage(ctx, list{what: "list the pending records", pageSize: recordsPage, read: read,
		seen: &x.report.PendingSeen, max: x.o.MaxRecords, stopAt: stopAt}, at.Pending)
	at.Walked.Stuck += x.report.PendingTooLong
	at.Walked.Lost += x.report.BytesLost
	at.Walked.Missed += x.missed
	x.missed = 0
	x.report.Walk = at.Walked.total(ended)
	return at, ended
}

// pending looks at one pending upload of the list.
func (x *run) pending(ctx context.Context, listed upload.Record) {
	key := x.Layout.QuarantineKey(listed.Ref())
	versions, err := x.versions(ctx, key)
	if err != nil {
		x.failedOn(ctx, "look at upload", listed.ID, key, err)
		return
	}
	record, err := x.get(ctx, "look at upload", listed.Ref(), key) // the list may be some moments old
	switch {
	case err != nil || record.Status != upload.Pending:
		// What a settled upload leaves in quarantine is the survey's.
	case len(versions) > 0:
		x.resend(ctx, record, versions)
	default:
		x.missing(ctx, record, key)
	}
}

// missing gives up an upload without bytes in quarantine once none can come any more, unless they were promoted:
// then the validator judges the copy. Until then it reports bytes that somebody removed.
func (x *run) missing(ctx context.Context, record upload.Record, key upload.Key) {
	since := record.CreatedAt
	if !record.FormExpires.IsZero() {
		since = record.FormExpires
	}
	over := x.now.Sub(since) > x.Limits.Missing
	if !over && !record.BytesCame() {
		return
	}
	copies, err := x.versions(ctx, x.Layout.FilesKey(record.Ref()))
	if err != nil {
		x.failedOn(ctx, "look at upload", record.ID, key, err)
		return
	}
	switch {
	case len(copies) > 0 && !over:
		return // its verdict is on its way
	case len(copies) > 0:
		// Which version it is a copy of, only the validator may see.
		x.resend(ctx, record, []upload.ObjectVersion{{Key: key, Size: copies[0].Size, At: copies[0].At}})
		return
	}
	f := Finding{What: NeverArrived, Key: key, Upload: record.ID, Status: record.Status,
		Detail: "no bytes came by " + stamp(since.Add(x.Limits.Missing))}
	if record.BytesCame() {
		f.What = BytesLost
		f.Detail = fmt.Sprintf("its bytes came and were removed; given up after %s; sent again %d times%s",
			stamp(since.Add(x.Limits.Missing)), record.Resends, lastFailure(record))
	}
	if over && !x.o.DryRun {
		given, err := x.Pipeline.Expire(ctx, record.Ref())
		switch {
		case errors.Is(err, upload.ErrConflict) && given.Status == upload.Pending && f.What == BytesLost:
			// A delete marker is left, which keeps it from its end and is no bytes; or bytes came this moment,
			// which the next run sees.
		case errors.Is(err, upload.ErrConflict) || errors.Is(err, upload.ErrNotFound):
			return // its bytes or its verdict came, or it was deleted
		case err != nil:
			x.failedOn(ctx, "give up upload", record.ID, key, err)
			return
		}
	}
	x.found(ctx, f)
}
