package events_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hatchery/shared/access"
	"hatchery/shared/api"
	"hatchery/shared/lambdahttp"
	"hatchery/shared/local"
	"hatchery/shared/local/samples"
	"hatchery/shared/objects/s3objects"
	"hatchery/shared/queue/sqsqueue"
	"hatchery/shared/reconcile"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/upload"
	"hatchery/shared/validator"
)

// function answers an event as Lambda's runtime would have it answered: JSON in,
// JSON out.
type function func(ctx context.Context, payload []byte) ([]byte, error)

// deployment is the functions over one embedded stack that holds the uploads which
// the events presume.
type deployment struct {
	functions map[string]function
	records   upload.Records
}

func deploy(t *testing.T, uploads samples.Uploads) deployment {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	layout := upload.DefaultLayout
	stack, err := local.Open(t.Context(), local.Options{Data: t.TempDir(), Listen: "127.0.0.1:0", S3Listen: "127.0.0.1:0", SQSListen: "127.0.0.1:0",
		DynamoDBListen: "127.0.0.1:0", QuarantinePrefix: layout.Quarantine, FunctionTimeout: time.Minute, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stack.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	at := stack.Endpoints()
	keys := credentials.NewStaticCredentialsProvider(at.AccessKey, at.SecretKey, "")
	records := dynamorecords.New(dynamodb.New(dynamodb.Options{Region: at.Region, BaseEndpoint: aws.String(at.DynamoDB), Credentials: keys}),
		at.Table, dynamorecords.Options{})
	objects := s3objects.New(s3.New(s3.Options{Region: at.Region, BaseEndpoint: aws.String(at.S3), UsePathStyle: true, Credentials: keys}),
		at.Bucket)
	queue := sqsqueue.New(sqs.New(sqs.Options{Region: at.Region, BaseEndpoint: aws.String(at.SQS), Credentials: keys}), at.QueueURL)
	pipeline := &upload.Pipeline{Policy: upload.DefaultPolicy(), Layout: layout, Records: records, Objects: objects,
		Now: time.Now, NewID: upload.NewID, TombstoneLife: upload.DefaultTombstoneLife}
	if err := uploads.Put(t.Context(), pipeline); err != nil {
		t.Fatal(err)
	}

	application, err := access.New(at.App, nil)
	if err != nil {
		t.Fatal(err)
	}
	handler, err := api.New(api.Config{Pipeline: pipeline, Downloads: objects, Forms: objects, Gate: application, SpoolDir: t.TempDir(),
		RequestID: func(r *http.Request) string { return lambdahttp.RequestID(r.Context()) }, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	adapter := lambdahttp.New(handler, lambdahttp.Options{InvocationID: func(context.Context) string { return "invocation-1" }})
	judge := &validator.Validator{Pipeline: pipeline, Records: records, Bucket: at.Bucket, Concurrency: 4,
		Margin: validator.DefaultMargin, ReadRate: 20_000_000, Now: time.Now, Log: log}
	reconciler := &reconcile.Reconciler{Records: records, Inventory: objects, Pipeline: pipeline, Queue: queue, Layout: layout,
		Bucket: at.Bucket, Region: at.Region, Limits: reconcile.DefaultLimits(at.MaxReceives, at.Visibility), Now: time.Now, Log: log}
	return deployment{records: records, functions: map[string]function{
		"api":       adapter.Invoke,
		"validator": of(judge.Handle),
		"reconciler": of(func(ctx context.Context, _ json.RawMessage) (reconcile.Report, error) {
			return reconciler.Scheduled(ctx, records, reconcile.Options{})
		}),
	}}
}

// of makes a function of a typed handler, as aws-lambda-go does.
func of[In, Out any](handle func(context.Context, In) (Out, error)) function {
	return func(ctx context.Context, payload []byte) ([]byte, error) {
		var in In
		if err := json.Unmarshal(payload, &in); err != nil {
			return nil, err
		}
		out, err := handle(ctx, in)
		if err != nil {
			return nil, err
		}
		return json.Marshal(out)
	}
}
