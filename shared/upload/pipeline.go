package upload

import (
	"context"
	"fmt"
	"time"

	"hatchery/shared/policy"
)

// Pipeline decides about uploads: it accepts, validates and deletes them. Its
// fields are set once and only read afterwards; its methods may be called
// concurrently, in as many processes as there are.
type Pipeline struct {
	Policy  policy.Policy
	Layout  Layout
	Records Records
	Objects Objects
	// Notifier, when set, is told of every verdict.
	Notifier Notifier
	// LegacyImages, when set, are the replaced service's; a deletion removes them, too.
	LegacyImages LegacyImages
	// AtOnce, when set, makes two calls of which neither waits for the other, in any order, and returns when
	// both have ended. Nil makes them at the same time.
	AtOnce func(one, other func())
	// Now is the clock.
	Now func() time.Time
	// NewID makes an id for a new upload.
	NewID func() (ID, error)
	// TombstoneLife is how long a deleted record is remembered. It must be longer
	// than an object can lie in quarantine plus the longest life of a message, or
	// a late event finds nothing and its bytes stay.
	TombstoneLife time.Duration
}

// Notifier tells the application of verdicts. Notify is called at least once for each
// of them: a crash or an ambiguous answer repeats it, so what it sends is
// identified by the upload and the judged version. An error is trouble.
type Notifier interface {
	Notify(ctx context.Context, settled Record) error
}

// notify tells of a verdict, where anybody wants to know.
func (p *Pipeline) notify(ctx context.Context, settled Record) error {
	if p.Notifier == nil {
		return nil
	}
	if err := p.Notifier.Notify(ctx, settled); err != nil {
		return fmt.Errorf("tell that upload %s is %s: %w", settled.Ref(), settled.Status, err)
	}
	return nil
}

// TombstoneLife is long enough for a bucket whose quarantine is emptied after the
// given number of days: the longest that a message can live, dead letters and one
// redrive included, and some more.
func TombstoneLife(quarantineDays int) time.Duration {
	return time.Duration(quarantineDays+31) * 24 * time.Hour
}

// DefaultTombstoneLife is the default quarantine of 60 days and 31 more.
const DefaultTombstoneLife = 91 * 24 * time.Hour
