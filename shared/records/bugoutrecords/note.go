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

// resourceList is a list in an answer, as it is.
type resourceList struct {
	Resources []wireResource `json:"resources"`
}

// notesNamed gives those that are the note of a name. The query alone is not trusted, since
// they are changed and deleted: a proxy that drops it, or a server that knows no filter,
// shows records.
func (l resourceList) notesNamed(name string) []wireResource {
	return slices.DeleteFunc(l.Resources, func(w wireResource) bool { return w.ID == "" || w.text(keyNote) != name })
}

// Note gives the text that SetNote kept last under a name, "" when there is none.
func (s *Store) Note(ctx context.Context, name string) (string, error) {
	found, err := s.notes(ctx, name, true)
	if err != nil || len(found) == 0 {
		return "", upload.Wrap(err, "read the note %q", name)
	}
	return found[0].text(keyNoteText), nil
}

// SetNote keeps a short text under a name, in the place of whatever is there. Of two
// at once the last one stands, or the first one that was ever made.
func (s *Store) SetNote(ctx context.Context, name, text string) (err error) {
	defer func() { err = upload.Wrap(err, "keep the note %q", name) }()
	// Everything here may be repeated: a note that was made twice heals to one.
	return s.attempts(ctx, func(int) error {
		existing, err := s.notes(ctx, name, false) // a creation is refused where it must be
		if err != nil {
			return err
		}
		data := map[string]string{keyNote: name, keyNoteText: clean(text)}
		if len(existing) == 0 {
			return s.do(ctx, http.MethodPost, collection, nil, s.newResource(data), nil)
		}
		for _, surplus := range existing[1:] {
			if err := s.remove(ctx, surplus.ID); err != nil && !errors.Is(err, upload.ErrNotFound) {
				return err
			}
		}
		err = s.do(ctx, http.MethodPut, itemPath(existing[0].ID), nil, bodyOfUpdate(data, []string{}), nil)
		if !errors.Is(err, upload.ErrNotFound) {
			return err
		}
		if err = s.absent(ctx, existing[0].ID); errors.Is(err, upload.ErrNotFound) {
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
		var list resourceList
		token, err := s.ask(ctx, http.MethodGet, collection, s.noteQuery(name), nil, &list)
		switch {
		case err != nil:
			return err
		case list.Resources == nil:
			return errUnexpected
		}
		if found = list.notesNamed(name); sure && len(found) == 0 {
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
