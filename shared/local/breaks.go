package local

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Cause is what can be broken in a running stack, to rehearse what the runbook says about it.
type Cause string

// The causes. Each fails at an edge of the stack: the handlers see what they would see in AWS.
const (
	// BreakRecords: the validator cannot reach the record store.
	BreakRecords Cause = "records"
	// BreakS3: the bucket answers every call of the validator with 503.
	BreakS3 Cause = "s3"
	// BreakAccess: the bucket denies the validator what is in quarantine and in files.
	BreakAccess Cause = "access"
	// BreakPoison: with an upload's message comes one that nobody can read.
	BreakPoison Cause = "poison"
	// BreakSlow: the bucket sends a file so slowly that no function can read it.
	BreakSlow Cause = "slow"
	// BreakCrash: the validator's function ends in the middle of a message.
	BreakCrash Cause = "crash"
	// BreakLost: an upload's bytes are removed from quarantine before they are judged.
	BreakLost Cause = "lost"
	// BreakApplication: the demo application answers 500.
	BreakApplication Cause = "application"
)

// Causes are all of them.
func Causes() []Cause {
	return []Cause{BreakRecords, BreakS3, BreakAccess, BreakPoison, BreakSlow, BreakCrash, BreakLost, BreakApplication}
}

// judging are the causes that a message dies of while it is judged: one message of one of them.
var judging = []Cause{BreakRecords, BreakS3, BreakAccess, BreakSlow, BreakCrash}

// Judging says whether the cause fails the validator, and so breaks nothing where that is somewhere else.
func (c Cause) Judging() bool { return slices.Contains(judging, c) }

// Break is one cause, and how many it is to hit: uploads, or requests to the application. 0: all, until it is mended.
type Break struct {
	Cause Cause
	Count int
}

// maxBreakCount bounds what is remembered of the uploads that were hit.
const maxBreakCount = 10_000

// String is the form that ParseBreaks reads.
func (b Break) String() string {
	if b.Count == 0 {
		return string(b.Cause)
	}
	return fmt.Sprintf("%s:%d", b.Cause, b.Count)
}

// ParseBreaks reads CAUSE or CAUSE:N, each cause once.
func ParseBreaks(words []string) ([]Break, error) {
	var all []Break
	for _, word := range words {
		name, number, counted := strings.Cut(word, ":")
		b := Break{Cause: Cause(name)}
		if !slices.Contains(Causes(), b.Cause) {
			return nil, fmt.Errorf("found %.100q; accepted: %s, alone or as %s:3 for three uploads", word, causeNames(),
				BreakS3)
		}
		if counted {
			n, err := strconv.ParseUint(number, 10, 16)
			if err != nil || n < 1 || n > maxBreakCount {
				return nil, fmt.Errorf("found %.100q; accepted after the colon: how many, 1 to %d", word, maxBreakCount)
			}
			b.Count = int(n)
		}
		if slices.ContainsFunc(all, func(other Break) bool { return other.Cause == b.Cause }) {
			return nil, fmt.Errorf("found %s twice; accepted: each cause once", b.Cause)
		}
		all = append(all, b)
	}
	return all, nil
}

func causeNames() string {
	var names []string
	for _, c := range Causes() {
		names = append(names, string(c))
	}
	return strings.Join(names, ", ")
}

// FormatBreaks writes what ParseBreaks reads, with a space between.
func FormatBreaks(breaks []Break) string {
	words := make([]string, len(breaks))
	for i, b := range breaks {
		words[i] = b.String()
	}
	return strings.Join(words, " ")
}

// brokenFile is in the data folder while something is broken, and says what. It outlives a restart, as what is really
// broken does.
const brokenFile = "broken"

// maxBrokenBytes is more than the longest list has.
const maxBrokenBytes = 1 << 10

// BreakNow has the stack that runs on a data folder, or will, break these and nothing else.
func BreakNow(dir string, breaks []Break) error {
	// Written beside and renamed: the stack never reads half of it, and sees that it was written anew.
	beside := filepath.Join(dir, brokenFile+".new")
	err := os.WriteFile(beside, []byte(FormatBreaks(breaks)+"\n"), 0o600)
	if err == nil {
		err = os.Rename(beside, filepath.Join(dir, brokenFile))
	}
	if err != nil {
		return fmt.Errorf("break %s in %s: %w", FormatBreaks(breaks), dir, err)
	}
	return nil
}

// Mend ends what is broken, and says whether something was.
func Mend(dir string) (bool, error) {
	err := os.Remove(filepath.Join(dir, brokenFile))
	if err == nil {
		return true, nil
	}
	// A folder that is not there has nothing broken only by mistake.
	if _, missing := os.Stat(dir); missing == nil && errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return false, fmt.Errorf("mend what is broken in %s: %w", dir, err)
}

// Broken says what the stack that runs on a data folder, or will, breaks.
func Broken(dir string) ([]Break, error) {
	breaks, _, err := readBreaks(dir)
	return breaks, err
}

// readBreaks reads what is broken, nothing where there is no file. The info tells one writing from the next.
func readBreaks(dir string) ([]Break, fs.FileInfo, error) {
	file, err := os.Open(filepath.Join(dir, brokenFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read what is broken: %w", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	info, err := file.Stat()
	var text []byte
	if err == nil {
		text, err = io.ReadAll(io.LimitReader(file, maxBrokenBytes))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read what is broken: %w", err)
	}
	breaks, err := ParseBreaks(strings.Fields(string(text)))
	if err != nil {
		return nil, info, fmt.Errorf("read what is broken in %s: %w", file.Name(), err)
	}
	return breaks, info, nil
}
