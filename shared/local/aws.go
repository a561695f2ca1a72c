package local

import (
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
		o.BaseEndpoint = &e.SQS
	case *dynamodb.Options:
		o.BaseEndpoint = &e.DynamoDB
	}
}
