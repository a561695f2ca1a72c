package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"hatchery/shared/upload"
)

// result is what became of one record: what the report counts of it, and the record that the target has, or would
// have.
type result struct {
	Report
	target upload.Record
}

func (r *result) find(what string) { r.Findings = append(r.Findings, finding(r.target, what)) }

func different(source, target upload.Record) result {
	r := result{Report{Different: 1}, target}
	r.find("differs in the target: " + describe(source, target))
	return r
}

// migrate handles one record.
func (m *Migration) migrate(ctx context.Context, source upload.Record) (Report, error) {
	// A newer program may have written it, and this one would write it down otherwise.
	if _, err := upload.ParseStatus(string(source.Status)); err != nil {
		return Report{Read: 1}, fmt.Errorf("is damaged, and was not copied: %w", err)
	}
	r, err := m.copy(ctx, source)
	switch {
	case err != nil:
	case m.Adopt != nil && r.Different == 0 && r.target.Legacy():
		err = m.adopt(ctx, &r) // who judges a file has looked for it
	case m.Objects != nil && r.target.Status == upload.Stored:
		err = m.checkServed(ctx, &r)
	}
	r.Read = 1
	return r.Report, err
}

// copy makes the target's record as the source's is. When the record changes at the same time it looks again: a
// call that was given up, of an earlier run for instance, may happen after all.
func (m *Migration) copy(ctx context.Context, source upload.Record) (result, error) {
	for attempt := 1; ; attempt++ {
		r, err := m.copyOnce(ctx, source)
		changed := errors.Is(err, upload.ErrExists) || errors.Is(err, upload.ErrConflict) ||
			errors.Is(err, upload.ErrNotFound)
		if !changed || attempt == 3 {
			return r, err
		}
	}
}

func (m *Migration) copyOnce(ctx context.Context, source upload.Record) (result, error) {
	target, err := m.To.Get(ctx, source.Ref())
	missing := errors.Is(err, upload.ErrNotFound)
	switch {
	case err != nil && !missing:
		return result{}, fmt.Errorf("look for it in the target: %w", err)
	case source.Status == upload.Deleted && !m.To.Atomic():
		return m.forget(ctx, source, target, missing)
	case !missing && (len(differences(source, target)) == 0 || isAdopted(target, source)):
		return result{Report{Same: 1}, target}, nil
	case !missing && !precedes(target, source):
		return different(source, target), nil
	case m.DryRun:
		return result{Report{Copied: 1}, source}, nil
	case missing:
		if target, err = m.To.Create(ctx, asBegun(source), nil); err != nil {
			return result{}, fmt.Errorf("create it in the target: %w", err)
		}
	}
	if target, err = m.replay(ctx, target, source); err != nil {
		return result{}, err
	}
	if len(differences(source, target)) > 0 {
		return different(source, target), nil
	}
	return result{Report{Copied: 1}, target}, nil
}

// forget deletes what an earlier run copied of a record that is deleted by now, in a target that keeps few tombstones.
func (m *Migration) forget(ctx context.Context, source, target upload.Record, missing bool) (result, error) {
	switch {
	case missing:
		return result{Report{Forgotten: 1}, source}, nil
	case target.Status == upload.Deleted:
		return result{Report{Same: 1}, target}, nil
	case !createdAlike(source, target):
		return different(source, target), nil
	case m.DryRun:
		return result{Report{Copied: 1}, source}, nil
	}
	_, err := m.To.Update(ctx, source.Ref(), upload.Delete(source.DeletedAt, source.ForgetAfter))
	if err != nil && !errors.Is(err, upload.ErrNotFound) {
		return result{}, fmt.Errorf("delete it in the target: %w", err)
	}
	return result{Report{Copied: 1}, source}, nil
}

// adopt has the target's record of a legacy image judged.
func (m *Migration) adopt(ctx context.Context, r *result) error {
	reason, err := m.Adopt(ctx, r.target, m.DryRun)
	r.Checked = 1
	switch {
	case errors.Is(err, upload.ErrGone):
		r.Unserved = 1
		r.find(legacyImageGone)
	case err != nil:
		return fmt.Errorf("judge and promote it: %w", err)
	case reason != nil:
		r.Refused = 1
		r.find(fmt.Sprintf("is not promoted: %s: %s", reason.Code, reason.Message))
	default:
		r.Adopted = 1
	}
	return nil
}

// legacyImageGone says what to do about a record whose image is lost. With a wrong prefix all of them seem to be.
const legacyImageGone = "its file is not in the replaced service's bucket (HATCHERY_LEGACY_BUCKET, " +
	"HATCHERY_LEGACY_PREFIX): if these are right, it is lost: delete the record through the API"

// checkServed looks for the version that a stored record serves.
func (m *Migration) checkServed(ctx context.Context, r *result) error {
	if r.target.Legacy() && m.LegacyImages == nil {
		r.Unchecked = 1
		return nil
	}
	r.Checked = 1
	missing, err := m.missingFile(ctx, r.target)
	if err != nil {
		return fmt.Errorf("look for its file: %w", err)
	}
	if missing != "" {
		r.Unserved = 1
		r.find(missing)
	}
	return nil
}

// missingFile says why a stored record's file cannot be served, "" when it can.
func (m *Migration) missingFile(ctx context.Context, r upload.Record) (string, error) {
	if r.Legacy() {
		_, err := m.LegacyImages.Head(ctx, r.Ref())
		if errors.Is(err, upload.ErrGone) {
			return legacyImageGone, nil
		}
		return "", err
	}
	key := m.Layout.FilesKey(r.Ref())
	versions, err := m.Objects.Versions(ctx, key)
	if err != nil || slices.Contains(versions, r.ServedVersion) {
		return "", err
	}
	return fmt.Sprintf("its file is not in the bucket: no version %s of %s", r.ServedVersion, key), nil
}
