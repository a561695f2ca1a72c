package upload

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// ListName tells a store's lists apart, so that a cursor works only in the list that
// gave it.
type ListName [8]byte

// NameList makes the name of a list from what was asked for.
func NameList(parts ...string) ListName {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", parts))
	return ListName(sum[:8])
}

// Name tells the list of q from every other.
func (q Query) Name() ListName {
	return NameList("list", string(q.Journal), string(q.Entry), string(q.Kind), string(q.Status))
}

// Name tells the list of q from every other; Before is no part of it, because a walk
// goes on when time has passed.
func (q ScanQuery) Name() ListName {
	switch {
	case q.Status == "":
		return NameList("all")
	case q.Status == Pending && !q.Before.IsZero():
		return NameList("pending")
	}
	return NameList("status", string(q.Status))
}

var cursorForm = base64.RawURLEncoding

// Cursor writes a place in the list, which is not empty, as text after its name.
func (l ListName) Cursor(place []byte) Cursor {
	return Cursor(cursorForm.EncodeToString(append(l[:], place...)))
}

// Place reads a cursor of this list of at most so many bytes; any other is
// ErrBadCursor. A made-up one can at most point somewhere else in the same list.
func (l ListName) Place(c Cursor, most int) ([]byte, error) {
	if len(c) > most {
		return nil, ErrBadCursor
	}
	raw, err := cursorForm.DecodeString(string(c))
	// Written again it must be the same: the decoder passes over line breaks and
	// stray bits at the end.
	if err != nil || cursorForm.EncodeToString(raw) != string(c) || len(raw) <= len(l) || ListName(raw[:len(l)]) != l {
		return nil, ErrBadCursor
	}
	return raw[len(l):], nil
}
