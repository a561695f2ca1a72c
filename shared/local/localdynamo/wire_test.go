package localdynamo_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/logging"
)

// call is one request by hand. The zero value of each field but op and body is what a good client sends.
type call struct {
	op, body                        string
	region, service, access, secret string
	contentType, method             string
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

// reply is status, __type without its namespace, and the body.
type reply struct {
	status      int
	shape, text string
}

func (s *stack) call(c call) reply {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), or(c.method, http.MethodPost), s.server.URL()+"/", strings.NewReader(c.body))
	s.ok(err)
	r.Header.Set("Content-Type", or(c.contentType, "application/x-amz-json-1.0"))
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+c.op)
	if c.prepare != nil {
		c.prepare(r)
	}
	if !c.anonymous {
		hash := sha256.Sum256([]byte(c.body))
		err := v4.NewSigner().SignHTTP(s.t.Context(), aws.Credentials{AccessKeyID: or(c.access, accessKey), SecretAccessKey: or(c.secret, secretKey)},
			r, hex.EncodeToString(hash[:]), or(c.service, "dynamodb"), or(c.region, region), s.clock.Now().Add(-c.age))
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
	return reply{response.StatusCode, failure.Type[strings.IndexByte(failure.Type, '#')+1:], string(body)}
}

func TestSignatureIsChecked(t *testing.T) {
	s := open(t)
	set := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	edit := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
		}
	}
	body := `{"TableName":"things","Item":{"pk":{"S":"written"}}}`
	for _, c := range []struct {
		name string
		call call
		want string // __type; "" is accepted
	}{
		{"anonymous", call{anonymous: true}, "MissingAuthenticationTokenException"},
		{"wrong secret", call{secret: "wrong"}, "InvalidSignatureException"},
		{"unknown key", call{access: "AKIDOTHER"}, "UnrecognizedClientException"},
		{"another region", call{region: "eu-west-1"}, "InvalidSignatureException"},
		{"another service", call{service: "sqs"}, "InvalidSignatureException"},
		{"too old", call{age: 15*time.Minute + time.Second}, "InvalidSignatureException"},
		{"from the future", call{age: -15*time.Minute - time.Second}, "InvalidSignatureException"},
		{"another body", call{tamper: func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(strings.Replace(body, "written", "changed", 1)))
		}}, "InvalidSignatureException"},
		{"another action", call{tamper: set("X-Amz-Target", "DynamoDB_20120810.DeleteTable")}, "InvalidSignatureException"},
		{"an action that is not signed", call{tamper: edit(";x-amz-target", "")}, "IncompleteSignatureException"},
		{"half a signature", call{tamper: edit("Signature=", "Signature=00")}, "IncompleteSignatureException"},
		{"fourteen minutes old", call{age: 14 * time.Minute}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.call.op, c.call.body = "PutItem", body
			got := s.call(c.call)
			if got.shape != c.want || (got.status == http.StatusOK) != (c.want == "") {
				t.Fatalf("answer %d %s, want %q", got.status, got.text, c.want)
			}
			if strings.Contains(got.text, secretKey) {
				t.Error("the answer shows the secret")
			}
			if s.has("written") != (c.want == "") || s.has("changed") {
				t.Error("a refused request wrote, or a good one did not")
			}
		})
	}
}

func TestMalformedRequestsAreRefused(t *testing.T) {
	s := open(t)
	deep := func(n int) string {
		return `{"TableName":"things","Item":{"pk":{"S":"a"},"x":` + strings.Repeat(`{"L":[`, n) + `{"S":"x"}` + strings.Repeat(`]}`, n) + `}}`
	}
	for _, c := range []struct {
		name  string
		call  call
		shape string // "" is accepted
	}{
		{"no JSON", call{op: "ListTables", body: "x"}, "SerializationException"},
		{"empty", call{op: "ListTables"}, "SerializationException"},
		{"an array", call{op: "ListTables", body: "[]"}, "SerializationException"},
		{"null", call{op: "ListTables", body: "null"}, "SerializationException"},
		{"two values", call{op: "ListTables", body: "{}{}"}, "SerializationException"},
		{"another type", call{op: "ListTables", body: `{"Limit":"5"}`}, "SerializationException"},
		{"a huge number", call{op: "ListTables", body: `{"Limit":99999999999999999999}`}, "SerializationException"},
		{"no UTF-8", call{op: "ListTables", body: "{\"ExclusiveStartTableName\":\"a\xff\"}"}, "SerializationException"},
		{"too long", call{op: "ListTables", body: `{"ExclusiveStartTableName":"` + strings.Repeat("a", 16<<20) + `"}`}, "SerializationException"},
		{"deep as JSON", call{op: "PutItem", body: `{"a":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`}, "SerializationException"},
		{"deep as can be", call{op: "PutItem", body: deep(31)}, ""},
		{"too deep", call{op: "PutItem", body: deep(32)}, "ValidationException"},
		{"far too deep", call{op: "PutItem", body: deep(2000)}, "ValidationException"},
		{"an unknown type", call{op: "PutItem", body: `{"TableName":"things","Item":{"pk":{"X":"a"}}}`}, "SerializationException"},
		{"a string that is a number", call{op: "PutItem", body: `{"TableName":"things","Item":{"pk":{"S":1}}}`}, "SerializationException"},
		{"a number that is one", call{op: "PutItem", body: `{"TableName":"things","Item":{"pk":{"S":"a"},"n":{"N":1}}}`}, "SerializationException"},
		{"no base64", call{op: "PutItem", body: `{"TableName":"things","Item":{"pk":{"S":"a"},"b":{"B":"?"}}}`}, "SerializationException"},
		{"a value that is none", call{op: "PutItem", body: `{"TableName":"things","Item":{"pk":"a"}}`}, "SerializationException"},
		{"an expression that is none", call{op: "PutItem", body: `{"TableName":"things","Item":{"pk":{"S":"a"}},"ConditionExpression":5}`}, "SerializationException"},
		{"null for what is not given", call{op: "PutItem", body: `{"TableName":"things","Item":{"pk":{"S":"a","N":null}},"ConditionExpression":null,"ExpressionAttributeValues":null,"Expected":null}`}, ""},
		{"the old Expected", call{op: "PutItem", body: `{"TableName":"things","Item":{"pk":{"S":"a"}},"Expected":{"pk":{"Exists":false}}}`}, "ValidationException"},
		{"the old KeyConditions", call{op: "Query", body: `{"TableName":"things","KeyConditions":{}}`}, "ValidationException"},
		{"the old AttributesToGet", call{op: "BatchGetItem", body: `{"RequestItems":{"things":{"Keys":[{"pk":{"S":"a"}}],"AttributesToGet":["pk"]}}}`}, "ValidationException"},
		{"provisioned capacity", call{op: "CreateTable", body: `{"TableName":"other","KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"}],"ProvisionedThroughput":{"ReadCapacityUnits":1,"WriteCapacityUnits":1}}`}, "ValidationException"},
		{"a stream", call{op: "CreateTable", body: `{"TableName":"other","BillingMode":"PAY_PER_REQUEST","KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"}],"StreamSpecification":{"StreamEnabled":true}}`}, "ValidationException"},
		{"an operation that is not here", call{op: "ExecuteStatement", body: "{}"}, "UnknownOperationException"},
		{"no operation", call{op: "", body: "{}"}, "UnknownOperationException"},
		{"another service's target", call{op: "x", body: "{}", prepare: func(r *http.Request) { r.Header.Set("X-Amz-Target", "ListTables") }}, "UnknownOperationException"},
		{"a GET", call{op: "ListTables", method: http.MethodGet}, "UnknownOperationException"},
		{"another content type", call{op: "ListTables", body: "{}", contentType: "application/cbor"}, "UnknownOperationException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := s.call(c.call)
			if got.shape != c.shape || (got.status == http.StatusOK) != (c.shape == "") || got.status > 400 {
				t.Fatalf("answer %d %.300s, want %q", got.status, got.text, c.shape)
			}
		})
	}
}

// Nothing of the body of somebody without a key is read.
func TestAnonymousBodyIsNotRead(t *testing.T) {
	s := open(t)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.server.URL(), "http://"))
	s.ok(err)
	defer func() { s.ok(conn.Close()) }()
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000\r\n\r\n")
	s.ok(err)
	s.ok(conn.SetReadDeadline(time.Now().Add(5 * time.Second)))
	answer := make([]byte, 12)
	_, err = io.ReadFull(conn, answer)
	s.ok(err)
	if !bytes.HasSuffix(answer, []byte(" 400")) {
		t.Fatalf("answer %q", answer)
	}
}

// A client whose clock is wrong corrects it by the Date of the first refusal, as it does with AWS.
func TestSDKCorrectsItsClock(t *testing.T) {
	s := open(t)
	skewed := dynamodb.New(dynamodb.Options{BaseEndpoint: aws.String(s.server.URL()), Region: region,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, "")})
	if _, err := skewed.ListTables(t.Context(), &dynamodb.ListTablesInput{}); err != nil {
		t.Fatal(err)
	}
}

// way is how requests go to the server; answers may be spoiled.
type way func(r *http.Request) (*http.Response, error)

func (w way) RoundTrip(r *http.Request) (*http.Response, error) { return w(r) }

// through is a client whose first answer is spoiled; nil is lost. It tells what the SDK warned of.
func (s *stack) through(spoil func(body []byte) []byte) (c *dynamodb.Client, tries *atomic.Int32, warnings func() string) {
	tries = &atomic.Int32{}
	transport := way(func(r *http.Request) (*http.Response, error) {
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil || tries.Add(1) > 1 {
			return response, err
		}
		body, err := io.ReadAll(response.Body)
		if body = spoil(body); body == nil {
			return nil, errors.Join(&net.OpError{Op: "read", Err: syscall.ECONNRESET}, err, response.Body.Close())
		}
		response.Body = io.NopCloser(bytes.NewReader(body))
		return response, err
	})
	var mu sync.Mutex
	var logged []string
	logger := logging.LoggerFunc(func(_ logging.Classification, format string, v ...any) {
		mu.Lock()
		defer mu.Unlock()
		logged = append(logged, fmt.Sprintf(format, v...))
	})
	c = dynamodb.New(dynamodb.Options{BaseEndpoint: aws.String(s.server.URL()), Region: region, HTTPSignerV4: signer{s.clock.Now}, Logger: logger,
		HTTPClient: &http.Client{Transport: transport}, Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, "")})
	return c, tries, func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(logged, "\n")
	}
}

func TestSDKRetryOfATransactionDoesItOnce(t *testing.T) {
	s := open(t)
	c, tries, _ := s.through(func([]byte) []byte { return nil })
	_, err := c.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Update: &types.Update{TableName: table, Key: item{"pk": text("sum")}, UpdateExpression: aws.String("ADD n :n"), ExpressionAttributeValues: item{":n": number(1)}}},
		{Put: &types.Put{TableName: table, Item: item{"pk": text("new")}, ConditionExpression: aws.String("attribute_not_exists(pk)")}},
	}})
	s.ok(err)
	out, err := s.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: table, Key: item{"pk": text("sum")}})
	s.ok(err)
	if n := out.Item["n"].(*types.AttributeValueMemberN).Value; n != "1" || tries.Load() != 2 {
		t.Errorf("the transaction was made %s times in %d tries", n, tries.Load())
	}
}

// The Go SDK warns of a wrong checksum; others refuse the answer.
func TestSDKFindsTheChecksumRight(t *testing.T) {
	s := open(t)
	s.put(item{"pk": text("a"), "x": text("right")})
	for _, spoilt := range []bool{false, true} {
		c, _, warnings := s.through(func(body []byte) []byte {
			if spoilt {
				body = bytes.Replace(body, []byte("right"), []byte("wrong"), 1)
			}
			return body
		})
		_, err := c.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: table, Key: item{"pk": text("a")}})
		s.ok(err)
		if strings.Contains(warnings(), "checksum") != spoilt {
			t.Errorf("spoilt %t: the SDK warned %q", spoilt, warnings())
		}
	}
}
