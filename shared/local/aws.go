package local

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// AWS is the SDK's configuration of whoever calls the stack in the place of AWS.
func (e Endpoints) AWS() aws.Config {
	return aws.Config{Region: e.Region,
		Credentials:                credentials.NewStaticCredentialsProvider(e.AccessKey, e.SecretKey, ""),
		ConfigSources:              []any{byService{"S3": e.S3, "SQS": e.SQS, "DynamoDB": e.DynamoDB}},
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported}
}

// byService are endpoints by the SDK's name of their service.
type byService map[string]string

// GetServiceBaseEndpoint is how the SDK asks for one.
func (e byService) GetServiceBaseEndpoint(_ context.Context, service string) (string, bool, error) {
	return e[service], e[service] != "", nil
}
