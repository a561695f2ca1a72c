package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/spf13/cobra"

	"hatchery/shared/api"
	"hatchery/shared/config"
	"hatchery/shared/local"
	"hatchery/shared/local/samples"
	"hatchery/shared/objects/s3objects"
	"hatchery/shared/upload"
	"hatchery/shared/validator"
)

// devFlags are what a person may say of `hatchery dev`.
type devFlags struct {
	listen, s3Listen, sqsListen, dynamoDBListen string
	containers, containersHost                  string
	bugout, bugoutListen, bugoutTokenFile       string
	data, app, policy, records, samples         string
	json, noValidator                           bool

	dynamoDB  string // the URL of one that lasts
	dataGiven bool   // data was said by a person

	// What placeOfRecords completes: DynamoDB takes the credentials of AWS's environment;
	// where containersFile is written, in the data folder when it is "".
	foreignKeys    bool
	containersFile string
}

func devCommand(d door) *cobra.Command {
	var f devFlags
	command := &cobra.Command{
		Use:   "dev",
		Short: "Run the whole pipeline in this process",
		Long: `Dev runs everything that Hatchery has in AWS on this machine: the API, an S3
bucket, an SQS queue with its dead letters, the validator behind it, and records
in SQLite, in a DynamoDB table or as resources of Bugout. The handlers are the ones
that run in Lambda.

Without --app a demo application is asked for permission: the token demo may do
everything, any other token nothing.

Everything is kept in the data folder. Ctrl-C ends it, and the next start goes on
with whatever was accepted.

With --records dynamodb all is for one run, because dev's own DynamoDB is in memory: the
data folder is a temporary one, and is gone at the end. With --dynamodb the records are
kept in a DynamoDB that lasts, DynamoDB Local or AWS's, and everything else in the data
folder, as ever. The table, ` + local.Table + `, is made when it is missing. Region and
credentials are those of AWS's environment. They are dev's own when that has none, and with
--containers, because functions there are given these.

These settings apply as in AWS: HATCHERY_POLICY, HATCHERY_CORS_ORIGINS,
HATCHERY_POST_BYTES, HATCHERY_REDIRECT_BYTES, HATCHERY_APPLICATION,
HATCHERY_GRANT_SECONDS, HATCHERY_FORM_SECONDS, HATCHERY_VALIDATOR_SECONDS,
HATCHERY_READ_RATE, HATCHERY_QUARANTINE_DAYS (for how long deletions are remembered),
HATCHERY_QUARANTINE_PREFIX, HATCHERY_FILES_PREFIX and HATCHERY_LEGACY_PREFIX.
HATCHERY_LEGACY_BUCKET is a bucket of the S3 server here, and made if it is not there.

These are looked at for faults, but have no effect, because dev has its own or does
without: HATCHERY_BUCKET, HATCHERY_RECORDS, HATCHERY_TABLE, HATCHERY_APPLICATION_URL,
HATCHERY_QUEUE_URL, HATCHERY_VISIBILITY_SECONDS, HATCHERY_MAX_RECEIVES,
HATCHERY_SURVEY_DAYS, HATCHERY_EVENT_BUS and HATCHERY_STACK.

With --records bugout a stand-in for Bugout's auth server keeps the records, which
has an application and a token of its own. With --bugout a real one does: its
application is HATCHERY_BUGOUT_APPLICATION_ID (hatchery bugout register makes one), its
token is in --bugout-token-file or HATCHERY_BUGOUT_TOKEN. HATCHERY_BUGOUT_URL has an
effect only with HATCHERY_APPLICATION=spire and without --records bugout.

Everything listens on 127.0.0.1 alone, where no other machine reaches it, unless
--listen or another address says otherwise. With --containers there is one more
address, for functions that run in containers under sam local: see
docs/sam-local.md.

It exits 0 when it was asked to end, 2 when it was used wrongly or a setting has a
fault, and 3 when another system failed, or an address or the folder is taken.`,
		Example: `  hatchery dev
  hatchery dev --listen 127.0.0.1:9000 --data /tmp/try
  hatchery dev --app https://journals.example.com --policy policy.json
  hatchery dev --records dynamodb --containers 172.17.0.1:9000
  hatchery dev --records dynamodb --dynamodb http://127.0.0.1:8000
  hatchery dev --records bugout
  export HATCHERY_BUGOUT_APPLICATION_ID=4bf67555-b4f3-4a2e-95ff-7142d49d167b
  hatchery dev --records bugout --bugout https://auth.example.com --bugout-token-file token`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("dev takes no arguments, but got %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.dataGiven = cmd.Flags().Changed("data")
			return dev(cmd.Context(), f, d)
		},
	}
	command.Flags().StringVar(&f.listen, "listen", "127.0.0.1:8080", "the API's `address`")
	command.Flags().StringVar(&f.s3Listen, "s3-listen", "127.0.0.1:0", "the S3 server's `address`; port 0 is chosen once and kept")
	command.Flags().StringVar(&f.sqsListen, "sqs-listen", "127.0.0.1:0", "the SQS endpoint's `address`; port 0 is chosen once and kept")
	command.Flags().StringVar(&f.dynamoDBListen, "dynamodb-listen", "", "also serve DynamoDB, in memory, on this `address` (default: only with --records dynamodb, on 127.0.0.1:0)")
	command.Flags().StringVar(&f.dynamoDB, "dynamodb", "", "with --records dynamodb: the `URL` of a DynamoDB that lasts (default: dev's own, which keeps nothing)")
	command.Flags().StringVar(&f.bugoutListen, "bugout-listen", "", "also serve a stand-in for Bugout's auth server on this `address` (default: only with --records bugout, on 127.0.0.1:0)")
	command.Flags().StringVar(&f.bugout, "bugout", "", "with --records bugout: the `URL` of Bugout's auth server (default: the stand-in)")
	command.Flags().StringVar(&f.bugoutTokenFile, "bugout-token-file", "", "with --bugout: read the deployment's own token from this `file`, - for the standard input (default: HATCHERY_BUGOUT_TOKEN)")
	command.Flags().StringVar(&f.containers, "containers", "", "also serve S3, SQS, DynamoDB and the application's answer at this `address`, which containers can reach (default: none)")
	command.Flags().StringVar(&f.containersHost, "containers-host", "", "what containers call this machine: a `host` (default: the one of --containers, or "+local.DockersHost+" when that is 0.0.0.0)")
	command.Flags().StringVar(&f.samples, "samples", "", "put the uploads that the sample events in this `folder` are about into bucket and records")
	command.Flags().BoolVar(&f.noValidator, "no-validator", false, "leave what arrives in the queue, for a validator somewhere else")
	command.Flags().StringVar(&f.data, "data", defaultData, "the `folder` to keep everything in")
	command.Flags().StringVar(&f.app, "app", "", "the `URL` of the application to ask for permission (default: the demo application)")
	command.Flags().StringVar(&f.records, "records", "sqlite", "the `store` that keeps the records: sqlite, in the data folder; dynamodb, in memory or where --dynamodb says; or bugout")
	command.Flags().StringVar(&f.policy, "policy", "", "read the policy from this JSON `file`")
	command.Flags().BoolVar(&f.json, "json", false, "print the endpoints and the log as JSON, one object a line")
	return command
}

const sweepEvery = time.Minute

// dev builds the pipeline on the embedded stack and runs it until ctx ends.
func dev(ctx context.Context, f devFlags, d door) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	settings, err := devSettings(f, d)
	if err != nil {
		return err
	}
	if f.bugoutListen == "" && settings.Records == config.RecordsBugout && f.bugout == "" {
		f.bugoutListen = "127.0.0.1:0"
	}
	var uploads samples.Uploads
	if f.samples != "" {
		// Read before the stack opens, which changes the working directory.
		if uploads, err = samples.ReadUploads(os.DirFS(f.samples)); err != nil {
			return usage("--samples %s: %w", shown(f.samples), err)
		}
	}
	log := slog.New(newLifeLog(d.out))
	if f.json {
		log = slog.New(slog.NewJSONHandler(d.out, nil))
	}
	removeData, err := f.placeOfRecords(ctx)
	if err != nil {
		return system(err)
	}
	defer func() {
		if removeErr := removeData(); removeErr != nil {
			err = errors.Join(err, system(removeErr))
		}
	}()
	stack, err := local.Open(ctx, local.Options{Data: f.data, Listen: f.listen, S3Listen: f.s3Listen, SQSListen: f.sqsListen,
		DynamoDBListen: f.dynamoDBListen, DynamoDB: f.dynamoDB, ForeignKeys: f.foreignKeys,
		BugoutListen: f.bugoutListen, Containers: f.containers, ContainersHost: f.containersHost,
		AppURL: f.app, QuarantinePrefix: settings.Layout.Quarantine, CORSOrigins: settings.CORSOrigins,
		FunctionTimeout: settings.ValidatorTime, SweepEvery: sweepEvery, Log: log})
	if err != nil {
		return system(err)
	}
	defer func() {
		if closeErr := stack.Close(context.WithoutCancel(ctx)); closeErr != nil {
			err = errors.Join(err, system(closeErr))
		}
	}()
	if settings.Records == config.RecordsBugout && f.bugout == "" {
		settings.Bugout = standIn(stack.Endpoints())
	}
	if settings.Legacy.Bucket != "" {
		if err := openLegacy(ctx, bucketClient(stack.Endpoints(), wiring{}), settings.Legacy.Bucket); err != nil {
			return system(err)
		}
	}
	records, closeRecords, err := openRecords(ctx, settings, stack, log)
	if err != nil {
		return system(err)
	}
	defer func() {
		if closeErr := closeRecords(); closeErr != nil {
			err = errors.Join(err, system(closeErr))
		}
	}()
	handlers, err := buildHandlers(settings, stack, records, log, wiring{stopping: ctx.Done()})
	if err != nil {
		return system(err)
	}
	pipeline, _ := buildPipeline(settings, stack.Endpoints(), records, wiring{})
	if err := uploads.Put(ctx, pipeline); err != nil {
		return system(err)
	}
	if f.noValidator {
		handlers.Validate = nil
	}
	if err := announce(d, f, settings, stack); err != nil {
		return system(err)
	}
	if err := stack.Run(ctx, handlers); err != nil {
		return system(err)
	}
	if !f.json {
		fmt.Fprintln(d.out, ended(f))
	}
	return nil
}

// wiring is what only this process knows.
type wiring struct {
	// stopping is closed when the end was asked for.
	stopping <-chan struct{}
	// client carries the calls to the bucket; nil is the SDK's own.
	client s3.HTTPClient
}

// bucketClient asks the stack's S3 server.
func bucketClient(at local.Endpoints, w wiring) *s3.Client {
	return s3.New(s3.Options{Region: at.Region, BaseEndpoint: aws.String(at.S3), UsePathStyle: true,
		HTTPClient:                 w.client,
		Credentials:                credentials.NewStaticCredentialsProvider(at.AccessKey, at.SecretKey, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported})
}

// buildPipeline wires the domain to the stack's endpoints.
func buildPipeline(settings config.Config, at local.Endpoints, records upload.Records, w wiring) (*upload.Pipeline, *s3objects.Store) {
	client := bucketClient(at, w)
	objects := s3objects.New(client, at.Bucket, s3objects.Options{Now: time.Now})
	pipeline := &upload.Pipeline{Policy: settings.Policy, Layout: settings.Layout, Records: records, Objects: objects,
		Now: time.Now, NewID: upload.NewID, TombstoneLife: upload.TombstoneLife(settings.QuarantineDays)}
	if settings.Legacy.Bucket != "" {
		pipeline.OldImages = s3objects.NewOldImages(client, settings.Legacy.Bucket, settings.Legacy.Prefix, s3objects.Options{Now: time.Now})
	}
	return pipeline, objects
}

// buildHandlers wires what would run in Lambda to the stack's endpoints.
func buildHandlers(settings config.Config, stack *local.Stack, records upload.Records, log *slog.Logger, w wiring) (local.Handlers, error) {
	at := stack.Endpoints()
	pipeline, objects := buildPipeline(settings, at, records, w)
	application, err := gate(settings, at.App)
	if err != nil {
		return local.Handlers{}, fmt.Errorf("the application %s: %w", at.App, err)
	}
	spool := stack.Path("spool")
	if err := spoolFolder(spool); err != nil {
		return local.Handlers{}, err
	}
	handler, err := api.New(api.Config{Pipeline: pipeline, Downloads: objects, Forms: objects, Gate: application,
		CORSOrigins: settings.CORSOrigins, PostBytes: settings.PostBytes, RedirectBytes: settings.RedirectBytes,
		FormLifetime: settings.FormTime, SpoolDir: spool, Now: time.Now, Log: log, Stopping: w.stopping})
	if err != nil {
		return local.Handlers{}, fmt.Errorf("build the API: %w", err)
	}
	judge := &validator.Validator{Pipeline: pipeline, Records: records, Layout: settings.Layout, Bucket: at.Bucket, Concurrency: 4,
		Margin: validator.DefaultMargin, ReadRate: settings.ReadRate, Now: time.Now, Log: log}
	return local.Handlers{API: handler, Validate: judge.Handle,
		Owes: func(ctx context.Context, key, version string) (bool, error) {
			return pipeline.Owes(ctx, upload.Key(key), upload.Version(version))
		}}, nil
}

// spoolFolder makes the folder for bodies on their way in, and removes those that a
// killed run left. Nothing else in it is touched: it may be a person's.
func spoolFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the spool folder: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, api.SpoolPattern))
	if err != nil {
		return fmt.Errorf("look into the spool folder: %w", err)
	}
	for _, file := range left {
		if err := os.Remove(file); err != nil {
			return fmt.Errorf("clear the spool folder: %w", err)
		}
	}
	return nil
}
