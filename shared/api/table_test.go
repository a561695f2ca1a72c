package api_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"hatchery/shared/api"
)

// exchange is one request and what must be answered. The table of them runs
// through every transport.
type exchange struct {
	name   string
	method string
	path   string
	header []string // name, value, …; the value "-" removes
	body   string
	// change adjusts the fixture; before brings it into a state by other requests.
	change func(*fixture)
	before func(w *fixture, send func(method, path, body string, header ...string) reply)

	status int
	want   []string // headers: name, value, …; the value "-" means absent
	holds  []string // pieces of the body
	exact  *string  // the whole body
	code   string   // the problem's code
	// beyond: it is accepted although docs/openapi.yaml does not promise that.
	beyond bool
}

// transport is a way for a request to reach a handler.
type transport func(t *testing.T, h http.Handler) func(*http.Request) *http.Response

var transports = map[string]transport{
	"direct": func(_ *testing.T, h http.Handler) func(*http.Request) *http.Response {
		return func(r *http.Request) *http.Response {
			recorder := httptest.NewRecorder()
			h.ServeHTTP(recorder, r)
			return recorder.Result()
		}
	},
	"socket": func(t *testing.T, h http.Handler) func(*http.Request) *http.Response {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)
		client := server.Client()
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		return func(r *http.Request) *http.Response {
			r.URL.Scheme, r.URL.Host = "http", strings.TrimPrefix(server.URL, "http://")
			response, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			return response
		}
	},
	viaAPI:      lambda{}.transport,
	viaURL:      lambda{functionURL: true}.transport,
	viaBalancer: lambda{balancer: true, multiValue: true}.transport,
	viaSingle:   lambda{balancer: true}.transport,
}

func wholeTable() []exchange {
	return slices.Concat(readTable(), writeTable(), idempotencyTable(), generalTable())
}

func TestRequestsAndAnswers(t *testing.T) {
	table := wholeTable()
	described := readContract(t)
	for name, way := range transports {
		t.Run(name, func(t *testing.T) {
			for _, e := range table {
				t.Run(e.name, func(t *testing.T) {
					e := e.through(name)
					described.hold(t, e, e.run(t, way))
				})
			}
		})
	}
	t.Run("are all that openapi.yaml describes", described.wantAllSeen)
}

func (e exchange) run(t *testing.T, way transport) reply {
	var changes []func(*fixture)
	if e.change != nil {
		changes = append(changes, e.change)
	}
	w := newFixture(t, changes...)
	var body io.Reader
	if e.body != "" {
		body = strings.NewReader(e.body)
	}
	send := way(t, w.handler)
	if e.before != nil {
		e.before(w, func(method, path, body string, header ...string) reply {
			return readReply(t, send(request(t, method, path, strings.NewReader(body), header...)))
		})
	}
	got := readReply(t, send(request(t, e.method, e.path, body, e.header...)))
	if got.status != e.status {
		t.Fatalf("status %d, want %d: %s", got.status, e.status, got.body)
	}
	for i := 0; i < len(e.want); i += 2 {
		values, present := headerValues(got.header, e.want[i])
		switch {
		case e.want[i+1] == "-" && present:
			t.Errorf("header %s: %q, want none", e.want[i], values)
		case e.want[i+1] != "-" && strings.Join(values, ", ") != e.want[i+1]:
			t.Errorf("header %s: %q, want %q", e.want[i], values, e.want[i+1])
		}
	}
	for _, piece := range e.holds {
		if !strings.Contains(got.body, piece) {
			t.Errorf("the body has no %s: %s", piece, got.body)
		}
	}
	if body := strings.TrimSuffix(got.body, "\n"); e.exact != nil && body != *e.exact {
		t.Errorf("body %q, want %q", body, *e.exact)
	}
	wantSafe(t, e, got)
	w.wantClean()
	return got
}

// headerValues finds a header whatever case it was written in.
func headerValues(header http.Header, name string) ([]string, bool) {
	for key, values := range header {
		if textproto.CanonicalMIMEHeaderKey(key) == textproto.CanonicalMIMEHeaderKey(name) {
			return values, true
		}
	}
	return nil, false
}

// wantSafe checks what holds for every answer.
func wantSafe(t *testing.T, e exchange, got reply) {
	t.Helper()
	if got.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Error("the answer has no nosniff")
	}
	for name, values := range got.header {
		for _, v := range append(values, name, got.body) {
			if strings.Contains(v, canary) || strings.Contains(v, "internals") {
				t.Errorf("a secret is in the answer: %s", v)
			}
		}
		for _, v := range values {
			for i := range len(v) {
				if v[i] < 0x20 || v[i] > 0x7e {
					t.Errorf("header %s has the byte %#x: %q", name, v[i], v)
				}
			}
		}
	}
	if got.status < 400 || e.method == http.MethodHead {
		return
	}
	if got.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("a refusal of type %q", got.header.Get("Content-Type"))
	}
	for _, name := range []string{"type", "title", "status", "detail", "error", "code"} {
		if v := got.member(t, name); v == nil || v == "" {
			t.Errorf("the problem has no %s: %s", name, got.body)
		}
	}
	if got.member(t, "status") != float64(got.status) {
		t.Errorf("the problem says status %v", got.member(t, "status"))
	}
	if e.code != "" && got.member(t, "code") != e.code {
		t.Errorf("code %v, want %s: %s", got.member(t, "code"), e.code, got.body)
	}
	if api.Codes()[got.member(t, "code").(string)] != got.status {
		t.Errorf("code %v with status %d is not in the table", got.member(t, "code"), got.status)
	}
	if id := got.member(t, "request_id"); (got.status >= 500) != (id == "request-1") {
		t.Errorf("request id %v with status %d", id, got.status)
	}
}

// form writes a multipart body from name, content, …; a name ending in @ is a
// file with a file name of its own, which must not matter.
func form(parts ...string) (contentType, body string) {
	const boundary = "----boundary"
	var b strings.Builder
	for i := 0; i < len(parts); i += 2 {
		name, isFile := strings.CutSuffix(parts[i], "@")
		b.WriteString("--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + name + "\"")
		if isFile {
			b.WriteString("; filename=\"../own\\\"name.exe\"\r\nContent-Type: application/octet-stream")
		}
		b.WriteString("\r\n\r\n" + parts[i+1] + "\r\n")
	}
	return "multipart/form-data; boundary=" + boundary, b.String() + "--" + boundary + "--\r\n"
}

func exactly(s string) *string { return &s }
