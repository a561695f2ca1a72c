package locals3

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// DeleteObject hides a key behind a delete marker, or deletes one version of it. To delete what is not there is no
// error, as in S3.
//
// Versions are deleted here and not by versitygw, which leaves their attributes behind, answers 400 for a version that
// is not there, and removes empty folders while other requests are about to write into them. Here, folders stay.
func (g *guarded) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	bucket, key, err := target(in.Bucket, in.Key)
	if err != nil {
		return nil, err
	}
	version := backend.GetStringFromPtr(in.VersionId)
	if version != "" && (in.IfMatch != nil || in.IfMatchLastModifiedTime != nil || in.IfMatchSize != nil) {
		// A version never changes, so its id says all that a condition could.
		return nil, s3err.GetAPIError(s3err.ErrNotImplemented)
	}
	if version != "" && version != "null" && !isVersionID(version) {
		return nil, s3err.GetInvalidArgumentErr(s3err.InvalidArgVersionId, version)
	}
	if version == "" {
		var out *s3.DeleteObjectOutput // of a delete marker
		_, err := g.apply(bucket, key, func() (err error) {
			out, err = g.Posix.DeleteObject(ctx, in)
			return err
		})
		return out, err
	}
	c, err := g.beginDelete(bucket, key, version)
	if errors.Is(err, errNoVersion) {
		return &s3.DeleteObjectOutput{VersionId: in.VersionId}, nil
	}
	if err != nil {
		return nil, err
	}
	defer c.close()
	marker, err := c.deleteVersion(version)
	if err != nil {
		return nil, err
	}
	if _, err := c.finish(); err != nil {
		return nil, err
	}
	return &s3.DeleteObjectOutput{VersionId: &version, DeleteMarker: &marker}, nil
}

// deleteVersion deletes the version that the change has begun to delete, and says whether it was a delete marker. When
// it is the current one, the newest earlier one takes its place.
func (c *change) deleteVersion(version string) (marker bool, err error) {
	l, known := c.g.layout, c.g.attributes
	file, sidecar := l.version(c.bucket, c.key, version), l.versionMeta(c.bucket, c.key, version)
	if version == c.current {
		file, sidecar = l.object(c.bucket, c.key), l.objectMeta(c.bucket, c.key)
	}
	noticed, err := known.of(sidecar)
	if err != nil {
		return false, fmt.Errorf("look at version %s of %q: %w", version, c.key, err)
	}
	_, marker = noticed[markerAttribute]
	if c.successor == "" {
		err = errors.Join(removeIfPresent(file), removeIfPresent(sidecar))
	} else {
		err = errors.Join(
			os.Rename(l.version(c.bucket, c.key, c.successor), file),
			os.Rename(l.versionMeta(c.bucket, c.key, c.successor), sidecar))
		known.drop(l.versionMeta(c.bucket, c.key, c.successor))
	}
	known.drop(sidecar)
	if err != nil {
		return false, fmt.Errorf("delete version %s of %q: %w", version, c.key, err)
	}
	// The folder of this key's earlier versions, if this was the last of them.
	_ = os.Remove(l.versionFolder(c.bucket, c.key))
	return marker, nil
}

func removeIfPresent(path string) error {
	if err := os.Remove(path); err != nil && !isAbsent(err) {
		return err
	}
	return nil
}

// DeleteObjects deletes each object as DeleteObject does. (versitygw's own would go past it.)
func (g *guarded) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput) (s3response.DeleteResult, error) {
	var result s3response.DeleteResult
	for _, o := range in.Delete.Objects {
		out, err := g.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: in.Bucket, Key: o.Key, VersionId: o.VersionId})
		if err != nil {
			result.Error = append(result.Error, s3err.ObjectDeleteError(o.Key, o.VersionId, err))
			continue
		}
		deleted := types.DeletedObject{Key: o.Key, VersionId: o.VersionId, DeleteMarker: out.DeleteMarker}
		if out.DeleteMarker != nil && *out.DeleteMarker {
			deleted.DeleteMarkerVersionId = out.VersionId
		}
		result.Deleted = append(result.Deleted, deleted)
	}
	return result, nil
}
