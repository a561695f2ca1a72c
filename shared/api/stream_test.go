package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"hatchery/shared/api"
)

// client is a connection on which a test decides when which bytes are sent.
type client struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

// serveOn starts a server over the fixture's handler.
func serveOn(t *testing.T, h http.Handler) *httptest.Server {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

func dial(t *testing.T, server *httptest.Server) *client {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &client{t, conn, bufio.NewReader(conn)}
}

func (c *client) send(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.conn, format, args...); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

// head begins a POST that announces so many bytes.
func (c *client) head(target string, length int, header ...string) {
	c.t.Helper()
	c.send("POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n", target, length)
	if !strings.Contains(strings.Join(header, ""), "Authorization") {
		c.send("Authorization: Bearer %s\r\n", canary)
	}
	for _, line := range header {
		c.send("%s\r\n", line)
	}
	c.send("\r\n")
}

func (c *client) reply() reply {
	c.t.Helper()
	response, err := http.ReadResponse(c.in, &http.Request{Method: http.MethodPost})
	if err != nil {
		c.t.Fatalf("read the answer: %v", err)
	}
	return readReply(c.t, response)
}

func (c *client) wantStatus(status int) reply {
	c.t.Helper()
	got := c.reply()
	if got.status != status {
		c.t.Fatalf("status %d, want %d: %s", got.status, status, got.body)
	}
	return got
}

// multipartHead is what stands before the file in a multipart body.
const multipartHead = "------boundary\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n"

var (
	asMultipart = "Content-Type: multipart/form-data; boundary=----boundary"
	asJSON      = "Content-Type: application/json"
)

// untouchable is a body that must not be read.
type untouchable struct{ t *testing.T }

func (u untouchable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestWhatCanBeRefusedIsRefusedBeforeTheBodyIsRead(t *testing.T) {
	multipart := "multipart/form-data; boundary=x"
	for _, c := range []struct {
		name, target string
		length       int64
		header       []string
		status       int
	}{
		{"no authorization", named("cat.png"), 10, []string{"Authorization", "-"}, 401},
		{"denied", named("cat.png"), 10, []string{"Authorization", "-", "Authorization", "Bearer 403"}, 403},
		{"form, denied", files + "/uploads", 10, []string{"Authorization", "-", "Authorization", "Bearer 403"}, 403},
		{"form of another content type", files + "/uploads", 10, []string{"Content-Type", "text/plain"}, 415},
		{"unknown route", "/files/j/other", 10, nil, 404},
		{"wrong method", files + "/" + idStored, 10, nil, 405},
		{"name", named("cat"), 10, nil, 406},
		{"extension", named("cat.exe"), 10, nil, 406},
		{"idempotency key", named("cat.png"), 10, []string{"Idempotency-Key", "ä"}, 400},
		{"content encoding", named("cat.png"), 10, []string{"Content-Encoding", "br"}, 415},
		{"length", named("cat.png"), maxImage + 1, nil, 406},
		{"length of multipart", named("cat.png"), maxImage + 65<<10, []string{"Content-Type", multipart}, 406},
		{"no boundary", named("cat.png"), 10, []string{"Content-Type", "multipart/form-data"}, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newFixture(t)
			r := request(t, "POST", c.target, untouchable{t}, c.header...)
			r.ContentLength = c.length
			recorder := httptest.NewRecorder()
			w.handler.ServeHTTP(recorder, r)
			if recorder.Code != c.status {
				t.Errorf("status %d, want %d: %s", recorder.Code, c.status, recorder.Body)
			}
			w.wantNothingNew()
		})
	}
}

func TestExpectContinueIsAnsweredOnlyOnceTheHeadersPass(t *testing.T) {
	server := serveOn(t, newFixture(t).handler)
	refused := dial(t, server)
	refused.head(named("cat.exe"), 5, "Expect: 100-continue")
	refused.wantStatus(406)
	// Nothing is waited for that was never asked for.
	if err := refused.conn.SetDeadline(time.Now().Add(3 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := refused.in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the connection is still open: %v", err)
	}

	accepted := dial(t, server)
	accepted.head(named("cat.png"), 5, "Expect: 100-continue")
	if line, err := accepted.in.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("read %q, %v", line, err)
	}
	if _, err := accepted.in.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	accepted.send("bytes")
	accepted.wantStatus(202)
}

func TestARefusalIsAnsweredWhileTheBodyIsStillToCome(t *testing.T) {
	server := serveOn(t, newFixture(t).handler)
	for target, status := range map[string]int{named("cat.exe"): 406, "/nothing": 404, named("cat.png"): 406} {
		c := dial(t, server)
		c.head(target, maxImage+1)
		if got := c.wantStatus(status); !got.closes {
			t.Errorf("%d leaves the connection open", status)
		}
		_ = c.conn.Close()
	}
}

func TestAClientThatSendsAllBeforeItReadsSeesTheRefusal(t *testing.T) {
	server := serveOn(t, newFixture(t).handler)
	large := strings.Repeat("x", maxImage+2_000_000)
	c := dial(t, server)
	c.head(named("cat.png"), len(large))
	c.send("%s", large)
	c.wantStatus(406)

	c = dial(t, server)
	c.head(named("cat.png"), len(multipartHead)+len(large), asMultipart)
	c.send("%s%s", multipartHead, large)
	c.wantStatus(406)

	c = dial(t, server)
	c.head(named("cat.png"), 3_000_000, "Authorization: Bearer 403")
	c.send("%s", large[:3_000_000])
	c.wantStatus(403)
}

func TestABodyThatStopsArrivingIsGivenUp(t *testing.T) {
	for name, begin := range map[string]func(*client){
		"raw":          func(c *client) { c.head(named("cat.png"), 1000); c.send("some") },
		"raw, spooled": func(c *client) { c.head(named("cat.png"), maxImage); c.send("%s", strings.Repeat("x", 600_000)) },
		"multipart":    func(c *client) { c.head(named("cat.png"), 1000, asMultipart); c.send("%s", multipartHead+"some") },
		"multipart, in the head": func(c *client) {
			c.head(named("cat.png"), 1000, asMultipart)
			c.send("%s", multipartHead[:30])
		},
		"form": func(c *client) { c.head(files+"/uploads", 1000, asJSON); c.send(`{"name":`) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t, func(w *fixture) { w.config.Limits().BodyIdle = 50 * time.Millisecond })
			c := dial(t, serveOn(t, w.handler))
			begin(c)
			c.wantStatus(408)
			if _, err := c.in.ReadByte(); !errors.Is(err, io.EOF) {
				t.Errorf("the connection is still open: %v", err)
			}
			w.wantNothingNew()
			w.wantClean()
		})
	}
}

func TestABodyThatDripsIsGivenUpInTheEnd(t *testing.T) {
	w := newFixture(t, func(w *fixture) { w.config.Limits().BodyTime = 50 * time.Millisecond })
	c := dial(t, serveOn(t, w.handler))
	c.head(named("cat.png"), maxImage)
	go func() {
		for { // a byte at a time never stops for long, and never gets there
			if _, err := io.WriteString(c.conn, "x"); err != nil {
				return
			}
		}
	}()
	c.wantStatus(408)
	w.wantNothingNew()
}

func TestAClientThatHangsUpMidBodyLeavesNothing(t *testing.T) {
	for name, begin := range map[string]func(*client){
		"raw":          func(c *client) { c.head(named("cat.png"), 1000); c.send("some") },
		"raw, spooled": func(c *client) { c.head(named("cat.png"), maxImage); c.send("%s", strings.Repeat("x", 600_000)) },
		"multipart":    func(c *client) { c.head(named("cat.png"), 1000, asMultipart); c.send("%s", multipartHead+"some") },
		"chunked": func(c *client) {
			c.send("POST %s HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n",
				named("cat.png"), canary)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t)
			c := dial(t, serveOn(t, w.handler))
			begin(c)
			_ = c.conn.Close()
			eventually(t, "the request is logged", func() bool { return strings.Contains(w.log.String(), `"status":400`) })
			w.wantNothingNew()
			w.wantClean()
		})
	}
}

func TestAnUploadThatArrivedIsFinishedThoughTheClientHangsUp(t *testing.T) {
	w := newFixture(t)
	blocked := &blockedPut{Objects: w.objects, begun: make(chan struct{}), letGo: make(chan struct{})}
	w.pipeline.Objects = blocked
	contexts := make(chan context.Context, 1)
	c := dial(t, serveOn(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		contexts <- r.Context()
		w.handler.ServeHTTP(rw, r)
	})))
	c.head(named("cat.png"), 5)
	c.send("bytes")
	<-blocked.begun
	_ = c.conn.Close()
	<-(<-contexts).Done()
	close(blocked.letGo)
	key := w.pipeline.Layout.QuarantineKey(ref("e", idNew))
	eventually(t, "the bytes are in quarantine", func() bool { _, ok := w.objects.Bytes(key, ""); return ok })
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	c := dial(t, serveOn(t, newFixture(t).handler))
	contentType, body := form("file@", strings.Repeat("x", 300_000))
	for range 3 {
		c.head(named("cat.png"), len(body), "Content-Type: "+contentType)
		c.send("%s", body)
		c.wantStatus(202)
		c.head(named("cat.png"), 5)
		c.send("bytes")
		c.wantStatus(202)
	}
}

// deadlines is a response that notes which deadlines its connection is given.
type deadlines struct {
	*httptest.ResponseRecorder
	set  []string
	read time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.set, d.read = append(d.set, "read"), t
	return nil
}

func (d *deadlines) SetWriteDeadline(time.Time) error {
	d.set = append(d.set, "write")
	return nil
}

func TestNoDeadlineOfOneRequestCutsTheNext(t *testing.T) {
	for _, body := range []string{"bytes", strings.Repeat("x", 300_000)} {
		w := newFixture(t)
		d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		w.handler.ServeHTTP(d, request(t, "POST", named("cat.png"), strings.NewReader(body)))
		if len(d.set) < 3 || d.set[0] != "write" || d.set[len(d.set)-1] != "write" {
			t.Errorf("deadlines %v: the first must free what comes before the answer, the last is the answer's", d.set)
		}
		if !d.read.IsZero() {
			t.Errorf("once the body is read the connection still has the read deadline %s: net/http would take it for "+
				"a hang-up", d.read)
		}
	}
}

func TestNoMoreBodiesAtOnceThanThereIsRoomFor(t *testing.T) {
	w := newFixture(t, func(w *fixture) {
		w.config.Limits().MaxUploads, w.config.Limits().SlotWait = 1,
			10*time.Millisecond
	})
	reading, writing := io.Pipe()
	answers := make(chan reply)
	go func() { answers <- w.do("POST", named("cat.png"), reading) }()
	if _, err := writing.Write([]byte("by")); err != nil { // returns once it was read
		t.Fatal(err)
	}
	busy := w.do("POST", named("cat.png"), strings.NewReader("bytes"))
	if busy.status != 503 || busy.member(t, "code") != "busy" || busy.header.Get("Retry-After") != "1" {
		t.Errorf("beside a full house: %d %s", busy.status, busy.body)
	}
	if got := w.do("GET", files, nil); got.status != 200 {
		t.Errorf("reading beside a full house: %d", got.status)
	}
	_ = writing.Close()
	if first := <-answers; first.status != 202 {
		t.Errorf("the first upload: %d %s", first.status, first.body)
	}
	if got := w.do("POST", named("cat.png"), strings.NewReader("bytes")); got.status != 202 {
		t.Errorf("afterwards: %d %s", got.status, got.body)
	}
}

// slowBody begins a POST over a socket, and sends so many bytes of its body.
func slowBody(t *testing.T, server *httptest.Server, sent int) *client {
	t.Helper()
	c := dial(t, server)
	c.head(named("cat.png"), 1_000_000)
	c.send("%s", strings.Repeat("x", sent))
	return c
}

// eventuallyReceived waits until so many bytes of bodies have arrived in the handler.
func (w *fixture) eventuallyReceived(n int64) {
	w.t.Helper()
	eventually(w.t, "the bodies arrive", func() bool { return api.Received(w.handler) == n })
}

func TestTheSlowestBodyBelowTheLeastRateMakesRoomForWhoeverWaits(t *testing.T) {
	w := newFixture(t, func(w *fixture) { w.config.Limits().MaxUploads = 3 })
	server := serveOn(t, w.handler)
	// In 10 seconds that count: 1 kB/s, 20 kB/s, 10 kB/s.
	slowest, honest, slow := slowBody(t, server, 10_000), slowBody(t, server, 200_000), slowBody(t, server, 100_000)
	w.eventuallyReceived(310_000)
	w.clock.Pass(20 * time.Second)

	if got := w.do("POST", named("cat.png"), strings.NewReader("bytes")); got.status != 202 {
		t.Errorf("beside a slow body: %d %s", got.status, got.body)
	}
	if got := slowest.wantStatus(408); !strings.Contains(got.body, "too slowly, and other uploads wait") {
		t.Errorf("the slowest is told %s", got.body)
	}
	// The next that waits ends the other slow one; each ends one alone.
	slowest = slowBody(t, server, 10)
	w.eventuallyReceived(300_010)
	if got := w.do("POST", named("cat.png"), strings.NewReader("bytes")); got.status != 202 {
		t.Errorf("beside another slow body: %d %s", got.status, got.body)
	}
	slow.wantStatus(408)
	honest.send("%s", strings.Repeat("x", 800_000))
	honest.wantStatus(202)
	slowest.send("%s", strings.Repeat("x", 999_990))
	slowest.wantStatus(202)
	w.wantClean()
}

func TestASlowBodyIsReceivedWhileNobodyWaits(t *testing.T) {
	w := newFixture(t, func(w *fixture) { w.config.Limits().MaxUploads = 2 })
	server := serveOn(t, w.handler)
	slow := slowBody(t, server, 10)
	w.eventuallyReceived(10)
	w.clock.Pass(5 * time.Minute)
	if got := w.do("POST", named("cat.png"), strings.NewReader("bytes")); got.status != 202 {
		t.Errorf("beside a slow body: %d %s", got.status, got.body)
	}
	slow.send("%s", strings.Repeat("x", 999_990))
	slow.wantStatus(202)
}

func TestNoBodyMakesRoomThatIsYoungOrFastEnough(t *testing.T) {
	for name, c := range map[string]struct {
		sent   int
		passed time.Duration
	}{
		"within the grace":  {0, 10 * time.Second},
		"at the least rate": {16 << 10, 11 * time.Second},
		"20 kB a second":    {400_000, 30 * time.Second},
		"barely begun":      {1, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t, func(w *fixture) {
				w.config.Limits().MaxUploads, w.config.Limits().SlotWait = 1, 20*time.Millisecond
			})
			first := slowBody(t, serveOn(t, w.handler), c.sent)
			if c.sent == 0 {
				eventually(t, "it has its place", func() bool { return api.Receiving(w.handler) == 1 })
			}
			w.eventuallyReceived(int64(c.sent))
			w.clock.Pass(c.passed)
			if got := w.do("POST", named("cat.png"), strings.NewReader("bytes")); got.status != 503 ||
				got.member(t, "code") != "busy" {
				t.Errorf("beside a body that is not slow: %d %s", got.status, got.body)
			}
			first.send("%s", strings.Repeat("x", 1_000_000-c.sent))
			first.wantStatus(202)
		})
	}
}

// TestABodyThatBeganFastDoesNotLiveOnThat: what counts is the last half a minute.
func TestABodyThatBeganFastDoesNotLiveOnThat(t *testing.T) {
	w := newFixture(t, func(w *fixture) { w.config.Limits().MaxUploads = 1 })
	server := serveOn(t, w.handler)
	c := slowBody(t, server, 900_000) // enough for 55 seconds
	w.eventuallyReceived(900_000)
	w.clock.Pass(31 * time.Second)
	c.send("x")
	w.eventuallyReceived(1)
	w.clock.Pass(11 * time.Second)
	if got := w.do("POST", named("cat.png"), strings.NewReader("bytes")); got.status != 202 {
		t.Errorf("beside a body that drips: %d %s", got.status, got.body)
	}
	c.wantStatus(408)
}

func TestNoGoroutineStaysBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	w := newFixture(t, func(w *fixture) { w.config.Limits().BodyIdle = 20 * time.Millisecond })
	server := httptest.NewServer(w.handler)
	for range 5 {
		slow := dial(t, server)
		slow.head(named("cat.png"), 1000, asMultipart)
		slow.send("%s", multipartHead)
		gone := dial(t, server)
		gone.head(named("cat.png"), 1000)
		_ = gone.conn.Close()
		waiting := dial(t, server)
		waiting.send("GET %s/%s/status?wait=20 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer %s\r\n\r\n", files, idPending,
			canary)
		eventually(t, "the request is in the handler", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.asked > 0 })
		_ = waiting.conn.Close()
		slow.wantStatus(408)
		_ = slow.conn.Close()
	}
	server.Close()
	eventually(t, "as few goroutines as before", func() bool { return runtime.NumGoroutine() <= before })
}
