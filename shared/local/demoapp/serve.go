package demoapp

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"hatchery/shared/local/httpserver"
)

// Server is the demo application on a socket.
type Server struct{ http *httpserver.Server }

// Open serves the demo application, which handler is or has within, on listen, "127.0.0.1:0" for any free port. ctx
// bounds the opening alone; the server runs until Close.
func Open(ctx context.Context, listen string, handler http.Handler) (*Server, error) {
	s, err := httpserver.Listen(ctx, listen, nil, 5*time.Second, 5*time.Second, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, fmt.Errorf("open the demo application: %w", err)
	}
	s.Start(handler)
	return &Server{s}, nil
}

// URL is where the application is, to be given to whoever asks it.
func (s *Server) URL() string { return s.http.URL() }

// Close stops the server: answers that are under way get a second. It reports what had stopped the server before, if
// anything had. Call it once.
func (s *Server) Close() error {
	if err := s.http.Close(context.Background()); err != nil {
		return fmt.Errorf("close the demo application: %w", err)
	}
	return nil
}
