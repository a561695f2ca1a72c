package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hatchery/shared/config"
	"hatchery/shared/local"
	"hatchery/shared/objects/s3objects"
	"hatchery/shared/queue/sqsqueue"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/records/sqliterecords"
	"hatchery/shared/teller/eventbridgeteller"
	"hatchery/shared/upload"
)

// deployment is what an operator's command works on: one in AWS, or the one that
// dev runs on this machine.
type deployment struct {
	settings config.Config
	region   string
	records  upload.Records
	objects  *s3objects.Store
	queue    *sqsqueue.Queue
	pipeline *upload.Pipeline
	// close lets go of what was opened.
	close func() error
}

// where says which deployment is meant.
type where struct {
	// data is the folder of a running dev; "" is the deployment of the environment.
	data string
	// records is what that dev keeps its records in.
	records string
	// bugout stands before the environment where that keeps its records in Bugout.
	bugout bugoutFlags
}

// openDeployment builds what a command works with. Of AWS it asks for
// credentials alone.
func openDeployment(ctx context.Context, w where, d door) (*deployment, error) {
	if w.data != "" {
		return localDeployment(ctx, w, d)
	}
	getenv := d.getenv
	if getenv("HATCHERY_RECORDS") == config.RecordsBugout {
		var err error
		if getenv, err = w.bugout.over(d); err != nil {
			return nil, err
		}
	} else if w.bugout != (bugoutFlags{}) {
		return nil, usage("--url, --application and --token-file are about Bugout, and HATCHERY_RECORDS is not bugout")
	}
	settings, err := config.Load(getenv, config.Messages)
	if err != nil {
		return nil, usage("the settings of the deployment have faults (or --data names the folder of a running hatchery dev):\n%w", w.bugout.named(faultsOf(err)))
	}
	cloud, err := loadAWS(ctx)
	if err != nil {
		return nil, err
	}
	var records upload.Records
	switch settings.Records {
	case config.RecordsDynamoDB:
		records = dynamorecords.New(dynamodb.NewFromConfig(cloud), settings.Table, operatorsOptions(d))
	case config.RecordsBugout:
		if records, err = bugoutStore(operatorsBugout(settings.Bugout, d)); err != nil {
			return nil, err
		}
	default:
		return nil, usage("HATCHERY_RECORDS: found %q; accepted here: dynamodb, bugout; for a hatchery dev name its folder with --data", settings.Records)
	}
	if err := haveCredentials(ctx, cloud); err != nil {
		return nil, err
	}
	dep := assemble(settings, cloud, records)
	if settings.EventBus != "" {
		dep.pipeline.Teller = eventbridgeteller.New(eventbridge.NewFromConfig(cloud), settings.EventBus, settings.Bucket, settings.Layout, eventbridgeteller.Options{})
	}
	return dep, nil
}

// credentialsWithin bounds the search for credentials: some are fetched.
const credentialsWithin = 20 * time.Second

// loadAWS reads AWS's own settings. Whether there are credentials is another question,
// whose answer may take a while.
func loadAWS(ctx context.Context) (aws.Config, error) {
	cloud, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return aws.Config{}, usage("the settings of AWS: %w", err)
	}
	if cloud.Region == "" {
		return aws.Config{}, usage("the settings of AWS: found no region; set AWS_REGION, or choose a profile with AWS_PROFILE")
	}
	return cloud, nil
}

// haveCredentials says what to set when there are none. Every call would fail.
func haveCredentials(ctx context.Context, cloud aws.Config) error {
	ctx, cancel := context.WithTimeout(ctx, credentialsWithin)
	defer cancel()
	if _, err := cloud.Credentials.Retrieve(ctx); err != nil {
		return usage("the settings of AWS: found no credentials that can be used; set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: %w", err)
	}
	return nil
}

// s3Client speaks with S3. On this machine the endpoints are at.
func s3Client(cloud aws.Config, at ...local.Endpoints) *s3.Client {
	return s3.NewFromConfig(cloud, func(o *s3.Options) {
		for _, e := range at {
			o.BaseEndpoint = &e.S3
		}
		// Another endpoint than AWS's may have no name for each bucket.
		o.UsePathStyle = o.BaseEndpoint != nil
	})
}

// localDeployment is the one that dev runs beside this process.
func localDeployment(ctx context.Context, w where, d door) (*deployment, error) {
	settings, err := devSettings(devFlags{data: w.data, records: w.records}, d)
	if err != nil {
		return nil, err
	}
	at, err := local.Running(ctx, w.data)
	if errors.Is(err, local.ErrNotRunning) {
		return nil, system(fmt.Errorf("%w: start it with: hatchery dev --data %s", err, shown(w.data)))
	}
	if err != nil {
		return nil, system(err)
	}
	settings.Bucket, settings.QueueURL, settings.VisibilityTime, settings.MaxReceives = at.Bucket, at.QueueURL, at.Visibility, at.MaxReceives
	machine := aws.Config{Region: at.Region, Credentials: credentials.NewStaticCredentialsProvider(at.AccessKey, at.SecretKey, "")}
	records, done, err := besideDev(ctx, w, at, d)
	if err != nil {
		return nil, err
	}
	dep := assemble(settings, machine, records, at)
	dep.close = done
	return dep, nil
}

// besideDev opens the records that a running dev has open, too.
func besideDev(ctx context.Context, w where, at local.Endpoints, d door) (upload.Records, func() error, error) {
	nothing := func() error { return nil }
	if w.records == config.RecordsDynamoDB {
		if at.DynamoDB == "" {
			return nil, nothing, usage("--records: the hatchery dev on %s serves no DynamoDB; %s", shown(w.data), startedWith(w, at))
		}
		client, err := tableClient(ctx, at)
		if err != nil {
			return nil, nothing, err
		}
		return dynamorecords.New(client, at.Table, operatorsOptions(d)), nothing, nil
	}
	if w.records == config.RecordsBugout {
		if at.Bugout.URL == "" {
			return nil, nothing, usage("--records: the hatchery dev on %s serves no stand-in for Bugout; %s", shown(w.data), startedWith(w, at))
		}
		store, err := bugoutStore(operatorsBugout(standIn(at), d))
		return store, nothing, err
	}
	if !keepsFile(w) { // opening would make it
		return nil, nothing, usage("--records: the hatchery dev on %s keeps no records in SQLite; %s", shown(w.data), startedWith(w, at))
	}
	path := recordsIn(w)
	store, err := sqliterecords.Open(ctx, path, sqliterecords.Options{Now: time.Now})
	if err != nil {
		return nil, nothing, system(err)
	}
	return store, store.Close, nil
}

// recordsIn is dev's file of records.
func recordsIn(w where) string { return filepath.Join(w.data, "records.db") }

func keepsFile(w where) bool {
	_, err := os.Stat(recordsIn(w))
	return !errors.Is(err, fs.ErrNotExist)
}

// startedWith says what to do about a dev that keeps its records elsewhere, as far as
// its folder shows where.
func startedWith(w where, at local.Endpoints) string {
	var stores []string
	for _, s := range []struct {
		name  string
		there bool
	}{{config.RecordsSQLite, keepsFile(w)}, {config.RecordsDynamoDB, at.DynamoDB != ""}, {config.RecordsBugout, at.Bugout.URL != ""}} {
		if s.there {
			stores = append(stores, "--records "+s.name)
		}
	}
	if len(stores) == 0 {
		return "with a real Bugout leave --data out, and set what dev exports, besides --token-file"
	}
	return "name what it was started with: " + strings.Join(stores, " or ")
}

// operatorsOptions are those of records in DynamoDB: a damaged one is said at once,
// besides the report.
func operatorsOptions(d door) dynamorecords.Options {
	return dynamorecords.Options{Now: time.Now, Damaged: dynamorecords.LogDamaged(slog.New(newLifeLog(d.err)))}
}

// assemble builds the rest. On this machine the endpoints are at.
func assemble(settings config.Config, cloud aws.Config, records upload.Records, at ...local.Endpoints) *deployment {
	messages := sqs.NewFromConfig(cloud, func(o *sqs.Options) {
		for _, e := range at {
			o.BaseEndpoint = &e.SQS
		}
	})
	objects := s3objects.New(s3Client(cloud, at...), settings.Bucket, s3objects.Options{Now: time.Now})
	return &deployment{settings: settings, region: cloud.Region, records: records, objects: objects,
		queue: sqsqueue.New(messages, settings.QueueURL, sqsqueue.Options{}),
		pipeline: &upload.Pipeline{Policy: settings.Policy, Layout: settings.Layout, Records: records, Objects: objects,
			Now: time.Now, NewID: upload.NewID, TombstoneLife: upload.TombstoneLife(settings.QuarantineDays)},
		close: func() error { return nil }}
}
