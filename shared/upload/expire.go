package upload

import (
	"context"
	"fmt"
)

// Expire rejects a pending upload of which there are no bytes, and returns its record.
// The record says whether they never came or somebody removed them: [Record.BytesCame].
// ErrConflict: it is not pending (any more), or bytes are there, in quarantine or
// promoted (Validate judges those). The caller knows that none can come any
// more: whatever does is late and removed.
//
// The application is told first: no message stands behind this verdict that would
// come again if notifying failed after it.
func (p *Pipeline) Expire(ctx context.Context, ref Ref) (Record, error) {
	record, err := p.Records.Get(ctx, ref)
	if err != nil {
		return Record{}, fmt.Errorf("get record %s: %w", ref, err)
	}
	if record.Status != Pending {
		return record, fmt.Errorf("give up record %s, which is %s: %w", ref, record.Status, ErrConflict)
	}
	for _, key := range []Key{p.Layout.QuarantineKey(ref), p.Layout.FilesKey(ref)} {
		existing, err := p.Objects.Versions(ctx, key)
		if err != nil {
			return Record{}, fmt.Errorf("list versions of object %q: %w", key, err)
		}
		if len(existing) > 0 {
			return record, fmt.Errorf("give up record %s, of which there is %q: %w", ref, key, ErrConflict)
		}
	}
	verdict := Verdict{Status: Rejected, At: p.Now(), Round: record.Round(),
		Reason: &Reason{NeverArrived, "The file never arrived: upload it again."}}
	if record.BytesCame() {
		verdict.Reason = &Reason{BytesLost, "The file arrived, but was removed before it could be checked: upload it again."}
	}
	if err := p.notify(ctx, verdict.Apply(record)); err != nil {
		return Record{}, err
	}
	settled, err := p.Records.Update(ctx, ref, settleExpired(record, verdict))
	if err != nil {
		return Record{}, fmt.Errorf("settle record %s: %w", ref, err)
	}
	return settled, nil
}
