package upload

import "time"

// Pipeline decides about uploads: it accepts, validates and deletes them. Its
// fields are set once and only read afterwards; its methods may be called
// concurrently, in as many processes as there are.
type Pipeline struct {
	Policy  Policy
	Layout  Layout
	Records Records
	Objects Objects
	// Now is the clock.
	Now func() time.Time
	// NewID makes an id for a new upload.
	NewID func() (ID, error)
	// TombstoneLife is how long a deleted record is remembered. It must be longer
	// than an object can lie in quarantine plus the longest life of a message, or
	// a late event finds nothing and its bytes stay.
	TombstoneLife time.Duration
}

// DefaultTombstoneLife is the default quarantine of 60 days and 31 more.
const DefaultTombstoneLife = 91 * 24 * time.Hour
