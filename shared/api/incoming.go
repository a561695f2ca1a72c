package api

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// incoming reads the body of a request and bounds the time that it takes: a silence, and the whole. Its errors are
// problems, or io.EOF.
type incoming struct {
	body    io.Reader
	control *http.ResponseController
	idle    time.Duration
	until   time.Time
	begun   bool // it was read from
	ended   bool // nothing is left to read
	// failure is why nothing more can be read: whoever reads through others (multipart) may not get it from them.
	failure error
}

// receive begins to read a request's body. Its deadlines are of the wall clock, with which the kernel measures.
func (h *handler) receive(c *call) *incoming {
	if c.r.Body == nil {
		c.r.Body = http.NoBody
	}
	c.incoming = &incoming{body: c.r.Body, control: c.w.control, idle: h.limits.BodyIdle,
		until: time.Now().Add(h.limits.BodyTime)}
	return c.incoming
}

func (b *incoming) Read(p []byte) (int, error) {
	if b.failure != nil {
		return 0, b.failure
	}
	b.begun = true
	deadline := time.Now().Add(b.idle)
	if deadline.After(b.until) {
		deadline = b.until
	}
	// Where there is no connection (a Lambda) the body is here already.
	_ = b.control.SetReadDeadline(deadline)
	n, err := b.body.Read(p)
	switch {
	case err == nil:
		return n, nil
	case errors.Is(err, io.EOF):
		b.ended = true
		// From here on net/http watches the connection for a hang-up; a deadline left behind would look like one.
		_ = b.control.SetReadDeadline(time.Time{})
		return n, io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.failure = newProblem(tooSlow,
			"The body stopped arriving, or took too long in all: send it again, or a smaller one.")
	default:
		b.failure = newProblem(badRequest, "The body ended before it was complete.")
	}
	return n, b.failure
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
