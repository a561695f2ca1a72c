// Package sigv4 checks AWS signatures, version 4, in their header form, for the embedded endpoints that speak AWS's JSON
// protocols. The rules are those of "Create a signed AWS API request" in the IAM user guide.
package sigv4

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

const (
	algorithm        = "AWS4-HMAC-SHA256"
	timeLayout       = "20060102T150405Z"
	maxSkew          = 15 * time.Minute
	maxSignedHeaders = 64
)

// Checker knows the one signature that an endpoint accepts. It is not changed after it was made, and may be used by
// several goroutines at once.
type Checker struct {
	AccessKey, SecretKey string
	Region               string
	Service              string // as in the credential's scope: "sqs", "dynamodb"
	// Now is the clock that a signature's time may differ from by 15 minutes. Required.
	Now func() time.Time
}

// Refusal says why a request was not accepted, in AWS's words. It holds no secret.
type Refusal struct {
	Shape   string // the error's name in JSON protocols
	Code    string // and in the older query protocol
	Message string
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Message }

func refuse(shape, code, message string) error { return &Refusal{shape, code, message} }

// Claim is a well-formed Authorization header: what the caller claims, before the signature is checked.
type Claim struct {
	accessKey, date, region, service string
	headers                          []string // lower case, sorted, without duplicates
	signature                        []byte
	time                             string // of X-Amz-Date
}

// parse reads the header's value; ok is false for anything but its one proper form.
func parse(value string) (a Claim, ok bool) {
	rest, found := strings.CutPrefix(value, algorithm+" ")
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

// Read checks all of a request's signature that needs no body: who signs, for what, when, and that the
// signature covers the address, the time and the action. Every error is a *Refusal.
func (c *Checker) Read(r *http.Request) (Claim, error) {
	value := r.Header.Get("Authorization")
	if value == "" {
		return Claim{}, refuse("MissingAuthenticationTokenException", "MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	incomplete := func(what string) error {
		return refuse("IncompleteSignatureException", "IncompleteSignature", what)
	}
	a, ok := parse(value)
	if !ok || len(r.Header["Authorization"]) != 1 {
		return a, incomplete("The Authorization header is not a proper AWS signature version 4.")
	}
	if subtle.ConstantTimeCompare([]byte(a.accessKey), []byte(c.AccessKey)) != 1 {
		return a, refuse("UnrecognizedClientException", "InvalidClientTokenId", "The security token included in the request is invalid.")
	}
	for _, name := range []string{"host", "x-amz-date", "x-amz-target"} {
		if !slices.Contains(a.headers, name) {
			return a, incomplete("The header " + name + " must be signed.")
		}
	}
	a.time = r.Header.Get("X-Amz-Date")
	at, err := time.Parse(timeLayout, a.time)
	if err != nil || !strings.HasPrefix(a.time, a.date+"T") {
		return a, incomplete("X-Amz-Date must be a time like " + timeLayout + " on the day of the credential.")
	}
	if skew := c.Now().Sub(at); skew > maxSkew || skew < -maxSkew {
		return a, refuse("InvalidSignatureException", "SignatureDoesNotMatch",
			"Signature expired or not yet current: "+a.time+" is more than 15 minutes from this server's time.")
	}
	if a.region != c.Region || a.service != c.Service {
		return a, refuse("InvalidSignatureException", "SignatureDoesNotMatch",
			"Credential should be scoped to region '"+c.Region+"' and service '"+c.Service+"'.")
	}
	return a, nil
}

// Verify tells whether the request, with this body, is what the claim's signature is over. The error is a *Refusal.
func (c *Checker) Verify(a Claim, r *http.Request, body []byte) error {
	if a.matches(r, body, c.SecretKey) {
		return nil
	}
	return refuse("InvalidSignatureException", "SignatureDoesNotMatch",
		"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")
}

// matches computes the signature of the request with its real body and compares in constant time.
func (a *Claim) matches(r *http.Request, body []byte, secretKey string) bool {
	hash := sha256.Sum256([]byte(a.canonical(r, body)))
	scope := strings.Join([]string{a.date, a.region, a.service, "aws4_request"}, "/")
	text := strings.Join([]string{algorithm, a.time, scope, hex.EncodeToString(hash[:])}, "\n")
	key := []byte("AWS4" + secretKey)
	for _, part := range []string{a.date, a.region, a.service, "aws4_request", text} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hmac.Equal(key, a.signature)
}

// canonical is the canonical request: method, path, query, signed headers and the body's hash.
func (a *Claim) canonical(r *http.Request, body []byte) string {
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
