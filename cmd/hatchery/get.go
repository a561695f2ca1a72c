package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"hatchery/client"
	"hatchery/shared/policy"
)

// getFlags are what a person may say of `hatchery get`.
type getFlags struct {
	callerFlags
	to        string
	yes, json bool

	written map[string]bool // by this run
}

func getCommand(term terminal) *cobra.Command {
	var f getFlags
	command := &cobra.Command{
		Use:   "get ID... --journal J --entry E",
		Short: "Read stored files back",
		Long: `Get writes each file under the name of its upload into a folder, or one file under
another name. Of files of one name the second is called like "a (2).png". It asks before
it overwrites a file that was there before, and leaves one that has the very bytes
already: after Ctrl-C the same command goes on. A file is there only when all of its
bytes have come and their SHA-256 is that of the record.

` + callersHelp + `

It exits 0 when all are there, 1 when one is not stored, or was not to be overwritten, 2
when it was used wrongly (without a terminal give --yes) or a file cannot be written,
and 3 when another system failed.
--json is one line a file: {"id","file","size","content_type","sha256","already"}, where
already says that it was there before.`,
		Example: `  hatchery get --journal demo --entry 1 01990000-0000-7000-8000-000000000000
  hatchery get --journal demo --entry 1 --to holiday/ 01990000-0000-7000-8000-000000000000
  hatchery ls --journal demo --entry 1 --json | jq -r .id | xargs hatchery get --journal demo --entry 1 --yes`,
		Args: atLeastOne("get", "id of an upload", "hatchery get --journal demo --entry 1 ID"),
		RunE: func(cmd *cobra.Command, ids []string) error {
			from, err := f.open(term)
			if err != nil {
				return err
			}
			if !isFolder(f.to) && len(ids) > 1 {
				return usage("--to: %s is no folder, and there is more than one file to write", shown(f.to))
			}
			f.written = map[string]bool{}
			return f.each(cmd.Context(), term, ids, "were read back",
				func(id string) error { return f.get(cmd.Context(), from, id, term) })
		},
	}
	f.add(command.Flags())
	command.Flags().StringVar(&f.to, "to", ".", "a `folder`, or a name for the one file")
	command.Flags().BoolVar(&f.yes, "yes", false, "overwrite without asking")
	command.Flags().BoolVar(&f.json, "json", false, "print one JSON object a line for each file")
	return command
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir() || strings.HasSuffix(path, string(filepath.Separator))
}

// get writes one file.
func (f *getFlags) get(ctx context.Context, from *client.Entry, id string, term terminal) error {
	record, err := from.Get(ctx, id)
	if err != nil {
		return err
	}
	target := f.to
	if isFolder(f.to) {
		target = f.free(filepath.Join(f.to, localName(record)))
	}
	info, err := os.Lstat(target)
	switch {
	case err != nil || record.Status != client.Stored:
	case isSame(ctx, target, info, record):
		return f.print(record, target, record.Size, true, term)
	default:
		if err := confirm(ctx, term, fmt.Sprintf("Overwrite %s?", shown(target)), f.yes); err != nil {
			return err
		}
	}
	body, err := from.Read(ctx, record)
	if err != nil {
		return err
	}
	defer body.Close() //nolint:errcheck // it was only read
	size, err := writeWhole(target, body)
	if err != nil {
		return err
	}
	return f.print(record, target, size, false, term)
}

// isSame says whether a file has the bytes of a record.
func isSame(ctx context.Context, path string, info fs.FileInfo, r client.Record) bool {
	if !info.Mode().IsRegular() || info.Size() != r.Size {
		return false
	}
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close() //nolint:errcheck // it was only read
	sum, err := sumOf(ctx, file, r.Size)
	return err == nil && sum == r.SHA256
}

// print says that a file is there.
func (f *getFlags) print(r client.Record, target string, size int64, already bool, term terminal) error {
	f.written[strings.ToLower(target)] = true
	if f.json {
		return printJSON(term.out, map[string]any{"id": r.ID, "file": target, "size": size, "content_type": r.ContentType,
			"sha256": r.SHA256, "already": already})
	}
	there := ""
	if already {
		there = ", there already"
	}
	_, err := fmt.Fprintf(term.out, "%s  %s, %s bytes%s\n", shown(target), safe(r.ContentType), grouped(size), there)
	return err
}

// free gives a path to which this run has written nothing yet: names of uploads may be alike.
func (f *getFlags) free(path string) string {
	extension := filepath.Ext(path)
	next := path
	for n := 2; f.written[strings.ToLower(next)]; n++ {
		next = fmt.Sprintf("%s (%d)%s", strings.TrimSuffix(path, extension), n, extension)
	}
	return next
}

// localName gives the name under which a file is written into a folder: that of its upload, repaired once more, because
// the server may be anybody's.
func localName(r client.Record) string {
	name, err := policy.ParseName(r.FullName(), "")
	if err == nil && filepath.IsLocal(name.Filename) && filepath.Base(name.Filename) == name.Filename {
		return name.Filename
	}
	return cmp.Or(strings.Map(plainRune, r.ID), "file") + "." + cmp.Or(strings.Map(plainRune, r.Extension), "bin")
}

// plainRune keeps what may stand in a name anywhere.
func plainRune(r rune) rune {
	if r < 128 && strings.ContainsRune(policy.Letters+policy.Digits+"-", r) {
		return r
	}
	return -1
}

// writeWhole writes a file that is there only when all of it was read.
func writeWhole(target string, from io.Reader) (size int64, err error) {
	cannot := func(err error) error {
		return usage("cannot write %s: %w", shown(target), withoutPath(err))
	}
	part := filepath.Join(filepath.Dir(target), ".hatchery-"+rand.Text())
	file, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666) //nolint:gosec // as any file of the person's
	if err != nil {
		return 0, cannot(err)
	}
	size, err = io.Copy(file, from)
	if _, ours := errors.AsType[*fs.PathError](err); ours {
		err = cannot(err)
	}
	if closeErr := file.Close(); err == nil && closeErr != nil {
		err = cannot(closeErr)
	}
	if err == nil {
		if err = os.Rename(part, target); err == nil {
			return size, nil
		}
		err = usage("cannot write %s: %w", shown(target), err)
	}
	_ = os.Remove(part)
	return size, err
}
