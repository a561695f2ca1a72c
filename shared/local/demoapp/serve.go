package demoapp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// closeWithin is how long Close waits for answers that are under way.
const closeWithin = time.Second

// Server is the demo application on a socket.
type Server struct {
	url    string
	server *http.Server
	served chan error // the one result of Serve
}

// Open serves the demo application on listen, "127.0.0.1:0" for example, where
// port 0 is one that is free. ctx bounds the opening alone; the server runs
// until Close.
func Open(ctx context.Context, listen string) (*Server, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("open the demo application: %w", err)
	}
	s := &Server{
		url: "http://" + listener.Addr().String(),
		server: &http.Server{
			Handler:           Handler(),
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       5 * time.Second,
			WriteTimeout:      10 * time.Second,
			IdleTimeout:       2 * time.Minute,
			MaxHeaderBytes:    32 << 10,
		},
		served: make(chan error, 1),
	}
	go func() { s.served <- s.server.Serve(listener) }()
	return s, nil
}

// URL is where the application is, to be given to whoever asks it.
func (s *Server) URL() string { return s.url }

// Close stops the server: answers that are under way get a second. It
// reports what had stopped the server before, if anything had. Call it once.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	var err error
	if s.server.Shutdown(ctx) != nil {
		// An answer that takes longer, or a connection on which nothing was asked yet:
		// net/http would wait five seconds for its first word.
		err = s.server.Close()
	}
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(served, err)
	}
	if err != nil {
		return fmt.Errorf("close the demo application: %w", err)
	}
	return nil
}
