package deadletter

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"hatchery/shared/arrival"
	"hatchery/shared/attempts"
	"hatchery/shared/queue"
	"hatchery/shared/upload"
)

// explain says why a message is dead and how its uploads stand: its attempts, the newest alone unless all are asked
// for, its records, its bytes, and the diagnosis. With an error the letter is explained as far as it could be
// read: its cause is that of the newest attempt then, or Unknown.
//
// ExpiresAt stays zero: a listing, which knows the queue's retention, sets it.
func (r *Review) explain(ctx context.Context, m queue.Received, all bool) (Letter, error) {
	letter := Letter{MessageID: m.ID, SentAt: m.SentAt.UTC(), Source: m.Source, Body: m.Body, Attributes: m.Attributes,
		Arrivals: []Arrival{}}
	if redriven, ok := m.Attributes[RedriveAttribute]; ok {
		n, _ := strconv.Atoi(redriven.Text)
		letter.Redrives = max(n, 1) // whatever the attribute says, as validators count
	}
	_, letter.Resent = m.Attributes[arrival.ResendAttribute]
	e := evidence{body: m.Body, notifies: r.Notifies}
	e.parsed, e.unreadable = arrival.Parse([]byte(m.Body))
	var id upload.ID // the first that the message names: attempts lie under it
	var failed error
	for _, created := range e.parsed.Created {
		s, err := r.look(ctx, created)
		failed = cmp.Or(failed, err)
		e.arrivals = append(e.arrivals, s)
		letter.Arrivals = append(letter.Arrivals, s.Arrival)
		id = cmp.Or(id, s.UploadID)
	}
	kept, err := r.attempts(ctx, id, m.ID, all)
	failed = cmp.Or(failed, err)
	letter.Attempts = kept
	if len(kept) > 0 {
		e.attempt = &kept[len(kept)-1]
	}
	if failed != nil {
		letter.Diagnosis = unread(e, failed)
		return letter, fmt.Errorf("explain the dead letter %s: %w", m.ID, failed)
	}
	letter.Diagnosis = diagnose(e)
	return letter, nil
}

// look finds how the upload of an arrival stands.
func (r *Review) look(ctx context.Context, created arrival.Created) (standing, error) {
	s := standing{ourBucket: created.Bucket == r.Bucket, Arrival: Arrival{Bucket: created.Bucket,
		Key: upload.Key(created.Key), Version: upload.Version(created.VersionID), Size: created.Size}}
	ref, ours := r.Layout.ParseQuarantineKey(s.Key)
	if !ours || !s.ourBucket {
		return s, nil
	}
	s.UploadID, s.Journal, s.Entry, s.Kind = ref.ID, ref.Journal, ref.Entry, ref.Kind
	found, err := r.stand(ctx, &s, ref)
	if err != nil || !found || s.Status != upload.Pending && !s.record.NeedsWork(s.Version) {
		return s, err
	}
	if s.Bytes, err = r.bytes(ctx, s, ref); err != nil {
		return s, err
	}
	s.waits = s.Bytes == BytesInQuarantine
	if s.Status == upload.Pending && s.Bytes == BytesGone {
		// Whoever settles an upload changes its record before its bytes go: it may be settled by now.
		_, err = r.stand(ctx, &s, ref)
		if s.Status != upload.Pending {
			s.Bytes = "" // of a settled upload, that says nothing
		}
	}
	return s, err
}

// stand reads the upload's record; found is false when there is none.
func (r *Review) stand(ctx context.Context, s *standing, ref upload.Ref) (found bool, _ error) {
	record, err := r.Records.Get(ctx, ref)
	switch {
	case errors.Is(err, upload.ErrNotFound):
		s.record, s.Status, s.Names = upload.Record{}, "", nil
		return false, nil
	case err != nil:
		return false, fmt.Errorf("get record %s: %w", ref, err)
	}
	s.record = record
	s.Names = record.Names()
	s.Status, s.Reason, s.CreatedAt, s.SettledAt = record.Status, record.Reason, record.CreatedAt, record.SettledAt
	s.Failures, s.LastError = record.Failures, ""
	if record.LastFailure != nil {
		s.LastError, s.FailedAt = record.LastFailure.Message, record.LastFailure.At
	}
	return true, nil
}

// bytes says where the version of an arrival is. One without a version is about any of its upload.
func (r *Review) bytes(ctx context.Context, s standing, ref upload.Ref) (Bytes, error) {
	here, others := false, false
	err := upload.EachVersion(ctx, r.Objects, s.Key, upload.MaxPage, func(v upload.ObjectVersion) bool {
		here, others = s.Version == "" || v.Version == s.Version, true
		return !here
	})
	switch {
	case err != nil:
		return "", err
	case here:
		return BytesInQuarantine, nil
	}
	to := r.Layout.FilesKey(ref)
	copied, err := r.Objects.Stat(ctx, to)
	switch {
	case err != nil && !errors.Is(err, upload.ErrGone):
		return "", fmt.Errorf("look at object %q: %w", to, err)
	case err == nil && copied.Source != "" && (s.Version == "" || copied.Source == s.Version):
		return BytesCopied, nil
	case err == nil || others:
		return BytesInOther, nil
	}
	return BytesGone, nil
}

// attempts reads the newest attempt at a message, or all of them, oldest first. A message keeps its id when it
// dies, and its last attempts lie under the last receptions that its queue allowed.
func (r *Review) attempts(ctx context.Context, id upload.ID, message string, all bool) ([]attempts.Attempt, error) {
	if all {
		return r.allAttempts(ctx, attempts.Folder(id, message))
	}
	for n := r.MaxReceives; n > max(r.MaxReceives-attempts.Last, 0); n-- {
		a, err := attempts.Read(ctx, r.Notes, attempts.Key(id, message, n))
		if errors.Is(err, upload.ErrGone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return []attempts.Attempt{a}, nil
	}
	// A queue that is not Amazon's may count the receptions before a redrive, too: then their numbers are higher.
	kept, err := r.allAttempts(ctx, attempts.Folder(id, message))
	return kept[max(len(kept)-1, 0):], err
}

func (r *Review) allAttempts(ctx context.Context, folder string) ([]attempts.Attempt, error) {
	kept, err := attempts.List(ctx, r.Notes, folder, upload.MaxPage) // far more than a queue allows receptions
	slices.SortFunc(kept, func(a, b attempts.Attempt) int { return a.Receive - b.Receive })
	return kept, err
}
