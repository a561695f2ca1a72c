package localbugout

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// reply is an answer: a status and what is written as JSON, or a string as plain text.
type reply struct {
	status int
	body   any
}

// caller is whose token was sent.
type caller struct {
	role Role
	user string // its id
	// overtakes: its request hands itself to Late between reading and writing.
	overtakes bool
}

// action does what a route is for.
type action func(*http.Request, caller) *reply

// handler has Bugout's routes.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	s.serve(mux, "/ping", route{"GET", s.open(&reply{http.StatusOK, map[string]string{"status": "ok"}})})
	s.serve(mux, "/resources/version", route{"GET", s.open(&reply{http.StatusOK, map[string]string{"version": "0.3.0"}})})
	s.serve(mux, "/auth", route{"GET", s.authorized("", s.whoAmI)})
	s.serve(mux, "/applications", route{"POST", s.authorized("create applications", s.register)})
	s.serve(mux, "/resources/{$}", route{"POST", s.authorized("create resource", s.create)},
		route{"GET", s.authorized("list resources", s.list)})
	s.serve(mux, "/resources/{id}", route{"GET", s.authorized("get resource", s.onResource(s.sees, s.get))},
		route{"PUT", s.authorized("update resource", s.update)},
		route{"DELETE", s.authorized("delete resource", s.remove)})
	s.serve(mux, "/resources/{id}/holders",
		route{"POST", s.authorized("add resource holder permissions", s.changeHolder)},
		route{"GET", s.authorized("list resource holders", s.onResource(s.sees, s.listHolders))},
		route{"DELETE", s.authorized("delete resource holder permissions", s.changeHolder)})
	// A slash too few or too many is redirected to an absolute URL.
	mux.HandleFunc("/resources", func(w http.ResponseWriter, r *http.Request) { redirect(w, r, "/resources/") })
	mux.HandleFunc("/resources/{id}/{$}", func(w http.ResponseWriter, r *http.Request) {
		redirect(w, r, "/resources/"+r.PathValue("id"))
	})
	mux.HandleFunc("/", s.open(notFound))
	return mux
}

// route is what a path does with a method.
type route struct {
	method string
	do     http.HandlerFunc
}

// serve serves a path. A method that it has no route for is a 405, which allows the method of the first route alone, as
// the framework of Bugout says it.
func (s *Server) serve(mux *http.ServeMux, path string, routes ...route) {
	refuse := s.open(methodNotAllowed)
	mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		for _, one := range routes {
			if one.method == r.Method {
				one.do(w, r)
				return
			}
		}
		w.Header().Set("Allow", routes[0].method)
		refuse(w, r)
	})
}

func redirect(w http.ResponseWriter, r *http.Request, to string) {
	target := "http://" + r.Host + to
	if r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusTemporaryRedirect)
}

// open answers without asking who calls, unless nothing is answered at all.
func (s *Server) open(answer *reply) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		stalled := s.stalled
		s.mu.Unlock()
		if _, err := io.Copy(io.Discard, r.Body); err == nil && (stalled == nil || s.silent(r, stalled)) {
			answer.write(w)
		}
	}
}

// authorized answers the owners of tokens, with trouble where trouble is asked for. what is said to be refused to a
// restricted token; with "" it is not refused.
func (s *Server) authorized(what string, do action) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		number, stalled := s.enter()
		defer s.leave()
		// Read first: some trouble takes it twice, and net/http notices that a caller is gone only after its body.
		body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
		if err != nil || stalled != nil && !s.silent(r, stalled) {
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
		who, refused := s.authorize(r.Header)
		if refused == nil && who.role == Restricted && what != "" {
			refused = failed(http.StatusForbidden, "Restricted tokens are not authorized to "+what+".")
		}
		if refused != nil {
			refused.write(w)
			return
		}
		who.overtakes = trouble == Overtakes
		perform := func() *reply {
			r.Body = io.NopCloser(bytes.NewReader(body))
			return do(r, who)
		}
		answer := perform()
		if trouble == HappensTwice {
			answer = perform()
		}
		s.deliver(w, r, answer, trouble)
	}
}

// deliver sends an answer, unless that is what goes wrong.
func (s *Server) deliver(w http.ResponseWriter, r *http.Request, answer *reply, trouble Trouble) {
	switch trouble {
	case FailsAfter:
		serverError.write(w)
	case SilentAfter:
		s.silent(r, nil)
	case BreaksOff:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write([]byte(`{"id": "`)) // the connection breaks in any case
		panic(http.ErrAbortHandler)
	case Nonsense:
		_, _ = w.Write([]byte("<html>a proxy's page</html>")) // it fails when the caller is gone
	default:
		answer.write(w)
	}
}

// enter counts a request. The channel is not nil when it will not be answered before it is closed: there are more at
// once than the database has connections.
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

// silent waits until until is closed, and is false when the caller or the server went away before. The request's body
// was read.
func (s *Server) silent(r *http.Request, until chan struct{}) bool {
	select {
	case <-until:
		return true
	case <-r.Context().Done():
	case <-s.stopping:
	}
	return false
}

// overtake holds a request that has read, until it is let go. It is false when the caller or the server went away
// before. The lock is held, and not while it waits.
func (s *Server) overtake(r *http.Request) bool {
	s.mu.Unlock()
	defer s.mu.Lock()
	written := make(chan struct{})
	select {
	case s.late <- sync.OnceFunc(func() { close(written) }):
		return s.silent(r, written)
	case <-r.Context().Done():
	case <-s.stopping:
	}
	return false
}

// authorize finds who calls, or the refusal.
func (s *Server) authorize(h http.Header) (caller, *reply) {
	// Of "Bearer " the space never arrives: net/http trims values.
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return caller{}, failed(http.StatusUnauthorized, "Not authenticated")
	}
	unknown := failed(http.StatusNotFound, "Access token not found")
	if token == "" {
		return caller{}, unknown
	}
	id, err := uuid.Parse(token)
	if err != nil {
		return caller{}, serverError
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch role := s.tokens[id.String()]; role {
	case 0:
		return caller{}, unknown
	case Revoked:
		return caller{}, failed(http.StatusNotFound, "Access token not active")
	default:
		return caller{role: role, user: userOf(id.String(), role)}, nil
	}
}

// membersID is the user that members' tokens belong to.
const membersID = "5f8d1d5e-7c0b-4f65-9a35-2d7fd1a1c001"

// userOf is the id of the user that a token belongs to. Of the others each has its own; a token that is no member's any
// more holds nothing that a member made.
func userOf(token string, role Role) string {
	if role == Member {
		return membersID
	}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(token)).String()
}

// whoAmI shows the user and its groups. Whatever the stand-in does not keep is the same for all.
func (s *Server) whoAmI(_ *http.Request, who caller) *reply {
	name := "user-" + who.user[:8]
	email := name + "@example.com"
	since := moment{time.Date(2024, 4, 1, 12, 0, 0, 1000, time.UTC)}
	groups := []any{}
	if who.role == Member {
		groups = append(groups, map[string]any{"group_id": groupID, "user_id": who.user, "user_type": "owner",
			"autogenerated": false, "group_name": "hatchery", "parent": nil, "num_users": 1, "num_seats": 1})
	}
	return &reply{http.StatusOK, map[string]any{"user_id": who.user, "username": name, "first_name": nil,
		"last_name": nil, "email": email, "normalized_email": email, "verified": true, "created_at": since,
		"updated_at": since, "autogenerated": false, "application_id": nil, "web3_address": nil, "groups": groups}}
}

func (a *reply) write(w http.ResponseWriter) {
	if text, isText := a.body.(string); isText {
		http.Error(w, text, a.status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if a.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "web3/bearer")
	}
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(a.body) // it fails when the caller is gone
}
