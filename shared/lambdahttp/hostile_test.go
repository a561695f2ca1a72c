package lambdahttp_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"hatchery/shared/lambdahttp"
)

// altered is a sample with members replaced; a dotted name goes deeper.
func altered(t testing.TB, file string, members map[string]any) []byte {
	t.Helper()
	var event map[string]any
	if err := json.Unmarshal(sample(t, file), &event); err != nil {
		t.Fatal(err)
	}
	for name, value := range members {
		object := event
		parts := strings.Split(name, ".")
		for _, part := range parts[:len(parts)-1] {
			object = object[part].(map[string]any)
		}
		object[parts[len(parts)-1]] = value
	}
	text, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

type members = map[string]any

func TestRequestsThatHTTPDoesNotHaveAreRefused(t *testing.T) {
	a := lambdahttp.New(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler was called") }),
		lambdahttp.Options{})
	for name, payload := range map[string][]byte{
		"bad base64":                 altered(t, "httpapi.json", members{"body": "!!!"}),
		"cut base64":                 altered(t, "httpapi.json", members{"body": "AAA"}),
		"bad base64 of a balancer":   altered(t, "alb-multi-value.json", members{"body": "AAA"}),
		"a header name with a space": altered(t, "httpapi.json", members{"headers": members{"a b": "1"}}),
		"a header without a name":    altered(t, "alb.json", members{"headers": members{"": "1"}}),
		"a header of two lines":      altered(t, "functionurl.json", members{"headers": members{"a": "1\r\nb: 2"}}),
		"a header of two lines, multi": altered(t, "alb-multi-value.json",
			members{"multiValueHeaders": members{"a": []string{"1", "2\n3"}}}),
		"a header with a NUL":   altered(t, "httpapi.json", members{"headers": members{"a": "1\x00"}}),
		"a cookie of two lines": altered(t, "httpapi.json", members{"cookies": []string{"a", "b\nc"}}),
		"two hosts": altered(t, "alb-multi-value.json",
			members{"multiValueHeaders": members{"host": []string{"a", "b"}}}),
		"a host with a path":      altered(t, "alb.json", members{"headers": members{"host": "a/b"}}),
		"a domain with a space":   altered(t, "httpapi.json", members{"requestContext.domainName": "a b"}),
		"a method with a space":   altered(t, "httpapi.json", members{"requestContext.http.method": "GET /x"}),
		"a method with a line":    altered(t, "alb.json", members{"httpMethod": "GET\r\n"}),
		"a path that is none":     altered(t, "httpapi.json", members{"rawPath": "files"}),
		"a whole URL as path":     altered(t, "alb.json", members{"path": "http://evil.test/"}),
		"a query with a line":     altered(t, "httpapi.json", members{"rawQueryString": "a=1\r\nb"}),
		"a parameter with a line": altered(t, "alb.json", members{"queryStringParameters": members{"a": "1\n"}}),
	} {
		if got := decode(t, invoke(t, a, t.Context(), payload)); got.StatusCode != 400 || got.problem(t) != "bad_request" ||
			strings.Contains(got.Body, "request_id") {
			t.Errorf("%s: %d %s", name, got.StatusCode, got.Body)
		}
	}
}

func TestOddRequestsReachTheHandlerAsTheyAre(t *testing.T) {
	for name, row := range map[string]struct {
		payload []byte
		uri     string
		host    string
	}{
		"a path with all that needs escaping": {
			altered(t, "httpapi.json", members{"rawPath": "/a b?c#d%e\x00é\"[%2f", "rawQueryString": "a#b c"}),
			"/a%20b%3Fc%23d%25e%00%C3%A9%22%5B%2f?a#b c", "abc123.execute-api.eu-central-1.amazonaws.com"},
		"no path": {altered(t, "httpapi.json", members{"rawPath": "", "rawQueryString": ""}),
			"/", "abc123.execute-api.eu-central-1.amazonaws.com"},
		"the stage alone": {altered(t, "httpapi-stage.json", members{"rawPath": "/prod"}), "/",
			"files.example.com"},
		"a path that begins like the stage": {altered(t, "httpapi-stage.json", members{"rawPath": "/product"}), "/product",
			"files.example.com"},
		"a stage that the path has not": {altered(t, "httpapi-stage.json", members{"rawPath": "/ping"}), "/ping",
			"files.example.com"},
		"the stage twice": {altered(t, "httpapi-stage.json", members{"rawPath": "/prod/prod"}), "/prod",
			"files.example.com"},
		"the default stage's name as a path": {
			altered(t, "httpapi.json", members{"rawPath": "/$default/x", "rawQueryString": ""}), "/$default/x",
			"abc123.execute-api.eu-central-1.amazonaws.com"},
		"no domain": {
			altered(t, "httpapi-stage.json", members{"requestContext.domainName": "", "headers": members{"Host": "h.test:8"}}),
			"/ping", "h.test:8"},
		"parameters that would be others": {
			altered(t, "alb.json", members{"path": "/", "queryStringParameters": members{"a=b&c": "d&e=f"}}),
			"/?a%3Db%26c=d%26e=f", "lambda-846800462.us-east-2.elb.amazonaws.com"},
	} {
		var uri, host string
		a := lambdahttp.New(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			uri, host = r.RequestURI,
				r.Host
		}), lambdahttp.Options{})
		if got := decode(t, invoke(t, a, t.Context(), row.payload)); got.StatusCode != 200 || uri != row.uri ||
			host != row.host {
			t.Errorf("%s: %d, %q at %q, want %q at %q", name, got.StatusCode, uri, host, row.uri, row.host)
		}
	}
}

func TestSourceAndIdThatCannotBeAreUnknown(t *testing.T) {
	a := lambdahttp.New(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.RemoteAddr != "0.0.0.0:0" || lambdahttp.RequestID(r.Context()) != "" {
			t.Errorf("%s, %q", r.RemoteAddr, lambdahttp.RequestID(r.Context()))
		}
	}), lambdahttp.Options{})
	for _, id := range []string{"a\nb", "é", strings.Repeat("a", 129)} {
		invoke(t, a, t.Context(),
			altered(t, "httpapi.json", members{"requestContext.requestId": id, "requestContext.http.sourceIp": "IP"}))
	}
}

func TestBodiesBeyondWhatAFrontPassesOnAreRefused(t *testing.T) {
	for _, row := range []struct {
		front         string
		bytes, status int
	}{
		{viaAPI, 4_600_000, 200}, {viaAPI, 4_800_000, 413}, {viaURL, 4_600_000, 200}, {viaURL, 4_800_000, 413},
		{viaSingle, 1 << 20, 200}, {viaSingle, 1<<20 + 3, 413}, {viaBalancer, 1 << 20, 200}, {viaBalancer, 1<<20 + 3, 413},
		{viaBalancer, 9 << 20, 413},
	} {
		read := 0
		got := call(t, row.front,
			http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { read = int(r.ContentLength) }),
			request(t, "POST", "/", strings.Repeat("\x00", row.bytes)))
		if got.StatusCode != row.status || row.status == 200 && read != row.bytes || row.status == 413 &&
			(got.problem(t) != "too_large" || read != 0) {
			t.Errorf("%s: %d bytes: %d, %d read: %.200s", row.front, row.bytes, got.StatusCode, read, got.Body)
		}
	}
}

func TestHowABodyWasToComeIsForgottenOnceItIsHere(t *testing.T) {
	for _, front := range fronts {
		call(t, front, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			for _, name := range []string{"Expect", "Transfer-Encoding"} {
				if values := r.Header.Values(name); len(values) > 0 {
					t.Errorf("%s: %s is %q", front, name, values)
				}
			}
			if r.ContentLength != 3 || r.Header.Get("Content-Length") != "3" || r.TransferEncoding != nil {
				t.Errorf("%s: length %d, header %q", front, r.ContentLength, r.Header.Get("Content-Length"))
			}
		}), request(t, "POST", "/", "abc", "Expect", "100-continue", "Transfer-Encoding", "chunked", "Content-Length", "4"))
	}
}

func TestARefusalOfHEADHasNoBody(t *testing.T) {
	a := lambdahttp.New(http.HandlerFunc(echo), lambdahttp.Options{})
	got := decode(t, invoke(t, a, t.Context(),
		altered(t, "httpapi.json", members{"requestContext.http.method": "HEAD", "body": "!"})))
	if got.StatusCode != 400 || got.Body != "" {
		t.Errorf("%d %q", got.StatusCode, got.Body)
	}
}

// Whatever the payload: an answer that the front understands, or an error that
// says what the payload is not.
func FuzzInvoke(f *testing.F) {
	files, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		if !file.IsDir() {
			f.Add(sample(f, file.Name()))
		}
	}
	f.Add([]byte(`{"version":"2.0","rawPath":"//%","requestContext":{"http":{"method":"GET"}},"headers":{"é":"1"}}`))
	f.Add([]byte(`{"httpMethod":"HEAD","path":"/","requestContext":{"elb":{}},"multiValueHeaders":{}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		called := false
		a := lambdahttp.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			called = true
			if r.URL.Path == "" || r.URL.Path[0] != '/' || r.URL.EscapedPath() == "" || r.Method == "" || r.ContentLength < 0 {
				t.Errorf("the handler met %s %q", r.Method, r.URL)
			}
			for name, values := range r.Header {
				for _, value := range values {
					if strings.ContainsAny(name+value, "\r\n\x00") {
						t.Errorf("header %q: %q", name, value)
					}
				}
			}
			w.Header().Set("X-Uri", r.RequestURI)
			echo(w, r)
		}), lambdahttp.Options{})
		text, err := a.Invoke(t.Context(), payload)
		if err != nil {
			if !errors.Is(err, lambdahttp.ErrUnknownEvent) || called || text != nil {
				t.Errorf("%v; the handler was called: %v", err, called)
			}
			return
		}
		got := decode(t, text)
		if called != (got.StatusCode == 200) || !called && got.StatusCode != 400 && got.StatusCode != 413 {
			t.Errorf("status %d, the handler was called: %v", got.StatusCode, called)
		}
		got.bytes(t)
	})
}
