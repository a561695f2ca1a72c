// Package migrate copies records from one store to another: with the methods that every store has, so that a copy
// has gone through the same claims and counts as if it had been uploaded there.
//
// Nothing is changed in the source, and nothing that differs is changed in the target. What was copied before is
// found and passed over, so that a migration may be broken off at any moment and begun again. Records that change
// while they are copied are found by a second run, deletions included: by their tombstones, and where the source
// keeps none, as records that the target has alone.
package migrate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"hatchery/shared/upload"
)

// Migration copies records. Its fields are set once.
type Migration struct {
	From, To upload.Records
	// Objects, when set, is asked whether it holds what the target's stored records serve, and LegacyImages, when set,
	// the same of the replaced service's images: without it those are Unchecked. The files stay where they are.
	Objects      upload.Objects
	Layout       upload.Layout
	LegacyImages upload.LegacyImages
	// Adopt, when set, judges an image of the replaced service and, unless dry, makes the target's record of it one
	// as any other. With a reason it may not be served as one, and stays what it was. ErrGone: there is no image.
	Adopt func(ctx context.Context, target upload.Record, dry bool) (*upload.Reason, error)
	// DryRun changes nothing and reports what would be done.
	DryRun bool
	// AtOnce is how many records are under way; 0 is 4.
	AtOnce int
	// Keep, when set, is given the place from which another run may go on: after every page, as long as no record
	// failed, and the start at the end.
	Keep func(Place) error
	// Progress, when set, is called after every record, one call at a time.
	Progress func(Progress)

	pageRecords int           // how many records are read at once; 0 is 200
	grace       time.Duration // how long records under way may take when the context ends; 0 is 10 s
}

func (m *Migration) pageSize() int { return cmp.Or(m.pageRecords, 200) }

// Place is how far a migration came: where it goes on, and what was reported until then. The zero value is the
// start.
type Place struct {
	Cursor upload.Cursor `json:"cursor"`
	Report Report        `json:"report"`
	// Known is a record from before the place, which the target has.
	Known *upload.Ref `json:"known,omitempty"`
}

// ErrOtherTarget: the target lacks a record from before the place.
var ErrOtherTarget = errors.New("the target does not have what was copied before")

// Run copies from a place on. A record that fails is counted and the others go on; the error says that some
// failed. The run ends when a list cannot be read or many records in a row fail; the report says how far it came.
// ErrOtherTarget: the place is not of this target, and nothing was done.
func (m *Migration) Run(ctx context.Context, from Place) (Report, error) {
	report := from.Report
	report.Findings = append([]Finding{}, report.Findings...) // [] in JSON, and not shared with the caller
	if from.Known != nil {
		if _, err := m.To.Get(ctx, *from.Known); errors.Is(err, upload.ErrNotFound) {
			return report, fmt.Errorf("%w: %s", ErrOtherTarget, from.Known)
		} else if err != nil {
			return report, fmt.Errorf("look for a record that was copied before: %w", err)
		}
	}
	err := m.copyAll(ctx, from.Cursor, from.Known, &report)
	if err == nil && !m.From.Atomic() && m.From != m.To {
		err = m.compareBack(ctx, &report)
	}
	switch {
	case err != nil:
		return report, err
	case report.Failed > 0:
		return report, fmt.Errorf("there was trouble with %d of %d records; another run tries them again",
			report.Failed, report.Read)
	case m.Keep != nil:
		return report, m.Keep(Place{})
	}
	return report, nil
}

// copyAll copies the records of the source from a cursor on. known is a record from before it, or nil.
func (m *Migration) copyAll(ctx context.Context, cursor upload.Cursor, known *upload.Ref, report *Report) error {
	t := newTracker(ctx, m.From, Progress{Done: report.Read}, m.Progress)
	for {
		page, err := m.From.Scan(ctx, upload.ScanQuery{Cursor: cursor, Limit: m.pageSize()})
		if err != nil {
			return fmt.Errorf("list the records to copy: %w", err)
		}
		results, err := m.eachOf(ctx, page.Records, t, m.migrate)
		for i, r := range page.Records {
			report.add(results[i])
			// A tombstone may be forgotten, or the target keeps none.
			if results[i].Copied+results[i].Same > 0 && r.Status != upload.Deleted {
				known = new(r.Ref())
			}
		}
		if err != nil {
			return fmt.Errorf("copy records: %w", err)
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
		if m.Keep != nil && report.Failed == 0 {
			if err := m.Keep(Place{cursor, *report, known}); err != nil {
				return err
			}
		}
	}
}

// compareBack looks for records that the target has alone.
func (m *Migration) compareBack(ctx context.Context, report *Report) error {
	t := newTracker(ctx, m.To, Progress{Back: true}, m.Progress)
	for from := upload.Cursor(""); ; {
		page, err := m.To.Scan(ctx, upload.ScanQuery{Cursor: from, Limit: m.pageSize()})
		if err != nil {
			return fmt.Errorf("list the records of the target: %w", err)
		}
		results, err := m.eachOf(ctx, page.Records, t, m.lookBack)
		if err != nil {
			return fmt.Errorf("look for the target's records in the source: %w", err)
		}
		for _, result := range results {
			report.add(result)
		}
		if from = page.Next; from == "" {
			return nil
		}
	}
}

// lookBack looks for one of the target's records in the source.
func (m *Migration) lookBack(ctx context.Context, target upload.Record) (Report, error) {
	if target.Status == upload.Deleted {
		return Report{}, nil
	}
	_, err := m.From.Get(ctx, target.Ref())
	switch {
	case errors.Is(err, upload.ErrNotFound):
		what := "is in the target alone: deleted in the source since it was copied, or uploaded to the target"
		return Report{Alone: 1, Findings: []Finding{finding(target, what)}}, nil
	case err != nil:
		return Report{}, fmt.Errorf("could not be looked for in the source: %w", err)
	}
	return Report{}, nil
}

// eachOf handles each record of a page, some at once, and gives what each adds to the report: nothing for records
// that were not begun or failed because the context ended. Its error says that it was broken off.
func (m *Migration) eachOf(ctx context.Context, records []upload.Record, t *tracker,
	handle func(context.Context, upload.Record) (Report, error)) ([]Report, error) {
	running, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// What was begun goes on for so much longer, so that no call is left to happen later.
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(running, func() { time.AfterFunc(cmp.Or(m.grace, 10*time.Second), cancel) })()
	results, errs := make([]Report, len(records)), make([]error, len(records))
	var group errgroup.Group
	group.SetLimit(cmp.Or(m.AtOnce, 4))
	for i, record := range records {
		group.Go(func() error {
			if running.Err() == nil { // else nothing is begun any more
				results[i], errs[i] = handle(longer, record)
				if err := t.done(errs[i]); err != nil {
					stop(err)
				}
			}
			return nil
		})
	}
	_ = group.Wait() // every function returns nil
	for i, err := range errs {
		switch {
		case err == nil:
		case ctx.Err() != nil:
			results[i] = Report{}
		default:
			failed := finding(records[i], err.Error())
			failed.cause = causeOf(err)
			results[i] = Report{Read: results[i].Read, Failed: 1, Findings: []Finding{failed}}
		}
	}
	return results, context.Cause(running)
}
