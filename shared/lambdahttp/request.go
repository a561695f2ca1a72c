package lambdahttp

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// request makes the request that net/http would have made of what the client sent. size is how long the whole event is.
func (e *event) request(ctx context.Context, f front, size int) (*http.Request, *problem) {
	body, p := e.body(f, size)
	if p != nil {
		return nil, p
	}
	header, host, p := e.header(f)
	if p != nil {
		return nil, p
	}
	method := e.method(f)
	if !isToken(method) {
		return nil, malformed("The method is malformed.")
	}
	target, p := e.target(f)
	if p != nil {
		return nil, p
	}

	r := &http.Request{Method: method, URL: target, RequestURI: target.RequestURI(), Header: header, Host: host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: http.NoBody, ContentLength: int64(len(body)), RemoteAddr: e.remoteAddr(f)}
	if f != loadBalancer {
		if major, minor, ok := http.ParseHTTPVersion(e.RequestContext.HTTP.Protocol); ok {
			r.Proto, r.ProtoMajor, r.ProtoMinor = e.RequestContext.HTTP.Protocol, major, minor
		}
	}
	if len(body) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	// The length that counts is the decoded body's. How the body would come means nothing any more: it is here.
	if len(body) > 0 || header.Get("Content-Length") != "" {
		header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	header.Del("Transfer-Encoding")
	header.Del("Expect")
	return r.WithContext(ctx), nil
}

// remoteAddr is the client as AWS says it. A load balancer names it in X-Forwarded-For alone, which the client can write
// into: there it is not known.
func (e *event) remoteAddr(f front) string {
	if f != loadBalancer {
		if addr, err := netip.ParseAddr(e.RequestContext.HTTP.SourceIP); err == nil {
			return netip.AddrPortFrom(addr.WithZone(""), 0).String()
		}
	}
	return "0.0.0.0:0"
}

// body decodes the body and bounds it.
func (e *event) body(f front, size int) ([]byte, *problem) {
	length := len(e.Body)
	if e.IsBase64Encoded {
		length = base64.StdEncoding.DecodedLen(length)
	}
	maxBytes := maxEvent
	if f == loadBalancer {
		maxBytes = maxLoadBody
	}
	// DecodedLen counts up to two bytes of padding.
	if size > maxEvent || f == loadBalancer && length > maxBytes+2 {
		return nil, &problem{status: http.StatusRequestEntityTooLarge, code: "too_large",
			detail: fmt.Sprintf("The request is larger than a %s passes on (%d bytes, with base64): "+
				"ask for a form and send the file with it.", f, maxBytes)}
	}
	if !e.IsBase64Encoded {
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
func (e *event) header(f front) (http.Header, string, *problem) {
	all := e.MultiValueHeaders
	if f != loadBalancer || !e.multiValue() {
		all = multi(e.Headers)
	}
	header := http.Header{}
	// Sorted, so that two names that differ in case alone come in one order.
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for _, value := range all[name] {
			if !isToken(name) || !isValue(value) {
				return nil, "", malformed("A header is malformed.")
			}
			header.Add(name, value)
		}
	}
	if f != loadBalancer && len(e.Cookies) > 0 {
		cookie := strings.Join(e.Cookies, "; ")
		if !isValue(cookie) {
			return nil, "", malformed("A header is malformed.")
		}
		header.Set("Cookie", cookie)
	}
	host, hosts := e.RequestContext.DomainName, header.Values("Host")
	if f == loadBalancer || host == "" {
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

// multi gives single values the form of multi-value members.
func multi(single map[string]string) map[string][]string {
	all := make(map[string][]string, len(single))
	for name, value := range single {
		all[name] = []string{value}
	}
	return all
}

// target makes the URL.
func (e *event) target(f front) (*url.URL, *problem) {
	path, query := e.RawPath, e.RawQueryString
	switch f {
	case httpAPI:
		if stage := e.RequestContext.Stage; stage != "" && stage != "$default" {
			if rest, ok := strings.CutPrefix(path, "/"+stage); ok && (rest == "" || rest[0] == '/') {
				path = rest
			}
		}
	case loadBalancer:
		path, query = e.Path, e.loadQuery()
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
