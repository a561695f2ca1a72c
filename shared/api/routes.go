package api

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// route is one path with what it answers.
type route struct {
	pattern string
	// open: it needs no Authorization.
	open bool
	// methods: GET answers HEAD too.
	methods map[string]action
}

// action answers one request. An error becomes a problem by the table in errors.go.
type action func(*handler, *call) error

// The patterns. What stands in braces is one segment of the path.
const (
	pathPing   = "/ping"
	pathFiles  = "/files/{journal}/entries/{entry}/{kind}"
	pathForms  = pathFiles + "/uploads"
	pathFile   = pathFiles + "/{id}"
	pathStatus = pathFile + "/status"
	pathLink   = pathFile + "/link"
)

// newRoutes gives all routes. The first whose pattern fits is taken: "uploads" is no id.
//
// It is no package variable: the linker would keep every handler in programs that only
// link this package.
func newRoutes() []route {
	return []route{
		{pattern: pathPing, open: true, methods: map[string]action{http.MethodGet: (*handler).ping}},
		{pattern: pathFiles, methods: map[string]action{http.MethodGet: (*handler).list, http.MethodPost: (*handler).post}},
		{pattern: pathForms, methods: map[string]action{http.MethodPost: (*handler).form}},
		{pattern: pathFile, methods: map[string]action{http.MethodGet: (*handler).serve,
			http.MethodDelete: (*handler).remove}},
		{pattern: pathStatus, methods: map[string]action{http.MethodGet: (*handler).status}},
		{pattern: pathLink, methods: map[string]action{http.MethodGet: (*handler).link}},
	}
}

// allow lists the methods that a route answers, as the Allow header has them.
func (rt *route) allow() string {
	allowed := []string{http.MethodOptions}
	for method := range rt.methods {
		allowed = append(allowed, method)
		if method == http.MethodGet {
			allowed = append(allowed, http.MethodHead)
		}
	}
	slices.Sort(allowed)
	return strings.Join(allowed, ", ")
}

// action finds what answers a method, or nil.
func (rt *route) action(method string) action {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	return rt.methods[method]
}

// target is what a path names.
type target struct {
	upload.Ref
	kind policy.Kind
}

// maxPath bounds a path; the longest real one is far shorter.
const maxPath = 1024

// match finds the route of a URL and what it names, or says why there is none. One slash at the end does not matter. A
// path is split before it is unescaped, so %2F is never a separator; and nothing is cleaned, so "//" and ".." are
// segments that fit nothing.
func (h *handler) match(u *url.URL) (*route, target, error) {
	path := u.EscapedPath()
	why := newProblem(notFound, "There is nothing at this address: files are at %s.", pathFiles)
	if len(path) > maxPath {
		return nil, target{}, why
	}
	segments := strings.Split(strings.TrimSuffix(path, "/"), "/")
	for i := range segments {
		var err error
		if segments[i], err = url.PathUnescape(segments[i]); err != nil {
			return nil, target{}, why
		}
	}
	for i := range h.routes {
		t, ok, err := fit(h.routes[i].pattern, segments, h.Pipeline.Policy)
		if ok {
			return &h.routes[i], t, nil
		}
		if err != nil {
			why = problemOf(err)
		}
	}
	return nil, target{}, why
}

// fit compares the segments of a path with a pattern. The error says which name would have fitted where all but names
// do.
func fit(pattern string, segments []string, kinds policy.Policy) (t target, ok bool, why error) {
	parts := strings.Split(pattern, "/")
	if len(parts) != len(segments) {
		return t, false, nil
	}
	for i, segment := range segments {
		var err error
		switch parts[i] {
		case "{journal}":
			t.Journal, err = upload.Journal(segment), checkPathID("A journal", segment)
		case "{entry}":
			t.Entry, err = upload.Entry(segment), checkPathID("An entry", segment)
		case "{kind}":
			t.Kind = policy.KindName(segment)
			t.kind, err = kinds.Kind(t.Kind)
		case "{id}":
			if t.ID, err = upload.ParseID(segment); err != nil {
				err = newProblem(notFound, "The id of a file is a UUID like 01890a5d-ac96-774b-bcce-b302099a8057.")
			}
		default:
			if parts[i] != segment {
				return target{}, false, nil
			}
		}
		why = cmp.Or(why, err)
	}
	return t, why == nil, why
}

func checkPathID(what, segment string) error {
	if upload.ValidPathID(segment) {
		return nil
	}
	return newProblem(notFound, "%s has 1 to 64 characters, of A-Z, a-z, 0-9, _ and -.", what)
}

// path fills a pattern for a reference: what Location and the like hold.
func path(pattern string, ref upload.Ref) string {
	return strings.NewReplacer("{journal}", string(ref.Journal), "{entry}", string(ref.Entry),
		"{kind}", string(ref.Kind), "{id}", string(ref.ID)).Replace(pattern)
}
