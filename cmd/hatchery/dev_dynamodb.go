package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hatchery/shared/config"
	"hatchery/shared/local"
)

// defaultListen is where dev's API is.
const defaultListen = "127.0.0.1:8080"

// defaultData is the folder that dev keeps everything in.
const defaultData = ".hatchery"

// forOneRun says that dev's own DynamoDB has the records. It keeps nothing, so that
// nothing else is kept either: files without records would be left.
func (f devFlags) forOneRun() bool { return f.records == config.RecordsDynamoDB && f.dynamoDB == "" }

// checkDynamoDB looks at the flags about DynamoDB.
func (f devFlags) checkDynamoDB() error {
	switch {
	case f.forOneRun() && f.dataGiven:
		return usage("--data: with --records dynamodb nothing is kept, because dev's own DynamoDB keeps nothing: " +
			"leave --data out, or name a DynamoDB that lasts with --dynamodb")
	case f.dynamoDB == "":
		return nil
	case f.records != config.RecordsDynamoDB:
		return usage("--dynamodb says where records are kept with --records dynamodb: add that")
	case f.dynamoDBListen != "":
		return usage("--dynamodb-listen is the address of dev's own DynamoDB, which there is none of with --dynamodb: " +
			"leave one of them out")
	}
	if isAWS(f.dynamoDB) && f.containers != "" {
		return usage("--containers: functions in containers are given dev's own credentials, which AWS does not know: " +
			"leave it out, or name a DynamoDB Local with --dynamodb http://…")
	}
	u, err := url.Parse(f.dynamoDB)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil {
		return usage("--dynamodb: found %q; want a URL, as http://127.0.0.1:8000 or "+
			"https://dynamodb.eu-central-1.amazonaws.com", f.dynamoDB)
	}
	return nil
}

// placeOfRecords completes the flags where the records are in DynamoDB. done removes what
// was made for one run.
func (f *devFlags) placeOfRecords() (done func() error, err error) {
	done = closeNothing
	switch {
	case f.forOneRun():
		if f.dynamoDBListen == "" {
			f.dynamoDBListen = "127.0.0.1:0"
		}
		if f.containersFile, err = filepath.Abs(filepath.Join(defaultData, containersFile)); err != nil {
			return nil, fmt.Errorf("find the working directory: %w", err)
		}
		if f.data, err = os.MkdirTemp("", "hatchery-"); err != nil {
			return nil, fmt.Errorf("make a data folder for this run: %w", err)
		}
		folder := f.data
		done = func() error { return os.RemoveAll(folder) }
	default:
		f.foreignKeys = isAWS(f.dynamoDB)
	}
	return done, nil
}

// isAWS says whether the URL is of AWS's own DynamoDB, which takes AWS's credentials. To
// DynamoDB Local, which has tables of its own for each access key, dev shows its own ones:
// they stay the same.
func isAWS(url string) bool { return strings.HasPrefix(url, "https://") }

// tableClient speaks with the DynamoDB that has the records of a dev.
func tableClient(ctx context.Context, at local.Endpoints) (*dynamodb.Client, error) {
	machine := at.AWS()
	if at.ForeignKeys {
		var err error
		if machine, err = loadAWSWithCredentials(ctx); err != nil {
			return nil, err
		}
	}
	return dynamodb.NewFromConfig(machine, func(o *dynamodb.Options) {
		o.BaseEndpoint = &at.DynamoDB
		// DynamoDB Local sends no checksum with its errors, and the SDK would warn of each.
		o.DisableValidateResponseChecksum = !isAWS(at.DynamoDB)
	}), nil
}

// openDynamoDB is tableClient at the start of that dev: it makes the table when it is
// missing.
func openDynamoDB(ctx context.Context, at local.Endpoints) (*dynamodb.Client, error) {
	client, err := tableClient(ctx, at)
	if err != nil {
		return nil, err
	}
	if err := local.MakeTable(ctx, client); err != nil {
		return nil, fmt.Errorf("keep records in DynamoDB at %s, with %s: %w", at.DynamoDB, keysOf(at), err)
	}
	return client, nil
}

// keysOf says whose credentials DynamoDB is called with.
func keysOf(at local.Endpoints) string {
	if at.ForeignKeys {
		return "the credentials of AWS's environment"
	}
	return "dev's own credentials"
}
