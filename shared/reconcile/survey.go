package reconcile

import (
	"context"
	"errors"
	"fmt"

	"hatchery/shared/upload"
)

// objectsPage is how many versions are listed at once.
const objectsPage = upload.MaxPage

// survey does the parts of the survey, one after the other, from a place, and gives
// the place where it stopped.
func (x *run) survey(ctx context.Context, at place) place {
	for {
		var next part
		var ended bool
		switch at.Survey {
		case surveyQuarantine:
			next = surveyFiles
			at.Cursor, ended = x.objects(ctx, x.Layout.Quarantine, at.Cursor, x.quarantined)
		case surveyFiles:
			next = surveyStored
			at.Cursor, ended = x.objects(ctx, x.Layout.Files, at.Cursor, x.served)
		case surveyStored:
			next = surveyDone
			at.Cursor, ended = x.stored(ctx, at.Cursor)
		case surveyDone:
			return at
		}
		if !ended {
			return at
		}
		at.Survey = next
	}
}

// objects goes over everything under a prefix, and hands over the versions of one
// key together.
func (x *run) objects(ctx context.Context, prefix string, from upload.Cursor, look func(context.Context, []upload.Kept)) (upload.Cursor, bool) {
	list := pages{what: fmt.Sprintf("list the objects under %q", prefix), size: objectsPage, stopAt: x.stopAt}
	if x.o.MaxObjects > 0 {
		if list.bound = x.o.MaxObjects - x.report.ObjectsSeen; list.bound <= 0 {
			return from, false
		}
	}
	var last upload.Key
	return x.through(ctx, list, from, func(cursor upload.Cursor, limit int) (upload.Cursor, []task, error) {
		page, err := x.Inventory.Under(ctx, prefix, cursor, limit)
		var tasks []task
		for rest := page.Versions; len(rest) > 0; {
			n := 1
			for n < len(rest) && rest[n].Key == rest[0].Key {
				n++
			}
			same, cut := rest[:n], n == len(rest) && page.Next != ""
			rest = rest[n:]
			switch {
			case same[0].Key == last:
				// Looked at with the page before.
				tasks = append(tasks, task{n, func() {}})
			case cut:
				tasks = append(tasks, task{n, func() { x.whole(ctx, same[0].Key, look) }})
			default:
				tasks = append(tasks, task{n, func() { look(ctx, same) }})
			}
			last = same[0].Key
		}
		return page.Next, tasks, err
	}, &x.report.ObjectsSeen)
}

// whole looks at all versions of a key within which a page may have ended.
func (x *run) whole(ctx context.Context, key upload.Key, look func(context.Context, []upload.Kept)) {
	versions, err := x.versions(ctx, key)
	if err != nil {
		x.failedOn(ctx, "look at object", "", key, err)
		return
	}
	if len(versions) > 0 {
		look(ctx, versions)
	}
}

// record finds the record of a key under a prefix, of which v is the newest version.
// It is false when there is nothing more to do about the key; what is odd has been
// reported then, a missing record as none.
func (x *run) record(ctx context.Context, prefix string, v upload.Kept, none What) (upload.Record, bool) {
	// Both prefixes have the same keys below them.
	ref, ours := upload.Layout{Quarantine: prefix}.ParseQuarantineKey(v.Key)
	if !ours {
		x.found(ctx, Finding{What: ForeignObject, Key: v.Key, Version: v.Version,
			Detail: fmt.Sprintf("no key that Hatchery makes, written at %s", stamp(v.At))})
		return upload.Record{}, false
	}
	record, err := x.Records.Get(ctx, ref)
	switch {
	case errors.Is(err, upload.ErrNotFound):
		// A record is always there before its bytes; still, what is young is left
		// for the next survey.
		if x.now.Sub(v.At) > x.Limits.Young {
			x.found(ctx, Finding{What: none, Key: v.Key, Version: v.Version, Upload: ref.ID,
				Detail: fmt.Sprintf("written at %s, and there is no record", stamp(v.At))})
		}
		return upload.Record{}, false
	case err != nil:
		x.failedOn(ctx, "look at object", ref.ID, v.Key, fmt.Errorf("get record %s: %w", ref, err))
		return upload.Record{}, false
	}
	return record, true
}

// quarantined looks at one key in quarantine. Pending uploads are the walk's.
func (x *run) quarantined(ctx context.Context, listed []upload.Kept) {
	record, ok := x.record(ctx, x.Layout.Quarantine, listed[0], OrphanObject)
	if ok && record.Status != upload.Pending {
		x.again(ctx, record, listed)
	}
}

// served looks at one key under files. A pending upload's copy is about to be
// settled, or taken back.
func (x *run) served(ctx context.Context, listed []upload.Kept) {
	record, ok := x.record(ctx, x.Layout.Files, listed[0], StrayFile)
	if !ok || record.Status == upload.Pending {
		return
	}
	for _, v := range listed {
		if record.Status == upload.Stored && v.Version == record.ServedVersion {
			x.shown.add(record.ID, v.Version)
			continue
		}
		// Whoever settled or deleted it takes other copies back afterwards.
		if x.now.Sub(newest(v.At, record.SettledAt, record.DeletedAt)) <= x.Limits.Young {
			continue
		}
		x.found(ctx, Finding{What: StrayFile, Key: v.Key, Version: v.Version, Upload: record.ID, Status: record.Status,
			Detail: fmt.Sprintf("a copy of %d bytes, written at %s, that the %s record does not serve", v.Size, stamp(v.At), record.Status)})
	}
}

// stored goes over the stored records.
func (x *run) stored(ctx context.Context, from upload.Cursor) (upload.Cursor, bool) {
	list := pages{what: "list the stored records", size: recordsPage, bound: x.o.MaxRecords, stopAt: x.stopAt}
	return x.through(ctx, list, from, func(cursor upload.Cursor, limit int) (upload.Cursor, []task, error) {
		page, err := x.Records.ByStatus(ctx, upload.Stored, cursor, limit)
		tasks := make([]task, 0, len(page.Records))
		for _, record := range page.Records {
			tasks = append(tasks, task{1, func() { x.kept(ctx, record) }})
		}
		return page.Next, tasks, err
	}, &x.report.StoredSeen)
}

// kept looks whether a stored record's version is there.
func (x *run) kept(ctx context.Context, listed upload.Record) {
	ref := listed.Ref()
	key := x.Layout.FilesKey(ref)
	if listed.ServedVersion == "" {
		return // of the replaced service: its bytes are not in this bucket
	}
	if x.shown.has(listed.ID, listed.ServedVersion) {
		return // which saves a call for nearly all of them
	}
	there := false
	err := x.eachVersion(ctx, key, func(v upload.Kept) bool {
		there = v.Version == listed.ServedVersion
		return !there
	})
	if err != nil {
		x.failedOn(ctx, "look at upload", ref.ID, key, err)
		return
	}
	if there {
		return
	}
	// Deleted meanwhile?
	record, err := x.Records.Get(ctx, ref)
	switch {
	case errors.Is(err, upload.ErrNotFound):
	case err != nil:
		x.failedOn(ctx, "look at upload", ref.ID, key, fmt.Errorf("get record %s: %w", ref, err))
	case record.Status == upload.Stored:
		x.found(ctx, Finding{What: LostRecord, Key: key, Version: record.ServedVersion, Upload: record.ID, Status: record.Status,
			Detail: fmt.Sprintf("stored at %s, and the version that it serves is not there", stamp(record.SettledAt))})
	}
}
