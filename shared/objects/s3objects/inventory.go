package s3objects

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"hatchery/shared/upload"
)

// marker is what a cursor of an inventory holds: the list that it continues, and
// S3's own two markers. A made-up one can at most point elsewhere within that list.
type marker struct {
	Prefix  string `json:"p"`
	Key     string `json:"k"`
	Version string `json:"v,omitempty"`
}

// maxCursor is more than a cursor has that was given out, in characters: two keys of
// 1,024 bytes and a version id of as many, escaped and encoded.
const maxCursor = 32 << 10

var cursorForm = base64.RawURLEncoding

func (m marker) cursor() (upload.Cursor, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("write a cursor: %w", err)
	}
	return upload.Cursor(cursorForm.EncodeToString(text)), nil
}

// parseMarker reads a cursor of the list of a prefix.
func parseMarker(c upload.Cursor, prefix string) (marker, error) {
	var m marker
	text, err := cursorForm.DecodeString(string(c))
	if err != nil || len(c) > maxCursor || json.Unmarshal(text, &m) != nil ||
		m.Prefix != prefix || m.Key == "" || !strings.HasPrefix(m.Key, prefix) {
		return marker{}, upload.ErrBadCursor
	}
	if again, err := m.cursor(); err != nil || again != c {
		return marker{}, upload.ErrBadCursor
	}
	return m, nil
}

// ListVersions implements upload.Inventory.
func (s *Store) ListVersions(ctx context.Context, prefix string, cursor upload.Cursor,
	limit int) (upload.InventoryPage, error) {
	if limit < 1 || limit > upload.MaxPage {
		return upload.InventoryPage{}, fmt.Errorf("s3 list versions: the limit is %d, not 1 to %d", limit, upload.MaxPage)
	}
	in := &s3.ListObjectVersionsInput{Bucket: &s.bucket, Prefix: &prefix, MaxKeys: aws.Int32(int32(limit)),
		// Else a key with a character that XML has not would break the answer.
		EncodingType: types.EncodingTypeUrl}
	if cursor != "" {
		m, err := parseMarker(cursor, prefix)
		if err != nil {
			return upload.InventoryPage{}, fmt.Errorf("s3 list versions: %w", err)
		}
		in.KeyMarker, in.VersionIdMarker = &m.Key, optional(m.Version)
	}
	ctx, cancel := context.WithTimeout(ctx, s.callTimeout)
	defer cancel()
	out, err := s.client.ListObjectVersions(ctx, in)
	if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() == "InvalidArgument" && cursor != "" {
		return upload.InventoryPage{}, fmt.Errorf("s3 list versions: %w", upload.ErrBadCursor)
	}
	if err != nil {
		return upload.InventoryPage{}, translateError(err, "list versions")
	}
	return pageOf(out, prefix)
}

// pageOf reads what S3 answered.
func pageOf(out *s3.ListObjectVersionsOutput, prefix string) (upload.InventoryPage, error) {
	if err := checkListing(out); err != nil {
		return upload.InventoryPage{}, err
	}
	decode := func(s *string) (string, error) {
		if out.EncodingType != types.EncodingTypeUrl {
			return aws.ToString(s), nil
		}
		return url.QueryUnescape(aws.ToString(s))
	}
	p := upload.InventoryPage{Versions: make([]upload.ObjectVersion, 0, len(out.Versions))}
	for _, v := range out.Versions {
		key, err := decode(v.Key)
		if err != nil {
			return upload.InventoryPage{}, fmt.Errorf("s3 list versions: key %.100q: %w", aws.ToString(v.Key), err)
		}
		p.Versions = append(p.Versions,
			upload.ObjectVersion{Key: upload.Key(key), Version: upload.Version(aws.ToString(v.VersionId)),
				Size: aws.ToInt64(v.Size), At: aws.ToTime(v.LastModified).UTC()})
	}
	if !aws.ToBool(out.IsTruncated) {
		return p, nil
	}
	next, err := decode(out.NextKeyMarker)
	if err != nil || next == "" {
		return upload.InventoryPage{}, fmt.Errorf("s3 list versions: it is cut short, and goes on at %.100q",
			aws.ToString(out.NextKeyMarker))
	}
	p.Next, err = marker{prefix, next, aws.ToString(out.NextVersionIdMarker)}.cursor()
	return p, err
}

// checkListing refuses what is no listing: the SDK makes an empty one of any 200, and an
// upload whose bytes are not listed may be given up.
func checkListing(out *s3.ListObjectVersionsOutput) error {
	if out.IsTruncated == nil {
		return errors.New("s3 list versions: the answer is no listing")
	}
	return nil
}
