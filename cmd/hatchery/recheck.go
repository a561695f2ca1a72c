package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"hatchery/shared/deadletter"
	"hatchery/shared/upload"
)

// recheckFlags are what a person may say of `hatchery recheck`.
type recheckFlags struct {
	deploymentFlags
	code, since       string
	dryRun, yes, json bool
}

func recheckCommand(term terminal) *cobra.Command {
	var f recheckFlags
	command := &cobra.Command{
		Use:   "recheck ID... | --code CODE",
		Short: "Have rejected uploads judged again",
		Long: `Recheck makes rejected uploads pending again and sends the validator the message of
exactly the bytes that were rejected: after the policy was changed, for instance, or to
undo hatchery reject. It is possible while those bytes are in quarantine. With
--dry-run it reads the bytes here, and says what their verdict would be by the policy of
now; whether the entry is full, or has the same file already, it does not ask.

Of an upload that is not rejected and has bytes in quarantine the message is sent again: its
own may have been lost, or have died.

Uploads are named by ` + deadletter.UploadForms + `, or chosen by the code of
their rejection.

A run that ends between the two leaves a pending upload with its bytes: the reconciler
sends its message.

It exits 0 when all are pending now (with --dry-run: would be stored), also those that
were before, 1 when one is not rejected, its bytes are gone, it would be rejected again,
or there is none, 2 when it was used wrongly, and 3 when another system failed; then do
it again.`,
		Example: `  hatchery recheck --stack hatchery --dry-run j1/e1/01990000-0000-7000-8000-000000000000
  hatchery recheck --data .hatchery 01990000-0000-7000-8000-000000000000
  hatchery recheck --code too_large --since 24h --dry-run --json | jq 'select(.result != "would_be_stored")'
  hatchery recheck --code too_large --since 2026-11-23 --yes`,
		RunE: func(cmd *cobra.Command, args []string) error {
			names, chosen, err := f.uploads(args, time.Now())
			if err != nil {
				return err
			}
			return recheckNow(cmd.Context(), f, names, chosen, term)
		},
	}
	flags := command.Flags()
	addDeploymentFlags(flags, &f.deploymentFlags)
	flags.StringVar(&f.code, "code", "", "all uploads that were rejected with this `code`")
	flags.StringVar(&f.since, "since", "",
		"with --code: those rejected since this `time` (RFC 3339, or a date), or for so long (24h)")
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what would come of it, and do nothing")
	flags.BoolVar(&f.yes, "yes", false, "do not ask before more than one")
	flags.BoolVar(&f.json, "json", false, "print one JSON object a line for each upload")
	return command
}

// byCode chooses uploads by their rejection.
type byCode struct {
	code  upload.Code
	since time.Time
}

// uploads says which uploads are meant: those that are named, or with none those that are chosen.
func (f recheckFlags) uploads(args []string, now time.Time) ([]deadletter.UploadName, byCode, error) {
	chosen := byCode{code: upload.Code(f.code)}
	switch {
	case len(args) == 0 && f.code == "":
		return nil, chosen, usage("recheck needs uploads, %s, or --code", deadletter.UploadForms)
	case len(args) > 0 && f.code != "":
		return nil, chosen, usage("recheck takes uploads or --code, and not both")
	case f.since != "" && f.code == "":
		return nil, chosen, usage("--since belongs to --code")
	case f.code != "" && !slices.Contains(upload.Codes(), chosen.code):
		return nil, chosen, usage("--code: found %s; accepted: %v", quoted(f.code), upload.Codes())
	}
	if err := f.check(); err != nil {
		return nil, chosen, err
	}
	if f.since != "" {
		var err error
		if chosen.since, err = parseSince(f.since, now); err != nil {
			return nil, chosen, err
		}
	}
	names, err := parseUploadNames(args)
	return names, chosen, err
}

// parseSince reads a time, a date (its beginning, in UTC), or an age.
func parseSince(text string, now time.Time) (time.Time, error) {
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(form, text); err == nil {
			return at, nil
		}
	}
	if age, err := time.ParseDuration(text); err == nil && age > 0 {
		return now.Add(-age), nil
	}
	return time.Time{}, usage("--since: found %s; accepted: a time like 2026-11-23T12:00:00Z, a date like 2026-11-23, "+
		"or an age like 24h", quoted(text))
}

// maxChosen bounds what one run chooses by code: all of it is counted before anything is done.
const maxChosen = 100_000

// choose finds the uploads that are meant.
func (c byCode) choose(ctx context.Context, records upload.Records) ([]upload.Ref, error) {
	var refs []upload.Ref
	for cursor := upload.Cursor(""); ; {
		page, err := records.Scan(ctx, upload.ScanQuery{Status: upload.Rejected, Cursor: cursor, Limit: upload.MaxPage})
		if err != nil {
			return nil, system(fmt.Errorf("list the rejected records: %w", err))
		}
		for _, r := range page.Records {
			if r.Reason != nil && r.Reason.Code == c.code && !r.SettledAt.Before(c.since) {
				refs = append(refs, r.Ref())
			}
		}
		if len(refs) > maxChosen {
			return nil, usage("more than %s uploads were rejected as %s: choose fewer with --since", grouped(maxChosen), c.code)
		}
		if cursor = page.Next; cursor == "" {
			return refs, nil
		}
	}
}

func recheckNow(ctx context.Context, f recheckFlags, names []deadletter.UploadName, chosen byCode,
	term terminal) (err error) {
	dep, err := openDeployment(ctx, f.deploymentFlags, term)
	if err != nil {
		return err
	}
	defer closing(&err, dep.close)
	var refs []upload.Ref
	for _, name := range names {
		record, err := mustFind(ctx, dep, name, term)
		if err != nil {
			return err
		}
		refs = append(refs, record.Ref())
	}
	if chosen.code != "" {
		if refs, err = chosen.choose(ctx, dep.Uploads.Records); err != nil {
			return err
		}
		if len(refs) == 0 {
			return &exitError{exitNo, fmt.Errorf("no upload was rejected as %s in that time", chosen.code)}
		}
	}
	r := rechecker{out: term.out, json: f.json}
	if f.dryRun {
		return r.all(ctx, refs, dep.Review(nil, "").WouldRecheck)
	}
	if len(refs) > 1 {
		if err := confirm(ctx, term, fmt.Sprintf("Have %s judged again?", countOf(len(refs), "upload")), f.yes); err != nil {
			return err
		}
	}
	review, err := dep.actingReview(ctx)
	if err != nil {
		return err
	}
	audit, err := beginAudit(ctx, review, deadletter.Audit{Action: deadletter.Recheck,
		Selection: deadletter.Selection{Messages: idsOf(refs), Code: chosen.code}}, term)
	if err != nil {
		return err
	}
	err = r.all(ctx, refs, review.RecheckUpload)
	return errors.Join(err, endAudit(ctx, review, audit, r.results))
}

func idsOf(refs []upload.Ref) []string {
	ids := make([]string, len(refs))
	for i, ref := range refs {
		ids[i] = string(ref.ID)
	}
	return ids
}

// rechecker has uploads judged again, or says what would come of it.
type rechecker struct {
	out     io.Writer
	json    bool
	results []deadletter.Result
}

// all goes over the uploads and gives the worst that came of one.
func (r *rechecker) all(ctx context.Context, refs []upload.Ref,
	one func(context.Context, upload.Ref) deadletter.Rechecked) error {
	code := exitDone
	for _, ref := range refs {
		if ctx.Err() != nil {
			return system(fmt.Errorf("interrupted after %s of %s", grouped(int64(len(r.results))),
				countOf(len(refs), "upload")))
		}
		was := one(ctx, ref)
		result := was.Audited()
		switch result.Result {
		case deadletter.ResultDone:
		case deadletter.ResultFailed:
			code = exitSystem
		default:
			code = max(code, exitNo)
		}
		r.results = append(r.results, result)
		if err := r.print(was); err != nil {
			return system(err)
		}
	}
	if code != exitDone {
		return &exitError{code: code}
	}
	return nil
}

func (r *rechecker) print(line deadletter.Rechecked) error {
	if r.json {
		return printJSON(r.out, line)
	}
	_, err := fmt.Fprintf(r.out, "%s  %s\n", line.Name, safe(line.Detail))
	return err
}
