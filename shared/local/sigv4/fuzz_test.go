package sigv4

import (
	"bytes"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// FuzzAuthorization gives the header parser and the canonical form hostile input: what is accepted must be proper, and
// nothing but the right signature matches.
func FuzzAuthorization(f *testing.F) {
	good := "AWS4-HMAC-SHA256 Credential=AKID/20260504/us-east-1/sqs/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=" + strings.Repeat("ab", 32)
	f.Add(good, "/", "x")
	f.Add(strings.ReplaceAll(good, ", ", ","), "/000000000000/a%20b?c=d&c=%zz", " x  y ")
	f.Add("AWS4-HMAC-SHA256 Credential=////aws4_request,SignedHeaders=;,Signature=", "/%2f//../", "")
	f.Add("Basic eDp5", "*", "\x00")
	f.Fuzz(func(t *testing.T, header, target, value string) {
		a, ok := parse(header)
		if !ok {
			return
		}
		if len(a.signature) != 32 || len(a.headers) > maxSignedHeaders || !slices.IsSorted(a.headers) || slices.Contains(a.headers, "") {
			t.Fatalf("accepted %+v", a)
		}
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/", bytes.NewReader(nil))
		if u, err := r.URL.Parse(target); err == nil {
			r.URL = u
		}
		for _, name := range a.headers {
			r.Header[name] = []string{value}
		}
		if canonical := a.canonical(r, nil); strings.Count(canonical, "\n") < 6 {
			t.Fatalf("canonical request %q", canonical)
		}
		if a.matches(r, nil, "secret") {
			t.Fatal("a signature out of nowhere matches")
		}
	})
}
