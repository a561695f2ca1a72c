package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"hatchery/shared/upload"
)

// call is one request on its way through the handler.
type call struct {
	target
	w         *responseWriter
	r         *http.Request
	requestID string
	route     *route
	incoming  *incoming // set once the body is being read

	// For the log.
	uploadID upload.ID
	code     string
	err      error
	note     string // what a developer should know of an answer that is as it should be
}

// responseWriter counts what is written. It also moves the connection's write deadline along, so that a client that
// stops reading is given up.
type responseWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	idle    time.Duration
	status  int
	bytes   int64
}

// Unwrap lets http.ResponseController find the connection.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// extend moves the write deadline, by the wall clock because the kernel measures with that one. Where there is no
// connection (a test, a Lambda) there is no deadline to set either.
func (w *responseWriter) extend() { _ = w.control.SetWriteDeadline(time.Now().Add(w.idle)) }

func (w *responseWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
		w.extend()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *responseWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.extend()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// ServeHTTP answers one request.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := h.Now()
	c := &call{r: r, requestID: h.RequestID(r),
		w: &responseWriter{ResponseWriter: w, control: http.NewResponseController(w), idle: h.limits.BodyIdle}}
	// The deadline of the previous answer on this connection must not cut this one: "100 Continue" is written before
	// any answer.
	c.w.extend()
	if r.ContentLength != 0 {
		// net/http discards a body that nobody reads: not for ever.
		_ = c.w.control.SetReadDeadline(time.Now().Add(h.limits.BodyIdle))
	}
	defer func() {
		abort := h.recovered(c, recover())
		h.logCall(c, started, abort)
		if abort {
			panic(http.ErrAbortHandler)
		}
	}()
	err := h.dispatch(c)
	switch {
	case err == nil:
	case c.w.status == 0:
		h.refuse(c, err)
	default: // begun, and cannot be completed: the connection is broken off, so that no half answer looks whole
		c.err = err
		panic(http.ErrAbortHandler)
	}
}

// recovered answers after a panic. It says whether the connection must be broken off, because an answer that was begun
// cannot be completed.
func (h *handler) recovered(c *call, panicked any) (abort bool) {
	switch panicked {
	case nil:
		return false
	case http.ErrAbortHandler:
		return true
	}
	cause := fmt.Errorf("panic: %v\n%s", panicked, debug.Stack())
	if c.w.status != 0 {
		c.err = cause
		return true
	}
	h.refuse(c, &problem{problemType: internal, cause: cause,
		detail: "Something went wrong here. The request id names it in the log."})
	return false
}

// dispatch finds the route, authorizes the request and runs the action.
func (h *handler) dispatch(c *call) error {
	header := c.w.Header()
	header.Set("X-Request-Id", c.requestID)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	h.allowOrigin(c)
	if !h.cameByTheFront(c.r.Header) {
		return newProblem(notByFront, "This API is not called at this address, but at that of what stands in front of it: "+
			"ask whoever runs it for that one.")
	}

	rt, t, err := h.match(c.r.URL)
	if err != nil {
		return err
	}
	c.route, c.target, c.uploadID = rt, t, t.ID
	if c.r.Method == http.MethodOptions {
		h.options(c)
		return nil
	}
	act := rt.action(c.r.Method)
	if act == nil {
		header.Set("Allow", rt.allow())
		return newProblem(wrongMethod, "This address answers %s.", rt.allow())
	}
	if !rt.open {
		if err := h.authorize(c); err != nil {
			return err
		}
	}
	return act(h, c)
}

// FrontHeader is where the front says its secret. No page may send it.
const FrontHeader = "X-Hatchery-Front"

// cameByTheFront says whether a request has the secret that the front adds. Hashes are compared, in constant time: how
// long it takes tells nothing of the secret.
func (h *handler) cameByTheFront(header http.Header) bool {
	said := sha256.Sum256([]byte(header.Get(FrontHeader)))
	is := 0
	for _, hash := range h.FrontHashes {
		is |= subtle.ConstantTimeCompare(said[:], hash[:])
	}
	return is == 1 || len(h.FrontHashes) == 0
}

// authorize asks the application. Nothing of the body has been read by then.
func (h *handler) authorize(c *call) error {
	values := c.r.Header.Values("Authorization")
	if len(values) != 1 || values[0] == "" {
		return newProblem(unauthorized, "Send exactly one Authorization header: the application decides by it.")
	}
	return h.Authorizer.Authorize(c.r.Context(), values[0], string(c.Journal), string(c.Entry))
}

func (h *handler) ping(c *call) error {
	c.write("application/json", http.StatusOK, []byte(`{"status":"ok"}`))
	return nil
}

// remove deletes an upload whatever its state and answers with its last record.
func (h *handler) remove(c *call) error {
	ctx, cancel := finishing(c.r.Context(), storeTime)
	defer cancel()
	record, err := h.Pipeline.Delete(ctx, c.Ref)
	if errors.Is(err, upload.ErrNoLegacyBucket) {
		return fmt.Errorf("%w: HATCHERY_LEGACY_BUCKET is not set", err)
	}
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, record)
}

// json answers with a value.
func (c *call) json(status int, value any) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // a link can be copied as it stands
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("encode an answer: %w", err)
	}
	c.write("application/json", status, body.Bytes())
	return nil
}

// write sends a whole body. A failure to write is the client's hang-up: nobody is left to be told.
func (c *call) write(contentType string, status int, body []byte) {
	header := c.w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Content-Length", strconv.Itoa(len(body)))
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(body)
	}
}

// logCall writes the one line of a request. What a caller can put anything into (headers, queries, names, unknown
// paths and methods) is not in it.
func (h *handler) logCall(c *call, started time.Time, aborted bool) {
	pattern, method := "", "other"
	if c.route != nil {
		pattern = c.route.pattern
	}
	if slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}, c.r.Method) {
		method = c.r.Method
	}
	attributes := []slog.Attr{
		slog.String("request_id", c.requestID), slog.String("method", method), slog.String("route", pattern),
		slog.Int("status", c.w.status), slog.Int64("bytes", c.w.bytes),
		slog.Float64("ms", float64(h.Now().Sub(started).Microseconds())/1000),
	}
	if c.uploadID != "" {
		attributes = append(attributes, slog.String("upload_id", string(c.uploadID)))
	}
	if c.code != "" {
		attributes = append(attributes, slog.String("code", c.code))
	}
	if c.note != "" {
		attributes = append(attributes, slog.String("note", c.note))
	}
	level := slog.LevelInfo
	if aborted {
		attributes = append(attributes, slog.Bool("aborted", true))
	}
	if c.err != nil {
		level = slog.LevelError
		attributes = append(attributes, slog.String("error", c.err.Error()))
	}
	if errors.Is(c.r.Context().Err(), context.Canceled) && c.code != internal.code {
		// The caller is gone: what failed then is no error of ours. That our own time was over is one.
		attributes = append(attributes, slog.Bool("client_gone", true))
		level = slog.LevelInfo
	}
	h.Log.LogAttrs(c.r.Context(), level, "request", attributes...)
}
