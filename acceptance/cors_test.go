//go:build acceptance

package acceptance

import (
	"net/http"
	"strings"
	"testing"
)

// pagesOfAllowedOriginsOnly: what a browser lets a page do with the API and with the
// bucket.
func pagesOfAllowedOriginsOnly(t *testing.T, s *stack) {
	e := s.newEntry()
	const foreign = "https://evil.example.com"
	form, err := e.form(t.Context(), "images", map[string]any{"name": "cat.gif"})
	check(t, err)
	preflight := func(url, origin string) answer {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, url, nil)
		check(t, err)
		for name, value := range map[string]string{"Origin": origin, "Access-Control-Request-Method": "POST",
			"Access-Control-Request-Headers": "authorization,content-type"} {
			request.Header.Set(name, value)
		}
		a, err := s.exchange(request)
		check(t, err)
		return a
	}
	for what, url := range map[string]string{"API": s.api + e.path("images"), "bucket": form.Form.URL} {
		t.Run(what+": a preflight of an allowed origin", func(t *testing.T) {
			a := preflight(url, allowedOrigin)
			if a.status/100 != 2 || a.header.Get("Access-Control-Allow-Origin") != allowedOrigin ||
				!strings.Contains(a.header.Get("Access-Control-Allow-Methods"), "POST") {
				t.Error(a)
			}
		})
		t.Run(what+": a preflight of a foreign origin", func(t *testing.T) {
			if a := preflight(url, foreign); a.header.Get("Access-Control-Allow-Origin") != "" {
				t.Error(a)
			}
		})
	}
	t.Run("API: a refusal can be read by a page of an allowed origin, and by no other", func(t *testing.T) {
		for origin, want := range map[string]string{allowedOrigin: allowedOrigin, foreign: ""} {
			a, err := e.want(t.Context(), http.StatusNotAcceptable, nil, http.MethodPost, e.path("images")+"?name=a.svg",
				[]byte("x"), "Origin", origin)
			check(t, err)
			if got := a.header.Get("Access-Control-Allow-Origin"); got != want ||
				(want != "") != strings.Contains(a.header.Get("Access-Control-Expose-Headers"), "Location") {
				t.Errorf("for %s: %s", origin, a)
			}
		}
	})
	t.Run("bucket: an upload can be read by a page of an allowed origin, and by no other", func(t *testing.T) {
		for origin, want := range map[string]string{allowedOrigin: allowedOrigin, foreign: ""} {
			a, err := e.fill(t.Context(), form.Form, picture(t), "Origin", origin)
			check(t, err)
			if a.status/100 != 2 || a.header.Get("Access-Control-Allow-Origin") != want ||
				(want != "") != strings.Contains(a.header.Get("Access-Control-Expose-Headers"), "ETag") {
				t.Errorf("for %s: %s", origin, a)
			}
		}
	})
}
