package locals3

import (
	"io"
	"net"
	"sync"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp"
)

// connections are the open ones, so that the server can end. The web server's own
// shutdown closes only those that rest between two requests: one on which nothing
// was ever asked (HTTP clients open them in advance) would keep it waiting in vain.
type connections struct {
	mu   sync.Mutex
	open map[net.Conn]fasthttp.ConnState
}

func newConnections() *connections {
	return &connections{open: map[net.Conn]fasthttp.ConnState{}}
}

// changed is the web server's hook.
func (o *connections) changed(conn net.Conn, state fasthttp.ConnState) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if state == fasthttp.StateClosed || state == fasthttp.StateHijacked {
		delete(o.open, conn)
		return
	}
	o.open[conn] = state
}

// closeUnused closes the connections on which no request is under way; closeAll
// those as well on which one is.
func (o *connections) closeUnused() {
	o.close(func(s fasthttp.ConnState) bool { return s != fasthttp.StateActive })
}

func (o *connections) closeAll() { o.close(func(fasthttp.ConnState) bool { return true }) }

func (o *connections) close(which func(fasthttp.ConnState) bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for conn, state := range o.open {
		if which(state) {
			_ = conn.Close() // whoever is at the other end is being left anyway
		}
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
