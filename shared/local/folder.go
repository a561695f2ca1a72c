package local

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

const stateFile = "dev.json"

// ErrInUse: another process holds the data folder.
var ErrInUse = errors.New("another hatchery is running on this folder")

// takeFolder makes the folder and locks it. The lock is the operating system's: it
// ends with the process that holds it, however that ends.
func takeFolder(dir string) (*folder, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder %s: %w (choose another with --data)", dir, err)
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w (choose another with --data)", dir, err)
	}
	if !held {
		return nil, fmt.Errorf("data folder %s: %w: stop it, or choose another with --data", dir, ErrInUse)
	}
	f := &folder{dir: dir, lock: lock}
	// The folder lies in a checkout more often than not.
	if err := os.WriteFile(f.path(".gitignore"), []byte("*\n"), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("data folder %s: %w (choose another with --data)", dir, err), lock.Unlock())
	}
	return f, nil
}

const anew = "remove the file to begin with new addresses and credentials"

// loadState reads what the last start wrote down, or begins anew.
func (f *folder) loadState() (state, error) {
	data, err := os.ReadFile(f.path(stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return state{AccessKey: "HATCHERY" + rand.Text()[:12], SecretKey: rand.Text() + rand.Text()[:14]}, nil
	}
	if err != nil {
		return state{}, fmt.Errorf("read %s: %w", f.path(stateFile), err)
	}
	var st state
	if err := json.Unmarshal(data, &st); err != nil {
		return state{}, fmt.Errorf("read %s: %w; %s", f.path(stateFile), err, anew)
	}
	if st.AccessKey == "" || st.SecretKey == "" {
		return state{}, fmt.Errorf("read %s: it has no credentials; %s", f.path(stateFile), anew)
	}
	return st, nil
}
