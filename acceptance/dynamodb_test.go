//go:build acceptance

package acceptance

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// serveDynamoDBLocal starts AWS's own DynamoDB Local, in memory, and gives a
// client of it. It ends with the test.
func serveDynamoDBLocal(t testing.TB) *dynamodb.Client {
	t.Helper()
	port := strconv.Itoa(freePort(t))
	s := serve(t, "dynamodb-local", nil, append(dynamoDBLocal(t), "-inMemory", "-port", port)...)
	client := dynamodb.New(dynamodb.Options{Region: region, BaseEndpoint: aws.String("http://127.0.0.1:" + port),
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
	eventually(t, time.Minute, "DynamoDB Local answers", func() (bool, string) {
		if s.ended() {
			t.Fatalf("DynamoDB Local ended:\n%s", s.tail(4000))
		}
		_, err := client.ListTables(t.Context(), &dynamodb.ListTablesInput{})
		return err == nil, fmt.Sprint(err)
	})
	return client
}

// The endpoint that the plain tests use is a library's; this one is AWS's.
func TestDynamoDBLocalKeepsTheRecordsContract(t *testing.T) {
	client := serveDynamoDBLocal(t)
	var tables atomic.Int64
	uploadtest.RunRecords(t, func(t *testing.T, now func() time.Time) upload.Records {
		table := fmt.Sprintf("records-%d", tables.Add(1))
		if _, err := client.CreateTable(t.Context(), dynamorecords.TableInput(table)); err != nil {
			t.Fatal(err)
		}
		if _, err := client.UpdateTimeToLive(t.Context(), dynamorecords.TimeToLiveInput(table)); err != nil {
			t.Fatal(err)
		}
		return dynamorecords.New(client, table, dynamorecords.Options{Now: now})
	}, uploadtest.RecordsTraits{Atomic: true})
}
