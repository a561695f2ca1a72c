package api

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// incoming reads the body of a request and bounds the time that it takes: a silence, and the whole. Its errors are
// problems, or io.EOF.
type incoming struct {
	body    io.Reader
	control *http.ResponseController
	idle    time.Duration
	until   time.Time
	now     func() time.Time // for the rate
	begun   bool             // it was read from
	ended   bool             // nothing is left to read
	// failure is why nothing more can be read: whoever reads through others (multipart) may not get it from them.
	failure error

	mu       sync.Mutex
	since    time.Time // when the rate began to be counted
	received int64     // since then
	done     bool      // ended or failed
	gaveWay  bool      // another request wants its place
}

// receive begins to read a request's body. Its deadlines are of the wall clock, with which the kernel measures.
func (h *handler) receive(c *call) *incoming {
	if c.r.Body == nil {
		c.r.Body = http.NoBody
	}
	c.incoming = &incoming{body: c.r.Body, control: c.w.control, idle: h.limits.BodyIdle,
		until: time.Now().Add(h.limits.BodyTime), now: h.Now, since: h.Now()}
	return c.incoming
}

func (b *incoming) Read(p []byte) (int, error) {
	if b.failure != nil {
		return 0, b.failure
	}
	b.begun = true
	b.setDeadline()
	n, err := b.body.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count(int64(n))
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		b.ended, b.done = true, true
		// From here on net/http watches the connection for a hang-up; a deadline left behind would look like one.
		_ = b.control.SetReadDeadline(time.Time{})
		return n, io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded) && b.gaveWay:
		b.failure = newProblem(tooSlow, "The body arrived too slowly, and other uploads wait: send it again "+
			"over a faster connection, or ask for a form and send it with that.")
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.failure = newProblem(tooSlow,
			"The body stopped arriving, or took too long in all: send it again, or a smaller one.")
	default:
		b.failure = newProblem(badRequest, "The body ended before it was complete.")
	}
	b.done = true
	return n, b.failure
}

// setDeadline bounds the next wait for bytes. Where there is no connection (a Lambda) the body is here already.
func (b *incoming) setDeadline() {
	deadline := time.Now().Add(b.idle)
	if deadline.After(b.until) {
		deadline = b.until
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.gaveWay { // else it has passed
		_ = b.control.SetReadDeadline(deadline)
	}
}

// rateWindow is how long bytes count for the rate: a body that began fast does not live on that.
const rateWindow = 30 * time.Second

func (b *incoming) count(n int64) {
	if now := b.now(); now.Sub(b.since) > rateWindow {
		b.since, b.received = now, 0
	}
	b.received += n
}

// rate is how many bytes a second have arrived, without the time of a grace. It is false within that, and when nothing
// more is awaited. It may be called beside Read, and so may end.
func (b *incoming) rate(now time.Time, grace time.Duration) (float64, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	counts := now.Sub(b.since) - grace
	return float64(b.received) / counts.Seconds(), counts > 0 && !b.done
}

// end stops waiting for more, and says whether more was awaited: Read fails.
func (b *incoming) end() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gaveWay = !b.done && b.control.SetReadDeadline(time.Unix(1, 0)) == nil
	return b.gaveWay
}

// Bounds of what is read of a body that was refused.
const (
	drainBytes = 8 << 20
	drainTime  = 5 * time.Second
)

// answerBeforeBody prepares an answer that is given while the caller may still be sending. What it returns is called
// once the answer is written: it reads on within bounds, because many clients send all they have before they look for
// an answer, and one whose connection is reset then never sees it. The connection is not used again.
func (c *call) answerBeforeBody() (leave func()) {
	nothing := func() {}
	in := c.incoming
	if in == nil {
		in = &incoming{}
	}
	if c.r.Body == nil || c.r.Body == http.NoBody || in.ended {
		return nothing
	}
	c.w.Header().Set("Connection", "close")
	if in.failure != nil {
		return nothing // nothing more will come
	}
	if !in.begun && strings.EqualFold(c.r.Header.Get("Expect"), "100-continue") {
		// The client was never told to send it, so net/http must not wait for it either when it tidies up.
		return func() { _ = c.w.control.SetReadDeadline(time.Now()) }
	}
	if err := c.w.control.EnableFullDuplex(); err != nil {
		return nothing // no connection: the body is here already
	}
	return func() {
		if err := c.w.control.Flush(); err != nil {
			return
		}
		_ = c.w.control.SetReadDeadline(time.Now().Add(drainTime))
		_, _ = io.CopyN(io.Discard, c.r.Body, drainBytes)
	}
}
