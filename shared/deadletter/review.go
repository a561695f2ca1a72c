package deadletter

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"time"

	"hatchery/shared/policy"
	"hatchery/shared/queue"
	"hatchery/shared/upload"
)

// Queue is a dead-letter queue.
type Queue interface {
	queue.Inspector
	queue.Receiver
}

// Objects is what a review asks of the bucket: where an upload's bytes are, never what they are.
type Objects interface {
	Stat(ctx context.Context, key upload.Key) (upload.Copy, error)
	upload.Inventory
}

// Records is what a review reads of the record store; see upload.Records.
type Records interface {
	Get(ctx context.Context, ref upload.Ref) (upload.Record, error)
	List(ctx context.Context, q upload.Query) (upload.Page, error)
	Scan(ctx context.Context, q upload.ScanQuery) (upload.Page, error)
}

// Pipeline is what changes uploads; see upload.Pipeline.
type Pipeline interface {
	RejectByOperator(ctx context.Context, key upload.Key, version upload.Version, message string) (upload.Outcome, error)
	Recheck(ctx context.Context, ref upload.Ref) (upload.Record, upload.ObjectVersion, error)
	Reinspect(ctx context.Context, ref upload.Ref) (upload.Record, upload.Facts, *upload.Reason, error)
}

// Review looks at the dead letters and the uploads of one deployment, and acts on them, for one operator. Its
// methods may be called concurrently, by several operators at once.
type Review struct {
	DeadLetters Queue
	// Source is the validator's queue, to which messages are redriven.
	Source   queue.Sender
	Records  Records
	Objects  Objects
	Notes    upload.Notes
	Pipeline Pipeline

	Policy policy.Policy
	Layout upload.Layout
	// Bucket and Region are what messages say of where an object lies.
	Bucket, Region string
	// Notifies says whether verdicts are notified to an application: if so, a rejection may
	// have been settled and not told.
	Notifies bool
	// MaxReceives is the validator's queue's.
	MaxReceives int
	// Concurrency is how many letters are explained, or acted on, at once; at least 1. Queues
	// are received from by as many at once, up to 8.
	Concurrency int
	// Operator is who acts, as the audit names it: the caller's ARN, or the user's name.
	Operator string
	Now      func() time.Time
	// After is time.After: what is paced or polled waits by it.
	After func(d time.Duration) <-chan time.Time
	// NewID makes ids of snapshots and runs: letters, digits and dashes, in the order of time.
	NewID func() string
	Log   *slog.Logger
}

// Why something cannot be done as it was asked.
var (
	// ErrNoSnapshot: nothing was listed yet, or the snapshot is not there (any more).
	ErrNoSnapshot = errors.New("there is no such listing")
	// ErrTooMany: more than MaxLetters.
	ErrTooMany = errors.New("there are more dead letters than a listing holds")
)

const (
	// MaxLetters is the most letters that a listing holds: SQS hides 120,000 messages at most.
	MaxLetters = 100_000
	// PartLetters is how many letters a part of a snapshot holds.
	PartLetters = 1000
)

// NewID makes ids in the order of time: the second, and 40 bits by chance.
func NewID(now func() time.Time) func() string {
	return func() string {
		var chance [5]byte
		_, _ = rand.Read(chance[:]) // it never fails
		return now().UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(chance[:])
	}
}
