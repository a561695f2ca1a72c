package locals3

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"hatchery/shared/arrival"
)

// Quarantined yields every version of every object under the quarantine prefix, the delete markers left out, as if it
// had arrived by PUT when it was stored; the versions of one key come oldest first. It finds the arrivals that were
// never announced: Created failed, or the process died between storing and announcing. What is stored or deleted
// meanwhile may or may not be yielded. It holds the names of one folder at a time in memory, and stops at the first
// error of yield, which it returns as it is.
func (s *Server) Quarantined(ctx context.Context, yield func(arrival.Created) error) error {
	var stopped error
	l := lister{g: s.store, bucket: s.opts.Bucket, prefix: s.opts.QuarantinePrefix}
	l.yield = func(versions []listed) error {
		for _, v := range slices.Backward(versions) {
			if v.marker || v.id == nullVersion {
				continue
			}
			at := v.at.Round(time.Millisecond)
			created := arrival.Created{Name: "ObjectCreated:Put", Time: at, Region: s.opts.Region, Bucket: s.opts.Bucket,
				Key: v.key, VersionID: v.id, ETag: strings.Trim(v.etag, `"`), Size: v.size, Sequencer: arrival.Sequencer(at, 0)}
			if stopped = yield(created); stopped != nil {
				return errFull
			}
		}
		return nil
	}
	if err := l.folder(ctx, ""); err != nil && !errors.Is(err, errFull) {
		return fmt.Errorf("sweep quarantine: %w", err)
	}
	return stopped
}
