package upload

import (
	"context"
	"fmt"
	"io"
	"time"
)

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

	RangeReader

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

	Inventory
}

// Inventory lists what the bucket holds, for whoever compares it with the
// records, or may not read it. It passes the suite uploadtest.RunInventory.
type Inventory interface {
	// ListVersions lists the versions of all objects whose keys begin with prefix, in the
	// order of their keys, newest version first; delete markers are left out. The
	// limit is 1 to MaxPage, a page may hold fewer and have a next one, and the
	// list need not be of one moment. ErrBadCursor as with records.
	ListVersions(ctx context.Context, prefix string, cursor Cursor, limit int) (InventoryPage, error)
}

// EachVersion yields the versions of exactly one key, newest first, until yield is false. It asks for
// pages of limit versions, 1 to MaxPage.
func EachVersion(ctx context.Context, inventory Inventory, key Key, limit int, yield func(ObjectVersion) bool) error {
	err := EachVersionUnder(ctx, inventory, string(key), limit, func(v ObjectVersion) bool {
		return v.Key == key && yield(v) // keys come in order: those that merely begin alike follow
	})
	if err != nil {
		return fmt.Errorf("list versions of object %q: %w", key, err)
	}
	return nil
}

// EachVersionUnder yields the versions of all keys that begin with prefix, as ListVersions orders them, until yield is
// false.
func EachVersionUnder(ctx context.Context, inventory Inventory, prefix string, limit int,
	yield func(ObjectVersion) bool) error {
	for cursor := Cursor(""); ; {
		page, err := inventory.ListVersions(ctx, prefix, cursor, limit)
		if err != nil {
			return err
		}
		for _, v := range page.Versions {
			if !yield(v) {
				return nil
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

// InventoryPage is part of an inventory.
type InventoryPage struct {
	Versions []ObjectVersion
	// Next is "" on the last page.
	Next Cursor
}

// ObjectVersion is one version that the bucket holds.
type ObjectVersion struct {
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
	Round       Round  // of the record, stored with the copy
}

// Copy is a promoted object: what Promote made, or what Stat finds later.
type Copy struct {
	Version Version
	// Source is the quarantine version that it was copied from, "" when the
	// object was not made by Promote.
	Source Version
	Round  Round
	SHA256 string // lower-case hex, computed by the store over the whole object
}

// RangeReader reads parts of objects.
type RangeReader interface {
	// ReadRange reads length bytes from offset of one version; length -1 reads to
	// its end. ErrGone when the version is not there.
	ReadRange(ctx context.Context, key Key, version Version, offset, length int64) (io.ReadCloser, error)
}

// Downloads reads promoted objects for callers.
type Downloads interface {
	RangeReader
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
