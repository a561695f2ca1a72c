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

// ErrInUse: another process has the data folder.
var ErrInUse = errors.New("another hatchery is running on this folder")

// folder is the data folder, behind a lock that dies with its process.
type folder struct {
	dir  string
	lock *flock.Flock
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }

// takeFolder makes the folder and locks it. The lock is the operating system's: it ends with the process that has it,
// however that ends.
func takeFolder(dir string) (*folder, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w", dir, err)
	}
	wrap := func(err error) error {
		return fmt.Errorf("data folder %s: %w (choose another with --data)", dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, wrap(err)
	}
	// Looked at before anything is written: other things may lie here, and stay.
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, wrap(err)
	}
	if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == oldTables }) {
		return nil, fmt.Errorf("data folder %s: %s holds records that an earlier version kept with --records dynamodb, "+
			"and this one cannot read it: choose another folder with --data, or start that version on this one with "+
			"--records dynamodb, copy its records with hatchery migrate --from dynamodb:%s --to sqlite:%s (in a shell with the "+
			"exports that it prints), and move %[2]s away; move it away at once if you need none of these records",
			dir, oldTables, Table, filepath.Join(dir, "records.db"))
	}
	f := &folder{dir: dir, lock: flock.New(filepath.Join(dir, lockFile))}
	locked, err := f.lock.TryLock()
	if err != nil {
		return nil, wrap(err)
	}
	if !locked {
		return nil, fmt.Errorf("data folder %s: %w: stop it, or choose another with --data", dir, ErrInUse)
	}
	if err := f.prepare(len(entries) == 0); err != nil {
		return nil, errors.Join(wrap(err), f.lock.Unlock())
	}
	return f, nil
}

// prepare sees that the folder can be written. One that is its own is kept out of the checkout that it lies in more
// often than not; in one where somebody keeps other things, what git ignores is theirs to say.
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

// private takes from everybody else what they may do with what a stack keeps, where an earlier version left it to the
// umask. The folder itself and what else lies in it stay as they are: they may be somebody's. The error names what
// could not be changed, as where the file system has no modes.
func (f *folder) private() error {
	var errs []error
	for _, name := range []string{lockFile, stateFile, "queue.db", "queue.db-wal", "queue.db-shm", "records.db",
		"records.db-wal", "records.db-shm", "bugout.jsonl", "sam-local.json", pausedFile, brokenFile, "s3", "spool"} {
		info, err := os.Lstat(f.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && (info.Mode().IsRegular() || info.IsDir()) && info.Mode().Perm()&0o077 != 0 {
			err = os.Chmod(f.path(name), info.Mode().Perm()&0o700)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// state is what a stack remembers from start to start.
type state struct {
	AccessKey      string `json:"access_key"`
	SecretKey      string `json:"secret_key"`
	S3Listen       string `json:"s3_listen"`
	SQSListen      string `json:"sqs_listen"`
	DynamoDBListen string `json:"dynamodb_listen,omitempty"`
	Containers     string `json:"containers,omitempty"`
	// App is the URL of the application where that is not the demo.
	App string `json:"app,omitempty"`

	// DynamoDB is the URL of one that the stack did not open. ForeignKeys says that it does not take these credentials.
	DynamoDB    string `json:"dynamodb,omitempty"`
	ForeignKeys bool   `json:"dynamodb_foreign_keys,omitempty"`

	BugoutListen      string `json:"bugout_listen,omitempty"`
	BugoutApplication string `json:"bugout_application,omitempty"`
	BugoutToken       string `json:"bugout_token,omitempty"`
}

func (f *folder) saveState(st state) error {
	data, err := json.MarshalIndent(st, "", "  ")
	if err == nil {
		// Written beside and renamed, so that a kill leaves the old one or the new one.
		beside := f.path(stateFile + ".new")
		if err = os.WriteFile(beside, append(data, '\n'), 0o600); err == nil {
			err = os.Rename(beside, f.path(stateFile))
		}
	}
	if err != nil {
		return fmt.Errorf("write down the addresses: %w", err)
	}
	return nil
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
