package dynamorecords

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hatchery/shared/upload"
)

// idempotencyItem claims an idempotency key for a record.
func idempotencyItem(owner upload.Ref, o *upload.Once, token string) item {
	k := keyOf(owner)
	i := keyed(idempotencyKeyOf(o))
	i.text("owner_pk", k.pk)
	i.text("owner_sk", k.sk)
	i["fingerprint"] = &types.AttributeValueMemberS{Value: o.Fingerprint}
	i.text("expires", textOf(o.Expires))
	i.number(forget, ceilSecond(o.Expires))
	i.text(writerTokens, token)
	return i
}

// claimable: an idempotency key may be claimed where one has expired, and where
// otherwise holds.
func (s *Store) claimable(otherwise condition) condition {
	return absent().or(upTo("expires", &types.AttributeValueMemberS{Value: textOf(s.o.Now())})).or(otherwise)
}

// first looks for the record that was created under an idempotency key, after a
// claim on it has failed. It is taken when there is one, also when that is an
// error. Else the claim has expired, or its record has been forgotten: that one
// may be replaced under the condition.
func (s *Store) first(ctx context.Context, o *upload.Once) (_ upload.Record, taken bool, replace condition, _ error) {
	i, err := s.get(ctx, idempotencyKeyOf(o))
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
	case r.text("fingerprint") != o.Fingerprint:
		return upload.Record{}, true, condition{}, upload.ErrKeyReused
	}
	return owner.Record, true, condition{}, r.err
}
