//go:build acceptance

package acceptance

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// process is a function's program under a Runtime API of our own: AWS's emulator adds 14 to 42 ms to each invocation.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
type process struct {
	server  *server
	api     *httptest.Server
	began   time.Time
	asked   bool // the program has asked for an event before
	events  chan []byte
	replies chan invoked
	idle    chan struct{} // the program asks again: an invocation is complete
}

// invoked is what a function said of one event.
type invoked struct {
	failure string // the path and the text of an error
	body    []byte
	at      time.Time // when the last byte was here
}

// startProcess starts a function's program. The environment is the function's whole.
func startProcess(t testing.TB, program string, env []string) *process {
	t.Helper()
	p := &process{events: make(chan []byte), replies: make(chan invoked, 1), idle: make(chan struct{}, 1)}
	p.api = httptest.NewServer(p)
	env = append([]string{"PATH=/usr/bin:/bin", "TMPDIR=" + t.TempDir(), "AWS_LAMBDA_FUNCTION_NAME=function",
		"AWS_LAMBDA_FUNCTION_TIMEOUT=60", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512",
		"AWS_LAMBDA_RUNTIME_API=" + p.api.Listener.Addr().String()}, env...)
	p.began = time.Now()
	p.server = serve(t, "function", env, program)
	t.Cleanup(p.end)
	return p
}

func (p *process) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if path.Base(r.URL.Path) == "next" {
		p.next(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 8<<20))
	reply := invoked{body: body, at: time.Now()}
	if err != nil || path.Base(r.URL.Path) != "response" {
		reply.failure = fmt.Sprintf("%s: %s, %v", r.URL.Path, body, err)
	}
	w.WriteHeader(http.StatusAccepted)
	p.replies <- reply
}

func (p *process) next(w http.ResponseWriter, r *http.Request) {
	if p.asked {
		p.idle <- struct{}{}
	}
	p.asked = true
	select {
	case event := <-p.events:
		header := w.Header()
		header.Set("Content-Type", "application/json")
		header.Set("Content-Length", strconv.Itoa(len(event)))
		header.Set("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
		header.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10))
		header.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:function")
		_, _ = w.Write(event) // a program that has ended is noticed by whoever waits for its reply
	case <-r.Context().Done():
	}
}

// invoke hands the program an event, and gives the reply when the program asks for the next event. What is measured ends
// with the reply's last byte. The first one is a cold start: it is measured from the start of the program.
func (p *process) invoke(t testing.TB, event []byte) (reply []byte, took time.Duration) {
	t.Helper()
	began := time.Now()
	if !p.began.IsZero() {
		began, p.began = p.began, time.Time{}
	}
	var got invoked
	for step, limit := 0, time.After(time.Minute); step < 3; step++ {
		var events chan<- []byte
		var replies <-chan invoked
		var idle <-chan struct{}
		switch step {
		case 0:
			events, replies = p.events, p.replies // a program that cannot start replies before it takes an event
		case 1:
			replies = p.replies
		case 2:
			idle = p.idle
		}
		select {
		case events <- event:
		case got = <-replies:
			if got.failure != "" {
				t.Fatalf("the function failed: %s", got.failure)
			}
		case <-idle:
		case <-p.server.done:
			t.Fatalf("the function's program ended:\n%s", p.server.tail(4000))
		case <-limit:
			t.Fatalf("the function did not reply:\n%s", p.server.tail(4000))
		}
	}
	return got.body, got.at.Sub(began)
}

// cpu is the time that all threads of the program have run, in the program and in the kernel for it. Threads of a Go
// program do not end.
func (p *process) cpu(t testing.TB) (sum time.Duration) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.server.cmd.Process.Pid))
	check(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		check(t, err)
		ran, _, _ := strings.Cut(string(text), " ")
		nanoseconds, err := strconv.ParseInt(ran, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		sum += time.Duration(nanoseconds)
	}
	if sum == 0 {
		t.Fatal("the kernel does not say how long the function's threads have run")
	}
	return sum
}

// peak is the most memory that the program has had, in bytes.
func (p *process) peak() int64 { return int64(peakMemory(p.server.cmd.Process.Pid)) << 10 }

func (p *process) end() {
	p.server.end()
	p.api.Close()
}
