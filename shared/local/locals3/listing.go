package locals3

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// maxListed is the most versions in a page: S3's own bound.
const maxListed = 1000

// ListObjectVersions lists versions and delete markers in the order of their keys, the newest of a key first, and goes
// on exactly where a page ended, also when what it ended with is not there any more.
//
// (versitygw's own repeats a version between pages and reads all that comes before a page again. It is still asked
// where a delimiter gathers keys.)
func (g *guarded) ListObjectVersions(ctx context.Context, in *s3.ListObjectVersionsInput) (
	s3response.ListVersionsResult, error) {
	if aws.ToString(in.Delimiter) != "" {
		return g.Posix.ListObjectVersions(ctx, in)
	}
	maxKeys := maxListed
	if in.MaxKeys != nil {
		maxKeys = min(int(*in.MaxKeys), maxListed)
	}
	var found []listed
	l := lister{g: g, bucket: aws.ToString(in.Bucket), prefix: aws.ToString(in.Prefix),
		afterKey: aws.ToString(in.KeyMarker), afterVersion: aws.ToString(in.VersionIdMarker),
		yield: func(versions []listed) error {
			n := min(len(versions), maxKeys-len(found))
			found = append(found, versions[:n]...)
			if n < len(versions) {
				return errFull
			}
			return nil
		}}
	if v := l.afterVersion; v != "" && (l.afterKey == "" || v != nullVersion && !isVersionID(v)) {
		return s3response.ListVersionsResult{}, s3err.GetInvalidArgumentErr(s3err.InvalidArgVersionId, v)
	}
	result := s3response.ListVersionsResult{Name: in.Bucket, Prefix: &l.prefix, Delimiter: aws.String(""),
		KeyMarker: &l.afterKey, VersionIdMarker: &l.afterVersion, MaxKeys: aws.Int32(int32(maxKeys)),
		NextKeyMarker: aws.String(""), NextVersionIdMarker: aws.String(""), IsTruncated: aws.Bool(false)}
	if maxKeys == 0 {
		return result, nil
	}
	err := l.folder(ctx, "")
	if err != nil && !errors.Is(err, errFull) {
		return s3response.ListVersionsResult{}, fmt.Errorf("list versions under %q: %w", l.prefix, err)
	}
	for _, v := range found {
		if v.marker {
			result.DeleteMarkers = append(result.DeleteMarkers,
				types.DeleteMarkerEntry{Key: &v.key, VersionId: &v.id, LastModified: &v.at, IsLatest: &v.latest})
		} else {
			result.Versions = append(result.Versions, s3response.ObjectVersion{Key: &v.key, VersionId: &v.id,
				LastModified: &v.at, IsLatest: &v.latest, Size: &v.size, ETag: &v.etag,
				StorageClass: types.ObjectVersionStorageClassStandard})
		}
	}
	if err != nil {
		last := found[len(found)-1]
		result.IsTruncated, result.NextKeyMarker, result.NextVersionIdMarker = aws.Bool(true), &last.key, &last.id
	}
	return result, nil
}

// nullVersion is the id of what was written without versioning: folders, here.
const nullVersion = "null"

// errFull ends a walk when there is more than a page holds.
var errFull = errors.New("the page is full")

// lister walks the folders of a bucket in the order of keys.
type lister struct {
	g                      *guarded
	bucket, prefix         string
	afterKey, afterVersion string
	// yield takes the versions of one key, newest first. Its error ends the walk.
	yield func([]listed) error
}

// listed is one version or delete marker.
type listed struct {
	key, id, etag  string
	at             time.Time
	size           int64
	marker, latest bool
}

// folder lists what lies below a folder, whose name is empty or ends in a slash.
func (l *lister) folder(ctx context.Context, name string) error {
	names, err := l.names(name)
	if isAbsent(err) {
		return nil // removed meanwhile
	}
	if err != nil {
		return err
	}
	// A folder sorts as the keys in it do: with its slash.
	keys := make([]string, 0, len(names))
	for _, file := range names {
		key := name + file
		info, err := os.Lstat(l.g.layout.object(l.bucket, key))
		switch {
		case isAbsent(err) || isStaging(key):
		case err != nil:
			return err
		case info.IsDir():
			keys = append(keys, key+"/")
		case info.Mode().IsRegular():
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := l.entry(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// names gives the names in a folder below which there may be keys with the prefix; they are not to be changed.
func (l *lister) names(folder string) ([]string, error) {
	path := l.g.layout.object(l.bucket, folder)
	begins, above := strings.CutPrefix(l.prefix, folder)
	if !above { // the folder itself is within the prefix
		begins = ""
	}
	next, _, deeper := strings.Cut(begins, "/")
	if deeper && next != "" && next != "." && filepath.IsLocal(next) {
		if _, err := os.Lstat(filepath.Join(path, next)); err == nil || isAbsent(err) {
			return []string{next}, nil
		}
	}
	names, err := l.g.folders.names(path)
	from, _ := slices.BinarySearch(names, next)
	to := from
	for to < len(names) && strings.HasPrefix(names[to], next) {
		to++
	}
	return names[from:to], err
}

// entry lists one key, or one folder and what is below it.
func (l *lister) entry(ctx context.Context, key string) error {
	folder := strings.HasSuffix(key, "/")
	within := strings.HasPrefix(key, l.prefix)
	if !within && !(folder && strings.HasPrefix(l.prefix, key)) {
		return nil
	}
	if within && (key > l.afterKey || key == l.afterKey && l.afterVersion != "") {
		versions, err := l.versions(key)
		if err != nil {
			return fmt.Errorf("look at %q: %w", key, err)
		}
		if err := l.yield(versions); err != nil {
			return err
		}
	}
	if !folder || key < l.afterKey && !strings.HasPrefix(l.afterKey, key) {
		return nil // everything below it comes before the page, too
	}
	return l.folder(ctx, key)
}

// versions gives those of one key that belong after the page before, newest first.
func (l *lister) versions(key string) ([]listed, error) {
	defer l.g.share(&l.bucket, &key)()
	layout := l.g.layout
	current, err := l.describe(key, nullVersion, layout.object(l.bucket, key), layout.objectMeta(l.bucket, key))
	if current == nil || err != nil {
		return nil, err // without an error: removed meanwhile, or a folder that nobody stored
	}
	current.latest = true
	id, err := l.g.attribute(l.bucket, key, versionAttribute)
	if err != nil {
		return nil, err
	}
	if id != "" {
		current.id = id
	}
	all := []listed{*current}
	if !strings.HasSuffix(key, "/") {
		earlier, err := regularFiles(layout.versionFolder(l.bucket, key))
		if err != nil {
			return nil, err
		}
		for _, id := range slices.Backward(earlier) {
			v, err := l.describe(key, id, layout.version(l.bucket, key, id), layout.versionMeta(l.bucket, key, id))
			if err != nil {
				return nil, err
			}
			if v != nil {
				all = append(all, *v)
			}
		}
	}
	if key == l.afterKey {
		// The ids of versions grow with time.
		all = slices.DeleteFunc(all, func(v listed) bool { return v.id >= l.afterVersion })
	}
	return all, nil
}

// describe reads what is known of one version, or nothing when it is not there.
func (l *lister) describe(key, id, file, sidecar string) (*listed, error) {
	info, err := os.Stat(file)
	if isAbsent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	content, err := l.g.attributes.of(sidecar)
	if err != nil {
		return nil, err
	}
	etag, stored := content[etagAttribute]
	if info.IsDir() && !stored {
		return nil, nil
	}
	v := &listed{key: key, id: id, at: info.ModTime(), etag: string(etag)}
	_, v.marker = content[markerAttribute]
	if !info.IsDir() {
		v.size = info.Size()
	}
	return v, nil
}
