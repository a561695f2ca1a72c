package bugoutrecords

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"hatchery/shared/upload"
)

// Application is what owns resources in Bugout.
type Application struct {
	ID          string `json:"id"`
	GroupID     string `json:"group_id"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

// Register makes an application in a group of the token's owner. Of o the
// Application is not used. After an ambiguous error there may be one: it is not made
// a second time.
func Register(ctx context.Context, o Options, group, name, description string) (Application, error) {
	if _, err := upload.ParseID(group); err != nil {
		return Application{}, fmt.Errorf("the group: %w", err)
	}
	if name == "" {
		return Application{}, errors.New("the application has no name")
	}
	o.Application = group // any id: the store is not used for records
	s, err := New(o)
	if err != nil {
		return Application{}, err
	}
	form := url.Values{"group_id": {group}, "name": {name}, "description": {description}}
	var made Application
	if err := s.do(ctx, http.MethodPost, applications, nil, form, &made); err != nil {
		return Application{}, upload.Wrap(err, "register the application %q", name)
	}
	if _, err := upload.ParseID(made.ID); err != nil {
		return Application{}, fmt.Errorf("register the application %q: %w", name, errUnexpected)
	}
	return made, nil
}

// Step is one thing that Check tried.
type Step struct {
	Name string
	Err  error // nil when it works
}

// Check tries everything that the store needs of Brood, with a resource of its own, which is
// no upload's. It stops at the first step that does not work, and deletes what it made.
func (s *Store) Check(ctx context.Context) []Step {
	var steps []Step
	try := func(name string, do func() error) bool {
		err := do()
		steps = append(steps, Step{name, err})
		return err == nil
	}
	if !try("reach Bugout", func() error { return s.do(ctx, http.MethodGet, "/ping", nil, nil, nil) }) ||
		!try("be known by the token", func() error { return s.do(ctx, http.MethodGet, "/auth", nil, nil, nil) }) {
		return steps
	}
	const probe = "hatchery_probe"
	mark := s.o.nonce()
	var made wireResource
	if !try("create a resource of the application", func() error {
		return s.do(ctx, http.MethodPost, collection, nil, s.newResource(map[string]string{probe: mark}), &made)
	}) {
		return steps
	}
	path := itemPath(made.ID)
	_ = try("read it", func() error { return s.expect(ctx, path, probe, mark) }) &&
		try("find it by what it holds", func() error { return s.expectFound(ctx, made.ID, probe, mark) }) &&
		try("update it", func() error {
			body := bodyOfUpdate(map[string]string{probe: mark + " again"}, []string{})
			if err := s.do(ctx, http.MethodPut, path, nil, body, nil); err != nil {
				return err
			}
			return s.expect(ctx, path, probe, mark+" again")
		})
	try("delete it", func() error {
		if err := s.do(ctx, http.MethodDelete, path, nil, nil, nil); err != nil {
			return err
		}
		if err := s.do(ctx, http.MethodGet, path, nil, nil, nil); !errors.Is(err, upload.ErrNotFound) {
			return fmt.Errorf("it is still there: %w", errors.Join(errUnexpected, err))
		}
		return nil
	})
	return steps
}

// expect reads a resource that must hold a text.
func (s *Store) expect(ctx context.Context, path, key, text string) error {
	var found wireResource
	if err := s.do(ctx, http.MethodGet, path, nil, nil, &found); err != nil {
		return err
	}
	if got := string(found.Data[key]); got != `"`+text+`"` {
		return fmt.Errorf("%w: it holds %.100s", errUnexpected, got)
	}
	return nil
}

// expectFound lists with a filter that one resource matches.
func (s *Store) expectFound(ctx context.Context, id, key, text string) error {
	var answer resourceList
	query := url.Values{"application_id": {s.o.Application}, key: {text}}
	if err := s.do(ctx, http.MethodGet, collection, query, nil, &answer); err != nil {
		return err
	}
	if len(answer.Resources) != 1 || answer.Resources[0].ID != id {
		return fmt.Errorf("%w: the filter found %d resources", errUnexpected, len(answer.Resources))
	}
	return nil
}
