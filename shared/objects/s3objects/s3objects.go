// Package s3objects keeps the bytes of uploads in one versioned S3 bucket.
//
// It asks S3 for guarantees instead of checking beforehand: writes and copies are
// create-only (If-None-Match: *), reads and copies name a version id, and the
// copy's SHA-256 is computed by S3 over the whole object.
package s3objects

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"hatchery/shared/upload"
)

// Store is the bucket. Its methods may be called concurrently.
type Store struct {
	client *s3.Client
	bucket string
	// callTimeout bounds a call that moves no bytes through this process, retries
	// included: much lower and a slow minute of S3 becomes dead letters, much higher
	// and a caller waits in vain.
	callTimeout time.Duration
	// stallTimeout ends a read or write that makes no progress.
	stallTimeout time.Duration
	// copyTimeout bounds a copy of up to 5 GB, in which S3 moves all bytes itself.
	copyTimeout time.Duration
}

var (
	_ upload.Objects   = (*Store)(nil)
	_ upload.Downloads = (*Store)(nil)
	_ upload.Forms     = (*Store)(nil)
	_ upload.Inventory = (*Store)(nil)
)

// New makes a Store of a bucket. The client's own retries apply.
func New(client *s3.Client, bucket string) *Store {
	return &Store{client: client, bucket: bucket,
		callTimeout: 15 * time.Second, stallTimeout: 20 * time.Second, copyTimeout: 5 * time.Minute}
}

// optional is the pointer that a request wants; nil for "", which S3 would take as a
// value.
func optional[T ~string](s T) *string {
	if s == "" {
		return nil
	}
	return aws.String(string(s))
}

// Put writes an object, create-only.
func (s *Store) Put(ctx context.Context, key upload.Key, body io.ReadSeeker, size int64) error {
	ctx, watch := s.watchStall(ctx)
	defer watch.stop()
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: aws.String(string(key)), IfNoneMatch: aws.String("*"),
		Body: watchedSeeker{watchedReader{body, watch}, body}, ContentLength: &size,
		// Nothing is known of the bytes yet, and the name is data: neither goes in.
		ContentType: aws.String("application/octet-stream"),
	}, retryConflicts)
	return translateError(err, "put")
}

// retryConflicts lets the client's retries include S3's word for a create-only write
// that met another one to the same key: 409, to be tried again.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
func retryConflicts(o *s3.Options) {
	if o.Retryer != nil {
		o.Retryer = retry.AddWithErrorCodes(o.Retryer, "ConditionalRequestConflict")
	}
}

// Open reads one version, or the newest.
func (s *Store) Open(ctx context.Context, key upload.Key, version upload.Version) (upload.Object, error) {
	out, body, err := s.get(ctx, key, version, "")
	if err != nil {
		return upload.Object{}, err
	}
	return upload.Object{Version: upload.Version(aws.ToString(out.VersionId)), Size: aws.ToInt64(out.ContentLength),
		Body: body}, nil
}

// ReadRange reads part of one version.
func (s *Store) ReadRange(ctx context.Context, key upload.Key, version upload.Version,
	offset, length int64) (io.ReadCloser, error) {
	byteRange := ""
	switch {
	case length == 0:
		return http.NoBody, nil
	case length > 0:
		byteRange = fmt.Sprintf("bytes=%d-%d", offset, offset+length-1)
	case offset > 0:
		byteRange = fmt.Sprintf("bytes=%d-", offset)
	}
	out, body, err := s.get(ctx, key, version, byteRange)
	if err != nil {
		return nil, err
	}
	want := strings.Replace(byteRange, "=", " ", 1)
	if length > 0 {
		want += "/" // the size follows
	}
	if got := aws.ToString(out.ContentRange); byteRange != "" && !strings.HasPrefix(got, want) {
		// A store that passes over a range would have us send the wrong bytes.
		return nil, errors.Join(fmt.Errorf("s3 get: asked for %s and got the range %q", byteRange, got), body.Close())
	}
	return body, nil
}

func (s *Store) get(ctx context.Context, key upload.Key, version upload.Version,
	byteRange string) (*s3.GetObjectOutput, io.ReadCloser, error) {
	ctx, watch := s.watchStall(ctx)
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(string(key)),
		VersionId: optional(version), Range: optional(byteRange)}, withoutSumQuietly)
	if err != nil {
		watch.stop()
		return nil, nil, translateError(err, "get")
	}
	watch.timer.Stop() // until somebody reads: whoever opened it may have to wait for something else
	return out, watchedBody{watchedReader{out.Body, watch}, out.Body}, nil
}

// withoutSumQuietly reads what has no checksum without a line on stderr for each object: a part has none, what a form
// or another service wrote, and whatever a store keeps that computes none.
func withoutSumQuietly(o *s3.Options) { o.DisableLogOutputChecksumValidationSkipped = true }

// The user metadata of a copy: which quarantine version it was made of, and in which round of
// the record, if not in the first.
const (
	sourceVersion = "source-version"
	sourceRound   = "source-round"
)

// Promote copies one version, create-only.
func (s *Store) Promote(ctx context.Context, p upload.Promotion) (upload.Copy, error) {
	source := s.bucket + "/" + escapeKey(p.From) + "?versionId=" + url.QueryEscape(string(p.Version))
	return s.copyFrom(ctx, source, p)
}

// copyFrom copies what a copy source names to where p says.
func (s *Store) copyFrom(ctx context.Context, source string, p upload.Promotion) (upload.Copy, error) {
	ctx, cancel := context.WithTimeout(ctx, s.copyTimeout)
	defer cancel()
	out, err := s.client.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: &s.bucket, Key: aws.String(string(p.To)), CopySource: &source, IfNoneMatch: aws.String("*"),
		MetadataDirective: types.MetadataDirectiveReplace,
		Metadata:          metadataOf(p),
		TaggingDirective:  types.TaggingDirectiveReplace,
		// Unless it is told not to, S3 copies annotations. Whoever wrote the source chose them.
		AnnotationDirective: types.AnnotationDirectiveExclude,
		ContentType:         &p.ContentType, ContentDisposition: &p.Disposition,
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
	}, retryConflicts)
	if err != nil {
		return upload.Copy{}, translateError(err, "copy")
	}
	made := upload.Copy{Version: upload.Version(aws.ToString(out.VersionId)), Source: p.Version, Round: p.Round}
	if out.CopyObjectResult != nil {
		made.SHA256, err = hexOf(aws.ToString(out.CopyObjectResult.ChecksumSHA256))
	}
	if err != nil || made.SHA256 == "" || made.Version == "" {
		// A store that answers without them still knows them.
		return s.Stat(ctx, p.To)
	}
	return made, nil
}

// Stat describes the newest version of a promoted object.
func (s *Store) Stat(ctx context.Context, key upload.Key) (upload.Copy, error) {
	ctx, cancel := context.WithTimeout(ctx, s.callTimeout)
	defer cancel()
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: aws.String(string(key)),
		ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		return upload.Copy{}, translateError(err, "head")
	}
	sum, err := hexOf(aws.ToString(out.ChecksumSHA256))
	if err != nil {
		return upload.Copy{}, fmt.Errorf("s3 head: %w", err)
	}
	copied := upload.Copy{Version: upload.Version(aws.ToString(out.VersionId)),
		Source: upload.Version(out.Metadata[sourceVersion]), SHA256: sum}
	if round := out.Metadata[sourceRound]; round != "" {
		n, err := strconv.ParseInt(round, 10, 64)
		if err != nil {
			return upload.Copy{}, fmt.Errorf("s3 head: the copy's %s is %.40q, and no number", sourceRound, round)
		}
		copied.Round = upload.Round(n)
	}
	return copied, nil
}

func metadataOf(p upload.Promotion) map[string]string {
	metadata := map[string]string{sourceVersion: string(p.Version)}
	if p.Round != 0 {
		metadata[sourceRound] = strconv.FormatInt(int64(p.Round), 10)
	}
	return metadata
}

// Remove removes one version for good.
func (s *Store) Remove(ctx context.Context, key upload.Key, version upload.Version) error {
	if version == "" {
		// Without an id S3 would only add a delete marker over the newest.
		return errors.New("s3 delete: no version id was given")
	}
	return s.remove(ctx, key, version)
}

func (s *Store) remove(ctx context.Context, key upload.Key, version upload.Version) error {
	ctx, cancel := context.WithTimeout(ctx, s.callTimeout)
	defer cancel()
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: aws.String(string(key)),
		VersionId: optional(version)})
	if err = translateError(err, "delete"); errors.Is(err, upload.ErrGone) {
		return nil
	}
	return err
}

// Versions lists every version and delete marker of one key.
func (s *Store) Versions(ctx context.Context, key upload.Key) ([]upload.Version, error) {
	ctx, cancel := context.WithTimeout(ctx, s.callTimeout)
	defer cancel()
	var versions []upload.Version
	further := false // a key was listed that merely begins alike; keys come in order, so no more of this one follow
	add := func(listed, version *string) {
		if aws.ToString(listed) == string(key) {
			versions = append(versions, upload.Version(aws.ToString(version)))
		} else {
			further = true
		}
	}
	pages := s3.NewListObjectVersionsPaginator(s.client,
		&s3.ListObjectVersionsInput{Bucket: &s.bucket, Prefix: aws.String(string(key))})
	for pages.HasMorePages() && !further {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, translateError(err, "list versions")
		}
		if err := checkListing(page); err != nil {
			return nil, err
		}
		for _, v := range page.Versions {
			add(v.Key, v.VersionId)
		}
		for _, m := range page.DeleteMarkers {
			add(m.Key, m.VersionId)
		}
	}
	return versions, nil
}

// translateError turns an SDK error into what the contract names. The SDK's text names the
// operation, the request id and S3's own code, and no secret.
func translateError(err error, what string) error {
	if err == nil {
		return nil
	}
	status := 0
	if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		status = response.HTTPStatusCode()
	}
	code := ""
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = api.ErrorCode()
	}
	switch {
	case status == http.StatusPreconditionFailed:
		return fmt.Errorf("s3 %s: %w", what, upload.ErrExists)
	case code == "NoSuchKey" || code == "NoSuchVersion" || code == "NotFound",
		// A delete marker answers 405 when it is asked for by its id, and an id
		// that S3 never gave is an invalid argument.
		status == http.StatusMethodNotAllowed,
		status == http.StatusBadRequest && code == "InvalidArgument" &&
			strings.Contains(strings.ToLower(err.Error()), "version id"):
		return fmt.Errorf("s3 %s: %w", what, upload.ErrGone)
	case status == http.StatusInsufficientStorage: // of a server with a disk of its own
		return fmt.Errorf("s3 %s: %w", what, syscall.ENOSPC)
	}
	return fmt.Errorf("s3 %s: %w", what, err)
}

func hexOf(sum string) (string, error) {
	raw, err := base64.StdEncoding.DecodeString(sum)
	if err != nil {
		return "", fmt.Errorf("checksum %q is not base64: %w", sum, err)
	}
	return hex.EncodeToString(raw), nil
}

// escapeKey escapes a key for a copy source, segment by segment.
func escapeKey(key upload.Key) string {
	segments := strings.Split(string(key), "/")
	for i, segment := range segments {
		segments[i] = url.PathEscape(segment)
	}
	return strings.Join(segments, "/")
}
