package lambdahttp

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// request makes the request that net/http would have made of what the client sent. size is how long the whole event is.
func (e *event) request(ctx context.Context, size int) (*http.Request, *problem) {
	body, p := e.body(size)
	if p != nil {
		return nil, p
	}
	header, host, p := e.header()
	if p != nil {
		return nil, p
	}
	rc := e.RequestContext.HTTP
	if !isToken(rc.Method) {
		return nil, malformed("The method is malformed.")
	}
	target, p := e.target()
	if p != nil {
		return nil, p
	}

	r := &http.Request{Method: rc.Method, URL: target, RequestURI: target.RequestURI(), Header: header, Host: host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: http.NoBody, ContentLength: int64(len(body)), RemoteAddr: "0.0.0.0:0"}
	if major, minor, ok := http.ParseHTTPVersion(rc.Protocol); ok {
		r.Proto, r.ProtoMajor, r.ProtoMinor = rc.Protocol, major, minor
	}
	// A load balancer names the client in X-Forwarded-For alone, which the client can write into: it is not known then.
	if addr, err := netip.ParseAddr(rc.SourceIP); err == nil {
		r.RemoteAddr = netip.AddrPortFrom(addr.WithZone(""), 0).String()
	}
	if len(body) > 0 {
		r.Body = heldBody{bytes.NewReader(body)}
	}
	// The length that counts is the decoded body's. How the body would come means nothing any more: it is here.
	if len(body) > 0 || header.Get("Content-Length") != "" {
		header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	header.Del("Transfer-Encoding")
	header.Del("Expect")
	return r.WithContext(ctx), nil
}

// heldBody is a body that is in memory. Its methods Len and ReadAt tell a handler that it needs no other copy.
type heldBody struct{ *bytes.Reader }

// Close does nothing: there is no connection.
func (heldBody) Close() error { return nil }

// body decodes the body and bounds it.
func (e *event) body(size int) ([]byte, *problem) {
	length, maxBytes := len(e.Body), maxEvent
	switch {
	case e.decoded != nil:
		length = len(e.decoded)
	case e.IsBase64Encoded:
		length = base64.StdEncoding.DecodedLen(length)
	}
	if e.front == loadBalancer {
		maxBytes = maxLoadBody
	}
	if size > maxEvent || length > maxBytes+2 { // DecodedLen counts up to two bytes of padding
		return nil, &problem{status: http.StatusRequestEntityTooLarge, code: "too_large",
			detail: fmt.Sprintf("The request is larger than a %s passes on (%d bytes, with base64): "+
				"ask for a form and send the file with it.", e.front, maxBytes)}
	}
	switch {
	case e.decoded != nil:
		return e.decoded, nil
	case !e.IsBase64Encoded:
		return []byte(e.Body), nil
	}
	body, err := base64.StdEncoding.DecodeString(e.Body)
	if err != nil {
		return nil, malformed("The body is not the base64 that it is said to be.")
	}
	return body, nil
}

// header collects the headers, and the host apart from them, as net/http does. No value is split: a comma may be part
// of it.
func (e *event) header() (http.Header, string, *problem) {
	header := http.Header{}
	// Sorted, so that two names that differ in case alone come in one order.
	for _, name := range slices.Sorted(maps.Keys(e.MultiValueHeaders)) {
		for _, value := range e.MultiValueHeaders[name] {
			if !isToken(name) || !isValue(value) {
				return nil, "", malformed("A header is malformed.")
			}
			header.Add(name, value)
		}
	}
	if len(e.Cookies) > 0 {
		cookie := strings.Join(e.Cookies, "; ")
		if !isValue(cookie) {
			return nil, "", malformed("A header is malformed.")
		}
		header.Set("Cookie", cookie)
	}
	host, hosts := e.RequestContext.DomainName, header.Values("Host")
	if host == "" {
		if len(hosts) > 1 {
			return nil, "", malformed("There are several Host headers.")
		}
		host = strings.Join(hosts, "")
	}
	header.Del("Host")
	if strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' }) ||
		strings.ContainsAny(host, `/\@?#"<>`) {
		return nil, "", malformed("The host is malformed.")
	}
	return header, host, nil
}

// target makes the URL.
func (e *event) target() (*url.URL, *problem) {
	path, query := e.RawPath, e.RawQueryString
	if stage := e.RequestContext.Stage; e.front == httpAPI && stage != "" && stage != "$default" {
		if rest, ok := strings.CutPrefix(path, "/"+stage); ok && (rest == "" || rest[0] == '/') {
			path = rest
		}
	}
	if path == "" {
		path = "/"
	}
	if path[0] != '/' {
		return nil, malformed("The path is malformed.")
	}
	text := escapePath(path)
	if query != "" {
		text += "?" + query
	}
	// As net/http reads a request line: "//a" is a path, and RawPath is kept where Path alone does not give it back.
	target, err := url.ParseRequestURI(text)
	if err != nil {
		return nil, malformed("The path or the query is malformed.")
	}
	return target, nil
}

// escapePath makes a path of an event one of a request line. What is encoded stays so; what cannot stand there (an HTTP
// API decodes) is encoded.
func escapePath(path string) string {
	var b strings.Builder
	for i, c := range []byte(path) {
		if isLetterOrDigit(c) || strings.IndexByte("-._~!$&'()*+,;=:@/", c) >= 0 ||
			c == '%' && i+2 < len(path) && isHex(path[i+1]) && isHex(path[i+2]) {
			b.WriteByte(c)
		} else {
			_, _ = fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func isLetterOrDigit(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// isToken tells whether s can name a header or a method (RFC 9110, 5.6.2).
func isToken(s string) bool {
	return s != "" && !slices.ContainsFunc([]byte(s), func(c byte) bool {
		return !isLetterOrDigit(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0
	})
}

// isValue tells whether s can be the value of a header.
func isValue(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
