package sqlitefile

import (
	"errors"
	"testing"

	sqlite3 "modernc.org/sqlite/lib"
)

// A start on a full disk fails at the file of shared memory, before anything is written to the database.
func TestAFileOfSharedMemoryThatDoesNotGrowIsAFullDisk(t *testing.T) {
	for code, want := range map[int]error{sqlite3.SQLITE_IOERR_SHMSIZE: ErrDiskFull, sqlite3.SQLITE_IOERR: nil,
		sqlite3.SQLITE_CORRUPT_INDEX: ErrDamaged} {
		if got := meaningOf(code); !errors.Is(got, want) {
			t.Errorf("%d means %v, want %v", code, got, want)
		}
	}
}
