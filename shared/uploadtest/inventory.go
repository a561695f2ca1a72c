package uploadtest

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"hatchery/shared/upload"
)

// SetClock tells the bucket the time from now on. Without a clock everything is
// written at the zero time.
func (o *Objects) SetClock(now func() time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now = now
}

// listedTo is what an inventory's cursor holds: which list it continues, and after
// which version of which key.
type listedTo struct {
	Prefix string
	Key    upload.Key
	Number int
}

// ListVersions implements upload.Inventory. As in S3 a delete marker takes a place in its
// page, and is then left out.
func (o *Objects) ListVersions(ctx context.Context, prefix string, cursor upload.Cursor,
	limit int) (upload.InventoryPage, error) {
	if err := ctx.Err(); err != nil {
		return upload.InventoryPage{}, err
	}
	if limit < 1 || limit > upload.MaxPage {
		return upload.InventoryPage{}, fmt.Errorf("limit %d is not 1 to %d", limit, upload.MaxPage)
	}
	var after listedTo
	if cursor != "" {
		text, err := base64.RawURLEncoding.DecodeString(string(cursor))
		if err != nil || json.Unmarshal(text, &after) != nil || after.Prefix != prefix || after.Key == "" ||
			!strings.HasPrefix(string(after.Key), prefix) {
			return upload.InventoryPage{}, upload.ErrBadCursor
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var page upload.InventoryPage
	last, places := after, 0
	for _, key := range slices.Sorted(maps.Keys(o.keys)) {
		if !strings.HasPrefix(string(key), prefix) || key < after.Key {
			continue
		}
		for _, v := range slices.Backward(o.keys[key]) {
			if key == after.Key && v.number >= after.Number {
				continue
			}
			if places == limit {
				text, err := json.Marshal(last)
				if err != nil {
					return upload.InventoryPage{}, fmt.Errorf("write a cursor: %w", err)
				}
				page.Next = upload.Cursor(base64.RawURLEncoding.EncodeToString(text))
				return page, nil
			}
			places++
			last = listedTo{prefix, key, v.number}
			if !v.marker {
				page.Versions = append(page.Versions,
					upload.ObjectVersion{Key: key, Version: v.id, Size: int64(len(v.body)), At: v.at})
			}
		}
	}
	return page, nil
}
