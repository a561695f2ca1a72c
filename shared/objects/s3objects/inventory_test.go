package s3objects_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"hatchery/shared/objects/s3objects"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

func TestTheBucketKeepsTheContractOfTheInventory(t *testing.T) {
	c := client(endpoint, secretKey)
	uploadtest.RunInventory(t, func(t *testing.T) uploadtest.InventoryHarness {
		s := open(t)
		return uploadtest.InventoryHarness{Inventory: s, Objects: s, Now: time.Now, Overwrite: overwriter(c), Mark: markerOf(c)}
	})
}

// answering is a bucket that answers everything with this.
func answering(t *testing.T, status int, body string) (s *s3objects.Store, asked func() *http.Request) {
	t.Helper()
	var last *http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		last = r
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return s3objects.New(client(server.URL, secretKey), bucket), func() *http.Request { return last }
}

const listed = `<?xml version="1.0" encoding="UTF-8"?><ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">%s</ListVersionsResult>`

// TestKeysComeEscapedAndAreReadBack: S3 escapes them when it is asked to, as the
// embedded one does not.
func TestKeysComeEscapedAndAreReadBack(t *testing.T) {
	s, asked := answering(t, http.StatusOK, fmt.Sprintf(listed, `<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
		<NextKeyMarker>q/b%2Bc+d</NextKeyMarker><NextVersionIdMarker>v2</NextVersionIdMarker>
		<Version><Key>q/a%0Ab%C3%A9</Key><VersionId>v1</VersionId><Size>7</Size><LastModified>2026-01-02T03:04:05.678Z</LastModified></Version>
		<Version><Key>q/b%2Bc+d</Key><VersionId>v2</VersionId><Size>8</Size><LastModified>2026-01-02T03:04:05.678Z</LastModified></Version>`))
	page, err := s.ListVersions(t.Context(), "q/", "", 2)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	want := []upload.ObjectVersion{{Key: "q/a\nbé", Version: "v1", Size: 7, At: at}, {Key: "q/b+c d", Version: "v2", Size: 8, At: at}}
	if !slices.Equal(page.Versions, want) {
		t.Errorf("listed %+v, want %+v", page.Versions, want)
	}
	if q := asked().URL.Query(); q.Get("encoding-type") != "url" || q.Get("max-keys") != "2" || q.Get("prefix") != "q/" {
		t.Errorf("asked for %v", q)
	}
	if _, err := s.ListVersions(t.Context(), "q/", page.Next, 2); err != nil {
		t.Fatal(err)
	}
	if q := asked().URL.Query(); q.Get("key-marker") != "q/b+c d" || q.Get("version-id-marker") != "v2" {
		t.Errorf("went on with %v", q)
	}
}

func TestAMarkerThatTheBucketRefusesIsABadCursor(t *testing.T) {
	s, _ := answering(t, http.StatusOK, fmt.Sprintf(listed, `<IsTruncated>true</IsTruncated><NextKeyMarker>q/a</NextKeyMarker><NextVersionIdMarker>v</NextVersionIdMarker>`))
	page, err := s.ListVersions(t.Context(), "q/", "", 1)
	if err != nil || page.Next == "" {
		t.Fatalf("%+v, %v", page, err)
	}
	refusing, _ := answering(t, http.StatusBadRequest, `<Error><Code>InvalidArgument</Code><Message>Invalid version id specified</Message></Error>`)
	if _, err := refusing.ListVersions(t.Context(), "q/", page.Next, 1); !errors.Is(err, upload.ErrBadCursor) {
		t.Errorf("%v, want ErrBadCursor", err)
	}
	if _, err := refusing.ListVersions(t.Context(), "q/", "", 1); err == nil || errors.Is(err, upload.ErrBadCursor) {
		t.Errorf("without a cursor: %v, want trouble", err)
	}
}

func TestAnAnswerThatCannotBeReadIsTrouble(t *testing.T) {
	for name, body := range map[string]string{
		"cut short without saying where": fmt.Sprintf(listed, `<IsTruncated>true</IsTruncated>`),
		"a key that is no escape":        fmt.Sprintf(listed, `<EncodingType>url</EncodingType><Version><Key>q/%zz</Key></Version>`),
		"no XML":                         "hello",
	} {
		s, _ := answering(t, http.StatusOK, body)
		if page, err := s.ListVersions(t.Context(), "q/", "", 1); err == nil || errors.Is(err, upload.ErrBadCursor) {
			t.Errorf("%s: %+v, %v; want trouble", name, page, err)
		}
	}
	s, _ := answering(t, http.StatusOK, "hello")
	if versions, err := s.Versions(t.Context(), "q/a"); err == nil {
		t.Errorf("the versions of a key are %q by an answer that is no XML", versions)
	}
}
