// Package sqlitefile is what all that is kept in SQLite files has in common: who may read a file, and how an error
// about it reads.
package sqlitefile

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

var (
	// ErrNoDatabase says that a file is something else.
	ErrNoDatabase = errors.New("the file is no SQLite database")
	// ErrDamaged says that a file was cut, or overwritten in part.
	ErrDamaged = errors.New("the SQLite database is damaged: restore the file, or move it away")
	// ErrDiskFull is a syscall.ENOSPC, too.
	ErrDiskFull = fmt.Errorf("the disk is full, and nothing was written: %w", syscall.ENOSPC)
	// ErrDamagedRow stands for what would show what is in a row.
	ErrDamagedRow = errors.New("a row is damaged: it holds what this program does not write")
)

// Create makes an empty file that nobody else may read, unless there is one. SQLite gives the files beside it the same
// mode. A file that is there is not opened: to close it would drop the locks of this process.
func Create(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return file.Close()
}

// Explain says what SQLite, or the scan of a row, found wrong. SQLite's own text may hold what is in the file, and is
// left out, as are the values of a row.
func Explain(err error) error {
	if problem, ok := errors.AsType[*sqlite.Error](err); ok {
		if known := meaningOf(problem.Code()); known != nil {
			return known
		}
		if _, table, ok := strings.Cut(problem.Error(), "no such table: "); ok && problem.Code() == sqlite3.SQLITE_ERROR {
			table, _, _ = strings.Cut(table, " ") // it is in the statement, which is ours
			return fmt.Errorf("the SQLite database lacks its table %s: %w", table, ErrDamaged)
		}
		return &failure{code: problem.Code(), cause: err}
	}
	// database/sql has no type for it.
	if err != nil && !errors.Is(err, sql.ErrNoRows) && strings.Contains(err.Error(), "sql: Scan error") {
		return ErrDamagedRow
	}
	return err
}

// meaningOf is nil for a code that has no words of its own here.
func meaningOf(code int) error {
	switch {
	case code&0xff == sqlite3.SQLITE_NOTADB:
		return ErrNoDatabase
	case code&0xff == sqlite3.SQLITE_CORRUPT:
		return ErrDamaged
	case code&0xff == sqlite3.SQLITE_FULL, code == sqlite3.SQLITE_IOERR_SHMSIZE: // the file beside it does not grow
		return ErrDiskFull
	}
	return nil
}

// failure is an error of SQLite without its text.
type failure struct {
	code  int
	cause error
}

func (f *failure) Error() string {
	return fmt.Sprintf("SQLite: %s (%d)", sqlite.ErrorCodeString[f.code&0xff], f.code)
}

// Unwrap is for errors.As; its text is not to be shown.
func (f *failure) Unwrap() error { return f.cause }
