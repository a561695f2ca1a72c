package lambdahttp

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// front is who stands before the function.
type front int

const (
	httpAPI front = iota
	functionURL
	loadBalancer
)

func (f front) String() string {
	return [...]string{"HTTP API", "Function URL", "load balancer"}[f]
}

// Sizes, from the quotas that AWS documents. Where a page says MB and not which, the way in takes the larger (what came
// has come) and the way out the smaller.
const (
	maxEvent       = 6 << 20   // what Lambda hands to a function, and takes back from it
	maxLoadBody    = 1 << 20   // the body that a load balancer passes on
	maxLoadPayload = 1_000_000 // the JSON that a load balancer takes as an answer
)

// maxReply is the largest JSON that front takes as an answer.
func (f front) maxReply() int {
	if f == loadBalancer {
		return maxLoadPayload
	}
	return maxEvent
}

// event has the members of all three shapes that matter here, so that one is decoded once.
type event struct {
	// HTTP API and Function URL.
	Version        string   `json:"version"`
	RawPath        string   `json:"rawPath"`
	RawQueryString string   `json:"rawQueryString"`
	Cookies        []string `json:"cookies"`

	// Load balancer: the single or the multi-value members, never both.
	HTTPMethod        string              `json:"httpMethod"`
	Path              string              `json:"path"`
	Query             map[string]string   `json:"queryStringParameters"`
	MultiValueQuery   map[string][]string `json:"multiValueQueryStringParameters"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`

	// All of them.
	Headers         map[string]string `json:"headers"`
	Body            string            `json:"body"`
	IsBase64Encoded bool              `json:"isBase64Encoded"`
	RequestContext  struct {
		DomainName string       `json:"domainName"`
		RequestID  string       `json:"requestId"`
		Stage      string       `json:"stage"`
		HTTP       *httpContext `json:"http"`
		ELB        *struct{}    `json:"elb"`
	} `json:"requestContext"`

	decoded    []byte // the body, if decode has decoded it: Body is empty then
	front      front
	multiValue bool // a load balancer's event with multi-value members, which wants them in the answer too
}

type httpContext struct {
	Method   string `json:"method"`
	Protocol string `json:"protocol"`
	SourceIP string `json:"sourceIp"`
}

// parse decodes a payload and tells whose event it is. A load balancer's event is given the members of the other two,
// so that all are read alike.
func parse(payload []byte) (*event, error) {
	e, err := decode(payload)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnknownEvent, err)
	}
	rc := &e.RequestContext
	var missing string
	switch {
	case rc.HTTP != nil && rc.ELB != nil:
		missing = "it has both requestContext.http and requestContext.elb"
	case rc.ELB != nil && e.HTTPMethod == "":
		missing = "it has requestContext.elb but no httpMethod"
	case rc.ELB != nil:
		e.front, e.multiValue = loadBalancer, e.MultiValueHeaders != nil
		rc.HTTP, rc.DomainName, e.Cookies = &httpContext{Method: e.HTTPMethod}, "", nil
		e.RawPath, e.RawQueryString = e.Path, e.loadQuery()
	case rc.HTTP == nil && e.HTTPMethod != "":
		missing = "it looks like payload format 1.0: set the integration's PayloadFormatVersion to 2.0"
	case rc.HTTP == nil:
		missing = "it has neither requestContext.http nor requestContext.elb"
	case e.Version != "2.0":
		missing = "its version is not 2.0"
	case rc.HTTP.Method == "":
		missing = "requestContext.http has no method"
	// A Function URL has a domain of its own, which no API can have.
	case strings.Contains(rc.DomainName, ".lambda-url."):
		e.front = functionURL
	}
	if missing != "" {
		return nil, fmt.Errorf("%w: %s", ErrUnknownEvent, missing)
	}
	if !e.multiValue {
		e.MultiValueHeaders = multi(e.Headers)
	}
	return e, nil
}

// loadQuery puts a load balancer's parameters together again. They come as the client encoded them, so only what would
// begin another parameter is encoded.
func (e *event) loadQuery() string {
	all := e.MultiValueQuery
	if all == nil {
		all = multi(e.Query)
	}
	name, value := strings.NewReplacer("&", "%26", "=", "%3D"), strings.NewReplacer("&", "%26")
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		for _, v := range all[key] {
			parts = append(parts, name.Replace(key)+"="+value.Replace(v))
		}
	}
	return strings.Join(parts, "&")
}

// multi gives single values the form of multi-value members.
func multi(single map[string]string) map[string][]string {
	all := make(map[string][]string, len(single))
	for name, value := range single {
		all[name] = []string{value}
	}
	return all
}
