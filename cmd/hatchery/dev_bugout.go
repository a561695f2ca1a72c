package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"hatchery/shared/config"
	"hatchery/shared/local"
	"hatchery/shared/records/bugoutrecords"
)

// newBugoutRequests makes what bounds the requests of this process that are under way to
// Bugout: four. The template's functions, of which there are several, make one each.
func newBugoutRequests() chan struct{} { return make(chan struct{}, 4) }

// anyID takes the place of the stand-in's application and token until it is open.
const anyID = "00000000-0000-4000-8000-000000000000"

// bugoutGiven are the settings of Bugout that go before the environment's: with records
// in Bugout those of --bugout, or values in the place of the stand-in's.
func bugoutGiven(f devFlags) (map[string]string, error) {
	switch {
	case f.records != config.RecordsBugout && (f.bugout != "" || f.bugoutTokenFile != ""):
		return nil, usage("--bugout and --bugout-token-file say where records are kept with --records bugout: add that")
	case f.records != config.RecordsBugout:
		// Callers' tokens may be asked about there (HATCHERY_APPLICATION=spire).
		return nil, nil
	case f.bugout == "" && f.bugoutTokenFile != "":
		return nil, usage("--bugout-token-file: dev's own stand-in for Bugout makes its own token: " +
			"name a real one with --bugout")
	case f.bugout == "":
		return map[string]string{"HATCHERY_BUGOUT_URL": "http://127.0.0.1:1", "HATCHERY_BUGOUT_APPLICATION_ID": anyID,
			"HATCHERY_BUGOUT_TOKEN": anyID, "BUGOUT_AUTH_URL": "", "BUGOUT_FILES_APPLICATION_ID": ""}, nil
	}
	token, err := tokenIn("--bugout-token-file", f.bugoutTokenFile)
	if err != nil {
		return nil, err
	}
	given := map[string]string{"HATCHERY_BUGOUT_URL": f.bugout, "BUGOUT_AUTH_URL": ""}
	if token != "" {
		given["HATCHERY_BUGOUT_TOKEN"] = token
	}
	return given, nil
}

// standIn is how the stand-in is reached.
func standIn(at local.Endpoints) config.Bugout {
	return config.Bugout{URL: at.Bugout.URL, ApplicationID: at.Bugout.Application,
		Token: config.NewSecret(at.Bugout.Token)}
}

// bugoutOptions are those of records in Bugout, whose token a file may hold that the
// flag names. A damaged record is logged.
func bugoutOptions(b config.Bugout, flag string, log *slog.Logger) (bugoutrecords.Options, error) {
	if b.Token.IsZero() {
		return bugoutrecords.Options{}, usage("HATCHERY_BUGOUT_TOKEN names a secret, which is read in AWS alone: "+
			"put the token itself into it, or into the file of %s", flag)
	}
	return bugoutrecords.Options{URL: b.URL, Application: b.ApplicationID, Requests: newBugoutRequests(), Now: time.Now,
		Damaged: bugoutrecords.LogDamaged(log),
		Token:   func(context.Context) (string, error) { return b.Token.Reveal(), nil }}, nil
}

// operatorsBugout are bugoutOptions for an operator's command. It reads the longest
// lists: only hatchery migrate gets too many records out of Bugout.
func operatorsBugout(b config.Bugout, term terminal) (bugoutrecords.Options, error) {
	o, err := bugoutOptions(b, "--token-file", operatorsLog(term))
	o.MaxBody, o.Timeout = operatorsMaxBody, operatorsTimeout
	return o, err
}

const (
	// operatorsMaxBody is the list of more than a million records. The functions take
	// less, because they have less memory.
	operatorsMaxBody = 1 << 30
	// operatorsTimeout is for making and sending such a list.
	operatorsTimeout = 2 * time.Minute
)

// bugoutStore keeps records in Bugout.
func bugoutStore(options bugoutrecords.Options, err error) (*bugoutrecords.Store, error) {
	if err != nil {
		return nil, err
	}
	store, err := bugoutrecords.New(options)
	if err != nil {
		return nil, usage("%w", err)
	}
	return store, nil
}

// checkedStore is a bugoutStore that has passed its check. It shares requests with others.
func checkedStore(ctx context.Context, b config.Bugout, requests chan struct{},
	log *slog.Logger) (*bugoutrecords.Store, error) {
	options, err := bugoutOptions(b, "--bugout-token-file", log)
	options.Requests = requests
	store, err := bugoutStore(options, err)
	if err != nil {
		return nil, err
	}
	for _, step := range store.Check(ctx) {
		if step.Err != nil {
			return nil, fmt.Errorf("keep records in Bugout at %s: %s: %w", b.URL, step.Name, step.Err)
		}
	}
	return store, nil
}

// openLegacy makes the bucket of the replaced service's images, if one is set. Dev serves
// it like its own. To try it, put some there.
func openLegacy(ctx context.Context, client *s3.Client, bucket string) error {
	if bucket == "" {
		return nil
	}
	_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
	if _, existing := errors.AsType[*types.BucketAlreadyOwnedByYou](err); existing {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make the bucket %s of HATCHERY_LEGACY_BUCKET: %w", bucket, err)
	}
	return nil
}
