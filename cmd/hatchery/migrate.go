package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hatchery/shared/migrate"
	"hatchery/shared/upload"
)

// migrateFlags are what a person may say of `hatchery migrate`.
type migrateFlags struct {
	from, to, state        string
	dryRun, json           bool
	validate, checkObjects bool
	atOnce                 int
	bugout                 bugoutFlags
}

func migrateCommand(d door) *cobra.Command {
	var f migrateFlags
	command := &cobra.Command{
		Use:   "migrate --from STORE --to STORE",
		Short: "Copy records from one store to another",
		Long: `Migrate copies every record of an upload from one store to another. A store is

  dynamodb:TABLE   a table in DynamoDB; dynamodb alone is that of HATCHERY_TABLE
  bugout           resources of Bugout, as --url, --application and --token-file say,
                   or HATCHERY_BUGOUT_URL, _APPLICATION_ID and _TOKEN
  sqlite:FILE      a file, that of a hatchery dev that does not run for instance

Nothing is changed in the source, and what differs in the target is reported and left
alone. The files stay in their buckets. It may be broken off and begun again at any
time: what was copied before is passed over, and with --state not even read again.
Copy once while the old deployment runs, then stop it and copy what came since.

With --check-objects the target's stored records are compared with the bucket
(HATCHERY_BUCKET): is there what they serve? The images of the replaced service are
looked for in its own (HATCHERY_LEGACY_BUCKET, HATCHERY_LEGACY_PREFIX).

With --validate those images are read as the validator reads, and what the policy
allows is promoted: it is an upload as any other from then on. The rest stays what it
was, and is reported.

It exits

  0   when the target has everything, or after a dry run would have
  1   when something differs or is in the target alone, or a file is missing or could
      not be looked for
  2   when it was used wrongly
  3   when a store failed, or a record of the source is damaged: that one is reported
      and passed over`,
		Example: `  hatchery migrate --from bugout --to dynamodb:hatchery-RecordsTable-1ABC --dry-run
  hatchery migrate --from bugout --to dynamodb --state migration.json --check-objects
  hatchery migrate --from bugout --token-file token --to sqlite:records.db
  hatchery migrate --from bugout --to bugout --validate --dry-run
  hatchery migrate --from sqlite:.hatchery/records.db --to dynamodb`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.from == "" || f.to == "" {
				return usage("migrate needs --from and --to, each one of %s", storesAccepted)
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
	command.Flags().BoolVar(&f.checkObjects, "check-objects", false, "look whether the buckets hold what stored records serve")
	command.Flags().BoolVar(&f.validate, "validate", false, "judge the replaced service's images and promote what is allowed")
	command.Flags().StringVar(&f.state, "state", "", "keep in this `file` how far it came, and go on from there; a dry run does not")
	command.Flags().IntVar(&f.atOnce, "at-once", 4, "how many records are copied at once; Bugout bears no more than `n`=4")
	f.bugout.addServer(command.Flags())
	f.bugout.addApplication(command.Flags())
	return command
}

func migrateNow(ctx context.Context, f migrateFlags, d door) error {
	meter := newMigrationMeter(d, time.Now)
	d.err = meter // what is said meanwhile is no part of the bar
	from, to, err := findStores(f, d)
	if err != nil {
		return err
	}
	m := &migrate.Migration{DryRun: f.dryRun, AtOnce: f.atOnce, Progress: meter.show}
	pipeline, err := addBuckets(ctx, m, f, d)
	if err != nil {
		return err
	}
	state, err := loadState(f, from.name, to.name)
	if err != nil {
		return err
	}
	if f.keeps() {
		m.Keep = func(p migrate.Place) error {
			state.Place = p
			return state.save(f.state)
		}
	}
	// Opening makes files: it comes when nothing else is wrong.
	stores, err := openStores(ctx, from, to)
	if err != nil {
		return err
	}
	m.From, m.To, pipeline.Records = stores.from, stores.to, stores.to
	report, err := m.Run(ctx, state.Place)
	meter.end()
	if err = errors.Join(err, stores.close()); err != nil {
		err = unfinished(f, err)
	}
	if printErr := printMigration(d, f, report); printErr != nil {
		return system(printErr)
	}
	switch {
	case err != nil:
		return err
	case report.Unchecked > 0:
		return &exitError{exitNo, fmt.Errorf("--check-objects: %s images of the replaced service were not looked for: set HATCHERY_LEGACY_BUCKET, and HATCHERY_LEGACY_PREFIX if there was one, to where they lie", grouped(int64(report.Unchecked)))}
	case report.Different+report.Unserved+report.Alone > 0:
		return &exitError{code: exitNo}
	}
	return nil
}

// keeps says whether it is kept how far the migration came. A dry run tells of all.
func (f migrateFlags) keeps() bool { return f.state != "" && !f.dryRun }

// unfinished says what a migration's end that was not its own means.
func unfinished(f migrateFlags, err error) error {
	switch {
	case errors.Is(err, upload.ErrBadCursor):
		return usage("--state: %s is of another store: %w", shown(f.state), err)
	case errors.Is(err, context.Canceled):
		return system(fmt.Errorf("broken off; begun again it passes over what was copied: %w", err))
	}
	return system(err)
}

func printMigration(d door, f migrateFlags, r migrate.Report) error {
	if f.json {
		return json.NewEncoder(d.out).Encode(r)
	}
	var b strings.Builder
	for _, finding := range r.Findings {
		fmt.Fprintf(&b, "%s  %s\n", shown(finding.Upload), shown(finding.What))
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
		{r.Forgotten, "were deleted, and the target keeps no deleted ones"}, {r.Adopted, adopted},
		{r.Refused, "are images of the replaced service that the policy does not allow, and stay what they were"},
		{r.Unserved, "are stored, but their file is not to be found"},
		{r.Unchecked, "are images of the replaced service whose file was not looked for"}, {r.Failed, "failed"}} {
		if line.n > 0 {
			fmt.Fprintf(&b, "%s  %s\n", grouped(int64(line.n)), line.what)
		}
	}
	if found := r.Different + r.Alone + r.Refused + r.Unserved + r.Failed; found > len(r.Findings) {
		fmt.Fprintf(&b, "The first %s of %s findings are shown.\n", grouped(int64(len(r.Findings))), grouped(int64(found)))
	}
	fmt.Fprintf(&b, "Read %s records.\n", grouped(int64(r.Read)))
	_, err := fmt.Fprint(d.out, b.String())
	return err
}
