package s3objects_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"hatchery/shared/objects/s3objects"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

func TestTheBucketKeepsTheContractOfNotes(t *testing.T) {
	c := client(endpoint, secretKey)
	uploadtest.RunNotes(t, func(*testing.T) uploadtest.NotesHarness {
		return uploadtest.NotesHarness{Notes: s3objects.NewNotes(c, bucket),
			Overwrite: func(t *testing.T, key upload.Key, body []byte) {
				t.Helper()
				overwriter(c)(t, key, body)
			}}
	})
}

// notesOf are notes in a bucket that answers everything with this.
func notesOf(t *testing.T, status int, body string) *s3objects.Notes {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return s3objects.NewNotes(client(server.URL, secretKey), bucket)
}

func TestTroubleIsNotTakenForANoteThatIsNotThere(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		gone   bool
	}{
		"no such key":    {http.StatusNotFound, "<Error><Code>NoSuchKey</Code></Error>", true},
		"access denied":  {http.StatusForbidden, "<Error><Code>AccessDenied</Code></Error>", false},
		"no such bucket": {http.StatusNotFound, "<Error><Code>NoSuchBucket</Code></Error>", false},
		"S3 is down":     {http.StatusServiceUnavailable, "<Error><Code>SlowDown</Code></Error>", false},
	} {
		t.Run(name, func(t *testing.T) {
			n := notesOf(t, c.status, c.body)
			_, err := n.Get(t.Context(), "dead-letters/a")
			if err == nil || errors.Is(err, upload.ErrGone) != c.gone || !strings.Contains(err.Error(), `"dead-letters/a"`) {
				t.Errorf("get: %v", err)
			}
			if err := n.Put(t.Context(), "dead-letters/a", nil); err == nil {
				t.Error("put is said to have been done")
			}
			if _, err := n.List(t.Context(), "dead-letters/", "", 10); err == nil {
				t.Error("list is said to have been done")
			}
		})
	}
}

func TestWhatIsNoListOfNotesIsTrouble(t *testing.T) {
	for _, body := range []string{"", "<html></html>", "<ListBucketResult></ListBucketResult>",
		"<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
		"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>" +
			"<Contents><Key>dead-letters/%zz</Key></Contents></ListBucketResult>"} {
		if page, err := notesOf(t, http.StatusOK, body).List(t.Context(), "dead-letters/", "", 10); err == nil {
			t.Errorf("%q is read as %+v", body, page)
		}
	}
}

func TestKeysOfNotesComeEscapedAndAreReadBack(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("encoding-type") != "url" {
			t.Errorf("asked %s", r.URL)
		}
		_, _ = io.WriteString(w, "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>"+
			"<Contents><Key>dead-letters/a%0A+%C3%A9%2B</Key></Contents></ListBucketResult>")
	}))
	t.Cleanup(server.Close)
	n := s3objects.NewNotes(client(server.URL, secretKey), bucket)
	page, err := n.List(t.Context(), "dead-letters/", "", 10)
	if err != nil || !slices.Equal(page.Keys, []upload.Key{"dead-letters/a\n é+"}) {
		t.Errorf("%+v, %v", page, err)
	}
}

func TestANoteThatMakesNoProgressEnds(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "half-")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	n := s3objects.NewNotes(client(server.URL, secretKey), bucket)
	n.SetCallTimeout(50 * time.Millisecond)
	if body, err := n.Get(t.Context(), "dead-letters/a"); err == nil {
		t.Errorf("read %q", body)
	}
}
