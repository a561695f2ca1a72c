package upload

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Result names what Validate did with one version of a quarantine object.
type Result string

// The results. All of them mean that the message has done its work.
const (
	// ResultStored: judged, promoted and settled now.
	ResultStored Result = "stored"
	// ResultRejected: judged and settled now.
	ResultRejected Result = "rejected"
	// ResultSettledBefore: this version had its verdict already.
	ResultSettledBefore Result = "settled_before"
	// ResultLate: the upload was settled with another version; this one was
	// removed.
	ResultLate Result = "late"
	// ResultDeleted: the upload was deleted; this version and our copy were
	// removed.
	ResultDeleted Result = "deleted"
	// ResultOrphan: there is no record; nothing was touched.
	ResultOrphan Result = "orphan"
	// ResultGone: the object or the version is not there any more.
	ResultGone Result = "gone"
	// ResultForeign: the key is not one that quarantine has; nothing was touched.
	ResultForeign Result = "foreign"
)

// Outcome is what Validate did, for the hall to log and count.
type Outcome struct {
	Result  Result
	Ref     Ref
	Version Version
	// Record is the record as it stands, zero for an orphan and a foreign key.
	Record Record
}

// Validate does with one version of a quarantine object what the table at
// [Records] says. It may be called any number of times for the same version, at
// the same time, before and after anything else. An error is trouble, and the
// only thing that is worth a retry.
func (p *Pipeline) Validate(ctx context.Context, key Key, version Version) (Outcome, error) {
	ref, ok := p.Layout.ParseQuarantineKey(key)
	if !ok {
		return Outcome{Result: ResultForeign, Version: version}, nil
	}
	v := validation{Pipeline: p, ref: ref, key: key, version: version}
	result, record, err := v.run(ctx)
	if err != nil {
		return Outcome{Ref: ref, Version: v.version}, err
	}
	return Outcome{Result: result, Ref: ref, Version: v.version, Record: record}, nil
}

// validation is one call of Validate.
type validation struct {
	*Pipeline
	ref     Ref
	key     Key
	version Version
}

func (v *validation) run(ctx context.Context) (Result, Record, error) {
	record, err := v.Records.Get(ctx, v.ref)
	if errors.Is(err, ErrNotFound) {
		return ResultOrphan, Record{}, nil
	}
	if err != nil {
		return "", Record{}, fmt.Errorf("get record %s: %w", v.ref, err)
	}
	if record.Status != Pending {
		if v.version == "" {
			// An event without a version id speaks of whatever is newest.
			gone, err := v.resolve(ctx)
			if gone && record.Status == Stored && !record.Old() {
				// Whoever settled it with its copy may have ended before telling.
				err = v.tell(ctx, record)
			}
			if gone || err != nil {
				return ResultGone, record, err
			}
		}
		return v.settledBefore(ctx, record, "")
	}
	return v.judge(ctx, record)
}

// resolve finds the newest version of the quarantine object.
func (v *validation) resolve(ctx context.Context) (gone bool, err error) {
	object, err := v.Objects.Open(ctx, v.key, "")
	if errors.Is(err, ErrGone) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("open object %q: %w", v.key, err)
	}
	v.version = object.Version
	return false, object.Body.Close()
}

// judge reads the version once and promotes or refuses it.
func (v *validation) judge(ctx context.Context, record Record) (Result, Record, error) {
	object, err := v.Objects.Open(ctx, v.key, v.version)
	if errors.Is(err, ErrGone) {
		return v.gone(ctx, record)
	}
	if err != nil {
		return "", Record{}, fmt.Errorf("open object %q version %s: %w", v.key, v.version, err)
	}
	v.version = object.Version
	kind, facts, reason, err := v.read(ctx, record, v.key, object)
	if err != nil {
		return "", Record{}, err
	}
	if reason != nil {
		return v.reject(ctx, facts, reason, "")
	}
	return v.promote(ctx, record, kind, facts)
}

// read reads an object whole and closes it. With a reason it may not be served.
func (v *validation) read(ctx context.Context, record Record, key Key, object Object) (Kind, Facts, *Reason, error) {
	defer object.Body.Close() //nolint:errcheck // reading is over; there is nothing to lose
	kind, known := v.Policy.Kinds[record.Kind]
	if !known {
		return Kind{}, Facts{Size: object.Size}, &Reason{NotAllowed, fmt.Sprintf("Files of the kind %s are no longer accepted here.", record.Kind)}, nil
	}
	facts, reason, err := kind.Inspect(ctx, object.Body, record.Extension, object.Size, record.Declared)
	if err != nil {
		err = fmt.Errorf("inspect object %q version %s: %w", key, object.Version, err)
	}
	return kind, facts, reason, err
}

// promote copies the judged version to where it is served from and settles.
func (v *validation) promote(ctx context.Context, record Record, kind Kind, facts Facts) (Result, Record, error) {
	to := v.Layout.FilesKey(v.ref)
	copied, err := v.Objects.Promote(ctx, Promotion{From: v.key, Version: v.version, To: to,
		ContentType: facts.ContentType, Disposition: Disposition(facts.ContentType, record.FullName())})
	switch {
	case errors.Is(err, ErrGone):
		// Whoever removed it had settled or deleted the upload first.
		return ResultGone, record, nil
	case errors.Is(err, ErrExists):
		copied, err = v.Objects.Stat(ctx, to)
		if err != nil {
			return "", Record{}, fmt.Errorf("look at object %q, which was there and may be taken back: %w", to, err)
		}
		if copied.Source != v.version {
			return v.promotedAnother(ctx, copied)
		}
		// Our own copy from before a crash, or another validator's of the same
		// version.
	case err != nil:
		return "", Record{}, fmt.Errorf("promote object %q version %s: %w", v.key, v.version, err)
	}
	return v.settle(ctx, kind, facts, copied, copied.Version)
}

// settle settles with a copy of the version. ours is that copy, too, if it is to be
// taken back when the verdict is another one.
func (v *validation) settle(ctx context.Context, kind Kind, facts Facts, copied Copy, ours Version) (Result, Record, error) {
	if copied.SHA256 != facts.SHA256 {
		// Never taken back here: if it was our reading that went wrong, another
		// validator may be about to settle with this copy.
		return "", Record{}, fmt.Errorf("promote object %q version %s: the copy's SHA-256 %q is not %q, which was read", v.key, v.version, copied.SHA256, facts.SHA256)
	}
	settled, err := v.Records.Settle(ctx, v.ref, Verdict{Status: Stored, Version: v.version, At: v.Now(),
		Size: facts.Size, ContentType: facts.ContentType, SHA256: facts.SHA256, Served: copied.Version,
		Unique: kind.Duplicates == DuplicatesRefuse, MaxFiles: kind.MaxFiles, MaxTotalBytes: kind.MaxTotalBytes})
	switch {
	case errors.Is(err, ErrDuplicate):
		return v.reject(ctx, facts, duplicateReason(err), ours)
	case errors.Is(err, ErrOverQuota):
		return v.reject(ctx, facts, &Reason{NotAllowed, "The entry holds as much as it may: delete a file first and upload this one again."}, ours)
	case err != nil:
		return v.lost(ctx, err, ours)
	}
	if err := v.tell(ctx, settled); err != nil {
		return "", Record{}, err // the message comes again and finds it settled
	}
	if err := v.Objects.Remove(ctx, v.key, v.version); err != nil {
		return "", Record{}, fmt.Errorf("remove object %q version %s after it was stored: %w", v.key, v.version, err)
	}
	return ResultStored, settled, nil
}

func duplicateReason(err error) *Reason {
	earlier := "an earlier upload"
	if d, ok := errors.AsType[*DuplicateError](err); ok && d.Earlier != "" {
		earlier = "upload " + string(d.Earlier)
	}
	return &Reason{Duplicate, fmt.Sprintf("The same file is stored in this entry already, as %s: use that one.", earlier)}
}

// promotedAnother handles a files key that is taken by a copy of another
// version: the first that was promoted wins.
func (v *validation) promotedAnother(ctx context.Context, copied Copy) (Result, Record, error) {
	if waits, err := v.inQuarantine(ctx, copied.Source); err != nil {
		return "", Record{}, err
	} else if !waits {
		first := validation{Pipeline: v.Pipeline, ref: v.ref, key: v.key, version: copied.Source}
		if result, record, err := first.judgeCopy(ctx, copied); err != nil || record.ID == "" {
			return result, record, err
		}
	}
	record, err := v.Records.Get(ctx, v.ref)
	if errors.Is(err, ErrNotFound) {
		return ResultOrphan, Record{}, nil
	}
	if err != nil {
		return "", Record{}, fmt.Errorf("get record %s: %w", v.ref, err)
	}
	if record.Status == Pending {
		return "", Record{}, fmt.Errorf("promote object %q version %s: %q holds a copy of version %q, which is about to be settled; trying again later", v.key, v.version, v.Layout.FilesKey(v.ref), copied.Source)
	}
	return v.settledBefore(ctx, record, "")
}

func (v *validation) inQuarantine(ctx context.Context, version Version) (bool, error) {
	there, err := v.Objects.Versions(ctx, v.key)
	if err != nil {
		return false, fmt.Errorf("list versions of object %q: %w", v.key, err)
	}
	return slices.Contains(there, version), nil
}

// gone handles a version that is not there, of an upload that was pending a moment
// ago.
func (v *validation) gone(ctx context.Context, record Record) (Result, Record, error) {
	to := v.Layout.FilesKey(v.ref)
	copied, err := v.Objects.Stat(ctx, to)
	if errors.Is(err, ErrGone) || err == nil && v.version != "" && v.version != copied.Source {
		return ResultGone, record, nil
	}
	if err != nil {
		return "", Record{}, fmt.Errorf("look at object %q: %w", to, err)
	}
	// Under a delete marker it still waits for a message that names it.
	if waits, err := v.inQuarantine(ctx, copied.Source); waits || err != nil {
		return ResultGone, record, err
	}
	v.version = copied.Source
	return v.judgeCopy(ctx, copied)
}

// judgeCopy judges, in the place of a version that is not in quarantine any more, the
// copy that was promoted from it. The version was removed after its verdict, which a
// store without compare-and-swap has lost since; or a validator ended between its copy
// and its verdict, and no message came until quarantine forgot it. Whatever the verdict
// is now, the copy stays: it is the last that there is of the upload.
func (v *validation) judgeCopy(ctx context.Context, copied Copy) (Result, Record, error) {
	record, err := v.Records.Get(ctx, v.ref)
	switch {
	case errors.Is(err, ErrNotFound):
		return ResultOrphan, Record{}, nil
	case err != nil:
		return "", Record{}, fmt.Errorf("get record %s: %w", v.ref, err)
	case record.Status != Pending:
		return v.settledBefore(ctx, record, "")
	}
	to := v.Layout.FilesKey(v.ref)
	if copied.Source == "" {
		return "", Record{}, fmt.Errorf("settle record %s: %q holds what no validator promoted: look at it, and remove it", v.ref, to)
	}
	object, err := v.Objects.Open(ctx, to, "")
	if err != nil {
		return "", Record{}, fmt.Errorf("open object %q: %w", to, err)
	}
	kind, facts, reason, err := v.read(ctx, record, to, object)
	switch {
	case err != nil:
		return "", Record{}, err
	case object.Version != copied.Version:
		return "", Record{}, fmt.Errorf("read object %q: its version is %s, and was %s a moment ago", to, object.Version, copied.Version)
	case reason != nil:
		return v.reject(ctx, facts, reason, "")
	}
	return v.settle(ctx, kind, facts, copied, "")
}

// reject settles a refusal. ours is the copy that was made on the way, if one
// was: it is taken back once nothing can be settled with it any more.
func (v *validation) reject(ctx context.Context, facts Facts, reason *Reason, ours Version) (Result, Record, error) {
	settled, err := v.Records.Settle(ctx, v.ref, Verdict{Status: Rejected, Version: v.version, At: v.Now(),
		Size: facts.Size, ContentType: facts.ContentType, SHA256: facts.SHA256, Reason: reason})
	if err != nil {
		return v.lost(ctx, err, ours)
	}
	if ours != "" && v.Records.Atomic() {
		if err := v.takeBack(ctx, ours); err != nil {
			return "", Record{}, err
		}
	}
	if err := v.tell(ctx, settled); err != nil {
		return "", Record{}, err
	}
	return ResultRejected, settled, nil
}

// lost handles a settlement that did not happen: somebody else was faster, or it
// is unknown whether it happened.
func (v *validation) lost(ctx context.Context, cause error, ours Version) (Result, Record, error) {
	if !errors.Is(cause, ErrConflict) && !errors.Is(cause, ErrNotFound) {
		return "", Record{}, fmt.Errorf("settle record %s: %w", v.ref, cause)
	}
	record, err := v.Records.Get(ctx, v.ref)
	switch {
	case errors.Is(err, ErrNotFound):
		// Removed for good while we judged: nobody will serve our copy. The
		// quarantine version stays; to have no record may be a store's mistake.
		if err := v.takeBack(ctx, ours); err != nil {
			return "", Record{}, err
		}
		return ResultOrphan, Record{}, nil
	case err != nil:
		return "", Record{}, fmt.Errorf("get record %s: %w", v.ref, err)
	case record.Status == Pending:
		// An operator reopened it in between.
		return "", Record{}, fmt.Errorf("settle record %s: %w", v.ref, cause)
	}
	return v.settledBefore(ctx, record, ours)
}

// settledBefore handles a version of an upload that has its verdict, or was
// deleted. ours is the copy of this version that we know of, if any.
func (v *validation) settledBefore(ctx context.Context, record Record, ours Version) (Result, Record, error) {
	judged := record.JudgedVersion == v.version
	result, keep := ResultLate, false
	switch {
	case record.Status == Deleted:
		result = ResultDeleted
		// Nothing of a deleted upload is served again: every version goes.
		if err := v.removeAll(ctx, v.Layout.FilesKey(v.ref)); err != nil {
			return "", Record{}, err
		}
	case record.Status == Rejected:
		if judged {
			result, keep = ResultSettledBefore, true
		}
		if err := v.takeBackCopy(ctx, ours); err != nil {
			return "", Record{}, err
		}
	case judged:
		result = ResultSettledBefore
	}
	if result == ResultSettledBefore {
		// Whoever settled it may have ended before telling.
		if err := v.tell(ctx, record); err != nil {
			return "", Record{}, err
		}
	}
	if !keep {
		if err := v.Objects.Remove(ctx, v.key, v.version); err != nil {
			return "", Record{}, fmt.Errorf("remove object %q version %s: %w", v.key, v.version, err)
		}
	}
	return result, record, nil
}

// takeBackCopy removes the copy of this version that a validator may have left
// beside a rejection, by the version id that our own copy or a look at it gave.
//
// Only where settling is compare-and-swap: elsewhere a slow validator could
// still turn the rejection into a settlement with this very copy.
func (v *validation) takeBackCopy(ctx context.Context, ours Version) error {
	if !v.Records.Atomic() {
		return nil
	}
	if ours == "" {
		there, err := v.Objects.Stat(ctx, v.Layout.FilesKey(v.ref))
		if errors.Is(err, ErrGone) || err == nil && there.Source != v.version {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look for a copy of object %q: %w", v.key, err)
		}
		ours = there.Version
	}
	return v.takeBack(ctx, ours)
}

func (v *validation) takeBack(ctx context.Context, ours Version) error {
	if ours == "" {
		return nil
	}
	to := v.Layout.FilesKey(v.ref)
	if err := v.Objects.Remove(ctx, to, ours); err != nil {
		return fmt.Errorf("take back object %q version %s: %w", to, ours, err)
	}
	return nil
}
