package deadletter

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"hatchery/shared/policy"
	"hatchery/shared/queue"
	"hatchery/shared/upload"
)

const (
	snapshotsPrefix = upload.DeadLetterPrefix + "snapshots/"
	headName        = "/head.json"
	// maxSnapshots is how many Snapshots gives.
	maxSnapshots = 50
	// maxLetterBytes bounds one letter of a part: a body of a megabyte whose every byte is escaped, and the rest.
	maxLetterBytes = 8 << 20
)

func isSnapshotID(s string) bool { return policy.Consists(s, policy.Letters+policy.Digits+"-", 1, 64) }

func headKey(id string) upload.Key { return upload.Key(snapshotsPrefix + id + headName) }

func partKey(id string, part int) upload.Key {
	return upload.Key(fmt.Sprintf("%s%s/%06d.json.gz", snapshotsPrefix, id, part))
}

// Snapshots gives the newest listings, at most 50, newest first.
func (r *Review) Snapshots(ctx context.Context) ([]Snapshot, error) {
	newest, err := r.newestSnapshots(ctx, maxSnapshots)
	if err != nil {
		return nil, err
	}
	found := make([]Snapshot, len(newest))
	group, reading := errgroup.WithContext(ctx)
	group.SetLimit(max(r.Concurrency, 1))
	for i, id := range newest {
		group.Go(func() error {
			var err error
			if found[i], err = r.snapshot(reading, id); errors.Is(err, ErrNoSnapshot) {
				return nil // removed meanwhile
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(s Snapshot) bool { return s.ID == "" }), nil
}

// newestSnapshots gives ids, which sort by time, newest first.
func (r *Review) newestSnapshots(ctx context.Context, most int) (newest []string, _ error) {
	for cursor := upload.Cursor(""); ; {
		page, err := r.Notes.List(ctx, snapshotsPrefix, cursor, upload.MaxPage)
		if err != nil {
			return nil, fmt.Errorf("list the listings: %w", err)
		}
		for _, key := range page.Keys {
			if id, ok := strings.CutSuffix(strings.TrimPrefix(string(key), snapshotsPrefix), headName); ok {
				newest = append(newest, id)
			}
		}
		if len(newest) > most {
			newest = slices.Clone(newest[len(newest)-most:])
		}
		if cursor = page.Next; cursor == "" {
			slices.Reverse(newest)
			return newest, nil
		}
	}
}

// Snapshot gives a listing, complete or not; id "" is the newest that found letters, or found that there are
// none: one that found nothing because all letters were in other hands, or before it was interrupted, says nothing
// of them.
// ErrNoSnapshot: there is none.
func (r *Review) Snapshot(ctx context.Context, id string) (Snapshot, error) {
	if id != "" {
		return r.snapshot(ctx, id)
	}
	newest, err := r.newestSnapshots(ctx, maxSnapshots)
	if err != nil {
		return Snapshot{}, err
	}
	for _, id := range newest {
		s, err := r.snapshot(ctx, id)
		if errors.Is(err, ErrNoSnapshot) || err == nil && s.Letters == 0 && (s.InOtherHands > 0 || !s.Complete) {
			continue
		}
		return s, err
	}
	return Snapshot{}, ErrNoSnapshot
}

func (r *Review) snapshot(ctx context.Context, id string) (Snapshot, error) {
	if !isSnapshotID(id) {
		return Snapshot{}, ErrNoSnapshot
	}
	note, err := r.Notes.Get(ctx, headKey(id))
	switch {
	case errors.Is(err, upload.ErrGone):
		return Snapshot{}, ErrNoSnapshot
	case err != nil:
		return Snapshot{}, fmt.Errorf("get the listing %q: %w", headKey(id), err)
	}
	var s Snapshot
	if err := json.Unmarshal(note, &s); err != nil {
		return Snapshot{}, fmt.Errorf("read the listing %q: %w", headKey(id), err)
	}
	if s.ID != id || s.Parts < 0 || s.Parts > MaxLetters {
		return Snapshot{}, fmt.Errorf("read the listing %q: it says that it is %.80q and has %d parts", headKey(id), s.ID,
			s.Parts)
	}
	return s, nil
}

// Letters hands the letters of a snapshot to each, in the order in which they were listed. An error of each ends it,
// and is its error.
func (r *Review) Letters(ctx context.Context, s Snapshot, each func(Letter) error) error {
	return r.LettersFrom(ctx, s, LetterAt{}, func(_ LetterAt, l Letter) error { return each(l) })
}

// LetterAt is where a letter is in a snapshot: its part, from 1, and its row there, from 0. The zero value is before
// the first.
type LetterAt struct{ Part, Row int }

// LettersFrom is Letters from one letter on, with where each is.
func (r *Review) LettersFrom(ctx context.Context, s Snapshot, from LetterAt, each func(LetterAt, Letter) error) error {
	for part := max(from.Part, 1); part <= s.Parts; part++ {
		key := partKey(s.ID, part)
		note, err := r.Notes.Get(ctx, key)
		if err != nil {
			return fmt.Errorf("get a part of the listing %q: %w", key, err)
		}
		at := LetterAt{Part: part, Row: -1}
		err = readPart(note, key, func(l Letter) error {
			if at.Row++; part == from.Part && at.Row < from.Row {
				return nil
			}
			return each(at, l)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// readPart holds one letter at a time, and bounds each.
func readPart(note []byte, key upload.Key, each func(Letter) error) error {
	text, err := gzip.NewReader(bytes.NewReader(note))
	if err != nil {
		return fmt.Errorf("read a part of the listing %q: %w", key, err)
	}
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, maxLetterBytes)
	for n := 1; lines.Scan(); n++ {
		if n > PartLetters {
			return fmt.Errorf("read a part of the listing %q: it has more than %d letters", key, PartLetters)
		}
		var letter Letter
		if err := json.Unmarshal(lines.Bytes(), &letter); err != nil {
			return fmt.Errorf("read letter %d of the listing %q: %w", n, key, err)
		}
		if err := each(letter); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read a part of the listing %q: %w", key, err)
	}
	return nil
}

// Show explains letters of a snapshot afresh, with all of their attempts: the one of a message id, or those of an
// upload id, and what was done with them since. None is no error. With an error, they are explained as far as they
// could be read.
func (r *Review) Show(ctx context.Context, s Snapshot, id string) ([]Letter, error) {
	var listed []Letter
	err := r.Letters(ctx, s, func(l Letter) error {
		if l.MessageID == id || slices.ContainsFunc(l.Arrivals, func(a Arrival) bool { return string(a.UploadID) == id }) {
			listed = append(listed, l)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var failed error
	for i, was := range listed {
		letter, err := r.explain(ctx, queue.Received{ID: was.MessageID, SentAt: was.SentAt, Source: was.Source,
			Message: queue.Message{Body: was.Body, Attributes: was.Attributes}}, true)
		letter.ExpiresAt = was.ExpiresAt
		done, doneErr := r.doneWith(ctx, was.MessageID)
		if done != nil && !done.At.Before(s.At) { // else its message was left, and listed
			letter.Done = done
		}
		listed[i], failed = letter, errors.Join(failed, err, doneErr)
	}
	return listed, failed
}
