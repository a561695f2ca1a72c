package sqliterecords

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"

	"hatchery/shared/upload"
)

// position is a place in a list: right after the record that it describes.
type position struct {
	at  int64 // created_at
	seq int64
	id  upload.ID
}

// Where lists start: beyond every record.
var (
	newest = position{at: math.MaxInt64, seq: math.MaxInt64}
	oldest = position{at: math.MinInt64, seq: math.MinInt64}
)

// listID tells lists apart, so that a cursor works only in the list that gave
// it.
type listID [8]byte

// listName makes the id of a list from what was asked for.
func listName(parts ...string) listID {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", parts))
	return listID(sum[:8])
}

// maxCursorBytes is far more than a cursor has that this store gave.
const maxCursorBytes = 1024

var cursorForm = base64.RawURLEncoding

// cursor writes a position as text: the list, the two numbers, and the id.
func (l listID) cursor(p position) upload.Cursor {
	raw := append([]byte(nil), l[:]...)
	raw = binary.BigEndian.AppendUint64(raw, uint64(p.at))
	raw = binary.BigEndian.AppendUint64(raw, uint64(p.seq))
	raw = append(raw, p.id...)
	return upload.Cursor(cursorForm.EncodeToString(raw))
}

// position reads a cursor of this list. A made-up one can at most point
// somewhere else in the same list.
func (l listID) position(c upload.Cursor) (position, error) {
	if len(c) > maxCursorBytes {
		return position{}, upload.ErrBadCursor
	}
	raw, err := cursorForm.DecodeString(string(c))
	// Written again it must be the same: the decoder passes over line breaks and
	// stray bits at the end.
	if err != nil || cursorForm.EncodeToString(raw) != string(c) || len(raw) <= len(l)+16 || listID(raw[:len(l)]) != l {
		return position{}, upload.ErrBadCursor
	}
	numbers, id := raw[len(l):len(l)+16], raw[len(l)+16:]
	return position{at: int64(binary.BigEndian.Uint64(numbers[:8])), seq: int64(binary.BigEndian.Uint64(numbers[8:])), id: upload.ID(id)}, nil
}
