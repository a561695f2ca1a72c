package main

import (
	"context"
	"encoding/json"
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

	"hatchery/shared/access"
	"hatchery/shared/api"
	"hatchery/shared/config"
	"hatchery/shared/local"
	"hatchery/shared/objects/s3objects"
	"hatchery/shared/records/sqliterecords"
	"hatchery/shared/upload"
	"hatchery/shared/validator"
)

// devFlags are what a person may say of `hatchery dev`.
type devFlags struct {
	listen, s3Listen, sqsListen string
	data, app, policy, records  string
	json                        bool
}

func devCommand(d door) *cobra.Command {
	var f devFlags
	command := &cobra.Command{
		Use:   "dev",
		Short: "Run the whole pipeline in this process",
		Long: `Dev runs everything that Hatchery has in AWS on this machine: the API, an S3
bucket, an SQS queue with its dead letters, the validator behind it, and records
in SQLite. The handlers are the ones that run in Lambda.

Without --app a demo application is asked for permission: the token demo may do
everything, any other token nothing.

Everything is kept in the data folder. Ctrl-C ends it, and the next start goes on
with whatever was accepted. The settings HATCHERY_POLICY, HATCHERY_CORS_ORIGINS,
HATCHERY_POST_BYTES, HATCHERY_REDIRECT_BYTES and the prefixes apply as in AWS.`,
		Example: `  hatchery dev
  hatchery dev --listen 127.0.0.1:9000 --data /tmp/try
  hatchery dev --app https://journals.example.com --policy policy.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("dev takes no arguments, but got %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return dev(cmd.Context(), f, d) },
	}
	command.Flags().StringVar(&f.listen, "listen", "127.0.0.1:8080", "the API's `address`")
	command.Flags().StringVar(&f.s3Listen, "s3-listen", "127.0.0.1:0", "the S3 server's `address`; port 0 is chosen once and kept")
	command.Flags().StringVar(&f.sqsListen, "sqs-listen", "127.0.0.1:0", "the SQS endpoint's `address`; port 0 is chosen once and kept")
	command.Flags().StringVar(&f.data, "data", ".hatchery", "the `folder` to keep everything in")
	command.Flags().StringVar(&f.app, "app", "", "the `URL` of the application to ask for permission (default: the demo application)")
	command.Flags().StringVar(&f.records, "records", "sqlite", "what keeps the records: `sqlite`, in the data folder")
	command.Flags().StringVar(&f.policy, "policy", "", "read the policy from this JSON `file`")
	command.Flags().BoolVar(&f.json, "json", false, "print the endpoints and the log as JSON, one object a line")
	return command
}

const sweepEvery = time.Minute

// dev builds the pipeline on the embedded stack and runs it until ctx ends.
func dev(ctx context.Context, f devFlags, d door) (err error) {
	settings, err := devSettings(f, d)
	if err != nil {
		return err
	}
	log := slog.New(newLifeLog(d.out))
	if f.json {
		log = slog.New(slog.NewJSONHandler(d.out, nil))
	}
	stack, err := local.Open(ctx, local.Options{Data: f.data, Listen: f.listen, S3Listen: f.s3Listen, SQSListen: f.sqsListen,
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
	records, err := sqliterecords.Open(ctx, stack.Path("records.db"), sqliterecords.Options{Now: time.Now})
	if err != nil {
		return system(err)
	}
	defer func() {
		if closeErr := records.Close(); closeErr != nil {
			err = errors.Join(err, system(closeErr))
		}
	}()
	handlers, err := buildHandlers(settings, stack, records, log, wiring{stopping: ctx.Done()})
	if err != nil {
		return system(err)
	}
	if err := announce(d, f, stack.Endpoints(), stack.Path("")); err != nil {
		return system(err)
	}
	if err := stack.Run(ctx, handlers); err != nil {
		return system(err)
	}
	if !f.json {
		fmt.Fprintln(d.out, "\nEnded. What was accepted goes on at the next start.")
	}
	return nil
}

// devSettings reads the settings as a Lambda would, with what the embedded stack
// provides in their places.
func devSettings(f devFlags, d door) (config.Config, error) {
	if f.records != "sqlite" {
		return config.Config{}, usage("--records: found %q; accepted: sqlite", f.records)
	}
	if f.data == "" {
		return config.Config{}, usage("--data: found nothing; accepted: a folder to keep everything in")
	}
	// Looked at on its own first, so that a fault names where it stands.
	_, policy, err := readPolicy(f.policy, d.getenv, upload.LargestObject)
	if err != nil {
		return config.Config{}, err
	}
	app := f.app
	if app == "" {
		app = "http://127.0.0.1:1" // replaced by the demo application's own
	} else if _, err := access.New(app, nil); err != nil {
		return config.Config{}, usage("--app: %w", err)
	}
	given := map[string]string{
		"HATCHERY_BUCKET": local.Bucket, "HATCHERY_RECORDS": "sqlite", "HATCHERY_APPLICATION_URL": app, "HATCHERY_POLICY": policy}
	kept := map[string]bool{"HATCHERY_QUARANTINE_PREFIX": true, "HATCHERY_FILES_PREFIX": true, "HATCHERY_CORS_ORIGINS": true,
		"HATCHERY_POST_BYTES": true, "HATCHERY_REDIRECT_BYTES": true, "HATCHERY_READ_RATE": true}
	get := func(name string) string {
		if value, ok := given[name]; ok {
			return value
		}
		if kept[name] {
			return d.getenv(name)
		}
		return ""
	}
	load := func(seconds string) (config.Config, error) {
		given["HATCHERY_VALIDATOR_SECONDS"] = seconds
		return config.Load(get, config.Callers)
	}
	if seconds := d.getenv("HATCHERY_VALIDATOR_SECONDS"); seconds != "" {
		return faultless(load(seconds))
	}
	// A message that failed rests until the validator's time is over. A person waits
	// for the retry here, so that time is short, unless the policy needs the longer
	// one that is the default in AWS.
	if settings, err := load("60"); err == nil {
		return settings, nil
	}
	return faultless(load("300"))
}

func faultless(settings config.Config, err error) (config.Config, error) {
	if err != nil {
		return config.Config{}, usage("the settings have faults:\n%w", err)
	}
	return settings, nil
}

// wiring is what only this process knows.
type wiring struct {
	// stopping is closed when the end was asked for.
	stopping <-chan struct{}
	// client carries the calls to the bucket; nil is the SDK's own.
	client s3.HTTPClient
}

// buildHandlers wires what would run in Lambda to the stack's endpoints.
func buildHandlers(settings config.Config, stack *local.Stack, records *sqliterecords.Store, log *slog.Logger, w wiring) (local.Handlers, error) {
	at := stack.Endpoints()
	client := s3.New(s3.Options{Region: at.Region, BaseEndpoint: aws.String(at.S3), UsePathStyle: true,
		HTTPClient:                 w.client,
		Credentials:                credentials.NewStaticCredentialsProvider(at.AccessKey, at.SecretKey, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported})
	objects := s3objects.New(client, at.Bucket, s3objects.Options{Now: time.Now})
	pipeline := &upload.Pipeline{Policy: settings.Policy, Layout: settings.Layout, Records: records, Objects: objects,
		Now: time.Now, NewID: upload.NewID, TombstoneLife: upload.TombstoneLife(settings.QuarantineDays)}
	application, err := access.New(at.App, nil)
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
	judge := &validator.Validator{Pipeline: pipeline, Failures: records, Bucket: at.Bucket, Concurrency: 4,
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

// announce says where everything is and what to try first.
func announce(d door, f devFlags, at local.Endpoints, data string) error {
	exports := [][2]string{{"AWS_ENDPOINT_URL_S3", at.S3}, {"AWS_ENDPOINT_URL_SQS", at.SQS}, {"AWS_REGION", at.Region},
		{"AWS_DEFAULT_REGION", at.Region}, // what boto3 reads
		{"AWS_ACCESS_KEY_ID", at.AccessKey}, {"AWS_SECRET_ACCESS_KEY", at.SecretKey},
		{"HATCHERY_BUCKET", at.Bucket}, {"HATCHERY_QUEUE_URL", at.QueueURL}, {"HATCHERY_DEAD_LETTER_URL", at.DeadLetterURL}}
	if f.json {
		line := map[string]any{"msg": "ready", "api": at.API, "s3": at.S3, "sqs": at.SQS, "application": at.App, "data": data}
		env := map[string]string{}
		for _, e := range exports {
			env[e[0]] = e[1]
		}
		line["env"] = env
		return json.NewEncoder(d.out).Encode(line)
	}
	application := at.App
	if f.app == "" {
		application += "  (a demo: the token demo may do everything, any other nothing)"
	}
	_, err := fmt.Fprintf(d.out, `Hatchery is running. All it keeps is in %s

  API          %s
  S3           %s  (bucket %s, path style)
  SQS          %s  (queue %s, dead letters %s)
  application  %s

`, data, at.API, at.S3, at.Bucket, at.SQS, local.Queue, local.DeadLetters, application)
	if err != nil {
		return err
	}
	for _, e := range exports {
		if _, err := fmt.Fprintf(d.out, "export %s=%s\n", e[0], e[1]); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(d.out, `
Try it with a picture of yours:
  curl -i -H 'Authorization: demo' -F file=@cat.png '%s/files/demo/entries/1/images?image_name=cat.png'

Ctrl-C ends it.

`, at.API)
	return err
}
