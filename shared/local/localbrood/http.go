package localbrood

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// reply is an answer: a status and what is written as JSON.
type reply struct {
	status int
	body   any
}

// handler has Brood's routes.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ping", s.open(reply{http.StatusOK, map[string]string{"status": "ok"}}))
	mux.HandleFunc("GET /resources/version", s.open(reply{http.StatusOK, map[string]string{"version": "0.3.0"}}))
	mux.HandleFunc("GET /auth", s.guarded(s.whoAmI))
	mux.HandleFunc("POST /applications", s.guarded(func(r *http.Request, _ Role) reply { return s.register(r) }))
	mux.HandleFunc("POST /resources/{$}", s.guarded(s.create))
	mux.HandleFunc("GET /resources/{$}", s.guarded(s.list))
	mux.HandleFunc("GET /resources/{id}", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead { // net/http takes it for a GET
			s.open(methodNotAllowed)(w, r)
			return
		}
		s.guarded(s.get)(w, r)
	})
	mux.HandleFunc("PUT /resources/{id}", s.guarded(s.update))
	mux.HandleFunc("DELETE /resources/{id}", s.guarded(s.remove))
	mux.HandleFunc("PATCH /resources/{id}", s.open(methodNotAllowed))
	// A slash too few or too many is redirected to an absolute URL.
	mux.HandleFunc("/resources", s.redirect("/resources/"))
	mux.HandleFunc("/resources/{id}/{$}", func(w http.ResponseWriter, r *http.Request) {
		s.redirect("/resources/"+r.PathValue("id"))(w, r)
	})
	mux.HandleFunc("/", s.open(notFound))
	return mux
}

func (s *Server) redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		target := "http://" + r.Host + to
		if r.URL.RawQuery != "" {
			target += "?" + r.URL.RawQuery
		}
		w.Header().Set("Location", target)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
}

// open answers without asking who calls, unless nothing is answered at all.
func (s *Server) open(answer reply) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		stalled := s.stalled
		s.mu.Unlock()
		if stalled != nil && !s.silent(r, stalled) {
			return
		}
		answer.write(w)
	}
}

// guarded answers the holders of tokens, with trouble where trouble is asked for.
func (s *Server) guarded(do func(*http.Request, Role) reply) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		number, stalled := s.enter()
		defer s.leave()
		if stalled != nil && !s.silent(r, stalled) {
			return
		}
		trouble := None
		if s.options.Trouble != nil {
			trouble = s.options.Trouble(Call{r.Method, r.URL.Path, number})
		}
		switch trouble {
		case FailsBefore:
			serverError.write(w)
			return
		case SilentBefore:
			s.silent(r, nil)
			return
		case TokenForgotten:
			failed(http.StatusNotFound, "Access token not found").write(w)
			return
		case Redirects:
			w.Header().Set("Location", "http://127.0.0.1:1"+r.URL.Path)
			w.WriteHeader(http.StatusTemporaryRedirect)
			return
		}
		role, refused := s.authorize(r.Header)
		if refused == nil && role == Restricted {
			restricted := failed(http.StatusForbidden, "Restricted tokens are not authorized to list resources.")
			refused = &restricted
		}
		if refused != nil {
			refused.write(w)
			return
		}
		answer := s.perform(do, r, role, trouble)
		switch trouble {
		case FailsAfter:
			answer = serverError
		case SilentAfter:
			s.silent(r, nil)
			return
		case BreaksOff:
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(http.StatusOK)
			_, _ = w.Write([]byte(`{"id": "`)) // the connection breaks in any case
			panic(http.ErrAbortHandler)
		case Nonsense:
			w.WriteHeader(http.StatusOK)
			_, _ = w.Write([]byte("<html>a proxy's page</html>")) // the caller is gone: nobody to tell
			return
		}
		answer.write(w)
	}
}

// perform does what was asked, twice or too late where that is the trouble.
func (s *Server) perform(do func(*http.Request, Role) reply, r *http.Request, role Role, trouble Trouble) reply {
	if trouble == Overtakes && r.Method == http.MethodPut {
		return s.merge(r, role, s.overtake)
	}
	if trouble != HappensTwice {
		return do(r, role)
	}
	body, err := readAll(r)
	if err != nil {
		return serverError
	}
	r.Body = again(body)
	do(r, role)
	r.Body = again(body)
	return do(r, role)
}

// enter counts a request. The channel is not nil when it will not be answered
// before it is closed: there are more at once than the database has connections.
func (s *Server) enter() (number int, stalled chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	s.busy++
	if s.busy > s.options.AtOnce && s.stalled == nil {
		s.stalled = make(chan struct{})
		s.options.Log.Error("more requests at once than connections: nothing is answered any more", "at_once", s.busy)
	}
	return s.calls, s.stalled
}

func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy--
}

// silent waits until until is closed, and is false when the caller or the server
// went away before.
func (s *Server) silent(r *http.Request, until chan struct{}) bool {
	// A server notices that its caller is gone only once the body was read.
	body, err := readAll(r)
	if err != nil {
		return false
	}
	r.Body = again(body)
	select {
	case <-until:
		return true
	case <-r.Context().Done():
	case <-s.stopping:
	}
	return false
}

// overtake holds a PUT that has read, until it is let go. It is false when the caller
// or the server went away before.
func (s *Server) overtake(r *http.Request) bool {
	written := make(chan struct{})
	select {
	case s.late <- sync.OnceFunc(func() { close(written) }):
	case <-r.Context().Done():
		return false
	case <-s.stopping:
		return false
	}
	return s.silent(r, written)
}

// authorize finds what the caller may do, or the refusal.
func (s *Server) authorize(h http.Header) (Role, *reply) {
	scheme, token, two := strings.Cut(h.Get("Authorization"), " ")
	if !two || !strings.EqualFold(scheme, "bearer") {
		refused := failed(http.StatusUnauthorized, "Not authenticated")
		return 0, &refused
	}
	unknown := failed(http.StatusNotFound, "Access token not found")
	if token == "" {
		return 0, &unknown
	}
	id, err := uuid.Parse(token)
	if err != nil {
		return 0, &serverError
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch role := s.tokens[id.String()]; role {
	case 0:
		return 0, &unknown
	case Revoked:
		refused := failed(http.StatusNotFound, "Access token not active")
		return 0, &refused
	default:
		return role, nil
	}
}

func (s *Server) whoAmI(*http.Request, Role) reply {
	return reply{http.StatusOK, map[string]any{"user_id": "5f8d1d5e-7c0b-4f65-9a35-2d7fd1a1c001", "username": "hatchery", "verified": true,
		"groups": []any{map[string]any{"group_id": groupID, "user_type": "owner", "group_name": "hatchery"}}}}
}

func (a reply) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	if a.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "web3/bearer")
	}
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(a.body) // the caller is gone: nobody to tell
}
