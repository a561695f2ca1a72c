package lambdahttp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"
)

// Options adjust an [Adapter]. Every zero value is a default.
type Options struct {
	// InvocationID names an invocation whose event has no request id: a load balancer's. A main package takes it from
	// the context that Lambda gives. Default: such requests have no id.
	InvocationID func(context.Context) string
	// Log gets a line for every answer that the handler did not give. No header, path or body is in it. Default:
	// nothing is logged.
	Log *slog.Logger
}

// Adapter hands events to a handler. It may be used concurrently.
type Adapter struct {
	handler http.Handler
	Options
}

// New makes an adapter.
func New(h http.Handler, o Options) *Adapter {
	if o.InvocationID == nil {
		o.InvocationID = func(context.Context) string { return "" }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Adapter{handler: h, Options: o}
}

// ErrUnknownEvent: the payload is no event of an HTTP API in format 2.0, of a Function URL or of a load balancer.
// Nothing can answer it: the function is wired to something else.
var ErrUnknownEvent = errors.New("no event of an HTTP API (payload format 2.0), a Function URL " +
	"or an Application Load Balancer")

// margin is what of an invocation is kept for encoding an answer and sending it.
const margin = time.Second

// Invoke answers one event; it is what lambda.StartHandler wants. Its error is always an [ErrUnknownEvent]. All that
// is wrong with a request of a known shape is an answer to whoever sent it.
func (a *Adapter) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	e, err := parse(payload)
	if err != nil {
		return nil, err
	}
	id := e.RequestContext.RequestID
	if id == "" {
		id = a.InvocationID(ctx)
	}
	id = cleanID(id)
	ctx = context.WithValue(ctx, requestIDKey{}, id)

	// Nobody answers what is under way when the function's time is up: the handler has to end a little before.
	if end, bounded := ctx.Deadline(); bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-margin))
		defer cancel()
	}
	resp, p := a.serve(ctx, e, len(payload))
	for range 2 {
		if p != nil {
			a.report(ctx, id, e.front, p)
			resp = p.response(id, e.RequestContext.HTTP.Method)
		}
		var text []byte
		if text, p = resp.encode(e); p == nil {
			return text, nil
		}
	}
	// A problem's own response always encodes.
	return nil, fmt.Errorf("encode an answer: %w", p)
}

// serve makes the request and lets the handler answer it.
func (a *Adapter) serve(ctx context.Context, e *event, size int) (resp *response, p *problem) {
	r, p := e.request(ctx, size)
	if p != nil {
		return nil, p
	}
	w := newResponseWriter(r.Method, e.front)
	defer func() {
		panicked := recover()
		switch {
		case w.tooLarge: // whatever the handler made of it
			p = tooLarge(e.front, max(w.declared, w.written))
		case panicked == http.ErrAbortHandler: //nolint:errorlint // net/http compares so too
			p = broken(errors.New("the handler broke its answer off"))
		case panicked != nil:
			p = broken(fmt.Errorf("panic: %v\n%s", panicked, debug.Stack()))
		}
	}()
	a.handler.ServeHTTP(w, r)
	return w.finish()
}

// report logs an answer that the handler did not give.
func (a *Adapter) report(ctx context.Context, id string, front front, p *problem) {
	level := slog.LevelInfo
	if p.status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	a.Log.LogAttrs(ctx, level, "the adapter answered", slog.String("request_id", id),
		slog.String("front", front.String()), slog.Int("status", p.status), slog.String("code", p.code),
		slog.String("error", p.Error()))
}
