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
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"hatchery/shared/upload"
)

// Migration copies records. Its fields are set once.
type Migration struct {
	From, To upload.Records
	// Objects, when set, is asked whether it holds what the target's stored records
	// say that is served, and OldImages, when set, the same of the replaced service's
	// images: without it those are Unchecked. The files stay where they are.
	Objects   upload.Objects
	Layout    upload.Layout
	OldImages upload.OldImages
	// Adopt, when set, judges an image of the replaced service and, unless dry, makes
	// the target's record of it one as any other. With a reason it may not be served
	// as one, and stays what it was. ErrGone: the image is not there.
	Adopt func(ctx context.Context, target upload.Record, dry bool) (*upload.Reason, error)
	// DryRun changes nothing and reports what would be done.
	DryRun bool
	// AtOnce is how many records are under way; 0 is 4.
	AtOnce int
	// PageSize is how many records are read at once; 0 is 200.
	PageSize int
	// Grace is how long records that are under way may take to be finished when the
	// context ends, so that no call is left to happen later; 0 is 10 s.
	Grace time.Duration
	// Keep, when set, is given the place from which another run may go on: after every
	// page, as long as there was no trouble with a record, and the start at the end.
	Keep func(Place) error
	// Progress, when set, is called after every record, one call at a time.
	Progress func(Progress)
}

// Place is how far a migration came: where it goes on, and what was reported until
// then. The zero value is the start.
type Place struct {
	Cursor upload.Cursor `json:"cursor"`
	Report Report        `json:"report"`
	// Known is a record from before the place, which the target has.
	Known *upload.Ref `json:"known,omitempty"`
}

// ErrOtherTarget: the target lacks a record from before the place.
var ErrOtherTarget = errors.New("the target does not have what was copied before")

// Run copies from a place on. Trouble with one record is counted and the others go
// on; the error says that there was some. Trouble with a list, or with many records in
// a row, ends the run; the report tells how far it came. ErrOtherTarget: the place is
// not of this target, and nothing was done.
func (m *Migration) Run(ctx context.Context, from Place) (Report, error) {
	report, cursor, known := from.Report, from.Cursor, from.Known
	report.Findings = append([]Finding{}, report.Findings...) // [] in JSON, and ours alone
	if known != nil {
		if _, err := m.To.Get(ctx, *known); errors.Is(err, upload.ErrNotFound) {
			return report, fmt.Errorf("%w: %s", ErrOtherTarget, known)
		} else if err != nil {
			return report, fmt.Errorf("look for a record that was copied before: %w", err)
		}
	}
	steps := newSteps(ctx, m.From, Progress{Done: report.Read}, m.Progress)
	for {
		page, err := m.From.All(ctx, cursor, m.pageSize())
		if err != nil {
			return report, fmt.Errorf("list the records to copy: %w", err)
		}
		results := make([]result, len(page.Records))
		err = m.together(ctx, page.Records, steps, func(ctx context.Context, i int) error {
			var err error
			if results[i], err = m.migrate(ctx, page.Records[i]); err != nil {
				results[i] = result{outcome: failed, trouble: err}
			}
			return err
		})
		for i, r := range page.Records {
			// What fails because whoever runs it ends it is no trouble with the record.
			if ended := results[i].outcome == failed && ctx.Err() != nil; !ended {
				report.add(r, results[i])
			}
			// A tombstone may be forgotten, or the target keeps none.
			if o := results[i].outcome; r.Status != upload.Deleted && (o == copied || o == alike) {
				known = new(r.Ref())
			}
		}
		if err != nil {
			return report, fmt.Errorf("copy records: %w", err)
		}
		if cursor = page.Next; cursor == "" {
			break
		}
		if m.Keep != nil && report.Failed == 0 {
			if err := m.Keep(Place{cursor, report, known}); err != nil {
				return report, err
			}
		}
	}
	if !m.From.Atomic() && m.From != m.To {
		if err := m.compareBack(ctx, &report); err != nil {
			return report, err
		}
	}
	if report.Failed > 0 {
		return report, fmt.Errorf("there was trouble with %d of %d records; another run tries them again", report.Failed, report.Read)
	}
	if m.Keep != nil {
		return report, m.Keep(Place{})
	}
	return report, nil
}

func (m *Migration) pageSize() int { return cmp.Or(m.PageSize, 200) }

// together handles each record of a page, some at once. Its error is that it was
// broken off.
func (m *Migration) together(ctx context.Context, records []upload.Record, steps *steps, handle func(ctx context.Context, i int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	longer, cancel := outliving(ctx, cmp.Or(m.Grace, 10*time.Second))
	defer cancel()
	var group errgroup.Group
	group.SetLimit(cmp.Or(m.AtOnce, 4))
	for i := range records {
		group.Go(func() error {
			if ctx.Err() == nil { // else nothing is begun any more
				if err := steps.step(handle(longer, i)); err != nil {
					stop(err)
				}
			}
			return nil
		})
	}
	_ = group.Wait() // every function returns nil
	return context.Cause(ctx)
}

// outliving gives a context that ends so much later than ctx.
func outliving(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-longer.Done():
		}
	})
	return longer, func() {
		stop()
		cancel()
	}
}

// compareBack looks for records that the target has alone.
func (m *Migration) compareBack(ctx context.Context, report *Report) error {
	steps := newSteps(ctx, m.To, Progress{Back: true}, m.Progress)
	for from := upload.Cursor(""); ; {
		page, err := m.To.All(ctx, from, m.pageSize())
		if err != nil {
			return fmt.Errorf("list the records of the target: %w", err)
		}
		found := make([]error, len(page.Records))
		err = m.together(ctx, page.Records, steps, func(ctx context.Context, i int) error {
			if page.Records[i].Status == upload.Deleted {
				return nil
			}
			if _, found[i] = m.From.Get(ctx, page.Records[i].Ref()); errors.Is(found[i], upload.ErrNotFound) {
				return nil
			}
			return found[i]
		})
		if err != nil {
			return fmt.Errorf("look for the target's records in the source: %w", err)
		}
		for i, there := range page.Records {
			switch {
			case errors.Is(found[i], upload.ErrNotFound):
				report.Alone++
				report.find(Finding{Upload: there.Ref().String(), What: "is in the target alone: deleted in the source since it was copied, or uploaded to the target"})
			case found[i] != nil:
				report.fail(there, fmt.Errorf("could not be looked for in the source: %w", found[i]))
			}
		}
		if from = page.Next; from == "" {
			return nil
		}
	}
}

// migrate handles one record.
func (m *Migration) migrate(ctx context.Context, source upload.Record) (result, error) {
	// What a newer program may have written, and this one would write down otherwise.
	if _, err := upload.ParseStatus(string(source.Status)); err != nil {
		return result{}, fmt.Errorf("is damaged, and was not copied: %w", err)
	}
	got, err := m.copy(ctx, source)
	switch {
	case err != nil:
	case m.Adopt != nil && got.outcome != different && got.there.Old():
		err = m.adopt(ctx, &got) // who judges a file has looked for it
	case m.Objects != nil && got.there.Status == upload.Stored:
		err = m.checkServed(ctx, &got)
	}
	return got, err
}

// adopt has the target's record of an old image judged.
func (m *Migration) adopt(ctx context.Context, got *result) error {
	reason, err := m.Adopt(ctx, got.there, m.DryRun)
	got.checked = true
	switch {
	case errors.Is(err, upload.ErrGone):
		got.missing = oldImageGone
	case err != nil:
		return fmt.Errorf("judge and promote it: %w", err)
	case reason != nil:
		got.refused = fmt.Sprintf("is not promoted: %s: %s", reason.Code, reason.Message)
	default:
		got.adopted = true
	}
	return nil
}

// oldImageGone says what to do about a record whose image is lost. With a wrong prefix
// all of them seem to be.
const oldImageGone = "its file is not in the replaced service's bucket (HATCHERY_LEGACY_BUCKET, HATCHERY_LEGACY_PREFIX): if these are right, it is lost: delete the record through the API"

// checkServed looks for the version that a stored record serves.
func (m *Migration) checkServed(ctx context.Context, got *result) error {
	r := got.there
	got.checked = !r.Old() || m.OldImages != nil
	switch {
	case !got.checked:
		got.unchecked = true
	case r.Old():
		_, err := m.OldImages.Look(ctx, r.Ref())
		if errors.Is(err, upload.ErrGone) {
			got.missing = oldImageGone
		} else if err != nil {
			return fmt.Errorf("look for its file: %w", err)
		}
	default:
		key := m.Layout.FilesKey(r.Ref())
		versions, err := m.Objects.Versions(ctx, key)
		if err != nil {
			return fmt.Errorf("look for its file: %w", err)
		}
		if !slices.Contains(versions, r.ServedVersion) {
			got.missing = fmt.Sprintf("its file is not in the bucket: no version %s of %s", r.ServedVersion, key)
		}
	}
	return nil
}

// copy makes the target's record as the source's is. When the record changes at the
// same time it looks again: a call that was given up, of an earlier run for instance,
// may happen after all.
func (m *Migration) copy(ctx context.Context, source upload.Record) (result, error) {
	for attempt := 1; ; attempt++ {
		got, err := m.copyOnce(ctx, source)
		changed := errors.Is(err, upload.ErrExists) || errors.Is(err, upload.ErrConflict) || errors.Is(err, upload.ErrNotFound)
		if !changed || attempt == 3 {
			return got, err
		}
	}
}

func (m *Migration) copyOnce(ctx context.Context, source upload.Record) (result, error) {
	if source.Status == upload.Deleted && !m.To.Atomic() {
		return m.forget(ctx, source)
	}
	there, err := m.To.Get(ctx, source.Ref())
	switch missing := errors.Is(err, upload.ErrNotFound); {
	case err != nil && !missing:
		return result{}, fmt.Errorf("look for it in the target: %w", err)
	case !missing && (len(differences(source, there)) == 0 || adoptedOf(source, there)):
		return result{outcome: alike, there: there}, nil
	case !missing && !onTheWay(there, source):
		return result{outcome: different, detail: describe(source, there), there: there}, nil
	case m.DryRun:
		return result{outcome: copied, there: source}, nil
	case missing:
		if there, err = m.To.Create(ctx, begun(source), nil); err != nil {
			return result{}, fmt.Errorf("create it in the target: %w", err)
		}
	}
	if there, err = m.advance(ctx, there, source); err != nil {
		return result{}, err
	}
	if len(differences(source, there)) > 0 {
		return result{outcome: different, detail: describe(source, there), there: there}, nil
	}
	return result{outcome: copied, there: there}, nil
}

// forget deletes what an earlier run copied of a record that is deleted by now, in a
// target that keeps no tombstones.
func (m *Migration) forget(ctx context.Context, source upload.Record) (result, error) {
	there, err := m.To.Get(ctx, source.Ref())
	switch {
	case errors.Is(err, upload.ErrNotFound):
		return result{outcome: forgotten}, nil
	case err != nil:
		return result{}, fmt.Errorf("look for it in the target: %w", err)
	case len(differences(begun(source), begun(there))) > 0:
		return result{outcome: different, detail: describe(source, there), there: there}, nil
	case m.DryRun:
		return result{outcome: copied, there: source}, nil
	}
	if _, err := m.To.Delete(ctx, source.Ref(), source.DeletedAt, source.ForgetAfter); err != nil && !errors.Is(err, upload.ErrNotFound) {
		return result{}, fmt.Errorf("delete it in the target: %w", err)
	}
	return result{outcome: copied, there: source}, nil
}
