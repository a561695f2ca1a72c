package upload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Transition is one change of a record: what it makes of it, and what the entry has to
// have room for. The functions below make all that there are; each names the statuses
// from which it may go.
//
//	                pending      stored      rejected     deleted
//	Settle          settled (2)  conflict    conflict     conflict
//	Delete          deleted      deleted     deleted      not found
//	Reopen          conflict     conflict    pending (3)  conflict
//	Drop            conflict     conflict    dropped      conflict
//	Adopt           conflict     stored (1)  conflict     conflict
//	CountFailure    counted      unchanged   unchanged    unchanged
//	CountResend     counted      counted     counted      counted
//
// (1) an image that the replaced service stored; any other is a conflict.
//
// (2) a verdict that was begun in an earlier Round is a conflict, too.
//
// (3) one whose bytes were dropped is gone.
type Transition struct {
	// Name is one of the names below: for errors, and for tests that plant faults.
	Name string
	// To gives the record that the transition makes of r, or an error. It may be asked
	// again, with a record that was read later, and changes nothing but its result.
	To func(r Record) (Record, error)
	// Admit is asked for a record that becomes stored, after To.
	Admit Admission
	// Seen, when it has a Revision, is the record as Get gave it, unchanged: it need not be read again.
	Seen Record
}

// The names of the transitions.
const (
	SettleName       = "settle"
	DeleteName       = "delete"
	ReopenName       = "reopen"
	DropName         = "note the removal of the bytes of"
	AdoptName        = "adopt"
	CountFailureName = "count a failure of"
	CountResendName  = "count a further message of"
)

// Admission is what one more stored file needs of its entry. The zero value needs
// nothing.
type Admission struct {
	// Unique refuses a second stored record with the same SHA-256.
	Unique bool
	// MaxFiles and MaxTotalBytes bound the entry's stored files of one kind, this one
	// included; 0 is no bound.
	MaxFiles, MaxTotalBytes int64
}

// Bounded says whether a store has to sum what the entry has stored.
func (a Admission) Bounded() bool { return a.MaxFiles > 0 || a.MaxTotalBytes > 0 }

// Check says whether the entry may hold one more stored file of size bytes. As far as that
// needs it, it asks earliest for the first stored record with the same bytes, "" for none,
// and stored for what the entry has stored.
func (a Admission) Check(size int64, earliest func() (ID, error), stored func() (Usage, error)) error {
	if a.Unique {
		earlier, err := earliest()
		if err != nil {
			return err
		}
		if earlier != "" {
			return &DuplicateError{Earlier: earlier}
		}
	}
	if !a.Bounded() {
		return nil
	}
	u, err := stored()
	if err != nil {
		return err
	}
	if a.MaxFiles > 0 && u.Files >= a.MaxFiles || a.MaxTotalBytes > 0 && size > a.MaxTotalBytes-u.Bytes {
		return ErrOverQuota
	}
	return nil
}

// Settle gives a pending record its verdict, Stored or Rejected and nothing else.
// ErrConflict: it is not pending (any more), or was reopened since the verdict was begun.
func Settle(v Verdict) Transition {
	return Transition{Name: SettleName, Admit: v.Admission, To: func(r Record) (Record, error) {
		if v.Status != Stored && v.Status != Rejected {
			return Record{}, fmt.Errorf("the verdict is %q, neither stored nor rejected", v.Status)
		}
		if r.Status != Pending || r.Round() != v.Round {
			return Record{}, ErrConflict
		}
		return v.Apply(r), nil
	}}
}

// settleSeen is Settle for a verdict that was begun on the record that Get gave.
func settleSeen(seen Record, v Verdict) Transition {
	v.Round = seen.Round()
	t := Settle(v)
	t.Seen = seen
	return t
}

// settleExpired is Settle for a verdict that follows from whether seen says that bytes
// came. ErrConflict: the record says otherwise by now.
func settleExpired(seen Record, v Verdict) Transition {
	t := Settle(v)
	settle := t.To
	t.To = func(r Record) (Record, error) {
		if r.BytesCame() != seen.BytesCame() {
			return Record{}, ErrConflict
		}
		return settle(r)
	}
	return t
}

// Delete turns any record into a tombstone that may be forgotten after forget.
// ErrNotFound: it is one already (ask Get whether it is or nothing is there).
func Delete(at, forget time.Time) Transition {
	return Transition{Name: DeleteName, To: func(r Record) (Record, error) {
		if r.Status == Deleted {
			return Record{}, ErrNotFound
		}
		if r.Status == Pending {
			r.SettledAt = time.Time{} // of a verdict that was undone
		}
		r.Status = Deleted
		r.DeletedAt, r.ForgetAfter = timeOf(at), timeOf(forget)
		return r, nil
	}}
}

// Reopen turns a rejected record back into a pending one, for an operator's re-check. That
// begins another Round.
// ErrConflict: it is not rejected. ErrGone: its bytes were dropped.
func Reopen() Transition {
	return Transition{Name: ReopenName, To: func(r Record) (Record, error) {
		if r.Status != Rejected {
			return Record{}, ErrConflict
		}
		if !r.DroppedAt.IsZero() {
			return Record{}, ErrGone
		}
		r = Verdict{Status: Pending, At: r.SettledAt}.Apply(r)
		r.Failures, r.LastFailure = 0, nil
		r.Resends, r.ResentAt = 0, time.Time{}
		return r, nil
	}}
}

// Drop notes that the bytes that a rejection is about go from quarantine, to make room. From
// then on nothing becomes of the record but its deletion.
// ErrConflict: it is not rejected, or by another version.
func Drop(version Version, at time.Time) Transition {
	return Transition{Name: DropName, To: func(r Record) (Record, error) {
		if r.Status != Rejected || r.JudgedVersion != version || version == "" {
			return Record{}, ErrConflict
		}
		if r.DroppedAt.IsZero() {
			r.DroppedAt = timeOf(at)
		}
		return r, nil
	}}
}

// Adopt gives an image that the replaced service stored a verdict of Stored, whose
// Version is LegacyVersion. ErrConflict: the record is anything else. Nothing is asked of
// the entry: it holds the image already.
func Adopt(v Verdict) Transition {
	return Transition{Name: AdoptName, To: func(r Record) (Record, error) {
		if !r.Legacy() {
			return Record{}, ErrConflict
		}
		return v.Apply(r), nil
	}}
}

// maxFailureBytes bounds the text of a failure that is kept.
const maxFailureBytes = 2000

// FailureText is the text of a failure as it is kept: its beginning, without half a character at its end.
func FailureText(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxFailureBytes)], "")
}

// CountFailure counts one more failure of a pending record and keeps the last one,
// its message cut to 2,000 bytes. Any other record stays as it is.
func CountFailure(f Failure) Transition {
	return Transition{Name: CountFailureName, To: func(r Record) (Record, error) {
		if r.Status != Pending {
			return r, nil
		}
		kept := Failure{At: timeOf(f.At), Message: FailureText(f.Message)}
		r.Failures, r.LastFailure = r.Failures+1, &kept
		return r, nil
	}}
}

// NoteFailure counts a failure on the record of ref. A store without compare-and-swap
// need not count one beside which something else was written: no error.
func NoteFailure(ctx context.Context, records Updater, ref Ref, f Failure) error {
	if _, err := records.Update(ctx, ref, CountFailure(f)); !errors.Is(err, ErrConflict) {
		return err
	}
	return nil
}

// Updater is the part of Records that changes records.
type Updater interface {
	Update(ctx context.Context, ref Ref, t Transition) (Record, error)
}

// CountResend counts that an upload's message is about to be sent once more: the count
// goes from seen to seen+1. ErrConflict: another reconciler was faster.
func CountResend(seen int, at time.Time) Transition {
	return Transition{Name: CountResendName, To: func(r Record) (Record, error) {
		if r.Resends != seen {
			return Record{}, ErrConflict
		}
		r.Resends, r.ResentAt = seen+1, timeOf(at)
		return r, nil
	}}
}

// Verdict is the result of judging one version.
type Verdict struct {
	Status  Status // Stored or Rejected
	Version Version
	At      time.Time
	// Round is that of the pending record on which the verdict was begun.
	Round Round

	// Facts about the bytes, as far as they are known.
	Size        int64
	ContentType string
	SHA256      string

	// Served is the copy's version; for Stored.
	Served Version
	// Extension that was found; for Stored. A rejected record keeps the one that it was
	// accepted with, by which it may be judged again. "" changes nothing.
	Extension string
	// Reason; for Rejected.
	Reason *Reason

	// Admission is what a Stored verdict needs of the entry.
	Admission
}

// Apply gives the record that v makes of r: the one place where a verdict becomes fields. A
// verdict is later than one that was undone, whatever the clocks say: rounds go up.
func (v Verdict) Apply(r Record) Record {
	at := timeOf(v.At)
	if r.Status == Pending && !r.SettledAt.IsZero() && !at.After(r.SettledAt) {
		at = r.SettledAt.Add(time.Microsecond)
	}
	r.Status, r.SettledAt = v.Status, at
	r.JudgedVersion = v.Version
	r.Size = v.Size
	r.ContentType = v.ContentType
	r.SHA256 = v.SHA256
	r.ServedVersion = v.Served
	if v.Extension != "" && v.Extension != r.Extension {
		r.Filename = cmp.Or(r.Filename, r.FullName())
		r.Extension = v.Extension
	}
	r.Reason = v.Reason
	r.DroppedAt = time.Time{}
	return r
}

// BytesCame says whether the record counts something that only bytes in quarantine bring
// about: a failure with their message, or a message that was sent again. False says
// nothing: their message may never have been handled.
func (r Record) BytesCame() bool { return r.Failures > 0 || r.Resends > 0 }

// lostBytes begins the failure of an upload whose bytes a validator looked for in vain.
const lostBytes = "bytes lost: "

// LostBytes says whether it waits for a verdict, and a validator found last that its bytes were removed.
func (r Record) LostBytes() bool {
	return r.Status == Pending && r.LastFailure != nil && strings.HasPrefix(r.LastFailure.Message, lostBytes)
}

// NeedsWork says whether a version in quarantine still has to be validated: the upload
// is pending, or the version should have been removed. Only what a rejection is about
// stays there, until it is dropped.
func (r Record) NeedsWork(version Version) bool {
	return r.Status != Rejected || r.JudgedVersion != version || !r.DroppedAt.IsZero()
}
