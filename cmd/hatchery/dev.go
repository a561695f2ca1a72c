package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"hatchery/shared/api"
	"hatchery/shared/config"
	"hatchery/shared/console"
	"hatchery/shared/local"
	"hatchery/shared/local/demoapp"
	"hatchery/shared/local/samples"
	"hatchery/shared/pipeline"
	"hatchery/shared/upload"
	"hatchery/shared/wording"
)

// devFlags are what a person may say of `hatchery dev`.
type devFlags struct {
	listen, s3Listen, sqsListen, dynamoDBListen string
	containers, containersHost                  string
	bugout, bugoutListen, bugoutTokenFile       string
	data, app, policy, records, samples         string
	json, noValidator, likeAWS                  bool
	breakGiven                                  []string

	breaks    []local.Break // breakGiven, read
	dynamoDB  string        // the URL of one that lasts
	dataGiven bool          // data was said by a person

	// What placeOfRecords completes: DynamoDB takes the credentials of AWS's environment;
	// where containersFile is written, in the data folder when it is "".
	foreignKeys    bool
	containersFile string
}

func devCommand(term terminal) *cobra.Command {
	var f devFlags
	command := &cobra.Command{
		Use:   "dev",
		Short: "Run the whole pipeline in this process",
		Long: `Dev runs everything that Hatchery has in AWS on this machine: the API, an S3 bucket,
an SQS queue with its dead letters, the validator behind it, and the records. The
handlers are those that run in Lambda. Everything is kept in the data folder: the next
start goes on with whatever was accepted.

Without --app a demo application is asked for permission: the token demo may do
everything, any other token nothing.

With --records dynamodb all is for one run, because dev's own DynamoDB is in memory: the
data folder is a temporary one, and is gone at the end. With --dynamodb the records are
kept in a DynamoDB that lasts, DynamoDB Local or AWS's. The table, ` + local.Table + `, is
made when it is missing. AWS's own DynamoDB (https) is called with region and credentials
of AWS's environment, any other (http) with dev's own, which stay the same.

Everything listens on 127.0.0.1 alone, where no other machine reaches it, unless
--listen or another address says otherwise. It answers to localhost, to the addresses
and hosts that these flags name, and with 0.0.0.0 to any IP address: a request for
another host is refused with 421. A proxy or a tunnel (ngrok) has to send localhost as Host.

With --break something is broken, as hatchery break does it while dev runs, so that what
docs/operations.md says about it can be rehearsed: real dead letters come within a minute.
hatchery mend ends it.

A request has the time of the API's function in AWS, 28 seconds, beside the time that
its body takes to arrive. Then it is answered 503.

It exits 0 when it was asked to end, 2 when it was used wrongly or a setting has a
fault, and 3 when another system failed, or an address or the folder is taken.
Settings: hatchery help environment. Functions under sam local: docs/sam-local.md.`,
		Example: `  hatchery dev
  hatchery dev --listen 127.0.0.1:9000 --data /tmp/try
  hatchery dev --app https://journals.example.com --policy policy.json
  hatchery dev --records dynamodb --containers 172.17.0.1:9000
  hatchery dev --like-aws
  hatchery dev --break s3:3
  hatchery dev --records bugout
  export HATCHERY_BUGOUT_APPLICATION_ID=4bf67555-b4f3-4a2e-95ff-7142d49d167b
  hatchery dev --records bugout --bugout https://auth.example.com --bugout-token-file token`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.dataGiven = cmd.Flags().Changed("data")
			if err := f.check(); err != nil {
				return err
			}
			if err := f.parseBreaks(); err != nil {
				return err
			}
			return dev(cmd.Context(), f, term)
		},
	}
	f.addTo(command.Flags())
	return command
}

func (f *devFlags) addTo(flags *pflag.FlagSet) {
	flags.StringVar(&f.listen, "listen", defaultListen, "the API's `address`")
	flags.StringVar(&f.s3Listen, "s3-listen", "127.0.0.1:0", "the S3 server's `address`; port 0 is chosen once and kept")
	flags.StringVar(&f.sqsListen, "sqs-listen", "127.0.0.1:0", "the SQS endpoint's `address`; port 0 as for S3")
	flags.StringVar(&f.dynamoDBListen, "dynamodb-listen", "",
		"also serve DynamoDB, in memory, on this `address` (default: only with --records dynamodb, on 127.0.0.1:0)")
	flags.StringVar(&f.dynamoDB, "dynamodb", "", "with --records dynamodb: the `URL` of a DynamoDB that lasts "+
		"(default: dev's own, which keeps nothing)")
	flags.StringVar(&f.bugoutListen, "bugout-listen", "", "also serve a stand-in for Bugout's auth server "+
		"on this `address` (default: only with --records bugout, on 127.0.0.1:0)")
	flags.StringVar(&f.bugout, "bugout", "",
		"with --records bugout: the `URL` of Bugout's auth server (default: the stand-in)")
	flags.StringVar(&f.bugoutTokenFile, "bugout-token-file", "", "with --bugout: read the deployment's own token "+
		"from this `file`, - for the standard input (default: HATCHERY_BUGOUT_TOKEN)")
	flags.StringVar(&f.containers, "containers", "", "also serve S3, SQS, DynamoDB and the application's answer "+
		"at this `address`, which containers can reach (default: none)")
	flags.StringVar(&f.containersHost, "containers-host", "", "what containers call this machine: a `host` "+
		"(default: the one of --containers, or "+local.DockersHost+" when that is 0.0.0.0)")
	flags.StringVar(&f.samples, "samples", "",
		"put the uploads that the sample events in this `folder` are about into bucket and records")
	flags.BoolVar(&f.noValidator, "no-validator", false, "leave what arrives in the queue, for a validator somewhere else")
	flags.StringVar(&f.data, "data", defaultData, "the `folder` to keep everything in")
	flags.StringVar(&f.app, "app", "",
		"the `URL` of the application to ask for permission (default: the demo application)")
	flags.StringVar(&f.records, "records", "sqlite", "the `store` that keeps the records: "+
		"sqlite, in the data folder; dynamodb, in memory or where --dynamodb says; or bugout")
	flags.StringVar(&f.policy, "policy", "", "read the policy from this JSON `file`, or take "+policyNames())
	flags.BoolVar(&f.likeAWS, "like-aws", false,
		"take the template's limits: POST takes files of up to "+grouped(awsPostBytes)+" bytes, and GET redirects above "+
			grouped(awsRedirectBytes)+" (default: HATCHERY_POST_BYTES and HATCHERY_REDIRECT_BYTES)")
	flags.StringSliceVar(&f.breakGiven, "break", nil, "begin with something broken, `CAUSE[:N]`: "+
		wording.List(local.Causes())+" (hatchery break says more)")
	flags.BoolVar(&f.json, "json", false, "print the endpoints and the log as JSON, one object a line")
}

const (
	sweepEvery = time.Minute
	// requestTime is what the template gives the API's function, less the second that is kept for its answer.
	requestTime = 28 * time.Second
)

// dev composes a deployment on the embedded stack and runs it until ctx ends. The flags were checked.
func dev(ctx context.Context, f devFlags, term terminal) (err error) {
	settings, err := devSettings(f, term)
	if err != nil {
		return err
	}
	// Read before the stack opens, which changes the working directory.
	uploads, err := f.readSamples()
	if err != nil {
		return err
	}
	log, requests := f.log(term), newBugoutRequests()
	removeData, err := f.placeOfRecords()
	if err != nil {
		return system(err)
	}
	defer closing(&err, removeData)
	stack, err := local.Open(ctx, f.stackOptions(settings, log))
	if err != nil {
		return system(err)
	}
	defer closing(&err, func() error { return stack.Close(context.WithoutCancel(ctx)) })
	if err := f.breakIn(stack.Path("")); err != nil {
		return system(err)
	}
	at := stack.Endpoints()
	settings = onStack(settings, at)
	if settings.Records == config.RecordsBugout && f.bugout == "" {
		settings.Bugout = standIn(at)
	}
	if err := openLegacy(ctx, pipeline.S3Client(at.AWS()), settings.Legacy.Bucket); err != nil {
		return system(err)
	}
	records, closeRecords, err := openRecords(ctx, settings, stack, requests, log)
	if err != nil {
		return system(err)
	}
	defer closing(&err, closeRecords)
	components := compose(settings, at.AWS(), records, requests, log)
	handlers, pages, err := devHandlers(ctx, f, settings, components, records, stack, log)
	if err != nil {
		return system(err)
	}
	f.addValidators(&handlers, rehearsal(settings, at, records, log))
	defer pages.Close()
	missing := findMissing(ctx, components.Objects, settings.Layout, records)
	if err := uploads.Put(ctx, components.Uploads); err != nil {
		return system(err)
	}
	if err := announce(term, f, settings, stack, at.API+pages.Path()); err != nil {
		return system(err)
	}
	missing.tell(ctx, log, placeOf(f, stack))
	if err := stack.Run(ctx, handlers); err != nil {
		return system(err)
	}
	if !f.json {
		fmt.Fprintln(term.out, ended(f))
	}
	return nil
}

// addValidators adds the one for when something is broken, and takes both away from a dev that is to have none.
func (f devFlags) addValidators(h *local.Handlers, rehearse local.Function) {
	h.Rehearse = rehearse
	if f.noValidator {
		h.Validate, h.Rehearse = nil, nil
	}
}

// devHandlers are what dev's stack calls, with its pages in front of the API.
func devHandlers(ctx context.Context, f devFlags, settings config.Config, components *pipeline.Components,
	records upload.Records, stack *local.Stack, log *slog.Logger) (local.Handlers, *console.Console, error) {
	handlers, err := stackHandlers(components, stack,
		pipeline.APIOptions{Stopping: ctx.Done(), AllowOrigin: allowedHere(settings)})
	if err != nil {
		return handlers, nil, err
	}
	pages, err := devConsole(ctx, f, components, records, stack, log)
	if err != nil {
		return handlers, nil, err
	}
	start := console.Start{API: handlers.API, URL: stack.Endpoints().API, Kind: firstKind(settings.Policy), Log: log,
		Paused: func() bool { return local.Paused(stack.Path("")) }}
	if f.app == "" {
		start.Token = demoapp.Token
	}
	first, err := console.NewStart(start, time.Now)
	if err != nil {
		pages.Close()
		return handlers, nil, err
	}
	handlers.API = inFront(pages, first)
	return handlers, pages, nil
}

// readSamples reads the uploads that the sample events are about, none without --samples.
func (f devFlags) readSamples() (samples.Uploads, error) {
	if f.samples == "" {
		return samples.Uploads{}, nil
	}
	uploads, err := samples.ReadUploads(os.DirFS(f.samples))
	if err != nil {
		return samples.Uploads{}, usage("--samples %s: %w", shown(f.samples), err)
	}
	return uploads, nil
}

func (f devFlags) log(term terminal) *slog.Logger {
	if f.json {
		return slog.New(slog.NewJSONHandler(term.out, nil))
	}
	return slog.New(newConsoleHandler(term.out))
}

// stackOptions are the embedded stack's. What keeps the records is served, too.
func (f devFlags) stackOptions(settings config.Config, log *slog.Logger) local.Options {
	const anyPort = "127.0.0.1:0"
	o := local.Options{Data: f.data, Listen: f.listen, S3Listen: f.s3Listen, SQSListen: f.sqsListen,
		DynamoDBListen: f.dynamoDBListen, DynamoDB: f.dynamoDB, ForeignKeys: f.foreignKeys, BugoutListen: f.bugoutListen,
		Containers: f.containers, ContainersHost: f.containersHost,
		AppURL: f.app, QuarantinePrefix: settings.Layout.Quarantine, CORSOrigins: settings.CORSOrigins,
		AllowOrigin:     allowedHere(settings),
		FunctionTimeout: settings.ValidatorTime, RequestTime: requestTime, SweepEvery: sweepEvery, Log: log,
		Mend: mendOf(f.data)}
	if settings.Records == config.RecordsBugout && f.bugout == "" {
		o.BugoutListen = cmp.Or(o.BugoutListen, anyPort)
	}
	return o
}

// onStack are the settings with what a stack on this machine has in their places.
func onStack(settings config.Config, at local.Endpoints) config.Config {
	settings.Bucket, settings.QueueURL, settings.ApplicationURL = at.Bucket, at.QueueURL, at.App
	settings.VisibilityTime, settings.MaxReceives = at.Visibility, at.MaxReceives
	return settings
}

// stackHandlers are what the stack calls. Bodies are spooled in its folder.
func stackHandlers(c *pipeline.Components, stack *local.Stack, o pipeline.APIOptions) (local.Handlers, error) {
	o.SpoolDir = stack.Path("spool")
	o.Verdicts = &api.Verdicts{}
	c.Uploads.Notifier = o.Verdicts // in the place of an event bus, which a stack here has not
	if err := spoolFolder(o.SpoolDir); err != nil {
		return local.Handlers{}, err
	}
	handler, err := c.API(o)
	if err != nil {
		return local.Handlers{}, err
	}
	return local.Handlers{API: handler, Validate: c.Validator(pipeline.ValidatorOptions{}).Handle,
		NeedsWork: func(ctx context.Context, key, version string) (bool, error) {
			return c.Uploads.NeedsWork(ctx, upload.Key(key), upload.Version(version))
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
