package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/spf13/cobra"

	"hatchery/shared/config"
	"hatchery/shared/migrate"
	"hatchery/shared/objects/s3objects"
	"hatchery/shared/records/bugoutrecords"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/records/sqliterecords"
	"hatchery/shared/upload"
)

// migrateFlags are what a person may say of `hatchery migrate`.
type migrateFlags struct {
	from, to, state           string
	dryRun, json, checkObject bool
	validate                  bool
	atOnce                    int
}

func migrateCommand(d door) *cobra.Command {
	var f migrateFlags
	command := &cobra.Command{
		Use:   "migrate --from STORE --to STORE",
		Short: "Copy records from one store to another",
		Long: `Migrate copies every record of an upload from one store to another. A store is

  dynamodb:TABLE   a DynamoDB table (dynamodb alone: HATCHERY_TABLE)
  bugout           Bugout resources (HATCHERY_BUGOUT_URL, _APPLICATION_ID, _TOKEN)
  sqlite:FILE      a file, that of a hatchery dev that does not run for instance

With --validate the images that the replaced service stored (HATCHERY_LEGACY_BUCKET)
are read, as the validator reads, and those that the policy allows are promoted: they
are uploads as any other from then on. The others stay what they were, and are told.

The files stay in their bucket. Nothing is changed in the source, and what differs in
the target is reported and left alone. It may be broken off and begun again at any
time: what was copied before is passed over; with --state it goes on where it was.
Copy once while the old deployment runs, then stop it and copy what came since.

It exits 0 when the target has everything and nothing else that Bugout lost, 1 when
something differs or a file is missing, 2 when it was used wrongly, and 3 when a store failed or a record
of the source is damaged: that one is said and passed over.`,
		Example: `  hatchery migrate --from bugout --to dynamodb:hatchery-RecordsTable-1ABC --dry-run
  hatchery migrate --from bugout --to dynamodb --state migration.json --check-objects
  hatchery migrate --from bugout --to bugout --validate --dry-run
  hatchery migrate --from sqlite:.hatchery/records.db --to dynamodb`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.from == "" || f.to == "" {
				return usage("migrate needs --from and --to, each one of dynamodb:TABLE, bugout and sqlite:FILE")
			}
			if f.from == f.to && !f.validate {
				return usage("--from and --to are the same store, which only --validate has a use for")
			}
			if f.atOnce < 1 || f.atOnce > 64 {
				return usage("--at-once: found %d; accepted: 1 to 64", f.atOnce)
			}
			return migrateNow(cmd.Context(), f, d)
		},
	}
	command.Flags().StringVar(&f.from, "from", "", "the `store` that is copied")
	command.Flags().StringVar(&f.to, "to", "", "the `store` that is filled")
	command.Flags().BoolVar(&f.dryRun, "dry-run", false, "change nothing: say what is missing and what differs")
	command.Flags().BoolVar(&f.json, "json", false, "print the report as one JSON object")
	command.Flags().BoolVar(&f.checkObject, "check-objects", false, "look whether the bucket (HATCHERY_BUCKET) holds what stored records serve")
	command.Flags().BoolVar(&f.validate, "validate", false, "judge the replaced service's images and promote what is allowed (HATCHERY_BUCKET, HATCHERY_LEGACY_BUCKET)")
	command.Flags().StringVar(&f.state, "state", "", "keep in this `file` how far it came, and go on from there")
	command.Flags().IntVar(&f.atOnce, "at-once", 4, "how many records are copied at once; Bugout bears no more than `n`=4")
	return command
}

func migrateNow(ctx context.Context, f migrateFlags, d door) (err error) {
	place, err := loadPlace(f)
	if err != nil {
		return err
	}
	var closers []func() error
	defer func() {
		for _, c := range closers {
			if closeErr := c(); closeErr != nil {
				err = errors.Join(err, system(closeErr))
			}
		}
	}()
	open := func(flag, store string, source bool) (upload.Records, error) {
		records, done, err := openStore(ctx, flag, store, source, d)
		if done != nil {
			closers = append(closers, done)
		}
		return records, err
	}
	m := &migrate.Migration{DryRun: f.dryRun, AtOnce: f.atOnce}
	if m.From, err = open("--from", f.from, true); err != nil {
		return err
	}
	if m.To = m.From; f.to != f.from {
		if m.To, err = open("--to", f.to, false); err != nil {
			return err
		}
	}
	if f.checkObject || f.validate {
		settings, client, err := openBucket(ctx, f, d)
		if err != nil {
			return err
		}
		objects := s3objects.New(client, settings.Bucket, s3objects.Options{Now: time.Now})
		if m.Layout = settings.Layout; f.checkObject {
			m.Objects = objects
		}
		if f.validate {
			m.Adopt = adopter(settings, client, objects, m.To)
		}
	}
	began := time.Now()
	m.Progress = func(r migrate.Report, next upload.Cursor) error {
		if !f.json {
			_, _ = fmt.Fprintf(d.err, "\r%s records read, %s copied, %s", grouped(int64(r.Read)), grouped(int64(r.Copied)), time.Since(began).Round(time.Second))
		}
		// What there is trouble with is met again by the next run: the place stays before it.
		if r.Failed+r.Different+r.Unserved == 0 {
			place.Cursor = next
		}
		return place.save(f)
	}
	report, err := m.Run(ctx, place.Cursor)
	if !f.json && report.Read > 0 {
		_, _ = fmt.Fprintln(d.err)
	}
	if errors.Is(err, upload.ErrBadCursor) {
		return usage("--state: %s is of another store: %w", f.state, err)
	}
	if printErr := printMigration(d, f, report); printErr != nil {
		return system(printErr)
	}
	switch {
	case err != nil:
		return system(err)
	case report.Different > 0 || report.Unserved > 0 || report.Alone > 0:
		return &exitError{code: exitNo}
	}
	return nil
}

func printMigration(d door, f migrateFlags, r migrate.Report) error {
	if f.json {
		return json.NewEncoder(d.out).Encode(r)
	}
	var b strings.Builder
	for _, finding := range r.Findings {
		fmt.Fprintf(&b, "%s  %s\n", finding.Upload, shown(finding.What))
	}
	copied, adopted := "copied", "images of the replaced service were judged and promoted"
	if f.dryRun {
		copied, adopted = "would be copied", "images of the replaced service would be promoted"
	}
	for _, line := range []struct {
		n    int
		what string
	}{{r.Copied, copied}, {r.Same, "are the same in both"}, {r.Different, "differ in the target, and are left alone"},
		{r.Alone, "are in the target alone: deleted in the source since, or uploaded to the target"},
		{r.Forgotten, "were deleted, and the target keeps no deleted ones"}, {r.Adopted, adopted}, {r.Refused, "are images of the replaced service that the policy does not allow, and stay what they were"},
		{r.Unserved, "are stored, but their file is not to be found"}, {r.Failed, "failed"}} {
		if line.n > 0 {
			fmt.Fprintf(&b, "%s  %s\n", grouped(int64(line.n)), line.what)
		}
	}
	fmt.Fprintf(&b, "Read %s records.\n", grouped(int64(r.Read)))
	_, err := fmt.Fprint(d.out, b.String())
	return err
}

// place is what --state keeps: how far a migration came.
type place struct {
	From     string        `json:"from"`
	To       string        `json:"to"`
	Validate bool          `json:"validate,omitempty"`
	Cursor   upload.Cursor `json:"cursor"`
}

func loadPlace(f migrateFlags) (place, error) {
	p := place{From: f.from, To: f.to, Validate: f.validate}
	if f.state == "" || f.dryRun { // a dry run tells of all
		return p, nil
	}
	text, err := os.ReadFile(f.state)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return p, usage("--state: %w", err)
	}
	var kept place
	if err := json.Unmarshal(text, &kept); err != nil {
		return p, usage("--state: %s is not what an earlier run wrote: %w", f.state, err)
	}
	if kept.From != f.from || kept.To != f.to || kept.Validate != f.validate {
		return p, usage("--state: %s is of a migration from %s to %s", f.state, shown(kept.From), shown(kept.To))
	}
	return kept, nil
}

// save writes the place so that it is whole whatever happens.
func (p place) save(f migrateFlags) error {
	if f.state == "" || f.dryRun {
		return nil
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := os.WriteFile(f.state+".new", append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("keep how far it came: %w", err)
	}
	if err := os.Rename(f.state+".new", f.state); err != nil {
		return fmt.Errorf("keep how far it came: %w", err)
	}
	return nil
}

// openStore opens one of the stores that a flag names. A source must be there.
func openStore(ctx context.Context, flag, store string, source bool, d door) (upload.Records, func() error, error) {
	kind, where, _ := strings.Cut(store, ":")
	switch {
	case kind == config.RecordsSQLite && where != "":
		if source {
			// Opening would make the file.
			if _, err := os.Stat(where); err != nil {
				return nil, nil, usage("%s: %w", flag, err)
			}
		}
		s, err := sqliterecords.Open(ctx, where, sqliterecords.Options{Now: time.Now})
		if err != nil {
			return nil, nil, usage("%s: %w", flag, err)
		}
		return s, s.Close, nil
	case kind == config.RecordsDynamoDB:
		table := cmp.Or(where, d.getenv("HATCHERY_TABLE"))
		if table == "" {
			return nil, nil, usage("%s: dynamodb needs a table, as in dynamodb:TABLE or with HATCHERY_TABLE", flag)
		}
		cloud, err := awsconfig.LoadDefaultConfig(ctx)
		if err != nil || cloud.Region == "" {
			return nil, nil, usage("%s: AWS is not set up: set AWS_REGION and credentials, or choose a profile with AWS_PROFILE (%v)", flag, err)
		}
		// Only a source is listed. What its lists pass over is not copied.
		options, passedOver := operatorsOptions(d), 0
		tell := options.Damaged
		options.Damaged = func(ctx context.Context, key string, err error) {
			passedOver++ // its lists are read one after the other
			tell(ctx, key, err)
		}
		return dynamorecords.New(dynamodb.NewFromConfig(cloud), table, options), func() error {
			if passedOver > 0 {
				return fmt.Errorf("damaged records of table %q that were not copied: %d", table, passedOver)
			}
			return nil
		}, nil
	case store == config.RecordsBugout:
		options, err := (&bugoutFlags{}).options(d, true)
		if err != nil {
			return nil, nil, err
		}
		var mu sync.Mutex
		passedOver, tell := map[string]bool{}, options.Damaged
		options.Damaged = func(ctx context.Context, err error) {
			mu.Lock()
			defer mu.Unlock()
			if !passedOver[err.Error()] { // each page reads all of them again
				passedOver[err.Error()] = true
				tell(ctx, err)
			}
		}
		s, err := bugoutrecords.New(options)
		if err != nil {
			return nil, nil, usage("%s: %w", flag, err)
		}
		return s, func() error {
			if len(passedOver) > 0 {
				return fmt.Errorf("damaged records in Bugout that were not copied: %d", len(passedOver))
			}
			return nil
		}, nil
	}
	return nil, nil, usage("%s: found %q; accepted: dynamodb:TABLE, bugout, sqlite:FILE", flag, store)
}

// adopter judges and promotes old images for one store.
func adopter(settings config.Config, client *s3.Client, objects *s3objects.Store, records upload.Records) func(context.Context, upload.Record, bool) (*upload.Reason, error) {
	old := s3objects.NewOldImages(client, settings.Legacy.Bucket, settings.Legacy.Prefix, s3objects.Options{Now: time.Now}).Promoting(objects)
	p := &upload.Pipeline{Policy: settings.Policy, Layout: settings.Layout, Records: records, Objects: objects, OldImages: old, Now: time.Now}
	return func(ctx context.Context, r upload.Record, dry bool) (*upload.Reason, error) {
		if dry {
			_, reason, err := p.JudgeOld(ctx, r)
			return reason, err
		}
		_, reason, err := p.AdoptOld(ctx, r)
		return reason, err
	}
}

// openBucket reads the settings of the deployment's buckets and makes a client for
// them.
func openBucket(ctx context.Context, f migrateFlags, d door) (config.Config, *s3.Client, error) {
	flag := "--check-objects"
	if f.validate {
		flag = "--validate"
	}
	settings, err := config.Load(func(name string) string {
		if name == "HATCHERY_RECORDS" {
			return config.RecordsSQLite // which store is meant, the flags say
		}
		return d.getenv(name)
	})
	if err != nil {
		return config.Config{}, nil, usage("%s: the settings have faults:\n%w", flag, err)
	}
	if f.validate && settings.Legacy.Bucket == "" {
		return config.Config{}, nil, usage("--validate: HATCHERY_LEGACY_BUCKET is not set: it is where the images of the replaced service lie")
	}
	cloud, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil || cloud.Region == "" {
		return config.Config{}, nil, usage("%s: AWS is not set up: set AWS_REGION and credentials, or choose a profile with AWS_PROFILE (%v)", flag, err)
	}
	return settings, s3.NewFromConfig(cloud, func(o *s3.Options) { o.UsePathStyle = o.BaseEndpoint != nil }), nil
}
