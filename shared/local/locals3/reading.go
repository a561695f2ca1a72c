package locals3

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3response"
)

// The reading calls hold the key's lock while versitygw looks at the attributes and opens the bytes, so that they
// belong together. The bytes are sent afterwards, from the open file, which no later change can touch.

func (g *guarded) share(bucket, key *string) (release func()) {
	return g.locks.share(lockName(backend.GetStringFromPtr(bucket), backend.GetStringFromPtr(key)))
}

func (g *guarded) GetObject(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	defer g.share(in.Bucket, in.Key)()
	return g.Posix.GetObject(ctx, in)
}

func (g *guarded) HeadObject(ctx context.Context, in *s3.HeadObjectInput) (*s3.HeadObjectOutput, error) {
	defer g.share(in.Bucket, in.Key)()
	return g.Posix.HeadObject(ctx, in)
}

func (g *guarded) GetObjectAttributes(ctx context.Context, in *s3.GetObjectAttributesInput) (
	s3response.GetObjectAttributesResponse, error) {
	defer g.share(in.Bucket, in.Key)()
	return g.Posix.GetObjectAttributes(ctx, in)
}

func (g *guarded) GetObjectTagging(ctx context.Context, bucket, key, version string) (map[string]string, error) {
	defer g.share(&bucket, &key)()
	return g.Posix.GetObjectTagging(ctx, bucket, key, version)
}

// Tags are one attribute and so written in one step; the lock keeps them from landing on another version.

func (g *guarded) PutObjectTagging(ctx context.Context, bucket, key, version string, tags map[string]string) error {
	defer g.locks.own(lockName(bucket, key))()
	return g.Posix.PutObjectTagging(ctx, bucket, key, version, tags)
}

func (g *guarded) DeleteObjectTagging(ctx context.Context, bucket, key, version string) error {
	defer g.locks.own(lockName(bucket, key))()
	return g.Posix.DeleteObjectTagging(ctx, bucket, key, version)
}
