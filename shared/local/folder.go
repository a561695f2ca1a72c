package local

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/gofrs/flock"
)

const (
	stateFile = "dev.json"
	lockFile  = "hatchery.lock"
	// oldTables is where earlier versions kept a DynamoDB table.
	oldTables = "tables.db"
)

// ErrInUse: another process holds the data folder.
var ErrInUse = errors.New("another hatchery is running on this folder")

// takeFolder makes the folder and locks it. The lock is the operating system's: it
// ends with the process that holds it, however that ends.
func takeFolder(dir string) (*folder, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w", dir, err)
	}
	trouble := func(err error) error {
		return fmt.Errorf("data folder %s: %w (choose another with --data)", dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, trouble(err)
	}
	// Looked at before anything is written: other things may lie here, and stay.
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, trouble(err)
	}
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == oldTables }) {
		return nil, fmt.Errorf("data folder %s: %s holds records that an earlier version kept with --records dynamodb, "+
			"and this one cannot read it: choose another folder with --data, or start that version on this one with "+
			"--records dynamodb, copy the records with what it exports and hatchery migrate --from dynamodb:%s --to sqlite:%s, "+
			"and move %[2]s away", dir, oldTables, Table, filepath.Join(dir, "records.db"))
	}
	lock := flock.New(filepath.Join(dir, lockFile))
	held, err := lock.TryLock()
	if err != nil {
		return nil, trouble(err)
	}
	if !held {
		return nil, fmt.Errorf("data folder %s: %w: stop it, or choose another with --data", dir, ErrInUse)
	}
	f := &folder{dir: dir, lock: lock}
	if err := f.prepare(len(entries) == 0); err != nil {
		return nil, errors.Join(trouble(err), lock.Unlock())
	}
	return f, nil
}

// prepare sees that the folder can be written. One that is its own is kept out of
// the checkout that it lies in more often than not; in one where somebody keeps
// other things, what git ignores is theirs to say.
func (f *folder) prepare(own bool) error {
	probe, err := os.CreateTemp(f.dir, "probe-*")
	if err != nil {
		return err
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil || !own {
		return err
	}
	return os.WriteFile(f.path(".gitignore"), []byte("*\n"), 0o600)
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
