package sqlitefile_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"hatchery/shared/sqlitefile"
)

func open(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func exec(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatal(err)
	}
}

const secret = "what-is-in-the-file"

func TestAFullDiskIsCalledThat(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "a.db"))
	exec(t, db, "CREATE TABLE a (x); PRAGMA max_page_count = 2")
	_, err := db.ExecContext(t.Context(), "INSERT INTO a VALUES (zeroblob(1000000))")
	err = sqlitefile.Explain(fmt.Errorf("insert: %w", err))
	if !errors.Is(err, sqlitefile.ErrDiskFull) || !errors.Is(err, syscall.ENOSPC) ||
		!strings.Contains(err.Error(), "disk is full") {
		t.Errorf("it is called %v", err)
	}
}

func TestErrorsShowNothingThatIsInTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db := open(t, path)
	exec(t, db, "CREATE TABLE a (x); INSERT INTO a VALUES ('"+secret+"')")
	var n int
	scanned := db.QueryRowContext(t.Context(), "SELECT x FROM a").Scan(&n)
	exec(t, db, `PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = 'CREATE TABLE `+secret+` ('`)
	again := open(t, path)
	_, schema := again.ExecContext(t.Context(), "SELECT x FROM a")
	_, generic := db.ExecContext(t.Context(), `SELECT "`+secret+`" FROM b.c`)
	for name, c := range map[string]struct{ err, want error }{
		"a value of another type": {scanned, sqlitefile.ErrDamagedRow},
		"a damaged schema":        {schema, sqlitefile.ErrDamaged},
		"any other":               {generic, nil},
	} {
		if c.err == nil {
			t.Errorf("%s: there was no error", name)
			continue
		}
		got := sqlitefile.Explain(fmt.Errorf("select: %w", c.err))
		if got == nil || strings.Contains(got.Error(), secret) || c.want != nil && !errors.Is(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	for _, err := range []error{nil, sql.ErrNoRows, os.ErrClosed} {
		if got := sqlitefile.Explain(err); !errors.Is(got, err) {
			t.Errorf("%v became %v", err, got)
		}
	}
}

func TestANewFileIsNobodyElsesAndAnOldOneStaysAsItIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	for range 2 {
		if err := sqlitefile.Create(path); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		exec(t, open(t, path), "CREATE TABLE IF NOT EXISTS a (x)")
	}
	if err := sqlitefile.Create(filepath.Join(path, "below")); err == nil {
		t.Error("a file below a file was made")
	}
}
