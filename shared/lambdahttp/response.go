package lambdahttp

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// responseWriter is the http.ResponseWriter of one request. It keeps what is written, as much as front passes on. It
// has no method of a connection's, so that http.ResponseController answers http.ErrNotSupported.
type responseWriter struct {
	method string
	limit  int64

	header   http.Header // the handler's
	status   int         // 0: not decided
	sent     http.Header // header as it was when the status was decided
	declared int64       // Content-Length, -1: not declared
	written  int64
	body     bytes.Buffer
	tooLarge bool
}

func newResponseWriter(method string, f front) *responseWriter {
	return &responseWriter{method: method, limit: int64(f.maxReply()), header: http.Header{}, declared: -1}
}

func (w *responseWriter) Header() http.Header { return w.header }

// Flush does nothing: an answer leaves whole.
func (w *responseWriter) Flush() {}

// headerRoom is what the reply needs besides the text of its body.
const headerRoom = 16 << 10

// TextRoom is how many bytes of text the answer may have, as they are inside of a JSON string.
func (w *responseWriter) TextRoom() int { return int(w.limit) - headerRoom }

// FileRoom is the largest file that fits into one request or answer as base64, which makes four bytes of three.
func (w *responseWriter) FileRoom() int64 { return (w.limit - headerRoom) * 3 / 4 }

func (w *responseWriter) WriteHeader(status int) {
	switch {
	case status < 100 || status > 999:
		panic(fmt.Sprintf("invalid WriteHeader code %d", status)) // as net/http does
	case w.status != 0, status < 200 && status != http.StatusSwitchingProtocols:
		return // decided already, or informational
	}
	w.status, w.sent = status, w.header.Clone()
	if length := w.sent.Get("Content-Length"); length != "" {
		n, err := strconv.ParseInt(length, 10, 64)
		if err != nil || n < 0 {
			w.sent.Del("Content-Length")
			return
		}
		w.declared = n
	}
	// Known to be too large: not a byte needs to be fetched for it.
	w.tooLarge = w.hasBody() && w.declared > w.limit
	if w.hasBody() && !w.tooLarge && w.declared > 0 {
		w.body.Grow(int(w.declared))
	}
}

// errTooLarge is what a handler gets that writes more than fits.
var errTooLarge = errors.New("the answer is larger than a function may give")

// sniffed is how many bytes tell the type.
const sniffed = 512

func (w *responseWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case !bodyAllowed(w.status):
		return 0, http.ErrBodyNotAllowed
	case w.declared >= 0 && w.written+int64(len(p)) > w.declared:
		return 0, http.ErrContentLength
	}
	w.written += int64(len(p))
	if !w.hasBody() {
		w.body.Write(p[:min(len(p), max(0, sniffed-w.body.Len()))])
		return len(p), nil
	}
	if w.tooLarge = w.tooLarge || w.written > w.limit; w.tooLarge {
		w.body = bytes.Buffer{}
		return 0, errTooLarge
	}
	return w.body.Write(p)
}

// hasBody tells whether the answer that is being written has a body.
func (w *responseWriter) hasBody() bool { return w.method != http.MethodHead && bodyAllowed(w.status) }

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// response is what is sent.
type response struct {
	status int
	header http.Header
	body   []byte
}

// finish is the response after the handler has returned.
func (w *responseWriter) finish() (*response, *problem) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.status < 200 || w.status > 599 {
		return nil, broken(fmt.Errorf("the handler answered %d, which cannot be passed on", w.status))
	}
	if w.hasBody() && w.declared > w.written {
		return nil, broken(fmt.Errorf("the handler wrote %d of %d bytes", w.written, w.declared))
	}
	header := w.sent
	_, typed := header["Content-Type"]
	if !typed && header.Get("Content-Encoding") == "" && w.body.Len() > 0 {
		header.Set("Content-Type", http.DetectContentType(w.body.Bytes()))
	}
	if !bodyAllowed(w.status) {
		header.Del("Content-Length")
	}
	if w.status == http.StatusNotModified {
		header.Del("Content-Type")
	}
	resp := &response{status: w.status, header: passable(header)}
	if w.hasBody() {
		resp.body = w.body.Bytes()
	}
	return resp, nil
}

// connectionHeaders are about a connection (RFC 9110, 7.6.1), besides those that Connection names.
var connectionHeaders = []string{"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade"}

// passable leaves the headers that can be passed on.
func passable(header http.Header) http.Header {
	drop := slices.Clone(connectionHeaders)
	for _, value := range header.Values("Connection") {
		for name := range strings.SplitSeq(value, ",") {
			drop = append(drop, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	// A trailer (http.TrailerPrefix) is named by no token, and goes, too.
	maps.DeleteFunc(header, func(name string, values []string) bool {
		return len(values) == 0 || !isToken(name) || slices.Contains(drop, http.CanonicalHeaderKey(name))
	})
	lines := strings.NewReplacer("\r", " ", "\n", " ") // a value is one line
	for _, values := range header {
		for i := range values {
			values[i] = strings.TrimSpace(lines.Replace(values[i]))
		}
	}
	return header
}
