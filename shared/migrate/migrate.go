// Package migrate copies records from one store to another: with the methods that
// every store has, so that what arrives has gone through the same claims and counts
// as if it had been uploaded there.
//
// Nothing is changed in the source, and nothing that differs is changed in the
// target. What was copied before is found and passed over, so that a migration may
// be broken off at any moment and begun again. Records that change while they are
// copied are found by a second run, deletions included: by their tombstones, and where
// the source keeps none, as records that the target has alone.
package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"hatchery/shared/upload"
)

// Migration copies records. Its fields are set once.
type Migration struct {
	From, To upload.Records
	// Objects, when set, is asked whether it holds what stored records say that is
	// served. The bucket stays where it is in any case.
	Objects upload.Objects
	Layout  upload.Layout
	// Adopt, when set, judges an image of the replaced service and, unless dry, makes
	// the target's record of it one as any other. With a reason it may not be served
	// as one, and stays what it was.
	Adopt func(ctx context.Context, target upload.Record, dry bool) (*upload.Reason, error)
	// DryRun changes nothing and reports what would be done.
	DryRun bool
	// AtOnce is how many records are under way; 0 is 4.
	AtOnce int
	// PageSize is how many records are read at once; 0 is 200.
	PageSize int
	// Progress, when set, is called after every page, with where the next begins.
	Progress func(Report, upload.Cursor) error
}

// Report says what a migration did, or would do.
type Report struct {
	Read int `json:"read"`
	// Copied records were missing in the target, or were copied in part before.
	Copied int `json:"copied"`
	// Same are in the target as they are in the source.
	Same int `json:"same"`
	// Different are in the target, but otherwise: they are left alone.
	Different int `json:"different"`
	// Alone are records that the target has and the source, which keeps no tombstones,
	// has not: deleted there since they were copied, or uploaded to the target.
	Alone int `json:"alone"`
	// Forgotten are tombstones that the target has no place for.
	Forgotten int `json:"forgotten"`
	// Adopted are images of the replaced service that were judged and promoted;
	// Refused are those that were judged and may not be, which stay what they were.
	Adopted int `json:"adopted"`
	Refused int `json:"refused"`
	// Unserved are stored records whose file is not in the bucket.
	Unserved int `json:"unserved"`
	// Failed could not be copied.
	Failed int `json:"failed"`
	// Findings are the first hundred of what is different, unserved or failed.
	Findings []Finding `json:"findings"`
}

// Finding is one record that somebody should look at.
type Finding struct {
	Upload string `json:"upload"`
	What   string `json:"what"`
}

const maxFindings = 100

// Run copies from a cursor of From.All on ("" is the start). Trouble with one record
// is counted and the others go on; the error says that there was some. Trouble with
// a list ends the run; the report tells how far it came.
func (m *Migration) Run(ctx context.Context, from upload.Cursor) (Report, error) {
	var report Report
	pageSize, atOnce := m.PageSize, m.AtOnce
	if pageSize == 0 {
		pageSize = 200
	}
	if atOnce == 0 {
		atOnce = 4
	}
	for {
		page, err := m.From.All(ctx, from, pageSize)
		if err != nil {
			return report, fmt.Errorf("list the records to copy: %w", err)
		}
		results := make([]result, len(page.Records))
		var group errgroup.Group
		group.SetLimit(atOnce)
		for i, r := range page.Records {
			group.Go(func() error {
				results[i] = m.migrate(ctx, r)
				return nil
			})
		}
		_ = group.Wait() // every function returns nil
		if err := ctx.Err(); err != nil {
			return report, fmt.Errorf("copy records: %w", err)
		}
		for i, r := range page.Records {
			report.add(r, results[i])
		}
		from = page.Next
		if m.Progress != nil {
			if err := m.Progress(report, from); err != nil {
				return report, err
			}
		}
		if from == "" {
			break
		}
	}
	if !m.From.Atomic() && m.From != m.To {
		if err := m.compareBack(ctx, pageSize, &report); err != nil {
			return report, err
		}
	}
	if report.Failed > 0 {
		return report, fmt.Errorf("%d of %d records could not be copied", report.Failed, report.Read)
	}
	return report, nil
}

// compareBack looks for records that the target has alone.
func (m *Migration) compareBack(ctx context.Context, pageSize int, report *Report) error {
	for from := upload.Cursor(""); ; {
		page, err := m.To.All(ctx, from, pageSize)
		if err != nil {
			return fmt.Errorf("list the records of the target: %w", err)
		}
		for _, there := range page.Records {
			if there.Status == upload.Deleted {
				continue
			}
			_, err := m.From.Get(ctx, there.Ref())
			switch {
			case errors.Is(err, upload.ErrNotFound):
				report.Alone++
				report.find(there, "is in the target alone: deleted in the source since it was copied, or uploaded to the target")
			case err != nil:
				return fmt.Errorf("look for a record of the target in the source: %w", err)
			}
		}
		if from = page.Next; from == "" {
			return nil
		}
	}
}

// result is what became of one record.
type result struct {
	outcome outcome
	// unserved says why a stored record's file is not there; "" when it is.
	unserved string
	detail   string // for different and failed
	adopted  bool
	refused  string // why an old image was not adopted; "" when it was, or is none
}

type outcome int

const (
	copied outcome = iota
	alike
	different
	forgotten
	failed
)

func (r *Report) add(record upload.Record, got result) {
	r.Read++
	switch got.outcome {
	case copied:
		r.Copied++
	case alike:
		r.Same++
	case forgotten:
		r.Forgotten++
	case different:
		r.Different++
		r.find(record, "differs in the target: "+got.detail)
	case failed:
		r.Failed++
		r.find(record, got.detail)
	}
	if got.adopted {
		r.Adopted++
	}
	if got.refused != "" {
		r.Refused++
		r.find(record, got.refused)
	}
	if got.unserved != "" {
		r.Unserved++
		r.find(record, got.unserved)
	}
}

func (r *Report) find(record upload.Record, what string) {
	if len(r.Findings) < maxFindings {
		r.Findings = append(r.Findings, Finding{record.Ref().String(), what})
	}
}

// migrate handles one record.
func (m *Migration) migrate(ctx context.Context, source upload.Record) result {
	var got result
	var err error
	var both sync.WaitGroup
	if m.Objects != nil && source.Status == upload.Stored {
		both.Go(func() { got.unserved = m.checkServed(ctx, source) })
	}
	done, detail, err := m.copy(ctx, source)
	if err == nil && m.Adopt != nil && source.Old() && done != different {
		got.adopted, got.refused, err = m.adopt(ctx, source)
	}
	both.Wait()
	got.outcome, got.detail = done, detail
	if err != nil {
		got.outcome, got.detail = failed, err.Error()
	}
	return got
}

// adopt has the target's record of an old image judged, unless it was before.
func (m *Migration) adopt(ctx context.Context, source upload.Record) (adopted bool, refused string, err error) {
	there, err := m.To.Get(ctx, source.Ref())
	if m.DryRun && errors.Is(err, upload.ErrNotFound) {
		there, err = source, nil
	}
	if err != nil {
		return false, "", fmt.Errorf("look for it in the target: %w", err)
	}
	if !there.Old() {
		return false, "", nil
	}
	reason, err := m.Adopt(ctx, there, m.DryRun)
	switch {
	case err != nil:
		return false, "", fmt.Errorf("judge and promote it: %w", err)
	case reason != nil:
		return false, fmt.Sprintf("is not promoted: %s: %s", reason.Code, reason.Message), nil
	}
	return true, "", nil
}

// adoptedOf says whether there is what Adopt makes of an old source.
func adoptedOf(source, there upload.Record) bool {
	return source.Old() && there.Status == upload.Stored && there.JudgedVersion == upload.OldVersion &&
		len(differences(begun(source), begun(there))) == 0
}

// checkServed looks for the version that a stored record serves.
func (m *Migration) checkServed(ctx context.Context, r upload.Record) string {
	if r.ServedVersion == "" {
		return "" // it lies where the replaced service put it
	}
	key := m.Layout.FilesKey(r.Ref())
	versions, err := m.Objects.Versions(ctx, key)
	switch {
	case err != nil:
		return fmt.Sprintf("its file could not be looked for: %v", err)
	case !slices.Contains(versions, r.ServedVersion):
		return fmt.Sprintf("its file is not in the bucket: no version %s of %s", r.ServedVersion, key)
	}
	return ""
}

// copy makes the target's record as the source's is.
func (m *Migration) copy(ctx context.Context, source upload.Record) (outcome, string, error) {
	if source.Status == upload.Deleted && !m.To.Atomic() {
		return m.forget(ctx, source)
	}
	there, err := m.To.Get(ctx, source.Ref())
	if err != nil && !errors.Is(err, upload.ErrNotFound) {
		return failed, "", fmt.Errorf("look for it in the target: %w", err)
	}
	missing := err != nil
	if !missing {
		if fields := differences(source, there); len(fields) == 0 || adoptedOf(source, there) {
			return alike, "", nil
		}
		if !onTheWay(there, source) {
			return different, describe(source, there), nil
		}
	}
	if m.DryRun {
		return copied, "", nil
	}
	if missing {
		if there, err = m.To.Create(ctx, begun(source), nil); err != nil {
			return failed, "", fmt.Errorf("create it in the target: %w", err)
		}
	}
	if there, err = m.advance(ctx, there, source); err != nil {
		return failed, "", err
	}
	if fields := differences(source, there); len(fields) > 0 {
		return different, describe(source, there), nil
	}
	return copied, "", nil
}

// forget deletes what an earlier run copied of a record that is deleted by now, in a
// target that keeps no tombstones.
func (m *Migration) forget(ctx context.Context, source upload.Record) (outcome, string, error) {
	there, err := m.To.Get(ctx, source.Ref())
	switch {
	case errors.Is(err, upload.ErrNotFound):
		return forgotten, "", nil
	case err != nil:
		return failed, "", fmt.Errorf("look for it in the target: %w", err)
	case len(differences(begun(there), begun(source))) > 0:
		return different, describe(source, there), nil
	case m.DryRun:
		return copied, "", nil
	}
	if _, err := m.To.Delete(ctx, source.Ref(), source.DeletedAt, source.ForgetAfter); err != nil && !errors.Is(err, upload.ErrNotFound) {
		return failed, "", fmt.Errorf("delete it in the target: %w", err)
	}
	return copied, "", nil
}

// begun is the record as it was when it was created.
func begun(r upload.Record) upload.Record {
	return upload.Record{ID: r.ID, Journal: r.Journal, Entry: r.Entry, Kind: r.Kind, Name: r.Name, Extension: r.Extension,
		CreatedAt: r.CreatedAt, Status: upload.Pending, Declared: r.Declared, FormExpires: r.FormExpires}
}

// onTheWay says whether advance can make there what source is: an earlier run may
// have ended within it.
func onTheWay(there, source upload.Record) bool {
	if len(differences(begun(there), begun(source))) > 0 {
		return false
	}
	if neverArrived(there) && !neverArrived(source) {
		return true
	}
	switch there.Status {
	case upload.Pending:
		return there.Failures <= source.Failures && there.Reenqueued <= source.Reenqueued
	case upload.Stored, upload.Rejected:
		// Only its deletion is missing.
		return source.Status == upload.Deleted && len(differences(there.Tombstone(source.DeletedAt, source.ForgetAfter), source)) == 0
	default:
		return false
	}
}

// neverArrived says whether a record was given up. In a target that is in use, the
// reconciler does that to what a broken-off migration has begun.
func neverArrived(r upload.Record) bool {
	return r.Status == upload.Rejected && r.JudgedVersion == "" && r.Reason != nil && r.Reason.Code == upload.NeverArrived
}

// advance makes of the record that is there what the source's is, in the order in
// which it came about.
func (m *Migration) advance(ctx context.Context, there, source upload.Record) (upload.Record, error) {
	ref := source.Ref()
	var err error
	if neverArrived(there) && !neverArrived(source) {
		if there, err = m.To.Reopen(ctx, ref); err != nil {
			return there, fmt.Errorf("reopen it in the target: %w", err)
		}
	}
	if there.Status == upload.Pending {
		for there.Reenqueued < source.Reenqueued {
			if there, err = m.To.NoteReenqueue(ctx, ref, there.Reenqueued, source.ReenqueuedAt); err != nil {
				return there, fmt.Errorf("count its further messages in the target: %w", err)
			}
		}
		for there.Failures < min(source.Failures, maxFailures) && source.LastFailure != nil {
			if err = m.To.NoteFailure(ctx, ref, *source.LastFailure); err != nil {
				return there, fmt.Errorf("note its failures in the target: %w", err)
			}
			there.Failures++
		}
		if v, settled := verdictOf(source); settled {
			if _, err = m.To.Settle(ctx, ref, v); err != nil {
				return there, fmt.Errorf("settle it in the target: %w", err)
			}
		}
	}
	if source.Status == upload.Deleted {
		if _, err = m.To.Delete(ctx, ref, source.DeletedAt, source.ForgetAfter); err != nil {
			return there, fmt.Errorf("delete it in the target: %w", err)
		}
	}
	if there, err = m.To.Get(ctx, ref); err != nil {
		return there, fmt.Errorf("read it back from the target: %w", err)
	}
	return there, nil
}

// maxFailures bounds how many failures are noted again: after so many a message has
// long been a dead letter.
const maxFailures = 100

// verdictOf gives the verdict on a record, if it ever had one.
func verdictOf(r upload.Record) (upload.Verdict, bool) {
	v := upload.Verdict{Status: r.Status, Version: r.JudgedVersion, At: r.SettledAt, Size: r.Size, ContentType: r.ContentType,
		SHA256: r.SHA256, Served: r.ServedVersion, Reason: r.Reason}
	switch {
	case r.Status == upload.Stored || r.Status == upload.Rejected:
		return v, true
	case r.Status == upload.Deleted && r.Reason != nil:
		v.Status = upload.Rejected
		return v, true
	case r.Status == upload.Deleted && (r.ServedVersion != "" || !r.SettledAt.IsZero()):
		v.Status = upload.Stored
		return v, true
	}
	return v, false
}
