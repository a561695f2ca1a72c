package locals3

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/gofiber/fiber/v3"
)

// requests counts what is under way, so that the server can end. The web server's
// own shutdown waits for connections instead, and one on which nothing was ever
// asked (HTTP clients open them in advance) would keep it waiting in vain.
type requests struct {
	mu    sync.Mutex
	n     int
	ended bool
	none  chan struct{} // closed when the end was asked for and nothing is under way
}

func newRequests() *requests { return &requests{none: make(chan struct{})} }

// begin is false when the server is ending: nothing may begin any more.
func (r *requests) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return false
	}
	r.n++
	return true
}

func (r *requests) done() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.n--; r.n == 0 && r.ended {
		close(r.none)
	}
}

// end lets nothing begin any more, and waits for what is under way.
func (r *requests) end(ctx context.Context) {
	r.mu.Lock()
	if !r.ended {
		r.ended = true
		if r.n == 0 {
			close(r.none)
		}
	}
	r.mu.Unlock()
	select {
	case <-r.none:
	case <-ctx.Done():
	}
}

// Bounds of what is read of a body that was refused before its end.
const (
	drainBytes = 64 << 20
	drainTime  = 10 * time.Second
)

// drain reads on for a bounded while after a refusal: many clients send all they
// have before they look for an answer, and would see a reset connection instead of
// the reason. versitygw drains too, but too little for a form that is too large.
func drain(c fiber.Ctx) {
	body, length := c.Request().BodyStream(), c.Request().Header.ContentLength()
	if body == nil || length <= 0 || length > drainBytes {
		return
	}
	conn := c.RequestCtx().Conn()
	_ = conn.SetReadDeadline(time.Now().Add(drainTime))
	if _, err := io.Copy(io.Discard, body); err != nil {
		c.Response().Header.SetConnectionClose()
	}
	_ = conn.SetReadDeadline(time.Time{})
}
