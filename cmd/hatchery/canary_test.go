package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// The tokens of callers that must be found nowhere afterwards. The second has the
// form that Bugout's have, so that its auth server is asked about it.
const (
	canary     = "canary-51c0ffee93d7"
	canaryUUID = "ca9a47b1-51c0-4fee-93d7-0badcafe0001"
)

// gossip is an application that answers by the journal, and tells the caller's token
// again wherever it can.
func gossip(t *testing.T) (url string, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	answers := map[string]int{"allowed": 200, "unknown": 404, "refused": 403, "unauthorized": 401, "hurried": 429, "odd": 418, "elsewhere": 302, "broken": 500, "away": 503}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		token, journal := r.Header.Get("Authorization"), strings.Split(r.URL.Path, "/")[2]
		if journal == "garbled" {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 %s\r\n%s\r\n\r\n%s", token, token, token)
			_ = conn.Close() // it is not HTTP anyway
			return
		}
		w.Header().Set("X-Token", token)
		w.Header().Set("Set-Cookie", "token="+token)
		w.Header().Set("Retry-After", token)
		w.Header().Set("Location", "/"+token)
		w.WriteHeader(answers[journal])
		_, _ = io.WriteString(w, token) // the caller may be gone
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

// journals are all that gossip knows.
var journals = []string{"allowed", "unknown", "refused", "unauthorized", "hurried", "odd", "elsewhere", "broken", "away", "garbled"}

func TestACallersTokenIsFoundNowhereAfterwards(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store string) {
		application, asked := gossip(t)
		t.Setenv("HATCHERY_GRANT_SECONDS", "60")
		t.Setenv("HATCHERY_CORS_ORIGINS", "https://notes.example.com")
		if store == "bugout" {
			t.Setenv("HATCHERY_APPLICATION", "spire") // the stand-in is asked about tokens, too
		}
		data := t.TempDir()
		h := startHatchery(t, data, "--records", store, "--app", application)
		for _, token := range []string{canary, "Bearer " + canary, "Bearer " + canaryUUID} {
			for _, journal := range journals {
				before := asked.Load()
				h.everyRoute(t, token, "/files/"+journal+"/entries/found-in-records/images")
				// A grant is believed for a while.
				if journal != "allowed" && asked.Load() < before+7 {
					t.Errorf("%s: the application was asked %d times", journal, asked.Load()-before)
				}
			}
		}
		if code := h.interrupt(); code != exitDone {
			t.Errorf("exit code %d: %s", code, h.errors)
		}
		told := h.log.String() + h.errors.String()
		notIn(t, "what dev printed", []byte(told))
		if !strings.Contains(told, "/files/{journal}") {
			t.Errorf("dev's log has no requests: %s", told)
		}
		found := 0
		files := 0
		err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			notIn(t, path, append([]byte(path+"\n"), text...))
			files++
			if bytes.Contains(text, []byte("found-in-records")) {
				found++ // so the search finds what is there
			}
			return err
		})
		if err != nil || found == 0 || files < 10 {
			t.Errorf("of %d files %d name the entry, %v", files, found, err)
		}
	})
}

// notIn reports a canary.
func notIn(t *testing.T, where string, text []byte) {
	t.Helper()
	for _, token := range []string{canary, canaryUUID, strings.ReplaceAll(canaryUUID, "-", "")} {
		if at := bytes.Index(text, []byte(token)); at >= 0 {
			t.Errorf("a caller's token is in %s: %q", where, text[max(0, at-100):min(len(text), at+100)])
		}
	}
}

// everyRoute asks everything that can be asked under a path, well and badly, and
// looks for the canary in every answer.
func (h *hatchery) everyRoute(t *testing.T, token, path string) {
	t.Helper()
	ask := func(method, path, contentType string, body io.Reader) answer {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, h.base+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", token)
		r.Header.Set("Origin", "https://notes.example.com")
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		a, err := h.send(r)
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		var header bytes.Buffer
		if err := a.header.Write(&header); err != nil {
			t.Fatal(err)
		}
		notIn(t, method+" "+path, append(header.Bytes(), a.body...))
		return a
	}
	upload := func(query string, data []byte) answer {
		contentType, body := multipartOf(nil, "upload.bin", data)
		return ask(http.MethodPost, path+query, contentType, body)
	}
	ask(http.MethodGet, "/ping", "", nil)
	ask(http.MethodGet, "/nowhere", "", nil)
	ask(http.MethodOptions, path, "", nil)
	ask(http.MethodPut, path, "", nil)
	ask(http.MethodGet, path, "", nil)
	ask(http.MethodHead, path, "", nil)
	ask(http.MethodGet, path+"?cursor=x&limit=1", "", nil)
	ask(http.MethodPost, path+"?image_name=cat.png", "multipart/form-data; boundary=x", strings.NewReader("no multipart"))
	upload("?image_name=cat.exe", nil)
	for _, data := range [][]byte{pngOf(t, 6, 1), []byte("a liar")} {
		posted := upload("?image_name=cat.png", data)
		id := "00000000-0000-4000-8000-000000000000"
		if posted.status == http.StatusAccepted {
			id = posted.record(t).ID
		}
		ask(http.MethodGet, path+"/"+id, "", nil) // maybe before the verdict
		ask(http.MethodGet, path+"/"+id+"/status?wait=20", "", nil)
		ask(http.MethodGet, path+"/"+id, "", nil)
		ask(http.MethodHead, path+"/"+id, "", nil)
		if len(data) < 10 { // the other stays, so that there is something to look into
			ask(http.MethodDelete, path+"/"+id, "", nil)
			ask(http.MethodDelete, path+"/"+id, "", nil)
		}
	}
	if a := ask(http.MethodPost, path+"?image_name=cat.png", "image/png", bytes.NewReader(pngOf(t, 6, 2))); a.status == http.StatusAccepted {
		ask(http.MethodGet, path+"/"+a.record(t).ID+"/status?wait=20", "", nil)
	}
	ask(http.MethodPost, path+"/uploads", "application/json", strings.NewReader(`{"name":"cat.png"}`))
	ask(http.MethodPost, path+"/uploads", "application/json", strings.NewReader(`{"name":`))

	// A client that shows its token where it should not: the bucket and the queue.
	for _, url := range []string{h.env["AWS_ENDPOINT_URL_S3"] + "/" + h.env["HATCHERY_BUCKET"] + path, h.env["HATCHERY_QUEUE_URL"]} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", token)
		if a, err := h.send(r); err != nil || a.status < 400 {
			t.Errorf("%s: %d, %v", url, a.status, err)
		}
	}
}

// TestATokenOfBugoutsIsToldFromAnOutage: with application=spire a 500 leads to one
// more question, at Bugout's auth server.
func TestATokenOfBugoutsIsToldFromAnOutage(t *testing.T) {
	application, _ := gossip(t)
	t.Setenv("HATCHERY_APPLICATION", "spire")
	h := startHatchery(t, t.TempDir(), "--records", "bugout", "--app", application)
	for token, want := range map[string]int{"Bearer " + canaryUUID: http.StatusUnauthorized, "Bearer no-uuid": http.StatusUnauthorized,
		"Bearer " + h.env["HATCHERY_BUGOUT_TOKEN"]: http.StatusServiceUnavailable} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.base+"/files/broken/entries/e/images", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", token)
		if a, err := h.send(r); err != nil || a.status != want {
			t.Errorf("a token is answered %d, %v, want %d", a.status, err, want)
		}
	}
}

// TestAGrantIsBelievedForAsLongAsTheSettingSays counts questions.
func TestAGrantIsBelievedForAsLongAsTheSettingSays(t *testing.T) {
	for seconds, want := range map[string]int64{"": 3, "60": 1} {
		application, asked := gossip(t)
		t.Setenv("HATCHERY_GRANT_SECONDS", seconds)
		h := startHatchery(t, t.TempDir(), "--app", application)
		for range 3 {
			h.do(http.MethodGet, "/files/allowed/entries/e/images", "", nil)
		}
		if asked.Load() != want {
			t.Errorf("with %q seconds the application was asked %d times, want %d", seconds, asked.Load(), want)
		}
	}
}
