package s3objects

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"hatchery/shared/upload"
)

// Notes keeps notes about dead letters in the bucket of uploads. Its methods may be called
// concurrently.
type Notes struct {
	client *s3.Client
	bucket string
	// callTimeout bounds a call with its body and its retries: a note is small.
	callTimeout time.Duration
}

var _ upload.Notes = (*Notes)(nil)

// NewNotes makes Notes of a bucket. The client's own retries apply.
func NewNotes(client *s3.Client, bucket string) *Notes {
	return &Notes{client: client, bucket: bucket, callTimeout: 15 * time.Second}
}

// Put implements upload.Notes.
func (n *Notes) Put(ctx context.Context, key upload.Key, body []byte) error {
	if err := upload.CheckNote(key, len(body)); err != nil {
		return fmt.Errorf("s3 put: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, n.callTimeout)
	defer cancel()
	_, err := n.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &n.bucket, Key: aws.String(string(key)),
		Body: bytes.NewReader(body), ContentType: aws.String("application/octet-stream")})
	return translateError(err, fmt.Sprintf("put %q", key))
}

// Get implements upload.Notes. To whoever may not s3:ListBucket, S3 answers 403 for a note
// that is not there: that is no ErrGone, because a note may be there and be refused.
func (n *Notes) Get(ctx context.Context, key upload.Key) ([]byte, error) {
	if err := upload.CheckNote(key, 0); err != nil {
		return nil, fmt.Errorf("s3 get: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, n.callTimeout)
	defer cancel()
	out, err := n.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &n.bucket, Key: aws.String(string(key))},
		withoutSumQuietly)
	if err != nil {
		return nil, translateError(err, fmt.Sprintf("get %q", key))
	}
	body, err := io.ReadAll(io.LimitReader(out.Body, upload.MaxNoteBytes+1))
	if err = errors.Join(err, out.Body.Close()); err != nil {
		return nil, fmt.Errorf("s3 get %q: %w", key, err)
	}
	if err := upload.CheckNote(key, len(body)); err != nil {
		return nil, fmt.Errorf("s3 get: %w", err)
	}
	return body, nil
}

// List implements upload.Notes.
func (n *Notes) List(ctx context.Context, prefix string, cursor upload.Cursor, limit int) (upload.NotesPage, error) {
	after, err := upload.NotesAfter(prefix, cursor, limit)
	if err != nil {
		return upload.NotesPage{}, fmt.Errorf("s3 list: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, n.callTimeout)
	defer cancel()
	out, err := n.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &n.bucket, Prefix: &prefix,
		StartAfter: optional(after), MaxKeys: aws.Int32(int32(limit)),
		// Else a key with a character that XML has not would break the answer.
		EncodingType: types.EncodingTypeUrl})
	if err != nil {
		return upload.NotesPage{}, translateError(err, fmt.Sprintf("list %q", prefix))
	}
	if out.IsTruncated == nil { // the SDK makes an empty listing of any 200
		return upload.NotesPage{}, fmt.Errorf("s3 list %q: the answer is no listing", prefix)
	}
	page := upload.NotesPage{Keys: make([]upload.Key, 0, len(out.Contents))}
	for _, object := range out.Contents {
		key := aws.ToString(object.Key)
		if out.EncodingType == types.EncodingTypeUrl {
			if key, err = url.QueryUnescape(key); err != nil {
				return upload.NotesPage{}, fmt.Errorf("s3 list %q: key %.100q: %w", prefix, key, err)
			}
		}
		page.Keys = append(page.Keys, upload.Key(key))
	}
	if !*out.IsTruncated {
		return page, nil
	}
	if len(page.Keys) == 0 {
		return upload.NotesPage{}, fmt.Errorf("s3 list %q: it is cut short before its first key", prefix)
	}
	page.Next = upload.NotesCursor(prefix, page.Keys[len(page.Keys)-1])
	return page, nil
}
