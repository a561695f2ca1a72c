package sqliterecords

import (
	"encoding/binary"
	"math"

	"hatchery/shared/upload"
)

// position is where a list goes on: right after the record that it describes.
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

// cursor writes a position as text: the two numbers, and the id.
func (p position) cursor(list upload.ListName) upload.Cursor {
	raw := binary.BigEndian.AppendUint64(nil, uint64(p.at))
	raw = binary.BigEndian.AppendUint64(raw, uint64(p.seq))
	return list.Cursor(append(raw, p.id...))
}

// positionOf gives where a page of a list begins: start without a cursor.
func positionOf(list upload.ListName, c upload.Cursor, limit int, start position) (position, error) {
	raw, err := list.Start(c, limit)
	switch {
	case err != nil:
		return position{}, err
	case raw == nil:
		return start, nil
	case len(raw) <= 16:
		return position{}, upload.ErrBadCursor
	}
	return position{at: int64(binary.BigEndian.Uint64(raw)), seq: int64(binary.BigEndian.Uint64(raw[8:])),
		id: upload.ID(raw[16:])}, nil
}
