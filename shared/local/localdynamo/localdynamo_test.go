package localdynamo_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/logging"

	"hatchery/shared/local/localdynamo"
)

const (
	region    = "us-east-1"
	accessKey = "AKIDTEST"
	secretKey = "a secret of the tests"
)

var options = localdynamo.Options{Listen: "127.0.0.1:0", Region: region, AccessKey: accessKey, SecretKey: secretKey}

// endpoint is a server and a client of it.
type endpoint struct {
	*dynamodb.Client
	t   testing.TB
	url string
}

func open(t testing.TB) *endpoint {
	t.Helper()
	server, err := localdynamo.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	client := dynamodb.New(dynamodb.Options{BaseEndpoint: aws.String(server.URL()), Region: region, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, "")})
	return &endpoint{t: t, url: server.URL(), Client: client}
}

func (e *endpoint) createTable(name string) error {
	_, err := e.CreateTable(e.t.Context(), &dynamodb.CreateTableInput{TableName: &name,
		BillingMode:          types.BillingModePayPerRequest,
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}}})
	return err
}

// has tells whether the table things has an item.
func (e *endpoint) has(pk string) bool {
	e.t.Helper()
	out, err := e.GetItem(e.t.Context(), &dynamodb.GetItemInput{TableName: aws.String("things"),
		Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: pk}}})
	if err != nil {
		e.t.Fatal(err)
	}
	return out.Item != nil
}

func (e *endpoint) tables() []string {
	e.t.Helper()
	out, err := e.ListTables(e.t.Context(), &dynamodb.ListTablesInput{})
	if err != nil {
		e.t.Fatal(err)
	}
	return out.TableNames
}

// call is one request by hand. The zero value of each field but op and body is what a
// good client sends.
type call struct {
	op, body                        string
	region, service, access, secret string
	method                          string
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

func target(action string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("X-Amz-Target", action) }
}

// send gives the status, __type without its namespace, and the body.
func (e *endpoint) send(c call) (status int, shape, text string) {
	e.t.Helper()
	method := or(c.method, http.MethodPost)
	r, err := http.NewRequestWithContext(e.t.Context(), method, e.url+"/", strings.NewReader(c.body))
	if err != nil {
		e.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+c.op)
	if c.prepare != nil {
		c.prepare(r)
	}
	if !c.anonymous {
		hash := sha256.Sum256([]byte(c.body))
		who := aws.Credentials{AccessKeyID: or(c.access, accessKey), SecretAccessKey: or(c.secret, secretKey)}
		if err := v4.NewSigner().SignHTTP(e.t.Context(), who, r, hex.EncodeToString(hash[:]), or(c.service, "dynamodb"),
			or(c.region, region), time.Now().Add(-c.age)); err != nil {
			e.t.Fatal(err)
		}
	}
	if c.tamper != nil {
		c.tamper(r)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		e.t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		e.t.Fatal(err)
	}
	var failure struct {
		Type string `json:"__type"`
	}
	if err := json.Unmarshal(body, &failure); err != nil {
		e.t.Fatalf("the answer %q is no JSON: %v", body, err)
	}
	return response.StatusCode, failure.Type[strings.IndexByte(failure.Type, '#')+1:], string(body)
}

func TestSignatureIsChecked(t *testing.T) {
	e := open(t)
	if err := e.createTable("things"); err != nil {
		t.Fatal(err)
	}
	edit := func(old, new string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
		}
	}
	for i, c := range []struct {
		name string
		call call
		want string // __type; "" is accepted
	}{
		{"anonymous", call{anonymous: true}, "MissingAuthenticationTokenException"},
		{"wrong secret", call{secret: "wrong"}, "InvalidSignatureException"},
		{"unknown key", call{access: "AKIDOTHER"}, "UnrecognizedClientException"},
		{"another region", call{region: "eu-west-1"}, "InvalidSignatureException"},
		{"another service", call{service: "sqs"}, "InvalidSignatureException"},
		{"too old", call{age: 16 * time.Minute}, "InvalidSignatureException"},
		{"from the future", call{age: -16 * time.Minute}, "InvalidSignatureException"},
		{"another body", call{tamper: func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(`{"TableName":"things","Item":{"pk":{"S":"changed"}}}`))
			r.ContentLength = -1
		}}, "InvalidSignatureException"},
		{"another action", call{tamper: target("DynamoDB_20120810.DeleteTable")}, "InvalidSignatureException"},
		{"an action that is not signed", call{tamper: edit(";x-amz-target", "")}, "IncompleteSignatureException"},
		{"half a signature", call{tamper: edit("Signature=", "Signature=00")}, "IncompleteSignatureException"},
		{"fourteen minutes old", call{age: 14 * time.Minute}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			written := fmt.Sprintf("written-%d", i)
			c.call.op, c.call.body = "PutItem", `{"TableName":"things","Item":{"pk":{"S":"`+written+`"}}}`
			status, shape, text := e.send(c.call)
			if shape != c.want || (status == http.StatusOK) != (c.want == "") {
				t.Fatalf("answer %d %s, want %q", status, text, c.want)
			}
			if strings.Contains(text, secretKey) {
				t.Error("the answer shows the secret")
			}
			if e.has(written) != (c.want == "") || e.has("changed") {
				t.Error("a refused request wrote, or a good one did not")
			}
		})
	}
}

func TestMalformedRequestsAreRefused(t *testing.T) {
	e := open(t)
	for _, c := range []struct {
		name  string
		call  call
		shape string
	}{
		{"no JSON", call{op: "ListTables", body: "x"}, "SerializationException"},
		{"empty", call{op: "ListTables"}, "SerializationException"},
		{"two values", call{op: "ListTables", body: "{}{}"}, "SerializationException"},
		{"too long", call{op: "ListTables", body: `{"a":"` + strings.Repeat("a", 16<<20) + `"}`}, "SerializationException"},
		{"deep", call{op: "x", body: strings.Repeat("[", 20000) + strings.Repeat("]", 20000)}, "SerializationException"},
		{"an operation that is not here", call{op: "ExecuteStatement", body: "{}"}, "UnknownOperationException"},
		{"no operation", call{op: "", body: "{}"}, "UnknownOperationException"},
		{"another service's target", call{body: "{}", prepare: target("ListTables")}, "UnknownOperationException"},
		{"a PUT", call{op: "ListTables", method: http.MethodPut, body: "{}"}, "UnknownOperationException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if status, shape, text := e.send(c.call); shape != c.shape || status != http.StatusBadRequest {
				t.Fatalf("answer %d %.300s, want %q", status, text, c.shape)
			}
		})
	}
}

// Nothing of the body of somebody without a key is read.
func TestAnonymousBodyIsNotRead(t *testing.T) {
	e := open(t)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(e.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n")
	if err := errors.Join(err, conn.SetReadDeadline(time.Now().Add(5*time.Second))); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 12)
	if _, err := io.ReadFull(conn, answer); err != nil || !bytes.HasSuffix(answer, []byte(" 400")) {
		t.Fatalf("answer %q, %v", answer, err)
	}
}

// Many are made and asked about at once, for which minidyn has no lock.
func TestTablesAreMadeListedAndDeleted(t *testing.T) {
	e := open(t)
	var want []string
	var all sync.WaitGroup
	for i := range 20 {
		name := fmt.Sprintf("t%02d", i)
		want = append(want, name)
		all.Go(func() {
			if err := e.createTable(name); err != nil {
				t.Error(err)
			}
			if _, err := e.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &name}); err != nil {
				t.Error(err)
			}
			forget := &types.TimeToLiveSpecification{AttributeName: aws.String("forget"), Enabled: aws.Bool(true)}
			if _, err := e.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: &name,
				TimeToLiveSpecification: forget}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := e.tables(); !slices.Equal(got, want) {
		t.Errorf("tables %v", got)
	}
	err := e.createTable("t00")
	if _, there := errors.AsType[*types.ResourceInUseException](err); !there {
		t.Errorf("made twice: %v", err)
	}
	if _, err := e.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: aws.String("t00")}); err != nil {
		t.Error(err)
	}
	if got := e.tables(); !slices.Equal(got, want[1:]) {
		t.Errorf("tables %v", got)
	}
	if other := open(t); len(other.tables()) > 0 {
		t.Error("another server has tables of this one")
	}
}

// The Go SDK warns of a wrong checksum, or of none; others refuse the answer.
func TestSDKFindsTheChecksumRight(t *testing.T) {
	e := open(t)
	e.Client = dynamodb.New(e.Options(), func(o *dynamodb.Options) {
		o.Logger = logging.LoggerFunc(func(_ logging.Classification, format string, v ...any) {
			t.Errorf("the SDK warned: "+format, v...)
		})
	})
	if err := e.createTable("things"); err != nil || e.has("nothing") || len(e.tables()) != 1 {
		t.Error(err)
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	busy := options
	busy.Listen = strings.TrimPrefix(open(t).url, "http://")
	_, err := localdynamo.Open(t.Context(), busy)
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), busy.Listen) {
		t.Errorf("busy port: %v", err)
	}
	keyless := options
	keyless.SecretKey = ""
	if _, err := localdynamo.Open(t.Context(), keyless); err == nil || !strings.Contains(err.Error(), "required") {
		t.Errorf("no secret: %v", err)
	}
}
