package local_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
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
