package localsqs_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// call is one request by hand. The zero value of each field but op and body is what a good client sends.
type call struct {
	op, body                        string
	region, service, access, secret string
	contentType, path, method       string
	age                             time.Duration
	prepare, tamper                 func(*http.Request) // before and after signing
	anonymous                       bool
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// reply is status, __type without its namespace, the code of the query protocol, and the body.
type reply struct {
	status      int
	shape, code string
	text        string
	header      http.Header
}

func (s *stack) call(c call) reply {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), or(c.method, http.MethodPost), s.server.URL()+or(c.path, "/"),
		strings.NewReader(c.body))
	s.ok(err)
	r.Header.Set("Content-Type", or(c.contentType, "application/x-amz-json-1.0"))
	r.Header.Set("X-Amz-Target", "AmazonSQS."+c.op)
	if c.prepare != nil {
		c.prepare(r)
	}
	if !c.anonymous {
		hash := sha256.Sum256([]byte(c.body))
		err := v4.NewSigner().SignHTTP(s.t.Context(),
			aws.Credentials{AccessKeyID: or(c.access, accessKey), SecretAccessKey: or(c.secret, secretKey)},
			r, hex.EncodeToString(hash[:]), or(c.service, "sqs"), or(c.region, region), s.clock.Now().Add(-c.age))
		s.ok(err)
	}
	if c.tamper != nil {
		c.tamper(r)
	}
	response, err := http.DefaultClient.Do(r)
	s.ok(err)
	body, err := io.ReadAll(response.Body)
	s.ok(errors.Join(err, response.Body.Close()))
	var failure struct {
		Type string `json:"__type"`
	}
	if err := json.Unmarshal(body, &failure); err != nil {
		s.t.Fatalf("the answer %q is no JSON: %v", body, err)
	}
	code, _, _ := strings.Cut(response.Header.Get("X-Amzn-Query-Error"), ";")
	return reply{response.StatusCode, failure.Type[strings.IndexByte(failure.Type, '#')+1:], code, string(body),
		response.Header}
}

func TestSignatureIsChecked(t *testing.T) {
	s := open(t)
	url := s.queue("work")
	body := `{"QueueUrl":"` + *url + `","MessageBody":"x"}`
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	edit := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
		}
	}
	for _, c := range []struct {
		name string
		call call
		want string // code; "" is accepted
	}{
		{"good", call{}, ""},
		{"good, with a path, a query and odd headers",
			call{path: "/000000000000/wörk%20%2f?b=2&a=%20x&a=", prepare: set("X-Amz-Odd", "  a   b ")}, ""},
		{"fourteen minutes old", call{age: 14 * time.Minute}, ""},
		{"anonymous", call{anonymous: true}, "MissingAuthenticationToken"},
		{"wrong secret", call{secret: "wrong"}, "SignatureDoesNotMatch"},
		{"unknown key", call{access: "AKIDOTHER"}, "InvalidClientTokenId"},
		{"another region", call{region: "eu-west-1"}, "SignatureDoesNotMatch"},
		{"another service", call{service: "s3"}, "SignatureDoesNotMatch"},
		{"too old", call{age: 15*time.Minute + time.Second}, "SignatureDoesNotMatch"},
		{"from the future", call{age: -15*time.Minute - time.Second}, "SignatureDoesNotMatch"},
		{"another body", call{tamper: func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(strings.Replace(body, `"x"`, `"y"`, 1)))
		}}, "SignatureDoesNotMatch"},
		{"another action", call{tamper: set("X-Amz-Target", "AmazonSQS.DeleteQueue")}, "SignatureDoesNotMatch"},
		{"another path", call{tamper: func(r *http.Request) { r.URL.Path = "/other" }}, "SignatureDoesNotMatch"},
		{"another host", call{tamper: func(r *http.Request) { r.Host = "sqs.localhost" }}, "SignatureDoesNotMatch"},
		{"another time", call{tamper: set("X-Amz-Date", s.clock.Now().Add(time.Second).UTC().Format("20060102T150405Z"))},
			"SignatureDoesNotMatch"},
		{"the time of another day", call{tamper: set("X-Amz-Date", "20260503T030201Z")}, "IncompleteSignature"},
		{"no time", call{tamper: set("X-Amz-Date", "")}, "IncompleteSignature"},
		{"another algorithm", call{tamper: edit("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1")}, "IncompleteSignature"},
		{"basic", call{tamper: set("Authorization", "Basic eDp5")}, "IncompleteSignature"},
		{"half a signature", call{tamper: edit("Signature=", "Signature=00")}, "IncompleteSignature"},
		{"a zero signature", call{tamper: func(r *http.Request) {
			a, _, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
			r.Header.Set("Authorization", a+"Signature="+strings.Repeat("0", 64))
		}}, "SignatureDoesNotMatch"},
		{"an action that is not signed", call{tamper: edit(";x-amz-target", "")}, "IncompleteSignature"},
		{"a host that is not signed", call{tamper: edit(";host", "")}, "IncompleteSignature"},
		{"two headers", call{tamper: func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }},
			"IncompleteSignature"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := s.counts(url)
			c.call.op, c.call.body = "SendMessage", body
			got := s.call(c.call)
			if got.code != c.want {
				t.Fatalf("answer %d %s, want %q", got.status, got.text, c.want)
			}
			if c.want == "" {
				if got.status != http.StatusOK {
					t.Fatalf("answer %d %s", got.status, got.text)
				}
				return
			}
			if got.status != http.StatusForbidden {
				t.Errorf("status %d", got.status)
			}
			if after := s.counts(url); after != before {
				t.Errorf("the queue had %q, now %q", before, after)
			}
			if strings.Contains(got.text, secretKey) {
				t.Error("the answer shows the secret")
			}
		})
	}
}

func TestSDKClientsWithoutTheSecretAreRefused(t *testing.T) {
	s := open(t)
	s.queue("work")
	wrong := client(s.server.URL(), signer{s.clock.Now}, "wrong")
	_, err := wrong.ListQueues(t.Context(), &sqs.ListQueuesInput{})
	wantCode(t, err, "SignatureDoesNotMatch")
	anonymous := sqs.New(sqs.Options{BaseEndpoint: aws.String(s.server.URL()), Region: region,
		Credentials: aws.AnonymousCredentials{}, RetryMaxAttempts: 1})
	_, err = anonymous.ListQueues(t.Context(), &sqs.ListQueuesInput{})
	wantCode(t, err, "MissingAuthenticationToken")
}

// A client whose clock is wrong corrects it by the Date of the first refusal, as it does with AWS.
func TestSDKCorrectsItsClock(t *testing.T) {
	s := open(t)
	skewed := sqs.New(sqs.Options{BaseEndpoint: aws.String(s.server.URL()), Region: region,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, "")})
	if _, err := skewed.ListQueues(t.Context(), &sqs.ListQueuesInput{}); err != nil {
		t.Fatal(err)
	}
}

func TestMalformedRequestsAreRefused(t *testing.T) {
	s := open(t)
	for _, c := range []struct {
		name string
		call call
		code string
	}{
		{"no JSON", call{op: "ListQueues", body: "x"}, "MalformedInput"},
		{"empty", call{op: "ListQueues"}, "MalformedInput"},
		{"an array", call{op: "ListQueues", body: "[]"}, "MalformedInput"},
		{"null", call{op: "ListQueues", body: "null"}, "MalformedInput"},
		{"two values", call{op: "ListQueues", body: "{}{}"}, "MalformedInput"},
		{"another type", call{op: "ListQueues", body: `{"MaxResults":"5"}`}, "MalformedInput"},
		{"a broken number", call{op: "ListQueues", body: `{"MaxResults":1.5}`}, "MalformedInput"},
		{"a huge number", call{op: "ListQueues", body: `{"MaxResults":99999999999999999999}`}, "MalformedInput"},
		{"deep", call{op: "ListQueues", body: `{"a":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`},
			"MalformedInput"},
		{"no UTF-8", call{op: "CreateQueue", body: "{\"QueueName\":\"a\xff\"}"}, "MalformedInput"},
		{"too long", call{op: "ListQueues", body: `{"QueueNamePrefix":"` + strings.Repeat("a", 8<<20) + `"}`},
			"MalformedInput"},
		{"an unknown action", call{op: "AddPermission", body: "{}"}, "InvalidAction"},
		{"no action", call{op: "", body: "{}"}, "InvalidAction"},
		{"the query protocol", call{op: "ListQueues", body: "Action=ListQueues",
			contentType: "application/x-www-form-urlencoded"}, "InvalidAction"},
		{"a GET", call{op: "ListQueues", method: http.MethodGet}, "InvalidAction"},
		{"another service's target",
			call{op: "x", body: "{}", prepare: func(r *http.Request) { r.Header.Set("X-Amz-Target", "ListQueues") }},
			"InvalidAction"},
		{"visibility without its number",
			call{op: "ChangeMessageVisibility",
				body: `{"QueueUrl":"` + *s.queue("work") + `","ReceiptHandle":"` + strings.Repeat("A", 54) + `"}`},
			"ReceiptHandleIsInvalid"},
		{"no body", call{op: "SendMessage", body: `{"QueueUrl":"` + *s.queue("work") + `"}`}, "MissingParameter"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := s.call(c.call)
			if got.status != http.StatusBadRequest || got.code != c.code || got.shape == "" {
				t.Fatalf("answer %d %s %.200s, want %s", got.status, got.code, got.text, c.code)
			}
		})
	}
	if got := s.call(call{op: "ListQueues", body: " {}\n"}); got.status != http.StatusOK ||
		got.header.Get("X-Amzn-RequestId") == "" {
		t.Fatalf("answer %d %s", got.status, got.text)
	}
}

func TestUnknownOperationIsAnErrorOfTheSDK(t *testing.T) {
	s := open(t)
	url := s.queue("work")
	_, err := s.TagQueue(t.Context(), &sqs.TagQueueInput{QueueUrl: url, Tags: map[string]string{"a": "b"}})
	wantCode(t, err, "InvalidAction")
}

// A visibility timeout of 0 on receive is a real one on the wire; the Go SDK leaves it out, others do not.
func TestExplicitZerosAreNotDefaults(t *testing.T) {
	s := open(t)
	url := s.queue("work", "ReceiveMessageWaitTimeSeconds", "20", "DelaySeconds", "60")
	if got := s.call(call{op: "ReceiveMessage",
		body: `{"QueueUrl":"` + *url + `","WaitTimeSeconds":0}`}); got.text != "{}" {
		t.Fatalf("received %s", got.text)
	}
	if got := s.call(call{op: "SendMessage",
		body: `{"QueueUrl":"` + *url + `","MessageBody":"x","DelaySeconds":0}`}); got.status != http.StatusOK {
		t.Fatalf("sent %s", got.text)
	}
	for range 2 {
		if got := s.call(call{op: "ReceiveMessage",
			body: `{"QueueUrl":"` + *url + `","VisibilityTimeout":0}`}); !strings.Contains(got.text, `"Body":"x"`) {
			t.Fatalf("received %s", got.text)
		}
	}
	if got := s.call(call{op: "ReceiveMessage",
		body: `{"QueueUrl":"` + *url + `","MaxNumberOfMessages":0}`}); got.code != "InvalidParameterValue" {
		t.Fatalf("received %s", got.text)
	}
}

func TestQueueURLsAreOnTheHostThatTheCallerUsed(t *testing.T) {
	s := open(t)
	got := s.call(call{op: "CreateQueue", body: `{"QueueName":"work"}`,
		prepare: func(r *http.Request) { r.Host = "host.localhost:9324" }})
	if !strings.Contains(got.text, `"http://host.localhost:9324/000000000000/work"`) {
		t.Fatalf("answer %s", got.text)
	}
	_, err := s.PurgeQueue(t.Context(),
		&sqs.PurgeQueueInput{QueueUrl: aws.String("http://host.localhost:9324/000000000000/work")})
	s.ok(err)
}

// Nothing of the body of somebody without a key is read.
func TestAnonymousBodyIsNotRead(t *testing.T) {
	s := open(t)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.server.URL(), "http://"))
	s.ok(err)
	defer func() { s.ok(conn.Close()) }()
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n")
	s.ok(err)
	s.ok(conn.SetReadDeadline(time.Now().Add(5 * time.Second)))
	answer := make([]byte, 12)
	_, err = io.ReadFull(conn, answer)
	s.ok(err)
	if !bytes.HasSuffix(answer, []byte(" 403")) {
		t.Fatalf("answer %q", answer)
	}
}

func TestErrorsAreOfTheSDKsTypes(t *testing.T) {
	s := open(t)
	url := s.queue("work")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url}); err == nil {
		t.Error("a cancelled call succeeded")
	}
	_, err := s.SetQueueAttributes(t.Context(),
		&sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"DelaySeconds": "x"}})
	isError[*types.InvalidAttributeValue](t, err)
	_, err = s.SetQueueAttributes(t.Context(),
		&sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{}})
	wantCode(t, err, "MissingParameter")
	_, err = s.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: aws.String(s.server.QueueURL("none"))})
	isError[*types.QueueDoesNotExist](t, err)
}
