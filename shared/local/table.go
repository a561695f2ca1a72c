package local

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hatchery/shared/local/localdynamo"
	"hatchery/shared/records/dynamorecords"
)

// expireEvery is how often what has expired is removed.
const expireEvery = 10 * time.Minute

// openTable serves DynamoDB and makes the records' table, as the template does.
func (s *Stack) openTable(ctx context.Context) error {
	var err error
	address := kept(s.o.DynamoDBListen, s.state.DynamoDBListen)
	s.dynamodb, err = localdynamo.Open(ctx, localdynamo.Options{Path: s.folder.path("tables.db"), Listen: address, Region: Region,
		AccessKey: s.state.AccessKey, SecretKey: s.state.SecretKey, ExpireEvery: expireEvery, Log: s.o.Log})
	if err != nil {
		return fmt.Errorf("start DynamoDB: %w%s", err, hint(err, "--dynamodb-listen"))
	}
	s.closers = append(s.closers, s.dynamodb.Close)
	s.state.DynamoDBListen = strings.TrimPrefix(s.dynamodb.URL(), "http://")
	client := dynamodb.New(dynamodb.Options{Region: Region, BaseEndpoint: aws.String(s.dynamodb.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(s.state.AccessKey, s.state.SecretKey, "")})
	_, err = client.CreateTable(ctx, dynamorecords.TableInput(Table))
	if _, exists := errors.AsType[*types.ResourceInUseException](err); exists {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make table %s: %w", Table, err)
	}
	if _, err := client.UpdateTimeToLive(ctx, dynamorecords.TimeToLiveInput(Table)); err != nil {
		return fmt.Errorf("have what has expired removed from table %s: %w", Table, err)
	}
	return nil
}
