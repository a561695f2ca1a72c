//go:build acceptance

package acceptance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// The SDK's clients are used for what the product uses: S3, SQS and DynamoDB.
// The rest of AWS is asked a question or two here, signed by hand.

// callError is AWS's answer to a call that it refused.
type callError struct {
	status int
	body   string
}

func (e *callError) Error() string { return fmt.Sprintf("%d: %s", e.status, e.body) }

// signedCall sends one signed request and gives the answer's body.
func (e *emulator) signedCall(ctx context.Context, who aws.Credentials, service, method, path string,
	header http.Header, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, e.endpoint+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, who, request, hex.EncodeToString(sum[:]), service, region,
		time.Now()); err != nil {
		return nil, err
	}
	answer, err := e.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 16<<20))
	if err != nil {
		return nil, err
	}
	if answer.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s %s: %w", service, method, path, &callError{answer.StatusCode, string(text)})
	}
	return text, nil
}

// apiVersions are those of the services that are called with forms.
var apiVersions = map[string]string{"iam": "2010-05-08", "sts": "2011-06-15", "cloudformation": "2010-05-15",
	"sns": "2010-03-31", "monitoring": "2010-08-01"}

// form calls an action with form fields and reads the XML answer into out, which
// may be nil.
func (e *emulator) form(t testing.TB, service, action string, fields map[string]string, out any) {
	t.Helper()
	values := url.Values{"Action": {action}, "Version": {apiVersions[service]}}
	for name, value := range fields {
		values.Set(name, value)
	}
	text, err := e.signedCall(context.WithoutCancel(t.Context()), root(), service, http.MethodPost, "/",
		http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}, []byte(values.Encode()))
	if err != nil {
		t.Fatalf("%s: %v", action, err)
	}
	if out == nil {
		return
	}
	if err := xml.Unmarshal(text, out); err != nil {
		t.Fatalf("%s answered %v:\n%s", action, err, text)
	}
}

// rest calls a service that speaks JSON under paths.
func (e *emulator) rest(t testing.TB, service, method, path string, in, out any) {
	t.Helper()
	e.speakJSON(t, service, method, path, http.Header{"Content-Type": {"application/json"}}, in, out)
}

// target calls a service that speaks JSON and takes the action from a header.
func (e *emulator) target(t testing.TB, service, action string, in, out any) {
	t.Helper()
	e.speakJSON(t, service, http.MethodPost, "/",
		http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {action}}, in, out)
}

func (e *emulator) speakJSON(t testing.TB, service, method, path string, header http.Header, in, out any) {
	t.Helper()
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			t.Fatal(err)
		}
	}
	text, err := e.signedCall(context.WithoutCancel(t.Context()), root(), service, method, path, header, body)
	if err != nil {
		t.Fatal(err)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(text, out); err != nil {
		t.Fatalf("%s %s answered %v:\n%s", method, path, err, text)
	}
}
