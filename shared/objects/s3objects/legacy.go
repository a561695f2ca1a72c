package s3objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"hatchery/shared/upload"
)

// LegacyImages is the bucket of the replaced service, which is only read and deleted
// from. Its methods may be called concurrently.
type LegacyImages struct {
	store  *Store
	prefix string // "" or ending in "/"
	into   *Store // nil when nothing is promoted
}

// Promoting makes PromoteLegacy copy into a bucket.
func (o *LegacyImages) Promoting(into *Store) *LegacyImages {
	return &LegacyImages{store: o.store, prefix: o.prefix, into: into}
}

// PromoteLegacy copies an image into the bucket of Promoting, create-only.
func (o *LegacyImages) PromoteLegacy(ctx context.Context, ref upload.Ref, p upload.Promotion) (upload.Copy, error) {
	if o.into == nil {
		return upload.Copy{}, errors.New("old images are not promoted here")
	}
	return o.into.copyFrom(ctx, o.store.bucket+"/"+escapeKey(o.key(ref)), p)
}

var _ upload.LegacyImages = (*LegacyImages)(nil)

// NewLegacyImages makes an LegacyImages of a bucket in which images lie under
// {prefix}/{journal}/entries/{entry}/images/{id}; prefix "" is the bucket's root.
func NewLegacyImages(client *s3.Client, bucket, prefix string) *LegacyImages {
	if prefix != "" {
		prefix = strings.TrimSuffix(prefix, "/") + "/"
	}
	return &LegacyImages{store: New(client, bucket), prefix: prefix}
}

func (o *LegacyImages) key(ref upload.Ref) upload.Key { return upload.Key(o.prefix + ref.String()) }

// Head reads the first bytes of an image; what else there is, S3 says with them.
func (o *LegacyImages) Head(ctx context.Context, ref upload.Ref) (upload.LegacyImage, error) {
	out, body, err := o.store.get(ctx, o.key(ref), "", fmt.Sprintf("bytes=0-%d", upload.LegacyHead-1))
	if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok &&
		response.HTTPStatusCode() == http.StatusRequestedRangeNotSatisfiable {
		return upload.LegacyImage{}, nil // no bytes at all
	}
	if err != nil {
		return upload.LegacyImage{}, err
	}
	head, err := io.ReadAll(io.LimitReader(body, upload.LegacyHead))
	err = errors.Join(err, body.Close())
	if err != nil {
		return upload.LegacyImage{}, fmt.Errorf("s3 get: %w", err)
	}
	size := int64(len(head))
	if _, total, ok := strings.Cut(aws.ToString(out.ContentRange), "/"); ok {
		if size, err = strconv.ParseInt(total, 10, 64); err != nil || size < int64(len(head)) {
			return upload.LegacyImage{}, fmt.Errorf("s3 get: the range %q says no size", aws.ToString(out.ContentRange))
		}
	}
	return upload.LegacyImage{Size: size, Head: head}, nil
}

// Read reads part of an image.
func (o *LegacyImages) Read(ctx context.Context, ref upload.Ref, offset, length int64) (io.ReadCloser, error) {
	return o.store.ReadRange(ctx, o.key(ref), "", offset, length)
}

// SignLegacy signs a URL that reads an image.
func (o *LegacyImages) SignLegacy(ctx context.Context, ref upload.Ref, l upload.Link) (string, error) {
	l.Key = o.key(ref)
	return o.store.link(ctx, nil, l)
}

// RemoveLegacy removes an image. In a bucket that is versioned after all it stays as an
// old version.
func (o *LegacyImages) RemoveLegacy(ctx context.Context, ref upload.Ref) error {
	return o.store.remove(ctx, o.key(ref), "")
}
