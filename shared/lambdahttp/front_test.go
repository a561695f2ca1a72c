package lambdahttp_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"hatchery/shared/lambdahttp"
)

// The ways through AWS. Each builds the event that a front makes of a request.
const (
	viaAPI      = "HTTP API"
	viaURL      = "Function URL"
	viaBalancer = "load balancer, multi-value"
	viaSingle   = "load balancer"
)

var fronts = []string{viaAPI, viaURL, viaBalancer, viaSingle}

// limits are how large the JSON of an answer may be.
var limits = map[string]int{viaAPI: 6 << 20, viaURL: 6 << 20, viaBalancer: 1_000_000, viaSingle: 1_000_000}

// eventOf makes the event that a front hands over.
func eventOf(t testing.TB, front string, r *http.Request) []byte {
	t.Helper()
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			t.Fatal(err)
		}
	}
	text, encoded := base64.StdEncoding.EncodeToString(body), len(body) > 0
	if strings.HasPrefix(r.Header.Get("Content-Type"), "text/") || len(body) == 0 {
		text, encoded = string(body), false
	}
	host := r.Host
	if host == "" {
		host = "files.example.com"
	}
	single, multi := map[string]string{"host": host}, map[string][]string{"host": {host}}
	var cookies []string
	for name, values := range r.Header {
		name = strings.ToLower(name)
		if name == "cookie" && (front == viaAPI || front == viaURL) {
			cookies = strings.Split(strings.Join(values, "; "), "; ")
			continue
		}
		multi[name], single[name] = values, strings.Join(values, ",")
	}
	var e any
	switch front {
	case viaAPI:
		path, err := url.PathUnescape(r.URL.EscapedPath())
		if err != nil {
			t.Fatal(err)
		}
		e = events.APIGatewayV2HTTPRequest{Version: "2.0", RouteKey: "$default", RawPath: path,
			RawQueryString: r.URL.RawQuery, Headers: single, Cookies: cookies, Body: text, IsBase64Encoded: encoded,
			RequestContext: events.APIGatewayV2HTTPRequestContext{RouteKey: "$default", Stage: "$default",
				RequestID: "request-1", DomainName: host,
				HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: r.Method, Path: path, Protocol: "HTTP/1.1",
					SourceIP: "192.0.2.7"}}}
	case viaURL:
		e = events.LambdaFunctionURLRequest{Version: "2.0", RawPath: r.URL.EscapedPath(), RawQueryString: r.URL.RawQuery,
			Headers: single, Cookies: cookies, Body: text, IsBase64Encoded: encoded,
			RequestContext: events.LambdaFunctionURLRequestContext{RequestID: "request-1",
				DomainName: "abc.lambda-url.eu-central-1.on.aws",
				HTTP: events.LambdaFunctionURLRequestContextHTTPDescription{Method: r.Method, Path: r.URL.EscapedPath(),
					Protocol: "HTTP/1.1", SourceIP: "192.0.2.7"}}}
	default:
		b := events.ALBTargetGroupRequest{HTTPMethod: r.Method, Path: r.URL.EscapedPath(), Body: text,
			IsBase64Encoded: encoded,
			RequestContext: events.ALBTargetGroupRequestContext{
				ELB: events.ELBContext{TargetGroupArn: "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/api/50dc6c495c0c9188"}}}
		singleQuery, multiQuery := map[string]string{}, map[string][]string{}
		for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
			if name, value, _ := strings.Cut(pair, "="); pair != "" {
				singleQuery[name], multiQuery[name] = value, append(multiQuery[name], value)
			}
		}
		if front == viaBalancer {
			b.MultiValueHeaders, b.MultiValueQueryStringParameters = multi, multiQuery
		} else {
			b.Headers, b.QueryStringParameters = single, singleQuery
		}
		e = b
	}
	payload, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// reply is an answer as the function gives it, decoded.
type reply struct {
	StatusCode        int
	StatusDescription string
	Headers           map[string]string
	MultiValueHeaders map[string][]string
	Cookies           []string
	Body              string
	IsBase64Encoded   bool
}

// header is the answer's headers as the client gets them.
func (r reply) header() http.Header {
	header := http.Header{}
	for name, value := range r.Headers {
		header.Set(name, value)
	}
	for name, values := range r.MultiValueHeaders {
		header[http.CanonicalHeaderKey(name)] = values
	}
	for _, cookie := range r.Cookies {
		header.Add("Set-Cookie", cookie)
	}
	return header
}

// bytes is the answer's body as the client gets it.
func (r reply) bytes(t testing.TB) string {
	t.Helper()
	if !r.IsBase64Encoded {
		return r.Body
	}
	body, err := base64.StdEncoding.DecodeString(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// problem is the code of a problem, "" for any other answer.
func (r reply) problem(t testing.TB) string {
	t.Helper()
	if r.header().Get("Content-Type") != "application/problem+json" {
		return ""
	}
	var p struct {
		Code   string
		Status int
	}
	if err := json.Unmarshal([]byte(r.bytes(t)), &p); err != nil || p.Status != r.StatusCode {
		t.Errorf("problem %q with status %d: %v", r.Body, r.StatusCode, err)
	}
	return p.Code
}

func decode(t testing.TB, text []byte) reply {
	t.Helper()
	var r reply
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return r
}

// call sends a request through a front to a handler.
func call(t testing.TB, front string, h http.Handler, r *http.Request) reply {
	t.Helper()
	return decode(t, invoke(t, lambdahttp.New(h, lambdahttp.Options{}), t.Context(), eventOf(t, front, r)))
}

func invoke(t testing.TB, a *lambdahttp.Adapter, ctx context.Context, payload []byte) []byte {
	t.Helper()
	text, err := a.Invoke(ctx, payload)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// request makes a request; header is name, value, ….
func request(t testing.TB, method, target, body string, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://files.example.com"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}
