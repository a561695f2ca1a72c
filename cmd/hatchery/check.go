package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
	"hatchery/shared/wording"
)

func checkCommand(term terminal) *cobra.Command {
	var c checker
	var policyFile, kind string
	command := &cobra.Command{
		Use:   "check FILE... | DIR",
		Short: "Say what the validator would say about files, and why",
		Long: `Check reads each file exactly as the validator does, with the same code, and says
whether it would be stored. Of a folder it reads every file below it. Without --kind a
file is taken as one of images or, where these do not take its extension, of the one
other kind of the policy that takes it.

It exits 0 when all are allowed, 1 when one is refused, and 2 when it was used
wrongly, a file cannot be read, or a folder holds none.`,
		Example: `  hatchery check cat.png
  hatchery check --policy pictures cat.webp
  hatchery check --json holiday/ | grep '"allowed":false'
  hatchery check --policy policy.json --kind scans scan.bmp`,
		Args: atLeastOne("check", "file or folder", "hatchery check cat.png"),
		RunE: func(cmd *cobra.Command, args []string) error {
			kinds, _, err := readPolicy(policyFile, term.getenv, policy.LargestObject)
			if err != nil {
				return err
			}
			c.policy, c.kind, c.mixed = kinds, policy.KindName(kind), !cmd.Flags().Changed("kind")
			if _, err = kinds.Kind(c.kind); err != nil {
				return usage("--kind: %w", err)
			}
			c.out, c.err = term.out, term.err
			return c.run(cmd.Context(), args)
		},
	}
	command.Flags().StringVar(&policyFile, "policy", "",
		"read the policy from this JSON `file`, or take "+policyNames()+" (default: HATCHERY_POLICY, or the default in "+
			"docs/policy.md)")
	command.Flags().StringVar(&kind, "kind", "images", "the `kind` of the policy that the files would be uploaded as")
	command.Flags().BoolVar(&c.json, "json", false, "print one JSON object a line for each file")
	return command
}

// policyNames lists the names that --policy takes in place of a file.
func policyNames() string {
	return "one of " + wording.List(policy.Names())
}

// readPolicy reads the policy from a file, takes a named one, or reads the environment, or takes the
// default. It gives the text too, which is empty for the default.
func readPolicy(file string, getenv func(string) string, readable int64) (policy.Policy, string, error) {
	data, from := []byte(getenv("HATCHERY_POLICY")), "HATCHERY_POLICY"
	switch {
	case slices.Contains(policy.Names(), file):
		data, from = []byte(file), "--policy"
	case file != "":
		var err error
		if data, err = os.ReadFile(file); err != nil {
			return policy.Policy{}, "", usage("--policy: no file, and not %s: %w", policyNames(), err)
		}
		from = file
	case len(data) == 0:
		return policy.Default(), "", nil
	}
	kinds, err := policy.Parse(data, readable)
	if err != nil {
		return policy.Policy{}, "", usage("the policy in %s has faults:\n%w", from, err)
	}
	return kinds, string(data), nil
}

type checker struct {
	policy policy.Policy
	kind   policy.KindName
	// mixed: what the kind does not take goes to the one that does.
	mixed    bool
	json     bool
	out, err io.Writer

	refused, unread int
	looked, empty   int // files, and folders without one
}

// checked is one line of --json.
type checked struct {
	File        string          `json:"file"`
	Allowed     bool            `json:"allowed"`
	Code        string          `json:"code"`
	Message     string          `json:"message"`
	Kind        policy.KindName `json:"kind"` // that it was judged as one of
	ContentType string          `json:"content_type"`
	Width       int64           `json:"width"`
	Height      int64           `json:"height"`
	Size        int64           `json:"size"`
	SHA256      string          `json:"sha256"`

	corrected string // the extension that it would be stored under, where its name has that of another type
}

func (c *checker) run(ctx context.Context, args []string) error {
	for _, arg := range args {
		before := c.looked
		err := filesOf(ctx, arg, func(path string, size int64) error { return c.file(ctx, path, size) }, c.cannotRead)
		if err != nil {
			return &exitError{exitUsage, fmt.Errorf("check %s: %w", shown(arg), err)}
		}
		if c.looked == before {
			c.empty++
			fmt.Fprintf(c.err, "hatchery: there is no file in %s\n", shown(arg))
		}
	}
	switch {
	case c.unread+c.empty > 0:
		return &exitError{code: exitUsage}
	case c.refused > 0:
		return &exitError{code: exitNo}
	}
	return nil
}

// filesOf calls take for each file that an argument names: for itself, or for those below it. What cannot be looked
// at is for unread. The walk ends with the first error of either.
func filesOf(ctx context.Context, arg string, take func(path string, size int64) error,
	unread func(path string, err error) error,
) error {
	root := arg
	if info, err := os.Stat(arg); err == nil && info.IsDir() {
		// With the separator a link to a folder is followed.
		root = filepath.Clean(arg) + string(filepath.Separator)
	}
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return unread(path, err)
		case entry.IsDir():
			return nil
		case path != root && !entry.Type().IsRegular():
			// A link or a device below a folder was not asked for by name.
			return nil
		}
		// Asked before it is opened: a pipe would keep the opening waiting. A link that was named is followed.
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return unread(path, err)
		case !info.Mode().IsRegular():
			return unread(path, errors.New("it is not a regular file"))
		}
		return take(path, info.Size())
	})
}

// cannotRead says so, and goes on with the next file.
func (c *checker) cannotRead(path string, err error) error {
	c.unread++
	c.looked++
	cause := withoutPath(err)
	fmt.Fprintf(c.err, "hatchery: cannot read %s: %v\n", shown(path), cause)
	if !c.json {
		return nil
	}
	return c.print(checked{File: path, Message: fmt.Sprintf("cannot be read: %v", cause)})
}

// withoutPath is what went wrong, where the path is said already.
func withoutPath(err error) error {
	if wrapped, ok := errors.AsType[*fs.PathError](err); ok {
		return wrapped.Err
	}
	return err
}

func (c *checker) file(ctx context.Context, path string, size int64) error {
	result, err := c.judge(ctx, path, size)
	if err != nil {
		return c.cannotRead(path, err)
	}
	c.looked++
	if !result.Allowed {
		c.refused++
	}
	return c.print(result)
}

// judge says of one file what the API and then the validator would say.
func (c *checker) judge(ctx context.Context, path string, size int64) (checked, error) {
	result := checked{File: path, Size: size}
	f, err := os.Open(path)
	if err != nil {
		return result, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	name, err := policy.ParseName(filepath.Base(path), "")
	if err == nil {
		result.Kind, err = c.kindOf(name.Extension)
	}
	if refusal, ok := errors.AsType[*policy.Refusal](err); ok {
		result.Code, result.Message = string(upload.NotAllowed), refusal.Message
		return result, nil
	}
	facts, reason, err := upload.Inspect(ctx, c.policy.Kinds[result.Kind], f, name.Extension, size, upload.Declared{})
	if err != nil {
		return result, err
	}
	result.ContentType, result.SHA256 = facts.ContentType, facts.SHA256
	result.Width, result.Height = facts.Width, facts.Height
	if reason != nil {
		result.Code, result.Message = string(reason.Code), reason.Message
		return result, nil
	}
	result.Allowed = true
	if facts.Extension != name.Extension {
		result.corrected = facts.Extension
	}
	return result, nil
}

// kindOf gives the kind that a file with this extension is judged as one of. The error is a *policy.Refusal.
func (c *checker) kindOf(extension string) (policy.KindName, error) {
	err := c.policy.CheckExtension(c.kind, extension)
	if refusal, ok := errors.AsType[*policy.Refusal](err); ok && c.mixed && refusal.Kind != "" {
		return refusal.Kind, nil
	}
	return c.kind, err
}

func (c *checker) print(r checked) error {
	if c.json {
		return printJSON(c.out, r)
	}
	var err error
	if r.Allowed {
		stored := ""
		if r.corrected != "" {
			stored = "; would be stored as ." + r.corrected
		}
		if r.Kind != c.kind {
			stored += "; as " + string(r.Kind)
		}
		pixels := ""
		if r.Width > 0 {
			pixels = wording.Sprintf(" %d x %d,", r.Width, r.Height)
		}
		_, err = fmt.Fprintf(c.out, "allowed  %s  %s,%s %s bytes%s\n", shown(r.File), r.ContentType, pixels,
			grouped(r.Size), stored)
	} else {
		_, err = fmt.Fprintf(c.out, "refused  %s  %s: %s\n", shown(r.File), r.Code, r.Message)
	}
	return err
}
