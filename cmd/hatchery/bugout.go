package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"hatchery/shared/config"
	"hatchery/shared/policy"
	"hatchery/shared/records/bugoutrecords"
	"hatchery/shared/upload"
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
	flags.StringVar(&f.tokenFile, "token-file", "",
		"read Bugout's token from this `file`, - for the standard input (default: HATCHERY_BUGOUT_TOKEN)")
}

// addApplication adds the flag that says whose resources are meant.
func (f *bugoutFlags) addApplication(flags textFlags) {
	flags.StringVar(&f.application, "application", "",
		"the `id` of the application in Bugout (default: HATCHERY_BUGOUT_APPLICATION_ID)")
}

func bugoutCommand(term terminal) *cobra.Command {
	var f bugoutFlags
	command := &cobra.Command{
		Use:   "bugout",
		Short: "Prepare and check Bugout as the keeper of records",
		Long: `With HATCHERY_RECORDS=bugout records are kept as resources of an application in
Bugout. The token is the deployment's own, never a caller's: HATCHERY_BUGOUT_TOKEN,
or the first line of the file that --token-file names.`,
		Args: oneOfItsCommands,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	f.addServer(command.PersistentFlags())
	command.AddCommand(registerCommand(term, &f), bugoutCheckCommand(term, &f))
	return command
}

func registerCommand(term terminal, f *bugoutFlags) *cobra.Command {
	var group, name, description string
	command := &cobra.Command{
		Use:   "register --group ID --name NAME",
		Short: "Make the application that owns the resources",
		Long: `Register makes an application in one of your groups, once for a deployment, and
prints the setting to keep. Running it again makes another one.`,
		Example: `  hatchery bugout register --group 7d1ba2d0-0f8d-4f0c-9c3c-6c1a3f1f5a10 --name "Our files"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if group == "" || name == "" {
				return usage("register needs --group, the id of one of your groups in Bugout, and --name")
			}
			if _, err := upload.ParseID(group); err != nil {
				return usage("--group: found %q; accepted: the id of one of your groups in Bugout, a UUID with dashes", group)
			}
			options, err := f.quick(term, false)
			if err != nil {
				return err
			}
			made, err := bugoutrecords.Register(cmd.Context(), options, group, name, description)
			if err != nil {
				return bugoutError(err)
			}
			_, err = fmt.Fprintf(term.out, "The application %q is registered. Keep its id in the settings:\n\n"+
				"export HATCHERY_BUGOUT_APPLICATION_ID=%s\n", name, made.ID)
			return err
		},
	}
	command.Flags().StringVar(&group, "group", "", "the `id` of the group that the application belongs to")
	command.Flags().StringVar(&name, "name", "", "the application's name")
	command.Flags().StringVar(&description, "description", "Records of uploads, kept by Hatchery",
		"what the application is for")
	return command
}

func bugoutCheckCommand(term terminal, f *bugoutFlags) *cobra.Command {
	command := &cobra.Command{
		Use:   "check",
		Short: "Try everything that is needed of Bugout, and say what works",
		Long: `Check creates, reads, finds, updates and deletes a resource of its own, with the
same code as the deployment. It exits 0 when all of it works, 1 when Bugout refuses
something, 2 when it was used wrongly, and 3 when Bugout does not answer as it should.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := f.quick(term, true)
			if err != nil {
				return err
			}
			store, err := bugoutrecords.New(options)
			if err != nil {
				return usage("%w", err)
			}
			var failed error
			for i, step := range store.Check(cmd.Context()) {
				word := "ok  "
				if step.Err != nil {
					word, failed = "FAIL", errors.Join(failed, f.fault(i == 0, options.URL, step))
				}
				if _, err := fmt.Fprintf(term.out, "%s  %s\n", word, step.Name); err != nil {
					return err
				}
			}
			return bugoutError(failed)
		},
	}
	f.addApplication(command.Flags())
	return command
}

// fault is the error of a failed step of the check, with the exit code that it means.
func (f *bugoutFlags) fault(first bool, url string, step bugoutrecords.Step) error {
	_, network := errors.AsType[net.Error](step.Err)
	switch {
	case errors.Is(step.Err, bugoutrecords.ErrToken):
		from := "HATCHERY_BUGOUT_TOKEN"
		if f.tokenFile != "" {
			from = "--token-file"
		}
		return &exitError{exitNo, fmt.Errorf("%s: Bugout does not accept the token of %s", step.Name, from)}
	case first && !network:
		// The first step needs no right: any Bugout server answers it.
		return system(fmt.Errorf("%s: what answers at %s does not look like Bugout's auth server, or is in trouble: %w",
			step.Name, url, step.Err))
	}
	return bugoutError(fmt.Errorf("%s: %w", step.Name, step.Err))
}

// bugoutError tells a refusal from a failure.
func bugoutError(err error) error {
	_, decided := errors.AsType[*exitError](err)
	switch {
	case err == nil || decided:
		return err
	case errors.Is(err, bugoutrecords.ErrToken) || errors.Is(err, bugoutrecords.ErrRefused):
		return &exitError{exitNo, err}
	default:
		return system(err)
	}
}

// quick are options with the time-out of requests whose answers are short.
func (f *bugoutFlags) quick(term terminal, application bool) (bugoutrecords.Options, error) {
	o, err := f.options(term, application)
	o.Timeout = 0
	return o, err
}

// options reads the flags and, for what they leave out, the environment.
func (f *bugoutFlags) options(term terminal, application bool) (bugoutrecords.Options, error) {
	getenv, err := f.over(term)
	if err != nil {
		return bugoutrecords.Options{}, err
	}
	settings, err := config.LoadBugout(getenv, application)
	if err != nil {
		return bugoutrecords.Options{}, usage("the settings have faults:\n%w", f.named(faultsOf(err)))
	}
	return operatorsBugout(settings, term)
}

// over gives the environment with the flags in the place of their settings.
func (f *bugoutFlags) over(term terminal) (getenv func(string) string, err error) {
	token, err := tokenIn("--token-file", f.tokenFile)
	if err != nil {
		return nil, err
	}
	flags := map[string]string{"HATCHERY_BUGOUT_URL": f.url, "HATCHERY_BUGOUT_APPLICATION_ID": f.application,
		"HATCHERY_BUGOUT_TOKEN": token}
	return func(name string) string {
		if value := flags[name]; value != "" {
			return value
		}
		// A flag stands for its setting under all its names.
		if name == "BUGOUT_AUTH_URL" && f.url != "" || name == "BUGOUT_FILES_APPLICATION_ID" && f.application != "" {
			return ""
		}
		return term.getenv(name)
	}, nil
}

// named makes faults that are about Bugout name the flag which has them, or which would mend them.
func (f *bugoutFlags) named(faults policy.Faults) policy.Faults {
	return namedAsFlags(faults, map[string]flagValue{
		"HATCHERY_BUGOUT_URL":            {"--url", f.url},
		"HATCHERY_BUGOUT_APPLICATION_ID": {"--application", f.application},
		"HATCHERY_BUGOUT_TOKEN":          {"--token-file", f.tokenFile}})
}

// flagValue is a flag and what it was given.
type flagValue struct{ name, value string }

// namedAsFlags names the flag instead of the setting where the value came from one, and
// both where there is no value. The name of a secret is not offered: a command reads none.
func namedAsFlags(faults policy.Faults, flags map[string]flagValue) policy.Faults {
	for i, fault := range faults {
		flag, about := flags[fault.Setting]
		if !about {
			continue
		}
		if fault.Setting == "HATCHERY_BUGOUT_TOKEN" {
			faults[i].Accepted = acceptedToken
		}
		switch {
		case flag.value != "":
			faults[i].Setting = flag.name
		case strings.HasPrefix(fault.Found, "nothing"):
			faults[i].Setting = flag.name + " or " + fault.Setting
		}
	}
	return faults
}

const acceptedToken = "a UUID, dashes optional"

// maxTokenFile is far more than a token has.
const maxTokenFile = 4096

// tokenIn reads the token of Bugout in the file that a flag names; "" without one.
func tokenIn(flag, name string) (string, error) {
	line, err := firstLineOf(flag, name)
	if err != nil || name == "" || config.IsToken(line) {
		return line, err
	}
	what := "is another text (not shown)"
	if line == "" {
		what = "is empty"
	}
	return "", usage("%s: the first line of %s %s, and should be the token: %s", flag, shown(name), what, acceptedToken)
}

// firstLineOf reads the first line of the file that a flag names, - being the standard input; "" without one.
func firstLineOf(flag, name string) (string, error) {
	if name == "" {
		return "", nil
	}
	var from io.Reader = os.Stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return "", usage("%s: %w", flag, err)
		}
		defer file.Close() //nolint:errcheck // it was only read
		from = file
	}
	text, err := io.ReadAll(io.LimitReader(from, maxTokenFile))
	if err != nil {
		return "", usage("%s: %w", flag, err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(line), nil
}
