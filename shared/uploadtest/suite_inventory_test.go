package uploadtest_test

import (
	"testing"
	"time"

	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

func TestTheInventoryInMemoryKeepsTheContract(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	clock := func() time.Time { now = now.Add(time.Second); return now }
	uploadtest.RunInventory(t, func(*testing.T) uploadtest.InventoryHarness {
		bucket := uploadtest.NewObjects()
		bucket.SetClock(clock)
		return uploadtest.InventoryHarness{Inventory: bucket, Objects: bucket, Now: clock,
			Overwrite: func(_ *testing.T, key upload.Key, body []byte) upload.Version { return bucket.Post(key, body) },
			Mark:      func(_ *testing.T, key upload.Key) { bucket.Mark(key) }}
	})
}
