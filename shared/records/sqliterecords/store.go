// Package sqliterecords keeps the records of uploads in one SQLite file.
//
// One goroutine writes, on one connection; a few connections read. The writer
// commits whatever changes are waiting in one transaction, so that many callers
// share the cost of one fsync (see writer.go). The file is in WAL mode: readers
// never wait for the writer, and a process that dies at any moment leaves a file
// that the next Open finds whole.
//
// Another process may have the same file open: SQLite's locks keep the two
// apart, and each waits up to ten seconds for the other. Nobody but SQLite may
// open and close the file while a store of this process has it open: on Unix
// that drops the process's locks.
//
// The errors that upload.Records names are returned bare; every other error says
// what was done, to which upload and in which file.
package sqliterecords

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"hatchery/shared/sqlitefile"
	"hatchery/shared/upload"

	"modernc.org/sqlite"
)

// lockWait is how long a statement waits for another process's lock before it
// fails, in milliseconds.
const lockWait = "10000"

// readConnections is how many reads can run at once.
const readConnections = 4

var errClosed = errors.New("the records are closed")

// Options are what a Store needs from outside. The zero value is usable.
type Options struct {
	// Now is the clock by which idempotency keys and tombstones expire. Default
	// time.Now.
	Now func() time.Time
}

// Store is upload.Records in an SQLite file. Its methods may be called
// concurrently.
type Store struct {
	path    string
	readers *sql.DB
	read    *reads
	changes chan *change
	closing chan struct{}
	closed  func() error
}

var _ upload.Records = (*Store)(nil)

// Open opens the records in the file at path and creates the file when it is not
// there; its folder must be. The error names the path, and says so when the file
// is something else or belongs to a newer version of this package.
//
// A relative path is resolved now: a later change of the working directory does
// not matter.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	s, err := open(ctx, path, o)
	if err != nil {
		return nil, fmt.Errorf("open records in %q: %w", path, sqlitefile.Explain(err))
	}
	return s, nil
}

func open(ctx context.Context, path string, o Options) (*Store, error) {
	path, err := checkPath(path)
	if err != nil {
		return nil, err
	}
	if err := sqlitefile.Create(path); err != nil {
		return nil, err
	}
	// FULL: a commit waits for the disk. NORMAL would lose the last commits when
	// power fails.
	db, err := openDB(path, 1, url.Values{"_synchronous": {"FULL"}})
	if err != nil {
		return nil, err
	}
	w, err := newWriter(ctx, db, o.Now)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	readers, err := openDB(path, readConnections, url.Values{"_query_only": {"1"}})
	if err != nil {
		return nil, errors.Join(err, w.close(), db.Close())
	}
	read, err := prepareReads(ctx, readers)
	if err != nil {
		return nil, errors.Join(err, readers.Close(), w.close(), db.Close())
	}
	s := &Store{path: path, readers: readers, read: read, changes: make(chan *change), closing: make(chan struct{})}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.run(s.changes, s.closing)
	}()
	s.closed = sync.OnceValue(func() error {
		close(s.closing)
		<-ended
		// The writer's connection is the last, so that it folds the WAL into the
		// file.
		return errors.Join(readers.Close(), w.close(), db.Close())
	})
	return s, nil
}

// checkPath makes path absolute and says plainly what SQLite would only call
// "unable to open database file".
func checkPath(path string) (string, error) {
	if path == "" {
		return "", errors.New("no path was given")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if about, err := os.Stat(path); err == nil {
		if !about.Mode().IsRegular() {
			return "", errors.New("this is no regular file")
		}
		// SQLite takes a file that is shorter than the smallest page for an empty
		// one, and overwrites it.
		if about.Size() > 0 && about.Size() < 512 {
			return "", sqlitefile.ErrNoDatabase
		}
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return "", fmt.Errorf("look at its folder: %w", err)
	}
	return path, nil
}

func openDB(path string, connections int, settings url.Values) (*sql.DB, error) {
	settings.Set("_busy_timeout", lockWait)
	settings.Set("_txlock", "immediate")
	settings.Set("_dqs", "0")
	settings.Set("_defensive", "1")
	settings.Set("_error_rc", "1")
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a Windows drive: SQLite wants file:/C:/…
	}
	name := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: settings.Encode()}
	connector, err := sqlite.NewConnector(name.String())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// Close ends the writer and closes the file. Changes that were acknowledged are
// in it; calls that are still waiting get an error. It may be called again.
func (s *Store) Close() error { return s.closed() }

// Atomic is true: every change runs in a transaction that holds the write lock
// from its beginning.
func (s *Store) Atomic() bool { return true }

// wrap is upload.Wrap, names the file, and shows nothing that is in it.
func (s *Store) wrap(err error, format string, args ...any) error {
	return upload.Wrap(sqlitefile.Explain(err), "%s in %q", fmt.Sprintf(format, args...), s.path)
}
