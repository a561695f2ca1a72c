package upload

import (
	"errors"
	"fmt"
)

// Sentinels that stores return and callers branch on, always through errors.Is.
var (
	// ErrNotFound: there is no such record.
	ErrNotFound = errors.New("no such record")
	// ErrExists: the record or the object is there already (for an object: 412
	// on a create-only write).
	ErrExists = errors.New("exists already")
	// ErrGone: the object, or the version that was asked for, is not there.
	ErrGone = errors.New("object is gone")
	// ErrConflict: the record is not in the state that the change starts from.
	ErrConflict = errors.New("record has changed")
	// ErrKeyReused: an idempotency key was used before for something else.
	ErrKeyReused = errors.New("idempotency key was used for a different upload")
	// ErrBadCursor: the cursor was not given by this store for this list.
	ErrBadCursor = errors.New("cursor is not one that this list gave")
	// ErrDuplicate: the same bytes are stored in the same entry and kind.
	// DuplicateError carries which record has them.
	ErrDuplicate = errors.New("same bytes are stored already")
	// ErrNoLegacyBucket: the upload is an image of the replaced service, and the pipeline
	// was given no bucket where those lie.
	ErrNoLegacyBucket = errors.New("it is an image of the replaced service, and no bucket for these is configured")
	// ErrOverQuota: the entry holds as many files or bytes as its kind allows.
	ErrOverQuota = errors.New("entry is full")
)

// Wrap says what a store of records failed to do, unless err is one that Records names
// for callers to branch on.
func Wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	for _, named := range []error{ErrNotFound, ErrExists, ErrConflict, ErrKeyReused, ErrBadCursor, ErrDuplicate,
		ErrOverQuota} {
		if errors.Is(err, named) {
			return err
		}
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}

// DuplicateError says which earlier upload owns the same bytes. It is an
// ErrDuplicate.
type DuplicateError struct{ Earlier ID }

func (e *DuplicateError) Error() string { return fmt.Sprintf("%v: %s", ErrDuplicate, e.Earlier) }

// Is makes errors.Is(err, ErrDuplicate) true.
func (e *DuplicateError) Is(target error) bool { return target == ErrDuplicate }
