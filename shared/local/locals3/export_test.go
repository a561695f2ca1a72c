package locals3

import (
	"path/filepath"
	"testing"
)

// BeginChanges leaves the state of a process that died just after it began changes in the folder dir. It gives the
// func that begins one: version is the one to delete, or "" for a new version or a delete marker.
func BeginChanges(dir, bucket string) (begin func(key, version string) error, err error) {
	l := newLayout(dir)
	attributes, err := newAttributes(l)
	if err != nil {
		return nil, err
	}
	g := &guarded{layout: l, attributes: attributes, undo: &undoLog{layout: l}}
	if _, err := g.undo.open(); err != nil {
		return nil, err
	}
	return func(key, version string) error {
		if version == "" {
			_, err = g.begin(bucket, key)
		} else {
			_, err = g.beginDelete(bucket, key, version)
		}
		return err
	}, nil
}

// Where the files of a key are, for tests that make the states that a crash leaves. Without an id, it is the current
// version's.

func BytesFile(dir, bucket, key, id string) string {
	if id == "" {
		return newLayout(dir).object(bucket, key)
	}
	return newLayout(dir).version(bucket, key, id)
}

func AttributesFile(dir, bucket, key, id string) string {
	if id == "" {
		return newLayout(dir).objectMeta(bucket, key)
	}
	return newLayout(dir).versionMeta(bucket, key, id)
}

func UndoFolder(dir string) string { return newLayout(dir).undo }

func UndoLog(dir string) string { return filepath.Join(newLayout(dir).undo, logName) }

// Unfinished says how many changes a process left unfinished.
func Unfinished(t *testing.T, dir string) int {
	t.Helper()
	entries, err := readLog(UndoLog(dir))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
