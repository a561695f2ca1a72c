package dynamorecords

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hatchery/shared/upload"
)

// listID is a list of this store.
type listID struct{ upload.ListName }

// maxCursorBytes is more than a cursor has that this store gave.
const maxCursorBytes = 5000

// cursor writes a place as text.
func (l listID) cursor(place string) upload.Cursor { return l.Cursor([]byte(place)) }

// itemCursor is a cursor of a list whose places are keys of items.
func (l listID) itemCursor(k itemKey) upload.Cursor {
	return l.cursor(k.pk + "\x00" + k.sk) // the keys are escaped: no NUL is in them
}

// read gives what a cursor of this list holds, "" for its start.
func (l listID) read(c upload.Cursor, limit int) (string, error) {
	if limit < 1 || limit > upload.MaxPage {
		return "", fmt.Errorf("the limit is %d, not 1 to %d", limit, upload.MaxPage)
	}
	if c == "" {
		return "", nil
	}
	raw, err := l.Place(c, maxCursorBytes)
	if err != nil || !utf8.Valid(raw) {
		return "", upload.ErrBadCursor
	}
	return string(raw), nil
}

// place reads a cursor: a time, and what follows it in a sort key. A made-up one
// can at most point somewhere else in the same list.
func (l listID) place(c upload.Cursor, limit int) (string, error) {
	place, err := l.read(c, limit)
	if err != nil || place == "" {
		return "", err
	}
	if !isPlace(place) {
		return "", upload.ErrBadCursor
	}
	return place, nil
}

// isPlace says whether a list may end at a text and go on after it.
func isPlace(text string) bool {
	at, rest, both := strings.Cut(text, "#")
	_, err := time.Parse(instant, at)
	return err == nil && len(at) == len(instant) && both && rest != "" && len(text) <= maxSortBytes/2
}

// item reads a cursor that itemCursor wrote; nil is the list's start. Any key will
// do: a scan may also end at what somebody else has put into the table.
func (l listID) item(c upload.Cursor, limit int) (map[string]types.AttributeValue, error) {
	raw, err := l.read(c, limit)
	if err != nil || raw == "" {
		return nil, err
	}
	pk, sk, both := strings.Cut(raw, "\x00")
	k := itemKey{pk, sk}
	if !both || sk == "" || pk == "" || !k.possible() {
		return nil, upload.ErrBadCursor
	}
	return k.attributes(), nil
}
