// Package attempts is what a validator keeps beside a message at its last receptions, so that
// why it died survives a failed record store and a function that ended.
//
// An attempt is a note in the bucket. It is written before the message is judged, and once
// more afterwards with what failed. What succeeds is not written again: so of a message that came
// again or died, an attempt without an end is a function that ended.
package attempts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"hatchery/shared/upload"
)

// Prefix is where attempts lie; the bucket's lifecycle removes them after 35 days.
const Prefix = upload.DeadLetterPrefix + "attempts/"

// Last is how many of a message's last receptions are kept.
const Last = 2

// Attempt is one reception of one message by a validator.
type Attempt struct {
	MessageID string `json:"message_id"`
	// Receive is which reception it was, counted from 1; the message becomes a dead letter
	// after MaxReceives.
	Receive     int `json:"receive"`
	MaxReceives int `json:"max_receives"`
	// Began and Ended are UTC. Ended is zero when the message succeeded, and when the validator did not
	// come to its end: it crashed, or ran out of time or memory.
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended,omitzero"`
	// Deadline is when the function is ended at the latest; zero when that is not known.
	Deadline time.Time `json:"deadline,omitzero"`
	// Failures are those of this reception, at most MaxFailures of them.
	Failures []Failure `json:"failures,omitempty"`
}

// MaxFailures bounds the failures that an attempt keeps: S3 puts one arrival into a message.
const MaxFailures = 10

// Failure is why a message comes again, and about which object where that is known.
type Failure struct {
	Key      string    `json:"key,omitempty"`
	Version  string    `json:"version,omitempty"`
	UploadID upload.ID `json:"upload_id,omitempty"`
	// Error is the whole text, cut to 2,000 bytes; Cause is that of the innermost error,
	// which names no key and no version.
	Error string `json:"error"`
	Cause string `json:"cause"`
}

// Key is where an attempt lies. The id is the first that the message names in the
// deployment's own quarantine, "" where it names none or cannot be read.
func Key(id upload.ID, message string, receive int) upload.Key {
	return upload.Key(Folder(id, message) + strconv.Itoa(receive))
}

// Folder begins the keys of all attempts at a message.
func Folder(id upload.ID, message string) string {
	if id == "" {
		id = "-"
	}
	return Prefix + string(id) + "/" + message + "/"
}

// Marshal gives the note's bytes.
func (a Attempt) Marshal() ([]byte, error) { return json.Marshal(a) }

// Notes is what attempts are read from.
type Notes interface {
	Get(ctx context.Context, key upload.Key) ([]byte, error)
	List(ctx context.Context, prefix string, cursor upload.Cursor, limit int) (upload.NotesPage, error)
}

// Read reads one attempt. upload.ErrGone: there is none (any more).
func Read(ctx context.Context, notes Notes, key upload.Key) (Attempt, error) {
	note, err := notes.Get(ctx, key)
	if err != nil {
		return Attempt{}, fmt.Errorf("get the attempt %q: %w", key, err)
	}
	a, err := Parse(note)
	if err != nil {
		return Attempt{}, fmt.Errorf("%w: %q", err, key)
	}
	return a, nil
}

// List reads the first attempts whose keys begin with folder, at most limit of them, in the order of their keys. One
// that is removed meanwhile is left out.
func List(ctx context.Context, notes Notes, folder string, limit int) ([]Attempt, error) {
	page, err := notes.List(ctx, folder, "", limit)
	if err != nil {
		return nil, fmt.Errorf("list the attempts %q: %w", folder, err)
	}
	var all []Attempt
	for _, key := range page.Keys {
		a, err := Read(ctx, notes, key)
		if errors.Is(err, upload.ErrGone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// Parse reads a note's bytes.
func Parse(note []byte) (Attempt, error) {
	var a Attempt
	if err := json.Unmarshal(note, &a); err != nil {
		return Attempt{}, fmt.Errorf("read an attempt: %w", err)
	}
	return a, nil
}
