package locals3

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// The names that versitygw gives to attributes and to its folder of staged bytes.
const (
	etagAttribute    = "etag"
	versionAttribute = "version-id"
	markerAttribute  = "delete-marker"
	stagingName      = posix.MetaTmpDir
	versionIDLength  = 26 // a ULID
)

// guarded is versitygw's file backend with what it lacks: each change of a key is one step for readers (a lock) and for
// the next process (the undo log), and conditions hold for copies too.
type guarded struct {
	*posix.Posix
	layout     layout
	attributes *attributes
	locks      keyLocks
	folders    folders
	undo       *undoLog
	mu         sync.Mutex
	failed     []*change    // changes that failed and could not be rolled back yet; see putBack
	unsettled  atomic.Int64 // how many they are
	// arrived is told of each new version, after the locks are released and before the client has its answer.
	arrived func(ctx context.Context, how string, o object)
}

var _ backend.Backend = (*guarded)(nil)

// GetBucketCors also allows the origin of a page that Options.AllowOrigin allows.
func (g *guarded) GetBucketCors(ctx context.Context, bucket string) ([]byte, error) {
	if facts, _ := ctx.Value(requestKey{}).(requestFacts); facts.origin != "" {
		return corsRules([]string{facts.origin})
	}
	return g.Posix.GetBucketCors(ctx, bucket)
}

// object is the current version of a key as it stands after a change.
type object struct {
	bucket, key, etag, version string
	size                       int64
}

// head reads the current version of a key. The key must be locked.
func (g *guarded) head(bucket, key string) (object, error) {
	info, err := os.Stat(g.layout.object(bucket, key))
	if err != nil {
		return object{}, fmt.Errorf("look at object %q: %w", key, err)
	}
	etag, err := g.attribute(bucket, key, etagAttribute)
	if err != nil {
		return object{}, err
	}
	version, err := g.attribute(bucket, key, versionAttribute)
	return object{bucket: bucket, key: key, size: info.Size(), etag: strings.Trim(etag, `"`), version: version}, err
}

// attribute is "" where there is none, or only a damaged file.
func (g *guarded) attribute(bucket, key, name string) (string, error) {
	value, err := g.attributes.RetrieveAttribute(nil, bucket, key, name)
	if errors.Is(err, meta.ErrNoSuchKey) || errors.Is(err, errDamaged) {
		return "", nil
	}
	return string(value), err
}

// condition checks the headers If-Match and If-None-Match of a write. A key whose current version is a delete marker
// counts as absent.
func (g *guarded) condition(bucket, key string, match, noneMatch *string) error {
	if match == nil && noneMatch == nil {
		return nil
	}
	info, err := os.Stat(g.layout.object(bucket, key))
	if err != nil && !isAbsent(err) {
		return fmt.Errorf("look at object %q: %w", key, err)
	}
	exists := err == nil && !info.IsDir()
	if exists {
		_, err := g.attributes.RetrieveAttribute(nil, bucket, key, markerAttribute)
		exists = errors.Is(err, meta.ErrNoSuchKey) || errors.Is(err, errDamaged)
		if err != nil && !exists {
			return err
		}
	}
	etag, err := g.attribute(bucket, key, etagAttribute)
	if err != nil {
		return err
	}
	return backend.EvaluateObjectPutPreconditions(etag, match, noneMatch, exists)
}

// PutObject stores the bytes of a PUT or of a signed form. The key is not locked while the bytes come in: a slow
// client must not keep others from reading the key.
func (g *guarded) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	bucket, key, err := target(in.Bucket, in.Key)
	if err != nil {
		return s3response.PutObjectOutput{}, err
	}
	match, noneMatch := in.IfMatch, in.IfNoneMatch
	in.IfMatch, in.IfNoneMatch = nil, nil
	// Refuse early what is going to be refused anyway, before the body is read.
	if err := g.condition(bucket, key, match, noneMatch); err != nil {
		return s3response.PutObjectOutput{}, err
	}
	var c *change
	var refused error
	defer func() {
		if c != nil {
			c.close()
		}
	}()
	out, err := g.Posix.PutObjectWithPostFunc(ctx, in, func(*os.File) error {
		// All bytes are staged and checked; from here on only names change.
		if c, refused = g.begin(bucket, key); refused == nil {
			refused = g.condition(bucket, key, match, noneMatch)
		}
		return refused
	})
	if refused != nil {
		return s3response.PutObjectOutput{}, refused
	}
	if err != nil || c == nil {
		return out, err // without a change it was a folder, which has no bytes
	}
	o, err := c.finish()
	if err != nil {
		return s3response.PutObjectOutput{}, err
	}
	g.arrived(ctx, origin(ctx), o)
	return out, nil
}

// CopyObject copies one version onto a key. Unlike versitygw's it keeps If-None-Match and If-Match.
func (g *guarded) CopyObject(ctx context.Context, in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	bucket, key, err := target(in.Bucket, in.Key)
	if err != nil {
		return s3response.CopyObjectOutput{}, err
	}
	fromBucket, fromKey, _, err := backend.ParseCopySource(*in.CopySource)
	if err != nil {
		return s3response.CopyObjectOutput{}, err
	}
	if _, fromKey, err = target(&fromBucket, &fromKey); err != nil {
		return s3response.CopyObjectOutput{}, err
	}
	match, noneMatch := writeConditions(ctx)
	var out s3response.CopyObjectOutput
	o, err := g.apply(bucket, key, func() error {
		if err := g.condition(bucket, key, match, noneMatch); err != nil {
			return err
		}
		out, err = g.Posix.CopyObject(ctx, in)
		return err
	}, lockName(fromBucket, fromKey))
	if err != nil {
		return s3response.CopyObjectOutput{}, err
	}
	g.arrived(ctx, "Copy", o)
	return out, nil
}

// CompleteMultipartUpload puts the parts of an upload together.
func (g *guarded) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (
	out s3response.CompleteMultipartUploadResult, version string, err error) {
	bucket, key, err := target(in.Bucket, in.Key)
	if err != nil {
		return out, "", err
	}
	unconditional := *in
	unconditional.IfMatch, unconditional.IfNoneMatch = nil, nil
	o, err := g.apply(bucket, key, func() error {
		if err := g.condition(bucket, key, in.IfMatch, in.IfNoneMatch); err != nil {
			return err
		}
		out, version, err = g.Posix.CompleteMultipartUpload(ctx, &unconditional)
		return err
	})
	if err != nil {
		return s3response.CompleteMultipartUploadResult{}, "", err
	}
	g.arrived(ctx, "CompleteMultipartUpload", o)
	return out, version, nil
}

// target checks the bucket and the key of a request. A key is a path below the bucket's folder: what would lead out of
// it is refused, and so is versitygw's own folder.
func target(bucket, key *string) (string, string, error) {
	if bucket == nil || key == nil || *key == "" {
		return "", "", s3err.GetAPIError(s3err.ErrNoSuchKey)
	}
	if clean := path.Clean(*key); !filepath.IsLocal(filepath.FromSlash(*key)) || clean == "." || isStaging(clean) {
		return "", "", s3err.GetAPIError(s3err.ErrInvalidURI)
	}
	return *bucket, *key, nil
}

// isStaging says that a key is in the folder in which versitygw stages bytes and multipart uploads.
func isStaging(key string) bool { return key == stagingName || strings.HasPrefix(key, stagingName+"/") }

// lockName is one name for all spellings of a key that are the same file.
func lockName(bucket, key string) string { return bucket + "/" + path.Clean(key) }

// isVersionID tells the ids that versitygw makes (ULIDs) from what a client may send.
func isVersionID(s string) bool {
	return len(s) == versionIDLength && strings.Trim(s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
