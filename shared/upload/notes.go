package upload

import (
	"context"
	"fmt"
	"strings"
)

// DeadLetterPrefix is where in the bucket the notes about dead letters lie: what a validator
// noted at a message's last receptions, and what operators looked at and did. Neither prefix
// of a Layout begins with it, or it with them.
const DeadLetterPrefix = "dead-letters/"

// Notes keeps small objects under DeadLetterPrefix. Every implementation passes the suite
// uploadtest.RunNotes.
//
// A nil error means durable. Any other error than the ones named may hide a change that was
// made. All methods may be called concurrently, honour ctx and end in bounded time without
// it. Reads see earlier writes. A key outside DeadLetterPrefix is an error, and so is the
// prefix of a list.
type Notes interface {
	// Put writes a note whole, over an earlier one with this key. A body of more than
	// MaxNoteBytes is an error.
	Put(ctx context.Context, key Key, body []byte) error
	// Get reads a note whole. ErrGone when there is none. A longer one than MaxNoteBytes is
	// an error.
	Get(ctx context.Context, key Key) ([]byte, error)
	// List gives the keys that begin with prefix, in their order, those after the cursor; at
	// most limit, 1 to MaxPage. A page may hold fewer and have a next one. ErrBadCursor as
	// with records.
	List(ctx context.Context, prefix string, cursor Cursor, limit int) (NotesPage, error)
}

// MaxNoteBytes is the most that a note holds.
const MaxNoteBytes = 16 << 20

// CheckNote says what is wrong with a note's key, or with the size of its body. Every
// implementation of Notes asks it.
func CheckNote(key Key, size int) error {
	switch {
	case !strings.HasPrefix(string(key), DeadLetterPrefix) || key == DeadLetterPrefix:
		return fmt.Errorf("note %.100q: its key does not begin with %q", key, DeadLetterPrefix)
	case size > MaxNoteBytes:
		return fmt.Errorf("note %.100q: it has %d bytes, at most %d are allowed", key, size, MaxNoteBytes)
	}
	return nil
}

// NotesAfter reads after which key a page of a list of notes begins, "" for the list's start.
// Every implementation of Notes asks it, and writes its cursors with NotesCursor.
func NotesAfter(prefix string, cursor Cursor, limit int) (Key, error) {
	if !strings.HasPrefix(prefix, DeadLetterPrefix) {
		return "", fmt.Errorf("list notes: the prefix %.100q does not begin with %q", prefix, DeadLetterPrefix)
	}
	position, err := NameList("notes", prefix).Start(cursor, limit)
	if err != nil {
		return "", fmt.Errorf("list notes: %w", err)
	}
	return Key(position), nil
}

// NotesCursor continues the list of a prefix after a key.
func NotesCursor(prefix string, last Key) Cursor {
	return NameList("notes", prefix).Cursor([]byte(last))
}

// NotesPage is part of a list of notes.
type NotesPage struct {
	Keys []Key
	// Next is "" on the last page.
	Next Cursor
}
