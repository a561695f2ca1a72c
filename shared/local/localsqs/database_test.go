package localsqs

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// books is a schema with loans whose book is looked for only at the commit.
const (
	booksVersion = 3
	books        = `
	CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT NOT NULL);
	CREATE TABLE loan (book INTEGER NOT NULL REFERENCES book(id) DEFERRABLE INITIALLY DEFERRED);`
)

type library struct {
	*database
	t *testing.T
}

func openLibrary(t *testing.T, path string) *library {
	t.Helper()
	d, err := openDatabase(t.Context(), path, booksVersion, books)
	if err != nil {
		t.Fatal(err)
	}
	return &library{d, t}
}

func newLibrary(t *testing.T) *library {
	t.Helper()
	return openLibrary(t, filepath.Join(t.TempDir(), "library.db"))
}

func (l *library) end() {
	l.t.Helper()
	if err := l.close(); err != nil {
		l.t.Fatal(err)
	}
}

func addBook(c *connection, title string) error {
	_, err := c.exec(`INSERT INTO book (title) VALUES (?)`, title)
	return err
}

func (l *library) add(title string) {
	l.t.Helper()
	if err := l.write(func(c *connection) error { return addBook(c, title) }); err != nil {
		l.t.Fatal(err)
	}
}

// titles are those that were read, in their order, before scan ended it.
func (l *library) titles(scan func(n int) error) (found []string, err error) {
	err = l.alone(func(c *connection) error {
		return c.each(`SELECT title FROM book WHERE id > ? ORDER BY id`, []any{0}, func(row *sql.Rows) error {
			var title string
			err := row.Scan(&title)
			found = append(found, title)
			return errors.Join(err, scan(len(found)))
		})
	})
	return found, err
}

func (l *library) want(titles ...string) {
	l.t.Helper()
	found, err := l.titles(func(int) error { return nil })
	if err != nil || !slices.Equal(found, titles) {
		l.t.Fatalf("found %q, %v, want %q", found, err, titles)
	}
}

func TestWhatWasWrittenIsThereAfterClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a file%20?#.db")
	l := openLibrary(t, path)
	l.add("Emma")
	if _, err := l.exec(`INSERT INTO book (title) VALUES (?)`, "Emma"); err != nil {
		t.Fatal(err)
	}
	l.end()
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 || left[0].Name() != filepath.Base(path) {
		t.Errorf("closed, there are %v, %v; want the file alone", left, err)
	}
	l = openLibrary(t, path)
	defer l.end()
	l.want("Emma", "Emma")
}

func TestAWriteThatFailsIsUndone(t *testing.T) {
	l := newLibrary(t)
	defer l.end()
	why := errors.New("changed my mind")
	err := l.write(func(c *connection) error { return errors.Join(addBook(c, "Emma"), why) })
	if !errors.Is(err, why) || isForeignKey(err) {
		t.Errorf("the write gives %v", err)
	}
	l.want()
	// The commit fails: there is no such book.
	err = l.write(func(c *connection) error {
		_, err := c.exec(`INSERT INTO loan (book) VALUES (7)`)
		return errors.Join(addBook(c, "Emma"), err)
	})
	if !isForeignKey(err) {
		t.Errorf("the commit gives %v", err)
	}
	l.want()
	l.add("Persuasion")
	l.want("Persuasion")
}

func TestWritesAreOneAtATime(t *testing.T) {
	l := newLibrary(t)
	defer l.end()
	var running sync.WaitGroup
	var n int
	for range 8 {
		running.Go(func() {
			for range 25 {
				if err := l.write(func(c *connection) error { n++; return addBook(c, "Emma") }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	if found, err := l.titles(func(int) error { return nil }); err != nil || n != 200 || len(found) != n {
		t.Errorf("%d books of %d writes, %v", len(found), n, err)
	}
}

func TestReadingStopsAtTheFirstError(t *testing.T) {
	l := newLibrary(t)
	defer l.end()
	for _, title := range []string{"Emma", "Persuasion", "Sanditon"} {
		l.add(title)
	}
	enough := errors.New("enough")
	found, err := l.titles(func(n int) error {
		if n == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || !slices.Equal(found, []string{"Emma", "Persuasion"}) {
		t.Errorf("found %q, %v", found, err)
	}
	l.want("Emma", "Persuasion", "Sanditon") // the rows were closed: the one connection is free
	var id int
	err = l.alone(func(c *connection) error {
		return c.row(`SELECT id FROM book WHERE title = ?`, []any{"Sanditon"}, &id)
	})
	if err != nil || id != 3 {
		t.Errorf("the third book is number %d, %v", id, err)
	}
	err = l.alone(func(c *connection) error { return c.row("SELECT title\n\t\tFROM shelf", nil) })
	if err == nil || !strings.Contains(err.Error(), `prepare "SELECT title FROM shelf"`) {
		t.Errorf("a query of no table gives %v", err)
	}
}

func TestASecondOpenIsRefusedUntilTheFirstCloses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "library.db")
	first := openLibrary(t, path)
	if _, err := openDatabase(t.Context(), path, booksVersion, books); !errors.Is(err, ErrFileInUse) {
		t.Fatalf("opened twice: %v", err)
	}
	first.add("Emma")
	first.end()
	second := openLibrary(t, path)
	defer second.end()
	second.want("Emma")
}

func TestARefusedFileIsLeftAsItWasAndFree(t *testing.T) {
	path := filepath.Join(t.TempDir(), "library.db")
	l := openLibrary(t, path)
	l.add("Emma")
	l.end()
	for version, says := range map[int]string{
		4: "the file has schema version 3, this program knows version 4",
		2: "the file has schema version 3, this program knows version 2",
	} {
		_, err := openDatabase(t.Context(), path, version, "DROP TABLE book;")
		if err == nil || !strings.Contains(err.Error(), says) || errors.Is(err, ErrFileInUse) {
			t.Errorf("open gives %v, want %q", err, says)
		}
	}
	l = openLibrary(t, path)
	defer l.end()
	l.want("Emma")
}

func TestASchemaThatFailsLeavesAnEmptyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "library.db")
	broken := "CREATE TABLE book (id INTEGER); CREATE TABLE book (id INTEGER);"
	if _, err := openDatabase(t.Context(), path, booksVersion, broken); err == nil {
		t.Fatal("opened")
	}
	l := openLibrary(t, path) // makes a book of its own
	defer l.end()
	l.want()
}

func TestOpenSaysThatAFileIsNoDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "library.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is no database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openDatabase(t.Context(), path, booksVersion, books); err == nil ||
		!strings.Contains(err.Error(), "no SQLite database") {
		t.Errorf("open gives %v", err)
	}
}

// A file of this version whose tables are missing is refused at the start, and free again.
func TestAFileWithoutItsTablesIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queue.db")
	d, err := openDatabase(t.Context(), path, schemaVersion, "CREATE TABLE shelf (id INTEGER);")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err := start(t.Context(), Options{Path: path, Region: "us-east-1"}, nowhere)
		if err == nil || !strings.Contains(err.Error(), "lacks its table") {
			t.Errorf("open gives %v", err)
		}
	}
}
