package upload

import (
	"context"
	"io"
	"time"
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
//	rejected             the judged     keeps the bytes
//	stored or rejected   another        late bytes: deletes that version
//	deleted              any            removes our copy and that version
//	not there            any            touches nothing
//	anything             is gone        judges the copy of it that was promoted, when the
//	                                    record is pending; without one leaves it to the
//	                                    reconciler
type Records interface {
	// Create adds a pending record. ErrExists: there is one under this Ref.
	//
	// With once, the idempotency key is claimed in the same step. When the key
	// is claimed already and not expired, nothing is created: the record that
	// was created first is returned as it stands now (also deleted), or
	// ErrKeyReused when its fingerprint differs. Without an error and without
	// once the returned record is r.
	Create(ctx context.Context, r Record, once *Once) (Record, error)

	// Get finds one record, tombstones included. ErrNotFound when there is none;
	// a record under the same id with another journal, entry or kind is none.
	Get(ctx context.Context, ref Ref) (Record, error)

	// List gives one entry's records of one kind and status, newest first; records
	// of the same instant come by descending id. ErrBadCursor for a cursor that
	// another list gave; a limit outside 1 to MaxPage is an error.
	List(ctx context.Context, q Query) (Page, error)

	// Update reads a record, asks t.To what to make of it, and writes that if nothing
	// else was written meanwhile; else it asks again. It returns the record as it then
	// stands. An error of To is returned as it is, nothing is written then, nor where To
	// gives an equal record. After a write whose answer was lost it recognises its own,
	// and returns what it made. ErrNotFound: there is no record.
	//
	// When the record becomes stored, t.Admit is asked after To. With Unique, a
	// *DuplicateError names a stored record of the same journal, entry and kind with the
	// same SHA-256, whether or not that was stored with Unique; of several at once one
	// wins, and a deleted one no longer counts. ErrOverQuota: with this file the entry
	// would hold more than the bounds.
	Update(ctx context.Context, ref Ref, t Transition) (Record, error)

	// Usage sums what an entry holds of one kind: pending records count as
	// files, stored ones with their bytes.
	Usage(ctx context.Context, journal Journal, entry Entry, kind KindName) (Usage, error)

	// Scan gives the records of all entries: with a status oldest first, else in no
	// promised order. Errors as List has them.
	Scan(ctx context.Context, q ScanQuery) (Page, error)

	// Atomic says whether Create and Update are compare-and-swap. In a store where they
	// are not, To is asked once; a verdict may overwrite another one that came between
	// reading and writing; what came between writing and reading back is ErrConflict; and
	// a record that becomes deleted is removed instead of leaving a tombstone, and never
	// comes back. The pipeline then takes no copy back while a record stands.
	Atomic() bool
}

// Teller tells the application of verdicts. Tell is called at least once for each
// of them: a crash or an ambiguous answer repeats it, so what it sends is
// identified by the upload and the judged version. An error is trouble.
type Teller interface {
	Tell(ctx context.Context, settled Record) error
}

// Once is a claim on an idempotency key.
type Once struct {
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
	Kind    KindName
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

// Objects keeps the bytes, in one versioned bucket. Every implementation passes
// the suite uploadtest.RunObjects.
//
// # Contract
//
// A nil error means durable. Any other error than the ones named may hide a
// change that was made. All methods may be called concurrently and honour ctx.
// Reads see earlier writes. A version is never changed, only removed.
type Objects interface {
	// Put writes size bytes of body under key, create-only: ErrExists when an
	// object is there. The bytes are stored whole or not at all.
	Put(ctx context.Context, key Key, body io.ReadSeeker, size int64) error

	// Open reads one version; version "" is the newest. The caller closes the
	// body. ErrGone when it is not there, or when the id is none that the store
	// ever gave. The facts come from the store's answer,
	// Version included.
	Open(ctx context.Context, key Key, version Version) (Object, error)

	// Promote copies one version to a key, create-only, replacing all metadata
	// and tags. ErrExists when an object is there already (412); ErrGone when the
	// source version is not there. The copy's SHA-256 is computed by the store.
	Promote(ctx context.Context, p Promotion) (Copy, error)

	// Stat describes the newest version of key: what Promote made of it.
	// ErrGone when there is none.
	Stat(ctx context.Context, key Key) (Copy, error)

	// Remove removes one version for good; it is no error when it is not there. An
	// empty version is an error: it would only hide the object.
	Remove(ctx context.Context, key Key, version Version) error

	// Versions lists every version and delete marker of exactly this key.
	Versions(ctx context.Context, key Key) ([]Version, error)
}

// Inventory lists what the bucket holds, for whoever compares it with the
// records. It passes the suite uploadtest.RunInventory.
type Inventory interface {
	// Under lists the versions of all objects whose keys begin with prefix, in the
	// order of their keys, newest version first; delete markers are left out. The
	// limit is 1 to MaxPage, a page may hold fewer and have a next one, and the
	// list need not be of one moment. ErrBadCursor as with records.
	Under(ctx context.Context, prefix string, cursor Cursor, limit int) (InventoryPage, error)
}

// InventoryPage is part of an inventory.
type InventoryPage struct {
	Versions []Kept
	// Next is "" on the last page.
	Next Cursor
}

// Kept is one version that the bucket holds.
type Kept struct {
	Key     Key
	Version Version
	Size    int64
	At      time.Time // when it was written
}

// Object is one version, being read.
type Object struct {
	Version Version
	Size    int64
	Body    io.ReadCloser
}

// Promotion is one copy from quarantine to where files are served from.
type Promotion struct {
	From        Key
	Version     Version
	To          Key
	ContentType string // as found in the bytes
	Disposition string // stored with the copy, for signed links
}

// Copy is a promoted object: what Promote made, or what Stat finds later.
type Copy struct {
	Version Version
	// Source is the quarantine version that it was copied from, "" when the
	// object was not made by Promote.
	Source Version
	SHA256 string // lower-case hex, computed by the store over the whole object
}

// Downloads reads promoted objects for callers.
type Downloads interface {
	// ReadRange reads length bytes from offset of one version; length -1 reads to
	// its end. ErrGone when the version is not there.
	ReadRange(ctx context.Context, key Key, version Version, offset, length int64) (io.ReadCloser, error)
	// Link signs a URL that reads one version, until expires, with the type and
	// disposition signed into it.
	Link(ctx context.Context, l Link) (url string, err error)
}

// Link asks for a signed URL.
type Link struct {
	Key         Key
	Version     Version
	ContentType string
	Disposition string
	Lifetime    time.Duration
}

// Forms signs upload forms.
type Forms interface {
	// Sign makes a form with which exactly this key can be posted until Expires,
	// with a size from MinBytes to MaxBytes and exactly this content type.
	Sign(ctx context.Context, f FormRequest) (Form, error)
}

// FormRequest asks for a signed form.
type FormRequest struct {
	Key                Key
	ContentType        string
	MinBytes, MaxBytes int64
	Expires            time.Time
}

// Form is what a client posts as multipart/form-data: the fields, then the file
// as the last part, named "file".
type Form struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Fields  map[string]string `json:"fields"`
	Expires time.Time         `json:"expires_at"`
}
