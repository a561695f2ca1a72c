package deadletter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"hatchery/shared/attempts"
	"hatchery/shared/upload"
)

// Story is all that is known of one upload. Its JSON is what `hatchery show --json` prints.
type Story struct {
	Record   upload.Record      `json:"record"`
	Versions []StoredVersion    `json:"versions"`
	Attempts []attempts.Attempt `json:"attempts"` // oldest first
	Letters  []Letter           `json:"letters"`
	Events   []Event            `json:"events"` // oldest first; what is to come follows
	// done is what was done with dead letters that the newest listing does not have, by their message ids.
	done map[string]Done
}

// StoredVersion is one version of an upload.
type StoredVersion struct {
	Where   string         `json:"where"`
	Version upload.Version `json:"version"`
	Size    int64          `json:"size"`
	At      time.Time      `json:"at"`
	// Judged: the verdict is about it. Served: callers get it.
	Judged bool `json:"judged,omitempty"`
	Served bool `json:"served,omitempty"`
}

// Where a version is.
const (
	InQuarantine = "quarantine"
	InFiles      = "files"
)

// Story looks at the bucket for what there is of an upload: its versions, what validators noted at its messages, and
// its dead letters as the newest listing has them, explained afresh. It receives nothing and reads no file.
func (r *Review) Story(ctx context.Context, record upload.Record) (Story, error) {
	s := Story{Record: record, Versions: []StoredVersion{}, Attempts: []attempts.Attempt{}, Letters: []Letter{}}
	arrived, err := r.versions(ctx, r.Layout.QuarantineKey(record.Ref()))
	if err != nil {
		return s, err
	}
	copied, err := r.versions(ctx, r.Layout.FilesKey(record.Ref()))
	if err != nil {
		return s, err
	}
	for _, v := range arrived {
		s.Versions = append(s.Versions, StoredVersion{Where: InQuarantine, Version: v.Version, Size: v.Size, At: v.At,
			Judged: v.Version == record.JudgedVersion})
	}
	for _, v := range copied {
		s.Versions = append(s.Versions, StoredVersion{Where: InFiles, Version: v.Version, Size: v.Size, At: v.At,
			Served: record.Status == upload.Stored && v.Version == record.ServedVersion})
	}
	noted, err := r.attemptsAt(ctx, record.ID)
	if err != nil {
		return s, err
	}
	s.Attempts = append(s.Attempts, noted...)
	letters, err := r.lettersOf(ctx, record.ID)
	s.Letters = append(s.Letters, letters...)
	if err == nil {
		s.done, err = r.doneBefore(ctx, s)
	}
	s.Events = s.timeline(r.Now())
	return s, err
}

// doneBefore says what was done with the messages of which only attempts are known.
func (r *Review) doneBefore(ctx context.Context, s Story) (map[string]Done, error) {
	before, looked := map[string]Done{}, map[string]bool{}
	for _, l := range s.Letters {
		looked[l.MessageID] = true
	}
	for _, a := range s.Attempts {
		if looked[a.MessageID] {
			continue
		}
		looked[a.MessageID] = true
		done, err := r.doneWith(ctx, a.MessageID)
		if err != nil {
			return before, err
		}
		if done != nil {
			before[a.MessageID] = *done
		}
	}
	return before, nil
}

// Advice says what a person has to know of a pending upload that gets no verdict by itself; "" is nothing.
func (s Story) Advice() string {
	waits := slices.ContainsFunc(s.Letters, func(l Letter) bool { return l.Done == nil })
	switch {
	case s.Record.Status != upload.Pending:
		return ""
	case len(s.Versions) == 0 && s.Record.LostBytes():
		return lost(s.Record).Sentence
	case waits:
		return "It has a dead letter: redrive that, once its cause is mended, instead of sending its message again."
	}
	return ""
}

// BytesGone says whether a validator looked for the bytes of a pending upload in vain, and quarantine has none of it.
// Where the bucket does not tell, they may be there.
func (r *Review) BytesGone(ctx context.Context, record upload.Record) bool {
	if !record.LostBytes() {
		return false
	}
	versions, err := r.versions(ctx, r.Layout.QuarantineKey(record.Ref()))
	return err == nil && len(versions) == 0
}

// CanReject says whether an operator can give the upload up.
func (s Story) CanReject() bool { return s.Record.Status == upload.Pending }

// CanRecheck says whether its bytes can be judged again, or, of a pending one, its message sent again.
func (s Story) CanRecheck() bool {
	switch s.Record.Status {
	case upload.Pending:
		return s.arrived()
	case upload.Rejected:
		judged := slices.ContainsFunc(s.Versions, func(v StoredVersion) bool { return v.Judged })
		return (judged || s.arrived() && s.Record.JudgedVersion == "") && s.Record.DroppedAt.IsZero()
	}
	return false
}

func (s Story) arrived() bool {
	return slices.ContainsFunc(s.Versions, func(v StoredVersion) bool { return v.Where == InQuarantine })
}

// versions lists the versions of one key, oldest first.
func (r *Review) versions(ctx context.Context, key upload.Key) ([]upload.ObjectVersion, error) {
	var all []upload.ObjectVersion
	err := upload.EachVersion(ctx, r.Objects, key, upload.MaxPage, func(v upload.ObjectVersion) bool {
		all = append(all, v)
		return true
	})
	slices.Reverse(all)
	return all, err
}

// maxAttempts bounds what is read of an upload's attempts: a message leaves attempts.Last of them.
const maxAttempts = 200

// attemptsAt reads what validators noted at an upload's messages, oldest first.
func (r *Review) attemptsAt(ctx context.Context, id upload.ID) ([]attempts.Attempt, error) {
	all, err := attempts.List(ctx, r.Notes, attempts.Prefix+string(id)+"/", maxAttempts)
	slices.SortStableFunc(all, func(a, b attempts.Attempt) int { return a.Began.Compare(b.Began) })
	return all, err
}

// lettersOf gives the dead letters of an upload that the newest listing has, explained afresh.
func (r *Review) lettersOf(ctx context.Context, id upload.ID) ([]Letter, error) {
	newest, err := r.Snapshot(ctx, "")
	if errors.Is(err, ErrNoSnapshot) {
		return nil, nil
	}
	var letters []Letter
	if err == nil {
		letters, err = r.Show(ctx, newest, string(id))
	}
	if err != nil {
		return nil, fmt.Errorf("read the newest listing of dead letters: %w", err)
	}
	return letters, nil
}
