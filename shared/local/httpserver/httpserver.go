// Package httpserver is how a stand-in serves HTTP: on one address, within bounds that keep a slow or greedy caller from
// holding it, and with an end that waits a moment for the requests that are under way and no longer.
package httpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// finishTime is how long requests may go on after Close was called.
const finishTime = time.Second

// Server is an address that is listened on. Serve and Close are called once each, Close also while Serve runs.
type Server struct {
	listener net.Listener
	http     *http.Server
}

// Listen takes the TCP address, "127.0.0.1:0" for any free port. The error names the address; it is a
// syscall.EADDRINUSE when that is taken. Reading a request may take the time within, and so may writing its answer. log
// receives, at level debug, what net/http has to say about connections.
func Listen(ctx context.Context, address string, within time.Duration, log *slog.Logger) (*Server, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return &Server{listener: listener, http: &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       within,
		WriteTimeout:      within,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}, nil
}

// URL is the address for a client on this machine, without a slash at its end.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Serve answers with the handler until Close, and then returns nil. An error is why it cannot go on.
func (s *Server) Serve(handler http.Handler) error {
	s.http.Handler = handler
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close takes no more requests, lets those under way finish until ctx ends and for a second at most, cuts off the rest,
// and gives the address back, whether Serve was called or not.
func (s *Server) Close(ctx context.Context) error {
	finishing, cancel := context.WithTimeout(ctx, finishTime)
	defer cancel()
	var err error
	if s.http.Shutdown(finishing) != nil {
		// A request that takes longer, or a connection on which nothing was asked yet:
		// net/http would wait five seconds for its first word.
		err = s.http.Close()
	}
	if closed := s.listener.Close(); !errors.Is(closed, net.ErrClosed) { // Serve closes it, too
		err = errors.Join(err, closed)
	}
	return err
}
