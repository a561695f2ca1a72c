package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hatchery/shared/attempts"
	"hatchery/shared/deadletter"
	"hatchery/shared/upload"
)

// showFlags are what a person may say of `hatchery show`.
type showFlags struct {
	deploymentFlags
	json bool
}

func showCommand(term terminal) *cobra.Command {
	var f showFlags
	command := &cobra.Command{
		Use:   "show ID",
		Short: "Show all that is known of one upload, and what can be done about it",
		Long: `Show gives the record of one upload, its versions in quarantine and in files, what
validators noted at the last receptions of its messages, and its dead letters as the
newest listing (hatchery dlq ls) has them: as a timeline, oldest first, and then the
commands that fit. It changes nothing, receives nothing and reads no file.

The upload is named by ` + uploadForms + `; by its id alone it is
looked for in all records.

It exits 0 when there is such an upload, 1 when there is none, 2 when it was used
wrongly, and 3 when another system failed.`,
		Example: `  hatchery show --stack hatchery j1/e1/01990000-0000-7000-8000-000000000000
  hatchery show --data .hatchery 01990000-0000-7000-8000-000000000000
  hatchery show 01990000-0000-7000-8000-000000000000 --json | jq .events`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("show takes one upload, but got %d: %s", len(args), uploadForms)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := parseUploadName(args[0])
			if err != nil {
				return err
			}
			if err := f.check(); err != nil {
				return err
			}
			return showNow(cmd.Context(), f, name, term)
		},
	}
	flags := command.Flags()
	addDeploymentFlags(flags, &f.deploymentFlags)
	flags.BoolVar(&f.json, "json", false, "print one JSON object: record, versions, attempts, letters, events")
	return command
}

func showNow(ctx context.Context, f showFlags, name uploadName, term terminal) (err error) {
	dep, err := openDeployment(ctx, f.deploymentFlags, term)
	if err != nil {
		return err
	}
	defer closing(&err, dep.close)
	record, err := mustFind(ctx, dep, name, term)
	if err != nil {
		return err
	}
	known, err := dep.known(ctx, record)
	if err != nil {
		return system(fmt.Errorf("look at upload %s: %w", record.ID, err))
	}
	known.Events = known.timeline(time.Now())
	if f.json {
		err = json.NewEncoder(term.out).Encode(known)
	} else {
		err = known.print(term.out, f.words())
	}
	if err != nil {
		return system(err)
	}
	return nil
}

// knownUpload is all that is known of one upload. Its JSON is what show --json prints.
type knownUpload struct {
	Record   upload.Record       `json:"record"`
	Versions []knownVersion      `json:"versions"`
	Attempts []attempts.Attempt  `json:"attempts"` // oldest first
	Letters  []deadletter.Letter `json:"letters"`
	Events   []event             `json:"events"` // oldest first
}

// knownVersion is one version of an upload.
type knownVersion struct {
	Where   string         `json:"where"`
	Version upload.Version `json:"version"`
	Size    int64          `json:"size"`
	At      time.Time      `json:"at"`
	// Judged: the verdict is about it. Served: callers get it.
	Judged bool `json:"judged,omitempty"`
	Served bool `json:"served,omitempty"`
}

// Where a version is.
const (
	inQuarantine = "quarantine"
	inFiles      = "files"
)

// known looks at the bucket for what there is of an upload.
func (d *deployment) known(ctx context.Context, record upload.Record) (knownUpload, error) {
	k := knownUpload{Record: record, Versions: []knownVersion{}, Attempts: []attempts.Attempt{},
		Letters: []deadletter.Letter{}}
	arrived, err := versionsOf(ctx, d.Objects, d.Uploads.Layout.QuarantineKey(record.Ref()))
	if err != nil {
		return k, err
	}
	copied, err := versionsOf(ctx, d.Objects, d.Uploads.Layout.FilesKey(record.Ref()))
	if err != nil {
		return k, err
	}
	for _, v := range arrived {
		k.Versions = append(k.Versions, knownVersion{Where: inQuarantine, Version: v.Version, Size: v.Size, At: v.At,
			Judged: v.Version == record.JudgedVersion})
	}
	for _, v := range copied {
		k.Versions = append(k.Versions, knownVersion{Where: inFiles, Version: v.Version, Size: v.Size, At: v.At,
			Served: record.Status == upload.Stored && v.Version == record.ServedVersion})
	}
	noted, err := attemptsAt(ctx, d.Notes, record.ID)
	if err != nil {
		return k, err
	}
	k.Attempts = append(k.Attempts, noted...)
	letters, err := d.lettersOf(ctx, record.ID)
	k.Letters = append(k.Letters, letters...)
	return k, err
}

// versionsOf lists the versions of one key, oldest first.
func versionsOf(ctx context.Context, objects upload.Inventory, key upload.Key) ([]upload.ObjectVersion, error) {
	var all []upload.ObjectVersion
	err := upload.EachVersion(ctx, objects, key, upload.MaxPage, func(v upload.ObjectVersion) bool {
		all = append(all, v)
		return true
	})
	slices.Reverse(all)
	return all, err
}

// maxAttempts bounds what is read of an upload's attempts: a message leaves attempts.Last of them.
const maxAttempts = 200

// attemptsAt reads what validators noted at an upload's messages, oldest first.
func attemptsAt(ctx context.Context, notes upload.Notes, id upload.ID) ([]attempts.Attempt, error) {
	all, err := attempts.List(ctx, notes, attempts.Prefix+string(id)+"/", maxAttempts)
	slices.SortStableFunc(all, func(a, b attempts.Attempt) int { return a.Began.Compare(b.Began) })
	return all, err
}

// lettersOf gives the dead letters of an upload that the newest listing has, explained afresh.
func (d *deployment) lettersOf(ctx context.Context, id upload.ID) ([]deadletter.Letter, error) {
	review := d.Review(nil, "") // it receives nothing
	newest, err := review.Snapshot(ctx, "")
	if errors.Is(err, deadletter.ErrNoSnapshot) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the newest listing of dead letters: %w", err)
	}
	letters, err := review.Show(ctx, newest, string(id))
	if err != nil {
		return nil, fmt.Errorf("read the newest listing of dead letters: %w", err)
	}
	return letters, nil
}

// print writes it for a person. flags are those that name the deployment.
func (k knownUpload) print(out io.Writer, flags string) error {
	r := k.Record
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "upload\t%s\n", named(r.Ref()))
	fmt.Fprintf(w, "name\t%s\n", shown(r.FullName()))
	if r.Filename != "" {
		fmt.Fprintf(w, "filename\t%s\n", shown(r.Filename))
	}
	fmt.Fprintf(w, "status\t%s\n\n", r.Status)
	if err := w.Flush(); err != nil {
		return err
	}
	for _, e := range k.Events {
		fmt.Fprintf(w, "%s\t%s\n", stamp(e.At), safe(e.What))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, next := range k.next(flags) {
		fmt.Fprintln(w, safe(next))
	}
	return w.Flush()
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
