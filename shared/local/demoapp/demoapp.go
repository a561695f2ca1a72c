// Package demoapp stands in for the application that keeps the journals, so that the pipeline can be tried without one.
// It answers the one question that is ever put to an application,
//
//	GET /journals/{journal}/entries/{entry}
//
// the way Bugout's Spire answers it. Every journal and entry exists; [Token] may do everything, and nobody else
// anything. It is for one's own machine: whoever can reach it knows the token.
package demoapp

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
)

// Token is the one token that is allowed: alone, or after a scheme ("Bearer demo").
const Token = "demo"

// id is what a journal or an entry may be called, as in the rest of the product. Spire wants UUIDs, which are within
// it.
var id = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// madeAt is when every journal entry here was written, in Spire's form.
const madeAt = "2026-01-01T00:00:00.000000+00:00"

// Handler returns the application:
//
//   - 200 and the entry for [Token];
//   - 403 in plain text without Authorization, or with another token;
//   - 422 for a journal or entry outside [A-Za-z0-9_-]{1,64};
//   - GET /ping is 200, a trailing slash is accepted, anything else is 404.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ping", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /journals/{journal}/entries/{entry}", showEntry)
	mux.HandleFunc("GET /journals/{journal}/entries/{entry}/{$}", showEntry)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusNotFound, map[string]string{"detail": "Not Found"})
	})
	return mux
}

func showEntry(w http.ResponseWriter, r *http.Request) {
	authorization := r.Header.Get("Authorization")
	if authorization == "" {
		writeText(w, http.StatusForbidden, "No authorization header passed with request")
		return
	}
	if tokenOf(authorization) != Token {
		writeText(w, http.StatusForbidden, "The demo application knows one token: "+Token)
		return
	}
	for _, name := range []string{"journal", "entry"} {
		if !id.MatchString(r.PathValue(name)) {
			writeJSON(w, http.StatusUnprocessableEntity, map[string]any{"detail": []any{map[string]any{
				"loc":  []string{"path", name + "_id"},
				"msg":  "value is not a valid id",
				"type": "type_error.id",
			}}})
			return
		}
	}
	journal := "/journals/" + r.PathValue("journal")
	this := journal + "/entries/" + r.PathValue("entry")
	writeJSON(w, http.StatusOK, map[string]any{ // as Spire shows an entry
		"id": r.PathValue("entry"), "journal_url": journal, "content_url": this + "/content", "tags": []string{},
		"title": "A day at the hatchery", "content": "Every entry of every journal exists here.",
		"created_at": madeAt, "updated_at": madeAt, "locked_by": nil,
		"context_url": nil, "context_type": nil, "context_id": nil,
	})
}

// tokenOf is the token of an Authorization: all of it when it is one word, or what follows the scheme "Bearer" in any
// case.
func tokenOf(authorization string) string {
	words := strings.Fields(authorization)
	if len(words) == 2 && strings.EqualFold(words[0], "Bearer") {
		words = words[1:]
	}
	if len(words) != 1 {
		return ""
	}
	return words[0]
}

func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // it fails when the caller is gone
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // it fails when the caller is gone
}
