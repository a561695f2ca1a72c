package api_test

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hatchery/shared/api"
	"hatchery/shared/upload"
)

// send gives a request of any shape to a fresh handler and checks what holds for
// every answer.
func send(t *testing.T, dir string, r *http.Request) (*fixture, reply) {
	t.Helper()
	w := newFixture(t, func(w *fixture) { w.config.SpoolDir = dir })
	recorder := httptest.NewRecorder()
	w.handler.ServeHTTP(recorder, r)
	got := readReply(t, recorder.Result())
	// The record whose object is lost is meant to be a 500.
	if got.status == http.StatusInternalServerError && !strings.Contains(strings.ToLower(r.URL.Path), idLost) {
		t.Fatalf("%s %s: %s", r.Method, r.URL, w.log.String())
	}
	if got.status >= 400 && r.Method != http.MethodHead {
		code, _ := got.member(t, "code").(string)
		if api.Codes()[code] != got.status {
			t.Fatalf("code %q with status %d", code, got.status)
		}
	}
	w.wantClean()
	return w, got
}

// of makes a request for a path and query that may be anything, or nil when no
// request line could carry them.
func of(t *testing.T, method, path, query string, body io.Reader) *http.Request {
	u, err := url.Parse(path)
	if err != nil || u.Host != "" || u.Scheme != "" {
		return nil
	}
	u.RawQuery = query
	r := request(t, http.MethodGet, "/", body)
	r.Method, r.URL = method, u
	return r
}

// FuzzPost: whatever is posted is stored byte for byte, or refused and nothing
// is left.
func FuzzPost(f *testing.F) {
	contentType, body := form("a", "1", "file@", "bytes")
	f.Add("image_name=cat.png", contentType, "key", []byte(body))
	f.Add("name=My.Cat.PNG", "image/png", "", []byte("bytes"))
	f.Add("name=%FF.png;x", "multipart/form-data; boundary=\"", "k k", []byte{})
	f.Add("name=a.gif&image_name=b.gif", "multipart/form-data; boundary=x", "", []byte("--x\r\n\r\n--x--"))
	f.Add("name=a.gif", "multipart/form-data; boundary=x", "",
		[]byte("--x\r\nContent-Disposition: form-data; name=file\r\n\r\n\r\n--x\r\n"))
	for _, s := range append(properClients(), oddClients()...) {
		f.Add("name=cat.png", s.contentType, "", []byte(s.text()))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, query, contentType, key string, body []byte) {
		r := of(t, "POST", files, query, bytes.NewReader(body))
		r.Header["Content-Type"] = []string{contentType}
		if key != "" {
			r.Header["Idempotency-Key"] = []string{key}
		}
		w, got := send(t, dir, r)
		if got.status != http.StatusAccepted {
			w.wantNothingNew()
			return
		}
		id, _ := got.member(t, "id").(string)
		kept, ok := w.objects.Bytes(w.pipeline.Layout.QuarantineKey(ref("e", id)), "")
		if !ok || !bytes.Contains(body, kept) {
			t.Fatalf("quarantine holds %q, which was not sent", kept)
		}
		if !strings.HasPrefix(strings.ToLower(contentType), "multipart/") && !bytes.Equal(kept, body) {
			t.Fatalf("quarantine holds %q of %q", kept, body)
		}
		if files := filesWithin(contentType, body); len(files) > 1 || len(files) == 1 && !bytes.Equal(kept, files[0]) {
			t.Fatalf("quarantine holds %q of the files %q", kept, files)
		}
	})
}

// filesWithin gives the files of a multipart body that needs no second reading: the parts with a byte that are named
// "file" or have a filename, but "blob", which may be JSON.
func filesWithin(contentType string, body []byte) (files [][]byte) {
	mediaType, said, err := mime.ParseMediaType(contentType)
	if err != nil || mediaType != "multipart/form-data" || !bytes.HasPrefix(body, []byte("--"+said["boundary"]+"\r\n")) {
		return nil
	}
	for parts := multipart.NewReader(bytes.NewReader(body), said["boundary"]); ; {
		part, err := parts.NextRawPart()
		if err != nil {
			return files
		}
		content, _ := io.ReadAll(part)
		_, said, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
		if err == nil && len(content) > 0 && (said["name"] == "file" || said["filename"] != "" && said["filename"] != "blob") {
			files = append(files, content)
		}
	}
}

// FuzzParameters: whatever a header holds, each value is a piece of it, and a proper header means what mime reads.
func FuzzParameters(f *testing.F) {
	for _, s := range append(properClients(), oddClients()...) {
		f.Add(s.contentType)
		for line := range strings.Lines(s.body) {
			if strings.HasPrefix(line, "Content-Disposition:") {
				f.Add(strings.TrimSpace(line))
			}
		}
	}
	f.Add(`a; b="c\"; d="; e="f`)
	f.Add("a;" + strings.Repeat(`;"`, 1000))
	f.Fuzz(func(t *testing.T, header string) {
		found := api.Parameters(header)
		for name, value := range found {
			if !strings.Contains(header, value) {
				t.Fatalf("%q is read as %q of %q", value, name, header)
			}
		}
		// Where a value has no quote within and the next name is near, the two have to agree.
		if slices.ContainsFunc(strings.Split(header, "="), func(piece string) bool { return len(piece) > 60 }) {
			return
		}
		_, proper, err := mime.ParseMediaType(header)
		control := func(r rune) bool { return r < ' ' && r != '\t' || r >= 0x7f } // which no header has, or no token
		if err != nil || strings.ContainsFunc(header, control) || strings.ContainsAny(header, "*\\") || strings.Count(header, `"`)%2 != 0 {
			return
		}
		for name, value := range proper {
			if got := api.Unquoted(found[name]); got != value && !strings.ContainsAny(value, ";") {
				t.Fatalf("%q is %q in %q, which mime reads as %q", name, got, header, value)
			}
		}
	})
}

// FuzzForm: whatever JSON asks for a form, it is refused and nothing is left, or
// the form is for the record's own key and no larger than allowed.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{`{"name":"cat.png","size":1,"type":"image/png"}`, `{"name":"a\u202e.png"}`,
		`{"name":"x.png","size":1e3}`, `{"name":"x.png"}{}`, `null`, "{\"name\":\"\xff.png\"}"} {
		f.Add([]byte(seed))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, body []byte) {
		w, got := send(t, dir, request(t, "POST", files+"/uploads", bytes.NewReader(body), "Content-Type",
			"application/json"))
		if got.status != http.StatusCreated {
			w.wantNothingNew()
			return
		}
		id, _ := got.member(t, "record", "id").(string)
		if key := got.member(t, "form", "fields", "key"); key != string(w.pipeline.Layout.QuarantineKey(ref("e", id))) {
			t.Fatalf("a form for %v", key)
		}
	})
}

// FuzzRead: whatever is asked of any path, nothing panics, and no bytes come but
// those of a stored file at its own address.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{"/ping", files, files + "/" + idStored, files + "/" + idLost,
		files + "/" + idPending + "/status", "/files/%2e%2e/entries/e/images", "//", "/files/j/entries/e/images/uploads"} {
		f.Add("GET", seed, "limit=1&cursor=x&status=stored&wait=0", "bytes=0-3", `"x"`)
	}
	f.Add("HEAD", files, "cursor=AAAA&limit=1000", "bytes=-1", "*")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, method, path, query, ranges, match string) {
		if method == http.MethodPost {
			return
		}
		r := of(t, method, path, query, nil)
		if r == nil || strings.Contains(query, "wait") && !strings.HasSuffix(query, "wait=0") {
			return // waiting takes its time
		}
		r.Header["Range"], r.Header["If-None-Match"] = []string{ranges}, []string{match}
		_, got := send(t, dir, r)
		id, isFile := strings.CutPrefix(strings.ToLower(strings.TrimSuffix(r.URL.Path, "/")), files+"/")
		if got.header.Get("Accept-Ranges") == "" || got.status >= 400 || got.status == http.StatusNotModified {
			return
		}
		if _, err := upload.ParseID(id); !isFile && !strings.Contains(path, "large") && !strings.Contains(path, "named") ||
			err != nil && isFile {
			t.Fatalf("%s %s gave bytes: %d %q", method, path, got.status, got.body)
		}
	})
}

// FuzzSingleRange: what is read as a range has the form of one.
func FuzzSingleRange(f *testing.F) {
	form := regexp.MustCompile(`^bytes=(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))$`)
	for _, value := range []string{"", "bytes=", "bytes=-", "bytes=0-", "bytes=0-1", "bytes=-5", "bytes=--5", "bytes=0-1-2",
		"bytes=0-1,2-3", "bytes= 0-1", "Bytes=0-1", "0-1", "bytes=a-1", "bytes=1-a", "bytes=+1-2", "bytes=１-2",
		"bytes=123456789012345678-123456789012345678", "bytes=1234567890123456789-", "bytes=-1234567890123456789"} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		first, last, ok := api.SingleRange(value)
		m := form.FindStringSubmatch(value)
		if ok != (m != nil) || ok && (first != m[1] || last != m[2]+m[3]) {
			t.Fatalf("%q: %q to %q, %v; want %q", value, first, last, ok, m)
		}
	})
}

// FuzzCursor: a cursor that no list gave is refused or lists records
// of this entry alone.
func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add("e30")
	f.Add(strings.Repeat("A", 3000))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, cursor string) {
		_, got := send(t, dir, of(t, "GET", files, "limit=1&cursor="+url.QueryEscape(cursor), nil))
		if got.status != http.StatusOK {
			return
		}
		records, _ := got.member(t, "images").([]any)
		for _, r := range records {
			if r.(map[string]any)["entry_id"] != "e" {
				t.Fatalf("another entry's record: %v", r)
			}
		}
	})
}
