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
// removed now.
func (p *Pipeline) Delete(ctx context.Context, ref Ref) (Record, error) {
	now := p.Now()
	deleted, err := p.Records.Delete(ctx, ref, now, now.Add(p.TombstoneLife))
	if errors.Is(err, ErrNotFound) {
		there, err := p.Records.Get(ctx, ref)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return Record{}, fmt.Errorf("get record %s: %w", ref, err)
		}
		if err == nil && there.Status == Deleted {
			if err := p.removeBytes(ctx, there); err != nil {
				return Record{}, err
			}
		}
		return Record{}, fmt.Errorf("delete record %s: %w", ref, ErrNotFound)
	}
	if err != nil {
		return Record{}, fmt.Errorf("delete record %s: %w", ref, err)
	}
	if err := p.removeBytes(ctx, deleted); err != nil {
		return Record{}, err
	}
	return deleted, nil
}

// removeBytes removes all that there is of a deleted upload.
func (p *Pipeline) removeBytes(ctx context.Context, deleted Record) error {
	ref := deleted.Ref()
	err := errors.Join(p.removeAll(ctx, p.Layout.QuarantineKey(ref)), p.removeAll(ctx, p.Layout.FilesKey(ref)))
	if p.OldImages != nil && (deleted.neverJudged() || deleted.JudgedVersion == OldVersion) {
		if old := p.OldImages.RemoveOld(ctx, ref); old != nil {
			err = errors.Join(err, fmt.Errorf("remove the old image of %s: %w", ref, old))
		}
	}
	return err
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

// Owes says whether a version in quarantine still has work to do: its upload is
// pending, or its bytes should have been removed. The sweep for lost events asks
// it. A version without a record is nobody's: false.
func (p *Pipeline) Owes(ctx context.Context, key Key, version Version) (bool, error) {
	ref, ok := p.Layout.ParseQuarantineKey(key)
	if !ok {
		return false, nil
	}
	record, err := p.Records.Get(ctx, ref)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("get record %s: %w", ref, err)
	}
	return record.Status != Rejected || record.JudgedVersion != version, nil
}

// GiveUp rejects a pending upload whose bytes never came, and returns its record.
// ErrConflict: it is not pending (any more), or bytes are there. The caller knows
// that none can come any more: whatever does is late and removed.
//
// The application is told first: no message stands behind this verdict that would
// come again if telling failed after it.
func (p *Pipeline) GiveUp(ctx context.Context, ref Ref) (Record, error) {
	record, err := p.Records.Get(ctx, ref)
	if err != nil {
		return Record{}, fmt.Errorf("get record %s: %w", ref, err)
	}
	if record.Status != Pending {
		return record, fmt.Errorf("give up record %s, which is %s: %w", ref, record.Status, ErrConflict)
	}
	there, err := p.Objects.Versions(ctx, p.Layout.QuarantineKey(ref))
	if err != nil {
		return Record{}, fmt.Errorf("list versions of object %q: %w", p.Layout.QuarantineKey(ref), err)
	}
	if len(there) > 0 {
		return record, fmt.Errorf("give up record %s, whose bytes are there: %w", ref, ErrConflict)
	}
	verdict := Verdict{Status: Rejected, At: p.Now(),
		Reason: &Reason{NeverArrived, "The file never arrived: upload it again."}}
	if err := p.tell(ctx, verdict.Apply(record)); err != nil {
		return Record{}, err
	}
	settled, err := p.Records.Settle(ctx, ref, verdict)
	if err != nil {
		return Record{}, fmt.Errorf("settle record %s: %w", ref, err)
	}
	return settled, nil
}
