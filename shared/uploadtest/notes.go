package uploadtest

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"hatchery/shared/upload"
)

// Notes keeps notes in memory. It may be used concurrently.
type Notes struct {
	// Before, when set, is called before each call does anything, holding no lock: with "put",
	// "get" or "list", and the key or prefix. Its error is the call's answer. It is set before
	// use, and may wait.
	Before func(ctx context.Context, call string, key upload.Key) error

	mu    sync.Mutex
	notes map[upload.Key][]byte
}

var _ upload.Notes = (*Notes)(nil)

// NewNotes has none.
func NewNotes() *Notes { return &Notes{notes: map[upload.Key][]byte{}} }

func (n *Notes) begin(ctx context.Context, call string, key upload.Key) error {
	if n.Before != nil {
		if err := n.Before(ctx, call, key); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Put implements upload.Notes.
func (n *Notes) Put(ctx context.Context, key upload.Key, body []byte) error {
	if err := upload.CheckNote(key, len(body)); err != nil {
		return err
	}
	if err := n.begin(ctx, "put", key); err != nil {
		return err
	}
	n.Overwrite(key, body)
	return nil
}

// Overwrite puts a note whatever its key and its size: Before is not asked.
func (n *Notes) Overwrite(key upload.Key, body []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.notes[key] = bytes.Clone(body)
}

// Get implements upload.Notes.
func (n *Notes) Get(ctx context.Context, key upload.Key) ([]byte, error) {
	if err := upload.CheckNote(key, 0); err != nil {
		return nil, err
	}
	if err := n.begin(ctx, "get", key); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	body, found := n.notes[key]
	if !found {
		return nil, upload.ErrGone
	}
	if err := upload.CheckNote(key, len(body)); err != nil {
		return nil, err
	}
	return bytes.Clone(body), nil
}

// List implements upload.Notes.
func (n *Notes) List(ctx context.Context, prefix string, cursor upload.Cursor, limit int) (upload.NotesPage, error) {
	after, err := upload.NotesAfter(prefix, cursor, limit)
	if err != nil {
		return upload.NotesPage{}, err
	}
	if err := n.begin(ctx, "list", upload.Key(prefix)); err != nil {
		return upload.NotesPage{}, err
	}
	var page upload.NotesPage
	for _, key := range n.Keys() {
		switch {
		case !strings.HasPrefix(string(key), prefix) || key <= after:
		case len(page.Keys) == limit:
			page.Next = upload.NotesCursor(prefix, page.Keys[limit-1])
			return page, nil
		default:
			page.Keys = append(page.Keys, key)
		}
	}
	return page, nil
}

// Keys lists the keys of all notes, in order.
func (n *Notes) Keys() []upload.Key {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Sorted(maps.Keys(n.notes))
}
