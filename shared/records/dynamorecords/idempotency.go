package dynamorecords

import (
	"context"
	"errors"
	"time"

	"hatchery/shared/upload"
)

// idempotencyItem keeps which record was created under an idempotency key.
func idempotencyItem(owner upload.Ref, key *upload.IdempotencyKey, token string) item {
	k := keyOf(owner)
	i := keyed(idempotencyKeyOf(key))
	i.text("owner_pk", k.pk)
	i.text("owner_sk", k.sk)
	i["fingerprint"] = text(key.Fingerprint)
	i.text("expires", textOf(key.Expires))
	i.number(forget, ceil(key.Expires, time.Second).Unix())
	i.text(writerTokens, token)
	return i
}

// keyFree: an idempotency key may be written where one has expired, and where otherwise
// holds.
func (s *Store) keyFree(otherwise condition) condition {
	return absent().or(upTo("expires", text(textOf(s.o.Now())))).or(otherwise)
}

// first looks for the record that was created under an idempotency key, after the key could
// not be written. The key is taken when there is one, also when that is an error. Else it
// has expired, or its record has been forgotten: it may be replaced under the condition.
func (s *Store) first(ctx context.Context, key *upload.IdempotencyKey) (_ upload.Record, taken bool, replace condition, _ error) {
	i, err := s.get(ctx, idempotencyKeyOf(key))
	if err != nil {
		return upload.Record{}, false, condition{}, err
	}
	r := reading{item: i}
	if i == nil || !s.o.Now().Before(r.instant("expires")) {
		return upload.Record{}, false, absent(), r.err
	}
	ref, err := itemKey{r.text("owner_pk"), r.text("owner_sk")}.ref()
	if err != nil {
		return upload.Record{}, false, condition{}, err
	}
	owner, err := s.find(ctx, ref)
	switch {
	case errors.Is(err, upload.ErrNotFound):
		return upload.Record{}, false, asSeen(r.text(writerTokens)), r.err
	case err != nil:
		return upload.Record{}, false, condition{}, err
	case r.text("fingerprint") != key.Fingerprint:
		return upload.Record{}, true, condition{}, upload.ErrKeyReused
	}
	return owner.Record, true, condition{}, r.err
}
