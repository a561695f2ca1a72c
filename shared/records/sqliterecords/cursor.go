package sqliterecords

import (
	"encoding/binary"
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

// maxCursorBytes is far more than a cursor has that this store gave.
const maxCursorBytes = 1024

// cursor writes a position as text: the two numbers, and the id.
func (p position) cursor(list upload.ListName) upload.Cursor {
	raw := binary.BigEndian.AppendUint64(nil, uint64(p.at))
	raw = binary.BigEndian.AppendUint64(raw, uint64(p.seq))
	return list.Cursor(append(raw, p.id...))
}

// positionOf reads a cursor of a list.
func positionOf(list upload.ListName, c upload.Cursor) (position, error) {
	raw, err := list.Place(c, maxCursorBytes)
	if err != nil || len(raw) <= 16 {
		return position{}, upload.ErrBadCursor
	}
	return position{at: int64(binary.BigEndian.Uint64(raw)), seq: int64(binary.BigEndian.Uint64(raw[8:])), id: upload.ID(raw[16:])}, nil
}
