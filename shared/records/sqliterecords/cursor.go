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

// listID is a list of this store.
type listID struct{ upload.ListName }

func listName(parts ...string) listID { return listID{upload.NameList(parts...)} }

// maxCursorBytes is far more than a cursor has that this store gave.
const maxCursorBytes = 1024

// cursor writes a position as text: the two numbers, and the id.
func (l listID) cursor(p position) upload.Cursor {
	raw := binary.BigEndian.AppendUint64(nil, uint64(p.at))
	raw = binary.BigEndian.AppendUint64(raw, uint64(p.seq))
	return l.Cursor(append(raw, p.id...))
}

// position reads a cursor of this list.
func (l listID) position(c upload.Cursor) (position, error) {
	raw, err := l.Place(c, maxCursorBytes)
	if err != nil || len(raw) <= 16 {
		return position{}, upload.ErrBadCursor
	}
	numbers, id := raw[:16], raw[16:]
	return position{at: int64(binary.BigEndian.Uint64(numbers[:8])), seq: int64(binary.BigEndian.Uint64(numbers[8:])), id: upload.ID(id)}, nil
}
