package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// api is one that keeps what it was asked.
type api struct {
	asked  []string
	body   string
	status string // of every upload
	refuse bool
	paused bool
	down   bool // of lists
}

const uploaded = "019a0000-0000-7000-8000-000000000001"

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.asked = append(a.asked, fmt.Sprintf("%s %s %s", r.Method, r.URL.RequestURI(), r.Header.Get("Authorization")))
	record := map[string]any{"id": uploaded, "name": "x", "extension": "png", "filename": hostile, "status": a.status,
		"content_type": "image/png"}
	if a.status == "rejected" {
		record["reason"] = map[string]string{"code": "type_mismatch", "message": hostile}
	}
	var answer any = record
	status := http.StatusOK
	switch {
	case r.Method == http.MethodPost && a.refuse:
		status, answer = http.StatusNotAcceptable, map[string]string{"detail": "Files of " + hostile + " are not accepted."}
	case r.Method == http.MethodPost:
		body, _ := io.ReadAll(r.Body)
		a.body, status = string(body), http.StatusAccepted
	case strings.HasSuffix(r.URL.Path, "/link"):
		answer = map[string]string{"url": "http://127.0.0.1:9000/b/k?X-Amz-Expires=300"}
	case r.URL.Query().Has("limit") && a.down:
		status, answer = http.StatusServiceUnavailable, nil
	case r.URL.Query().Has("limit"):
		answer = map[string]any{"images": []any{record}}
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}

func newStart(t *testing.T, a *api, token string) *Start {
	t.Helper()
	s, err := NewStart(Start{API: a, Token: token, URL: "http://" + host, Kind: "images", Paused: func() bool { return a.paused }, Log: slog.New(slog.DiscardHandler)}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func send(s http.Handler, method, path, origin string, body io.Reader) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://"+host+path, body)
	r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestThePageThatAPersonBeginsAtShowsHowTheAPIIsCalledAndWhatIsStored(t *testing.T) {
	a := &api{status: "stored"}
	w := send(newStart(t, a, "demo"), http.MethodGet, "/", "", nil)
	contains(t, w.Body.String(), "curl -i -H 'Authorization: demo'", "http://"+host+"/files/demo/entries/1/images",
		`<img src="http://127.0.0.1:9000/b/k?X-Amz-Expires=300"`, `href="/console/"`, `type="file"`)
	contains(t, w.Header().Get("Content-Security-Policy"), "img-src 'self' http://127.0.0.1:9000;", "default-src 'none'")
	lacks(t, w.Body.String(), "<script", "\u202e", "?token=", "The newest are shown")
	send(newStart(t, a, "demo"), http.MethodGet, "/?journal=j&entry=e", "", nil)
	if last := a.asked[len(a.asked)-2]; last != "GET /files/j/entries/e/images?limit=24 demo" {
		t.Errorf("asked was %q", last)
	}
	for path, want := range map[string]int{"/?journal=..&entry=x": 400, "/?journal=a%2Fb&entry=x": 400, "/?entry=x": 400} {
		before := len(a.asked)
		if w := send(newStart(t, a, "demo"), http.MethodGet, path, "", nil); w.Code != want ||
			strings.Contains(strings.Join(a.asked[before:], " "), "..") {
			t.Errorf("%s: %d, asked %q", path, w.Code, a.asked[before:])
		}
	}
}

func TestAFormUploadsAndItsVerdictIsShown(t *testing.T) {
	a := &api{status: "pending"}
	s := newStart(t, a, "demo")
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, _ := form.CreateFormFile("file", "cat.png")
	_, _ = part.Write([]byte("bytes"))
	_ = form.Close()
	w := send(s, http.MethodPost, "/?journal=j&entry=e", "http://"+host, &body)
	to := w.Header().Get("Location")
	if w.Code != http.StatusSeeOther || to != "/?entry=e&id="+uploaded+"&journal=j" || !strings.Contains(a.body, "cat.png") ||
		a.asked[0] != "POST /files/j/entries/e/images demo" {
		t.Fatalf("%d to %q, asked %q with %q", w.Code, to, a.asked, a.body)
	}
	if w = send(s, http.MethodGet, to, "", nil); w.Header().Get("Refresh") != "1" {
		t.Error("a pending upload is not looked at again")
	}
	a.status = "rejected"
	w = send(s, http.MethodGet, to, "", nil)
	contains(t, w.Body.String(), "rejected", "type_mismatch", "&lt;script&gt;")
	lacks(t, w.Body.String(), "<script", "\u202e")
	if w.Header().Get("Refresh") != "" {
		t.Error("a settled upload is looked at again and again")
	}
	a.refuse = true
	w = send(s, http.MethodPost, "/", "http://"+host, strings.NewReader("x"))
	contains(t, w.Body.String(), "Your picture was NOT taken: Files of ", "&lt;script&gt;")
	lacks(t, w.Body.String(), "<script", "\u202e")
	if w.Code != http.StatusNotAcceptable {
		t.Errorf("a refusal is answered %d", w.Code)
	}
}

func TestWhatIsNotKnownIsNotCalledNothing(t *testing.T) {
	a := &api{refuse: true, down: true}
	w := send(newStart(t, a, "demo"), http.MethodPost, "/", "http://"+host, strings.NewReader("x"))
	contains(t, w.Body.String(), "Your picture was NOT taken: Files of ", "Not known, because it could not be listed: the API answered 503.")
	lacks(t, w.Body.String(), "Nothing yet")
}

func TestAPausedValidatorIsSaidToWhoWaits(t *testing.T) {
	a := &api{status: "pending", paused: true}
	contains(t, send(newStart(t, a, "demo"), http.MethodGet, "/?id="+uploaded, "", nil).Body.String(), "The validator is paused")
	a.paused = false
	contains(t, send(newStart(t, a, "demo"), http.MethodGet, "/?id="+uploaded, "", nil).Body.String(), "The validator reads it")
}

func TestAnotherPageUploadsNothing(t *testing.T) {
	for name, c := range map[string]struct{ origin, token, path string }{
		"another page": {"http://evil.example", "demo", "/"}, "no page": {"", "demo", "/"}, "a hidden page": {"null", "demo", "/"},
		"without a token that is known": {"http://" + host, "", "/"}, "to no entry": {"http://" + host, "demo", "/?journal=..&entry=x"},
	} {
		a := &api{}
		if w := send(newStart(t, a, c.token), http.MethodPost, c.path, c.origin, strings.NewReader("x")); w.Code != http.StatusForbidden ||
			strings.Contains(strings.Join(a.asked, " "), "POST") {
			t.Errorf("%s: %d, asked %q", name, w.Code, a.asked)
		}
	}
	a := &api{}
	w := send(newStart(t, a, ""), http.MethodGet, "/", "", nil)
	contains(t, w.Body.String(), "YOUR TOKEN", "--app")
	lacks(t, w.Body.String(), "type=\"file\"")
	if len(a.asked) > 0 {
		t.Errorf("without a token it asked %q", a.asked)
	}
}

func TestTheRoutesOfTheAPIStayAsTheyAre(t *testing.T) {
	a := &api{}
	s := newStart(t, a, "demo")
	want := []string{"GET /ping", "POST /files/j/entries/e/images", "DELETE /", "PUT /style.css", "GET /index.html", "OPTIONS /"}
	for _, line := range want {
		method, path, _ := strings.Cut(line, " ")
		send(s, method, path, "", nil)
	}
	for i := range want {
		if len(a.asked) != len(want) || a.asked[i] != want[i]+" " {
			t.Fatalf("asked was %q", a.asked)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "http://"+host+"/", nil) // as curl and programs ask
	r.Header.Set("Accept", "*/*")
	s.ServeHTTP(httptest.NewRecorder(), r)
	if last := a.asked[len(a.asked)-1]; last != "GET / " {
		t.Errorf("asked by a program was %q", last)
	}
	if w := send(s, http.MethodGet, "/style.css", "", nil); !strings.HasPrefix(w.Header().Get("Content-Type"), "text/css") {
		t.Errorf("the stylesheet is %v", w.Header())
	}
}
