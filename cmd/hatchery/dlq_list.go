package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"hatchery/shared/deadletter"
	"hatchery/shared/wording"
)

// firstRows is how many letters a listing shows a person: the groups below them are what is read.
const firstRows = 20

// listFlags are those of `hatchery dlq ls`.
type listFlags struct {
	dlqFlags
	selectionFlags
	all, again, snapshots, discarded, actions bool
}

func dlqListCommand(term terminal) *cobra.Command {
	var f listFlags
	command := &cobra.Command{
		Use:   "ls",
		Short: "List the dead letters, why they died, and what to do",
		Long: `Ls receives every dead letter once, explains it by its upload, and gives all of them
back. It prints the first rows as they come, and then the groups: letters that died of
the same, how long until the first of each is gone, whether the bytes are still there,
and the command that puts them right.

While it runs, the letters are hidden from others, for five minutes at most if it is
killed. The listing is kept in the bucket: whoever comes next reads it with --again, and
the other commands act on it.

LEFT is how long the queue keeps the message. BYTES says where the bytes are: in
quarantine, in another version there, copied, or gone; - where it does not matter. BACK
counts how often hatchery dlq redrive sent it before.

It exits 0 when there are none, 1 when some wait.`,
		Example: `  hatchery dlq ls --stack hatchery
  hatchery dlq ls --data .hatchery --all
  hatchery dlq ls --stack hatchery --cause denied
  hatchery dlq ls --stack hatchery --json | jq -r 'select(.diagnosis) | .message_id'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return listLetters(cmd.Context(), f, term) },
	}
	f.dlqFlags.add(command.Flags())
	f.selectionFlags.add(command.Flags())
	command.Flags().BoolVar(&f.all, "all", false, "print a row for every letter")
	command.Flags().BoolVar(&f.again, "again", false, "read the newest listing again, and receive nothing")
	command.Flags().BoolVar(&f.snapshots, "snapshots", false, "list the listings that are kept, newest first")
	command.Flags().BoolVar(&f.discarded, "discarded", false, "list the letters that were discarded")
	command.Flags().BoolVar(&f.actions, "actions", false, "list who did what, newest first")
	return command
}

func listLetters(ctx context.Context, f listFlags, term terminal) (err error) {
	chosen, err := f.selection(nil)
	if err != nil {
		return err
	}
	r, err := openReview(ctx, f.deploymentFlags, term)
	if err != nil {
		return err
	}
	defer closing(&err, r.deployment.close)
	switch {
	case f.snapshots:
		return dlqError(r.printSnapshots(ctx, f, term))
	case f.discarded:
		return dlqError(r.printDiscarded(ctx, f, term))
	case f.actions:
		return dlqError(r.printActions(ctx, f, term))
	}
	rows := &letterRows{out: term.out, flags: f, now: r.Now, groups: deadletter.Groups{}}
	row := func(l deadletter.Letter) error {
		if !chosen.Takes(l, r.Now()) {
			return nil
		}
		return rows.print(l)
	}
	var snapshot deadletter.Snapshot
	if f.again || f.snapshot != "" {
		snapshot, err = r.readAgain(ctx, f, row)
	} else {
		snapshot, err = r.List(ctx, row)
	}
	ofOthers := false
	if err == nil && snapshot.Letters == 0 && snapshot.InOtherHands > 0 && !f.again && f.snapshot == "" {
		ofOthers, err = r.listingOfOthers(ctx, snapshot.InOtherHands, rows, row)
	}
	if snapshot.ID != "" && (f.json || !ofOthers) {
		if printErr := rows.end(snapshot); printErr != nil {
			return system(printErr)
		}
	}
	switch {
	case err != nil:
		return dlqError(err)
	case snapshot.Letters+snapshot.InOtherHands > 0:
		return &exitError{code: exitNo}
	}
	return nil
}

// readAgain reads a listing that is kept.
func (r *review) readAgain(ctx context.Context, f listFlags, row func(deadletter.Letter) error) (
	deadletter.Snapshot, error) {
	snapshot, err := r.Snapshot(ctx, f.snapshot)
	if err != nil {
		return snapshot, err
	}
	return snapshot, r.Letters(ctx, snapshot, row)
}

// listingOfOthers prints the newest listing for whoever finds all letters in other hands. It says whether there is one.
func (r *review) listingOfOthers(ctx context.Context, inOtherHands int, rows *letterRows,
	row func(deadletter.Letter) error) (bool, error) {
	newest, err := r.Snapshot(ctx, "")
	if errors.Is(err, deadletter.ErrNoSnapshot) {
		return false, nil // somebody receives them who keeps no listing
	}
	if err != nil {
		return false, err
	}
	if !rows.flags.json {
		fmt.Fprintf(rows.out, "%s in other hands, and no others: somebody lists or acts just now, or did a moment ago.\n"+
			"This is the newest listing, of %s ago:\n\n", countOf(inOtherHands, "dead letter"), age(r.Now().Sub(newest.At)))
	}
	if err := r.Letters(ctx, newest, row); err != nil {
		return true, err
	}
	return true, rows.end(newest)
}

// letterRows prints letters as they come, for a program or a person.
type letterRows struct {
	out     io.Writer
	flags   listFlags
	now     func() time.Time
	groups  deadletter.Groups
	printed int
	more    int
}

// letterRow has 80 columns before the upload, which a narrow terminal shows on a line of its own.
const letterRow = "%-36s  %-8s  %-12s  %-10s  %4s  %s\n"

func (p *letterRows) print(l deadletter.Letter) error {
	if p.flags.json {
		return printJSON(p.out, l)
	}
	p.groups.Add(l)
	if p.printed >= firstRows && !p.flags.all {
		p.more++
		return nil
	}
	if p.printed == 0 {
		fmt.Fprintf(p.out, letterRow, "MESSAGE", "LEFT", "CAUSE", "BYTES", "BACK", "UPLOAD")
	}
	p.printed++
	back := "-"
	if l.Redrives > 0 {
		back = fmt.Sprint(l.Redrives)
	}
	_, err := fmt.Fprintf(p.out, letterRow, safe(l.MessageID), age(l.ExpiresAt.Sub(p.now())), l.Diagnosis.Cause,
		bytesOf(l), back, aboutUpload(l))
	return err
}

// bytesOf says where the bytes are of the first arrival of a letter.
func bytesOf(l deadletter.Letter) string {
	for _, a := range l.Arrivals {
		if a.Bytes != "" {
			return string(a.Bytes)
		}
	}
	return "-"
}

// aboutUpload names what a letter is about, so that it can be given to hatchery show.
func aboutUpload(l deadletter.Letter) string {
	var names []string
	for _, a := range l.Arrivals {
		if a.UploadID != "" {
			names = append(names, fmt.Sprintf("%s/%s/%s", a.Journal, a.Entry, a.UploadID))
		} else {
			names = append(names, shown(a.Bucket+"/"+string(a.Key)))
		}
	}
	if len(names) > 1 {
		return wording.Sprintf("%s and %d more", names[0], len(names)-1)
	}
	return cmp.Or(strings.Join(names, ""), "-")
}

// end prints the groups of what was printed, and what to do about each.
func (p *letterRows) end(s deadletter.Snapshot) error {
	if p.flags.json {
		return printJSON(p.out, map[string]deadletter.Snapshot{"snapshot": s})
	}
	where, groups := p.flags.deploymentFlags, p.groups.Sorted()
	if p.more > 0 {
		fmt.Fprintf(p.out, "… and %s more: %s\n", grouped(int64(p.more)), where.command("dlq ls --again --all"))
	}
	if len(groups) > 0 {
		fmt.Fprintln(p.out)
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	if len(groups) > 0 {
		fmt.Fprintln(w, "LETTERS\tCAUSE\tFIRST GONE IN\tBYTES THERE\tGROUP")
	}
	for _, g := range groups {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", grouped(int64(g.Letters)), g.Cause, age(g.Expires.Sub(p.now())),
			grouped(int64(g.Bytes)), safe(strings.TrimPrefix(g.Group, string(g.Cause)+": ")))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	p.suggest(groups)
	if len(groups) > 0 {
		fmt.Fprintln(p.out)
	}
	letters := countOf(s.Letters, "dead letter")
	if n := p.printed + p.more; n < s.Letters {
		letters = fmt.Sprintf("%s of %s", grouped(int64(n)), letters)
	}
	fmt.Fprintf(p.out, "%s, listed at %s by %s: listing %s.\n", letters, stamp(s.At), safe(s.Operator),
		s.ID)
	if s.InOtherHands > 0 {
		fmt.Fprintf(p.out, "%s more in other hands: somebody lists or acts just now, or did a moment ago. "+
			"Their listing: %s\n", grouped(int64(s.InOtherHands)), where.command("dlq ls --snapshots"))
	}
	if s.Unread > 0 {
		fmt.Fprintf(p.out, "%s could not be explained whole: %s\n", grouped(int64(s.Unread)), safe(s.UnreadError))
	}
	if !s.Complete {
		fmt.Fprintln(p.out, "The listing did not come to its end: there may be more.")
	}
	return nil
}

// maxSentences is how many sentences are printed about one cause: its groups may need different things.
const maxSentences = 5

// suggest prints what to do about the groups of each cause.
func (p *letterRows) suggest(groups []deadletter.Group) {
	for len(groups) > 0 {
		cause, told := groups[0].Cause, map[string]bool{}
		fmt.Fprintln(p.out)
		var action deadletter.Action
		for len(groups) > 0 && groups[0].Cause == cause {
			if sentence := groups[0].Sentence; !told[sentence] && len(told) < maxSentences {
				told[sentence] = true
				fmt.Fprintf(p.out, "%s: %s\n", cause, safe(sentence))
			}
			action, groups = groups[0].Suggest, groups[1:]
		}
		fmt.Fprintf(p.out, "  %s\n", suggested(action, "--cause "+string(cause)+p.flags.selectionFlags.words(),
			p.flags.deploymentFlags))
	}
}

// wordsWanted stands in a command for words that a person chooses. A shell refuses it: nobody sends it as it is.
const wordsWanted = " --reason <WORDS>"

// suggested is the command that does an action to what is chosen.
func suggested(action deadletter.Action, chosen string, where deploymentFlags) string {
	command := where.command(fmt.Sprintf("dlq %s %s", action, chosen))
	if action == deadletter.Reject || action == deadletter.Discard {
		command += wordsWanted
	}
	return command
}
