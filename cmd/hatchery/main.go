// Command hatchery runs the upload pipeline on one machine, says what it would make of
// a file, and serves the operator of a deployment.
//
// Exit codes: 0 done, 1 the answer is no, 2 used wrongly, 3 another system failed.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	// The roots of TLS for a machine that has none of its own: the image has no file but the program.
	_ "golang.org/x/crypto/x509roots/fallback"

	"hatchery/shared/stdlog"
)

func main() {
	stdlog.Withhold(func(sentence string) { fmt.Fprintln(os.Stderr, "hatchery: "+sentence) })
	// The first signal asks for the end; a second one, with the handler gone, kills.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	// To write for a reader that went away (… | head) fails, and ends no command that holds dead letters.
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(run(ctx, os.Args[1:], ofProcess()))
}

// ofProcess is the terminal of this process.
func ofProcess() terminal {
	return terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv,
		interactive: isTerminal(os.Stdin) && isTerminal(os.Stderr)}
}

// terminal is what a command has around it: where it reads and writes, and the environment.
type terminal struct {
	in       io.Reader
	out, err io.Writer
	// interactive says whether a person can be asked.
	interactive bool
	getenv      func(string) string
}

// The exit codes.
const (
	exitDone   = 0
	exitNo     = 1
	exitUsage  = 2
	exitSystem = 3
)

// exitError ends the command with a code. Without an error of its own everything
// has been said already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

// system is for what another system made fail, unless it was decided otherwise already.
func system(err error) error {
	if decided, ok := errors.AsType[*exitError](err); ok {
		return decided
	}
	return &exitError{exitSystem, err}
}

// closing is deferred: it adds to *err what the closing of something fails with.
func closing(err *error, done func() error) {
	if closeErr := done(); closeErr != nil {
		*err = errors.Join(*err, system(closeErr))
	}
}

// noArguments is for commands that have flags alone.
func noArguments(command *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage("%s takes no arguments, but got %q", command.Name(), args[0])
	}
	return nil
}

// usageFirst prints a command's help, with what most people look for first: how it is
// used. It is no template of cobra's: that would link every method of the AWS SDK.
func usageFirst(c *cobra.Command, _ []string) {
	flags := c.LocalFlags().FlagUsages() + c.InheritedFlags().FlagUsages()
	fmt.Fprintf(c.OutOrStdout(), "Usage:\n  %s\n\nExamples:\n%s\n\n%s\n\nFlags:\n%s\n",
		c.UseLine(), c.Example, c.Long, strings.TrimRight(flags, "\n "))
}

// run is the whole program; it gives the exit code.
func run(ctx context.Context, args []string, term terminal) int {
	version := false
	root := &cobra.Command{
		Use:   "hatchery",
		Short: "Receive untrusted uploads, and serve only what was read and allowed",
		Long: `Hatchery takes an upload into quarantine, reads its bytes, and promotes what the
policy allows to where an application may serve it from.

On this machine:
  hatchery dev            the whole pipeline in one process, nothing else needed
  hatchery break CAUSE    break something in a running dev, to rehearse the runbook
  hatchery mend           mend it
  hatchery check FILE     what the validator would say about a file, and why

As a caller of a deployment, in AWS or here:
  hatchery put FILE       upload files, and wait for their verdicts
  hatchery ls             list what an entry has
  hatchery get ID         read a stored file back
  hatchery rm ID          delete an upload

As its operator:
  hatchery doctor         whether it is set up as it should be, and what to type
  hatchery dlq ls         what died and why, and what puts it right
  hatchery console        the same in a browser, and all below it
  hatchery show ID        all that is known of one upload, and what can be done
  hatchery recheck ID     have a rejected upload judged again
  hatchery reject ID      give a pending upload up
  hatchery reconcile      bring lost uploads to their end, and say what does not fit
  hatchery migrate        copy records from one store to another
  hatchery bugout         prepare and check Bugout as the keeper of records

Settings are environment variables: hatchery help environment.`,
		SilenceErrors: true, SilenceUsage: true, Args: oneOfItsCommands,
		RunE: func(c *cobra.Command, _ []string) error {
			if version {
				_, err := fmt.Fprintln(term.out, versionOf(debug.ReadBuildInfo()))
				return err
			}
			return c.Help()
		},
	}
	root.Flags().BoolVar(&version, "version", false, "say which version this is")
	root.SetArgs(args)
	root.SetOut(term.out)
	root.SetErr(term.err)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(flagFault)
	bugout, dlq := bugoutCommand(term), dlqCommand(term)
	root.AddCommand(devCommand(term), breakCommand(term), mendCommand(term), checkCommand(term), dlq,
		doctorCommand(term), consoleCommand(term), showCommand(term), recheckCommand(term), rejectCommand(term),
		reconcileCommand(term), bugout, migrateCommand(term), putCommand(term), lsCommand(term), getCommand(term),
		rmCommand(term), environmentTopic())
	for _, command := range slices.Concat(root.Commands(), bugout.Commands(), dlq.Commands()) {
		if command.HasExample() {
			command.SetHelpFunc(usageFirst)
		}
	}

	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	exit, decided := errors.AsType[*exitError](err)
	if !decided {
		// What cobra itself refuses, an unknown command for instance, is misuse.
		exit = &exitError{exitUsage, err}
	}
	if exit.err != nil {
		fmt.Fprintf(term.err, "hatchery: %s\n", strings.TrimSpace(exit.err.Error()))
	}
	return exit.code
}
