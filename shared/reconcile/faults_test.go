package reconcile_test

import (
	"context"

	"hatchery/shared/queue"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// keepsQuarantine is a bucket whose versions in quarantine stay: whoever would
// remove them died just before.
type keepsQuarantine struct{ *uploadtest.Objects }

func (k keepsQuarantine) Remove(ctx context.Context, key upload.Key, version upload.Version) error {
	if _, quarantined := upload.DefaultLayout.ParseQuarantineKey(key); quarantined {
		return nil
	}
	return k.Objects.Remove(ctx, key, version)
}

// smallPages is an inventory whose pages hold at most so many.
type smallPages struct {
	upload.Inventory
	limit int
}

func (s smallPages) ListVersions(ctx context.Context, prefix string, cursor upload.Cursor, limit int) (upload.InventoryPage, error) {
	return s.Inventory.ListVersions(ctx, prefix, cursor, min(limit, s.limit))
}

// inventoryFunc does something before each listing.
type inventoryFunc struct {
	upload.Inventory
	before func(prefix string) error
}

func (f inventoryFunc) ListVersions(ctx context.Context, prefix string, cursor upload.Cursor, limit int) (upload.InventoryPage, error) {
	if err := f.before(prefix); err != nil {
		return upload.InventoryPage{}, err
	}
	return f.Inventory.ListVersions(ctx, prefix, cursor, limit)
}

// senderFunc is a queue.
type senderFunc func(ctx context.Context, m queue.Message) error

func (f senderFunc) Send(ctx context.Context, m queue.Message) error { return f(ctx, m) }

// pipelineFunc gives up.
type pipelineFunc func(ctx context.Context, ref upload.Ref) (upload.Record, error)

func (f pipelineFunc) Expire(ctx context.Context, ref upload.Ref) (upload.Record, error) {
	return f(ctx, ref)
}
