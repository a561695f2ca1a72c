package lambdahttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"hatchery/shared/lambdahttp"
)

// seen writes down what a handler meets, a line each.
func seen(r *http.Request) string {
	body, err := io.ReadAll(r.Body)
	var b strings.Builder
	for _, line := range []string{
		r.Method + " " + r.RequestURI + " " + r.Proto,
		fmt.Sprintf("path %q escaped %q raw %q query %q", r.URL.Path, r.URL.EscapedPath(), r.URL.RawPath, r.URL.RawQuery),
		fmt.Sprintf("host %q from %s length %d body %q %v", r.Host, r.RemoteAddr, r.ContentLength, body, err),
		fmt.Sprintf("id %q", lambdahttp.RequestID(r.Context())),
	} {
		b.WriteString(line + "\n")
	}
	return b.String()
}

func TestDocumentedEventsBecomeTheRequestsThatClientsSent(t *testing.T) {
	for file, want := range map[string]struct {
		seen   string
		header http.Header // nil value: absent
	}{
		"httpapi.json": {`POST /files/j/entries/e/images?image_name=my%20cat.png&tag=a&tag=b HTTP/1.1
path "/files/j/entries/e/images" escaped "/files/j/entries/e/images" raw "" query "image_name=my%20cat.png&tag=a&tag=b"
host "abc123.execute-api.eu-central-1.amazonaws.com" from 198.51.100.4:0 length 8 body "\x89PNG\r\n\x1a\n" <nil>
id "JKJaXmPLvHcESHA="
`, http.Header{"Accept": {"application/json, text/html;q=0.5"}, "Authorization": {"Bearer t, with a comma"}, "Range": {"bytes=0-1,5-6"},
			"Cookie": {"session=1; theme=dark"}, "Host": nil, "Content-Length": {"8"},
			"X-Forwarded-For": {"203.0.113.9, 198.51.100.4"}}},
		"httpapi-stage.json": {`GET /ping HTTP/2.0
path "/ping" escaped "/ping" raw "" query ""
host "files.example.com" from [2001:db8::7]:0 length 0 body "" <nil>
id "JKJaXmPLvHcESHB="
`, http.Header{"Cookie": nil, "Content-Length": nil}},
		"functionurl.json": {`POST /files/a%20b%2Fc?p=1&p=2&q HTTP/1.1
path "/files/a b/c" escaped "/files/a%20b%2Fc" raw "/files/a%20b%2Fc" query "p=1&p=2&q"
host "urlid.lambda-url.us-west-2.on.aws" from 123.123.123.123:0 length 18 body "Hello from client!" <nil>
id "id-1"
`, http.Header{"Header1": {"value1"}, "Header2": {"value1,value2"}, "Cookie": {"c1; c2"}}},
		"alb.json": {`GET /files/a%20b%2Fc?a%5B%5D=x+y&flag=&image_name=my%20cat%26dog.png HTTP/1.1
path "/files/a b/c" escaped "/files/a%20b%2Fc" raw "/files/a%20b%2Fc" query "a%5B%5D=x+y&flag=&image_name=my%20cat%26dog.png"
host "lambda-846800462.us-east-2.elb.amazonaws.com" from 0.0.0.0:0 length 0 body "" <nil>
id "invocation-1"
`, http.Header{"Cookie": {"a=1; b=2"}, "Host": nil}},
		"alb-multi-value.json": {`POST /files?name=x=y&tag=b%2C&tag=a HTTP/1.1
path "/files" escaped "/files" raw "" query "name=x=y&tag=b%2C&tag=a"
host "lambda-846800462.us-east-2.elb.amazonaws.com" from 0.0.0.0:0 length 3 body "\x00\x01\xff" <nil>
id "invocation-1"
`, http.Header{"X-Two": {"one", "two, three"}, "Cookie": {"a=1", "b=2"}, "Content-Length": {"3"}}},
		"alb-health.json": {`GET /ping HTTP/1.1
path "/ping" escaped "/ping" raw "" query ""
host "" from 0.0.0.0:0 length 0 body "" <nil>
id "invocation-1"
`, http.Header{"User-Agent": {"ELB-HealthChecker/2.0"}}},
	} {
		t.Run(file, func(t *testing.T) {
			var got string
			var header http.Header
			a := lambdahttp.New(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				got, header = seen(r),
					r.Header
			}),
				lambdahttp.Options{InvocationID: func(context.Context) string { return "invocation-1" }})
			if r := decode(t, invoke(t, a, t.Context(), sample(t, file))); r.StatusCode != 200 {
				t.Errorf("status %d: %s", r.StatusCode, r.Body)
			}
			if got != want.seen {
				t.Errorf("the handler met\n%s\nwant\n%s", got, want.seen)
			}
			for name, values := range want.header {
				if fmt.Sprint(header.Values(name)) != fmt.Sprint(values) || len(header.Values(name)) != len(values) {
					t.Errorf("header %s: %q, want %q", name, header.Values(name), values)
				}
			}
		})
	}
}

func TestOtherEventsAreRefusedWithWhatToLookAt(t *testing.T) {
	called := false
	a := lambdahttp.New(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }), lambdahttp.Options{})
	refused := func(payload []byte, wantText string) {
		t.Helper()
		reply, err := a.Invoke(t.Context(), payload)
		if !errors.Is(err, lambdahttp.ErrUnknownEvent) || !strings.Contains(err.Error(), wantText) || reply != nil {
			t.Errorf("%.60s: %q, %v; want an error with %q", payload, reply, err, wantText)
		}
	}
	refused(sample(t, "other-format1.json"), "PayloadFormatVersion to 2.0")
	refused(sample(t, "other-websocket.json"), "neither requestContext.http nor requestContext.elb")
	refused(sample(t, "other-sqs.json"), "neither requestContext.http nor requestContext.elb")
	refused(sample(t, "other-lattice.json"), "headers")
	for payload, wantText := range map[string]string{
		"": "JSON", "{": "JSON", "null": "neither", "{}": "neither", "[]": "array", `"x"`: "string",
		`{"requestContext":{"elb":{}}}`: "no httpMethod",
		`{"version":"2.0","httpMethod":"GET","requestContext":{"elb":{},"http":{"method":"GET"}}}`: "both",
		`{"version":"3.0","rawPath":"/","requestContext":{"http":{"method":"GET"}}}`:               "version is not 2.0",
		`{"rawPath":"/","requestContext":{"http":{"method":"GET"}}}`:                               "version is not 2.0",
		`{"version":"2.0","rawPath":"/","requestContext":{"http":{}}}`:                             "no method",
	} {
		refused([]byte(payload), wantText)
	}
	if called {
		t.Error("the handler was called")
	}
}

func sample(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
