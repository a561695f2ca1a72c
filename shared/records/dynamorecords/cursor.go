package dynamorecords

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hatchery/shared/upload"
)

// listID is a list of this store.
type listID struct{ upload.ListName }

// cursor writes a position as text.
func (l listID) cursor(position string) upload.Cursor { return l.Cursor([]byte(position)) }

// itemCursor is a cursor of a list whose positions are keys of items.
func (l listID) itemCursor(k itemKey) upload.Cursor {
	return l.cursor(k.pk + "\x00" + k.sk) // the keys are escaped: no NUL is in them
}

// position reads a cursor: a time, and what follows it in a sort key; "" is the list's
// start.
func (l listID) position(c upload.Cursor, limit int) (string, error) {
	raw, err := l.Start(c, limit)
	if err != nil || raw == nil {
		return "", err
	}
	if !isPosition(string(raw)) {
		return "", upload.ErrBadCursor
	}
	return string(raw), nil
}

// isPosition says whether a list may end at a text and go on after it.
func isPosition(text string) bool {
	at, rest, both := strings.Cut(text, "#")
	_, err := time.Parse(instant, at)
	return err == nil && len(at) == len(instant) && both && rest != "" && len(text) <= maxSortBytes/2 &&
		utf8.ValidString(text)
}

// recordKey reads a cursor whose position is the sort key of a record; "" is the list's start.
func (l listID) recordKey(c upload.Cursor, limit int) (string, error) {
	raw, err := l.Start(c, limit)
	if err != nil || raw == nil {
		return "", err
	}
	if !strings.HasPrefix(string(raw), recordPrefix) || len(raw) > maxSortBytes || !utf8.Valid(raw) {
		return "", upload.ErrBadCursor
	}
	return string(raw), nil
}

// item reads a cursor that itemCursor wrote; nil is the list's start. Any key will do: a
// scan may also end at what somebody else has put into the table.
func (l listID) item(c upload.Cursor, limit int) (map[string]types.AttributeValue, error) {
	raw, err := l.Start(c, limit)
	if err != nil || raw == nil {
		return nil, err
	}
	pk, sk, both := strings.Cut(string(raw), "\x00")
	k := itemKey{pk, sk}
	if !both || sk == "" || pk == "" || !k.possible() || !utf8.Valid(raw) {
		return nil, upload.ErrBadCursor
	}
	return keyed(k), nil
}
