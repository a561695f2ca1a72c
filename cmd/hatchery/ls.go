package main

import (
	"cmp"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"hatchery/client"
	"hatchery/shared/upload"
	"hatchery/shared/wording"
)

func lsCommand(term terminal) *cobra.Command {
	var f callerFlags
	var status string
	var asJSON bool
	command := &cobra.Command{
		Use:   "ls --journal J --entry E",
		Short: "List the uploads of an entry",
		Long: `Ls lists all stored uploads of an entry and kind, newest first; --status chooses others.

` + callersHelp + `

It exits 0 also when there are none, 1 when the API refuses, 2 when it was used wrongly,
and 3 when another system failed. --json is one record a line, as the API gives it, but
without what is not known.`,
		Example: `  hatchery ls --journal demo --entry 1
  hatchery ls --journal demo --entry 1 --status rejected
  hatchery ls --journal demo --entry 1 --json | jq -r .id`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := upload.ParseStatus(status); err != nil {
				return usage("--status: found %q; accepted: %s", status, wording.List(upload.Statuses()))
			}
			from, err := f.open(term)
			if err != nil {
				return err
			}
			print := rows(term.out)
			if asJSON {
				print = func(r client.Record) error { return printJSON(term.out, r) }
			}
			any := false
			for record, err := range from.List(cmd.Context(), client.Status(status)) {
				if err == nil {
					any, err = true, print(record)
				}
				if err != nil {
					return f.failed(err)
				}
			}
			if !any {
				fmt.Fprintf(term.err, "%s/%s has no %s %s\n", f.journal, f.entry, status, f.kind)
			}
			return nil
		},
	}
	f.add(command.Flags())
	command.Flags().StringVar(&status, "status", string(client.Stored), "list those of this `status`: "+
		wording.List(upload.Statuses()))
	command.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line for each upload")
	return command
}

// rows prints a table, line by line: a list may be long.
func rows(out io.Writer) func(client.Record) error {
	const columns = "%-36s  %-19.19s  %13s  %-10s  %s\n"
	header := func() error {
		_, err := fmt.Fprintf(out, columns, "ID", "CREATED", "BYTES", "TYPE", "NAME")
		return err
	}
	return func(r client.Record) error {
		if header != nil {
			if err := header(); err != nil {
				return err
			}
			header = nil
		}
		size := "-"
		if r.Size > 0 {
			size = grouped(r.Size)
		}
		name := safe(r.FullName())
		if r.Reason != nil {
			name += "  " + safe(r.Reason.Code) + ": " + safe(r.Reason.Message)
		}
		_, err := fmt.Fprintf(out, columns, safe(r.ID), safe(r.CreatedAt), size, safe(cmp.Or(r.ContentType, "-")), name)
		return err
	}
}
