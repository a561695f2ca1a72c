package lambdahttp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"hatchery/shared/lambdahttp"
)

func TestCookiesStayApart(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Set-Cookie"] = []string{"a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "b=2"}
		w.Header()["X-Two"] = []string{"1", "2"}
	})
	for _, front := range fronts {
		got := call(t, front, h, request(t, "GET", "/", ""))
		if front == viaSingle {
			// One header cannot carry two cookies.
			if got.StatusCode != 500 || got.problem(t) != "internal" {
				t.Errorf("%s: %d %s", front, got.StatusCode, got.Body)
			}
			continue
		}
		if cookies := got.header().Values("Set-Cookie"); !slices.Equal(cookies,
			[]string{"a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "b=2"}) {
			t.Errorf("%s: cookies %q", front, cookies)
		}
		if front != viaBalancer && (got.Headers["X-Two"] != "1, 2" || got.Headers["Set-Cookie"] != "") {
			t.Errorf("%s: headers %q", front, got.Headers)
		}
	}
}

func TestHeadersOfAConnectionAreNotPassedOn(t *testing.T) {
	for _, front := range fronts {
		got := call(t, front, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for name, value := range map[string]string{"Connection": "close, x-hop", "X-Hop": "1", "Keep-Alive": "timeout=5",
				"Proxy-Connection": "1", "Te": "trailers", "Trailer": "X-End", "X-Stays": "1",
				"Transfer-Encoding": "chunked", "Upgrade": "h2c", "Proxy-Authenticate": "Basic",
				http.TrailerPrefix + "X-End": "1"} {
				w.Header().Set(name, value)
			}
		}), request(t, "GET", "/", ""))
		if header := got.header(); len(header) != 1 || header.Get("X-Stays") != "1" {
			t.Errorf("%s: %q", front, header)
		}
	}
}

func TestALoadBalancerGetsItsOwnForm(t *testing.T) {
	for status, want := range map[int]string{200: "200 OK", 404: "404 Not Found", 599: "599 Status"} {
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		for _, front := range []string{viaSingle, viaBalancer} {
			if got := call(t, front, h, request(t, "GET", "/", "", "X-One", "1")); got.StatusDescription != want {
				t.Errorf("%s: %q, want %q", front, got.StatusDescription, want)
			}
		}
	}
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-One", "1") })
	if got := call(t, viaSingle, h, request(t, "GET", "/", "")); got.Headers["X-One"] != "1" ||
		got.MultiValueHeaders != nil {
		t.Errorf("single: %+v", got)
	}
	if got := call(t, viaBalancer, h, request(t, "GET", "/", "")); !slices.Equal(got.MultiValueHeaders["X-One"],
		[]string{"1"}) || got.Headers != nil {
		t.Errorf("multi-value: %+v", got)
	}
}

func TestOnlyTextIsSentAsText(t *testing.T) {
	for contentType, encoded := range map[string]bool{"text/plain; charset=utf-8": false, "application/json": false,
		"application/problem+json": false, "image/svg+xml": false,
		"image/png": true, "application/octet-stream": true, "": true, "text": true} {
		got := call(t, viaAPI, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{contentType}
			_, _ = io.WriteString(w, "abc")
		}), request(t, "GET", "/", ""))
		if got.IsBase64Encoded != encoded || got.bytes(t) != "abc" {
			t.Errorf("%q: base64 %v, body %q", contentType, got.IsBase64Encoded, got.Body)
		}
	}
}

func TestConnectionsCannotBeControlled(t *testing.T) {
	call(t, viaAPI, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		control := http.NewResponseController(w)
		_, _, hijacked := control.Hijack()
		for what, err := range map[string]error{"read deadline": control.SetReadDeadline(time.Time{}),
			"write deadline": control.SetWriteDeadline(time.Time{}),
			"full duplex":    control.EnableFullDuplex(), "hijack": hijacked} {
			if !errors.Is(err, http.ErrNotSupported) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := control.Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
		w.WriteHeader(304)
		if _, err := w.Write([]byte("x")); !errors.Is(err, http.ErrBodyNotAllowed) {
			t.Errorf("a body of 304: %v", err)
		}
	}), request(t, "GET", "/", ""))
}

func TestWhatTheHandlerCannotFinishIsACleanFailure(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"panic": func(http.ResponseWriter, *http.Request) { panic("secret internals") },
		"panic after bytes": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("half"))
			panic("secret internals")
		},
		"abort": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("half"))
			panic(http.ErrAbortHandler)
		},
		"less than was announced": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9")
			_, _ = w.Write([]byte("half"))
		},
		"none of what was":         func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "9") },
		"a status that is none":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(42) },
		"a status above all":       func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(600) },
		"another protocol, please": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(101) },
	} {
		for _, front := range fronts {
			var log bytes.Buffer
			a := lambdahttp.New(h, lambdahttp.Options{Log: slog.New(slog.NewJSONHandler(&log, nil)),
				InvocationID: func(context.Context) string { return "request-1" }})
			got := decode(t, invoke(t, a, t.Context(),
				eventOf(t, front, request(t, "GET", "/secretpath?secretquery", "", "X-One", "secretheader"))))
			if got.StatusCode != 500 || got.problem(t) != "internal" || got.header().Get("X-Request-Id") != "request-1" ||
				!strings.Contains(got.Body, `"request_id":"request-1"`) {
				t.Errorf("%s, %s: %d %s", name, front, got.StatusCode, got.Body)
			}
			if strings.Contains(got.Body, "secret") || strings.Contains(got.Body, "half") {
				t.Errorf("%s, %s: the answer tells %s", name, front, got.Body)
			}
			if line := log.String(); strings.Count(line, "\n") != 1 || !strings.Contains(line, `"level":"ERROR"`) ||
				!strings.Contains(line, "request-1") ||
				strings.Contains(line, "secretpath") || strings.Contains(line, "secretquery") ||
				strings.Contains(line, "secretheader") ||
				strings.HasPrefix(name, "panic") != strings.Contains(line, "secret internals") ||
				(name == "abort") != strings.Contains(line, "broke its answer off") {
				t.Errorf("%s, %s: the log says %s", name, front, line)
			}
		}
	}
}

func TestAnAnswerThatDoesNotFitSaysWhatToSet(t *testing.T) {
	for _, front := range fronts {
		limit := limits[front]
		answers := func(contentType string, n int, declare bool) (reply, int) {
			wrote := 0
			got := call(t, front, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", contentType)
				if declare {
					w.Header().Set("Content-Length", slog.IntValue(n).String())
				}
				for piece := bytes.Repeat([]byte("x"), 1<<16); wrote < n; {
					m, err := w.Write(piece[:min(len(piece), n-wrote)])
					if err != nil {
						panic(http.ErrAbortHandler) // as a handler does that cannot go on
					}
					wrote += m
				}
			}), request(t, "GET", "/", ""))
			return got, wrote
		}
		fits := (limit - 600) / 4 * 3
		if got, _ := answers("image/png", fits, true); got.StatusCode != 200 || len(got.bytes(t)) != fits {
			t.Errorf("%s: %d bytes of a picture: %d %.300s", front, fits, got.StatusCode, got.Body)
		}
		if got, _ := answers("text/plain", limit-600, false); got.StatusCode != 200 {
			t.Errorf("%s: %d bytes of text: %d %.300s", front, limit-600, got.StatusCode, got.Body)
		}
		for what, n := range map[string]int{"image/png": fits + 600, "text/plain": limit, "image/gif": 20 * limit} {
			for _, declare := range []bool{true, false} {
				got, wrote := answers(what, n, declare)
				if got.StatusCode != 500 || got.problem(t) != "answer_too_large" ||
					!strings.Contains(got.Body, "Set HATCHERY_REDIRECT_BYTES to") {
					t.Errorf("%s: %d bytes of %s: %d %.300s", front, n, what, got.StatusCode, got.Body)
				}
				if n > 2*limit && (declare && wrote > 0 || wrote > limit) {
					t.Errorf("%s: %d bytes were taken of an answer of %d", front, wrote, n)
				}
			}
		}
		// A sign that pages are full of costs one byte, not six.
		if got := call(t, front, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write(bytes.Repeat([]byte("<"), limit-600))
		}), request(t, "GET", "/", "")); got.StatusCode != 200 {
			t.Errorf("%s: signs: %d", front, got.StatusCode)
		}
		// The text itself may fit and its JSON not.
		if got := call(t, front, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = w.Write(make([]byte, limit/2))
		}), request(t, "GET", "/", "")); got.problem(t) != "answer_too_large" {
			t.Errorf("%s: NULs: %d", front, got.StatusCode)
		}
	}
}

func TestTheContextIsTheInvocations(t *testing.T) {
	ctx, cancel := context.WithDeadline(t.Context(), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))
	cancel()
	a := lambdahttp.New(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if until, ok := r.Context().Deadline(); !ok || !until.Equal(time.Date(2099, 12, 31, 23, 59, 59, 0, time.UTC)) ||
			r.Context().Err() == nil {
			t.Errorf("the request has until %v: a second less than the invocation is wanted", until)
		}
	}), lambdahttp.Options{})
	invoke(t, a, ctx, eventOf(t, viaAPI, request(t, "GET", "/", "")))
	if lambdahttp.RequestID(t.Context()) != "" {
		t.Error("a context from elsewhere has a request id")
	}
}

func TestNoHeaderIsBelievedForWhoAsks(t *testing.T) {
	for _, front := range fronts {
		call(t, front, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			id := lambdahttp.RequestID(r.Context())
			switch front {
			case viaAPI, viaURL:
				if r.RemoteAddr != "192.0.2.7:0" || id != "request-1" {
					t.Errorf("%s: %s %q", front, r.RemoteAddr, id)
				}
			default:
				if r.RemoteAddr != "0.0.0.0:0" || id != "" {
					t.Errorf("%s: %s %q", front, r.RemoteAddr, id)
				}
			}
		}), request(t, "GET", "/", "", "X-Forwarded-For", "10.0.0.1", "X-Amzn-Requestid", "evil", "X-Request-Id", "evil",
			"X-Amzn-Trace-Id", "Root=evil", "Forwarded", "for=10.0.0.1"))
	}
}

func TestAReplyHasNoMemberThatAWSDoesNotKnow(t *testing.T) {
	for front, want := range map[string][]string{
		viaAPI:      {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded", "cookies"},
		viaURL:      {"statusCode", "headers", "body", "isBase64Encoded", "cookies"},
		viaBalancer: {"statusCode", "statusDescription", "headers", "multiValueHeaders", "body", "isBase64Encoded"},
	} {
		text := invoke(t, lambdahttp.New(http.HandlerFunc(echo), lambdahttp.Options{}), t.Context(),
			eventOf(t, front, request(t, "GET", "/", "")))
		var members map[string]any
		if err := json.Unmarshal(text, &members); err != nil {
			t.Fatal(err)
		}
		for name := range members {
			if !slices.Contains(want, name) {
				t.Errorf("%s: %s", front, name)
			}
		}
		if members["statusCode"] != 200.0 || members["body"] == "" {
			t.Errorf("%s: %s", front, text)
		}
	}
}
