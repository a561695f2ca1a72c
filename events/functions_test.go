package events_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hatchery/shared/config"
	"hatchery/shared/lambdahttp"
	"hatchery/shared/local"
	"hatchery/shared/local/samples"
	"hatchery/shared/pipeline"
	"hatchery/shared/reconcile"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/upload"
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
	stack, err := local.Open(t.Context(), local.Options{Data: t.TempDir(), Listen: "127.0.0.1:0",
		S3Listen: "127.0.0.1:0", SQSListen: "127.0.0.1:0",
		DynamoDBListen: "127.0.0.1:0", QuarantinePrefix: upload.DefaultLayout.Quarantine, FunctionTimeout: time.Minute, RequestTime: time.Minute,
		Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stack.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	at := stack.Endpoints()
	settings, err := config.Load(func(name string) string {
		return map[string]string{"HATCHERY_BUCKET": at.Bucket, "HATCHERY_RECORDS": config.RecordsDynamoDB,
			"HATCHERY_TABLE":           at.Table,
			"HATCHERY_APPLICATION_URL": at.App, "HATCHERY_QUEUE_URL": at.QueueURL}[name]
	}, config.Callers, config.Messages)
	if err != nil {
		t.Fatal(err)
	}
	cloud := at.AWS()
	records := dynamorecords.New(dynamodb.NewFromConfig(cloud), at.Table, dynamorecords.Options{})
	c := pipeline.New(settings, pipeline.Dependencies{AWS: cloud, S3: pipeline.S3Client(cloud), Records: records,
		Log: log})
	if err := uploads.Put(t.Context(), c.Uploads); err != nil {
		t.Fatal(err)
	}

	handler, err := c.API(pipeline.APIOptions{SpoolDir: t.TempDir(),
		RequestID: func(r *http.Request) string { return lambdahttp.RequestID(r.Context()) }})
	if err != nil {
		t.Fatal(err)
	}
	adapter := lambdahttp.New(handler,
		lambdahttp.Options{InvocationID: func(context.Context) string { return "invocation-1" }})
	reconciler := c.Reconciler()
	return deployment{records: records, functions: map[string]function{
		"api":       adapter.Invoke,
		"validator": of(c.Validator(pipeline.ValidatorOptions{}).Handle),
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
