package upload

import (
	"context"
	"time"

	"hatchery/shared/policy"
)

// Records keeps the records of uploads. Every implementation passes the suite
// uploadtest.RunRecords.
//
// # Contract
//
// A nil error means durable: a crash right afterwards loses nothing. Any other
// error than the ones named may hide a change that was made; callers retry or
// read again. All methods may be called concurrently, honour ctx, and read what
// was written before (a later call sees an earlier one's effect).
//
// What the validator does with one version of an object rests on Get and Update:
//
//	the record is        this version   the validator
//	pending              any            judges, promotes or refuses
//	stored               the judged     deletes that quarantine version
//	rejected             the judged     keeps the bytes, unless they are dropped
//	stored or rejected   another        late bytes: deletes that version
//	deleted              any            removes our copy and that version
//	not there            any            touches nothing
//	pending              is gone        judges the copy of it that was promoted; without one,
//	                                    and without another version, notes that it was lost
//	anything             is gone        leaves it to the reconciler
type Records interface {
	// Create adds a pending record. ErrExists: there is one under this Ref.
	//
	// With a key, the idempotency key is claimed in the same step. When the key
	// is claimed already and not expired, nothing is created: the record that
	// was created first is returned as it stands now (also deleted), or
	// ErrKeyReused when its fingerprint differs. Without an error and without
	// a key the returned record is r.
	Create(ctx context.Context, r Record, key *IdempotencyKey) (Record, error)

	// Get finds one record, tombstones included. ErrNotFound when there is none;
	// a record under the same id with another journal, entry or kind is none. A store that
	// can change it without reading it again gives its Revision.
	Get(ctx context.Context, ref Ref) (Record, error)

	// List gives one entry's records of one kind and status, newest first. Stored records
	// of the same instant come by descending id. The others may come by descending id
	// altogether, which is the same order where NewID made the ids. ErrBadCursor for a
	// cursor that another list gave; a limit outside 1 to MaxPage is an error.
	//
	// A page may hold fewer records than the limit, or none, and have a next one: a store
	// reads so much for one page and no more.
	List(ctx context.Context, q Query) (Page, error)

	// Update reads a record, asks t.To what to make of it, and writes that if nothing
	// else was written meanwhile; else it asks again. It returns the record as it then
	// stands. An error of To is returned, and nothing is written then, nor where To
	// gives an equal record. After a write whose answer was lost it recognises its own,
	// and returns what it made. ErrNotFound: there is no record.
	//
	// A store may ask t.To about t.Seen in the place of its first reading. It writes what To gives
	// only if the record still has the revision of t.Seen. Else it reads the record, and asks again;
	// so it does where nothing is to be written. So an old t.Seen costs time, and decides nothing.
	//
	// When the record becomes stored, t.Admit is asked after To. With Unique, a
	// *DuplicateError names a stored record of the same journal, entry and kind with the
	// same SHA-256, whether or not that was stored with Unique; of several at once one
	// wins, and a deleted one no longer counts. ErrOverQuota: with this file the entry
	// would hold more than the bounds.
	Update(ctx context.Context, ref Ref, t Transition) (Record, error)

	// Usage sums what an entry holds of one kind: pending records count as
	// files, stored ones with their bytes. A store may count pending ones among the newest
	// records alone, as many as it reads in one request: hundreds at least.
	Usage(ctx context.Context, journal Journal, entry Entry, kind policy.KindName) (Usage, error)

	// Scan gives the records of all entries: pending ones oldest first, else in no
	// promised order. Errors and short pages as List has them.
	Scan(ctx context.Context, q ScanQuery) (Page, error)

	// Atomic says whether Create and Update are compare-and-swap. In a store where they
	// are not, To is asked once; a verdict may overwrite another one that came between
	// reading and writing; what came between writing and reading back is ErrConflict; and
	// a record that becomes deleted is removed, and never comes back: it leaves a tombstone
	// only if it is FormOpen then, and of several deletions at once more than one may succeed.
	// The pipeline then takes no copy back while a record stands.
	Atomic() bool
}

// IdempotencyKey is a claim on an idempotency key.
type IdempotencyKey struct {
	// Scope and Key together are the claim: the scope is journal, entry, kind
	// and route.
	Scope, Key string
	// Fingerprint is equal for requests that are the same upload.
	Fingerprint string
	// Expires: from then on the key may be claimed anew.
	Expires time.Time
}

// Cursor continues a list where a page ended. It is opaque, "" at the start and
// at the end. A store answers a cursor that it never gave with ErrBadCursor.
type Cursor string

// Query asks for one entry's records of one kind.
type Query struct {
	Journal Journal
	Entry   Entry
	Kind    policy.KindName
	Status  Status
	Cursor  Cursor
	// Limit is the most records in the page, 1 to MaxPage.
	Limit int
}

// ScanQuery asks for the records of all entries.
type ScanQuery struct {
	// Status; empty is any.
	Status Status
	// Before, with a status: only what was created before; zero is no bound. It may be
	// another one from page to page.
	Before time.Time
	Cursor Cursor
	// Limit is the most records in the page, 1 to MaxPage.
	Limit int
}

// Matches says whether the list of q has the record.
func (q ScanQuery) Matches(r Record) bool {
	return (q.Status == "" || r.Status == q.Status) && (q.Before.IsZero() || r.CreatedAt.Before(q.Before))
}

// MaxPage is the most records that a page holds.
const MaxPage = 1000

// Page is part of a list.
type Page struct {
	Records []Record
	// Next is "" on the last page.
	Next Cursor
}

// Usage is what an entry holds of one kind.
type Usage struct {
	Files int64
	Bytes int64
}
