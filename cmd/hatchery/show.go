package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

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

The upload is named by ` + deadletter.UploadForms + `; by its id alone it is
looked for in all records.

It exits 0 when there is such an upload, 1 when there is none, 2 when it was used
wrongly, and 3 when another system failed.`,
		Example: `  hatchery show --stack hatchery j1/e1/01990000-0000-7000-8000-000000000000
  hatchery show --data .hatchery 01990000-0000-7000-8000-000000000000
  hatchery show 01990000-0000-7000-8000-000000000000 --json | jq .events`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("show takes one upload, but got %d: %s", len(args), deadletter.UploadForms)
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

func showNow(ctx context.Context, f showFlags, name deadletter.UploadName, term terminal) (err error) {
	dep, err := openDeployment(ctx, f.deploymentFlags, term)
	if err != nil {
		return err
	}
	defer closing(&err, dep.close)
	record, err := mustFind(ctx, dep, name, term)
	if err != nil {
		return err
	}
	story, err := dep.Review(nil, "").Story(ctx, record) // it receives nothing
	if err != nil {
		return system(fmt.Errorf("look at upload %s: %w", record.ID, err))
	}
	if f.json {
		err = printJSON(term.out, story)
	} else {
		err = printStory(term.out, story, f.words())
	}
	if err != nil {
		return system(err)
	}
	return nil
}

// printStory writes it for a person. flags are those that name the deployment.
func printStory(out io.Writer, s deadletter.Story, flags string) error {
	r := s.Record
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "upload\t%s\n", deadletter.NameOf(r.Ref()))
	fmt.Fprintf(w, "name\t%s\n", shown(r.FullName()))
	if r.Filename != "" {
		fmt.Fprintf(w, "filename\t%s\n", shown(r.Filename))
	}
	fmt.Fprintf(w, "status\t%s\n\n", r.Status)
	if err := w.Flush(); err != nil {
		return err
	}
	for _, e := range s.Events {
		fmt.Fprintf(w, "%s\t%s\n", stamp(e.At), safe(e.What))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, next := range nextCommands(s, flags) {
		fmt.Fprintln(w, safe(next))
	}
	return w.Flush()
}

// nextCommands says what can be done about it, with the commands. flags are those that name the deployment.
func nextCommands(s deadletter.Story, flags string) []string {
	ref := deadletter.NameOf(s.Record.Ref())
	var lines []string
	if advice := s.Advice(); advice != "" {
		lines = append(lines, advice)
	}
	for _, l := range s.Letters {
		if l.Done == nil && l.Diagnosis.Suggest != "" {
			line := fmt.Sprintf("Dead letter: hatchery dlq %s%s %s", l.Diagnosis.Suggest, flags, shellWord(l.MessageID))
			if l.Diagnosis.Suggest != deadletter.Redrive {
				line += wordsWanted
			}
			lines = append(lines, line)
		}
	}
	command := func(sentence, command, more string) {
		lines = append(lines, fmt.Sprintf("%s: hatchery %s%s %s%s", sentence, command, flags, ref, more))
	}
	switch {
	case s.Record.Status == upload.Pending && s.CanRecheck():
		command("Its bytes wait for the validator. To send its message again", "recheck", "")
		command("To give it up", "reject", wordsWanted)
	case s.Record.Status == upload.Pending:
		lines = append(lines, "Nothing of it is in quarantine: the reconciler gives it up, or has its copy judged, "+
			"a day after nothing can come any more.")
		command("To give it up now", "reject", wordsWanted)
	case s.Record.Status == upload.Rejected && s.CanRecheck():
		command("What it would get now", "recheck", " --dry-run")
		command("To have it judged again", "recheck", "")
	case s.Record.Status == upload.Rejected:
		lines = append(lines, "Its bytes are gone: it has to be uploaded again.")
	default:
		lines = append(lines, "Nothing has to be done.")
	}
	return lines
}
