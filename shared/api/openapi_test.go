package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"hatchery/shared/api"
)

// contract is docs/openapi.yaml, and what of it was seen.
type contract struct {
	document *openapi3.T
	routes   routers.Router
	seen     map[string]bool // "METHOD path status"
}

func readContract(t *testing.T) *contract {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromFile("../../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := document.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	document.Servers = nil // the requests of the table have no host
	routes, err := legacy.NewRouter(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, picture := range []string{"image/png", "image/jpeg", "image/gif"} {
		openapi3filter.RegisterBodyDecoder(picture, openapi3filter.FileBodyDecoder)
	}
	return &contract{document: document, routes: routes, seen: map[string]bool{}}
}

// ofNoRoute says whether an answer is one that the description has once for all paths, in its words.
func ofNoRoute(e exchange, route *routers.Route) bool {
	return e.method == http.MethodOptions || e.status == http.StatusMethodNotAllowed ||
		(e.status == http.StatusNotFound || e.code == "not_by_front") && (route == nil || route.Operation.Responses.Status(e.status) == nil)
}

// hold fails for what the document does not say of an exchange: the route, the status, a header, the body, and the
// request if it was accepted.
func (c *contract) hold(t *testing.T, e exchange, got reply) {
	t.Helper()
	r := request(t, e.method, e.path, strings.NewReader(e.body), e.header...)
	r.URL.Path = strings.TrimSuffix(r.URL.Path, "/")
	if r.Method == http.MethodHead {
		r.Method = http.MethodGet
	}
	route, parameters, err := c.routes.FindRoute(r)
	if ofNoRoute(e, route) {
		c.holdProblem(t, got)
		return
	}
	if err != nil {
		t.Fatalf("the document has no route for %s %s: %v", e.method, e.path, err)
	}
	c.seen[fmt.Sprintf("%s %s %d", r.Method, route.Path, got.status)] = true
	described := route.Operation.Responses.Status(got.status)
	if described == nil {
		t.Fatalf("the document has no %d for %s %s", got.status, r.Method, route.Path)
	}
	for name := range got.header {
		c.holdHeader(t, name, described.Value.Headers)
	}
	input := &openapi3filter.RequestValidationInput{Request: r, PathParams: parameters, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: sentOnce}}
	if e.method != http.MethodHead {
		if err := openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: input, Status: got.status, Header: got.header,
			Body: io.NopCloser(strings.NewReader(got.body))}); err != nil {
			t.Errorf("the answer is not as the document says: %v", err)
		}
	}
	if got.status >= 400 {
		return
	}
	if err := openapi3filter.ValidateRequest(t.Context(), input); (err != nil) != e.beyond {
		t.Errorf("accepted, and the document says of the request: %v (beyond the document: %v)", err, e.beyond)
	}
}

// sentOnce is the security scheme.
func sentOnce(_ context.Context, input *openapi3filter.AuthenticationInput) error {
	if len(input.RequestValidationInput.Request.Header.Values(input.SecurityScheme.Name)) != 1 {
		return errors.New("not exactly one " + input.SecurityScheme.Name)
	}
	return nil
}

// holdHeader fails for a header that is neither one of the response nor named where the document speaks of all answers.
func (c *contract) holdHeader(t *testing.T, name string, described openapi3.Headers) {
	t.Helper()
	same := func(other string) bool { return strings.EqualFold(name, other) }
	switch {
	case slices.ContainsFunc([]string{"Content-Type", "Content-Length", "Date", "Connection"}, same):
	case slices.ContainsFunc(slices.Collect(maps.Keys(described)), same):
	case strings.Contains(c.document.Info.Description, "`"+http.CanonicalHeaderKey(name)+"`"):
	default:
		t.Errorf("the document has no header %s here", name)
	}
}

// holdProblem checks an answer that is described once for all paths.
func (c *contract) holdProblem(t *testing.T, got reply) {
	t.Helper()
	for name := range got.header {
		c.holdHeader(t, name, nil)
	}
	var problem any
	if err := json.NewDecoder(bytes.NewBufferString(got.body)).Decode(&problem); errors.Is(err, io.EOF) {
		return // HEAD, or OPTIONS
	}
	if err := c.document.Components.Schemas["Problem"].Value.VisitJSON(problem, openapi3.EnableJSONSchema2020()); err != nil {
		t.Errorf("the problem is not as the document says: %v", err)
	}
}

// wantAllSeen fails for a route, a status or a problem that only one of document and code has.
func (c *contract) wantAllSeen(t *testing.T) {
	// These are answered by tests that need a connection of their own.
	c.seen["POST /files/{journal}/entries/{entry}/{kind} 408"] = true
	c.seen["POST /files/{journal}/entries/{entry}/{kind}/uploads 408"] = true
	described, operations := map[string]bool{}, []string{}
	for path, item := range c.document.Paths.Map() {
		for method, operation := range item.Operations() {
			operations = append(operations, method+" "+path)
			for status := range operation.Responses.Map() {
				described[method+" "+path+" "+status] = true
			}
		}
	}
	wantSame(t, "routes", operations, api.Routes())
	wantSame(t, "answers", slices.Collect(maps.Keys(described)), slices.Collect(maps.Keys(c.seen)))
	code := c.document.Components.Schemas["Problem"].Value.Properties["code"].Value
	var codes []string
	for _, each := range code.Enum {
		codes = append(codes, each.(string))
	}
	wantSame(t, "problems", codes, slices.Collect(maps.Keys(api.Codes())))
	for name, status := range api.Codes() {
		if !strings.Contains(code.Description, "`"+name+"` ("+strconv.Itoa(status)+")") {
			t.Errorf("the document does not say that %s is %d", name, status)
		}
	}
}

func wantSame(t *testing.T, what string, described, found []string) {
	t.Helper()
	slices.Sort(described)
	slices.Sort(found)
	for _, each := range described {
		if !slices.Contains(found, each) {
			t.Errorf("%s: %s is described, and there is none", what, each)
		}
	}
	for _, each := range found {
		if !slices.Contains(described, each) {
			t.Errorf("%s: %s is not described", what, each)
		}
	}
}
