package sigv4

import (
	"bytes"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzAuthorization gives the header parser and the signer hostile input: what is accepted must be proper, and
// nothing but the right signature matches.
func FuzzAuthorization(f *testing.F) {
	good := "AWS4-HMAC-SHA256 Credential=AKID/20260504/us-east-1/sqs/aws4_request, " +
		"SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=" + strings.Repeat("ab", 32)
	f.Add(good, "/", "x")
	f.Add(strings.ReplaceAll(good, ", ", ","), "/000000000000/a%20b?c=d&c=%zz", " x  y ")
	f.Add("AWS4-HMAC-SHA256 Credential=////aws4_request,SignedHeaders=;,Signature=", "/%2f//../", "")
	f.Add("Basic eDp5", "*", "\x00")
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	checker := Checker{AccessKey: "AKID", SecretKey: "secret", Region: "us-east-1", Service: "sqs",
		Now: func() time.Time { return now }}
	f.Fuzz(func(t *testing.T, header, target, value string) {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/", bytes.NewReader(nil))
		if u, err := r.URL.Parse(target); err == nil {
			r.URL = u
		}
		r.Header.Set("Authorization", header)
		r.Header.Set("X-Amz-Date", now.Format(timeLayout))
		claim, err := checker.Read(r)
		if err != nil {
			return
		}
		if len(claim.signature) != 64 || len(claim.headers) > 64 || !slices.IsSorted(claim.headers) ||
			slices.Contains(claim.headers, "") {
			t.Fatalf("accepted %+v", claim)
		}
		for _, name := range claim.headers {
			r.Header.Add(name, value)
		}
		if checker.Verify(claim, r, nil) == nil {
			t.Fatal("a signature out of nowhere matches")
		}
	})
}
