package dynamorecords

import (
	"context"
	"math"

	"hatchery/shared/upload"
)

// admit says whether the entry may hold one more stored file, and what must be
// written with it, so that of several at once only those are let in that fit
// together.
//
// What an entry holds is read from by-bytes, consistently: it is made of the
// stored records themselves, so nothing is counted that could drift. What is read
// is still true when it is written, as far as those go that ask too: each reads a
// turnstile first (the claim on the bytes, or the one of the entry's room), then
// the index, then writes the record and the turnstile together, if nobody has
// gone through since. A file that was stored without asking does not go through.
// Then it is as if it had come a moment later.
func (s *Store) admit(ctx context.Context, ref upload.Ref, v upload.Verdict, token string) ([]change, error) {
	pk := entryKey(ref.Journal, ref.Entry, ref.Kind)
	bounded := v.MaxFiles > 0 || v.MaxTotalBytes > 0
	var turnstiles []itemKey
	if v.Unique {
		turnstiles = append(turnstiles, claimKey(pk, v.SHA256))
	}
	if bounded {
		turnstiles = append(turnstiles, itemKey{pk, roomKey})
	}
	if len(turnstiles) == 0 {
		return nil, nil
	}
	seen, err := s.getAll(ctx, turnstiles)
	if err != nil {
		return nil, err
	}
	if v.Unique {
		if err := s.checkBytes(ctx, pk, v.SHA256); err != nil {
			return nil, err
		}
	}
	if bounded {
		if err := s.checkRoom(ctx, pk, v); err != nil {
			return nil, err
		}
	}
	var with []change
	for _, k := range turnstiles {
		passed := keyed(k)
		passed.text("owner", string(ref.ID))
		passed.text(by, token)
		when := absent()
		if earlier, there := seen[k]; there {
			r := reading{item: earlier}
			when = asSeen(r.text(by))
		}
		with = append(with, change{put: passed, when: when})
	}
	return with, nil
}

// checkBytes answers a *upload.DuplicateError when a stored record has the bytes,
// with the earliest.
func (s *Store) checkBytes(ctx context.Context, pk, sha256 string) error {
	prefix := claimKey("", sha256).sk[len(claimPrefix):] + "#"
	out, err := s.query(ctx, span{index: bytesIndex, hashName: partitionKey, hash: pk, sortName: bytesKey,
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

// checkRoom answers ErrOverQuota when one more file is too much.
func (s *Store) checkRoom(ctx context.Context, pk string, v upload.Verdict) error {
	most := upload.Usage{Files: math.MaxInt64, Bytes: math.MaxInt64}
	if v.MaxFiles > 0 {
		most.Files = v.MaxFiles
	}
	if v.MaxTotalBytes > 0 {
		most.Bytes = v.MaxTotalBytes
	}
	stored, err := s.sumStored(ctx, pk)
	if err != nil {
		return err
	}
	if stored.Files+1 > most.Files || stored.Bytes > most.Bytes-v.Size {
		return upload.ErrOverQuota
	}
	return nil
}

// release gives the claim on the bytes of a record up, if the record still has
// it.
func (s *Store) release(ctx context.Context, h held) ([]change, error) {
	k := claimKey(entryKey(h.Journal, h.Entry, h.Kind), h.SHA256)
	claim, err := s.get(ctx, k)
	if err != nil {
		return nil, err
	}
	r := reading{item: claim}
	if claim == nil || r.text("owner") != string(h.ID) {
		return nil, r.err
	}
	return []change{{remove: k, when: asSeen(r.text(by))}}, r.err
}
