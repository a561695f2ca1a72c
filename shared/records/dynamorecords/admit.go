package dynamorecords

import (
	"context"

	"hatchery/shared/upload"
)

// admit says whether the entry may hold one more stored file, and what must be
// written with it, so that of several at once only those are let in that fit
// together.
//
// What an entry holds is read from by-bytes, consistently: it is made of the
// stored records themselves, so nothing is counted that could drift. What is read
// is still true when it is written, as far as those go that ask too: each reads a
// lock item first (the claim on the bytes, or the one of the entry's room), then the
// index, then writes the record and the lock item together, if nobody has written that
// since. A file that was stored without asking writes none: it is as if it had come a
// moment later.
func (s *Store) admit(ctx context.Context, r upload.Record, a upload.Admission, token string) ([]change, error) {
	pk := entryKey(r.Journal, r.Entry, r.Kind)
	var locks []itemKey
	if a.Unique {
		locks = append(locks, claimKey(pk, r.SHA256))
	}
	if a.Bounded() {
		locks = append(locks, itemKey{pk, roomKey})
	}
	if len(locks) == 0 {
		return nil, nil
	}
	seen, err := s.getAll(ctx, locks)
	if err != nil {
		return nil, err
	}
	if a.Unique {
		if err := s.checkBytes(ctx, pk, r.SHA256); err != nil {
			return nil, err
		}
	}
	if a.Bounded() {
		stored, err := s.sumStored(ctx, pk)
		if err == nil {
			err = a.Fits(stored, r.Size)
		}
		if err != nil {
			return nil, err
		}
	}
	var with []change
	for _, k := range locks {
		lock := keyed(k)
		lock.text("owner", string(r.ID))
		lock.text(writerTokens, token)
		when := absent()
		if earlier, there := seen[k]; there {
			r := reading{item: earlier}
			when = asSeen(r.text(writerTokens))
		}
		with = append(with, change{put: lock, when: when})
	}
	return with, nil
}

// checkBytes answers a *upload.DuplicateError when a stored record has the bytes,
// with the earliest.
func (s *Store) checkBytes(ctx context.Context, pk, sha256 string) error {
	prefix := claimKey("", sha256).sk[len(claimPrefix):] + "#"
	out, err := s.query(ctx, queryRange{index: bytesIndex, hashName: partitionKey, hash: pk, sortName: bytesKey,
		from: prefix, to: prefix + lastOfAll, consistent: true, limit: 1})
	if err != nil || len(out.items) == 0 {
		return err
	}
	holder, err := out.items[0].key().ref()
	if err != nil {
		return err
	}
	return &upload.DuplicateError{Earlier: holder.ID}
}

// release gives the claim on the bytes of a record up, if the record still has
// it.
func (s *Store) release(ctx context.Context, h storedItem) ([]change, error) {
	k := claimKey(entryKey(h.Journal, h.Entry, h.Kind), h.SHA256)
	claim, err := s.get(ctx, k)
	if err != nil {
		return nil, err
	}
	r := reading{item: claim}
	if claim == nil || r.text("owner") != string(h.ID) {
		return nil, r.err
	}
	return []change{{remove: k, when: asSeen(r.text(writerTokens))}}, r.err
}
