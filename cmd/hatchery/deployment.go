package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/smithy-go/logging"

	"hatchery/shared/config"
	"hatchery/shared/local"
	"hatchery/shared/pipeline"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/records/sqliterecords"
	"hatchery/shared/upload"
)

// deployment is what an operator's command works on: one in AWS, or the one that
// dev runs on this machine.
type deployment struct {
	*pipeline.Components
	// close closes the records.
	close func() error
	// operator says who acts: in AWS the caller's ARN, which AWS is asked for, else the user's name.
	operator func(context.Context) (string, error)
	// mapping finds the event source mapping in front of the validator.
	mapping func() (mapping, error)
}

// compose composes a deployment. cloud reaches AWS, or what stands for it here; requests are those to Bugout.
func compose(settings config.Config, cloud aws.Config, records upload.Records, requests chan struct{},
	log *slog.Logger) *pipeline.Components {
	return pipeline.New(settings, pipeline.Dependencies{AWS: cloud, S3: pipeline.S3Client(cloud), Records: records,
		BugoutRequests: requests, Log: log})
}

// composeQuiet is compose for a command whose report says what else would be logged.
func composeQuiet(settings config.Config, cloud aws.Config, records upload.Records) *pipeline.Components {
	return compose(settings, cloud, records, newBugoutRequests(), slog.New(slog.DiscardHandler))
}

func closeNothing() error { return nil }

// deploymentFlags say which deployment is meant.
type deploymentFlags struct {
	// stack names the deployment in CloudFormation, and data is the folder of a running dev; without both it is the
	// deployment of the environment.
	stack, data string
	// records is what that dev keeps its records in.
	records string
	// bugout goes before the environment's settings of Bugout.
	bugout bugoutFlags
}

// addDeploymentFlags adds the flags that say which deployment a command works on.
func addDeploymentFlags(flags textFlags, f *deploymentFlags) {
	flags.StringVar(&f.stack, "stack", "",
		"the `name` of the deployment's stack in CloudFormation (default: the deployment of the environment)")
	flags.StringVar(&f.data, "data", "", "instead of one in AWS: the data `folder` of a running hatchery dev")
	flags.StringVar(&f.records, "records", "",
		"with --data: the `store` that keeps that dev's records, sqlite, dynamodb or bugout (default sqlite)")
	f.bugout.addServer(flags)
	f.bugout.addApplication(flags)
}

// command is a further command on the same deployment, to be shown and typed.
func (f deploymentFlags) command(rest string) string { return "hatchery " + rest + f.words() }

// words are the flags with which another command is about the same deployment.
func (f deploymentFlags) words() string {
	var b strings.Builder
	for _, flag := range []struct{ name, value string }{{"stack", f.stack}, {"data", f.data}, {"records", f.records},
		{"url", f.bugout.url}, {"application", f.bugout.application}, {"token-file", f.bugout.tokenFile}} {
		if flag.value != "" {
			fmt.Fprintf(&b, " --%s %s", flag.name, shellWord(flag.value))
		}
	}
	return b.String()
}

// check looks at the flags alone.
func (f deploymentFlags) check() error {
	switch {
	case f.stack != "" && f.data != "":
		return usage("--stack names a deployment in AWS, and --data one on this machine: give one of them")
	case f.records != "" && f.data == "":
		return usage("--records belongs to --data: the environment says it with HATCHERY_RECORDS, and a stack with Records")
	case f.data != "" && f.bugout != (bugoutFlags{}):
		return usage("--url, --application and --token-file are about a deployment in AWS, " +
			"and not about --data, whose hatchery dev has Bugout's stand-in")
	}
	return nil
}

// openDeployment composes what a command works on, once f.check found nothing. It calls AWS for credentials, and with
// --stack for that.
func openDeployment(ctx context.Context, f deploymentFlags, term terminal) (*deployment, error) {
	if f.data != "" {
		return localDeployment(ctx, f, term)
	}
	if f.stack == "" {
		settings, err := f.settings(term)
		if err != nil {
			return nil, err
		}
		cloud, err := loadAWS(ctx)
		if err != nil {
			return nil, err
		}
		return cloudDeployment(ctx, settings, cloud, term)
	}
	cloud, err := loadAWSWithCredentials(ctx)
	if err != nil {
		return nil, err
	}
	found, err := describeStack(ctx, cloud, f.stack)
	if err != nil {
		return nil, err
	}
	term.getenv = found.getenv
	settings, err := f.settings(term)
	if err != nil {
		return nil, err
	}
	dep, err := cloudDeployment(ctx, settings, cloud, term)
	if err != nil {
		return nil, err
	}
	dep.mapping = func() (mapping, error) {
		if found.mapping == "" {
			return nil, usage("--stack: the stack %q has no output %s: deploy it from this version's template.yaml",
				f.stack, outputMapping)
		}
		return lambdaMapping{client: lambda.NewFromConfig(cloud), uuid: found.mapping}, nil
	}
	return dep, nil
}

// settings are those of a deployment in AWS, the flags about Bugout over them.
func (f deploymentFlags) settings(term terminal) (config.Config, error) {
	getenv := term.getenv
	if getenv("HATCHERY_RECORDS") == config.RecordsBugout {
		var err error
		if getenv, err = f.bugout.over(term); err != nil {
			return config.Config{}, err
		}
	} else if f.bugout != (bugoutFlags{}) {
		return config.Config{}, usage("--url, --application and --token-file are about Bugout, " +
			"and HATCHERY_RECORDS is not bugout")
	}
	settings, err := config.Load(getenv, config.Messages)
	if err == nil {
		return settings, nil
	}
	faults := f.bugout.named(faultsOf(err))
	if f.stack != "" {
		return config.Config{}, usage("the settings that the stack %q gives its functions have faults:\n%w", f.stack, faults)
	}
	return config.Config{}, usage("the settings of the deployment have faults "+
		"(or --stack names its stack, or --data the folder of a running hatchery dev):\n%w", faults)
}

// cloudDeployment is one in AWS.
func cloudDeployment(ctx context.Context, settings config.Config, cloud aws.Config, term terminal) (
	*deployment, error) {
	var records upload.Records
	switch settings.Records {
	case config.RecordsDynamoDB:
		records = tableRecords(dynamodb.NewFromConfig(cloud), settings.Table, operatorsLog(term))
	case config.RecordsBugout:
		var err error
		if records, err = bugoutStore(operatorsBugout(settings.Bugout, term)); err != nil {
			return nil, err
		}
	default:
		return nil, usage("HATCHERY_RECORDS: found %q; accepted here: dynamodb, bugout; "+
			"for a hatchery dev name its folder with --data", settings.Records)
	}
	if err := haveCredentials(ctx, cloud); err != nil {
		return nil, err
	}
	return &deployment{Components: composeQuiet(settings, cloud, records), close: closeNothing,
		operator: func(ctx context.Context) (string, error) { return callerARN(ctx, cloud) },
		mapping: func() (mapping, error) {
			return nil, usage("the environment does not tell the event source mapping in front of the validator: " +
				"name the stack with --stack, or a hatchery dev with --data")
		}}, nil
}

// credentialsWithin bounds the search for credentials: some are fetched.
const credentialsWithin = 20 * time.Second

// loadAWS reads AWS's own settings. It does not look for credentials, which takes a while.
func loadAWS(ctx context.Context) (aws.Config, error) {
	// What the SDK says of itself is no line for an operator: what failed is in the error.
	cloud, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithLogger(logging.Nop{}))
	if err != nil {
		return aws.Config{}, usage("the settings of AWS: %w", err)
	}
	if cloud.Region == "" {
		return aws.Config{}, usage("the settings of AWS: found no region; " +
			"set AWS_REGION, or choose a profile with AWS_PROFILE")
	}
	return cloud, nil
}

// loadAWSWithCredentials is loadAWS for whoever calls AWS at once.
func loadAWSWithCredentials(ctx context.Context) (aws.Config, error) {
	cloud, err := loadAWS(ctx)
	if err != nil {
		return aws.Config{}, err
	}
	return cloud, haveCredentials(ctx, cloud)
}

// haveCredentials says what to set when there are none. Every call would fail.
func haveCredentials(ctx context.Context, cloud aws.Config) error {
	ctx, cancel := context.WithTimeout(ctx, credentialsWithin)
	defer cancel()
	if _, err := cloud.Credentials.Retrieve(ctx); err != nil {
		return usage("the settings of AWS: found no credentials that can be used; "+
			"set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: %w", err)
	}
	return nil
}

// localDeployment is the one that dev runs beside this process.
func localDeployment(ctx context.Context, f deploymentFlags, term terminal) (*deployment, error) {
	f.records = cmp.Or(f.records, config.RecordsSQLite)
	settings, err := devSettings(devFlags{data: f.data, records: f.records}, term)
	if err != nil {
		return nil, err
	}
	at, err := local.Running(ctx, f.data)
	if errors.Is(err, local.ErrNotRunning) {
		return nil, system(fmt.Errorf("%w: start it with: hatchery dev --data %s", err, shown(f.data)))
	}
	if err != nil {
		return nil, system(err)
	}
	store, err := besideDev(ctx, f, at, term)
	if err != nil {
		return nil, err
	}
	return &deployment{Components: composeQuiet(onStack(settings, at), at.AWS(), store.records), close: store.close,
		operator: func(context.Context) (string, error) { return userHere(user.Current), nil },
		mapping:  func() (mapping, error) { return localMapping{f.data}, nil }}, nil
}

// openedStore is a store with what to call when it is done with.
type openedStore struct {
	records upload.Records
	close   func() error
}

// besideDev opens the records that a running dev has open, too.
func besideDev(ctx context.Context, f deploymentFlags, at local.Endpoints, term terminal) (openedStore, error) {
	lacking := func(what string) (openedStore, error) {
		return openedStore{}, usage("--records: the hatchery dev on %s %s; %s", shown(f.data), what, startedWith(f, at))
	}
	switch {
	case f.records == config.RecordsDynamoDB && at.DynamoDB == "":
		return lacking("serves no DynamoDB")
	case f.records == config.RecordsDynamoDB:
		client, err := tableClient(ctx, at)
		if err != nil {
			return openedStore{}, err
		}
		return openedStore{tableRecords(client, at.Table, operatorsLog(term)), closeNothing}, nil
	case f.records == config.RecordsBugout && at.Bugout.URL == "":
		return lacking("serves no stand-in for Bugout")
	case f.records == config.RecordsBugout:
		store, err := bugoutStore(operatorsBugout(standIn(at), term))
		return openedStore{store, closeNothing}, err
	case !keepsFile(f): // opening would make it
		return lacking("keeps no records in SQLite")
	}
	store, err := sqliterecords.Open(ctx, recordsIn(f), sqliterecords.Options{Now: time.Now})
	if err != nil {
		return openedStore{}, system(err)
	}
	return openedStore{store, store.Close}, nil
}

// recordsIn is dev's file of records.
func recordsIn(f deploymentFlags) string { return filepath.Join(f.data, "records.db") }

func keepsFile(f deploymentFlags) bool {
	_, err := os.Stat(recordsIn(f))
	return !errors.Is(err, fs.ErrNotExist)
}

// startedWith says what to do about a dev that keeps its records elsewhere, as far as
// its folder shows where.
func startedWith(f deploymentFlags, at local.Endpoints) string {
	var stores []string
	for _, s := range []struct {
		name string
		has  bool
	}{
		{config.RecordsSQLite, keepsFile(f)},
		{config.RecordsDynamoDB, at.DynamoDB != ""},
		{config.RecordsBugout, at.Bugout.URL != ""},
	} {
		if s.has {
			stores = append(stores, "--records "+s.name)
		}
	}
	if len(stores) == 0 {
		return "with a real Bugout leave --data out, and set what dev exports, besides --token-file"
	}
	return "name what it was started with: " + strings.Join(stores, " or ")
}

// tableRecords keeps records in a DynamoDB table. A damaged record is logged.
func tableRecords(client *dynamodb.Client, table string, log *slog.Logger) *dynamorecords.Store {
	return dynamorecords.New(client, table,
		dynamorecords.Options{Now: time.Now, Damaged: dynamorecords.LogDamaged(log)})
}

// operatorsLog is for what an operator should see before, or besides, the report.
func operatorsLog(term terminal) *slog.Logger { return slog.New(newConsoleHandler(term.err)) }
