package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hatchery/shared/config"
	"hatchery/shared/local"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/records/sqliterecords"
	"hatchery/shared/upload"
)

// openRecords opens what keeps the records of a stack. The caller closes them
// before the stack.
func openRecords(ctx context.Context, settings config.Config, stack *local.Stack, log *slog.Logger) (records upload.Records, done func() error, err error) {
	if settings.Records == config.RecordsDynamoDB {
		at := stack.Endpoints()
		client := dynamodb.New(dynamodb.Options{Region: at.Region, BaseEndpoint: aws.String(at.DynamoDB),
			Credentials: credentials.NewStaticCredentialsProvider(at.AccessKey, at.SecretKey, "")})
		return dynamorecords.New(client, at.Table, dynamorecords.Options{Now: time.Now, Damaged: dynamorecords.LogDamaged(log)}), func() error { return nil }, nil
	}
	if settings.Records == config.RecordsBugout {
		store, err := checkedStore(ctx, settings.Bugout, log)
		return store, func() error { return nil }, err
	}
	store, err := sqliterecords.Open(ctx, stack.Path("records.db"), sqliterecords.Options{Now: time.Now})
	if err != nil {
		return nil, nil, err
	}
	return store, store.Close, nil
}
