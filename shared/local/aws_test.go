package local_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hatchery/shared/local"
)

// TestTheStackIsCalledWhateverEndpointTheEnvironmentNames: people have one exported for
// another emulator.
func TestTheStackIsCalledWhateverEndpointTheEnvironmentNames(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
	at := local.Endpoints{Region: "us-east-1", S3: "http://127.0.0.1:1", SQS: "http://127.0.0.1:2",
		DynamoDB: "http://127.0.0.1:3"}.AWS()
	for service, c := range map[string]struct {
		got  *string
		want string
	}{
		"S3":       {s3.NewFromConfig(at).Options().BaseEndpoint, "http://127.0.0.1:1"},
		"SQS":      {sqs.NewFromConfig(at).Options().BaseEndpoint, "http://127.0.0.1:2"},
		"DynamoDB": {dynamodb.NewFromConfig(at).Options().BaseEndpoint, "http://127.0.0.1:3"},
	} {
		if aws.ToString(c.got) != c.want {
			t.Errorf("%s is called at %q, want %s", service, aws.ToString(c.got), c.want)
		}
	}
}

// TestAFastAnswerKeepsItsConnection: one that is closed while an answer is read loses what was received.
func TestAFastAnswerKeepsItsConnection(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = w.Write([]byte("{}"))
	}))
	var connections atomic.Int64
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	for name, call := range map[string]func(aws.Config) error{
		"SQS": func(at aws.Config) error {
			_, err := sqs.NewFromConfig(at).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &server.URL})
			return err
		},
		"DynamoDB": func(at aws.Config) error {
			_, err := dynamodb.NewFromConfig(at).ListTables(t.Context(), &dynamodb.ListTablesInput{})
			return err
		},
	} {
		connections.Store(0)
		at := local.Endpoints{Region: "us-east-1", AccessKey: "id", SecretKey: "secret", SQS: server.URL,
			DynamoDB: server.URL}.AWS()
		at.HTTPClient = awshttp.NewBuildableClient()
		for range 500 {
			if err := call(at); err != nil {
				t.Fatal(err)
			}
		}
		// Now and then net/http dials anew because the connection's own goroutine is late. With the fault there are ten at least.
		if n := connections.Load(); n > 4 {
			t.Errorf("%s: 500 calls needed %d connections", name, n)
		}
	}
}
