package api_test

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"hatchery/shared/api"
)

// operation is "METHOD pattern status" of an exchange, "" when its path is no
// route's.
func (e exchange) operation() string {
	path, _, _ := strings.Cut(e.path, "?")
	segments := strings.Split(strings.TrimSuffix(path, "/"), "/")
	pattern := ""
	switch {
	case path == "/ping" || path == "/ping/":
		pattern = "/ping"
	case len(segments) < 6 || segments[5] != "images" || e.code == "not_found" && !strings.Contains(e.name, ":"):
		return ""
	case len(segments) == 6:
		pattern = "/files/{journal}/entries/{entry}/{kind}"
	case len(segments) == 7 && segments[6] == "uploads":
		pattern = "/files/{journal}/entries/{entry}/{kind}/uploads"
	case len(segments) == 7:
		pattern = "/files/{journal}/entries/{entry}/{kind}/{id}"
	case len(segments) == 8 && segments[7] == "link":
		pattern = "/files/{journal}/entries/{entry}/{kind}/{id}/link"
	case len(segments) == 8:
		pattern = "/files/{journal}/entries/{entry}/{kind}/{id}/status"
	}
	method := e.method
	if method == "HEAD" {
		method = "GET"
	}
	if method == "OPTIONS" || e.status == 405 {
		return "" // the same for every path; described once
	}
	return method + " " + pattern + " " + strconv.Itoa(e.status)
}

// wantDescribed holds docs/openapi.yaml against the routes and against every
// status that was seen. Neither may say more than the other.
func wantDescribed(t *testing.T, seen map[string]bool) {
	text, err := os.ReadFile("../../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	described := operations(string(text))
	routes := map[string]bool{}
	for operation := range described {
		routes[operation[:strings.LastIndexByte(operation, ' ')]] = true
	}
	if got, want := slices.Sorted(maps.Keys(routes)),
		slices.Sorted(slices.Values(api.Routes())); !slices.Equal(got, want) {
		t.Errorf("described are\n%s\nbut the routes are\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// Seen by tests that need a connection of their own.
	seen["POST /files/{journal}/entries/{entry}/{kind} 408"] = true
	seen["POST /files/{journal}/entries/{entry}/{kind}/uploads 408"] = true
	delete(seen, "")
	for operation := range seen {
		if !described[operation] {
			t.Errorf("%s is answered but not described", operation)
		}
	}
	for operation := range described {
		if !seen[operation] {
			t.Errorf("%s is described but never answered", operation)
		}
	}
	for code := range api.Codes() {
		if !strings.Contains(string(text), "- "+code+"\n") {
			t.Errorf("the problem code %s is not described", code)
		}
	}
}

// operations reads "METHOD path status" out of the description, by its
// indentation: paths at two spaces, methods at four, statuses at eight.
func operations(yaml string) map[string]bool {
	found := map[string]bool{}
	inPaths, path, method := false, "", ""
	for line := range strings.SplitSeq(yaml, "\n") {
		text := strings.TrimLeft(line, " ")
		name, _, ok := strings.Cut(text, ":")
		switch indent := len(line) - len(text); {
		case text == "" || strings.HasPrefix(text, "#"):
		case indent == 0:
			inPaths = text == "paths:"
		case !inPaths || !ok:
		case indent == 2:
			path = name
		case indent == 4 && name != "parameters":
			method = strings.ToUpper(name)
		case indent == 8 && strings.HasPrefix(name, `"`) && method != "OPTIONS":
			found[method+" "+path+" "+strings.Trim(name, `"`)] = true
		}
	}
	return found
}
