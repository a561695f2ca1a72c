package bugoutrecords

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"hatchery/shared/upload"
)

// Update implements upload.Records. It asks t.To once, writes what it gives and reads it
// back. What another writer made of the same keys in between is overwritten; what another
// makes of them before the reading back is ErrConflict, or ErrNotFound. With a verdict, and
// from then on, it heals the upload to one resource.
func (s *Store) Update(ctx context.Context, ref upload.Ref, t upload.Transition) (_ upload.Record, err error) {
	defer func() { err = upload.Wrap(err, "%s the record of %s", t.Name, ref) }()
	existing, err := s.resourcesOf(ctx, ref)
	if err != nil {
		return upload.Record{}, err
	}
	if len(existing) == 0 {
		return upload.Record{}, upload.ErrNotFound
	}
	before := existing[0]
	after, err := t.To(before.Record)
	switch {
	case before.Status == upload.Deleted && errors.Is(err, upload.ErrNotFound):
		return before.Record, s.deleteAgain(ctx, existing)
	case err != nil:
		return upload.Record{}, err
	case after.Status == upload.Deleted && before.Status != upload.Deleted:
		return after, s.delete(ctx, existing, after)
	}
	if before.Status == upload.Pending && after.Status == upload.Stored {
		if err := s.admit(ctx, after, t.Admit); err != nil {
			return upload.Record{}, err
		}
	}
	if before.Status != upload.Pending || after.Status != upload.Pending {
		if err := s.heal(ctx, existing[1:]); err != nil {
			return upload.Record{}, err
		}
	}
	if same(before.Record, after) {
		return after, nil
	}
	return s.write(ctx, before, changeOf(before.Record, after))
}

// change is what a transition writes.
type change struct {
	after upload.Record
	// keys are all that it writes. They are whole groups, so that what two changes of a
	// kind leave is never a mixture of both.
	keys []string
	// stands says whether a record is as the change left it, whatever happened beside.
	stands func(upload.Record) bool
}

// changeOf finds the change that makes after of before.
func changeOf(before, after upload.Record) change {
	old, new := dataOf(before), dataOf(after)
	differ := func(keys []string) bool {
		return slices.ContainsFunc(keys, func(key string) bool { return old[key] != new[key] })
	}
	switch {
	case before.Status != upload.Pending && after.Status == upload.Pending: // it begins anew
		return change{after, slices.Concat(verdictKeys, failureKeys, resendKeys), func(now upload.Record) bool {
			return now.Status == upload.Pending
		}}
	case before.Status == after.Status && differ(dropKeys):
		// This key alone: of an upload that was reopened and judged meanwhile it is no news.
		return change{after, dropKeys, func(now upload.Record) bool {
			return now.Status == after.Status && now.JudgedVersion == after.JudgedVersion && now.DroppedAt.Equal(after.DroppedAt)
		}}
	case differ(verdictKeys):
		return change{after, verdictKeys, func(now upload.Record) bool {
			data := dataOf(now)
			return !slices.ContainsFunc(verdictKeys, func(key string) bool { return data[key] != new[key] })
		}}
	case differ(resendKeys):
		return change{after, resendKeys, func(now upload.Record) bool { return now.Resends == after.Resends }}
	}
	return change{after, failureKeys, func(now upload.Record) bool {
		return now.Status != upload.Pending || now.Failures >= after.Failures
	}}
}

// write makes a change of a resource and reads it back.
func (s *Store) write(ctx context.Context, before resource, c change) (upload.Record, error) {
	body := bodyOfChange(c.after, c.keys)
	err := s.attempts(ctx, func(n int) error {
		if n > 1 {
			// The attempt before may have been done, and another change after it.
			now, err := s.read(ctx, before.id)
			switch {
			case err != nil || c.stands(now.Record):
				return err
			case !same(now.Record, before.Record):
				return upload.ErrConflict
			}
		}
		return s.do(ctx, http.MethodPut, itemPath(before.id), nil, body, nil)
	})
	if errors.Is(err, upload.ErrNotFound) {
		err = s.absent(ctx, before.id)
	}
	if err != nil {
		return upload.Record{}, err
	}
	now, err := s.read(ctx, before.id)
	if err != nil {
		return upload.Record{}, err
	}
	if !c.stands(now.Record) {
		return upload.Record{}, upload.ErrConflict
	}
	return now.Record, nil
}

// admit says whether the entry may hold one more stored file.
func (s *Store) admit(ctx context.Context, r upload.Record, a upload.Admission) error {
	if a == (upload.Admission{}) {
		return nil
	}
	all, err := s.entry(ctx, r.Journal, r.Entry, r.Kind)
	if err != nil {
		return err
	}
	stored := slices.DeleteFunc(all, func(o resource) bool { return o.Status != upload.Stored || o.ID == r.ID })
	slices.SortFunc(stored, func(a, b resource) int { return positionOf(a).compare(positionOf(b)) })
	return a.Check(r.Size, func() (upload.ID, error) {
		for _, o := range stored {
			if o.SHA256 == r.SHA256 {
				return o.ID, nil
			}
		}
		return "", nil
	}, func() (upload.Usage, error) { return usageOf(stored), nil })
}

// delete deletes the resources of an upload. While a form of it may be posted, a tombstone comes
// first: a resource of its own, because a change that was begun before could overwrite one that
// is there. From then on it counts, and nobody sees the others.
func (s *Store) delete(ctx context.Context, existing []resource, tombstone upload.Record) error {
	if !tombstone.FormOpen(tombstone.DeletedAt) {
		return s.removeAll(ctx, existing)
	}
	nonce := s.o.nonce()
	if err := s.post(ctx, tombstone.Ref(), tombstoneData(existing[0], tombstone, nonce), nonce); err != nil {
		return err
	}
	if err := s.removeAll(ctx, existing); err != nil {
		return err
	}
	s.forget(ctx)
	return nil
}

// deleteAgain finishes the deletion of an upload that has a tombstone. What somebody marked as
// deleted by hand is no tombstone, and is deleted like any other.
func (s *Store) deleteAgain(ctx context.Context, existing []resource) error {
	if existing[0].ForgetAfter.IsZero() {
		return s.removeAll(ctx, existing)
	}
	left := slices.DeleteFunc(existing, func(r resource) bool { return r.Status == upload.Deleted })
	if err := s.removeAll(ctx, left); err != nil {
		return err
	}
	return upload.ErrNotFound
}

// maxForgotten bounds how many tombstones one deletion removes.
const maxForgotten = 10

// forget removes tombstones whose time is over, in the time of one request: somebody waits. What
// it leaves, the next deletion that leaves a tombstone removes.
func (s *Store) forget(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	over, _, err := s.fetchList(ctx, filter{keyStatus: string(upload.Deleted)}, func(r resource) bool {
		return r.Status == upload.Deleted && !r.ForgetAfter.IsZero() && !s.o.Now().Before(r.ForgetAfter)
	}, false)
	if err != nil {
		return
	}
	for _, tombstone := range over[:min(maxForgotten, len(over))] {
		// A deletion that ended half-way has left others, which would count again.
		if all, err := s.resourcesOf(ctx, tombstone.Ref()); err != nil || s.removeAll(ctx, all) != nil {
			return
		}
	}
}

// removeAll deletes all resources of an upload. The one that counts goes last: whoever
// looks meanwhile finds nothing older.
func (s *Store) removeAll(ctx context.Context, existing []resource) error {
	for i := len(existing) - 1; i >= 0; i-- {
		err := s.remove(ctx, existing[i].id)
		if err != nil && (i == 0 || !errors.Is(err, upload.ErrNotFound)) {
			return err
		}
	}
	return nil
}

// remove deletes one resource. ErrNotFound: it was not there when this call came to it. Of
// several calls at once more than one may succeed: Brood looks and deletes in two steps.
func (s *Store) remove(ctx context.Context, id string) error {
	tried := 0
	err := s.attempts(ctx, func(n int) error {
		tried = n
		return s.do(ctx, http.MethodDelete, itemPath(id), nil, nil, nil)
	})
	if !errors.Is(err, upload.ErrNotFound) {
		return err
	}
	err = s.absent(ctx, id)
	if tried > 1 && errors.Is(err, upload.ErrNotFound) {
		return nil // an earlier attempt did it, though its answer was lost
	}
	return err
}

// heal deletes the resources of an upload that do not count. The list that they come from may
// be old: each is read once more, and one that has changed since, for instance by a verdict,
// is ErrConflict. The caller comes again and sees what counts by then.
func (s *Store) heal(ctx context.Context, surplus []resource) error {
	for _, seen := range surplus {
		now, err := s.read(ctx, seen.id)
		if err == nil && !same(now.Record, seen.Record) {
			err = upload.ErrConflict
		}
		if err == nil {
			err = s.remove(ctx, seen.id)
		}
		if err != nil && !errors.Is(err, upload.ErrNotFound) {
			return fmt.Errorf("delete the surplus resource %s: %w", seen.id, err)
		}
	}
	return nil
}

// read reads one resource. ErrNotFound: it was deleted.
func (s *Store) read(ctx context.Context, id string) (resource, error) {
	found, err := s.fetch(ctx, id)
	if err != nil {
		return resource{}, err
	}
	r, ok, err := found.resource()
	if err == nil && (!ok || r.id != id) {
		err = errUnexpected // it is not what was asked for
	}
	return r, err
}
