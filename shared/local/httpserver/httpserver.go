// Package httpserver is how a stand-in serves HTTP: on one address, within bounds that keep a slow or greedy caller
// from holding it, and with an end that waits a moment for the requests that are under way and no longer.
package httpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"hatchery/shared/stdlog"
)

// Server is an address that is listened on. Serve or Start is called once, Close also while it serves.
type Server struct {
	listener    net.Listener
	http        *http.Server
	hosts       Hosts
	log         *slog.Logger
	served      chan error // of Start; nil without
	endRequests context.CancelFunc

	mu      sync.Mutex
	unused  map[net.Conn]bool // connections on which nothing was asked yet
	closing bool
}

// Listen takes the TCP address, "127.0.0.1:0" for any free port. The error names the address; it is a
// syscall.EADDRINUSE when that is taken. The server answers to that address and to the hosts. Reading a request may
// take the time read, and writing its answer the time write; 0 is without a bound. log learns, at level debug, that
// net/http had something to say.
func Listen(ctx context.Context, address string, hosts Hosts, read, write time.Duration, log *slog.Logger) (
	*Server, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	requests, endRequests := context.WithCancel(context.WithoutCancel(ctx))
	s := &Server{listener: listener, hosts: append(Hosts{address}, hosts...), log: log, endRequests: endRequests,
		unused: map[net.Conn]bool{}}
	s.http = &http.Server{
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       read,
		WriteTimeout:      write,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          stdlog.Logger(func(sentence string) { log.Debug(sentence) }),
		BaseContext:       func(net.Listener) context.Context { return requests },
		ConnState:         s.noteConn,
	}
	return s, nil
}

// noteConn knows the connections on which nothing was asked yet, as browsers open them in advance. At the end, net/http
// would wait five seconds for their first word.
func (s *Server) noteConn(conn net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.unused, conn)
	if state != http.StateNew {
		return
	}
	s.unused[conn] = true
	if s.closing {
		_ = conn.Close() // nobody has asked anything
	}
}

// URL is the address for a client on this machine, without a slash at its end.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Serve answers with the handler until Close, and then returns nil. An error is why it cannot go on.
func (s *Server) Serve(handler http.Handler) error {
	s.http.Handler = s.hosts.guard(handler)
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Start is Serve in a goroutine. Why it cannot go on is logged, and returned by Close.
func (s *Server) Start(handler http.Handler) {
	s.served = make(chan error, 1)
	go func() {
		err := s.Serve(handler)
		if err != nil {
			s.log.Error("an embedded server stopped serving", "address", s.listener.Addr().String(), "error", err)
		}
		s.served <- err
		close(s.served)
	}()
}

// Close is CloseWithin a second: what is still asked after half of it is let go.
func (s *Server) Close(ctx context.Context) error { return s.CloseWithin(ctx, time.Second) }

// CloseWithin takes no more requests and lets those under way finish until ctx ends and for the time at most. Their
// contexts end after half of it, so that those that wait are let go. It cuts off the rest, and gives the address back,
// whether it was served or not.
func (s *Server) CloseWithin(ctx context.Context, limit time.Duration) error {
	defer s.endRequests()
	defer time.AfterFunc(limit/2, s.endRequests).Stop()
	s.mu.Lock()
	s.closing = true
	for conn := range s.unused {
		_ = conn.Close() // nobody has asked anything
	}
	s.mu.Unlock()
	finishing, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var err error
	if s.http.Shutdown(finishing) != nil {
		err = s.http.Close()
	}
	if closed := s.listener.Close(); !errors.Is(closed, net.ErrClosed) { // Serve closes it, too
		err = errors.Join(err, closed)
	}
	if s.served != nil {
		err = errors.Join(err, <-s.served)
	}
	return err
}
