package lambdahttp_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// echo answers with what matters of a request.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintf(w, "%s %s %q %q %d %q %v\n", r.Method, r.RequestURI, r.URL.Path, r.URL.RawQuery, r.ContentLength,
		body, err)
	for _, name := range []string{"Cookie", "Range", "X-One", "Authorization", "Content-Type", "Content-Length", "Host"} {
		_, _ = fmt.Fprintf(w, "%s: %q\n", name, strings.Join(r.Header.Values(name), "|"))
	}
}

// The same handler and request give the same answer over a socket and through
// every front.
func TestAnswersAreThoseOfNetHTTP(t *testing.T) {
	write := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
	}
	set := func(status int, body string, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Add(header[i], header[i+1])
			}
			if status != 0 {
				w.WriteHeader(status)
			}
			if body != "" {
				_, _ = io.WriteString(w, body)
			}
		}
	}
	for name, row := range map[string]struct {
		handler        http.HandlerFunc
		method, target string
		body           string
		header         []string
	}{
		"a GET":                     {handler: echo, method: "GET", target: "/a?x=1%202&y=%2B+"},
		"no query":                  {handler: echo, method: "GET", target: "/"},
		"an encoded space":          {handler: echo, method: "GET", target: "/a%20b/c"},
		"beyond ASCII":              {handler: echo, method: "GET", target: "/%C3%A9?n=%C3%A9"},
		"two slashes":               {handler: echo, method: "GET", target: "//a//b"},
		"an encoded question mark":  {handler: echo, method: "GET", target: "/a%3Fb?c=d"},
		"signs that need no escape": {handler: echo, method: "GET", target: "/-._~!$&'()*+,;=:@"},
		"the same parameter, once":  {handler: echo, method: "GET", target: "/a?p=1,2&q="},
		"a value with commas": {handler: echo, method: "GET", target: "/",
			header: []string{"Range", "bytes=0-1,5-6", "X-One", "Doe, John", "Authorization", "Signature a=1, b=2"}},
		"a cookie": {handler: echo, method: "GET", target: "/", header: []string{"Cookie", "a=1; b=2"}},
		"a text body": {handler: echo, method: "POST", target: "/", body: "grüße\n",
			header: []string{"Content-Type", "text/plain"}},
		"a binary body": {handler: echo, method: "PUT", target: "/", body: "\x00\xff\xfe",
			header: []string{"Content-Type", "image/png"}},
		"a body of no type": {handler: echo, method: "POST", target: "/", body: "a=b"},
		"another method":    {handler: echo, method: "BREW", target: "/pot"},
		"expectations are met": {handler: echo, method: "POST", target: "/", body: "x",
			header: []string{"Expect", "100-continue"}},
		"HEAD": {handler: write("<html>"), method: "HEAD", target: "/"},
		"HEAD with a length": {handler: set(200, "", "Content-Length", "5000000000", "Content-Type", "image/png"),
			method: "HEAD", target: "/"},
		"HEAD, written": {handler: set(200, strings.Repeat("x", 9000), "Content-Type", "image/png"),
			method: "HEAD", target: "/"},
		"nothing written":    {handler: func(http.ResponseWriter, *http.Request) {}, method: "GET", target: "/"},
		"text":               {handler: write("hello"), method: "GET", target: "/"},
		"a picture is known": {handler: write("\x89PNG\r\n\x1a\n"), method: "GET", target: "/"},
		"text in a picture's type": {handler: set(200, "0123456789", "Content-Type", "image/png"), method: "GET",
			target: "/"},
		"broken text": {handler: set(200, "a\xffb", "Content-Type", "text/plain"), method: "GET", target: "/"},
		"signs that JSON escapes": {handler: set(200, "<&>\u2028\x00\"\\\r\n", "Content-Type", "text/html"), method: "GET",
			target: "/"},
		"a type that is suppressed": {
			handler: func(w http.ResponseWriter, _ *http.Request) { w.Header()["Content-Type"] = nil; write("x")(w, nil) },
			method:  "GET", target: "/"},
		"compressed": {handler: set(200, "\x1f\x8bxx", "Content-Encoding", "gzip", "Content-Type",
			"text/plain"), method: "GET", target: "/"},
		"compressed, of no type": {handler: set(200, "xx", "Content-Encoding", "br"), method: "GET", target: "/"},
		"204": {handler: set(204, "not sent", "Content-Length", "8", "X-One", "1"), method: "DELETE",
			target: "/"},
		"304": {handler: set(304, "not sent", "ETag", `"1"`, "Content-Type", "image/png",
			"Content-Length", "8"), method: "GET", target: "/"},
		"a redirect": {handler: set(302, "", "Location", "https://x.test/?a=b&c=d"), method: "GET",
			target: "/"},
		"an odd status": {handler: set(599, "x", "Content-Type", "text/plain"), method: "GET", target: "/"},
		"one cookie": {handler: set(200, "x", "Set-Cookie", "a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT"),
			method: "GET", target: "/"},
		"a header twice":        {handler: set(200, "x", "Vary", "Origin", "Vary", "Accept"), method: "GET", target: "/"},
		"a value of two lines":  {handler: set(200, "x", "X-One", "a\r\nX-Evil: b"), method: "GET", target: "/"},
		"a name that is none":   {handler: set(200, "x", "X One", "a", "X-Two", "b"), method: "GET", target: "/"},
		"a length that is none": {handler: set(200, "x", "Content-Length", "many"), method: "GET", target: "/"},
		"more than was announced": {handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "3")
			write("abc")(w, nil)
			write("d")(w, nil)
		}, method: "GET", target: "/"},
		"headers after the status": {
			handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); w.Header().Set("X-Late", "1") },
			method:  "GET", target: "/"},
		"the first status counts": {
			handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); w.WriteHeader(500) }, method: "GET",
			target: "/"},
		"an early hint is no answer": {
			handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(404) }, method: "GET",
			target: "/"},
		"flushed in between": {handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			write("a")(w, nil)
			_, _ = io.WriteString(w, fmt.Sprint(http.NewResponseController(w).Flush()))
		}, method: "GET", target: "/"},
		"of a connection": {handler: set(200, "x", "Connection", "X-Hop", "X-Hop", "1", "X-Stays", "2", "Keep-Alive",
			"timeout=5", "Upgrade", "h2c"), method: "GET", target: "/"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(row.handler)
			server.Config.ErrorLog = log.New(io.Discard, "", 0) // it comments on handlers like these
			server.Start()
			defer server.Close()
			r := request(t, row.method, row.target, row.body, row.header...)
			r.URL.Host = strings.TrimPrefix(server.URL, "http://")
			response, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			for _, front := range fronts {
				got := call(t, front, row.handler, request(t, row.method, row.target, row.body, row.header...))
				if got.StatusCode != response.StatusCode || got.bytes(t) != string(body) {
					t.Errorf("%s: %d %q\nwant %d %q", front, got.StatusCode, got.bytes(t), response.StatusCode, body)
				}
				if got, want := comparable(got.header()), comparable(response.Header); got != want {
					t.Errorf("%s: headers\n%s\nwant\n%s", front, got, want)
				}
			}
		})
	}
}

// comparable writes headers in one order, without those that a server or a front
// adds, and without those about a connection.
func comparable(header http.Header) string {
	var lines []string
	for name, values := range header {
		switch name {
		case "Date", "Connection", "Keep-Alive", "Upgrade", "X-Hop", "Transfer-Encoding", "Content-Length":
			continue
		}
		lines = append(lines, name+": "+strings.Join(values, ", "))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestAnEncodedSlashStaysWhereTheFrontLeavesIt(t *testing.T) {
	for front, want := range map[string]string{viaAPI: "/a/b", viaURL: "/a%2Fb", viaBalancer: "/a%2Fb",
		viaSingle: "/a%2Fb"} {
		var got string
		call(t, front, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.URL.EscapedPath() }),
			request(t, "GET", "/a%2Fb", ""))
		if got != want {
			t.Errorf("%s: %s, want %s", front, got, want)
		}
	}
}
