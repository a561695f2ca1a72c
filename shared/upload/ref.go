package upload

import (
	"fmt"

	"github.com/google/uuid"

	"hatchery/shared/policy"
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
	Kind    policy.KindName
	ID      ID
}

func (r Ref) String() string {
	return fmt.Sprintf("%s/entries/%s/%s/%s", r.Journal, r.Entry, r.Kind, r.ID)
}

// ValidPathID says whether s may stand as a journal or entry id in a path.
func ValidPathID(s string) bool {
	return policy.Consists(s, policy.Letters+policy.Digits+"_-", 1, 64)
}

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
