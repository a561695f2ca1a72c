// Package pipeline composes a deployment from its settings and its clients: the upload
// pipeline, the API, the validator and the reconciler. A function, hatchery dev and an
// operator's command all compose here, so that a setting means the same in each of them.
package pipeline

import (
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hatchery/shared/access"
	"hatchery/shared/api"
	"hatchery/shared/config"
	"hatchery/shared/deadletter"
	"hatchery/shared/notifier/eventbridgenotifier"
	"hatchery/shared/objects/s3objects"
	"hatchery/shared/queue/sqsqueue"
	"hatchery/shared/reconcile"
	"hatchery/shared/upload"
	"hatchery/shared/validator"
)

// Dependencies are what a program brings besides the settings.
type Dependencies struct {
	// AWS reaches the queue and the event bus, S3 the buckets: [S3Client] makes it.
	AWS aws.Config
	S3  *s3.Client
	// Records is opened by the program, which alone knows whether it may be SQLite.
	Records upload.Records
	// BugoutRequests holds one element for each request of the process that is under way to
	// Bugout's auth server. Whoever keeps records there is given the same one. The server stops
	// answering anything at about ten requests, from all its clients together.
	BugoutRequests chan struct{}
	Log            *slog.Logger
}

// Components is what programs are built of. Its fields are set once.
type Components struct {
	Uploads *upload.Pipeline
	Objects *s3objects.Store
	// Notes are those about dead letters, in the same bucket.
	Notes *s3objects.Notes

	settings config.Config
	d        Dependencies
}

// New composes what all programs need. It connects to nothing: the first call does.
func New(settings config.Config, d Dependencies) *Components {
	c := &Components{settings: settings, d: d, Objects: s3objects.New(d.S3, settings.Bucket),
		Notes: s3objects.NewNotes(d.S3, settings.Bucket)}
	c.Uploads = &upload.Pipeline{Policy: settings.Policy, Layout: settings.Layout, Records: d.Records, Objects: c.Objects,
		Now: time.Now, NewID: upload.NewID, TombstoneLife: upload.TombstoneLife(settings.QuarantineDays)}
	if legacy := settings.Legacy; legacy.Bucket != "" {
		c.Uploads.LegacyImages = s3objects.NewLegacyImages(d.S3, legacy.Bucket, legacy.Prefix).Promoting(c.Objects)
	}
	if settings.EventBus != "" {
		client := func() *eventbridge.Client { return eventbridge.NewFromConfig(d.AWS) }
		c.Uploads.Notifier = eventbridgenotifier.New(client, settings.EventBus, settings.Bucket, settings.Layout)
	}
	return c
}

// APIOptions are what differs between those who serve the API. Zero values are the
// defaults of [api.Config].
type APIOptions struct {
	SpoolDir  string
	RequestID func(*http.Request) string
	Accepted  func(upload.Record)
	Stopping  <-chan struct{}
	Verdicts  *api.Verdicts
	// AllowOrigin allows further origins besides those of the settings.
	AllowOrigin func(origin string) bool
}

// API composes what answers callers.
func (c *Components) API(o APIOptions) (http.Handler, error) {
	asked := &access.Options{GrantLife: c.settings.GrantLife}
	if c.settings.Spire {
		asked.Bugout, asked.BugoutRequests = c.settings.Bugout.URL, c.d.BugoutRequests
	}
	application, err := access.New(c.settings.ApplicationURL, asked)
	if err != nil {
		return nil, fmt.Errorf("HATCHERY_APPLICATION_URL: %w", err)
	}
	handler, err := api.New(api.Config{Pipeline: c.Uploads, Downloads: c.Objects, Forms: c.Objects,
		Authorizer: application, CORSOrigins: c.settings.CORSOrigins, AllowOrigin: o.AllowOrigin,
		FrontHashes: c.settings.FrontHashes,
		PostBytes:   c.settings.PostBytes, RedirectBytes: c.settings.RedirectBytes, MaxWait: c.settings.WaitTime,
		FormLifetime: c.settings.FormTime, SpoolDir: o.SpoolDir, RequestID: o.RequestID, Accepted: o.Accepted,
		Stopping: o.Stopping, Verdicts: o.Verdicts, Now: time.Now, Log: c.d.Log})
	if err != nil {
		return nil, fmt.Errorf("build the API: %w", err)
	}
	return handler, nil
}

// messagesAtOnce is how many messages of a batch are judged at once at most: all that SQS gives at a time.
const messagesAtOnce = 10

// ValidatorOptions are what differs between those who judge messages. Zero values are the
// defaults of [validator.Validator].
type ValidatorOptions struct {
	Observe         func(upload.Outcome, error)
	ObserveRedriven func(redrives int)
}

// Validator composes what judges messages.
func (c *Components) Validator(o ValidatorOptions) *validator.Validator {
	atOnce := messagesAtOnce
	if c.settings.Records == config.RecordsBugout {
		atOnce = min(atOnce, cap(c.d.BugoutRequests)) // each makes several
	}
	return &validator.Validator{Pipeline: c.Uploads, Records: c.d.Records, Attempts: c.Notes, Layout: c.settings.Layout,
		Bucket: c.settings.Bucket, Concurrency: atOnce, Margin: validator.DefaultMargin, ReadRate: c.settings.ReadRate,
		MaxReceives: c.settings.MaxReceives, Visibility: c.settings.VisibilityTime,
		Observe: o.Observe, ObserveRedriven: o.ObserveRedriven, Now: time.Now, Log: c.d.Log}
}

// Queue is the validator's.
func (c *Components) Queue() *sqsqueue.Queue {
	return sqsqueue.New(sqs.NewFromConfig(c.d.AWS), c.settings.QueueURL)
}

// lettersAtOnce is how many dead letters are explained, or acted on, at once.
const lettersAtOnce = 16

// Review composes what an operator does with the dead letters of the queue dead.
func (c *Components) Review(dead *sqsqueue.Queue, operator string) *deadletter.Review {
	atOnce := lettersAtOnce
	if c.settings.Records == config.RecordsBugout {
		atOnce = min(atOnce, cap(c.d.BugoutRequests)) // each makes several
	}
	return &deadletter.Review{DeadLetters: dead, Source: c.Queue(), Records: c.d.Records, Objects: c.Objects,
		Notes: c.Notes, Pipeline: c.Uploads, Policy: c.settings.Policy, Layout: c.settings.Layout,
		Bucket: c.settings.Bucket, Region: c.d.AWS.Region,
		Notifies: c.settings.EventBus != "", MaxReceives: c.settings.MaxReceives, Concurrency: atOnce,
		Operator: operator, Now: time.Now, After: time.After,
		NewID: deadletter.NewID(time.Now), Log: c.d.Log}
}

// Reconciler composes what compares records and bucket.
func (c *Components) Reconciler() *reconcile.Reconciler {
	queue := c.Queue()
	return &reconcile.Reconciler{Records: c.d.Records, Inventory: c.Objects, Pipeline: c.Uploads,
		Queue: queue, DeadLetters: queue, Layout: c.settings.Layout, Bucket: c.settings.Bucket, Region: c.d.AWS.Region,
		Limits: reconcile.DefaultLimits(c.settings.MaxReceives, c.settings.VisibilityTime), Now: time.Now, Log: c.d.Log}
}

// S3Client makes a client of S3.
func S3Client(c aws.Config, more ...func(*s3.Options)) *s3.Client {
	return s3.NewFromConfig(c, append(more, func(o *s3.Options) {
		// AWS resolves the bucket's name before its own; another endpoint may have no such name.
		o.UsePathStyle = o.BaseEndpoint != nil
	})...)
}
