package localdynamo_test

import (
	"testing"
	"time"

	"hatchery/shared/local/localdynamo/dynamotest"
)

func TestAnswersAreDynamoDBs(t *testing.T) {
	o := options(t, "", nil)
	o.Now = time.Now
	s := serveWith(t, o)
	dynamotest.Run(t, dynamotest.Endpoint{URL: s.server.URL(), Region: region, AccessKey: accessKey, SecretKey: secretKey})
}
