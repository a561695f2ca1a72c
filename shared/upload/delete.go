package upload

import (
	"context"
	"errors"
	"fmt"
)

// Delete turns an upload into a tombstone, then removes every version of its
// objects. The tombstone comes first: whatever arrives or is promoted later
// finds it and is removed too. ErrNotFound: there is no such upload, or it was
// deleted before; in the second case what an interrupted deletion left is
// removed now. Of several deletions at once one succeeds, where the records are Atomic.
//
// The bytes of a legacy image go before its record: none can arrive later, and where a
// store keeps no tombstones nobody would find them again.
func (p *Pipeline) Delete(ctx context.Context, ref Ref) (Record, error) {
	if err := p.removeLegacy(ctx, ref); err != nil {
		return Record{}, err
	}
	now := p.Now()
	deleted, err := p.Records.Update(ctx, ref, Delete(now, now.Add(p.TombstoneLife)))
	if errors.Is(err, ErrNotFound) {
		existing, err := p.Records.Get(ctx, ref)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return Record{}, fmt.Errorf("get record %s: %w", ref, err)
		}
		if err == nil && existing.Status == Deleted {
			if err := p.removeBoth(ctx, ref); err != nil {
				return Record{}, err
			}
		}
		return Record{}, fmt.Errorf("delete record %s: %w", ref, ErrNotFound)
	}
	if err != nil {
		return Record{}, fmt.Errorf("delete record %s: %w", ref, err)
	}
	if err := p.removeBoth(ctx, ref); err != nil {
		return Record{}, err
	}
	return deleted, nil
}

func (p *Pipeline) removeBoth(ctx context.Context, ref Ref) error {
	return errors.Join(p.removeAll(ctx, p.Layout.QuarantineKey(ref)), p.removeAll(ctx, p.Layout.FilesKey(ref)))
}

// removeLegacy removes the replaced service's object of an upload that has one. Where old
// images may be recorded and their bucket is not known, it is an error: the record is
// all that says where the bytes are.
func (p *Pipeline) removeLegacy(ctx context.Context, ref Ref) error {
	if p.LegacyImages == nil && p.Records.Atomic() {
		return nil // records with legacy images among them are kept with their bucket
	}
	record, err := p.Records.Get(ctx, ref)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("get record %s: %w", ref, err)
	case !record.Legacy() && record.JudgedVersion != LegacyVersion:
		return nil
	case p.LegacyImages == nil:
		return fmt.Errorf("delete upload %s: %w", ref, ErrNoLegacyBucket)
	}
	if err := p.LegacyImages.RemoveLegacy(ctx, ref); err != nil {
		return fmt.Errorf("remove the legacy image of %s: %w", ref, err)
	}
	return nil
}

// removeAll removes every version and delete marker of a key.
func (p *Pipeline) removeAll(ctx context.Context, key Key) error {
	versions, err := p.Objects.Versions(ctx, key)
	if err != nil {
		return fmt.Errorf("list versions of object %q: %w", key, err)
	}
	for _, version := range versions {
		if err := p.Objects.Remove(ctx, key, version); err != nil {
			return fmt.Errorf("remove object %q version %s: %w", key, version, err)
		}
	}
	return nil
}
