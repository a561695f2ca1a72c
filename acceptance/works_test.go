//go:build acceptance

package acceptance

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// What the functions do, each as one thing that works or does not. They are for
// stacks that lack something.

// posts: an upload is accepted.
func posts(ctx context.Context, s *stack, bytes []byte) error {
	_, err := s.newEntry().post(ctx, "images", "cat.gif", bytes)
	return err
}

// lists: the list of an entry is answered.
func lists(ctx context.Context, s *stack, _ []byte) error {
	e := s.newEntry()
	_, err := e.want(ctx, http.StatusOK, nil, http.MethodGet, e.path("images"), nil)
	return err
}

// validates: an upload is stored, and quarantine emptied.
func validates(ctx context.Context, s *stack, bytes []byte) error {
	return s.newEntry().validated(ctx, "images", bytes)
}

// validatesPairs: likewise, where the policy refuses duplicates.
func validatesPairs(ctx context.Context, s *stack, bytes []byte) error {
	return s.newEntry().validated(ctx, "pairs", bytes)
}

func (e entry) validated(ctx context.Context, kind string, bytes []byte) error {
	r, err := e.post(ctx, kind, "cat.gif", bytes)
	if err != nil {
		return err
	}
	if _, err := e.stored(ctx, r); err != nil {
		return err
	}
	return e.emptied(ctx, r)
}

// emptied waits until nothing of an upload is in quarantine.
func (e entry) emptied(ctx context.Context, r record) error {
	return waitFor(ctx, e.patience, "quarantine is emptied", func() (bool, string) {
		versions, err := e.versions(ctx, e.quarantineKey(r))
		return err == nil && len(versions) == 0, fmt.Sprint(versions, err)
	})
}

// serves: a stored file is read.
func serves(ctx context.Context, s *stack, bytes []byte) error {
	e := s.newEntry()
	r, err := e.post(ctx, "images", "cat.gif", bytes)
	if err != nil {
		return err
	}
	if r, err = e.stored(ctx, r); err != nil {
		return err
	}
	return e.served(ctx, r, bytes)
}

// deletes: a stored file is deleted, and nothing is left of it.
func deletes(ctx context.Context, s *stack, bytes []byte) error {
	e := s.newEntry()
	r, err := e.post(ctx, "images", "cat.gif", bytes)
	if err != nil {
		return err
	}
	if r, err = e.stored(ctx, r); err != nil {
		return err
	}
	return e.deleted(ctx, r, bytes)
}

// removesLateCopies: bytes that come for a deleted upload are removed.
func removesLateCopies(ctx context.Context, s *stack, bytes []byte) error {
	e := s.newEntry()
	f, err := e.form(ctx, "images", map[string]any{"name": "cat.gif"})
	if err != nil {
		return err
	}
	if _, err := e.want(ctx, http.StatusOK, nil, http.MethodDelete, e.path("images", f.Record.ID), nil); err != nil {
		return err
	}
	if _, err := e.objects.PutObject(ctx,
		&s3.PutObjectInput{Bucket: &e.bucket, Key: aws.String(e.quarantineKey(f.Record)),
			Body: strings.NewReader(string(bytes))}); err != nil {
		return err
	}
	return e.emptied(ctx, f.Record)
}

// reconciles: a run of the reconciler ends well, with a survey.
func reconciles(ctx context.Context, s *stack, _ []byte) error {
	text, err := s.signedCall(ctx, root(), "lambda", http.MethodPost,
		"/2015-03-31/functions/"+s.resources["ReconcilerFunction"]+"/invocations", nil, []byte(`{"survey":true}`))
	if err != nil {
		return err
	}
	var report struct {
		Failed       *int   `json:"failed"`
		ErrorMessage string `json:"errorMessage"`
	}
	if err := json.Unmarshal(text, &report); err != nil {
		return err
	}
	if report.ErrorMessage != "" || report.Failed == nil || *report.Failed != 0 {
		return fmt.Errorf("the reconciler answered %.1000s", text)
	}
	return nil
}
