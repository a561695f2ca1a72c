package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestARequestThatIsNotTheOperatorsDoesNothing(t *testing.T) {
	f := newFixture(t)
	form := func() url.Values { return url.Values{"csrf": {f.secrets.csrf}} }
	for name, c := range map[string]struct {
		method string
		change func(*http.Request)
		form   url.Values
		want   int
	}{
		"without a cookie":                {http.MethodGet, func(r *http.Request) { r.Header.Del("Cookie") }, nil, 403},
		"with another cookie":             {http.MethodGet, func(r *http.Request) { r.Header.Set("Cookie", "hatchery-console-8090=x") }, nil, 403},
		"with the cookie of another port": {http.MethodGet, func(r *http.Request) { r.Host = "127.0.0.1:8091" }, nil, 403},
		"for another host":                {http.MethodGet, func(r *http.Request) { r.Host = "rebind.example:8090" }, nil, 421},
		"for this machine's address":      {http.MethodGet, func(r *http.Request) { r.Host = "192.0.2.1:8090" }, nil, 421},
		"from another machine":            {http.MethodGet, func(r *http.Request) { r.RemoteAddr = "192.0.2.7:40000" }, nil, 421},
		"a form without a cookie":         {http.MethodPost, func(r *http.Request) { r.Header.Del("Cookie") }, form(), 403},
		"a form of another page":          {http.MethodPost, func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }, form(), 403},
		"a form of another port":          {http.MethodPost, func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:9999") }, form(), 403},
		"a form of a hidden page":         {http.MethodPost, func(r *http.Request) { r.Header.Set("Origin", "null") }, form(), 403},
		"a form of no page":               {http.MethodPost, func(r *http.Request) { r.Header.Del("Origin") }, form(), 403},
		"a form of another site":          {http.MethodPost, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, form(), 403},
		"a form without its token":        {http.MethodPost, func(*http.Request) {}, url.Values{}, 403},
		"a form with another token":       {http.MethodPost, func(*http.Request) {}, url.Values{"csrf": {f.secrets.token}}, 403},
		"a form that is too long":         {http.MethodPost, func(*http.Request) {}, url.Values{"csrf": {f.secrets.csrf}, "x": {strings.Repeat("x", maxForm)}}, 400},
	} {
		t.Run(name, func(t *testing.T) {
			r := f.request(c.method, "/list", c.form)
			c.change(r)
			if w := f.serve(r); w.Code != c.want || !strings.Contains(w.Body.String(), "Not served") {
				t.Errorf("%d, want %d\n%s", w.Code, c.want, w.Body)
			}
			if f.jobs.last() != nil {
				t.Fatal("an action was begun")
			}
		})
	}
	if w := f.serve(f.request(http.MethodPost, "/list", form())); w.Code != http.StatusSeeOther || f.jobs.last() == nil {
		t.Errorf("the operator's own is answered %d", w.Code)
	}
}

func TestTheTokenOfTheAddressIsExchangedForACookie(t *testing.T) {
	f := newFixture(t)
	get := func(path string, change func(*http.Request)) *http.Response {
		r := f.request(http.MethodGet, path, nil)
		r.Header.Del("Cookie")
		change(r)
		return f.serve(r).Result()
	}
	same := func(*http.Request) {}
	got := get(f.Path(), same)
	cookies := got.Cookies()
	if got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != "/" || len(cookies) != 1 {
		t.Fatalf("%d to %q with %v", got.StatusCode, got.Header.Get("Location"), cookies)
	}
	if c := cookies[0]; c.Name != "hatchery-console-8090" || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" ||
		c.Value == f.secrets.token {
		t.Errorf("the cookie is %v", c)
	}
	for path, change := range map[string]func(*http.Request){"/?token=x": same, "/?token=": same,
		f.Path() + "x": same, f.Path() + "&y": func(r *http.Request) { r.Host = "rebind.example" }} {
		if got := get(path, change); got.StatusCode != http.StatusForbidden || len(got.Cookies()) > 0 {
			t.Errorf("%s: %d with %v", path, got.StatusCode, got.Cookies())
		}
	}
	if other := newFixture(t); other.secrets.token == f.secrets.token || other.secrets.session == f.secrets.session ||
		other.secrets.csrf == f.secrets.csrf || len(f.secrets.token) != 64 {
		t.Error("two consoles have the same secrets")
	}
}

func TestEveryAnswerIsProtected(t *testing.T) {
	f := newFixture(t)
	for path, status := range map[string]int{"/": 200, "/style.css": 200, "/icon.svg": 200, "/nothing": 404, "/letters": 404,
		"/search": 200, "/progress": 200, "/listings": 200, "/actions": 200, "/discarded": 200} {
		w := f.serve(f.request(http.MethodGet, path, nil))
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Cache-Control": "no-store", "Referrer-Policy": "same-origin", "Content-Security-Policy": "default-src 'none'; " +
				"style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if w.Code != status {
			t.Errorf("%s: %d, want %d\n%s", path, w.Code, status, w.Body)
		}
		if path == "/icon.svg" { // it names its namespace
			continue
		}
		lacks(t, w.Body.String(), "<script", "style=", "http://", "https://", "onclick", f.secrets.session, f.secrets.token)
	}
}
