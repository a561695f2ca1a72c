package local

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"hatchery/shared/local/localdynamo"
	"hatchery/shared/records/dynamorecords"
)

// openTable serves DynamoDB and makes the records' table in it.
func (s *Stack) openTable(ctx context.Context) error {
	var err error
	address := kept(s.o.DynamoDBListen, s.state.DynamoDBListen)
	s.dynamodb, err = localdynamo.Open(ctx, localdynamo.Options{Listen: address, Hosts: s.hosts(),
		Region: Region, AccessKey: s.state.AccessKey, SecretKey: s.state.SecretKey, Log: s.o.Log})
	if err != nil {
		return fmt.Errorf("start DynamoDB: %w%s", err, hint(err, "--dynamodb-listen"))
	}
	s.closers = append(s.closers, s.dynamodb.Close)
	s.state.DynamoDBListen = strings.TrimPrefix(s.dynamodb.URL(), "http://")
	return MakeTable(ctx, dynamodb.New(dynamodb.Options{Region: Region, BaseEndpoint: aws.String(s.dynamodb.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(s.state.AccessKey, s.state.SecretKey, "")}))
}

// madeWithin bounds the wait for a table that AWS is making.
const madeWithin = 2 * time.Minute

// MakeTable makes the records' table as the template does, unless it is there. For one that is, whoever calls need not
// be allowed to make tables.
func MakeTable(ctx context.Context, client *dynamodb.Client) error {
	_, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(Table)})
	_, missing := errors.AsType[*types.ResourceNotFoundException](err)
	if err != nil && !missing {
		return fmt.Errorf("look for table %s: %w", Table, err)
	}
	if missing {
		if err := makeTable(ctx, client); err != nil {
			return fmt.Errorf("make table %s: %w", Table, err)
		}
	}
	// Also of a table that is there: an earlier start may have ended right after making it.
	_, err = client.UpdateTimeToLive(ctx, dynamorecords.TimeToLiveInput(Table))
	if failure, ok := errors.AsType[smithy.APIError](err); ok && !missing &&
		slices.Contains([]string{"ValidationException", "AccessDeniedException"}, failure.ErrorCode()) {
		return nil // it is enabled already, or not ours to enable
	}
	if err != nil {
		return fmt.Errorf("have what has expired removed from table %s: %w", Table, err)
	}
	return nil
}

func makeTable(ctx context.Context, client *dynamodb.Client) error {
	made, err := client.CreateTable(ctx, dynamorecords.TableInput(Table))
	if err != nil || made.TableDescription.TableStatus != types.TableStatusCreating {
		return err
	}
	waiter := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay = time.Second // 20 seconds is the default
	})
	return waiter.Wait(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(Table)}, madeWithin)
}
