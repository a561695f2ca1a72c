package local

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// bounded gives each request as much time as a function has: its context has a deadline, and the handler answers when
// that has passed, as it does in Lambda. There a body is whole before the function begins, and the answer leaves when
// it has ended: the time to read a body does not count, nor what follows the beginning of the answer.
func bounded(next http.Handler, limit time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller := r.Context()
		c := &functionTime{Context: caller, done: make(chan struct{}), until: time.Now().Add(limit)}
		c.mu.Lock() // finish reads timer
		c.timer = time.AfterFunc(limit, func() { c.finish(context.DeadlineExceeded) })
		c.mu.Unlock()
		defer context.AfterFunc(caller, func() { c.finish(caller.Err()) })()
		defer c.finish(context.Canceled)
		r = r.WithContext(c)
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = &uncountedBody{r.Body, c}
		}
		next.ServeHTTP(&begunAnswer{w, c}, r)
	})
}

// functionTime is the context of a request. Its deadline moves.
type functionTime struct {
	context.Context // the caller's, for its values
	done            chan struct{}
	timer           *time.Timer

	mu    sync.Mutex
	until time.Time // zero: there is no bound any more
	err   error     // why it is done
}

func (c *functionTime) finish(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer.Stop()
	if c.err == nil && (!c.until.IsZero() || !errors.Is(err, context.DeadlineExceeded)) {
		c.err = err
		close(c.done)
	}
}

// Done ends with the request's time, or with the caller.
func (c *functionTime) Done() <-chan struct{} { return c.done }

// Deadline is when the request's time ends, if nothing of its body is read any more.
func (c *functionTime) Deadline() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.until, !c.until.IsZero()
}

// Err tells the end of the time from a caller that hung up.
func (c *functionTime) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// free ends the bound.
func (c *functionTime) free() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer.Stop()
	c.until = time.Time{}
}

// uncountedBody stops the clock while it is read.
type uncountedBody struct {
	io.ReadCloser
	c *functionTime
}

func (b *uncountedBody) Read(p []byte) (int, error) {
	if !b.c.timer.Stop() {
		return b.ReadCloser.Read(p) // the time is over
	}
	began := time.Now()
	n, err := b.ReadCloser.Read(p)
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	if !b.c.until.IsZero() && b.c.err == nil {
		b.c.until = b.c.until.Add(time.Since(began))
		b.c.timer.Reset(time.Until(b.c.until))
	}
	return n, err
}

// begunAnswer stops the clock for good when the answer begins.
type begunAnswer struct {
	http.ResponseWriter
	c *functionTime
}

// Unwrap is for http.ResponseController.
func (w *begunAnswer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *begunAnswer) WriteHeader(status int) {
	w.c.free()
	w.ResponseWriter.WriteHeader(status)
}

func (w *begunAnswer) Write(p []byte) (int, error) {
	w.c.free()
	return w.ResponseWriter.Write(p)
}
