package access_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hatchery/shared/access"
)

// canary is the caller's token; it may reach the application and nothing else.
const canary = "canary-3f1c0a9e7d"

const authorization = "Bearer " + canary

// newApplication makes an Application at baseURL that fails the test if it cannot.
func newApplication(t *testing.T, baseURL string, o *access.Options) *access.Application {
	t.Helper()
	a, err := access.New(baseURL, o)
	if err != nil {
		t.Fatalf("New(%q): %v", baseURL, err)
	}
	return a
}

// serve starts an application that answers with handler.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// serveRaw starts an application that reads one request from each connection
// and then does what answer does with the connection.
func serveRaw(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				if _, err := conn.Read(make([]byte, 64<<10)); err == nil {
					answer(conn)
				}
			}()
		}
	}()
	return "http://" + listener.Addr().String()
}

// wantDenied checks the status of a refusal, and that nothing in it gives the
// token away.
func wantDenied(t *testing.T, err error, status int) *access.Denied {
	t.Helper()
	var denied *access.Denied
	if !errors.As(err, &denied) {
		t.Fatalf("error %v, want a Denied with %d", err, status)
	}
	if denied.Status != status {
		t.Errorf("status %d, want %d (%v)", denied.Status, status, err)
	}
	if denied.Message == "" {
		t.Error("a Denied without a message for the caller")
	}
	for _, text := range []string{err.Error(), fmt.Sprintf("%+v", denied), fmt.Sprintf("%#v", *denied)} {
		if strings.Contains(text, canary) {
			t.Errorf("the token is in %q", text)
		}
		if strings.Contains(text, "upstream-body") {
			t.Errorf("the application's own words are in %q", text)
		}
	}
	return denied
}

func TestOnly200Grants(t *testing.T) {
	for got, want := range map[int]int{
		200: 0,
		201: 503, 202: 503, 204: 503, 206: 503,
		300: 503, 301: 503, 302: 503, 303: 503, 304: 503, 307: 503, 308: 503,
		400: 403, 401: 401, 402: 403, 403: 403, 404: 404, 405: 403, 407: 403, 409: 403,
		410: 403, 418: 403, 422: 403, 429: 429, 451: 403, 499: 403,
		500: 503, 501: 503, 502: 503, 503: 503, 504: 503, 599: 503, 600: 503, 999: 503,
	} {
		t.Run(fmt.Sprint(got), func(t *testing.T) {
			base := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(got)
				_, _ = io.WriteString(w, "upstream-body "+r.Header.Get("Authorization"))
			})
			err := newApplication(t, base, nil).Authorize(t.Context(), authorization, "j", "e")
			if want == 0 {
				if err != nil {
					t.Errorf("error %v, want a grant", err)
				}
				return
			}
			wantDenied(t, err, want)
		})
	}
}

func TestAsksWithTheCallersAuthorizationAndNothingElse(t *testing.T) {
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.RequestURI != "/api/v1/journals/j-1/entries/e_2" {
			t.Errorf("asked %s %s", r.Method, r.RequestURI)
		}
		if got := r.Header["Authorization"]; len(got) != 1 || got[0] != authorization {
			t.Errorf("Authorization %q", got)
		}
		for _, name := range []string{"Cookie", "Referer", "Accept-Encoding"} {
			if r.Header.Get(name) != "" {
				t.Errorf("%s was sent: %q", name, r.Header.Get(name))
			}
		}
	})
	for _, trailing := range []string{"/api/v1", "/api/v1/", "/api/v1//"} {
		if err := newApplication(t, base+trailing, nil).Authorize(t.Context(), authorization, "j-1", "e_2"); err != nil {
			t.Error(err)
		}
	}
}

func TestOddIDsStayOneSegmentOfThePath(t *testing.T) {
	odd := []string{"a b", "a?b=c", "a#b", "a%2Fb", "%2e%2e", "a;b", "a:b@c", "ключ", "a+b&c", "...", "\xff\xfe", `"'<>`}
	for _, id := range odd {
		t.Run(id, func(t *testing.T) {
			base := serve(t, func(w http.ResponseWriter, r *http.Request) {
				segments := strings.Split(r.URL.EscapedPath(), "/")
				if len(segments) != 5 || segments[1] != "journals" || segments[3] != "entries" {
					t.Errorf("asked for %q", r.URL.EscapedPath())
				}
				if r.URL.Path != "/journals/"+id+"/entries/"+id || r.URL.RawQuery != "" {
					t.Errorf("the application sees %q ? %q", r.URL.Path, r.URL.RawQuery)
				}
			})
			if err := newApplication(t, base, nil).Authorize(t.Context(), authorization, id, id); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRefusesWithoutAsking(t *testing.T) {
	var asked atomic.Int32
	base := serve(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	application := newApplication(t, base, nil)
	long := strings.Repeat("x", 8<<10)
	for _, c := range []struct {
		name, authorization, journal, entry string
		status                              int
	}{
		{"no Authorization", "", "j", "e", 401},
		{"an empty one", "  ", "j", "e", 401},
		{"a line break", authorization + "\r\nX-Evil: 1", "j", "e", 401},
		{"a lone line feed", authorization + "\nx", "j", "e", 401},
		{"a NUL", authorization + "\x00", "j", "e", 401},
		{"a tab", "Bearer\t" + canary, "j", "e", 401},
		{"a DEL", authorization + "\x7f", "j", "e", 401},
		{"over 8 KiB", authorization + long, "j", "e", 401},
		{"an empty journal", authorization, "", "e", 404},
		{"an empty entry", authorization, "j", "", 404},
		{"a dot", authorization, ".", "e", 404},
		{"two dots", authorization, "j", "..", 404},
		{"a slash", authorization, "j/../k", "e", 404},
		{"a backslash", authorization, "j", `e\f`, 404},
		{"a NUL in an id", authorization, "j\x00", "e", 404},
		{"a long id", authorization, "j", strings.Repeat("e", 257), 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantDenied(t, application.Authorize(t.Context(), c.authorization, c.journal, c.entry), c.status)
		})
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the application was asked %d times", n)
	}
	// The longest that is passed on does pass.
	if err := application.Authorize(t.Context(), long, "j", strings.Repeat("e", 256)); err != nil || asked.Load() != 1 {
		t.Errorf("8 KiB and 256 bytes: %v, asked %d times", err, asked.Load())
	}
}

func TestRedirectNeverCarriesTheToken(t *testing.T) {
	var followed atomic.Int32
	other := serve(t, func(http.ResponseWriter, *http.Request) { followed.Add(1) })
	var base string
	base = serve(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/here") {
			followed.Add(1)
			return
		}
		to := other
		if strings.Contains(r.URL.Path, "/same/") {
			to = base + "/here"
		}
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
	})
	application := newApplication(t, base, nil)
	wantDenied(t, application.Authorize(t.Context(), authorization, "other", "e"), 503)
	wantDenied(t, application.Authorize(t.Context(), authorization, "same", "e"), 503)
	if n := followed.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

func TestTooManyRequestsSaysHowLongToWait(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)
	for header, want := range map[string]time.Duration{
		"":                        0,
		"0":                       0,
		"7":                       7 * time.Second,
		" 30 ":                    30 * time.Second,
		"86400":                   time.Hour,
		"99999999999999999999999": time.Hour,
		"-5":                      0,
		"1.5":                     0,
		"soon":                    0,
		now.Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second,
		now.Add(-time.Hour).Format(http.TimeFormat):       0,
		now.Add(48 * time.Hour).Format(http.TimeFormat):   time.Hour,
	} {
		t.Run(header, func(t *testing.T) {
			base := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", header)
				w.WriteHeader(http.StatusTooManyRequests)
			})
			application := newApplication(t, base, access.Options{}.With(access.Overrides{Now: func() time.Time { return now }}))
			denied := wantDenied(t, application.Authorize(t.Context(), authorization, "j", "e"), 429)
			if denied.RetryAfter != want {
				t.Errorf("RetryAfter %s, want %s", denied.RetryAfter, want)
			}
		})
	}
	base := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusForbidden)
	})
	denied := wantDenied(t, newApplication(t, base, nil).Authorize(t.Context(), authorization, "j", "e"), 403)
	if denied.RetryAfter != 0 {
		t.Errorf("a 403 asks to wait %s", denied.RetryAfter)
	}
}

func TestUnreachableApplicationIs503(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	_ = listener.Close()
	denied := wantDenied(t, newApplication(t, "http://"+closed, nil).Authorize(t.Context(), authorization, "j", "e"), 503)
	if denied.Detail != "the application refused the connection" {
		t.Errorf("detail %q", denied.Detail)
	}
}

func TestTLSMustBeTrusted(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of the handshake that must fail
	server.StartTLS()
	t.Cleanup(server.Close)

	denied := wantDenied(t, newApplication(t, server.URL, nil).Authorize(t.Context(), authorization, "j", "e"), 503)
	if denied.Detail != "the application's TLS certificate is not trusted" || asked.Load() != 0 {
		t.Errorf("detail %q, asked %d times", denied.Detail, asked.Load())
	}

	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	if err := newApplication(t, server.URL, access.Options{}.With(access.Overrides{RootCAs: roots})).Authorize(t.Context(), authorization, "j", "e"); err != nil {
		t.Errorf("with its authority known: %v", err)
	}

	plain := serve(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	asked.Store(0)
	https := "https" + strings.TrimPrefix(plain, "http")
	denied = wantDenied(t, newApplication(t, https, nil).Authorize(t.Context(), authorization, "j", "e"), 503)
	if !strings.Contains(denied.Detail, "TLS") || asked.Load() != 0 {
		t.Errorf("https towards plain http: detail %q, asked %d times", denied.Detail, asked.Load())
	}
}

func TestCallersCancelPropagates(t *testing.T) {
	arrived := make(chan struct{})
	base := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	})
	application := newApplication(t, base, access.Options{}.With(access.Overrides{Timeout: time.Minute}))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	err := application.Authorize(ctx, authorization, "j", "e")
	wantDenied(t, err, 503)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v does not say that the caller cancelled", err)
	}

	ctx, cancel = context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if err := application.Authorize(ctx, authorization, "j", "e"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v does not say that the caller's deadline passed", err)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	const bound = 64
	arrived := make(chan struct{}, 2*bound)
	release := make(chan struct{})
	base := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	application := newApplication(t, base, access.Options{}.With(access.Overrides{Timeout: time.Minute}))
	answers := make(chan error, bound)
	for range bound {
		go func() { answers <- application.Authorize(t.Context(), authorization, "j", "e") }()
	}
	for range bound {
		<-arrived
	}
	// One more waits for a connection, no longer than its caller does.
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := application.Authorize(ctx, authorization, "j", "e"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one too many: %v", err)
	}
	if n := len(arrived); n != 0 {
		t.Errorf("%d questions more than %d reached the application", n, bound)
	}
	close(release)
	for range bound {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
}
