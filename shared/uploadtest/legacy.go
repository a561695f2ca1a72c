package uploadtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"hatchery/shared/upload"
)

// LegacyImages keeps legacy images in memory. It may be used concurrently.
type LegacyImages struct {
	mu     sync.Mutex
	images map[upload.Ref][]byte
	into   *Objects
}

var _ upload.LegacyImages = (*LegacyImages)(nil)

// NewLegacyImages has none.
func NewLegacyImages() *LegacyImages { return &LegacyImages{images: map[upload.Ref][]byte{}} }

// Put is what the replaced service did.
func (o *LegacyImages) Put(ref upload.Ref, body []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.images[ref] = body
}

func (o *LegacyImages) get(ctx context.Context, ref upload.Ref) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	body, found := o.images[ref]
	if !found {
		return nil, upload.ErrGone
	}
	return body, ctx.Err()
}

// Head implements upload.LegacyImages.
func (o *LegacyImages) Head(ctx context.Context, ref upload.Ref) (upload.LegacyImage, error) {
	body, err := o.get(ctx, ref)
	return upload.LegacyImage{Size: int64(len(body)), Head: bytes.Clone(body[:min(len(body), upload.LegacyHead)])}, err
}

// Read implements upload.LegacyImages.
func (o *LegacyImages) Read(ctx context.Context, ref upload.Ref, offset, length int64) (io.ReadCloser, error) {
	body, err := o.get(ctx, ref)
	if err != nil {
		return nil, err
	}
	end := int64(len(body))
	if length >= 0 {
		end = min(end, offset+length)
	}
	return io.NopCloser(bytes.NewReader(body[min(offset, end):end])), nil
}

// SignLegacy implements upload.LegacyImages with a URL that nobody serves.
func (o *LegacyImages) SignLegacy(_ context.Context, ref upload.Ref, _ upload.Link) (string, error) {
	return "https://old.example.com/" + ref.String(), nil
}

// Promoting makes PromoteLegacy copy into a bucket.
func (o *LegacyImages) Promoting(into *Objects) *LegacyImages {
	o.into = into
	return o
}

// PromoteLegacy implements upload.LegacyImages. Without Promoting it fails.
func (o *LegacyImages) PromoteLegacy(ctx context.Context, ref upload.Ref, p upload.Promotion) (upload.Copy, error) {
	body, err := o.get(ctx, ref)
	if err != nil {
		return upload.Copy{}, err
	}
	if o.into == nil {
		return upload.Copy{}, errors.New("legacy images are not promoted here")
	}
	return o.into.promote(body, p)
}

// RemoveLegacy implements upload.LegacyImages.
func (o *LegacyImages) RemoveLegacy(ctx context.Context, ref upload.Ref) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.images, ref)
	return ctx.Err()
}
