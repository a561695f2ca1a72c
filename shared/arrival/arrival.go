// Package arrival reads and writes the messages by which S3 says that an object has arrived.
//
// Two forms are read: the notification that S3 itself puts into an SQS message, and the event that S3 sends through
// EventBridge. One form is written: S3's own, so that an embedded S3 can speak to the same readers as the real one.
//
// A message is data from outside. Each of its records is read apart from the others, so that one record that cannot
// be read never takes its neighbours with it. S3 delivers at least once and in no order: the same arrival may be read
// any number of times, and the pair of key and VersionID, not the message, says which bytes are meant.
//
// The form follows "Event message structure" and "EventBridge event message structure" in the Amazon S3 user guide.
package arrival

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	// MaxBody is the longest message body that Parse reads, in bytes: the largest message that SQS carries.
	MaxBody = 1 << 20
	// MaxRecords is the largest number of records that Parse and Format take in one message. S3 sends one.
	MaxRecords = 1000

	maxKey        = 1024 // bytes, S3's own limit for a key
	maxBucket     = 255  // bytes, the longest bucket name that S3 ever allowed
	maxIdentifier = 1024 // bytes; version ids, ETags and sequencers are shorter than this by far
	maxShown      = 120  // bytes of a text from outside that an error or a log line shows
)

// createdPrefix begins the names of all events that mean "there is a new object (or a new version of one)".
const createdPrefix = "ObjectCreated:"

// ResendAttribute is the SQS message attribute, a number, of a message that is sent once more for an arrival whose
// own message came to nothing: which one it is, counted from 1. Such a message must never become a dead letter, or
// sending it would multiply them.
const ResendAttribute = "hatchery-reenqueued"

// RedriveAttribute is the SQS message attribute, a number, of a dead letter that an operator sent again: how often.
const RedriveAttribute = "hatchery-redriven"

// ErrNotNotification is wrapped by Parse when the body as a whole is not a notification of S3.
var ErrNotNotification = errors.New("not an S3 notification")

// Created is one object, or one new version of an object, that has arrived in a bucket.
type Created struct {
	// Name is the kind of event as S3 writes it in a record: "ObjectCreated:Put", ":Post", ":Copy" or
	// ":CompleteMultipartUpload". A kind that S3 adds later is passed on as it stands.
	Name      string
	Time      time.Time // when S3 finished the request, in UTC; S3 writes milliseconds, EventBridge seconds
	Region    string    // of the bucket
	Bucket    string    // never empty
	Key       string    // decoded: 1 to 1024 bytes of UTF-8
	VersionID string    // empty when the bucket has never had versioning
	ETag      string    // without quotes; after a multipart upload it ends in "-N" and is not an MD5
	Sequencer string    // equal for repeated deliveries of one event; it says nothing else
	Size      int64     // in bytes
}

// check says what makes a Created unusable; it holds for what is read as well as for what is written.
func (c Created) check() error {
	switch {
	case !strings.HasPrefix(c.Name, createdPrefix) || len(c.Name) > maxIdentifier:
		return fmt.Errorf("event name %s: want one that begins with %q", quote(c.Name), createdPrefix)
	case c.Bucket == "":
		return errors.New("the bucket's name is missing")
	case len(c.Bucket) > maxBucket:
		return fmt.Errorf("the bucket's name has %d bytes, at most %d are allowed", len(c.Bucket), maxBucket)
	case c.Key == "":
		return errors.New("the object's key is missing")
	case len(c.Key) > maxKey:
		return fmt.Errorf("the object's key has %d bytes, at most %d are allowed", len(c.Key), maxKey)
	case !utf8.ValidString(c.Key):
		return fmt.Errorf("the object's key %s is not UTF-8", quote(c.Key))
	case c.Size < 0:
		return fmt.Errorf("object %s has the size %d, which is below zero", quote(c.Key), c.Size)
	case c.Time.IsZero():
		return fmt.Errorf("object %s has no event time", quote(c.Key))
	case c.Time.UTC().Year() < 1 || c.Time.UTC().Year() > 9999:
		return fmt.Errorf("object %s has an event time in the year %d, want 1 to 9999", quote(c.Key), c.Time.UTC().Year())
	}
	for _, id := range []struct{ what, value string }{
		{"version id", c.VersionID}, {"ETag", c.ETag}, {"sequencer", c.Sequencer}, {"region", c.Region},
	} {
		if n := len(id.value); n > maxIdentifier {
			return fmt.Errorf("object %s has a %s of %d bytes, at most %d are allowed", quote(c.Key), id.what, n, maxIdentifier)
		}
	}
	return nil
}

// quote shows a string from a message in an error, escaped and cut.
func quote(s string) string {
	if len(s) > maxShown {
		return fmt.Sprintf("%q… (%d bytes)", s[:maxShown], len(s))
	}
	return fmt.Sprintf("%q", s)
}
