package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// oneOfItsCommands is for a command that only has others below it.
func oneOfItsCommands(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, command := range c.Commands() {
		if command.IsAvailableCommand() {
			names = append(names, command.Name())
		}
	}
	return usage("unknown command %q for %q%s\nSee '%s --help'.", args[0], c.CommandPath(),
		didYouMean(args[0], "", names), c.CommandPath())
}

// flagFault says what is wrong with a flag. A command that is not there is what is wrong, and not its flags.
func flagFault(c *cobra.Command, err error) error {
	if c.HasAvailableSubCommands() && c.Flags().NArg() > 0 {
		return oneOfItsCommands(c, c.Flags().Args())
	}
	meant := ""
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok && unknown.GetSpecifiedShortnames() == "" {
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		meant = didYouMean(unknown.GetSpecifiedName(), "--", names)
	}
	return usage("%w%s\nSee '%s --help'.", err, meant, c.CommandPath())
}

// didYouMean asks for the names that are closest to what was typed; "" when none is close.
func didYouMean(typed, prefix string, names []string) string {
	var closest []string
	least := 2 // more mistakes than these are another word
	for _, name := range names {
		mistakes := mistakesBetween(typed, name)
		if mistakes > least || 2*mistakes >= len(name) {
			continue
		}
		if mistakes < least {
			closest, least = nil, mistakes
		}
		closest = append(closest, prefix+name)
	}
	if closest == nil {
		return ""
	}
	return ". Did you mean " + strings.Join(closest, " or ") + "?"
}

// mistakesBetween counts the bytes that were left out, added, mistaken or swapped with a neighbour; 3 stands for more.
func mistakesBetween(a, b string) int {
	if max(len(a), len(b))-min(len(a), len(b)) > 2 {
		return 3
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
		for j := 1; j <= len(b); j++ {
			switch {
			case i == 0:
				rows[i][j] = j
				continue
			case a[i-1] == b[j-1]:
				rows[i][j] = rows[i-1][j-1]
			default:
				rows[i][j] = 1 + min(rows[i-1][j-1], rows[i-1][j], rows[i][j-1])
			}
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], 1+rows[i-2][j-2])
			}
		}
	}
	return min(rows[len(a)][len(b)], 3)
}
