package localbrood

import (
	"bytes"
	"io"
	"net/http"
)

// readAll reads a request's body within the stand-in's bound.
func readAll(r *http.Request) ([]byte, error) {
	return io.ReadAll(io.LimitReader(r.Body, maxBody+1))
}

// again is a body that was read, to be read once more.
func again(body []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(body)) }
