package dynamorecords

import (
	"context"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// A note is an item of its own, apart from all records.
const (
	notePrefix = "n#" // pk, before its name
	noteKey    = "n"  // sk
	noteText   = "text"
)

func keyOfNote(name string) itemKey { return itemKey{notePrefix + url.PathEscape(name), noteKey} }

// Note gives the text that SetNote kept last under a name, "" when there is none.
func (s *Store) Note(ctx context.Context, name string) (_ string, err error) {
	ctx, end := s.begin(ctx, &err, "read the note %.40q", name)
	defer end()
	i, err := s.get(ctx, keyOfNote(name))
	if err != nil {
		return "", err
	}
	r := reading{item: i}
	text := r.text(noteText)
	return text, r.err
}

// SetNote keeps a short text under a name, in the place of whatever is there. It is
// the one write without a condition: of two at once the last one stands.
func (s *Store) SetNote(ctx context.Context, name, text string) (err error) {
	ctx, end := s.begin(ctx, &err, "keep the note %.40q", name)
	defer end()
	i := keyed(keyOfNote(name))
	i.text(noteText, text)
	if n := i.bytes(); n > maxItemBytes {
		return fmt.Errorf("%d bytes, at most %d are kept", n, maxItemBytes)
	}
	_, err = call(ctx, s, s.client.PutItem, &dynamodb.PutItemInput{TableName: &s.table, Item: i})
	return err
}
