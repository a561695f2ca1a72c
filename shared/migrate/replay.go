package migrate

import (
	"context"
	"fmt"

	"hatchery/shared/upload"
)

// asBegun is the record as it was when it was created, or last reopened: copies in the bucket
// name the round of one that is pending.
func asBegun(r upload.Record) upload.Record {
	begun := asCreated(r)
	if r.Status == upload.Pending {
		begun.SettledAt = r.SettledAt
	}
	return begun
}

// asCreated is the record as it was when it was created.
func asCreated(r upload.Record) upload.Record {
	return upload.Record{ID: r.ID, Journal: r.Journal, Entry: r.Entry, Kind: r.Kind, Name: r.Name,
		Extension: r.Extension, Filename: r.Filename, CreatedAt: r.CreatedAt, Status: upload.Pending, Declared: r.Declared,
		FormExpires: r.FormExpires}
}

// createdAlike says whether two records were the same when they were created. The names of a source that was stored are
// not compared: its verdict may have corrected the extension.
func createdAlike(source, target upload.Record) bool {
	begun := asCreated(target)
	if source.Status == upload.Stored || source.Status == upload.Deleted {
		begun.Extension, begun.Filename = source.Extension, source.Filename
	}
	return len(differences(asCreated(source), begun)) == 0
}

// precedes says whether replay can make of target what source is: an earlier run may have ended within it.
func precedes(target, source upload.Record) bool {
	if !createdAlike(source, target) {
		return false
	}
	if target.Status == upload.Pending || wasExpired(target) && !wasExpired(source) {
		return true
	}
	if target.Status != upload.Stored && target.Status != upload.Rejected {
		return false
	}
	if adoptedSince(target, source) {
		target = verdictOn(source).Apply(target)
	}
	if source.Status == upload.Deleted {
		target, _ = upload.Delete(source.DeletedAt, source.ForgetAfter).To(target) // any settled record can be deleted
	}
	return len(differences(source, target)) == 0 // nothing else is missing
}

// wasExpired says whether a record was given up. In a target that is in use, the reconciler gives up what a
// broken-off migration has begun.
func wasExpired(r upload.Record) bool {
	return r.Status == upload.Rejected && r.JudgedVersion == "" && r.Reason != nil &&
		(r.Reason.Code == upload.NeverArrived || r.Reason.Code == upload.BytesLost)
}

// adoptedSince says whether target is a copy of a legacy image that the source has judged and promoted since.
func adoptedSince(target, source upload.Record) bool {
	return target.Legacy() && source.JudgedVersion == upload.LegacyVersion
}

// isAdopted says whether target is what Adopt makes of an old source.
func isAdopted(target, source upload.Record) bool {
	return source.Legacy() && target.Status == upload.Stored && target.JudgedVersion == upload.LegacyVersion &&
		createdAlike(source, target)
}

// replay makes of the target's record what the source's is, by the same transitions in the same order.
func (m *Migration) replay(ctx context.Context, target, source upload.Record) (upload.Record, error) {
	ref := source.Ref()
	var err error
	if wasExpired(target) && !wasExpired(source) {
		if target, err = m.To.Update(ctx, ref, upload.Reopen()); err != nil {
			return target, fmt.Errorf("reopen it in the target: %w", err)
		}
	}
	if adoptedSince(target, source) {
		if target, err = m.To.Update(ctx, ref, upload.Adopt(verdictOn(source))); err != nil {
			return target, fmt.Errorf("adopt it in the target: %w", err)
		}
	}
	if target.Status == upload.Pending {
		for target.Resends < min(source.Resends, maxCounted) {
			if target, err = m.To.Update(ctx, ref, upload.CountResend(target.Resends, source.ResentAt)); err != nil {
				return target, fmt.Errorf("count its further messages in the target: %w", err)
			}
		}
		for target.Failures < min(source.Failures, maxCounted) && source.LastFailure != nil {
			if err = upload.NoteFailure(ctx, m.To, ref, *source.LastFailure); err != nil {
				return target, fmt.Errorf("note its failures in the target: %w", err)
			}
			target.Failures++
		}
		if wasSettled(source) {
			verdict := verdictOn(source)
			verdict.Round = target.Round()
			if _, err = m.To.Update(ctx, ref, upload.Settle(verdict)); err != nil {
				return target, fmt.Errorf("settle it in the target: %w", err)
			}
		}
	}
	if source.Status == upload.Deleted {
		if _, err = m.To.Update(ctx, ref, upload.Delete(source.DeletedAt, source.ForgetAfter)); err != nil {
			return target, fmt.Errorf("delete it in the target: %w", err)
		}
	}
	if target, err = m.To.Get(ctx, ref); err != nil {
		return target, fmt.Errorf("read it back from the target: %w", err)
	}
	return target, nil
}

// maxCounted bounds how many failures and further messages are counted again: after so many a message has long been
// a dead letter.
const maxCounted = 100

// wasSettled says whether a record has a verdict, or had one before its deletion.
func wasSettled(r upload.Record) bool {
	switch r.Status {
	case upload.Stored, upload.Rejected:
		return true
	case upload.Deleted:
		return r.Reason != nil || r.ServedVersion != "" || !r.SettledAt.IsZero()
	}
	return false
}

// verdictOn gives the verdict on a record that was wasSettled.
func verdictOn(r upload.Record) upload.Verdict {
	v := upload.Verdict{Status: r.Status, Version: r.JudgedVersion, At: r.SettledAt, Size: r.Size,
		ContentType: r.ContentType, SHA256: r.SHA256, Served: r.ServedVersion, Reason: r.Reason}
	if r.Status == upload.Deleted {
		if v.Status = upload.Stored; r.Reason != nil {
			v.Status = upload.Rejected
		}
	}
	if v.Status == upload.Stored {
		v.Extension = r.Extension
	}
	return v
}
