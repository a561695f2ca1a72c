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
	// InvocationID names an invocation whose event has no request id: a load
	// balancer's. A door takes it from the context that Lambda gives. Default:
	// such requests have no id.
	InvocationID func(context.Context) string
	// Log gets a line for every answer that the handler did not give. No header,
	// path or body is in it. Default: nothing is logged.
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

// ErrUnknownEvent: the payload is no event of an HTTP API in format 2.0, of a
// Function URL or of a load balancer. Nothing can answer it: the function is
// wired to something else.
var ErrUnknownEvent = errors.New("no event of an HTTP API (payload format 2.0), a Function URL or an Application Load Balancer")

// margin is what of an invocation is kept for encoding an answer and sending it.
const margin = time.Second

// Invoke answers one event; it is what lambda.StartHandler wants. Its error is
// always an [ErrUnknownEvent]. All that is wrong with a request of a known shape
// is an answer to whoever sent it.
func (a *Adapter) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	e, front, err := parse(payload)
	if err != nil {
		return nil, err
	}
	id := e.RequestContext.RequestID
	if id == "" {
		id = a.InvocationID(ctx)
	}
	who := identity{requestID: cleanID(id), source: sourceOf(e, front)}
	method := e.method(front)

	// What is still under way when the function's time is up is answered by nobody: the
	// handler has to end a little before.
	if end, bounded := ctx.Deadline(); bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, end.Add(-margin))
		defer cancel()
	}
	given, fault := a.answer(withIdentity(ctx, who), e, front, len(payload))
	for range 2 {
		if fault != nil {
			a.report(ctx, who, front, fault)
			given = fault.answer(who.requestID, method)
		}
		var reply []byte
		if reply, fault = given.encode(e, front); fault == nil {
			return reply, nil
		}
	}
	// A fault's own answer always encodes.
	return nil, fmt.Errorf("encode an answer: %w", fault)
}

// answer makes the request and lets the handler answer it.
func (a *Adapter) answer(ctx context.Context, e *event, front front, size int) (*answer, *fault) {
	r, fault := e.request(ctx, front, size)
	if fault != nil {
		return nil, fault
	}
	w := newResponse(r.Method, front)
	thrown, stack := run(a.handler, w, r)
	switch {
	case w.tooLarge: // whatever the handler made of it
		return nil, tooLarge(front, w.size())
	case thrown == http.ErrAbortHandler: //nolint:errorlint // net/http compares so too: the sentinel itself is thrown
		return nil, broken(errors.New("the handler broke its answer off"))
	case thrown != nil:
		return nil, broken(fmt.Errorf("panic: %v\n%s", thrown, stack))
	}
	return w.finish()
}

// run calls the handler and catches what it throws.
func run(h http.Handler, w http.ResponseWriter, r *http.Request) (thrown any, stack []byte) {
	defer func() {
		if thrown = recover(); thrown != nil {
			stack = debug.Stack()
		}
	}()
	h.ServeHTTP(w, r)
	return nil, nil
}

// report logs an answer that the handler did not give.
func (a *Adapter) report(ctx context.Context, who identity, front front, f *fault) {
	level := slog.LevelInfo
	if f.status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	a.Log.LogAttrs(ctx, level, "the adapter answered", slog.String("request_id", who.requestID), slog.String("front", front.String()),
		slog.Int("status", f.status), slog.String("code", f.code), slog.String("error", f.Error()))
}
