//go:build acceptance

package acceptance

import (
	"testing"

	"hatchery/shared/local/localdynamo/dynamotest"
)

// What the plain tests want of our own endpoint, AWS's answers in the same words.
func TestDynamoDBLocalAnswersAsOurEndpointDoes(t *testing.T) {
	client := serveDynamoDBLocal(t)
	dynamotest.Run(t, dynamotest.Endpoint{URL: *client.Options().BaseEndpoint, Region: region, AccessKey: "test", SecretKey: "test"})
}
