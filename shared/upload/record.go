package upload

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"hatchery/shared/policy"
)

// Status is where an upload is in its life.
type Status string

// pending → stored | rejected; deleted from any of them; rejected → pending by
// an operator alone.
const (
	Pending  Status = "pending"
	Stored   Status = "stored"
	Rejected Status = "rejected"
	Deleted  Status = "deleted"
)

// Statuses gives all of them, in the order of a life.
func Statuses() []Status { return []Status{Pending, Stored, Rejected, Deleted} }

// ParseStatus reads one of the Statuses.
func ParseStatus(s string) (Status, error) {
	if slices.Contains(Statuses(), Status(s)) {
		return Status(s), nil
	}
	return "", fmt.Errorf("status %q is none of pending, stored, rejected, deleted", s)
}

// Declared is what the caller said of the bytes. It is compared, never shown as
// a fact. Zero values mean: not said.
type Declared struct {
	Size   int64
	Type   string
	SHA256 string // lower-case hex
}

// Failure is the last trouble that a validator had with an upload.
type Failure struct {
	At      time.Time
	Message string
}

// Record is one upload. Times are UTC, in whole microseconds.
type Record struct {
	ID        ID
	Journal   Journal
	Entry     Entry
	Kind      policy.KindName
	Name      string // lower case, without extension, inner dots made "_"
	Extension string // lower case, without its dot; of a stored record: as found
	Filename  string // what the person called the file, "" where that is FullName; see DisplayName
	CreatedAt time.Time
	Status    Status

	// Facts, set by a verdict and zero before it.
	Size        int64
	ContentType string
	SHA256      string // lower-case hex
	Reason      *Reason
	// SettledAt of a pending record is when the verdict came that an operator undid, see Round.
	SettledAt time.Time

	// For the pipeline alone; not shown to callers.
	Declared      Declared
	FormExpires   time.Time // zero when the bytes came with the request
	JudgedVersion Version   // the quarantine version that the verdict is about
	ServedVersion Version   // the version of the promoted copy
	Failures      int
	LastFailure   *Failure
	Resends       int       // how often the reconciler sent its message again
	ResentAt      time.Time // when it last did
	DroppedAt     time.Time // of a rejected record: when its bytes went from quarantine, to make room
	DeletedAt     time.Time
	ForgetAfter   time.Time // a tombstone may be forgotten from then on

	// Revision is the store's, with what Get gave; "" where it gave none. It says nothing of the upload.
	Revision Revision
}

// Revision tells what one Get of one record read from all that the record was before and becomes
// later. It is opaque: only the store that gave it can use it, as [Transition].Seen.
type Revision string

// Ref is the record's identity.
func (r Record) Ref() Ref {
	return Ref{Journal: r.Journal, Entry: r.Entry, Kind: r.Kind, ID: r.ID}
}

// Round tells apart what was begun before and after an operator reopened an upload: 0, or the
// microsecond of the last verdict that was undone. A verdict is settled in the round in
// which it was begun alone, and no copy is served that was made in an earlier one.
type Round int64

// Round is the round of a pending record; of a rejected one, that which reopening it begins.
func (r Record) Round() Round {
	if r.SettledAt.IsZero() {
		return 0
	}
	return Round(r.SettledAt.UnixMicro())
}

// LateForms is how long after the end of its first form an upload's bytes may still come: a
// repeated request gets another form, which ends well before that.
const LateForms = 24 * time.Hour

// FormOpen says whether a form of the upload may still be posted.
func (r Record) FormOpen(at time.Time) bool {
	return !r.FormExpires.IsZero() && at.Before(r.FormExpires.Add(LateForms))
}

// FullName is the name with its extension, as the replaced service gave it.
func (r Record) FullName() string { return r.Name + "." + r.Extension }

// DisplayName is what the person called the file, as a browser should save it. Its extension is the record's, which a
// verdict may have corrected.
func (r Record) DisplayName() string {
	dot := strings.LastIndexByte(r.Filename, '.')
	switch {
	case dot < 0:
		return r.FullName()
	case policy.SameExtension(r.Filename[dot+1:], r.Extension):
		return r.Filename
	}
	return r.Filename[:dot+1] + r.Extension
}

// Names are all that a person may know the file by. The last is what it was called.
func (r Record) Names() []string {
	if r.Filename == "" {
		return []string{r.FullName()}
	}
	return []string{r.FullName(), r.Filename}
}

// HasName says whether one of some names has a text in it, whatever their case.
func HasName(names []string, text string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(names, func(name string) bool { return strings.Contains(strings.ToLower(name), text) })
}

// createdAtForm is the form that the replaced service gave created_at; its
// clients parse it.
const createdAtForm = "2006-01-02 15:04:05.000000"

// MarshalJSON writes the public form: the six members of the replaced service
// with their names and formats, ours beside them. A member that is not known
// yet is null; filename is left out where it is name.extension.
func (r Record) MarshalJSON() ([]byte, error) {
	type public struct {
		ID          ID              `json:"id"`
		Journal     Journal         `json:"journal_id"`
		Entry       Entry           `json:"entry_id"`
		Name        string          `json:"name"`
		Extension   string          `json:"extension"`
		Filename    string          `json:"filename,omitempty"`
		CreatedAt   string          `json:"created_at"`
		Kind        policy.KindName `json:"kind"`
		Status      Status          `json:"status"`
		Size        *int64          `json:"size"`
		ContentType *string         `json:"content_type"`
		SHA256      *string         `json:"sha256"`
		Reason      *Reason         `json:"reason"`
		SettledAt   *string         `json:"settled_at"`
	}
	p := public{ID: r.ID, Journal: r.Journal, Entry: r.Entry, Name: r.Name, Extension: r.Extension,
		Filename: r.Filename, CreatedAt: r.CreatedAt.UTC().Format(createdAtForm), Kind: r.Kind, Status: r.Status,
		Reason: r.Reason}
	if !r.SettledAt.IsZero() && r.Status != Pending {
		at := r.SettledAt.UTC().Format(time.RFC3339Nano)
		p.SettledAt = &at
		p.Size = &r.Size
	}
	if r.ContentType != "" {
		p.ContentType = &r.ContentType
	}
	if r.SHA256 != "" {
		p.SHA256 = &r.SHA256
	}
	return json.Marshal(p)
}

// timeOf gives t as records keep it: UTC, whole microseconds.
func timeOf(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// Equal says whether two records hold the same, their reasons and failures included, whatever their revisions.
func (r Record) Equal(s Record) bool {
	same := equalBehind(r.Reason, s.Reason) && equalBehind(r.LastFailure, s.LastFailure)
	r.Revision, s.Revision = "", ""
	r.Reason, s.Reason, r.LastFailure, s.LastFailure = nil, nil, nil, nil
	return same && r == s
}

func equalBehind[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }
