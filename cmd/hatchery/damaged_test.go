package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hatchery/shared/local/localdynamo"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/upload"
)

// A record that cannot be read must not vanish in silence when the store changes.
func TestAMigrationSaysWhichRecordsAreDamagedAndDoesNotEndWell(t *testing.T) {
	const region, key, secret, table = "eu-south-1", "key", "secret", "records"
	server, err := localdynamo.Open(t.Context(), localdynamo.Options{Listen: "127.0.0.1:0", Region: region,
		AccessKey: key, SecretKey: secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close(context.WithoutCancel(t.Context())) })
	client := dynamodb.New(dynamodb.Options{Region: region, BaseEndpoint: aws.String(server.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")})
	if _, err := client.CreateTable(t.Context(), dynamorecords.TableInput(table)); err != nil {
		t.Fatal(err)
	}
	store := dynamorecords.New(client, table, dynamorecords.Options{Now: time.Now})
	if _, err := store.Create(t.Context(), upload.Record{ID: "019a0000-0000-7000-8000-000000000001", Journal: "j",
		Entry: "e", Kind: "images", Name: "cat", Extension: "png",
		CreatedAt: time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC), Status: upload.Pending}, nil); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"AWS_REGION": region, "AWS_ACCESS_KEY_ID": key,
		"AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": "",
		"AWS_ENDPOINT_URL_DYNAMODB": server.URL(), "AWS_PROFILE": "", "AWS_CONFIG_FILE": filepath.Join(t.TempDir(),
			"none"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(t.TempDir(), "none")} {
		t.Setenv(name, value)
	}
	to := "sqlite:" + filepath.Join(t.TempDir(), "to.db")
	if code, out, errs := typed(t, nil, "migrate", "--from", "dynamodb:"+table, "--to", to); code != 0 ||
		!strings.Contains(out, "1  copied") {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	item := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "e#j/e/images"},
		"sk": &types.AttributeValueMemberS{Value: "r#by-hand"}}
	if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String(table),
		Item: item}); err != nil {
		t.Fatal(err)
	}
	code, out, errs := typed(t, nil, "migrate", "--from", "dynamodb:"+table, "--to", to)
	if code != exitSystem || !strings.Contains(out, "1  the same in both") || !strings.Contains(errs, "ERROR") ||
		!strings.Contains(errs, "r#by-hand") ||
		!strings.Contains(errs, `damaged records of table "records" that were not copied: 1`) {
		t.Errorf("%d %s %s", code, out, errs)
	}
}
