package uploadtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"

	"hatchery/shared/upload"
)

// OldImages keeps old images in memory. It may be used concurrently.
type OldImages struct {
	mu     sync.Mutex
	images map[upload.Ref][]byte
	into   *Objects
}

var _ upload.OldImages = (*OldImages)(nil)

// NewOldImages has none.
func NewOldImages() *OldImages { return &OldImages{images: map[upload.Ref][]byte{}} }

// Put is what the replaced service did.
func (o *OldImages) Put(ref upload.Ref, body []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.images[ref] = body
}

func (o *OldImages) get(ctx context.Context, ref upload.Ref) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	body, found := o.images[ref]
	if !found {
		return nil, upload.ErrGone
	}
	return body, ctx.Err()
}

// Look implements upload.OldImages.
func (o *OldImages) Look(ctx context.Context, ref upload.Ref) (upload.OldImage, error) {
	body, err := o.get(ctx, ref)
	return upload.OldImage{Size: int64(len(body)), Head: bytes.Clone(body[:min(len(body), upload.OldHead)])}, err
}

// Read implements upload.OldImages.
func (o *OldImages) Read(ctx context.Context, ref upload.Ref, offset, length int64) (io.ReadCloser, error) {
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

// LinkOld implements upload.OldImages with a URL that nobody serves.
func (o *OldImages) LinkOld(_ context.Context, ref upload.Ref, _ upload.Link) (string, error) {
	return "https://old.example.com/" + ref.String(), nil
}

// Promoting makes PromoteOld copy into a bucket.
func (o *OldImages) Promoting(into *Objects) *OldImages {
	o.into = into
	return o
}

// PromoteOld implements upload.OldImages. Without Promoting it fails.
func (o *OldImages) PromoteOld(ctx context.Context, ref upload.Ref, p upload.Promotion) (upload.Copy, error) {
	body, err := o.get(ctx, ref)
	if err != nil {
		return upload.Copy{}, err
	}
	if o.into == nil {
		return upload.Copy{}, errors.New("old images are not promoted here")
	}
	return o.into.promote(body, p)
}

// RemoveOld implements upload.OldImages.
func (o *OldImages) RemoveOld(ctx context.Context, ref upload.Ref) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.images, ref)
	return ctx.Err()
}
