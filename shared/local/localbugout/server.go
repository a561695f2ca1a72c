// Package localbugout stands in for Bugout's auth server (Brood), which keeps users and resources, so that records can
// be kept as Bugout resources without an account there. It answers the part of Bugout's API that a client of
// resources meets, with the oddities that a client has to live with: a bad token is a 404 (or a 500), there is no
// uniqueness, no condition, no paging and no order, a missing slash is a 307, and more requests at once than its
// database has connections end in silence. On request it misbehaves: see [Trouble].
//
// Everything is kept in memory and, with a path, in a journal of changes: a change is on disk before it is answered,
// and read again at the next start.
package localbugout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/google/uuid"

	"hatchery/shared/local/httpserver"
)

// Role is what the owner of a token may do.
type Role int

// The roles. A token that is in no role does not exist.
const (
	// Member is in the application's group: it creates, and has admin on what any member created.
	Member Role = iota + 1
	// Stranger is a user outside of the group, who sees and does what it was given as a holder of single resources.
	Stranger
	// Reader is a user outside of the group who was given read on every resource: it sees them all, creates none, and
	// to change one is answered as if it did not exist.
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
	// Hosts are further hosts by which it is called.
	Hosts httpserver.Hosts
	// Application is the id of the application that exists from the start; "" for none.
	Application string
	// Tokens are UUIDs and what they may do.
	Tokens map[string]Role
	// AtOnce is how many requests for resources can be under way; one more and nothing is answered any more, until
	// Recover. 0 is 10, the default pool of Bugout's database.
	AtOnce int
	// Trouble, when set, is asked before every request for resources or applications. It may be called concurrently.
	Trouble func(Call) Trouble
	// Log receives what cannot be told to a caller; nil drops it.
	Log *slog.Logger

	now func() time.Time // nil is time.Now
}

// Call is a request, for Options.Trouble to decide about.
type Call struct {
	Method, Path string
	Number       int // counts the calls from 1
}

// Trouble is how a request goes wrong.
type Trouble int

// What can go wrong.
const (
	None           Trouble = iota // it goes well
	FailsBefore                   // 500, and nothing was done
	FailsAfter                    // it was done, and the answer is 500 all the same
	SilentBefore                  // nothing is done, and no answer comes until the caller gives up
	SilentAfter                   // it was done, and no answer comes
	BreaksOff                     // it was done, and the connection breaks within the answer
	HappensTwice                  // it is done twice, as by a proxy that repeats a request; the second answer comes back
	TokenForgotten                // 404 "Access token not found", as after a revocation
	Nonsense                      // 200 with a body that is no JSON
	Redirects                     // 307 to another host, where nobody should follow with a token
	// Overtakes: a PUT or DELETE reads the resource and hands itself to Late; let go, it writes what it makes of that.
	// Whatever was written meanwhile is undone, as where several of Bugout's processes read, merge and write without a
	// lock. What was deleted meanwhile stays deleted: the PUT is a 500 in plain text, the DELETE a 200. Other requests
	// go well.
	Overtakes
)

// Server is a running stand-in. Its methods may be called concurrently.
type Server struct {
	options  Options
	http     *httpserver.Server
	stopping chan struct{} // closed by Close: silent requests end
	late     chan func()

	mu           sync.Mutex
	resources    []*resource // in the order of their creation
	byID         map[string]*resource
	holders      map[string][]holder // by the id of their resource
	applications map[string]application
	tokens       map[string]Role
	journal      *os.File // nil: nothing is kept
	calls        int
	busy         int
	stalled      chan struct{} // not nil while nothing is answered; closed by Recover
}

// Open reads the journal, listens and serves until Close.
func Open(ctx context.Context, o Options) (*Server, error) {
	o.AtOnce = cmp.Or(o.AtOnce, 10)
	if o.now == nil {
		o.now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{options: o, stopping: make(chan struct{}), late: make(chan func()), byID: map[string]*resource{},
		holders: map[string][]holder{}, applications: map[string]application{}, tokens: map[string]Role{}}
	for token, role := range o.Tokens {
		id, err := uuid.Parse(token)
		if err != nil {
			return nil, errors.New("open Bugout's stand-in: a token is no UUID (not shown)")
		}
		s.tokens[id.String()] = role
	}
	if o.Application != "" {
		s.applications[o.Application] = application{ID: o.Application, GroupID: groupID, Name: "hatchery"}
	}
	err := s.openJournal()
	if err == nil {
		// An answer may take any time: a silent request lasts as long as its caller.
		s.http, err = httpserver.Listen(ctx, o.Listen, o.Hosts, time.Minute, 0, o.Log)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open Bugout's stand-in: %w", err), s.closeJournal())
	}
	s.http.Start(s.handler())
	return s, nil
}

// URL is the base URL.
func (s *Server) URL() string { return s.http.URL() }

// SetRole changes what a token may do; 0 makes it unknown.
func (s *Server) SetRole(token string, role Role) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = role
}

// Late gives each request that Overtakes, once it has read: calling what comes lets it write. Whoever lets requests
// overtake has to receive from it.
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
	err := s.http.Close(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	if err = errors.Join(err, s.closeJournal()); err != nil {
		return fmt.Errorf("close Bugout's stand-in: %w", err)
	}
	return nil
}

// NewID makes an id as Bugout makes them, at random: for an application, or a token.
func NewID() string { return uuid.NewString() }
