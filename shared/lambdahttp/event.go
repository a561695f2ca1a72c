package lambdahttp

import (
	"encoding/json"
	"fmt"
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

// event has the members of all three shapes that matter here, so that 6 MB are decoded once.
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
		DomainName string `json:"domainName"`
		RequestID  string `json:"requestId"`
		Stage      string `json:"stage"`
		HTTP       *struct {
			Method   string `json:"method"`
			Protocol string `json:"protocol"`
			SourceIP string `json:"sourceIp"`
		} `json:"http"`
		ELB *struct{} `json:"elb"`
	} `json:"requestContext"`
}

// parse decodes a payload and tells whose event it is.
func parse(payload []byte) (*event, front, error) {
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrUnknownEvent, err)
	}
	http, elb := e.RequestContext.HTTP, e.RequestContext.ELB
	var missing string
	switch {
	case http != nil && elb != nil:
		missing = "it has both requestContext.http and requestContext.elb"
	case elb != nil && e.HTTPMethod == "":
		missing = "it has requestContext.elb but no httpMethod"
	case elb != nil:
		return &e, loadBalancer, nil
	case http == nil && e.HTTPMethod != "":
		missing = "it looks like payload format 1.0: set the integration's PayloadFormatVersion to 2.0"
	case http == nil:
		missing = "it has neither requestContext.http nor requestContext.elb"
	case e.Version != "2.0":
		missing = "its version is not 2.0"
	case http.Method == "":
		missing = "requestContext.http has no method"
	// A Function URL has a domain of its own, which no API can have.
	case strings.Contains(e.RequestContext.DomainName, ".lambda-url."):
		return &e, functionURL, nil
	default:
		return &e, httpAPI, nil
	}
	return nil, 0, fmt.Errorf("%w: %s", ErrUnknownEvent, missing)
}

// method is the request's.
func (e *event) method(f front) string {
	if f == loadBalancer {
		return e.HTTPMethod
	}
	return e.RequestContext.HTTP.Method
}

// multiValue tells whether a load balancer's event has the multi-value members, and so wants them in the answer.
func (e *event) multiValue() bool { return e.MultiValueHeaders != nil }
