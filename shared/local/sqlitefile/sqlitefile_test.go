package sqlitefile_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"hatchery/shared/local/sqlitefile"
)

// schema has books, and loans whose book is looked for only at the commit.
var schema = sqlitefile.Schema{Version: 3, SQL: `
	CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT NOT NULL);
	CREATE TABLE loan (book INTEGER NOT NULL REFERENCES book(id) DEFERRABLE INITIALLY DEFERRED);`}

type library struct {
	*sqlitefile.Database
	t            *testing.T
	insert, find *sql.Stmt
}

func open(t *testing.T, path string) *library {
	t.Helper()
	l := &library{t: t}
	var err error
	l.Database, err = sqlitefile.Open(t.Context(), path, schema, map[**sql.Stmt]string{
		&l.insert: `INSERT INTO book (title) VALUES (?)`, &l.find: `SELECT id FROM book WHERE title = ?`})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *library) close() {
	l.t.Helper()
	if err := l.Close(); err != nil {
		l.t.Fatal(err)
	}
}

// add is for within Write and Alone.
func (l *library) add(title string) error {
	_, err := l.insert.ExecContext(l.t.Context(), title)
	return err
}

// titles are the first most titles in their order.
func (l *library) titles(most int) []string {
	l.t.Helper()
	var found []string
	err := l.Alone(func() error {
		return l.Each(`SELECT title FROM book WHERE id > ? ORDER BY id`, []any{0}, func(row *sql.Rows) (bool, error) {
			var title string
			err := row.Scan(&title)
			found = append(found, title)
			return len(found) < most, err
		})
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return found
}

func (l *library) want(titles ...string) {
	l.t.Helper()
	if found := l.titles(100); !slices.Equal(found, titles) {
		l.t.Fatalf("found %q, want %q", found, titles)
	}
}

func TestWhatWasWrittenIsThereAfterClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a file%20?#.db")
	l := open(t, path)
	for _, run := range []func(func() error) error{l.Write, l.Alone} {
		if err := run(func() error { return l.add("Emma") }); err != nil {
			t.Fatal(err)
		}
	}
	l.close()
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 || left[0].Name() != filepath.Base(path) {
		t.Errorf("closed, there are %v, %v; want the file alone", left, err)
	}
	l = open(t, path)
	defer l.close()
	l.want("Emma", "Emma")
}

func TestAWriteThatFailsIsUndone(t *testing.T) {
	l := open(t, "")
	defer l.close()
	why := errors.New("changed my mind")
	err := l.Write(func() error { return errors.Join(l.add("Emma"), why) })
	if !errors.Is(err, why) || sqlitefile.IsForeignKey(err) {
		t.Errorf("the write gives %v", err)
	}
	l.want()
	// The commit fails: there is no such book.
	err = l.Write(func() error {
		_, err := l.Conn().ExecContext(t.Context(), `INSERT INTO loan (book) VALUES (7)`)
		return errors.Join(l.add("Emma"), err)
	})
	if !sqlitefile.IsForeignKey(err) {
		t.Errorf("the commit gives %v", err)
	}
	l.want()
	if err := l.Write(func() error { return l.add("Persuasion") }); err != nil {
		t.Fatal(err)
	}
	l.want("Persuasion")
}

func TestWritesAreOneAtATime(t *testing.T) {
	l := open(t, "")
	defer l.close()
	var running sync.WaitGroup
	var n int
	for range 8 {
		running.Go(func() {
			for range 25 {
				if err := l.Write(func() error { n++; return l.add("Emma") }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	if found := l.titles(1000); n != 200 || len(found) != n {
		t.Errorf("%d books of %d writes", len(found), n)
	}
}

func TestReadingStopsWhenThatIsEnough(t *testing.T) {
	l := open(t, "")
	defer l.close()
	for _, title := range []string{"Emma", "Persuasion", "Sanditon"} {
		if err := l.Write(func() error { return l.add(title) }); err != nil {
			t.Fatal(err)
		}
	}
	if found := l.titles(2); !slices.Equal(found, []string{"Emma", "Persuasion"}) {
		t.Errorf("found %q", found)
	}
	l.want("Emma", "Persuasion", "Sanditon") // the rows were closed: the one connection is free
	var id int
	err := l.Alone(func() error {
		return sqlitefile.EachOf(l.find, []any{"Sanditon"}, func(row *sql.Rows) (bool, error) { return false, row.Scan(&id) })
	})
	if err != nil || id != 3 {
		t.Errorf("the third book is number %d, %v", id, err)
	}
}

func TestMemoryIsGoneWithClose(t *testing.T) {
	for range 2 {
		l := open(t, "")
		l.want()
		if err := l.Write(func() error { return l.add("Emma") }); err != nil {
			t.Fatal(err)
		}
		l.close()
	}
}

func TestASecondOpenIsRefusedUntilTheFirstCloses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "library.db")
	first := open(t, path)
	if _, err := sqlitefile.Open(t.Context(), path, schema, nil); !errors.Is(err, sqlitefile.ErrInUse) {
		t.Fatalf("opened twice: %v", err)
	}
	if err := first.Write(func() error { return first.add("Emma") }); err != nil {
		t.Fatal(err)
	}
	first.close()
	second := open(t, path)
	defer second.close()
	second.want("Emma")
}

func TestARefusedFileIsLeftAsItWasAndFree(t *testing.T) {
	path := filepath.Join(t.TempDir(), "library.db")
	l := open(t, path)
	if err := l.Write(func() error { return l.add("Emma") }); err != nil {
		t.Fatal(err)
	}
	l.close()
	newer := sqlitefile.Schema{Version: 4, SQL: "DROP TABLE book;"}
	older := sqlitefile.Schema{Version: 2, SQL: "DROP TABLE book;"}
	var unused *sql.Stmt
	for _, c := range []struct {
		schema    sqlitefile.Schema
		statement string
		says      string
	}{
		{newer, "SELECT 1", "the file has schema version 3, this program knows version 4"},
		{older, "SELECT 1", "the file has schema version 3, this program knows version 2"},
		{schema, "SELECT title\n\t\tFROM shelf", `prepare "SELECT title FROM shelf"`},
	} {
		_, err := sqlitefile.Open(t.Context(), path, c.schema, map[**sql.Stmt]string{&unused: c.statement})
		if err == nil || !strings.Contains(err.Error(), c.says) || errors.Is(err, sqlitefile.ErrInUse) {
			t.Errorf("open gives %v, want %q", err, c.says)
		}
	}
	l = open(t, path)
	defer l.close()
	l.want("Emma")
}

func TestASchemaThatFailsLeavesAnEmptyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "library.db")
	broken := sqlitefile.Schema{Version: 3, SQL: "CREATE TABLE book (id INTEGER); CREATE TABLE book (id INTEGER);"}
	if _, err := sqlitefile.Open(t.Context(), path, broken, nil); err == nil {
		t.Fatal("opened")
	}
	l := open(t, path) // makes a book of its own
	defer l.close()
	l.want()
}

func TestOpenSaysThatAFileIsNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "library.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlitefile.Open(t.Context(), path, schema, nil); err == nil || !strings.Contains(err.Error(), "not a database") {
		t.Errorf("open gives %v", err)
	}
}
