package deadletter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"hatchery/shared/upload"
)

const (
	auditPrefix = upload.DeadLetterPrefix + "audit/"
	// auditTimeout bounds the note at the end of an action, which is written although ctx ended.
	auditTimeout = 30 * time.Second
)

func auditKey(id string) upload.Key { return auditPrefix + upload.Key(id) + ".json" }

// BeginAudit writes the note of an action before anything is done.
func (r *Review) BeginAudit(ctx context.Context, a Audit) (Audit, error) {
	a.ID, a.Operator, a.Began, a.Counts = r.NewID(), r.Operator, r.Now().UTC(), map[string]int{}
	return a, putAudit(ctx, r.Notes, a)
}

// EndAudit writes the note and the log line of an action that came to its end, by err or without. It
// gives err, and what the note failed with.
func (r *Review) EndAudit(ctx context.Context, a *Audit, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTimeout)
	defer cancel()
	a.Ended = r.Now().UTC()
	if err != nil {
		a.Error = err.Error()
	}
	r.Log.InfoContext(ctx, "dead letters: "+string(a.Action), "operator", a.Operator, "run", a.ID, "snapshot", a.Snapshot,
		"chosen", a.Chosen, ResultDone, a.Counts[ResultDone], ResultEarlier, a.Counts[ResultEarlier],
		ResultSkipped, a.Counts[ResultSkipped], ResultMissing, a.Counts[ResultMissing],
		ResultFailed, a.Counts[ResultFailed], "error", a.Error)
	return errors.Join(err, putAudit(ctx, r.Notes, *a))
}

// putAudit writes the note. One that is too long leaves out the details: with them, MaxLetters results
// may be more than a note holds.
func putAudit(ctx context.Context, notes upload.Notes, a Audit) error {
	body, err := json.Marshal(a)
	if len(body) > upload.MaxNoteBytes {
		a.Results = slices.Clone(a.Results)
		for i := range a.Results {
			a.Results[i].Detail = ""
		}
		body, err = json.Marshal(a)
	}
	if err == nil {
		err = notes.Put(ctx, auditKey(a.ID), body)
	}
	if err != nil {
		return fmt.Errorf("write note %s: %w", auditKey(a.ID), err)
	}
	return nil
}

// eachNote gives the keys of all notes under a prefix, in their order, some at a time.
func (r *Review) eachNote(ctx context.Context, prefix string, some func(keys []upload.Key) error) error {
	for cursor := upload.Cursor(""); ; {
		page, err := r.Notes.List(ctx, prefix, cursor, upload.MaxPage)
		if err != nil {
			return fmt.Errorf("list notes under %s: %w", prefix, err)
		}
		if err := some(page.Keys); err != nil {
			return err
		}
		if page.Next == "" {
			return nil
		}
		cursor = page.Next
	}
}

// ErrNoAudit: there is no action of that id.
var ErrNoAudit = errors.New("there is no such action")

// Audit gives one action by its id. ErrNoAudit: there is none.
func (r *Review) Audit(ctx context.Context, id string) (a Audit, err error) {
	if !isSnapshotID(id) {
		return a, ErrNoAudit
	}
	err = r.getNote(ctx, auditKey(id), &a)
	if errors.Is(err, upload.ErrGone) {
		err = ErrNoAudit
	}
	return a, err
}

// Audits gives the last n actions, newest first.
func (r *Review) Audits(ctx context.Context, n int) ([]Audit, error) {
	var last []upload.Key
	err := r.eachNote(ctx, auditPrefix, func(keys []upload.Key) error {
		last = append(last, keys...)
		last = slices.Clone(last[max(0, len(last)-n):])
		return nil
	})
	if err != nil {
		return nil, err
	}
	audits := make([]Audit, len(last))
	for i, key := range last {
		if err := r.getNote(ctx, key, &audits[len(last)-1-i]); err != nil {
			return nil, err
		}
	}
	return audits, nil
}
