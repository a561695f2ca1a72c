package api

import (
	"errors"
	"fmt"

	"hatchery/shared/upload"
)

// headLegacy completes the record of an image that the replaced service stored, for serving it: with its size, and
// with its type where its first bytes are what its extension says. Otherwise it has none, and is served as a download
// of unknown type: nobody has ever validated it.
func (h *handler) headLegacy(c *call, record upload.Record) (upload.Record, error) {
	if h.Pipeline.LegacyImages == nil {
		return record, bytesMissing(fmt.Errorf("upload %s is an image of the replaced service, "+
			"and HATCHERY_LEGACY_BUCKET is not set", record.Ref()))
	}
	image, err := h.Pipeline.LegacyImages.Head(c.r.Context(), c.Ref)
	if err != nil {
		// A bucket that may not be listed says "denied" of what is not there.
		if err := h.stillStored(c); err != nil {
			return record, err
		}
		err = fmt.Errorf("look at the old image of %s: %w", record.Ref(), err)
		if errors.Is(err, upload.ErrGone) {
			err = bytesMissing(err)
		}
		return record, err
	}
	record.Size = image.Size
	record.ContentType = upload.TypeOf(record.Extension, image.Head)
	return record, nil
}
