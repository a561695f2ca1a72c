package local_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hatchery/shared/local"
	"hatchery/shared/objects/s3objects"
	"hatchery/shared/upload"
)

// forContainers is a stack with an address for containers, which is closed with
// the test.
func forContainers(t *testing.T, change func(*local.Options)) local.Endpoints {
	t.Helper()
	o := options(t.TempDir())
	o.Containers, o.DynamoDBListen = "127.0.0.1:0", "127.0.0.1:0"
	change(&o)
	stack, err := local.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stack.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return stack.Endpoints()
}

// inContainer is a client to which this machine has another name.
func inContainer(t *testing.T) *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(address)
		if err != nil || host != local.DockersHost {
			return nil, errors.New("a container dials " + address)
		}
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

func TestFunctionsInContainersReachAllAtOneAddressUnderAnotherName(t *testing.T) {
	at := forContainers(t, func(o *local.Options) { o.Containers = "0.0.0.0:0" })
	if host, _, _ := strings.Cut(strings.TrimPrefix(at.Containers, "http://"), ":"); host != local.DockersHost {
		t.Fatalf("containers are told to call %s", at.Containers)
	}
	client := inContainer(t)
	keys := credentials.NewStaticCredentialsProvider(at.AccessKey, at.SecretKey, "")
	bucket := s3.New(s3.Options{Region: at.Region, BaseEndpoint: &at.Containers, UsePathStyle: true, Credentials: keys, HTTPClient: client})

	// Everything about a request that is signed: host, path and query.
	const odd = "files/a b+c%2Fd/é;=&?.png"
	if _, err := bucket.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &at.Bucket, Key: aws.String(odd), Body: strings.NewReader("bytes")}); err != nil {
		t.Fatal(err)
	}
	listed, err := bucket.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &at.Bucket, Prefix: aws.String("files/a b+c%2Fd/")})
	if err != nil || len(listed.Contents) != 1 || aws.ToString(listed.Contents[0].Key) != odd {
		t.Errorf("%v, %+v", err, listed)
	}
	presigned, err := s3.NewPresignClient(bucket).PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: &at.Bucket, Key: aws.String(odd)})
	if err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, client, presigned.URL, ""); status != http.StatusOK || body != "bytes" {
		t.Errorf("a signed link is answered %d %s", status, body)
	}

	queues := sqs.New(sqs.Options{Region: at.Region, BaseEndpoint: &at.Containers, Credentials: keys, HTTPClient: client})
	queueURL, err := url.Parse(at.QueueURL)
	if err != nil {
		t.Fatal(err)
	}
	queue := at.Containers + queueURL.Path
	if _, err := queues.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: aws.String("hello")}); err != nil {
		t.Error(err)
	}
	if got, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue}); err != nil || len(got.Messages) != 1 {
		t.Errorf("%v, %+v", err, got)
	}

	tables := dynamodb.New(dynamodb.Options{Region: at.Region, BaseEndpoint: &at.Containers, Credentials: keys, HTTPClient: client})
	if _, err := tables.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &at.Table}); err != nil {
		t.Error(err)
	}

	if status, body := get(t, client, at.Containers+"/journals/j/entries/e", "demo"); status != http.StatusOK || !strings.Contains(body, `"id":"e"`) {
		t.Errorf("the application answers %d %s", status, body)
	}
}

func get(t *testing.T, client *http.Client, address, authorization string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return do(t, client, r)
}

func do(t *testing.T, client *http.Client, r *http.Request) (status int, body string) {
	t.Helper()
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestAFormThatAContainerSignsBringsBytes(t *testing.T) {
	at := forContainers(t, func(o *local.Options) { o.Containers = "0.0.0.0:0" })
	client := inContainer(t)
	bucket := s3.New(s3.Options{Region: at.Region, BaseEndpoint: &at.Containers, UsePathStyle: true, HTTPClient: client,
		Credentials: credentials.NewStaticCredentialsProvider(at.AccessKey, at.SecretKey, "")})
	form, err := s3objects.New(bucket, at.Bucket).Sign(t.Context(),
		upload.FormRequest{Key: key, ContentType: "image/png", MinBytes: 1, MaxBytes: 10, Expires: time.Now().Add(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	post := func(data string) int {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for name, value := range form.Fields {
			_ = w.WriteField(name, value) // a buffer does not fail
		}
		part, _ := w.CreateFormFile("file", "a.png")
		_, _ = part.Write([]byte(data))
		_ = w.Close()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, form.URL, &b)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", w.FormDataContentType())
		status, _ := do(t, client, r)
		return status
	}
	if status := post("far more than ten bytes"); status != http.StatusBadRequest {
		t.Errorf("a file that is too large is answered %d", status)
	}
	if status := post("bytes"); status != http.StatusCreated {
		t.Errorf("the form is answered %d", status)
	}
}

func TestAtTheAddressForContainersNothingGoesUnsigned(t *testing.T) {
	at := forContainers(t, func(*local.Options) {})
	stranger := credentials.NewStaticCredentialsProvider(at.AccessKey, "another secret", "")
	bucket := s3.New(s3.Options{Region: at.Region, BaseEndpoint: &at.Containers, UsePathStyle: true, Credentials: stranger})
	queues := sqs.New(sqs.Options{Region: at.Region, BaseEndpoint: &at.Containers, Credentials: stranger})
	tables := dynamodb.New(dynamodb.Options{Region: at.Region, BaseEndpoint: &at.Containers, Credentials: stranger})
	_, s3Err := bucket.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &at.Bucket})
	_, sqsErr := queues.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &at.QueueURL, MessageBody: aws.String("x")})
	_, dynamoErr := tables.Scan(t.Context(), &dynamodb.ScanInput{TableName: &at.Table})
	for service, err := range map[string]error{"S3": s3Err, "SQS": sqsErr, "DynamoDB": dynamoErr} {
		if status, ok := errors.AsType[interface {
			error
			HTTPStatusCode() int
		}](err); !ok || status.HTTPStatusCode() < 400 || status.HTTPStatusCode() >= 500 {
			t.Errorf("%s answers a wrong signature with %v", service, err)
		}
	}
	for _, c := range []struct {
		method, path, token, action string
		status                      int
	}{
		{"GET", "/", "", "", http.StatusForbidden},
		{"GET", "/" + at.Bucket + "/", "", "", http.StatusForbidden},
		{"GET", "/journals/j/entries/e", "", "", http.StatusForbidden},
		{"GET", "/journals/j/entries/e", "another", "", http.StatusForbidden},
		{"GET", "/journals/j/entries/e/content", "demo", "", http.StatusNotFound},
		{"GET", "/journals/j", "demo", "", http.StatusNotFound},
		{"GET", "/journals", "demo", "", http.StatusNotFound},
		{"PUT", "/journals/j/entries/e", "demo", "", http.StatusMethodNotAllowed},
		{"POST", "/", "demo", "Kinesis_20131202.PutRecord", http.StatusNotImplemented},
		{"POST", "/journals/j/entries/e", "demo", "AmazonSQS.ListQueues", http.StatusForbidden},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, at.Containers+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", c.token)
		if c.action != "" {
			r.Header.Set("X-Amz-Target", c.action)
		}
		if status, body := do(t, http.DefaultClient, r); status != c.status {
			t.Errorf("%+v is answered %d %s", c, status, body)
		}
	}
}

func TestTheAddressForContainersHandsOnlyOnWhatIsThere(t *testing.T) {
	at := forContainers(t, func(o *local.Options) {
		o.DynamoDBListen, o.ContainersHost, o.AppURL = "", "localhost", "http://127.0.0.1:1/below"
	})
	if !strings.HasPrefix(at.Containers, "http://localhost:") {
		t.Errorf("containers are told to call %s", at.Containers)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, at.Containers+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810.ListTables")
	if status, body := do(t, http.DefaultClient, r); status != http.StatusNotImplemented {
		t.Errorf("DynamoDB, which is not served, is answered %d %s", status, body)
	}
	if status, body := get(t, http.DefaultClient, at.Containers+"/journals/j/entries/e", "demo"); status != http.StatusBadGateway {
		t.Errorf("an application that is not there is answered %d %s", status, body)
	}
}

func TestAnApplicationIsAskedAtItsOwnNameAndPath(t *testing.T) {
	asked := make(chan *http.Request, 1)
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	application := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Clone(context.Background())
		w.WriteHeader(http.StatusTeapot)
	})}
	go func() { _ = application.Serve(listener) }()
	defer application.Close()
	at := forContainers(t, func(o *local.Options) { o.AppURL = "http://" + listener.Addr().String() + "/below" })
	if status, _ := get(t, http.DefaultClient, at.Containers+"/journals/j/entries/e", "Bearer mine"); status != http.StatusTeapot {
		t.Errorf("answered %d", status)
	}
	r := <-asked
	if r.URL.Path != "/below/journals/j/entries/e" || r.Host != listener.Addr().String() || r.Header.Get("Authorization") != "Bearer mine" {
		t.Errorf("asked for %s at %s with %v", r.URL, r.Host, r.Header)
	}
}

func TestAddressesForContainersAndTablesAreKept(t *testing.T) {
	dir := t.TempDir()
	open := func() local.Endpoints {
		o := options(dir)
		o.Containers, o.DynamoDBListen = "0.0.0.0:0", "127.0.0.1:0"
		stack, err := local.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if err := stack.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		return stack.Endpoints()
	}
	if first, second := open(), open(); first.Containers != second.Containers || first.DynamoDB != second.DynamoDB {
		t.Errorf("%s %s, and then %s %s", first.Containers, first.DynamoDB, second.Containers, second.DynamoDB)
	}
}

func TestWithoutAValidatorWhatArrivesStaysInTheQueue(t *testing.T) {
	dir := t.TempDir()
	at, stop := running(t, dir, nil, nothing)
	put(t, at)
	queues := sqs.New(sqs.Options{Region: at.Region, BaseEndpoint: &at.SQS, Credentials: credentials.NewStaticCredentialsProvider(at.AccessKey, at.SecretKey, "")})
	got, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &at.QueueURL, WaitTimeSeconds: 5})
	if err != nil || len(got.Messages) != 1 {
		t.Errorf("%v, %+v", err, got)
	}
	stop()
}
