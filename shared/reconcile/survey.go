package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"hatchery/shared/upload"
	"hatchery/shared/wording"
)

// survey does the parts of the survey, one after the other, and gives the position where it stopped.
func (x *run) survey(ctx context.Context, at position) position {
	for ended := true; ended && at.Survey != surveyDone; {
		var next part
		switch at.Survey {
		case surveyQuarantine:
			next = surveyFiles
			at.Cursor, ended = x.objects(ctx, x.Layout.Quarantine, at.Cursor, x.quarantined)
		case surveyFiles:
			next = surveyStored
			at.Cursor, ended = x.objects(ctx, x.Layout.Files, at.Cursor, x.file)
		default:
			next = surveyDone
			at.Cursor, ended = x.storedRecords(ctx, at.Cursor)
		}
		if ended {
			at.Survey = next
		}
	}
	found := &at.Surveyed
	found.Stuck += x.report.UnfinishedTooLong
	found.Orphans += x.report.OrphanObjects + x.report.StrayFiles
	found.Lost += x.report.LostRecords
	found.Missed += x.missed
	x.report.Survey = found.total(at.Survey == surveyDone)
	return at
}

// look looks at the versions of one key, newest first.
type look func(ctx context.Context, versions []upload.ObjectVersion)

// objects goes over everything under a prefix, key by key.
func (x *run) objects(ctx context.Context, prefix string, from upload.Cursor, look look) (upload.Cursor, bool) {
	var last upload.Key
	read := func(cursor upload.Cursor, limit int) ([]task, upload.Cursor, error) {
		page, err := x.Inventory.ListVersions(ctx, prefix, cursor, limit)
		var tasks []task
		for rest := page.Versions; len(rest) > 0; {
			key, n := rest[0].Key, len(rest)
			if i := slices.IndexFunc(rest, func(v upload.ObjectVersion) bool { return v.Key != key }); i > 0 {
				n = i
			}
			versions, cut := rest[:n], n == len(rest) && page.Next != ""
			rest = rest[n:]
			run := func() { look(ctx, versions) }
			switch {
			case key == last:
				run = func() {} // it was looked at with the page before
			case cut:
				run = func() { x.wholeKey(ctx, key, look) }
			}
			tasks = append(tasks, task{n, run})
			last = key
		}
		return tasks, page.Next, err
	}
	return x.eachPage(ctx, list{what: fmt.Sprintf("list the objects under %q", prefix), pageSize: upload.MaxPage,
		read: read, seen: &x.report.ObjectsSeen, max: x.o.MaxObjects, stopAt: x.stopAt}, from)
}

// wholeKey looks at all versions of a key within which a page may have ended.
func (x *run) wholeKey(ctx context.Context, key upload.Key, look look) {
	versions, err := x.versions(ctx, key)
	if err != nil {
		x.failedOn(ctx, "look at object", "", key, err)
		return
	}
	if len(versions) > 0 {
		look(ctx, versions)
	}
}

// record finds the record of a key under a prefix, of which v is the newest version. It is false when there is
// nothing more to do about the key; a foreign key and a missing record (as none) have been reported then.
func (x *run) record(ctx context.Context, prefix string, v upload.ObjectVersion, none What) (upload.Record, bool) {
	// Both prefixes have the same keys below them.
	ref, ours := upload.Layout{Quarantine: prefix}.ParseQuarantineKey(v.Key)
	if !ours {
		x.found(ctx, Finding{What: ForeignObject, Key: v.Key, Version: v.Version,
			Detail: fmt.Sprintf("no key that Hatchery makes, written at %s", stamp(v.At))})
		return upload.Record{}, false
	}
	record, err := x.get(ctx, "look at object", ref, v.Key)
	// A record is always written before its bytes; still, what is young is left for the next survey.
	if errors.Is(err, upload.ErrNotFound) && x.now.Sub(v.At) > x.Limits.Young {
		x.found(ctx, Finding{What: none, Key: v.Key, Version: v.Version, Upload: ref.ID,
			Detail: fmt.Sprintf("written at %s, and there is no record", stamp(v.At))})
	}
	return record, err == nil
}

// quarantined looks at one key in quarantine. Pending uploads are the walk's.
func (x *run) quarantined(ctx context.Context, versions []upload.ObjectVersion) {
	record, ok := x.record(ctx, x.Layout.Quarantine, versions[0], OrphanObject)
	if ok && record.Status != upload.Pending {
		x.resend(ctx, record, versions)
	}
}

// file looks at one key under files. A pending upload's copy is about to be settled, or removed.
func (x *run) file(ctx context.Context, versions []upload.ObjectVersion) {
	record, ok := x.record(ctx, x.Layout.Files, versions[0], StrayFile)
	if !ok || record.Status == upload.Pending {
		return
	}
	for _, v := range versions {
		if record.Status == upload.Stored && v.Version == record.ServedVersion {
			x.seen.add(record.ID, v.Version)
			continue
		}
		// Whoever settled or deleted the upload removes other copies afterwards.
		if x.now.Sub(newest(v.At, record.SettledAt, record.DeletedAt)) <= x.Limits.Young {
			continue
		}
		detail := wording.Sprintf("a copy of %d bytes, written at %s, that the %s record does not serve",
			v.Size, stamp(v.At), record.Status)
		x.found(ctx, Finding{What: StrayFile, Key: v.Key, Version: v.Version, Upload: record.ID, Status: record.Status,
			Detail: detail})
	}
}

// storedRecords goes over the stored records.
func (x *run) storedRecords(ctx context.Context, from upload.Cursor) (upload.Cursor, bool) {
	read := func(cursor upload.Cursor, limit int) ([]task, upload.Cursor, error) {
		page, err := x.Records.Scan(ctx, upload.ScanQuery{Status: upload.Stored, Cursor: cursor, Limit: limit})
		return perRecord(ctx, page, x.stored), page.Next, err
	}
	return x.eachPage(ctx, list{what: "list the stored records", pageSize: recordsPage, read: read,
		seen: &x.report.StoredSeen, max: x.o.MaxRecords, stopAt: x.stopAt}, from)
}

// stored checks that the version that a stored record serves exists.
func (x *run) stored(ctx context.Context, listed upload.Record) {
	key := x.Layout.FilesKey(listed.Ref())
	if listed.ServedVersion == "" {
		return // of the replaced service: its bytes are not in this bucket
	}
	if x.seen.has(listed.ID, listed.ServedVersion) {
		return // which saves a call for nearly all of them
	}
	exists := false
	err := x.eachVersion(ctx, key, func(v upload.ObjectVersion) bool {
		exists = v.Version == listed.ServedVersion
		return !exists
	})
	if err != nil {
		x.failedOn(ctx, "look at upload", listed.ID, key, err)
		return
	}
	if exists {
		return
	}
	// It may have been deleted meanwhile.
	record, err := x.get(ctx, "look at upload", listed.Ref(), key)
	if err == nil && record.Status == upload.Stored {
		detail := fmt.Sprintf("stored at %s, and the version that it serves is not there", stamp(record.SettledAt))
		x.found(ctx, Finding{What: LostRecord, Key: key, Version: record.ServedVersion, Upload: record.ID,
			Status: record.Status, Detail: detail})
	}
}
