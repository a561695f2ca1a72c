package locals3

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/backend/meta"
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
	if version != "" && version != "null" && !isVersionID(version) {
		return nil, s3err.GetInvalidArgumentErr(s3err.InvalidArgVersionId, version)
	}
	c, err := g.beginDelete(bucket, key, version)
	if errors.Is(err, errNoVersion) {
		return &s3.DeleteObjectOutput{VersionId: in.VersionId}, nil
	}
	if err != nil {
		return nil, err
	}
	defer c.close()
	var out *s3.DeleteObjectOutput
	if version == "" {
		out, err = g.Posix.DeleteObject(ctx, in)
	} else {
		out, err = c.deleteVersion(in)
	}
	if err != nil {
		return nil, err
	}
	if _, err := c.finish(); err != nil {
		return nil, err
	}
	return out, nil
}

// deleteVersion deletes the version that the change has begun to delete. When it is the current one, the newest
// earlier one takes its place.
func (c *change) deleteVersion(in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	l, version := c.g.layout, *in.VersionId
	file, folder := l.version(c.bucket, c.key, version), l.versionMeta(c.bucket, c.key, version)
	if version == c.current {
		file, folder = l.object(c.bucket, c.key), l.objectMeta(c.bucket, c.key)
	}
	marker, err := c.checkDelete(in, file, filepath.Dir(folder))
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file); err != nil {
		return nil, fmt.Errorf("delete version %s of %q: %w", version, c.key, err)
	}
	if err := removeAttributes(folder, nil); err != nil {
		return nil, err
	}
	if version == c.current && c.touched != "" {
		err := moveVersion(l.version(c.bucket, c.key, c.touched), l.versionMeta(c.bucket, c.key, c.touched), file, folder)
		if err != nil {
			return nil, fmt.Errorf("make version %s of %q the current one: %w", c.touched, c.key, err)
		}
	}
	// The folders of this key's earlier versions, if this was the last of them.
	_ = os.Remove(l.versionFolder(c.bucket, c.key))
	_ = os.Remove(filepath.Dir(filepath.Dir(l.versionMeta(c.bucket, c.key, version))))
	return &s3.DeleteObjectOutput{VersionId: &version, DeleteMarker: &marker}, nil
}

// checkDelete checks If-Match and its like on the version in a file, and says whether it is a delete marker. owner is
// the folder that the version's attributes are under.
func (c *change) checkDelete(in *s3.DeleteObjectInput, file, owner string) (marker bool, err error) {
	info, err := os.Stat(file)
	if err != nil {
		return false, fmt.Errorf("look at %q: %w", c.key, err)
	}
	relative, err := filepath.Rel(c.g.layout.meta, owner)
	if err != nil {
		return false, fmt.Errorf("look at %q: %w", c.key, err)
	}
	etag, err := c.g.attributes.RetrieveAttribute(nil, relative, "", etagAttribute)
	if err != nil && !errors.Is(err, meta.ErrNoSuchKey) {
		return false, fmt.Errorf("look at %q: %w", c.key, err)
	}
	_, err = c.g.attributes.RetrieveAttribute(nil, relative, "", markerAttribute)
	return err == nil, backend.EvaluateObjectDeletePreconditions(string(etag), info.ModTime(), info.Size(),
		backend.ObjectDeletePreconditions{
			IfMatch: in.IfMatch, IfMatchLastModTime: in.IfMatchLastModifiedTime, IfMatchSize: in.IfMatchSize,
		})
}

// moveVersion moves a version's bytes and attributes to another place, where nothing is.
func moveVersion(file, folder, toFile, toFolder string) error {
	if err := os.Rename(file, toFile); err != nil {
		return err
	}
	if err := os.MkdirAll(toFolder, 0o755); err != nil {
		return err
	}
	names, err := regularFiles(folder)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := os.Rename(filepath.Join(folder, name), filepath.Join(toFolder, name)); err != nil {
			return err
		}
	}
	return removeAttributes(folder, nil)
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
