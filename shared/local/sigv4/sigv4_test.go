package sigv4_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"hatchery/shared/local/sigv4"
)

// What the SDK signs is accepted, and nothing that was changed after it was signed.
func TestTheSDKsSignatureIsRightForWhatItSigned(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	checker := sigv4.Checker{AccessKey: "AKID", SecretKey: "a secret", Region: "eu-south-1", Service: "sqs",
		Now: func() time.Time { return now }}
	const body = `{"a":"b"}`
	for name, c := range map[string]struct {
		change func(r *http.Request)
		body   string
		want   string // the refusal's code; "" is accepted
	}{
		"as signed":         {nil, body, ""},
		"another body":      {nil, body + " ", "SignatureDoesNotMatch"},
		"another path":      {func(r *http.Request) { r.URL.Path = "/other" }, body, "SignatureDoesNotMatch"},
		"another query":     {func(r *http.Request) { r.URL.RawQuery = "b=2" }, body, "SignatureDoesNotMatch"},
		"another method":    {func(r *http.Request) { r.Method = http.MethodPut }, body, "SignatureDoesNotMatch"},
		"another host":      {func(r *http.Request) { r.Host = "evil.example" }, body, "SignatureDoesNotMatch"},
		"another header":    {func(r *http.Request) { r.Header.Set("X-Amz-Odd", "c d") }, body, "SignatureDoesNotMatch"},
		"spaces in headers": {func(r *http.Request) { r.Header.Set("X-Amz-Odd", " a   b ") }, body, ""},
		"a day later":       {func(*http.Request) { now = now.Add(24 * time.Hour) }, body, "SignatureDoesNotMatch"},
		"nothing":           {func(r *http.Request) { r.Header.Del("Authorization") }, body, "MissingAuthenticationToken"},
	} {
		t.Run(name, func(t *testing.T) {
			now = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:9/a%20path/é?b=1&a=%2F&a=",
				strings.NewReader(body))
			r.Header.Set("X-Amz-Target", "Service.Action")
			r.Header.Set("X-Amz-Odd", "a b")
			hash := sha256.Sum256([]byte(body))
			who := aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "a secret"}
			if err := v4.NewSigner().SignHTTP(t.Context(), who, r, hex.EncodeToString(hash[:]), "sqs", "eu-south-1",
				now); err != nil {
				t.Fatal(err)
			}
			if c.change != nil {
				c.change(r)
			}
			claim, err := checker.Read(r)
			if err == nil {
				err = checker.Verify(claim, r, []byte(c.body))
			}
			var refusal *sigv4.Refusal
			if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &refusal) || refusal.Code != c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "a secret") {
				t.Error("the refusal shows the secret")
			}
		})
	}
}

// Other clients sign headers that the SDK's signer leaves out, and leave out the length that it signs.
func TestWhateverHeadersAreSignedAreChecked(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	checker := sigv4.Checker{AccessKey: "AKIDEXAMPLE", SecretKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
		Region: "us-east-1", Service: "sqs",
		Now: func() time.Time { return now }}
	const body = `{"QueueName":"work"}`
	mac := func(key []byte, text string) []byte {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return hex.EncodeToString(sum[:])
	}
	for _, c := range []struct{ signed, canonical string }{
		{"host;user-agent;x-amz-date;x-amz-target",
			"host:sqs.example\nuser-agent:curl/8.0\nx-amz-date:20260504T030201Z\nx-amz-target:AmazonSQS.GetQueueUrl\n"},
		{"content-length;host;x-amz-date;x-amz-target",
			"content-length:20\nhost:sqs.example\nx-amz-date:20260504T030201Z\nx-amz-target:AmazonSQS.GetQueueUrl\n"},
	} {
		// As the IAM user guide has it.
		request := "POST\n/\n\n" + c.canonical + "\n" + c.signed + "\n" + hash(body)
		text := "AWS4-HMAC-SHA256\n20260504T030201Z\n20260504/us-east-1/sqs/aws4_request\n" + hash(request)
		key := []byte("AWS4" + checker.SecretKey)
		for _, part := range []string{"20260504", "us-east-1", "sqs", "aws4_request", text} {
			key = mac(key, part)
		}
		for _, agent := range []string{"curl/8.0", "another"} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://sqs.example/", strings.NewReader(body))
			r.Header.Set("User-Agent", agent)
			r.Header.Set("X-Amz-Date", "20260504T030201Z")
			r.Header.Set("X-Amz-Target", "AmazonSQS.GetQueueUrl")
			r.Header.Set("Authorization",
				"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260504/us-east-1/sqs/aws4_request,SignedHeaders="+
					c.signed+",Signature="+hex.EncodeToString(key))
			claim, err := checker.Read(r)
			if err == nil {
				err = checker.Verify(claim, r, []byte(body))
			}
			if changed := agent == "another" && strings.Contains(c.signed, "user-agent"); changed != (err != nil) {
				t.Errorf("%s signed, from %s: %v", c.signed, agent, err)
			}
		}
	}
}
