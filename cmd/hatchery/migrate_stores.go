package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hatchery/shared/config"
	"hatchery/shared/migrate"
	"hatchery/shared/records/bugoutrecords"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/records/sqliterecords"
	"hatchery/shared/upload"
)

// storesAccepted are what --from and --to take.
const storesAccepted = "dynamodb:TABLE, bugout, sqlite:FILE"

// findStores reads what the flags say of the stores, and opens none.
func findStores(f migrateFlags, term terminal) (from, to migrationStore, err error) {
	if from, err = findStore("--from", f.from, f, term); err != nil {
		return from, to, err
	}
	if to, err = findStore("--to", f.to, f, term); err != nil {
		return from, to, err
	}
	switch {
	case from.name == to.name && !f.validate && !f.checkObjects:
		err = usage("--from and --to are the same store, which only --validate and --check-objects have a use for")
	case f.bugout != (bugoutFlags{}) && f.from != config.RecordsBugout && f.to != config.RecordsBugout:
		err = usage("--url, --application and --token-file are about Bugout, and neither --from nor --to is bugout")
	}
	return from, to, err
}

// openedStores are the two of a migration, which may be one.
type openedStores struct {
	from, to   upload.Records
	closers    []func() error
	passedOver []*passedOver
}

// damaged are the records that the stores' lists passed over until now.
func (s *openedStores) damaged() []damagedRecord {
	var all []damagedRecord
	for _, p := range s.passedOver {
		all = append(all, p.records()...)
	}
	return all
}

func openStores(ctx context.Context, from, to migrationStore) (*openedStores, error) {
	s := &openedStores{}
	open := func(store migrationStore, source bool) (upload.Records, error) {
		damaged := &passedOver{source: source}
		opened, err := store.open(ctx, damaged)
		if err == nil {
			s.closers = append(s.closers, opened.close, damaged.err)
			s.passedOver = append(s.passedOver, damaged)
		}
		return opened.records, err
	}
	var err error
	if s.from, err = open(from, true); err != nil {
		return nil, err
	}
	if s.to = s.from; from.name != to.name {
		if s.to, err = open(to, false); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	return s, nil
}

func (s *openedStores) close() error {
	var all error
	for _, done := range s.closers {
		all = errors.Join(all, done())
	}
	return all
}

// migrationStore is a store that a flag names.
type migrationStore struct {
	// name tells it from others, also in the state of an earlier run.
	name string
	// open opens it. damaged notes what its lists pass over.
	open func(ctx context.Context, damaged *passedOver) (openedStore, error)
}

func findStore(flag, value string, f migrateFlags, term terminal) (migrationStore, error) {
	kind, where, _ := strings.Cut(value, ":")
	switch {
	case kind == config.RecordsSQLite && where != "":
		path, err := filepath.Abs(where)
		if err != nil {
			return migrationStore{}, usage("%s: %w", flag, err)
		}
		return migrationStore{"sqlite:" + path, func(ctx context.Context, damaged *passedOver) (openedStore, error) {
			return openFile(ctx, flag, path, damaged.source, f.dryRun)
		}}, nil
	case kind == config.RecordsDynamoDB:
		table := cmp.Or(where, term.getenv("HATCHERY_TABLE"))
		if table == "" {
			return migrationStore{}, usage("%s: dynamodb needs a table, as in dynamodb:TABLE or with HATCHERY_TABLE", flag)
		}
		return migrationStore{"dynamodb:" + table, func(ctx context.Context, damaged *passedOver) (openedStore, error) {
			return openTable(ctx, table, damaged, term)
		}}, nil
	case value == config.RecordsBugout:
		options, err := f.bugout.options(term, true)
		if err != nil {
			return migrationStore{}, err
		}
		return migrationStore{"bugout:" + options.URL + " " + options.Application,
			func(_ context.Context, damaged *passedOver) (openedStore, error) {
				return openBugout(options, damaged)
			}}, nil
	}
	return migrationStore{}, usage("%s: found %q; accepted: %s", flag, value, storesAccepted)
}

// openFile opens records in SQLite. A source must be there. A target that is not there
// is made, but not by a dry run: that looks into an empty file of its own.
func openFile(ctx context.Context, flag, path string, source, dry bool) (openedStore, error) {
	_, err := os.Stat(path)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && (source || !missing) {
		return openedStore{}, usage("%s: %w", flag, err)
	}
	tidy := closeNothing
	if missing && dry {
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			return openedStore{}, usage("%s: %w", flag, err)
		}
		folder, err := os.MkdirTemp("", "hatchery-")
		if err != nil {
			return openedStore{}, system(err)
		}
		path, tidy = filepath.Join(folder, "records.db"), func() error { return os.RemoveAll(folder) }
	}
	s, err := sqliterecords.Open(ctx, path, sqliterecords.Options{Now: time.Now})
	if err != nil {
		return openedStore{}, errors.Join(usage("%s: %w", flag, err), tidy())
	}
	return openedStore{s, func() error { return errors.Join(s.Close(), tidy()) }}, nil
}

func openTable(ctx context.Context, table string, damaged *passedOver, term terminal) (openedStore, error) {
	cloud, err := loadAWSWithCredentials(ctx)
	if err != nil {
		return openedStore{}, err
	}
	damaged.store = fmt.Sprintf("of table %q", table)
	report := dynamorecords.LogDamaged(operatorsLog(term))
	options := dynamorecords.Options{Now: time.Now, Damaged: func(ctx context.Context, key string, err error) {
		if damaged.first(key, err) {
			report(ctx, key, err)
		}
	}}
	return openedStore{dynamorecords.New(dynamodb.NewFromConfig(cloud), table, options), closeNothing}, nil
}

func openBugout(options bugoutrecords.Options, damaged *passedOver) (openedStore, error) {
	damaged.store = "in Bugout"
	report := options.Damaged
	options.Damaged = func(ctx context.Context, err error) {
		// Each page reads all of them again; the error says which resource it is.
		if damaged.first("", err) {
			report(ctx, err)
		}
	}
	s, err := bugoutStore(options, nil)
	if err != nil {
		return openedStore{}, err
	}
	return openedStore{s, closeNothing}, nil
}

// looksAtFiles says whether the files are looked at that records speak of.
func (f migrateFlags) looksAtFiles() bool { return f.validate || f.checkObjects }

// loadBucketSettings reads where those files are, and how they are reached.
func loadBucketSettings(ctx context.Context, f migrateFlags, term terminal) (config.Config, aws.Config, error) {
	if !f.looksAtFiles() {
		return config.Config{}, aws.Config{}, nil
	}
	settings, err := config.Load(func(name string) string {
		if name == "HATCHERY_RECORDS" {
			return config.RecordsSQLite // which store is meant, the flags say
		}
		return term.getenv(name)
	})
	if f.validate && term.getenv("HATCHERY_LEGACY_BUCKET") == "" && term.getenv("FILES_S3_BUCKET_NAME") == "" {
		missing := errors.New("HATCHERY_LEGACY_BUCKET: found nothing; it is where the images of the replaced service lie")
		err = errors.Join(err, missing)
	}
	if err != nil {
		flag := "--check-objects"
		if f.validate {
			flag = "--validate"
		}
		return config.Config{}, aws.Config{}, usage("%s: the settings have faults:\n%w", flag, err)
	}
	cloud, err := loadAWSWithCredentials(ctx)
	return settings, cloud, err
}

// lookAtFiles has the migration look at files, as the flags say.
func lookAtFiles(m *migrate.Migration, f migrateFlags, settings config.Config, cloud aws.Config) {
	if !f.looksAtFiles() {
		return
	}
	c := composeQuiet(settings, cloud, m.To)
	m.Layout = settings.Layout
	if f.checkObjects {
		m.Objects, m.LegacyImages = c.Objects, c.Uploads.LegacyImages
	}
	if f.validate {
		m.Adopt = adopter(c.Uploads)
	}
}

// adopter judges and promotes legacy images.
func adopter(p *upload.Pipeline) func(context.Context, upload.Record, bool) (*upload.Reason, error) {
	return func(ctx context.Context, r upload.Record, dry bool) (*upload.Reason, error) {
		if dry {
			_, reason, err := p.JudgeLegacy(ctx, r)
			return reason, err
		}
		_, reason, err := p.AdoptLegacy(ctx, r)
		return reason, err
	}
}
