package localsqs

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Signature version 4 as AWS describes it ("Create a signed AWS API request", IAM user guide), for the header form.
const (
	signatureAlgorithm = "AWS4-HMAC-SHA256"
	signatureTime      = "20060102T150405Z"
	signatureService   = "sqs"
	signatureSkew      = 15 * time.Minute
	maxSignedHeaders   = 64
)

// authorization is a well-formed Authorization header: what the caller claims, before the signature is checked.
type authorization struct {
	accessKey, date, region, service string
	headers                          []string // lower case, sorted, without duplicates
	signature                        []byte
	time                             string // of X-Amz-Date
}

// parseAuthorization reads the header's value; ok is false for anything but its one proper form.
func parseAuthorization(value string) (a authorization, ok bool) {
	rest, found := strings.CutPrefix(value, signatureAlgorithm+" ")
	if !found {
		return a, false
	}
	var credential, headers, signature string
	for part := range strings.SplitSeq(rest, ",") {
		name, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		field := map[string]*string{"Credential": &credential, "SignedHeaders": &headers, "Signature": &signature}[name]
		if field == nil || *field != "" || v == "" {
			return a, false
		}
		*field = v
	}
	scope := strings.Split(credential, "/")
	if len(scope) != 5 || scope[4] != "aws4_request" {
		return a, false
	}
	a.accessKey, a.date, a.region, a.service = scope[0], scope[1], scope[2], scope[3]
	a.headers = strings.Split(headers, ";")
	if len(a.headers) > maxSignedHeaders || !slices.IsSorted(a.headers) || headers != strings.ToLower(headers) ||
		len(slices.Compact(slices.Clone(a.headers))) != len(a.headers) || slices.Contains(a.headers, "") {
		return a, false
	}
	var err error
	a.signature, err = hex.DecodeString(signature)
	return a, err == nil && len(a.signature) == sha256.Size
}

// readAuthorization checks all of a request's signature that needs no body: who signs, for what, when, and that the
// signature covers the address, the time and the action.
func (s *Server) readAuthorization(r *http.Request) (authorization, error) {
	value := r.Header.Get("Authorization")
	if value == "" {
		return authorization{}, errForbidden("MissingAuthenticationTokenException", "MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	incomplete := func(what string) error {
		return errForbidden("IncompleteSignatureException", "IncompleteSignature", what)
	}
	a, ok := parseAuthorization(value)
	if !ok || len(r.Header["Authorization"]) != 1 {
		return a, incomplete("The Authorization header is not a proper AWS signature version 4.")
	}
	if subtle.ConstantTimeCompare([]byte(a.accessKey), []byte(s.options.AccessKey)) != 1 {
		return a, errForbidden("UnrecognizedClientException", "InvalidClientTokenId", "The security token included in the request is invalid.")
	}
	for _, name := range []string{"host", "x-amz-date", "x-amz-target"} {
		if !slices.Contains(a.headers, name) {
			return a, incomplete("The header " + name + " must be signed.")
		}
	}
	a.time = r.Header.Get("X-Amz-Date")
	at, err := time.Parse(signatureTime, a.time)
	if err != nil || !strings.HasPrefix(a.time, a.date+"T") {
		return a, incomplete("X-Amz-Date must be a time like " + signatureTime + " on the day of the credential.")
	}
	if skew := s.options.Now().Sub(at); skew > signatureSkew || skew < -signatureSkew {
		return a, errForbidden("InvalidSignatureException", "SignatureDoesNotMatch",
			"Signature expired or not yet current: "+a.time+" is more than 15 minutes from this server's time.")
	}
	if a.region != s.options.Region || a.service != signatureService {
		return a, errForbidden("InvalidSignatureException", "SignatureDoesNotMatch",
			"Credential should be scoped to region '"+s.options.Region+"' and service 'sqs'.")
	}
	return a, nil
}

// matches computes the signature of the request with its real body and compares in constant time.
func (a *authorization) matches(r *http.Request, body []byte, secretKey string) bool {
	hash := sha256.Sum256([]byte(a.canonical(r, body)))
	scope := strings.Join([]string{a.date, a.region, a.service, "aws4_request"}, "/")
	text := strings.Join([]string{signatureAlgorithm, a.time, scope, hex.EncodeToString(hash[:])}, "\n")
	key := []byte("AWS4" + secretKey)
	for _, part := range []string{a.date, a.region, a.service, "aws4_request", text} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hmac.Equal(key, a.signature)
}

// canonical is the canonical request: method, path, query, signed headers and the body's hash.
func (a *authorization) canonical(r *http.Request, body []byte) string {
	hash := sha256.Sum256(body)
	var b strings.Builder
	b.WriteString(r.Method + "\n" + canonicalPath(r.URL) + "\n" + canonicalQuery(r.URL) + "\n")
	for _, name := range a.headers {
		b.WriteString(name + ":" + canonicalHeader(r, name) + "\n")
	}
	b.WriteString("\n" + strings.Join(a.headers, ";") + "\n" + hex.EncodeToString(hash[:]))
	return b.String()
}

// canonicalHeader joins a header's values with commas, each trimmed and with single spaces.
func canonicalHeader(r *http.Request, name string) string {
	switch name {
	case "host": // net/http takes it out of the header
		return r.Host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	}
	var values []string
	for _, v := range r.Header.Values(name) {
		values = append(values, strings.Join(strings.Fields(v), " "))
	}
	return strings.Join(values, ",")
}

// canonicalPath escapes the path as it was sent once more, which every service but S3 asks for.
func canonicalPath(u *url.URL) string {
	path := u.EscapedPath()
	if path == "" {
		return "/"
	}
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = escape(p)
	}
	return strings.Join(parts, "/")
}

func canonicalQuery(u *url.URL) string {
	var pairs []string
	for name, values := range u.Query() {
		for _, v := range values {
			pairs = append(pairs, escape(name)+"="+escape(v))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// escape is percent-encoding of everything but RFC 3986's unreserved characters.
func escape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}
