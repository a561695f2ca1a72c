package httpserver_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"hatchery/shared/local/httpserver"
)

var quiet = slog.New(slog.DiscardHandler)

func listen(t *testing.T) *httpserver.Server {
	t.Helper()
	s, err := httpserver.Listen(t.Context(), "127.0.0.1:0", nil, time.Minute, time.Minute, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// answer is what came of a request.
type answer struct {
	status int
	body   string
	err    error
}

func get(t *testing.T, url string, header http.Header) answer {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return answer{err: err}
	}
	request.Header = header
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, string(body), err}
}

// serving has a request under way, which is answered when finish is closed. arrived gives its answer.
type serving struct {
	*httpserver.Server
	finish  chan struct{}
	arrived chan answer
	ended   chan error // what Serve returned
}

func busy(t *testing.T) *serving {
	t.Helper()
	s := &serving{listen(t), make(chan struct{}), make(chan answer, 1), make(chan error, 1)}
	begun := make(chan struct{})
	go func() {
		s.ended <- s.Serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(begun)
			<-s.finish
			_, _ = io.WriteString(w, "done")
		}))
	}()
	go func() { s.arrived <- get(t, s.URL(), nil) }()
	<-begun
	return s
}

func (s *serving) wantServed(t *testing.T) {
	t.Helper()
	if err := <-s.ended; err != nil {
		t.Errorf("Serve gives %v", err)
	}
	if _, err := (&http.Client{}).Get(s.URL()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("closed, the address answers with %v", err)
	}
}

func TestCloseLetsARequestFinish(t *testing.T) {
	t.Parallel()
	s := busy(t)
	closed := make(chan error, 1)
	go func() { closed <- s.Close(t.Context()) }()
	if err := <-s.ended; err != nil { // it takes no more requests
		t.Errorf("Serve gives %v", err)
	}
	s.ended <- nil
	select {
	case err := <-closed:
		t.Fatalf("closed with a request under way: %v", err)
	case <-time.After(100 * time.Millisecond): // it waits
	}
	close(s.finish)
	if got := <-s.arrived; got.status != http.StatusOK || got.body != "done" || got.err != nil {
		t.Errorf("the request got %+v", got)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	s.wantServed(t)
}

func TestCloseCutsOffWhatTakesLonger(t *testing.T) {
	for name, ctx := range map[string]func() (context.Context, context.CancelFunc){
		"the context ended": func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return ctx, cancel
		},
		"a second went by": func() (context.Context, context.CancelFunc) { return context.WithCancel(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := busy(t)
			defer close(s.finish)
			ctx, cancel := ctx()
			defer cancel()
			if err := s.Close(ctx); err != nil {
				t.Error(err)
			}
			if got := <-s.arrived; got.err == nil {
				t.Errorf("the request got %+v", got)
			}
			s.wantServed(t)
		})
	}
}

func TestCloseGivesBackAnAddressThatWasNeverServed(t *testing.T) {
	s := listen(t)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	again, err := httpserver.Listen(t.Context(), strings.TrimPrefix(s.URL(), "http://"), nil, time.Minute, time.Minute, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Serve(http.NotFoundHandler()); err != nil {
		t.Errorf("Serve after Close gives %v", err)
	}
}

func TestATakenAddressIsNamed(t *testing.T) {
	s := listen(t)
	taken := strings.TrimPrefix(s.URL(), "http://")
	_, err := httpserver.Listen(t.Context(), taken, nil, time.Minute, time.Minute, quiet)
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "listen on "+taken) {
		t.Errorf("listening twice gives %v", err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAHeaderBeyondTheBoundIsRefused(t *testing.T) {
	s := listen(t)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(http.NotFoundHandler()) }()
	got := get(t, s.URL(), http.Header{"X-Long": {strings.Repeat("x", 40<<10)}})
	if got.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 40 KiB got %+v", got)
	}
	if err := errors.Join(s.Close(t.Context()), <-ended); err != nil {
		t.Error(err)
	}
}

func TestARequestThatIsNeverSentIsGivenUp(t *testing.T) {
	s, err := httpserver.Listen(t.Context(), "127.0.0.1:0", nil, 50*time.Millisecond, 50*time.Millisecond, quiet)
	if err != nil {
		t.Fatal(err)
	}
	ended, read := make(chan error, 1), make(chan error, 1)
	go func() {
		ended <- s.Serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.Copy(io.Discard, r.Body)
			read <- err
		}))
	}()
	body, never := io.Pipe()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL(), body)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if response, err := http.DefaultClient.Do(request); err == nil {
			response.Body.Close()
		}
	}()
	if err := <-read; err == nil {
		t.Error("the body ended well")
	}
	if err := errors.Join(never.Close(), s.Close(t.Context()), <-ended); err != nil {
		t.Error(err)
	}
}
