package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"hatchery/shared/policy"
)

// Result names what Validate did with one version of a quarantine object.
type Result string

// The results. All of them mean that the message has done its work.
const (
	// ResultStored: judged, promoted and settled now.
	ResultStored Result = "stored"
	// ResultRejected: judged and settled now.
	ResultRejected Result = "rejected"
	// ResultAlreadySettled: this version had its verdict already.
	ResultAlreadySettled Result = "settled_before"
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
	// ResultLost: the upload is pending, its bytes came, and were removed by
	// something else: there is no version of it in quarantine, and no copy. The record counts a failure.
	ResultLost Result = "lost"
	// ResultForeign: the key is not one that quarantine has; nothing was touched.
	ResultForeign Result = "foreign"
)

// Outcome is what Validate did, to be logged and counted.
type Outcome struct {
	Result  Result
	Ref     Ref
	Version Version
	// Record is the record as it stands, zero for an orphan and a foreign key.
	Record Record
	// Dropped is how many uploads of the entry had their bytes removed, to make room for those of this rejection.
	Dropped int
}

// arrived is one version of an upload's object in quarantine. Every step of a
// validation is handed one and gives an Outcome or an error; an error is a failure of a
// store, and its Outcome says of which version.
type arrived struct {
	ref     Ref
	key     Key
	version Version // "" until it is known: an event without one is about the newest
}

func (a arrived) outcome(result Result, record Record) (Outcome, error) {
	return Outcome{Result: result, Ref: a.ref, Version: a.version, Record: record}, nil
}

func (a arrived) failed(err error) (Outcome, error) {
	return Outcome{Ref: a.ref, Version: a.version}, err
}

// at is another version of the same object.
func (a arrived) at(version Version) arrived {
	a.version = version
	return a
}

// Validate does with one version of a quarantine object what the table at [Records]
// says. It may be called any number of times for the same version, at the same time,
// before and after anything else. An error is a failure of a store or of the notifier,
// and the only thing that is worth a retry.
//
// The version is opened while the record is read: a message with nothing to judge costs a
// request to the bucket for nothing, whose body nobody reads.
func (p *Pipeline) Validate(ctx context.Context, key Key, version Version) (Outcome, error) {
	ref, ok := p.Layout.ParseQuarantineKey(key)
	if !ok {
		return Outcome{Result: ResultForeign, Version: version}, nil
	}
	a := arrived{ref, key, version}
	opening, cancel := context.WithCancel(ctx)
	defer cancel()
	var record Record
	var object opened
	var err error
	p.atOnce(func() {
		record, err = p.Records.Get(ctx, ref)
		if err != nil || record.Status != Pending && version != "" {
			cancel() // nobody asks for the object
		}
	}, func() { object.Object, object.err = p.Objects.Open(opening, key, version) })
	if err == nil && record.Status == Pending {
		return p.judge(ctx, a, record, object)
	}
	object.close()
	switch {
	case errors.Is(err, ErrNotFound):
		return a.outcome(ResultOrphan, Record{})
	case err != nil:
		return a.failed(fmt.Errorf("get record %s: %w", ref, err))
	case version == "":
		return p.newestAlreadySettled(ctx, a, record, object)
	}
	return p.alreadySettled(ctx, a, record, "")
}

// opened is what opening a version gave: its object, or an error.
type opened struct {
	Object
	err error
}

// close closes a body that nobody reads.
func (o opened) close() {
	if o.err == nil {
		o.Body.Close() //nolint:errcheck // nothing was read; there is nothing to lose
	}
}

// atOnce makes two calls at the same time, or as AtOnce does, and waits for both.
func (p *Pipeline) atOnce(one, other func()) {
	if p.AtOnce != nil {
		p.AtOnce(one, other)
		return
	}
	panicked := make(chan any, 1)
	go func() {
		defer func() { panicked <- recover() }()
		other()
	}()
	defer func() {
		if value := <-panicked; value != nil {
			panic(value) // where the caller can recover from it
		}
	}()
	one()
}

// judge reads the version of a pending upload once and promotes or rejects it.
func (p *Pipeline) judge(ctx context.Context, a arrived, record Record, object opened) (Outcome, error) {
	if errors.Is(object.err, ErrGone) {
		return p.gone(ctx, a, record)
	}
	if object.err != nil {
		return a.failed(fmt.Errorf("open object %q version %s: %w", a.key, a.version, object.err))
	}
	a = a.at(object.Version)
	kind, facts, reason, err := p.read(ctx, record, a.key, object.Object)
	switch {
	case err != nil:
		return a.failed(err)
	case reason != nil:
		return p.reject(ctx, a, record, facts, reason, "")
	}
	return p.promote(ctx, a, record, kind, facts)
}

// read reads an object whole and closes it. With a reason it may not be served.
func (p *Pipeline) read(ctx context.Context, record Record, key Key,
	object Object) (policy.Kind, Facts, *Reason, error) {
	defer object.Body.Close() //nolint:errcheck // reading is over; there is nothing to lose
	kind, known := p.Policy.Kinds[record.Kind]
	if !known {
		return policy.Kind{}, Facts{Size: object.Size}, noLongerAccepted(record.Kind), nil
	}
	body := &moving{body: object.Body, now: p.Now, began: p.Now()}
	parts := func(offset, length int64) (io.ReadCloser, error) {
		return p.Objects.ReadRange(ctx, key, object.Version, offset, length)
	}
	facts, reason, err := Inspect(ctx, kind, stored{body, parts}, record.Extension, object.Size, record.Declared)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && body.stillCame() {
		err = fmt.Errorf("bytes still came when the time was over: %w", err)
	}
	if err != nil {
		err = fmt.Errorf("inspect object %q version %s: %w", key, object.Version, err)
	}
	return kind, facts, reason, err
}

// moving tells a file that is too large, or comes too slowly, from a bucket that fell silent.
type moving struct {
	body         io.Reader
	now          func() time.Time
	began, moved time.Time
}

func (m *moving) Read(p []byte) (int, error) {
	n, err := m.body.Read(p)
	if n > 0 {
		m.moved = m.now()
	}
	return n, err
}

// stillCame: the body was silent for less time than it moved.
func (m *moving) stillCame() bool { return m.moved.Sub(m.began) > m.now().Sub(m.moved) }

func noLongerAccepted(kind policy.KindName) *Reason {
	return newReason(NotAllowed, "Files of the kind %s are no longer accepted here.", kind)
}

// gone handles a version that is not there, of an upload that was pending a moment ago.
func (p *Pipeline) gone(ctx context.Context, a arrived, record Record) (Outcome, error) {
	copied, err := p.ownCopy(ctx, record)
	switch {
	case errors.Is(err, ErrGone) && a.version != "":
		return p.lost(ctx, a)
	case errors.Is(err, ErrGone) || err == nil && a.version != "" && a.version != copied.Source:
		return a.outcome(ResultGone, record)
	case err != nil:
		return a.failed(err)
	}
	// Under a delete marker it still waits for a message that names it.
	waits, err := p.inQuarantine(ctx, a.at(copied.Source))
	switch {
	case err != nil:
		return a.failed(err)
	case waits:
		return a.outcome(ResultGone, record)
	}
	return p.judgeCopy(ctx, a.at(copied.Source), copied)
}

// lost handles a version that is not there, nor a copy of it: its event proves that
// it was. Whoever settles or deletes an upload changes the record first. So if the
// record is still pending after the last look, somebody else removed the bytes. That is
// noted and not settled: a form may still be posted, and then that is judged.
func (p *Pipeline) lost(ctx context.Context, a arrived) (Outcome, error) {
	record, err := p.Records.Get(ctx, a.ref)
	if err != nil || record.Status != Pending {
		return a.notPending(record, err)
	}
	left, err := p.bytesLeft(ctx, a.key)
	switch {
	case err != nil:
		return a.failed(err)
	case left:
		return a.outcome(ResultGone, record) // what is left has a message of its own
	}
	// Another version may have been promoted, and removed, between the looks before.
	to := p.Layout.FilesKey(a.ref)
	if _, err = p.Objects.Stat(ctx, to); err == nil {
		return a.outcome(ResultGone, record)
	} else if !errors.Is(err, ErrGone) {
		return a.failed(fmt.Errorf("look at object %q: %w", to, err))
	}
	record, err = p.Records.Get(ctx, a.ref)
	if err != nil || record.Status != Pending {
		return a.notPending(record, err)
	}
	// Without the note nobody would know later that bytes had come: a store that cannot
	// say whether it counted makes the message come again.
	record, err = p.Records.Update(ctx, a.ref, CountFailure(Failure{At: p.Now(), Message: fmt.Sprintf(
		lostBytes+"version %s came and was removed: no version is left of object %q, and no copy at %q",
		a.version, a.key, to)}))
	if err != nil || record.Status != Pending {
		return a.notPending(record, err)
	}
	return a.outcome(ResultLost, record)
}

// notPending ends a look for lost bytes at a record that is not pending any more, or
// could not be read or written.
func (a arrived) notPending(record Record, err error) (Outcome, error) {
	switch {
	case errors.Is(err, ErrNotFound):
		return a.outcome(ResultOrphan, Record{})
	case err != nil:
		return a.failed(fmt.Errorf("look for the lost bytes of record %s: %w", a.ref, err))
	}
	return a.outcome(ResultGone, record)
}

// bytesLeft says whether any version of an object can be read. Delete markers are listed
// as versions are, and have no bytes.
func (p *Pipeline) bytesLeft(ctx context.Context, key Key) (bool, error) {
	versions, err := p.Objects.Versions(ctx, key)
	if err != nil {
		return false, fmt.Errorf("list versions of object %q: %w", key, err)
	}
	for _, version := range versions {
		object, err := p.Objects.Open(ctx, key, version)
		if errors.Is(err, ErrGone) {
			continue
		}
		if err == nil {
			err = object.Body.Close()
		}
		if err != nil {
			return false, fmt.Errorf("open object %q version %s: %w", key, version, err)
		}
		return true, nil
	}
	return false, nil
}

func (p *Pipeline) inQuarantine(ctx context.Context, a arrived) (bool, error) {
	versions, err := p.Objects.Versions(ctx, a.key)
	if err != nil {
		return false, fmt.Errorf("list versions of object %q: %w", a.key, err)
	}
	return slices.Contains(versions, a.version), nil
}

// judgeCopy judges, in the place of a version that is not in quarantine any more, the
// copy that was promoted from it. The version was removed after its verdict, which a
// store without compare-and-swap has lost since; or a validator ended between its copy
// and its verdict, and no message came until quarantine forgot it. Whatever the verdict
// is now, the copy stays: it is the last that there is of the upload.
func (p *Pipeline) judgeCopy(ctx context.Context, a arrived, copied Copy) (Outcome, error) {
	record, err := p.Records.Get(ctx, a.ref)
	switch {
	case errors.Is(err, ErrNotFound):
		return a.outcome(ResultOrphan, Record{})
	case err != nil:
		return a.failed(fmt.Errorf("get record %s: %w", a.ref, err))
	case record.Status != Pending:
		return p.alreadySettled(ctx, a, record, "")
	case p.overtaken(copied, record):
		return a.failed(fmt.Errorf("settle record %s with its copy: it was reopened meanwhile: %w", a.ref, ErrConflict))
	}
	to := p.Layout.FilesKey(a.ref)
	if copied.Source == "" {
		return a.failed(fmt.Errorf("settle record %s: %q holds what no validator promoted: look at it, and remove it", a.ref,
			to))
	}
	object, err := p.Objects.Open(ctx, to, "")
	if err != nil {
		return a.failed(fmt.Errorf("open object %q: %w", to, err))
	}
	kind, facts, reason, err := p.read(ctx, record, to, object)
	switch {
	case err != nil:
		return a.failed(err)
	case object.Version != copied.Version:
		return a.failed(fmt.Errorf("read object %q: its version is %s, and was %s a moment ago", to, object.Version,
			copied.Version))
	case reason != nil:
		return p.reject(ctx, a, record, facts, reason, "")
	}
	return p.settle(ctx, a, record, kind, facts, copied, "")
}

// newestAlreadySettled is alreadySettled for an event that names no version: it speaks
// of whatever was newest.
func (p *Pipeline) newestAlreadySettled(ctx context.Context, a arrived, record Record, newest opened) (Outcome, error) {
	switch {
	case errors.Is(newest.err, ErrGone):
		if record.Status == Stored && !record.Legacy() {
			// Whoever settled it with its copy may have ended before notifying.
			if err := p.notify(ctx, record); err != nil {
				return a.failed(err)
			}
		}
		return a.outcome(ResultGone, record)
	case newest.err != nil:
		return a.failed(fmt.Errorf("open object %q: %w", a.key, newest.err))
	}
	return p.alreadySettled(ctx, a.at(newest.Version), record, "")
}

// alreadySettled handles a version of an upload that has its verdict, or was deleted.
// ours is the copy of this version that we know of, if any.
func (p *Pipeline) alreadySettled(ctx context.Context, a arrived, record Record, ours Version) (Outcome, error) {
	result := ResultLate
	switch {
	case record.Status == Deleted:
		result = ResultDeleted
	case record.JudgedVersion == a.version:
		result = ResultAlreadySettled
	}
	var err error
	switch record.Status {
	case Deleted:
		// Nothing of a deleted upload is served again: every version goes.
		err = p.removeAll(ctx, p.Layout.FilesKey(a.ref))
	case Rejected:
		err = p.removeCopyOf(ctx, a, record, ours)
	}
	if err == nil && result == ResultAlreadySettled {
		// Whoever settled it may have ended before notifying.
		err = p.notify(ctx, record)
	}
	switch {
	case err != nil:
	case record.Status == Rejected && result == ResultAlreadySettled:
		err = p.keepRejected(ctx, a, record)
	default:
		err = p.removeArrived(ctx, a)
	}
	if err != nil {
		return a.failed(err)
	}
	return a.outcome(result, record)
}

// removeArrived removes the version from quarantine.
func (p *Pipeline) removeArrived(ctx context.Context, a arrived) error {
	if err := p.Objects.Remove(ctx, a.key, a.version); err != nil {
		return fmt.Errorf("remove object %q version %s: %w", a.key, a.version, err)
	}
	return nil
}

// NeedsWork says whether a version in quarantine still has work to do: its upload is
// pending, or its bytes should have been removed. The sweep of hatchery dev
// for lost events asks it. A version without a record is nobody's: false.
func (p *Pipeline) NeedsWork(ctx context.Context, key Key, version Version) (bool, error) {
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
	return record.NeedsWork(version) && !p.dropWaits(record), nil
}
