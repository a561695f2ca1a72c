package local

import (
	"bytes"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// AWS is the SDK's configuration of whoever calls the stack in the place of AWS. The endpoints are options of the
// services: an AWS_ENDPOINT_URL of the environment would win over anything else.
func (e Endpoints) AWS() aws.Config {
	return aws.Config{Region: e.Region,
		Credentials:                credentials.NewStaticCredentialsProvider(e.AccessKey, e.SecretKey, ""),
		ServiceOptions:             []func(string, any){e.setEndpoint},
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported}
}

func (e Endpoints) setEndpoint(_ string, options any) {
	switch o := options.(type) {
	case *s3.Options:
		o.BaseEndpoint = &e.S3
	case *sqs.Options:
		o.BaseEndpoint, o.HTTPClient = &e.SQS, ownBodies{o.HTTPClient}
	case *dynamodb.Options:
		o.BaseEndpoint, o.HTTPClient = &e.DynamoDB, ownBodies{o.HTTPClient}
	}
}

// ownBodies is the HTTP client of a service whose requests are small. The SDK closes a request's body as soon as an
// answer begins. A server on this machine may begin before net/http has seen the body's end; then net/http closes the
// connection, and the messages in an answer that was not read whole stay hidden, though nobody was given them.
type ownBodies struct {
	client interface {
		Do(*http.Request) (*http.Response, error)
	}
}

// Do sends a request with a copy of its body, which nobody closes but net/http.
func (c ownBodies) Do(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return c.client.Do(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return c.client.Do(r)
}
