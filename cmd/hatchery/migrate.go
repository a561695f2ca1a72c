package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hatchery/shared/config"
	"hatchery/shared/migrate"
	"hatchery/shared/upload"
)

// migrateFlags are what a person may say of `hatchery migrate`.
type migrateFlags struct {
	from, to, state        string
	dryRun, json           bool
	validate, checkObjects bool
	atOnce                 atOnce
	bugout                 bugoutFlags
}

// atOnce is how many records are under way, as a flag.
type atOnce int

// The most records at once, in any store and in Bugout.
const (
	maxAtOnce       = 64
	maxAtOnceBugout = 4
)

// Set implements pflag.Value.
func (a *atOnce) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxAtOnce {
		return fmt.Errorf("accepted: 1 to %d", maxAtOnce)
	}
	*a = atOnce(n)
	return nil
}

func (a *atOnce) String() string { return strconv.Itoa(int(*a)) }

// Type implements pflag.Value.
func (*atOnce) Type() string { return "int" }

func migrateCommand(term terminal) *cobra.Command {
	f := migrateFlags{atOnce: 4}
	command := &cobra.Command{
		Use:   "migrate --from STORE --to STORE",
		Short: "Copy records from one store to another",
		Long: `Migrate copies every record of an upload from one store to another. A store is

  dynamodb:TABLE   a table in DynamoDB; dynamodb alone is that of HATCHERY_TABLE
  bugout           resources of Bugout, as --url, --application and --token-file say
  sqlite:FILE      a file, that of a hatchery dev that does not run for instance

Nothing is changed in the source, and the files stay in their buckets. An older state
of a record in the target is brought forward; what differs otherwise is reported and
left alone. What the target has alone is looked for when the source is bugout: the other
stores keep what was deleted as such. It may be broken off and begun again at any time.
Copy once while the old deployment runs, then stop it and copy what came since.

It exits

  0   when the target has everything, or after a dry run would have; an image of the
      replaced service that the policy does not allow changes nothing of that
  1   when something differs or is in the target alone, or a file is missing or could
      not be looked for
  2   when it was used wrongly
  3   when a store failed, a record is damaged, or it was broken off`,
		Example: `  hatchery migrate --from bugout --to dynamodb:hatchery-RecordsTable-1ABC --dry-run
  hatchery migrate --from bugout --to dynamodb --state migration.json --check-objects
  hatchery migrate --from bugout --token-file token --to sqlite:records.db
  hatchery migrate --validate --dry-run   # as --from bugout --to bugout
  hatchery migrate --from sqlite:.hatchery/records.db --to dynamodb`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.validate && f.from == "" && f.to == "" {
				f.from, f.to = config.RecordsBugout, config.RecordsBugout // where such images are recorded
			}
			if err := f.check(); err != nil {
				return err
			}
			return migrateNow(cmd.Context(), f, term)
		},
	}
	flags := command.Flags()
	flags.StringVar(&f.from, "from", "", "the `store` that is copied")
	flags.StringVar(&f.to, "to", "", "the `store` that is filled")
	flags.BoolVar(&f.dryRun, "dry-run", false, "change nothing: say what is missing and what differs")
	flags.BoolVar(&f.json, "json", false, "print the report as one JSON object")
	flags.BoolVar(&f.checkObjects, "check-objects", false, "look whether HATCHERY_BUCKET and, for images of the "+
		"replaced service, HATCHERY_LEGACY_BUCKET hold what the target's stored records serve")
	flags.BoolVar(&f.validate, "validate", false, "judge the replaced service's images as the validator does, and "+
		"promote what the policy allows; the rest stays, and is reported; without --from and --to: those in Bugout")
	flags.StringVar(&f.state, "state", "", "keep in this `file` how far it came, and go on from there; "+
		"a record that failed or is damaged is read again, and a dry run keeps nothing")
	flags.Var(&f.atOnce, "at-once", "how many records are copied at once: `n` up to 64, with bugout up to 4")
	f.bugout.addServer(flags)
	f.bugout.addApplication(flags)
	return command
}

// check looks at the flags alone.
func (f migrateFlags) check() error {
	if f.from == "" || f.to == "" {
		return usage("migrate needs --from and --to, each one of %s", storesAccepted)
	}
	if f.atOnce > maxAtOnceBugout && (f.from == config.RecordsBugout || f.to == config.RecordsBugout) {
		return usage("--at-once: found %d; accepted with bugout: 1 to %d: "+
			"a Bugout server that is asked more at once stalls", f.atOnce, maxAtOnceBugout)
	}
	return nil
}

func migrateNow(ctx context.Context, f migrateFlags, term terminal) error {
	meter := newMeter(term, time.Now)
	term.err = meter // other lines do not mix with its bar
	from, to, err := findStores(f, term)
	if err != nil {
		return err
	}
	settings, cloud, err := loadBucketSettings(ctx, f, term)
	if err != nil {
		return err
	}
	state, err := loadState(f, from.name, to.name)
	if err != nil {
		return err
	}
	// Opening makes files: it comes when nothing else is wrong.
	stores, err := openStores(ctx, from, to)
	if err != nil {
		return err
	}
	m := &migrate.Migration{From: stores.from, To: stores.to, DryRun: f.dryRun, AtOnce: int(f.atOnce),
		Progress: meter.show}
	lookAtFiles(m, f, settings, cloud)
	if f.keeps() {
		m.Keep = func(p migrate.Place) error {
			if p.Cursor != "" && len(stores.damaged()) > 0 {
				return nil // a run from there would not report them
			}
			state.Place = p
			return state.save(f.state)
		}
	}
	report, err := m.Run(ctx, state.Place)
	meter.end()
	err = unfinished(ctx, f, err, stores.close())
	if exit, ok := errors.AsType[*exitError](err); ok && exit.code == exitUsage {
		return err // nothing was done
	}
	for _, damaged := range stores.damaged() {
		report.Damage(damaged.record, damaged.what)
	}
	done := migrationReport{From: from.name, To: to.name, DryRun: f.dryRun, Complete: err == nil, Report: report}
	if printErr := done.print(term, f.json); printErr != nil {
		return system(printErr)
	}
	switch {
	case err != nil:
		return err
	case report.Unchecked > 0:
		return &exitError{exitNo, fmt.Errorf("--check-objects: %s of the replaced service not looked for: "+
			"set HATCHERY_LEGACY_BUCKET, and HATCHERY_LEGACY_PREFIX if there was one, to where they lie",
			countOf(report.Unchecked, "image"))}
	case report.Different+report.Unserved+report.Alone > 0:
		return &exitError{code: exitNo}
	}
	return nil
}

// keeps says whether a state is kept. A dry run keeps none: it reports everything.
func (f migrateFlags) keeps() bool { return f.state != "" && !f.dryRun }

// unfinished is the command's error for that of a run and those of closing its stores.
func unfinished(ctx context.Context, f migrateFlags, err, closing error) error {
	switch {
	case errors.Is(err, upload.ErrBadCursor):
		return usage("--state: %s is of another store: %w", shown(f.state), err)
	case errors.Is(err, migrate.ErrOtherTarget):
		return usage("--state: %s is not of this target: %w; "+
			"name another file, and everything is compared from the start", shown(f.state), err)
	case err != nil && ctx.Err() != nil:
		err = errors.New("broken off; begun again it passes over what was copied")
	}
	if err = errors.Join(err, closing); err != nil {
		return system(err)
	}
	return nil
}

// migrationReport is what is printed of a migration.
type migrationReport struct {
	From   string `json:"from"`
	To     string `json:"to"`
	DryRun bool   `json:"dry_run"`
	// Complete: every record was read, and none of them failed or is damaged.
	Complete bool `json:"complete"`
	migrate.Report
}

func (r migrationReport) print(term terminal, asJSON bool) error {
	if asJSON {
		return printJSON(term.out, r)
	}
	var b strings.Builder
	for _, finding := range r.Findings {
		fmt.Fprintf(&b, "%s  %s", shown(finding.Upload), shown(finding.What))
		if finding.More > 0 {
			fmt.Fprintf(&b, " (and so did %s more)", grouped(int64(finding.More)))
		}
		b.WriteByte('\n')
	}
	copied, adopted := "copied", "judged and promoted: images of the replaced service"
	if r.DryRun {
		copied, adopted = "would be copied", "would be promoted: images of the replaced service"
	}
	if r.From == r.To {
		r.Same = 0 // there is nothing to compare, and they were read
	}
	for _, line := range []struct {
		n    int
		what string
	}{{r.Copied, copied}, {r.Same, "the same in both"}, {r.Different, "different in the target: left alone"},
		{r.Alone, "in the target alone: deleted in the source since, or uploaded to the target"},
		{r.Forgotten, "deleted: the target keeps no deleted records"}, {r.Adopted, adopted},
		{r.Refused, "not allowed by the policy: images of the replaced service, which stay what they were"},
		{r.Unserved, "stored, with a file that is not to be found"},
		{r.Unchecked, "not looked for: files of images of the replaced service"}, {r.Damaged, "damaged: passed over"},
		{r.Failed, "failed"}} {
		if line.n > 0 {
			fmt.Fprintf(&b, "%s  %s\n", grouped(int64(line.n)), line.what)
		}
	}
	if hidden := r.Hidden(); hidden > 0 {
		fmt.Fprintf(&b, "There is more to look at than is shown: %s.\n", countOf(hidden, "finding"))
	}
	fmt.Fprintf(&b, "Read %s", countOf(r.Read, "record"))
	if r.Checked > 0 {
		fmt.Fprintf(&b, ", and looked for %s", countOf(r.Checked, "file"))
	}
	b.WriteString(".\n")
	_, err := fmt.Fprint(term.out, b.String())
	return err
}
