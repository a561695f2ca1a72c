package uploadtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"hatchery/shared/upload"
)

// Golden compares what a store wrote, as JSON, with testdata/golden/{name}.json; with
// update it writes that file anew.
func Golden(t testing.TB, name string, writes any, update bool) {
	t.Helper()
	var got bytes.Buffer
	e := json.NewEncoder(&got)
	e.SetEscapeHTML(false)
	e.SetIndent("", "\t")
	if err := e.Encode(writes); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "golden", name+".json")
	if update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("%s: written is\n%s\nwant\n%s", file, &got, want)
	}
}

// Step is one change that a store is asked for.
type Step func(context.Context, upload.Records) error

// InOrder are steps one after the other; none is nothing.
func InOrder(steps ...Step) Step {
	return func(ctx context.Context, s upload.Records) error {
		for i, next := range steps {
			if err := next(ctx, s); err != nil {
				return fmt.Errorf("step %d: %w", i, err)
			}
		}
		return nil
	}
}

// Creates creates a record; key may be nil.
func Creates(r upload.Record, key *upload.IdempotencyKey) Step {
	return func(ctx context.Context, s upload.Records) error {
		_, err := s.Create(ctx, r, key)
		return err
	}
}

// Updates makes one transition of a record.
func Updates(ref upload.Ref, by upload.Transition) Step {
	return func(ctx context.Context, s upload.Records) error {
		_, err := s.Update(ctx, ref, by)
		return err
	}
}

// Fails notes a failure, as the validator does.
func Fails(ref upload.Ref, f upload.Failure) Step {
	return func(ctx context.Context, s upload.Records) error { return upload.NoteFailure(ctx, s, ref, f) }
}
