package deadletter

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"hatchery/shared/queue"
	"hatchery/shared/upload"
)

const (
	// partBytes ends a part before PartLetters, so that it stays a note: a body has up to a megabyte.
	partBytes = upload.MaxNoteBytes / 2
	// maxGroups bounds the groups of a listing; what is beyond is counted by its cause alone.
	maxGroups = 1000
	// endTimeout bounds what a listing writes at its end, also when it was interrupted.
	endTimeout = 30 * time.Second
)

// List receives all dead letters, explains each, hands it to row and keeps the listing as a snapshot. Rows come in
// the order in which letters are explained, one at a time, while the listing goes on. An error of row ends it.
//
// With an error, the snapshot is what was listed until then, and it is not complete: ErrTooMany, ctx ended, the
// queue failed, or the listing could not be kept (then all rows were shown). A letter that a store
// fails to explain is no error: it is counted in Unread.
func (r *Review) List(ctx context.Context, row func(Letter) error) (Snapshot, error) {
	state, err := r.inspect(ctx)
	if err != nil {
		return Snapshot{}, err
	}
	hurried := *r
	hurried.Records = &boundedRecords{Records: r.Records, now: r.Now}
	r = &hurried
	l := &listing{Review: r, row: row, groups: Groups{},
		snapshot: Snapshot{ID: r.NewID(), Operator: r.Operator, At: r.Now().UTC(), InOtherHands: state.InFlight}}
	l.writer = gzip.NewWriter(&l.part)
	l.keepHead(ctx)
	err = r.sweepFrom(ctx, state, l.failed, func(ctx context.Context, m queue.Received) bool {
		letter, err := r.explain(ctx, m, false)
		if ctx.Err() == nil {
			letter.ExpiresAt = letter.SentAt.Add(state.Retention)
			l.add(ctx, letter, err)
		}
		return false
	})
	if err == nil && !l.failed() { // what others had may have been given back while the listing went on
		l.snapshot.InOtherHands = max(0, state.Visible+state.InFlight-l.snapshot.Letters)
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	return l.end(ending, err)
}

// listing is a List that goes on.
type listing struct {
	*Review
	row func(Letter) error

	mu       sync.Mutex
	snapshot Snapshot
	groups   Groups
	// part is what the current part has, compressed; rows is how many letters.
	part   bytes.Buffer
	writer *gzip.Writer
	rows   int
	// rowErr is row's error, keepErr the first one of keeping the snapshot.
	rowErr, keepErr error
}

func (l *listing) failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rowErr != nil
}

// add shows a letter and keeps it. unread is why it is not explained whole.
func (l *listing) add(ctx context.Context, letter Letter, unread error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rowErr != nil {
		return
	}
	if l.rowErr = l.row(letter); l.rowErr != nil {
		return
	}
	l.count(letter, unread)
	if l.keepErr != nil {
		return
	}
	encoder := json.NewEncoder(l.writer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(letter); err != nil {
		l.keepErr = fmt.Errorf("write the dead letter %s into the listing: %w", letter.MessageID, err)
		return
	}
	l.rows++
	if l.rows == PartLetters || l.part.Len() >= partBytes {
		l.keepPart(ctx)
		l.keepHead(ctx)
	}
}

// count adds a letter to its group.
func (l *listing) count(letter Letter, unread error) {
	l.snapshot.Letters++
	if unread != nil {
		l.snapshot.Unread++
		l.snapshot.UnreadError = cmp.Or(l.snapshot.UnreadError, unread.Error())
	}
	l.groups.Add(letter)
}

// Groups are letters by what they died of.
type Groups map[string]*Group

// Add adds a letter to its group.
func (g Groups) Add(letter Letter) {
	d := letter.Diagnosis
	group := g[d.Group]
	if group == nil && len(g) >= maxGroups {
		d.Group = string(d.Cause) + ":"
		group = g[d.Group]
	}
	if group == nil {
		group = &Group{Cause: d.Cause, Group: d.Group, Sentence: d.Sentence, Suggest: d.Suggest, Oldest: letter.SentAt,
			Expires: letter.ExpiresAt}
		g[d.Group] = group
	}
	group.Letters++
	if letter.SentAt.Before(group.Oldest) {
		group.Oldest = letter.SentAt
	}
	if letter.ExpiresAt.Before(group.Expires) {
		group.Expires = letter.ExpiresAt
	}
	if slices.ContainsFunc(letter.Arrivals, func(a Arrival) bool {
		return a.Bytes == BytesInQuarantine || a.Bytes == BytesCopied
	}) {
		group.Bytes++
	}
}

// keepPart writes the letters since the last part.
func (l *listing) keepPart(ctx context.Context) {
	if l.rows == 0 || l.keepErr != nil {
		return
	}
	key := partKey(l.snapshot.ID, l.snapshot.Parts+1)
	err := l.writer.Close()
	if err == nil {
		err = l.Notes.Put(ctx, key, l.part.Bytes())
	}
	if err != nil {
		l.keepErr = fmt.Errorf("keep the listing: put %q: %w", key, err)
		return
	}
	l.snapshot.Parts++
	l.rows = 0
	l.part.Reset()
	l.writer.Reset(&l.part)
}

// keepHead writes the snapshot as it is.
func (l *listing) keepHead(ctx context.Context) {
	if l.keepErr != nil {
		return
	}
	l.snapshot.Groups = l.groups.Sorted()
	note, err := json.Marshal(l.snapshot)
	if err == nil {
		err = l.Notes.Put(ctx, headKey(l.snapshot.ID), note)
	}
	if err != nil {
		l.keepErr = fmt.Errorf("keep the listing: put %q: %w", headKey(l.snapshot.ID), err)
	}
}

// end writes what is left. swept is the sweep's error.
func (l *listing) end(ctx context.Context, swept error) (Snapshot, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keepPart(ctx)
	l.snapshot.Complete = swept == nil && l.rowErr == nil && l.keepErr == nil
	l.keepHead(ctx)
	l.snapshot.Complete = l.snapshot.Complete && l.keepErr == nil
	l.snapshot.Groups = l.groups.Sorted()
	rowErr := l.rowErr
	if rowErr != nil {
		rowErr = fmt.Errorf("show a dead letter: %w", rowErr)
	}
	return l.snapshot, errors.Join(swept, rowErr, l.keepErr)
}

// Sorted gives them in the order of Causes, the largest first.
func (g Groups) Sorted() []Group {
	out := make([]Group, 0, len(g))
	for _, group := range g {
		out = append(out, *group)
	}
	causes := Causes()
	slices.SortFunc(out, func(a, b Group) int {
		return cmp.Or(cmp.Compare(slices.Index(causes, a.Cause), slices.Index(causes, b.Cause)),
			cmp.Compare(b.Letters, a.Letters), cmp.Compare(a.Group, b.Group))
	})
	return out
}
