package api_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"hatchery/shared/lambdahttp"
)

// lambda is the way of a request through AWS to a handler in a function, and
// of its answer back. The zero value is an HTTP API.
type lambda struct {
	functionURL bool
	balancer    bool // Application Load Balancer
	multiValue  bool // its target group has lambda.multi_value_headers.enabled
}

func (l lambda) transport(t *testing.T, h http.Handler) func(*http.Request) *http.Response {
	adapter := lambdahttp.New(h, lambdahttp.Options{InvocationID: func(context.Context) string { return "request-1" }})
	return func(r *http.Request) *http.Response {
		payload := l.sampled(t, l.event(t, r))
		reply, err := adapter.Invoke(t.Context(), payload)
		if err != nil {
			t.Fatal(err)
		}
		return l.response(t, reply)
	}
}

// event is what the function is handed.
func (l lambda) event(t *testing.T, r *http.Request) any {
	body, encoded := eventBody(t, r)
	single, multi := map[string]string{}, map[string][]string{"host": {r.Host}}
	var cookies []string
	for name, values := range r.Header {
		name = strings.ToLower(name)
		if name == "cookie" && !l.balancer {
			cookies = strings.Split(strings.Join(values, "; "), "; ")
			continue
		}
		multi[name], single[name] = values, strings.Join(values, ",")
		if l.balancer {
			single[name] = values[len(values)-1]
		}
	}
	single["host"] = r.Host
	switch {
	case l.balancer:
		e := events.ALBTargetGroupRequest{HTTPMethod: r.Method, Path: r.URL.EscapedPath(), Body: body,
			IsBase64Encoded: encoded,
			RequestContext: events.ALBTargetGroupRequestContext{
				ELB: events.ELBContext{TargetGroupArn: "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/api/50dc6c495c0c9188"}}}
		singleQuery, multiQuery := eventQuery(r.URL.RawQuery)
		if l.multiValue {
			e.MultiValueHeaders, e.MultiValueQueryStringParameters = multi, multiQuery
		} else {
			e.Headers, e.QueryStringParameters = single, singleQuery
		}
		return e
	case l.functionURL:
		return events.LambdaFunctionURLRequest{Version: "2.0", RawPath: r.URL.EscapedPath(), RawQueryString: r.URL.RawQuery,
			Headers: single, Cookies: cookies, Body: body, IsBase64Encoded: encoded,
			RequestContext: events.LambdaFunctionURLRequestContext{RequestID: "request-1",
				DomainName: "abc.lambda-url.eu-central-1.on.aws",
				HTTP: events.LambdaFunctionURLRequestContextHTTPDescription{Method: r.Method, Path: r.URL.EscapedPath(),
					Protocol: "HTTP/1.1", SourceIP: "192.0.2.7"}}}
	default:
		// It undoes percent-encoding, once.
		path, err := url.PathUnescape(r.URL.EscapedPath())
		if err != nil {
			t.Fatal(err)
		}
		return events.APIGatewayV2HTTPRequest{Version: "2.0", RouteKey: "$default", RawPath: path,
			RawQueryString: r.URL.RawQuery, Headers: single, Cookies: cookies, Body: body, IsBase64Encoded: encoded,
			RequestContext: events.APIGatewayV2HTTPRequestContext{RouteKey: "$default", Stage: "$default",
				RequestID: "request-1", DomainName: "abc.execute-api.eu-central-1.amazonaws.com",
				HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: r.Method, Path: path, Protocol: "HTTP/1.1",
					SourceIP: "192.0.2.7"}}}
	}
}

// sampled gives an event with all that AWS's own sample of its shape has beside the
// request: authorizers, stage variables, forwarding headers.
func (l lambda) sampled(t *testing.T, event any) []byte {
	file := "httpapi.json"
	switch {
	case l.balancer && l.multiValue:
		file = "alb-multi-value.json"
	case l.balancer:
		file = "alb.json"
	case l.functionURL:
		file = "functionurl.json"
	}
	text, err := os.ReadFile(filepath.Join("..", "lambdahttp", "testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	ours, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	var sample, own map[string]any
	if err := errors.Join(json.Unmarshal(text, &sample), json.Unmarshal(ours, &own)); err != nil {
		t.Fatal(err)
	}
	for _, ofRequest := range []string{"rawPath", "rawQueryString", "cookies", "queryStringParameters",
		"multiValueQueryStringParameters", "body", "isBase64Encoded"} {
		delete(sample, ofRequest)
	}
	for _, headers := range []string{"headers", "multiValueHeaders"} {
		if of, ok := sample[headers].(map[string]any); ok {
			maps.DeleteFunc(of, func(name string, _ any) bool { return !strings.HasPrefix(name, "x-") && name != "user-agent" })
		}
	}
	merged, err := json.Marshal(laidOver(sample, own))
	if err != nil {
		t.Fatal(err)
	}
	return merged
}

// laidOver puts the members of top over those of base, objects member by member. A
// null says nothing.
func laidOver(base, top map[string]any) map[string]any {
	for name, value := range top {
		under, _ := base[name].(map[string]any)
		over, isObject := value.(map[string]any)
		switch {
		case value == nil:
		case isObject && under != nil:
			base[name] = laidOver(under, over)
		default:
			base[name] = value
		}
	}
	return base
}

// eventBody is a body as an event has it: base64 but for text, whose bytes that are no UTF-8 are lost.
func eventBody(t *testing.T, r *http.Request) (body string, encoded bool) {
	if r.Body == nil {
		return "", false
	}
	all, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case len(all) == 0, strings.HasPrefix(mediaType, "text/"), mediaType == "application/json",
		mediaType == "application/xml", mediaType == "application/javascript":
		return strings.ToValidUTF8(string(all), "\ufffd"), false
	}
	return base64.StdEncoding.EncodeToString(all), true
}

// eventQuery is a query as a load balancer gives it: not decoded, and in the
// single form the last value of each name.
func eventQuery(raw string) (single map[string]string, multi map[string][]string) {
	single, multi = map[string]string{}, map[string][]string{}
	for pair := range strings.SplitSeq(raw, "&") {
		if name, value, _ := strings.Cut(pair, "="); pair != "" {
			single[name], multi[name] = value, append(multi[name], value)
		}
	}
	return single, multi
}

// response is what the client gets.
func (l lambda) response(t *testing.T, reply []byte) *http.Response {
	var got struct {
		StatusCode        int
		Headers           map[string]string
		MultiValueHeaders http.Header
		Body              string
		IsBase64Encoded   bool
	}
	if err := json.Unmarshal(reply, &got); err != nil {
		t.Fatal(err)
	}
	if (len(got.MultiValueHeaders) > 0) != l.multiValue {
		t.Errorf("multiValueHeaders are %v", got.MultiValueHeaders)
	}
	header := http.Header{}
	for name, value := range got.Headers {
		header.Set(name, value)
	}
	for name, values := range got.MultiValueHeaders {
		header[http.CanonicalHeaderKey(name)] = values
	}
	body := []byte(got.Body)
	if got.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(got.Body); err != nil {
			t.Fatal(err)
		}
	}
	return &http.Response{StatusCode: got.StatusCode, Header: header, Body: io.NopCloser(strings.NewReader(string(body)))}
}

// A departure is a set of rows of the table that are answered otherwise on some
// ways through AWS, because AWS changes or refuses such a request before a
// function sees it.
type departure struct {
	why  string
	ways []string
	rows func(exchange) bool
	// answer is the status instead, and the problem's code or "" for any.
	answer func(exchange) (status int, code string)
}

const (
	viaAPI      = "HTTP API"
	viaURL      = "Function URL"
	viaBalancer = "load balancer"
	viaSingle   = "load balancer, one value a name"
)

func always(status int, code string) func(exchange) (int, string) {
	return func(exchange) (int, string) { return status, code }
}

var departures = []departure{
	{why: "an HTTP API decodes the path before it calls: an encoded slash has become one",
		ways: []string{viaAPI},
		rows: func(e exchange) bool {
			return strings.Contains(e.path, "%2Fentries") || strings.HasSuffix(e.path, "%2Fstatus") || e.path == "/ping%2F"
		},
		answer: func(e exchange) (int, string) {
			switch {
			case e.method == http.MethodGet:
				return 200, ""
			case e.method == http.MethodOptions:
				return 204, ""
			case e.method == http.MethodPost && strings.Contains(e.path, "%2Fentries"):
				return 406, "name"
			}
			return 405, "method_not_allowed"
		}},
	{why: "a header that was sent twice comes as one value, by which the application decides",
		ways:   []string{viaAPI, viaURL, viaSingle},
		rows:   func(e exchange) bool { return strings.HasPrefix(e.name, "two authorizations:") },
		answer: always(403, "forbidden")},
	{why: "a header that was sent twice comes as one value, which is a key like another",
		ways: []string{viaAPI, viaURL, viaSingle},
		rows: func(e exchange) bool { return strings.HasPrefix(e.name, "two keys,") }, answer: always(202, "")},
	{why: "a load balancer in single-value mode passes on the last parameter of a name",
		ways: []string{viaSingle}, rows: func(e exchange) bool { return strings.HasPrefix(e.name, "name: two of one,") },
		answer: always(202, "")},
	{why: "Lambda takes events of 6 MB, with base64",
		ways:   []string{viaAPI, viaURL},
		rows:   func(e exchange) bool { return base64.StdEncoding.EncodedLen(len(e.body)) > 6<<20 },
		answer: always(413, "too_large")},
	{why: "a load balancer passes bodies of 1 MB on",
		ways: []string{viaBalancer, viaSingle}, rows: func(e exchange) bool { return len(e.body) > 1<<20 },
		answer: always(413, "too_large")},
}

// through is the row as it must be answered on a way.
func (e exchange) through(way string) exchange {
	for _, d := range departures {
		if slices.Contains(d.ways, way) && d.rows(e) {
			e.status, e.code = d.answer(e)
			e.want, e.holds, e.exact = nil, nil, nil
		}
	}
	return e
}

func TestEveryDepartureIsOfFewRows(t *testing.T) {
	table := wholeTable()
	for _, d := range departures {
		n := 0
		for _, e := range table {
			if d.rows(e) {
				n++
			}
		}
		if n == 0 || n > 14 {
			t.Errorf("%d rows depart because %s", n, d.why)
		}
		for _, way := range d.ways {
			if transports[way] == nil {
				t.Errorf("there is no way %q", way)
			}
		}
	}
}
