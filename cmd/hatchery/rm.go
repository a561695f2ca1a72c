package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func rmCommand(term terminal) *cobra.Command {
	var f callerFlags
	var yes bool
	command := &cobra.Command{
		Use:   "rm ID... --journal J --entry E",
		Short: "Delete uploads",
		Long: `Rm deletes uploads, whatever their status: the records are marked as deleted, and all
bytes go. It cannot be undone. It asks first.

` + callersHelp + `

It exits 0 when all are deleted, 1 when one is not there, or was not to be deleted, 2
when it was used wrongly (without a terminal give --yes), and 3 when another system
failed.`,
		Example: `  hatchery rm --journal demo --entry 1 01990000-0000-7000-8000-000000000000
  hatchery ls --journal demo --entry 1 --status rejected --json | jq -r .id |
    xargs hatchery rm --journal demo --entry 1 --yes`,
		Args: atLeastOne("rm", "id of an upload", "hatchery rm --journal demo --entry 1 ID"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			from, err := f.open(term)
			if err != nil {
				return err
			}
			question := fmt.Sprintf("Delete %s of %s/%s?", countOf(len(ids), "upload"), f.journal, f.entry)
			if len(ids) == 1 && !yes {
				record, err := from.Get(cmd.Context(), ids[0])
				if err != nil {
					return f.failed(err)
				}
				question = fmt.Sprintf("Delete %s (%s, %s bytes)?", shown(record.FullName()), record.Status, grouped(record.Size))
			}
			if err := confirm(cmd.Context(), term, question, yes); err != nil {
				return err
			}
			return f.each(cmd.Context(), term, ids, "are deleted, and perhaps this one", func(id string) error {
				record, err := from.Delete(cmd.Context(), id)
				if err == nil {
					_, err = fmt.Fprintf(term.out, "deleted  %s  %s\n", safe(record.ID), shown(record.FullName()))
				}
				return err
			})
		},
	}
	f.add(command.Flags())
	command.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return command
}
