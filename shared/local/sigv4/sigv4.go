// Package sigv4 checks AWS signatures, version 4, in their header form, for the embedded endpoints: it signs a request
// again with the SDK's signer, and compares.
package sigv4

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	timeLayout = "20060102T150405Z"
	maxSkew    = 15 * time.Minute
)

// Checker knows the one signature that an endpoint accepts. Several goroutines may use it at once.
type Checker struct {
	AccessKey, SecretKey string
	Region, Service      string           // as in the credential's scope: "us-east-1", "sqs"
	Now                  func() time.Time // the clock of the 15 minutes
}

// Refusal says why a request was not accepted, in AWS's words. It holds no secret.
type Refusal struct {
	Shape   string // the error's name in JSON protocols
	Code    string // and in the older query protocol
	Message string
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Message }

func incomplete(message string) error {
	return &Refusal{"IncompleteSignatureException", "IncompleteSignature", message}
}

func mismatch(message string) error {
	return &Refusal{"InvalidSignatureException", "SignatureDoesNotMatch", message}
}

// Claim is a well-formed Authorization header: what the caller claims, before the signature is checked.
type Claim struct {
	headers   []string // in lower case
	signature string   // in hex
	time      time.Time
}

// authorization gives the access key, the day, region and service, the signed headers (64 at most) and the signature.
var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 ` +
	`Credential=([^/,]+)/([^/,]+)/([^/,]+/[^/,]+)/aws4_request, ?` +
	`SignedHeaders=([^;,\sA-Z]+(?:;[^;,\sA-Z]+){0,63}), ?Signature=([0-9a-f]{64})$`)

// Read checks all of a request's signature that needs no body: who signs, for what, when, and that the
// signature covers the address, the time and the action. Every error is a *Refusal.
func (c *Checker) Read(r *http.Request) (Claim, error) {
	values := r.Header.Values("Authorization")
	if strings.Join(values, "") == "" {
		return Claim{}, &Refusal{"MissingAuthenticationTokenException", "MissingAuthenticationToken",
			"Request is missing Authentication Token"}
	}
	m := authorization.FindStringSubmatch(values[0])
	if m == nil || len(values) != 1 {
		return Claim{}, incomplete("The Authorization header is not a proper AWS signature version 4.")
	}
	accessKey, day, scope, headers := m[1], m[2], m[3], strings.Split(m[4], ";")
	if subtle.ConstantTimeCompare([]byte(accessKey), []byte(c.AccessKey)) != 1 {
		return Claim{}, &Refusal{"UnrecognizedClientException", "InvalidClientTokenId",
			"The security token included in the request is invalid."}
	}
	if !slices.IsSorted(headers) || len(slices.Compact(slices.Clone(headers))) != len(headers) {
		return Claim{}, incomplete("SignedHeaders must be in order, each of them once.")
	}
	for _, name := range []string{"host", "x-amz-date", "x-amz-target"} {
		if !slices.Contains(headers, name) {
			return Claim{}, incomplete("The header " + name + " must be signed.")
		}
	}
	date := r.Header.Get("X-Amz-Date")
	at, err := time.Parse(timeLayout, date)
	if err != nil || !strings.HasPrefix(date, day+"T") || len(r.Header.Values("X-Amz-Date")) != 1 {
		return Claim{}, incomplete("X-Amz-Date must be a time like " + timeLayout + " on the day of the credential.")
	}
	if c.Now().Sub(at).Abs() > maxSkew {
		return Claim{}, mismatch("Signature expired or not yet current: " + date +
			" is more than 15 minutes from this server's time.")
	}
	if scope != c.Region+"/"+c.Service {
		return Claim{}, mismatch("Credential should be scoped to region '" + c.Region + "' and service '" + c.Service + "'.")
	}
	return Claim{headers, m[5], at}, nil
}

// Verify tells whether the request, with this body, is what the claim's signature is over. The error is a *Refusal.
func (c *Checker) Verify(claim Claim, r *http.Request, body []byte) error {
	again := r.Clone(r.Context())
	again.Header, again.ContentLength = http.Header{}, 0
	for _, name := range claim.headers {
		switch name {
		case "host", "x-amz-date": // the signer adds them itself
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			// In lower case, or the signer would skip User-Agent and the like, which other clients sign.
			again.Header[name] = r.Header.Values(name)
		}
	}
	hash := sha256.Sum256(body)
	who := aws.Credentials{AccessKeyID: c.AccessKey, SecretAccessKey: c.SecretKey}
	err := v4.NewSigner().SignHTTP(r.Context(), who, again, hex.EncodeToString(hash[:]), c.Service, c.Region, claim.time)
	_, signature, _ := strings.Cut(again.Header.Get("Authorization"), "Signature=")
	if err != nil || subtle.ConstantTimeCompare([]byte(signature), []byte(claim.signature)) != 1 {
		return mismatch("The request signature we calculated does not match the signature you provided. " +
			"Check your AWS Secret Access Key and signing method.")
	}
	return nil
}
