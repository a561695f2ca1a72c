package upload

import (
	"context"
	"io"
	"strings"
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
// What the validator does with one version of an object rests on Get and Settle:
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

	// Settle gives a pending record its verdict, Stored or Rejected and nothing
	// else, and returns it as it then stands. ErrConflict: it is not pending (any more); the record is
	// unchanged. ErrNotFound: there is none. For Stored with Unique, a
	// *DuplicateError names a stored record of the same journal, entry and kind
	// with the same SHA-256, whether or not that was stored with Unique; of several
	// settled at once one wins, and a deleted one no longer counts. ErrOverQuota: with
	// this file the entry would hold more than the verdict's bounds.
	Settle(ctx context.Context, ref Ref, v Verdict) (Record, error)

	// Delete turns any record into a tombstone that may be forgotten after
	// forget, and returns it. ErrNotFound: there is none, or it is a tombstone
	// already (ask Get which).
	Delete(ctx context.Context, ref Ref, at, forget time.Time) (Record, error)

	// Reopen turns a rejected record back into a pending one, for an operator's
	// re-check. ErrConflict when it is not rejected, ErrNotFound when not there.
	Reopen(ctx context.Context, ref Ref) (Record, error)

	// Adopt gives a record that is Old (stored by the replaced service, and never
	// judged) a verdict of Stored, whose Version is OldVersion, and returns it.
	// ErrConflict when the record is anything else, ErrNotFound when not there. No
	// bound and no uniqueness is asked of what was stored long ago.
	Adopt(ctx context.Context, ref Ref, v Verdict) (Record, error)

	// NoteFailure counts one more failure of a pending record and keeps the last
	// one, as Record.Failed says. It changes nothing else, and nothing at all (without an error) when the
	// record is not pending. ErrNotFound when there is none.
	NoteFailure(ctx context.Context, ref Ref, f Failure) error

	// NoteReenqueue counts that an upload's message is about to be sent once more,
	// whatever the record's status, and returns the record: the count goes from
	// seen to seen+1. ErrConflict: the count is not seen, because another
	// reconciler was faster; nothing is changed. ErrNotFound when there is none.
	NoteReenqueue(ctx context.Context, ref Ref, seen int, at time.Time) (Record, error)

	// Usage sums what an entry holds of one kind: pending records count as
	// files, stored ones with their bytes.
	Usage(ctx context.Context, journal Journal, entry Entry, kind KindName) (Usage, error)

	// PendingBefore gives the pending records that were created before t, oldest
	// first.
	PendingBefore(ctx context.Context, t time.Time, cursor Cursor, limit int) (Page, error)
	// ByStatus gives all records of one status in no promised order.
	ByStatus(ctx context.Context, s Status, cursor Cursor, limit int) (Page, error)
	// All gives every record in no promised order.
	All(ctx context.Context, cursor Cursor, limit int) (Page, error)

	// Atomic says whether Create, Settle and Delete are compare-and-swap. In a
	// store where they are not, Settle may overwrite another verdict that came
	// between its reading and its writing, and Delete removes the record instead
	// of leaving a tombstone; a removed record never comes back. The pipeline
	// then takes no copy back while a record stands.
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

// Verdict is the result of judging one version.
type Verdict struct {
	Status  Status // Stored or Rejected
	Version Version
	At      time.Time

	// Facts about the bytes, as far as they are known.
	Size        int64
	ContentType string
	SHA256      string

	// Served is the copy's version; for Stored.
	Served Version
	// Reason; for Rejected.
	Reason *Reason

	// Unique refuses a second record with the same SHA-256; for Stored.
	Unique bool
	// MaxFiles and MaxTotalBytes bound the entry's stored files, this one
	// included; 0 is no bound. For Stored.
	MaxFiles, MaxTotalBytes int64
}

// Apply gives the record that v makes of a pending one: the one place where a
// verdict becomes fields, for every store.
func (v Verdict) Apply(r Record) Record {
	r.Status = v.Status
	r.SettledAt = timeOf(v.At)
	r.JudgedVersion = v.Version
	r.Size = v.Size
	r.ContentType = v.ContentType
	r.SHA256 = v.SHA256
	r.ServedVersion = v.Served
	r.Reason = v.Reason
	return r
}

// Tombstone gives the record that a deletion makes of r.
func (r Record) Tombstone(at, forget time.Time) Record {
	r.Status = Deleted
	r.DeletedAt = timeOf(at)
	r.ForgetAfter = timeOf(forget)
	return r
}

// Reopened gives the pending record that a re-check makes of a rejected one.
func (r Record) Reopened() Record {
	r.Status = Pending
	r.SettledAt = time.Time{}
	r.JudgedVersion, r.ServedVersion = "", ""
	r.Size, r.ContentType, r.SHA256, r.Reason = 0, "", "", nil
	r.Failures, r.LastFailure = 0, nil
	r.Reenqueued, r.ReenqueuedAt = 0, time.Time{}
	return r
}

// maxFailureBytes bounds the message of a failure that a record keeps.
const maxFailureBytes = 2000

// Failed gives the record that one more failure makes of a pending one. A message of
// more than 2,000 bytes is cut.
func (r Record) Failed(f Failure) Record {
	if r.Status != Pending {
		return r
	}
	if len(f.Message) > maxFailureBytes {
		f.Message = f.Message[:maxFailureBytes]
	}
	f.Message = strings.ToValidUTF8(f.Message, "") // nor half a character at its end
	f.At = timeOf(f.At)
	r.Failures, r.LastFailure = r.Failures+1, &f
	return r
}

// SentAgain gives the record that one more message for r makes of it.
func (r Record) SentAgain(at time.Time) Record {
	r.Reenqueued++
	r.ReenqueuedAt = timeOf(at)
	return r
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
