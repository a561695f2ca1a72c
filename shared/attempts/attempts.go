// Package attempts is what a validator keeps beside a message at its last receptions, so that
// why it died survives a failed record store and a function that ended.
//
// An attempt is a note in the bucket. It is written before the message is judged, and once
// more afterwards with what failed. What succeeds is not written again: so of a message that came
// again or died, an attempt without an end is a function that ended.
package attempts

import (
	"encoding/json"
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

// Parse reads a note's bytes.
func Parse(note []byte) (Attempt, error) {
	var a Attempt
	if err := json.Unmarshal(note, &a); err != nil {
		return Attempt{}, fmt.Errorf("read an attempt: %w", err)
	}
	return a, nil
}
