package door

import (
	"io"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"hatchery/shared/config"
	"hatchery/shared/objects/s3objects"
	"hatchery/shared/reconcile"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/teller/eventbridgeteller"
	"hatchery/shared/upload"
)

// Parts are what every function is built of.
type Parts struct {
	Settings config.Config
	// AWS makes the clients that one function alone needs.
	AWS     aws.Config
	Records upload.Records
	// Notes are kept where the records are.
	Notes    reconcile.Notes
	Objects  *s3objects.Store
	Pipeline *upload.Pipeline
	Counts   Counts
	Log      *slog.Logger
}

// newParts connects to nothing yet: the first call does. callers says that people wait
// for what the function does.
func newParts(settings config.Config, getenv func(string) string, stdout io.Writer, log *slog.Logger, callers bool) (*Parts, error) {
	p := &Parts{Settings: settings, AWS: awsConfig(getenv), Counts: newCounts(stdout, settings.Stack, log), Log: log}
	if err := p.keepRecords(callers); err != nil {
		return nil, err
	}
	bucket := s3Client(p.AWS)
	p.Objects = s3objects.New(bucket, settings.Bucket)
	p.Pipeline = &upload.Pipeline{Policy: settings.Policy, Layout: settings.Layout, Records: p.Records, Objects: p.Objects,
		Now: time.Now, NewID: upload.NewID, TombstoneLife: upload.TombstoneLife(settings.QuarantineDays)}
	if settings.Legacy.Bucket != "" {
		p.Pipeline.OldImages = s3objects.NewOldImages(bucket, settings.Legacy.Bucket, settings.Legacy.Prefix)
	}
	if settings.EventBus != "" {
		p.Pipeline.Teller = eventbridgeteller.New(eventbridge.NewFromConfig(p.AWS), settings.EventBus, settings.Bucket,
			settings.Layout)
	}
	return p, nil
}

// keepRecords opens what keeps the records.
func (p *Parts) keepRecords(callers bool) error {
	if p.Settings.Records == config.RecordsBugout {
		store, err := p.bugout(callers)
		if err != nil {
			return err
		}
		p.Records, p.Notes = store, store
		return nil
	}
	store := dynamorecords.New(dynamodb.NewFromConfig(p.AWS), p.Settings.Table,
		dynamorecords.Options{Now: time.Now, Damaged: dynamorecords.LogDamaged(p.Log)})
	p.Records, p.Notes = store, store
	return nil
}
