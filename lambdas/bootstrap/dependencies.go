package bootstrap

import (
	"io"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hatchery/shared/config"
	"hatchery/shared/pipeline"
	"hatchery/shared/reconcile"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/upload"
)

// Dependencies are what every function is built of.
type Dependencies struct {
	*pipeline.Components
	Settings config.Config
	// AWS makes the clients that one function alone needs.
	AWS     aws.Config
	Records Records
	Metrics Metrics
	Log     *slog.Logger
}

// Records also keeps the reconciler's notes.
type Records interface {
	upload.Records
	reconcile.Notes
}

// newDependencies connects to nothing yet: the first call does. callers says that
// people wait for what the function does.
func newDependencies(settings config.Config, getenv func(string) string, stdout io.Writer, log *slog.Logger,
	callers bool) (*Dependencies, error) {
	d := &Dependencies{Settings: settings, AWS: awsConfig(getenv), Metrics: newMetrics(stdout, settings.Stack, log),
		Log: log}
	requests := make(chan struct{}, bugoutRequests)
	if settings.Records == config.RecordsBugout {
		store, err := d.bugout(callers, requests)
		if err != nil {
			return nil, err
		}
		d.Records = store
	} else {
		d.Records = dynamorecords.New(dynamodb.NewFromConfig(d.AWS), settings.Table,
			dynamorecords.Options{Now: time.Now, Damaged: dynamorecords.LogDamaged(log)})
	}
	d.Components = pipeline.New(settings, pipeline.Dependencies{AWS: d.AWS, S3: s3Client(d.AWS), Records: d.Records,
		BugoutRequests: requests, Log: log})
	return d, nil
}
