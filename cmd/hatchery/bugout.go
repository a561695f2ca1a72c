package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"hatchery/shared/config"
	"hatchery/shared/records/bugoutrecords"
)

// bugoutFlags are where Bugout is and with which token it is asked.
type bugoutFlags struct {
	url, application, tokenFile string
}

// textFlags is a command's set of flags.
type textFlags interface {
	StringVar(p *string, name, value, usage string)
}

// addServer adds the flags that say where Bugout is, and with which token it is asked.
func (f *bugoutFlags) addServer(flags textFlags) {
	flags.StringVar(&f.url, "url", "", "the `URL` of Bugout's auth server (default: HATCHERY_BUGOUT_URL)")
	flags.StringVar(&f.tokenFile, "token-file", "", "read Bugout's token from this `file`, - for the standard input (default: HATCHERY_BUGOUT_TOKEN)")
}

// addApplication adds the flag that says whose resources are meant.
func (f *bugoutFlags) addApplication(flags textFlags) {
	flags.StringVar(&f.application, "application", "", "the `id` of the application in Bugout (default: HATCHERY_BUGOUT_APPLICATION_ID)")
}

func bugoutCommand(d door) *cobra.Command {
	var f bugoutFlags
	command := &cobra.Command{
		Use:   "bugout",
		Short: "Prepare and check Bugout as the keeper of records",
		Long: `With HATCHERY_RECORDS=bugout records are kept as resources of an application in
Bugout. The token is the deployment's own, never a caller's: HATCHERY_BUGOUT_TOKEN,
or the first line of the file that --token-file names.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	f.addServer(command.PersistentFlags())
	command.AddCommand(registerCommand(d, &f), bugoutCheckCommand(d, &f))
	return command
}

func registerCommand(d door, f *bugoutFlags) *cobra.Command {
	var group, name, description string
	command := &cobra.Command{
		Use:   "register --group ID --name NAME",
		Short: "Make the application that owns the resources",
		Long: `Register makes an application in one of your groups, once for a deployment, and
prints the setting to keep. Running it again makes another one.`,
		Example: `  hatchery bugout register --group 7d1ba2d0-0f8d-4f0c-9c3c-6c1a3f1f5a10 --name "Our files"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := f.options(d, false)
			if err != nil {
				return err
			}
			if group == "" || name == "" {
				return usage("register needs --group, the id of one of your groups in Bugout, and --name")
			}
			made, err := bugoutrecords.Register(cmd.Context(), options, group, name, description)
			if err != nil {
				return bugoutError(err)
			}
			_, err = fmt.Fprintf(d.out, "The application %q is registered. Keep its id in the settings:\n\nexport HATCHERY_BUGOUT_APPLICATION_ID=%s\n", name, made.ID)
			return err
		},
	}
	command.Flags().StringVar(&group, "group", "", "the `id` of the group that the application belongs to")
	command.Flags().StringVar(&name, "name", "", "the application's name")
	command.Flags().StringVar(&description, "description", "Records of uploads, kept by Hatchery", "what the application is for")
	return command
}

func bugoutCheckCommand(d door, f *bugoutFlags) *cobra.Command {
	command := &cobra.Command{
		Use:   "check",
		Short: "Try everything that is needed of Bugout, and say what works",
		Long: `Check creates, reads, finds, updates and deletes a resource of its own, with the
same code as the deployment. It exits 0 when all of it works, 1 when Bugout refuses
something, and 3 when it does not answer as it should.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := f.options(d, true)
			if err != nil {
				return err
			}
			store, err := bugoutrecords.New(options)
			if err != nil {
				return usage("%w", err)
			}
			var failed error
			for _, step := range store.Check(cmd.Context()) {
				word := "ok  "
				if step.Err != nil {
					word, failed = "FAIL", errors.Join(failed, fmt.Errorf("%s: %w", step.Name, step.Err))
				}
				if _, err := fmt.Fprintf(d.out, "%s  %s\n", word, step.Name); err != nil {
					return err
				}
			}
			return bugoutError(failed)
		},
	}
	f.addApplication(command.Flags())
	return command
}

// bugoutError tells a refusal from trouble.
func bugoutError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bugoutrecords.ErrToken) || errors.Is(err, bugoutrecords.ErrRefused):
		return &exitError{exitNo, err}
	default:
		return system(err)
	}
}

// options reads the flags and, for what they leave out, the environment.
func (f *bugoutFlags) options(d door, application bool) (bugoutrecords.Options, error) {
	token, err := f.token(d)
	if err != nil {
		return bugoutrecords.Options{}, err
	}
	flags := map[string]string{"HATCHERY_BUGOUT_URL": f.url, "HATCHERY_BUGOUT_APPLICATION_ID": f.application, "HATCHERY_BUGOUT_TOKEN": token}
	settings, err := config.LoadBugout(func(name string) string {
		if value := flags[name]; value != "" {
			return value
		}
		// A flag stands for its setting under all its names.
		if name == "BUGOUT_AUTH_URL" && f.url != "" || name == "BUGOUT_FILES_APPLICATION_ID" && f.application != "" {
			return ""
		}
		return d.getenv(name)
	}, application)
	if err != nil {
		return bugoutrecords.Options{}, usage("the settings have faults:\n%w", err)
	}
	return operatorsBugout(settings, d)
}

// maxTokenFile is far more than a token has.
const maxTokenFile = 4096

// token reads the token's file, if there is one.
func (f *bugoutFlags) token(d door) (string, error) {
	if f.tokenFile == "" {
		return "", nil
	}
	var from io.Reader = os.Stdin
	if f.tokenFile != "-" {
		file, err := os.Open(f.tokenFile)
		if err != nil {
			return "", usage("--token-file: %w", err)
		}
		defer file.Close() //nolint:errcheck // it was only read
		from = file
	}
	text, err := io.ReadAll(io.LimitReader(from, maxTokenFile))
	if err != nil {
		return "", usage("--token-file: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return "", usage("--token-file: the first line of %s is empty, and should be the token", f.tokenFile)
	}
	return line, nil
}
