package locals3

import (
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// largeFolder is from how many names on a folder's are remembered, and maxFolders how many such folders.
	largeFolder = 256
	maxFolders  = 64
	// settledAfter is longer than the file system's clock stands still: a folder that changed longer ago gets another
	// time with its next change.
	settledAfter = time.Second
)

// folders remembers the names in large folders until they change: most lists are of one key, and the folder of an
// entry may hold thousands. The zero value is ready.
type folders struct {
	mu    sync.Mutex
	known map[string]folder
}

// folder is what a folder held when it had changed last.
type folder struct {
	changed time.Time
	names   []string // in order, and never changed
}

// names gives the names in a folder, in order; they are not to be changed.
func (f *folders) names(path string) ([]string, error) {
	// Looked at before it is read: what changes in between changes its time, too.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	found, ok := f.known[path]
	f.mu.Unlock()
	if ok && found.changed.Equal(info.ModTime()) {
		return found.names, nil
	}
	settled := time.Since(info.ModTime()) > settledAfter
	names, err := readNames(path)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.known, path)
	if settled && len(names) >= largeFolder {
		if f.known == nil || len(f.known) >= maxFolders {
			f.known = map[string]folder{}
		}
		f.known[path] = folder{info.ModTime(), names}
	}
	return names, nil
}

func readNames(path string) ([]string, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer dir.Close() //nolint:errcheck // nothing was written that could be lost
	names, err := dir.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}
