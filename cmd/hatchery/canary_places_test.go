package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hatchery/shared/config"
	"hatchery/shared/records/bugoutrecords"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/records/sqliterecords"
	"hatchery/shared/upload"
)

// services looks into all that the running services say of what they keep. Messages
// that it receives are hidden from others until dev starts anew.
func (s *search) services(h *hatchery, data, store string) {
	s.t.Helper()
	s.objects(h)
	s.messages(h)
	s.records(h, data, store)
}

func (s *search) listener(h *hatchery, place string) listener { return listener{s, place, h.client} }

func (h *hatchery) signer() aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(h.env["AWS_ACCESS_KEY_ID"], h.env["AWS_SECRET_ACCESS_KEY"], "")
}

// objects reads every version of every key of every bucket, with its headers, its
// metadata and its tags.
func (s *search) objects(h *hatchery) {
	s.t.Helper()
	client := s3.New(s3.Options{Region: h.env["AWS_REGION"], BaseEndpoint: aws.String(h.env["AWS_ENDPOINT_URL_S3"]),
		UsePathStyle: true,
		Credentials:  h.signer(), HTTPClient: s.listener(h, "objects")})
	ctx := s.t.Context()
	buckets, err := client.ListBuckets(ctx, &s3.ListBucketsInput{})
	if err != nil || len(buckets.Buckets) == 0 {
		s.t.Fatalf("list the buckets: %v, %v", buckets, err)
	}
	seen := 0
	for _, bucket := range buckets.Buckets {
		pages := s3.NewListObjectVersionsPaginator(client, &s3.ListObjectVersionsInput{Bucket: bucket.Name})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				s.t.Fatal(err)
			}
			for _, v := range page.Versions {
				seen++
				if aws.ToString(v.VersionId) == "null" {
					v.VersionId = nil // the bucket keeps no versions
				}
				if _, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket.Name, Key: v.Key,
					VersionId: v.VersionId, ChecksumMode: s3types.ChecksumModeEnabled}); err != nil {
					s.t.Errorf("head %s %s: %v", *v.Key, aws.ToString(v.VersionId), err)
				}
				if _, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket.Name, Key: v.Key,
					VersionId: v.VersionId}); err != nil {
					s.t.Errorf("get %s %s: %v", *v.Key, aws.ToString(v.VersionId), err)
				}
				// A key without tags may be answered by an error, which is looked into, too.
				_, _ = client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: bucket.Name, Key: v.Key,
					VersionId: v.VersionId})
			}
		}
	}
	if seen == 0 {
		s.t.Error("there are no objects to look into")
	}
}

func (s *search) queueClient(h *hatchery) *sqs.Client {
	return sqs.New(sqs.Options{Region: h.env["AWS_REGION"], BaseEndpoint: aws.String(h.env["AWS_ENDPOINT_URL_SQS"]),
		Credentials: h.signer(), HTTPClient: s.listener(h, "messages")})
}

// idle waits until every message was handled: until then objects may go.
func (s *search) idle(h *hatchery) {
	s.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(60 * time.Second); ; <-again.C {
		got, err := s.queueClient(h).GetQueueAttributes(s.t.Context(),
			&sqs.GetQueueAttributesInput{QueueUrl: aws.String(h.env["HATCHERY_QUEUE_URL"]),
				AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll}})
		if err != nil {
			s.t.Fatal(err)
		}
		if got.Attributes["ApproximateNumberOfMessages"] == "0" &&
			got.Attributes["ApproximateNumberOfMessagesNotVisible"] == "0" {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("after a minute the queue has %v", got.Attributes)
		}
	}
}

// messages receives what is in the queues, with all attributes.
func (s *search) messages(h *hatchery) {
	s.t.Helper()
	client := s.queueClient(h)
	queues, err := client.ListQueues(s.t.Context(), &sqs.ListQueuesInput{})
	if err != nil || len(queues.QueueUrls) < 2 {
		s.t.Fatalf("list the queues: %v, %v", queues, err)
	}
	for _, queue := range queues.QueueUrls {
		for more := true; more; {
			got, err := client.ReceiveMessage(s.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue,
				MaxNumberOfMessages: 10, VisibilityTimeout: 3600,
				MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{sqstypes.MessageSystemAttributeNameAll},
				MessageAttributeNames:       []string{"All"}})
			if err != nil {
				s.t.Fatal(err)
			}
			more = len(got.Messages) > 0
		}
	}
}

// records reads every record by the store's own All, and what the service behind it
// says that it keeps.
func (s *search) records(h *hatchery, data, store string) {
	s.t.Helper()
	var all upload.Records
	switch store {
	case config.RecordsSQLite:
		opened, err := sqliterecords.Open(s.t.Context(), filepath.Join(data, "records.db"),
			sqliterecords.Options{Now: time.Now})
		if err != nil {
			s.t.Fatal(err)
		}
		defer opened.Close()
		all = opened // its rows are read once dev has ended
	case config.RecordsDynamoDB:
		client := dynamodb.New(dynamodb.Options{Region: h.env["AWS_REGION"],
			BaseEndpoint: aws.String(h.env["AWS_ENDPOINT_URL_DYNAMODB"]),
			Credentials:  h.signer(), HTTPClient: s.listener(h, "items")})
		all = dynamorecords.New(client, h.env["HATCHERY_TABLE"], dynamorecords.Options{Now: time.Now})
		tables, err := client.ListTables(s.t.Context(), &dynamodb.ListTablesInput{})
		if err != nil {
			s.t.Fatal(err)
		}
		for _, table := range tables.TableNames {
			pages := dynamodb.NewScanPaginator(client, &dynamodb.ScanInput{TableName: &table})
			for pages.HasMorePages() {
				if _, err := pages.NextPage(s.t.Context()); err != nil {
					s.t.Fatal(err)
				}
			}
		}
	case config.RecordsBugout:
		opened, err := bugoutrecords.New(bugoutrecords.Options{URL: h.env["HATCHERY_BUGOUT_URL"],
			Application: h.env["HATCHERY_BUGOUT_APPLICATION_ID"],
			Now:         time.Now, Token: func(context.Context) (string, error) { return h.env["HATCHERY_BUGOUT_TOKEN"], nil }})
		if err != nil {
			s.t.Fatal(err)
		}
		all = opened
		s.look("resources", "what Bugout keeps", []byte(h.askBrood(s.t, http.MethodGet, "/resources/", nil)))
	}
	type whole upload.Record // without its own JSON, which leaves members out
	for cursor := upload.Cursor(""); ; {
		page, err := all.Scan(s.t.Context(), upload.ScanQuery{Cursor: cursor, Limit: upload.MaxPage})
		if err != nil {
			s.t.Fatal(err)
		}
		for _, r := range page.Records {
			text, err := json.Marshal(whole(r))
			if err != nil {
				s.t.Fatal(err)
			}
			s.look("records", "the record "+string(r.ID), text)
		}
		if cursor = page.Next; cursor == "" {
			return
		}
	}
}

// files reads everything that a run left in a folder, and then every row of the
// databases among it. The run has ended.
func (s *search) files(folder string) {
	s.t.Helper()
	var databases []string
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			s.look("files", path, nil)
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.HasPrefix(text, []byte("SQLite format 3\x00")) {
			databases = append(databases, path)
		}
		s.look("files", path, text)
		if strings.Contains(filepath.ToSlash(path), "/s3/meta/") {
			s.look("attributes of objects", path, text)
		}
		return err
	})
	if err != nil {
		s.t.Error(err)
	}
	for _, path := range databases {
		s.rows(path)
	}
}

// rows reads all tables of an SQLite file.
func (s *search) rows(path string) {
	s.t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	for _, table := range s.query(db, path, "SELECT name FROM sqlite_schema WHERE type = 'table'") {
		s.query(db, path, `SELECT * FROM "`+table+`"`)
	}
}

// query looks into what a query answers, and gives the first column.
func (s *search) query(db *sql.DB, path, text string) (first []string) {
	s.t.Helper()
	rows, err := db.QueryContext(s.t.Context(), text)
	if err != nil {
		s.t.Fatalf("%s: %v", path, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		s.t.Fatalf("%s: %v", path, err)
	}
	for rows.Next() {
		values, into := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			s.t.Fatalf("%s: %v", path, err)
		}
		var row bytes.Buffer
		for i, value := range values {
			row.WriteString(columns[i] + "=")
			row.Write(value)
			row.WriteString("\n")
		}
		s.look("rows", path+": "+text, row.Bytes())
		first = append(first, string(values[0]))
	}
	if err := rows.Err(); err != nil {
		s.t.Fatalf("%s: %v", path, err)
	}
	return first
}
