package dynamorecords

import (
	"context"
	"net/url"

	"hatchery/shared/upload"
)

// admit says whether the entry may hold one more stored file, and what must be written with
// it, so that of several at once only those are stored that fit together.
//
// What an entry holds is read from by-bytes, consistently: the index is made of the stored
// records themselves, so no count can drift. Optimistic locking keeps what was read true
// among all that ask: each reads a lock item first (the claim on the bytes, or the entry's),
// then the index, then writes the record and the lock item together, if nobody has written
// the lock item since. A file that was stored without asking writes none: it is as if it had
// come a moment later.
func (s *Store) admit(ctx context.Context, r upload.Record, a upload.Admission, token string) ([]change, error) {
	pk := entryKey(r.Journal, r.Entry, r.Kind)
	var locks []itemKey
	if a.Unique {
		locks = append(locks, claimKey(pk, r.SHA256))
	}
	if a.Bounded() {
		locks = append(locks, itemKey{pk, quotaKey})
	}
	seen, err := s.getAll(ctx, locks)
	if err != nil {
		return nil, err
	}
	if err := a.Check(r.Size, func() (upload.ID, error) { return s.earliest(ctx, pk, r.SHA256) },
		func() (upload.Usage, error) { return s.sumStored(ctx, pk) }); err != nil {
		return nil, err
	}
	var with []change
	for _, k := range locks {
		lock := keyed(k)
		lock.text("owner", string(r.ID))
		lock.text(writerTokens, token)
		when := absent()
		if earlier, found := seen[k]; found {
			r := reading{item: earlier}
			when = asSeen(r.text(writerTokens))
		}
		with = append(with, change{put: lock, when: when})
	}
	return with, nil
}

// earliest finds the first stored record that has the bytes, "" for none.
func (s *Store) earliest(ctx context.Context, pk, sha256 string) (upload.ID, error) {
	out, err := s.query(ctx, queryRange{index: bytesIndex, key: pk, limit: 1}.withPrefix(url.PathEscape(sha256)+"#"))
	if err != nil || len(out.Items) == 0 {
		return "", err
	}
	holder, err := item(out.Items[0]).key().ref()
	return holder.ID, err
}

// release gives up the claim on a record's bytes, if the record still has it.
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
