package demoapp_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hatchery/shared/access"
	"hatchery/shared/local/demoapp"
)

const entryPath = "/journals/j-1/entries/e_2"

func TestAnswersAsTheApplicationDoes(t *testing.T) {
	for _, c := range []struct {
		name, method, path, authorization string
		status                            int
		contentType, body                 string
	}{
		{"the token with its scheme", "GET", entryPath, "Bearer demo", 200, "application/json", `"id":"e_2"`},
		{"a scheme in capitals", "GET", entryPath, "BEARER demo", 200, "application/json", `"id":"e_2"`},
		{"a scheme in small letters", "GET", entryPath, "bearer demo", 200, "application/json", `"id":"e_2"`},
		{"the token alone", "GET", entryPath, "demo", 200, "application/json", `"id":"e_2"`},
		{"a trailing slash", "GET", entryPath + "/", "demo", 200, "application/json", `"id":"e_2"`},
		{"UUIDs", "GET", "/journals/4bf67555-b4f3-4a2e-95ff-7142d49d167b/entries/e30b33ab-ef4d-4c73-8470-57a324466411",
			"demo", 200, "application/json", `"id":"e30b33ab`},
		{"no Authorization", "GET", entryPath, "", 403, "text/plain", "No authorization header"},
		{"another token", "GET", entryPath, "Bearer other", 403, "text/plain", "one token"},
		{"the token in capitals", "GET", entryPath, "Bearer DEMO", 403, "text/plain", "one token"},
		{"another scheme", "GET", entryPath, "Basic demo", 403, "text/plain", "one token"},
		{"three words", "GET", entryPath, "Bearer demo demo", 403, "text/plain", "one token"},
		{"a journal with odd characters", "GET", "/journals/a%20b/entries/e", "demo", 422, "application/json",
			`"journal_id"`},
		{"an entry with a slash", "GET", "/journals/j/entries/a%2Fb", "demo", 422, "application/json", `"entry_id"`},
		{"an entry too long", "GET", "/journals/j/entries/" + strings.Repeat("e", 65), "demo", 422, "application/json",
			`"entry_id"`},
		{"ping", "GET", "/ping", "", 200, "application/json", `{"status":"ok"}`},
		{"another method", "DELETE", entryPath, "demo", 404, "application/json", "Not Found"},
		{"another route", "GET", "/journals", "demo", 404, "application/json", "Not Found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, c.path, nil)
			if c.authorization != "" {
				r.Header.Set("Authorization", c.authorization)
			}
			w := httptest.NewRecorder()
			demoapp.Handler().ServeHTTP(w, r)
			if w.Code != c.status || !strings.HasPrefix(w.Header().Get("Content-Type"), c.contentType) ||
				!strings.Contains(w.Body.String(), c.body) {
				t.Errorf("%d %q %s, want %d %q with %s", w.Code, w.Header().Get("Content-Type"), w.Body, c.status, c.contentType,
					c.body)
			}
		})
	}
}

func TestEntryHasTheMembersOfSpire(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, entryPath, nil)
	r.Header.Set("Authorization", "demo")
	w := httptest.NewRecorder()
	demoapp.Handler().ServeHTTP(w, r)
	var entry map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &entry); err != nil {
		t.Fatal(err)
	}
	members := strings.Fields(
		"id journal_url content_url title content tags created_at updated_at context_url context_type context_id locked_by")
	if len(entry) != len(members) {
		t.Errorf("%d members: %s", len(entry), w.Body)
	}
	for _, name := range members {
		if _, ok := entry[name]; !ok {
			t.Errorf("no %s in %s", name, w.Body)
		}
	}
}

func TestAccessUnderstandsItOverASocket(t *testing.T) {
	server, err := demoapp.Open(t.Context(), "127.0.0.1:0", demoapp.Handler())
	if err != nil {
		t.Fatal(err)
	}
	application, err := access.New(server.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		authorization, journal string
		status                 int // 0 is a grant
	}{
		{"Bearer demo", "j", 0}, {"demo", "j", 0}, {"Bearer other", "j", 403}, {"", "j", 401}, {"demo", "j j", 403},
	} {
		err := application.Authorize(t.Context(), c.authorization, c.journal, "e")
		var denied *access.Denied
		if status := 0; err != nil {
			if errors.As(err, &denied) {
				status = denied.Status
			}
			if status != c.status {
				t.Errorf("%q on %q: %v, want %d", c.authorization, c.journal, err, c.status)
			}
		} else if c.status != 0 {
			t.Errorf("%q on %q was granted, want %d", c.authorization, c.journal, c.status)
		}
	}

	if _, err := demoapp.Open(t.Context(), strings.TrimPrefix(server.URL(), "http://"), demoapp.Handler()); err == nil {
		t.Error("a busy port was opened again")
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	err = application.Authorize(t.Context(), "demo", "j", "e")
	var denied *access.Denied
	if !errors.As(err, &denied) || denied.Status != http.StatusServiceUnavailable {
		t.Errorf("after Close: %v, want 503", err)
	}
}
