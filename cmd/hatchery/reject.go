package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"hatchery/shared/deadletter"
	"hatchery/shared/upload"
)

// rejectFlags are what a person may say of `hatchery reject`.
type rejectFlags struct {
	deploymentFlags
	reason string
	yes    bool
}

func rejectCommand(term terminal) *cobra.Command {
	var f rejectFlags
	command := &cobra.Command{
		Use:   "reject ID --reason WORDS",
		Short: "Give a pending upload up, with words for its uploader",
		Long: `Reject settles one pending upload as rejected, with the code operator and your
words. The uploader reads them: say what to do instead. The application is notified as
of any verdict. The bytes stay in quarantine, and hatchery recheck undoes it while they
are there.

The upload is named by ` + deadletter.UploadForms + `; by its id alone it is
looked for in all records.

It exits 0 when the upload is rejected, also when it was before with the same words, 1
when it is not pending any more, or there is none, 2 when it was used wrongly, and 3
when another system failed; then do it again.`,
		Example: `  hatchery reject --stack hatchery j1/e1/01990000-0000-7000-8000-000000000000 \
    --reason "We could not read this file: save it as PNG and upload it again."
  hatchery reject --data .hatchery 01990000-0000-7000-8000-000000000000 --reason "Use the other form." --yes`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("reject takes one upload, but got %d: %s", len(args), deadletter.UploadForms)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := parseUploadName(args[0])
			if err != nil {
				return err
			}
			if f.reason == "" {
				return usage("--reason: found nothing; accepted: the words that the uploader reads")
			}
			if err := f.check(); err != nil {
				return err
			}
			return rejectNow(cmd.Context(), f, name, term)
		},
	}
	flags := command.Flags()
	addDeploymentFlags(flags, &f.deploymentFlags)
	flags.StringVar(&f.reason, "reason", "", fmt.Sprintf("what the uploader reads: one `line` of at most %d bytes",
		upload.MaxWords))
	flags.BoolVar(&f.yes, "yes", false, "do not ask")
	return command
}

func rejectNow(ctx context.Context, f rejectFlags, name deadletter.UploadName, term terminal) (err error) {
	if err := upload.CheckWords(f.reason); err != nil {
		return usage("--reason: %w", err)
	}
	dep, err := openDeployment(ctx, f.deploymentFlags, term)
	if err != nil {
		return err
	}
	defer closing(&err, dep.close)
	record, err := mustFind(ctx, dep, name, term)
	if err != nil {
		return err
	}
	if record.Status == upload.Pending {
		question := fmt.Sprintf("Reject upload %s (%s, pending since %s)?", deadletter.NameOf(record.Ref()),
			shown(record.FullName()), stamp(record.CreatedAt))
		if err := confirm(ctx, term, question, f.yes); err != nil {
			return err
		}
	}
	review, err := dep.actingReview(ctx)
	if err != nil {
		return err
	}
	audit, err := beginAudit(ctx, review, deadletter.Audit{Action: deadletter.Reject, Reason: f.reason,
		Selection: deadletter.Selection{Messages: []string{string(record.ID)}}}, term)
	if err != nil {
		return err
	}
	result, err := review.RejectUpload(ctx, record.Ref(), f.reason)
	lost := endAudit(ctx, review, audit, []deadletter.Result{result})
	if err != nil {
		return errors.Join(system(err), lost)
	}
	fmt.Fprintf(term.out, "%s  %s\n", deadletter.NameOf(record.Ref()), safe(result.Detail))
	if lost != nil {
		return lost
	}
	if result.Result != deadletter.ResultDone {
		return &exitError{code: exitNo}
	}
	return nil
}
