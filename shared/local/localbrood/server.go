package localbrood

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Role is what the owner of a token may do.
type Role int

// The roles. A token that is in no role does not exist.
const (
	// Member is in the application's group: it creates, and has admin on what any
	// member created.
	Member Role = iota + 1
	// Stranger is a user outside of the group, who sees and does what it was given as a
	// holder of single resources.
	Stranger
	// Reader is a user outside of the group who was given read on every resource: it
	// sees them all, creates none, and to change one is answered as if it was not there.
	Reader
	// Restricted tokens are refused on every route but /auth.
	Restricted
	// Revoked tokens are not active any more.
	Revoked
)

// Options say what Open is to serve.
type Options struct {
	// Path of the journal of changes; "" keeps nothing. Its folder must exist.
	Path string
	// Listen is the TCP address, "127.0.0.1:0" for any free port. Required.
	Listen string
	// Application is the id of the application that exists from the start; "" for
	// none.
	Application string
	// Tokens are UUIDs and what they may do.
	Tokens map[string]Role
	// AtOnce is how many requests for resources can be under way; one more and
	// nothing is answered any more, until Recover. 0 is 10, Brood's default pool.
	AtOnce int
	// Trouble, when set, is asked before every request for resources or
	// applications. It may be called concurrently.
	Trouble func(Call) Trouble
	// Now is the clock of created_at; nil is time.Now.
	Now func() time.Time
	// Log receives what cannot be told to a caller; nil drops it.
	Log *slog.Logger
}

// Call is a request, for Options.Trouble to decide about.
type Call struct {
	Method, Path string
	// Number counts the calls from 1.
	Number int
}

// Trouble is how a request goes wrong.
type Trouble int

// What can go wrong.
const (
	// None: it goes well.
	None Trouble = iota
	// FailsBefore: 500, and nothing was done.
	FailsBefore
	// FailsAfter: it was done, and the answer is 500 all the same.
	FailsAfter
	// SilentBefore: nothing is done, and no answer comes until the caller gives up.
	SilentBefore
	// SilentAfter: it was done, and no answer comes.
	SilentAfter
	// BreaksOff: it was done, and the connection breaks within the answer.
	BreaksOff
	// HappensTwice: it is done twice, as by a proxy that repeats a request; the
	// second answer comes back.
	HappensTwice
	// TokenForgotten: 404 "Access token not found", as after a revocation.
	TokenForgotten
	// Nonsense: 200 with a body that is no JSON.
	Nonsense
	// Redirects: 307 to another host, where nobody should follow with a token.
	Redirects
	// Overtakes: a PUT reads the resource and hands itself to Late; let go, it writes
	// what it makes of that. Whatever was written meanwhile is undone, as where several
	// of Brood's processes read, merge and write without a lock. Other requests go well.
	Overtakes
)

// Server is a running stand-in. Its methods may be called concurrently.
type Server struct {
	options  Options
	listener net.Listener
	http     *http.Server
	done     chan struct{} // closed when serving has ended
	stopping chan struct{} // closed by Close: silent requests end
	late     chan func()

	mu           sync.Mutex
	resources    []*resource // in the order of their creation
	byID         map[string]*resource
	holders      map[string][]holder // by the id of their resource
	applications map[string]application
	tokens       map[string]Role
	journal      *journal
	calls        int
	busy         int
	stalled      chan struct{} // not nil while nothing is answered; closed by Recover
}

// Open reads the journal, listens and serves until Close.
func Open(ctx context.Context, o Options) (*Server, error) {
	if o.AtOnce == 0 {
		o.AtOnce = 10
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{options: o, done: make(chan struct{}), stopping: make(chan struct{}), late: make(chan func()),
		byID: map[string]*resource{}, holders: map[string][]holder{}, applications: map[string]application{}, tokens: map[string]Role{}}
	for token, role := range o.Tokens {
		id, err := uuid.Parse(token)
		if err != nil {
			return nil, errors.New("open Brood's stand-in: a token is no UUID (not shown)")
		}
		s.tokens[id.String()] = role
	}
	if o.Application != "" {
		s.applications[o.Application] = application{ID: o.Application, GroupID: groupID, Name: "hatchery"}
	}
	if err := s.openJournal(); err != nil {
		return nil, fmt.Errorf("open Brood's stand-in: %w", err)
	}
	var config net.ListenConfig
	var err error
	if s.listener, err = config.Listen(ctx, "tcp", o.Listen); err != nil {
		return nil, errors.Join(fmt.Errorf("open Brood's stand-in: listen on %s: %w", o.Listen, err), s.journal.close())
	}
	s.http = &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10, ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug)}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			o.Log.Error("the stand-in for Brood stopped serving", "error", err)
		}
	}()
	return s, nil
}

// URL is the base URL.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// SetRole changes what a token may do; 0 makes it unknown.
func (s *Server) SetRole(token string, role Role) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if role == 0 {
		delete(s.tokens, token)
		return
	}
	s.tokens[token] = role
}

// Late gives each PUT that Overtakes, once it has read: calling what comes lets it
// write. Whoever lets PUTs overtake has to receive from it.
func (s *Server) Late() <-chan func() { return s.late }

// Recover ends a silence that too many requests at once brought about.
func (s *Server) Recover() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stalled != nil {
		close(s.stalled)
		s.stalled = nil
	}
}

// Stalled says whether too many requests at once have silenced it.
func (s *Server) Stalled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stalled != nil
}

// Close ends every request and closes the journal.
func (s *Server) Close() error {
	close(s.stopping)
	err := s.http.Close()
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	if err = errors.Join(err, s.journal.close()); err != nil {
		return fmt.Errorf("close Brood's stand-in: %w", err)
	}
	return nil
}

// NewID makes an id as Brood makes them, at random: for an application, or a token.
func NewID() string { return uuid.NewString() }
