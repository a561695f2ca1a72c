//go:build acceptance

package acceptance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// sample is one of the files that the checks are tested with.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(moduleRoot(t), "shared", "sniff", "testdata", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// picture is a small real picture, different each time: its end is a comment
// that nobody shows.
func picture(t testing.TB) []byte {
	t.Helper()
	gif := sample(t, "genuine/go.gif")
	if gif[len(gif)-1] != ';' {
		t.Fatal("the sample does not end with a trailer")
	}
	comment := entryID()
	out := append(slices.Clone(gif[:len(gif)-1]), 0x21, 0xFE, byte(len(comment)))
	return append(append(out, comment...), 0, ';')
}

// uploadsByPost uploads a picture by POST and follows it to its end.
func uploadsByPost(ctx context.Context, s *stack, bytes []byte) error {
	e := s.newEntry()
	accepted, err := e.post(ctx, "images", "cat.gif", bytes)
	if err != nil {
		return err
	}
	return e.followed(ctx, accepted, bytes)
}

// uploadsByForm uploads a picture straight to the bucket.
func uploadsByForm(ctx context.Context, s *stack, bytes []byte) error {
	e := s.newEntry()
	asked, err := e.form(ctx, "images",
		map[string]any{"name": "cat.gif", "size": len(bytes), "type": "image/gif", "sha256": hexSum(bytes)})
	if err != nil {
		return err
	}
	a, err := e.fill(ctx, asked.Form, bytes)
	if err == nil && a.status/100 != 2 {
		err = fmt.Errorf("the bucket answered the form with %s", a)
	}
	if err != nil {
		return err
	}
	return e.followed(ctx, asked.Record, bytes)
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// followed is what has to hold of an accepted picture: it is stored, in the table
// and in the bucket, is served and listed, and leaves nothing when it is deleted.
func (e entry) followed(ctx context.Context, accepted record, bytes []byte) error {
	r, err := e.stored(ctx, accepted)
	if err != nil {
		return err
	}
	if r.ContentType != "image/gif" || r.SHA256 != hexSum(bytes) || r.Size == nil || *r.Size != int64(len(bytes)) {
		return fmt.Errorf("the record says %+v", r)
	}
	for _, step := range []func(context.Context, record, []byte) error{e.promoted, e.served, e.linked, e.listed, e.deleted} {
		if err := step(ctx, r, bytes); err != nil {
			return err
		}
	}
	return nil
}

// quarantineKey and filesKey are an upload's keys.
func (e entry) quarantineKey(r record) string {
	return fmt.Sprintf("quarantine/%s/entries/%s/%s/%s", e.journal, e.id, r.Kind, r.ID)
}

func (e entry) filesKey(r record) string {
	return "files/" + strings.TrimPrefix(e.quarantineKey(r), "quarantine/")
}

// promoted: the bytes are under files/ and nowhere else, and the table says so.
func (e entry) promoted(ctx context.Context, r record, want []byte) error {
	object, err := e.objects.GetObject(ctx, &s3.GetObjectInput{Bucket: &e.bucket, Key: aws.String(e.filesKey(r))})
	if err != nil {
		return fmt.Errorf("the promoted object: %w", err)
	}
	defer object.Body.Close()
	got, err := io.ReadAll(object.Body)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) || aws.ToString(object.ContentType) != "image/gif" ||
		object.Metadata["source-version"] == "" {
		return fmt.Errorf("the promoted object is %d bytes of %s with %v, want %d", len(got),
			aws.ToString(object.ContentType), object.Metadata, len(want))
	}
	// The validator acknowledges only when quarantine is empty, a moment after the verdict.
	if err := e.emptied(ctx, r); err != nil {
		return err
	}
	item, err := e.item(ctx, r)
	if err != nil {
		return err
	}
	if text(item, "status") != "stored" || text(item, "sha256") != hexSum(want) || item["forget"] != nil {
		return fmt.Errorf("the item in the table is %v", shown(item))
	}
	return nil
}

// served: the API gives the bytes as they were sent, and says what they are.
func (e entry) served(ctx context.Context, r record, want []byte) error {
	a, err := e.want(ctx, http.StatusOK, nil, http.MethodGet, e.path(r.Kind, r.ID), nil)
	if err != nil {
		return err
	}
	if !bytes.Equal(a.body, want) || a.header.Get("Content-Type") != "image/gif" ||
		a.header.Get("X-Content-Type-Options") != "nosniff" ||
		a.header.Get("ETag") != `"`+r.SHA256+`"` {
		return fmt.Errorf("served as %s", a)
	}
	part, err := e.want(ctx, http.StatusPartialContent, nil, http.MethodGet, e.path(r.Kind, r.ID), nil, "Range",
		"bytes=1-3")
	if err == nil && !bytes.Equal(part.body, want[1:4]) {
		err = fmt.Errorf("the range is served as %s", part)
	}
	return err
}

// linked: a link reads the bytes without the caller's token.
func (e entry) linked(ctx context.Context, r record, want []byte) error {
	var link struct{ URL string }
	if _, err := e.want(ctx, http.StatusOK, &link, http.MethodGet, e.path(r.Kind, r.ID, "link"), nil); err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, link.URL, nil)
	if err != nil {
		return err
	}
	a, err := e.exchange(request)
	if err == nil && (a.status != http.StatusOK || !bytes.Equal(a.body, want) ||
		a.header.Get("Content-Type") != "image/gif") {
		err = fmt.Errorf("the link %s is answered %s", link.URL, a)
	}
	return err
}

// listed: the entry's list has the upload and nothing else.
func (e entry) listed(ctx context.Context, r record, _ []byte) error {
	var list struct{ Images []record }
	if _, err := e.want(ctx, http.StatusOK, &list, http.MethodGet, e.path(r.Kind), nil); err != nil {
		return err
	}
	if len(list.Images) != 1 || list.Images[0].ID != r.ID {
		return fmt.Errorf("the list is %+v, want %s alone", list.Images, r.ID)
	}
	return nil
}

// deleted: a deletion leaves a tombstone in the table and no version of any key.
func (e entry) deleted(ctx context.Context, r record, _ []byte) error {
	for _, call := range []struct {
		method, path string
		status       int
	}{
		{http.MethodDelete, e.path(r.Kind, r.ID), http.StatusOK},
		{http.MethodDelete, e.path(r.Kind, r.ID), http.StatusNotFound},
		{http.MethodGet, e.path(r.Kind, r.ID), http.StatusNotFound},
		{http.MethodGet, e.path(r.Kind, r.ID, "status"), http.StatusOK},
	} {
		if _, err := e.want(ctx, call.status, nil, call.method, call.path, nil); err != nil {
			return err
		}
	}
	for _, key := range []string{e.quarantineKey(r), e.filesKey(r)} {
		if versions, err := e.versions(ctx, key); err != nil || len(versions) > 0 {
			return fmt.Errorf("after the deletion %s has the versions %v, %w", key, versions, err)
		}
	}
	item, err := e.item(ctx, r)
	if err == nil && (text(item, "status") != "deleted" || item["forget"] == nil) {
		err = fmt.Errorf("the tombstone in the table is %v", shown(item))
	}
	return err
}

// versions are all versions and delete markers of a key.
func (s *stack) versions(ctx context.Context, key string) ([]string, error) {
	out, err := s.objects.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &s.bucket, Prefix: &key})
	if err != nil {
		return nil, err
	}
	found := []string{}
	for _, v := range out.Versions {
		found = append(found, aws.ToString(v.VersionId))
	}
	for _, m := range out.DeleteMarkers {
		found = append(found, "marker "+aws.ToString(m.VersionId))
	}
	return found, nil
}

var errNoItem = errors.New("there is no such item in the table")

// item is an upload's item, as it lies in the table.
func (e entry) item(ctx context.Context, r record) (map[string]types.AttributeValue, error) {
	out, err := e.database.GetItem(ctx,
		&dynamodb.GetItemInput{TableName: &e.table, Key: e.itemKey(r), ConsistentRead: aws.Bool(true)})
	if err == nil && out.Item == nil {
		err = errNoItem
	}
	if err != nil {
		return nil, fmt.Errorf("the item of %s: %w", r.ID, err)
	}
	return out.Item, nil
}

func (e entry) itemKey(r record) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: fmt.Sprintf("e#%s/%s/%s", e.journal, e.id, r.Kind)},
		"sk": &types.AttributeValueMemberS{Value: "r#" + r.ID},
	}
}

// text is an item's text attribute, or "".
func text(item map[string]types.AttributeValue, name string) string {
	s, _ := item[name].(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

// shown shows an item.
func shown(item map[string]types.AttributeValue) map[string]any {
	all := map[string]any{}
	for name, value := range item {
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			all[name] = v.Value
		case *types.AttributeValueMemberN:
			all[name] = v.Value
		default:
			all[name] = value
		}
	}
	return all
}
