package bugoutrecords

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"hatchery/shared/upload"
)

// A note is a resource of its own, which has nothing of an upload's.
const (
	keyNote     = "hatchery_note" // its name
	keyNoteText = "text"
)

type noteList struct {
	Resources []wireResource `json:"resources"`
}

// named gives those that are the note of a name. What they were asked for by is not
// believed: they are changed and deleted, and a proxy that drops the query, or a server
// that knows no filter, shows records.
func (l noteList) named(name string) []wireResource {
	return slices.DeleteFunc(l.Resources, func(w wireResource) bool { return w.ID == "" || w.text(keyNote) != name })
}

// Note gives the text that SetNote kept last under a name, "" when there is none.
func (s *Store) Note(ctx context.Context, name string) (string, error) {
	there, err := s.notes(ctx, name, true)
	if err != nil || len(there) == 0 {
		return "", wrap(err, "read the note %q", name)
	}
	return there[0].text(keyNoteText), nil
}

// SetNote keeps a short text under a name, in the place of whatever is there. Of two
// at once the last one stands, or the first one that was ever made.
func (s *Store) SetNote(ctx context.Context, name, text string) error {
	return wrap(s.setNote(ctx, name, text), "keep the note %q", name)
}

func (s *Store) setNote(ctx context.Context, name, text string) error {
	// Everything here may be repeated: a note that was made twice heals to one.
	return s.attempts(ctx, func(int) error {
		there, err := s.notes(ctx, name, false) // a creation is refused where it must be
		if err != nil {
			return err
		}
		data := map[string]string{keyNote: name, keyNoteText: clean(text)}
		if len(there) == 0 {
			return s.do(ctx, http.MethodPost, collection, nil, s.newResource(data), nil)
		}
		for _, surplus := range there[1:] {
			if err := s.remove(ctx, surplus.ID); err != nil && !errors.Is(err, upload.ErrNotFound) {
				return err
			}
		}
		err = s.do(ctx, http.MethodPut, itemPath(there[0].ID), nil, map[string]any{"update": data, "drop_keys": []string{}}, nil)
		if !errors.Is(err, upload.ErrNotFound) {
			return err
		}
		if err = s.absent(ctx, there[0].ID); errors.Is(err, upload.ErrNotFound) {
			err = ambiguous{errors.New("the note was deleted meanwhile")}
		}
		return err
	})
}

// notes gives the resources of one note, the one that counts first. sure: that there
// is none is proved.
func (s *Store) notes(ctx context.Context, name string, sure bool) ([]wireResource, error) {
	var found []wireResource
	err := s.attempts(ctx, func(int) error {
		var there noteList
		token, err := s.ask(ctx, http.MethodGet, collection, s.noteQuery(name), nil, &there)
		switch {
		case err != nil:
			return err
		case there.Resources == nil:
			return errNonsense
		}
		if found = there.named(name); sure && len(found) == 0 {
			return s.prove(ctx, token)
		}
		return nil
	})
	slices.SortFunc(found, func(a, b wireResource) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return found, err
}

func (s *Store) noteQuery(name string) url.Values {
	return url.Values{"application_id": {s.o.Application}, keyNote: {name}}
}
