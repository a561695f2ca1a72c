package upload

import (
	"context"
	"errors"
	"fmt"

	"hatchery/shared/policy"
)

// settle stores the pending upload with a copy of its version. ours is that copy, too, if it is
// to be removed when the verdict is another one.
func (p *Pipeline) settle(ctx context.Context, a arrived, pending Record, kind policy.Kind, facts Facts, copied Copy,
	ours Version) (Outcome, error) {
	if copied.SHA256 != facts.SHA256 {
		// Never removed here: if it was our reading that went wrong, another
		// validator may be about to settle with this copy.
		return a.failed(fmt.Errorf("promote object %q version %s: the copy's SHA-256 %q is not %q, which was read",
			a.key, a.version, copied.SHA256, facts.SHA256))
	}
	settled, err := p.Records.Update(ctx, a.ref, settleSeen(pending, Verdict{Status: Stored, Version: a.version,
		At: p.Now(), Size: facts.Size, ContentType: facts.ContentType, Extension: facts.Extension,
		SHA256: facts.SHA256, Served: copied.Version,
		Admission: Admission{Unique: kind.Duplicates == policy.DuplicatesRefuse, MaxFiles: kind.MaxFiles,
			MaxTotalBytes: kind.MaxTotalBytes}}))
	switch {
	case errors.Is(err, ErrDuplicate):
		return p.reject(ctx, a, pending, facts, duplicateReason(err), ours)
	case errors.Is(err, ErrOverQuota):
		return p.reject(ctx, a, pending, facts, newReason(NotAllowed,
			"The entry holds as much as it may: delete a file first and upload this one again."), ours)
	case err != nil:
		return p.onConflict(ctx, a, err, ours)
	}
	if err := p.notify(ctx, settled); err != nil {
		return a.failed(err) // the message comes again and finds it settled
	}
	if err := p.removeArrived(ctx, a); err != nil {
		return a.failed(fmt.Errorf("after it was stored: %w", err))
	}
	return a.outcome(ResultStored, settled)
}

func duplicateReason(err error) *Reason {
	earlier := "an earlier upload"
	if d, ok := errors.AsType[*DuplicateError](err); ok && d.Earlier != "" {
		earlier = "upload " + string(d.Earlier)
	}
	return newReason(Duplicate, "The same file is stored in this entry already, as %s: use that one.", earlier)
}

// reject settles a refusal of the pending upload. ours is the copy that was made on the way, if one was: it
// is removed once nothing can be settled with it any more.
func (p *Pipeline) reject(ctx context.Context, a arrived, pending Record, facts Facts, reason *Reason,
	ours Version) (Outcome, error) {
	settled, err := p.Records.Update(ctx, a.ref, settleSeen(pending, Verdict{Status: Rejected, Version: a.version,
		At: p.Now(), Size: facts.Size, ContentType: facts.ContentType, SHA256: facts.SHA256, Reason: reason}))
	if err != nil {
		return p.onConflict(ctx, a, err, ours)
	}
	if p.Records.Atomic() {
		if err := p.removeCopy(ctx, a.ref, ours); err != nil {
			return a.failed(err)
		}
	}
	if err := p.notify(ctx, settled); err != nil {
		return a.failed(err)
	}
	dropped, err := p.trim(ctx, a.ref)
	if err != nil {
		return a.failed(err) // the message comes again and finds it rejected
	}
	outcome, err := a.outcome(ResultRejected, settled)
	outcome.Dropped = dropped
	return outcome, err
}

// onConflict handles a settlement that did not happen: somebody else was faster, or it
// is unknown whether it happened.
func (p *Pipeline) onConflict(ctx context.Context, a arrived, cause error, ours Version) (Outcome, error) {
	cause = fmt.Errorf("settle record %s: %w", a.ref, cause)
	if !errors.Is(cause, ErrConflict) && !errors.Is(cause, ErrNotFound) {
		return a.failed(cause)
	}
	record, err := p.Records.Get(ctx, a.ref)
	switch {
	case errors.Is(err, ErrNotFound):
		// Removed for good while we judged: nobody will serve our copy. The quarantine
		// version stays; to have no record may be a store's mistake.
		if err := p.removeCopy(ctx, a.ref, ours); err != nil {
			return a.failed(err)
		}
		return a.outcome(ResultOrphan, Record{})
	case err != nil:
		return a.failed(fmt.Errorf("get record %s: %w", a.ref, err))
	case record.Status == Pending:
		return a.failed(cause) // an operator reopened it in between
	}
	return p.alreadySettled(ctx, a, record, ours)
}

// removeCopyOf removes the copy of this version that a validator may have left beside a
// rejection, by the version id that our own copy or a look at it gave. A copy of a later round
// may be about to be served, and one that is all there is of a rejected upload stays.
//
// Only where settling is compare-and-swap: elsewhere a slow validator could still turn
// the rejection into a settlement with this very copy.
func (p *Pipeline) removeCopyOf(ctx context.Context, a arrived, rejected Record, ours Version) error {
	if !p.Records.Atomic() {
		return nil
	}
	if ours == "" {
		copied, err := p.Objects.Stat(ctx, p.Layout.FilesKey(a.ref))
		if errors.Is(err, ErrGone) || err == nil && (copied.Source != a.version || copied.Round >= rejected.Round()) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look for a copy of object %q: %w", a.key, err)
		}
		ours = copied.Version
	}
	if rejected.JudgedVersion == a.version {
		kept, err := p.inQuarantine(ctx, a)
		if err == nil && !kept {
			kept, err = p.wasDropped(ctx, a.ref)
		}
		if err != nil || !kept {
			return err
		}
	}
	return p.removeCopy(ctx, a.ref, ours)
}

// wasDropped says whether the bytes of a rejected upload were removed to make room: then no copy is to be all that
// there is of it.
func (p *Pipeline) wasDropped(ctx context.Context, ref Ref) (bool, error) {
	record, err := p.Records.Get(ctx, ref)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("get record %s: %w", ref, err)
	}
	return !record.DroppedAt.IsZero(), nil
}

// ownCopy looks at what was promoted of a pending upload. A copy from before it was reopened
// is removed: whoever saw that rejection may still do so, and nothing can be settled with it.
// Where settling is not compare-and-swap nobody removes it, and it is as good as any.
func (p *Pipeline) ownCopy(ctx context.Context, pending Record) (Copy, error) {
	to := p.Layout.FilesKey(pending.Ref())
	copied, err := p.Objects.Stat(ctx, to)
	switch {
	case errors.Is(err, ErrGone):
		return Copy{}, ErrGone
	case err != nil:
		return Copy{}, fmt.Errorf("look at object %q: %w", to, err)
	case !p.overtaken(copied, pending):
		return copied, nil
	}
	if err := p.removeCopy(ctx, pending.Ref(), copied.Version); err != nil {
		return Copy{}, err
	}
	return Copy{}, ErrGone
}

// overtaken says whether an operator reopened the upload after this copy of it was made.
func (p *Pipeline) overtaken(copied Copy, pending Record) bool {
	return p.Records.Atomic() && copied.Source != "" && copied.Round < pending.Round()
}

// removeCopy removes one version of the upload's promoted object; "" is none.
func (p *Pipeline) removeCopy(ctx context.Context, ref Ref, version Version) error {
	if version == "" {
		return nil
	}
	to := p.Layout.FilesKey(ref)
	if err := p.Objects.Remove(ctx, to, version); err != nil {
		return fmt.Errorf("remove the copy %q version %s: %w", to, version, err)
	}
	return nil
}
