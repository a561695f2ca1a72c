package upload

import "context"

// DeadLetterPrefix is where in the bucket the notes about dead letters lie: what a validator
// noted at a message's last receptions, and what operators looked at and did. Neither prefix
// of a Layout begins with it, or it with them.
const DeadLetterPrefix = "dead-letters/"

// Notes keeps small objects under DeadLetterPrefix. Every implementation passes the suite
// uploadtest.RunNotes.
//
// A nil error means durable. Any other error than the ones named may hide a change that was
// made. All methods may be called concurrently, honour ctx and end in bounded time without
// it. Reads see earlier writes.
type Notes interface {
	// Put writes a note whole, over an earlier one with this key. A key outside
	// DeadLetterPrefix and a body of more than MaxNoteBytes are errors.
	Put(ctx context.Context, key Key, body []byte) error
	// Get reads a note whole. ErrGone when there is none. A longer one than MaxNoteBytes is
	// an error.
	Get(ctx context.Context, key Key) ([]byte, error)
	// List gives the keys that begin with prefix, in their order, those after the cursor; at
	// most limit, 1 to MaxPage. A page may hold fewer and have a next one.
	List(ctx context.Context, prefix string, cursor Cursor, limit int) (NotesPage, error)
}

// MaxNoteBytes is the most that a note holds.
const MaxNoteBytes = 16 << 20

// NotesPage is part of a list of notes.
type NotesPage struct {
	Keys []Key
	// Next is "" on the last page.
	Next Cursor
}
