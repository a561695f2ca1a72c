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

// Cursor writes a position in the list, which is not empty, as text after its name.
func (l ListName) Cursor(position []byte) Cursor {
	return Cursor(cursorForm.EncodeToString(append(l[:], position...)))
}

// maxCursorBytes is more than any store's cursor has.
const maxCursorBytes = 5000

// Start reads the position after which a page of the list begins, nil for the list's start.
// A cursor that another list gave is ErrBadCursor, and so is one that is none; a made-up
// one can at most point somewhere else in the same list.
func (l ListName) Start(c Cursor, limit int) (position []byte, _ error) {
	switch {
	case limit < 1 || limit > MaxPage:
		return nil, fmt.Errorf("the limit is %d, not 1 to %d", limit, MaxPage)
	case c == "":
		return nil, nil
	case len(c) > maxCursorBytes:
		return nil, ErrBadCursor
	}
	raw, err := cursorForm.DecodeString(string(c))
	// Written again it must be the same: the decoder passes over line breaks and stray bits
	// at the end.
	if err != nil || cursorForm.EncodeToString(raw) != string(c) || len(raw) <= len(l) || ListName(raw[:len(l)]) != l {
		return nil, ErrBadCursor
	}
	return raw[len(l):], nil
}
