package api

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"sync"
)

// Limits are the bounds of a configuration, for tests to change.
func (c *Config) Limits() *limits { return &c.limits }

// Waiting is how many requests a verdict may wake.
func (v *Verdicts) Waiting() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.waiting)
}

// Routes lists every "METHOD pattern" of the table, GET without its HEAD.
func Routes() []string {
	var all []string
	for _, rt := range newRoutes() {
		for method := range rt.methods {
			all = append(all, method+" "+rt.pattern)
		}
	}
	return all
}

// Codes lists every problem code with its status, as the table of problems in the source has them.
var Codes = sync.OnceValue(func() map[string]int {
	source, err := os.ReadFile("errors.go")
	if err != nil {
		panic(err)
	}
	all := map[string]int{}
	for _, row := range regexp.MustCompile(`= problemType\{"(\w+)", (\d+)`).FindAllSubmatch(source, -1) {
		all[string(row[1])], _ = strconv.Atoi(string(row[2]))
	}
	return all
})

// ReadMultipart reads a multipart body as a POST does, and gives what it says of its file.
func ReadMultipart(contentType string, body io.Reader, dir string) (filename, declared string, err error) {
	into := newSpool(dir, nil, false)
	defer into.Close()
	boundaries, err := boundariesOf(contentType)
	if err != nil {
		return "", "", err
	}
	sent, err := spoolPart(body, boundaries, into, 1<<20)
	return sent.filename, sent.contentType, err
}

// WantUTF8 is how a body of a type of text is read.
func WantUTF8(body io.Reader) error { return wantUTF8(body) }

// SingleRange is how a Range is read.
func SingleRange(value string) (first, last string, ok bool) { return singleRange(value) }

// Parameters and Unquoted are how headers are read.
func Parameters(header string) map[string]string { return parameters(header) }

func Unquoted(value string) string { return unquoted(value) }

// Receiving is how many bodies are being received, Received how many bytes of them count for their rates.
func Receiving(h http.Handler) int {
	n, _ := received(h)
	return n
}

// Received is described at Receiving.
func Received(h http.Handler) int64 {
	_, bytes := received(h)
	return bytes
}

func received(h http.Handler) (bodies int, bytes int64) {
	s := h.(*handler).slots
	s.mu.Lock()
	defer s.mu.Unlock()
	for b := range s.bodies {
		b.mu.Lock()
		bytes += b.received
		b.mu.Unlock()
	}
	return len(s.bodies), bytes
}
