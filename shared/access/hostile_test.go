package access_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hatchery/shared/access"
)

func TestSlowHeaderIsATimeOut(t *testing.T) {
	base := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	application := newApplication(t, base, access.Options{}.With(access.Overrides{Timeout: 50 * time.Millisecond}))
	denied := wantDenied(t, application.Authorize(t.Context(), authorization, "j", "e"), 503)
	if !strings.Contains(denied.Detail, "within 50ms") {
		t.Errorf("detail %q does not say how long was waited", denied.Detail)
	}
	if errors.Is(denied, context.DeadlineExceeded) {
		t.Error("our own time-out looks like the caller's")
	}
}

func TestHeaderInDripsIsATimeOut(t *testing.T) {
	base := serveRaw(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nX-Dri")
		_, _ = conn.Read(make([]byte, 1)) // until the caller hangs up
	})
	application := newApplication(t, base, access.Options{}.With(access.Overrides{Timeout: 50 * time.Millisecond}))
	wantDenied(t, application.Authorize(t.Context(), authorization, "j", "e"), 503)
}

func TestSlowBodyDoesNotDelayTheVerdict(t *testing.T) {
	for status, want := range map[int]int{200: 0, 403: 403} {
		hungUp := make(chan struct{})
		base := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			close(hungUp)
		})
		started := time.Now()
		err := newApplication(t, base, access.Options{}.With(access.Overrides{Timeout: time.Minute})).Authorize(t.Context(), authorization, "j", "e")
		if took := time.Since(started); took > 20*time.Second {
			t.Errorf("the verdict took %s", took)
		}
		if want == 0 {
			if err != nil {
				t.Errorf("error %v, want a grant", err)
			}
		} else {
			wantDenied(t, err, want)
		}
		select {
		case <-hungUp:
		case <-time.After(20 * time.Second):
			t.Error("the connection of a body that never ends was kept")
		}
	}
}

func TestHugeBodyIsNotRead(t *testing.T) {
	const sent = 256 << 20
	var written atomic.Int64
	ended := make(chan struct{})
	base := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		defer close(ended)
		block := make([]byte, 32<<10)
		for written.Load() < sent {
			n, err := w.Write(block)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	if err := newApplication(t, base, nil).Authorize(t.Context(), authorization, "j", "e"); err != nil {
		t.Error(err)
	}
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the application is still writing")
	}
	// What the kernel holds for the two sockets comes on top of the bound.
	if n := written.Load(); n > 32<<20 {
		t.Errorf("%d bytes of the body were taken", n)
	}
}

func TestConnectionIsUsedAgain(t *testing.T) {
	connections := map[string]bool{} // by the caller's address; one question at a time
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		connections[r.RemoteAddr] = true
		_, _ = w.Write(make([]byte, access.MaxBody)) // in chunks: only its end says that it ended
	})
	application := newApplication(t, base, nil)
	for range 20 {
		if err := application.Authorize(t.Context(), authorization, "j", "e"); err != nil {
			t.Fatal(err)
		}
	}
	if len(connections) != 1 {
		t.Errorf("20 questions took %d connections", len(connections))
	}
}

func TestHostileAnswersCloseTheDoor(t *testing.T) {
	for name, answer := range map[string]string{
		"no answer":              "",
		"not HTTP":               "220 mail.example.com ESMTP " + canary + "\r\n",
		"a broken header":        "HTTP/1.1 200 OK\r\n" + canary + "\r\n\r\n",
		"a header without end":   "HTTP/1.1 200 OK\r\nX-A: " + strings.Repeat("a", 200<<10) + "\r\n\r\n",
		"a protocol switch":      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
		"endless early hints":    strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n", 10000),
		"two content lengths":    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"a status of two digits": "HTTP/1.1 20 OK\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			base := serveRaw(t, func(conn net.Conn) { _, _ = io.WriteString(conn, answer) })
			application := newApplication(t, base, access.Options{}.With(access.Overrides{Timeout: 10 * time.Second}))
			wantDenied(t, application.Authorize(t.Context(), authorization, "j", "e"), 503)
		})
	}
}

func TestA200WithAHostileBodyIsStillA200(t *testing.T) {
	for name, body := range map[string]string{
		"broken chunks":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + canary,
		"a short body":        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
		"not gzip":            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
		"a body that says no": "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"allowed\":false",
	} {
		t.Run(name, func(t *testing.T) {
			base := serveRaw(t, func(conn net.Conn) { _, _ = io.WriteString(conn, body) })
			if err := newApplication(t, base, nil).Authorize(t.Context(), authorization, "j", "e"); err != nil {
				t.Error(err)
			}
		})
	}
}
