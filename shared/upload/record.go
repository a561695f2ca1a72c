package upload

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Distinct types for every kind of name, so that a swapped argument does not
// compile.
type (
	// ID is a UUID in canonical form; new ones are version 7, so that they sort
	// by time.
	ID string
	// Journal is the application's journal id: [A-Za-z0-9_-]{1,64}.
	Journal string
	// Entry is the application's entry id within a journal, of the same form.
	Entry string
	// KindName names a kind of the policy, "images" for instance.
	KindName string
	// Key is a key in the bucket.
	Key string
	// Version is an object's version id. It is opaque.
	Version string
)

// Ref is the identity of an upload. Records are looked up by all of it, so that
// a right on one journal's entry is never a right on another's.
type Ref struct {
	Journal Journal
	Entry   Entry
	Kind    KindName
	ID      ID
}

func (r Ref) String() string {
	return fmt.Sprintf("%s/entries/%s/%s/%s", r.Journal, r.Entry, r.Kind, r.ID)
}

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

// ParseStatus reads one of the four statuses.
func ParseStatus(s string) (Status, error) {
	switch st := Status(s); st {
	case Pending, Stored, Rejected, Deleted:
		return st, nil
	}
	return "", fmt.Errorf("status %q is none of pending, stored, rejected, deleted", s)
}

// Code is a stable reason for a rejection.
type Code string

// The reason codes. They are part of the public contract.
const (
	TypeMismatch     Code = "type_mismatch"
	Truncated        Code = "truncated"
	Corrupt          Code = "corrupt"
	TrailingData     Code = "trailing_data"
	TooLarge         Code = "too_large"
	TooSmall         Code = "too_small"
	TooManyPixels    Code = "too_many_pixels"
	NotAllowed       Code = "not_allowed"
	Duplicate        Code = "duplicate"
	ChecksumMismatch Code = "checksum_mismatch"
	NeverArrived     Code = "never_arrived"
	ByOperator       Code = "operator"
)

// Reason is why an upload was rejected: a code for programs and a sentence that
// tells the uploader what to do.
type Reason struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
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
	Kind      KindName
	Name      string // lower case, without extension, inner dots made "_"
	Extension string // lower case, without its dot
	CreatedAt time.Time
	Status    Status

	// Facts, set by a verdict and zero before it.
	Size        int64
	ContentType string
	SHA256      string // lower-case hex
	Reason      *Reason
	SettledAt   time.Time

	// For the pipeline alone; not shown to callers.
	Declared      Declared
	FormExpires   time.Time // zero when the bytes came with the request
	JudgedVersion Version   // the quarantine version that the verdict is about
	ServedVersion Version   // the version of the promoted copy
	Failures      int
	LastFailure   *Failure
	Reenqueued    int       // how often the reconciler sent its message again
	ReenqueuedAt  time.Time // when it last did
	DeletedAt     time.Time
	ForgetAfter   time.Time // a tombstone may be forgotten from then on
}

// Ref is the record's identity.
func (r Record) Ref() Ref {
	return Ref{Journal: r.Journal, Entry: r.Entry, Kind: r.Kind, ID: r.ID}
}

// FullName is the name with its extension, as a browser would save it.
func (r Record) FullName() string { return r.Name + "." + r.Extension }

// createdAtForm is the form that the replaced service gave created_at; its
// clients parse it.
const createdAtForm = "2006-01-02 15:04:05.000000"

// MarshalJSON writes the public form: the six members of the replaced service
// with their names and formats, ours beside them. A member that is not known
// yet is null.
func (r Record) MarshalJSON() ([]byte, error) {
	type public struct {
		ID          ID       `json:"id"`
		Journal     Journal  `json:"journal_id"`
		Entry       Entry    `json:"entry_id"`
		Name        string   `json:"name"`
		Extension   string   `json:"extension"`
		CreatedAt   string   `json:"created_at"`
		Kind        KindName `json:"kind"`
		Status      Status   `json:"status"`
		Size        *int64   `json:"size"`
		ContentType *string  `json:"content_type"`
		SHA256      *string  `json:"sha256"`
		Reason      *Reason  `json:"reason"`
		SettledAt   *string  `json:"settled_at"`
	}
	p := public{ID: r.ID, Journal: r.Journal, Entry: r.Entry, Name: r.Name, Extension: r.Extension,
		CreatedAt: r.CreatedAt.UTC().Format(createdAtForm), Kind: r.Kind, Status: r.Status, Reason: r.Reason}
	if !r.SettledAt.IsZero() {
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

var pathID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// ValidPathID says whether s may stand as a journal or entry id in a path.
func ValidPathID(s string) bool { return pathID.MatchString(s) }

// NewID makes a time-ordered id.
func NewID() (ID, error) {
	u, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make an upload id: %w", err)
	}
	return ID(u.String()), nil
}

// ParseID reads a UUID in its canonical form with dashes, in either case.
func ParseID(s string) (ID, error) {
	if len(s) != 36 {
		return "", fmt.Errorf("id %q is no UUID", s)
	}
	u, err := uuid.Parse(s)
	if err != nil {
		return "", fmt.Errorf("id %q is no UUID", s)
	}
	return ID(u.String()), nil
}

// Layout says where in the bucket uploads lie. Both prefixes end in "/" and
// neither begins with the other, or promotion's own copy would be notified and
// validated again.
type Layout struct {
	Quarantine string
	Files      string
}

// DefaultLayout is quarantine/ and files/.
var DefaultLayout = Layout{Quarantine: "quarantine/", Files: "files/"}

// Check reports every fault of the layout at once.
func (l Layout) Check() []Fault {
	var faults []Fault
	for _, p := range []struct{ setting, value string }{
		{"HATCHERY_QUARANTINE_PREFIX", l.Quarantine}, {"HATCHERY_FILES_PREFIX", l.Files}} {
		if !prefixForm.MatchString(p.value) || len(p.value) > 200 {
			faults = append(faults, Fault{Setting: p.setting, Found: fmt.Sprintf("%q", p.value),
				Accepted: `1 to 200 characters of A-Z a-z 0-9 _ - . /, not beginning with "/" and ending in "/"`})
		}
	}
	if strings.HasPrefix(l.Quarantine, l.Files) || strings.HasPrefix(l.Files, l.Quarantine) {
		faults = append(faults, Fault{Setting: "HATCHERY_FILES_PREFIX", Found: fmt.Sprintf("%q beside quarantine %q", l.Files, l.Quarantine),
			Accepted: "two prefixes of which neither begins with the other, quarantine/ and files/ for instance"})
	}
	return faults
}

var prefixForm = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*/$`)

// QuarantineKey is where the bytes of an upload arrive.
func (l Layout) QuarantineKey(r Ref) Key { return Key(l.Quarantine + r.String()) }

// FilesKey is where the bytes of an upload are served from once stored.
func (l Layout) FilesKey(r Ref) Key { return Key(l.Files + r.String()) }

// ParseQuarantineKey finds which upload a quarantine key belongs to. It is
// false for a key that this layout would never have made.
func (l Layout) ParseQuarantineKey(k Key) (Ref, bool) {
	rest, ok := strings.CutPrefix(string(k), l.Quarantine)
	if !ok {
		return Ref{}, false
	}
	parts := strings.Split(rest, "/")
	if len(parts) != 5 || parts[1] != "entries" || !ValidPathID(parts[0]) || !ValidPathID(parts[2]) || !kindForm.MatchString(parts[3]) {
		return Ref{}, false
	}
	id, err := ParseID(parts[4])
	if err != nil || string(id) != parts[4] {
		return Ref{}, false
	}
	return Ref{Journal: Journal(parts[0]), Entry: Entry(parts[2]), Kind: KindName(parts[3]), ID: id}, true
}
