package uploadtest_test

import (
	"context"
	"errors"
	"testing"

	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

func TestTheNotesInMemoryKeepTheContract(t *testing.T) {
	uploadtest.RunNotes(t, func(*testing.T) uploadtest.NotesHarness {
		notes := uploadtest.NewNotes()
		return uploadtest.NotesHarness{Notes: notes,
			Overwrite: func(_ *testing.T, key upload.Key, body []byte) { notes.Overwrite(key, body) }}
	})
}

func TestTheNotesInMemoryFailAsTheyAreTold(t *testing.T) {
	notes, trouble := uploadtest.NewNotes(), errors.New("trouble")
	notes.Before = func(_ context.Context, call string, key upload.Key) error {
		if call == "put" && key == "dead-letters/a" {
			return trouble
		}
		return nil
	}
	if err := notes.Put(t.Context(), "dead-letters/a", nil); !errors.Is(err, trouble) {
		t.Errorf("%v", err)
	}
	if err := notes.Put(t.Context(), "dead-letters/b", nil); err != nil {
		t.Error(err)
	}
	if keys := notes.Keys(); len(keys) != 1 || keys[0] != "dead-letters/b" {
		t.Errorf("it holds %q", keys)
	}
}
