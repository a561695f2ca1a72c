package sqliterecords

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hatchery/shared/upload"
)

func openFile(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := openDB(path, 1, url.Values{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// migrate prepares the file with a chain of migrations and gives its version.
func migrate(t *testing.T, db *sql.DB, migrations ...string) (version int, failed error) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	failed = prepareFile(t.Context(), conn, migrations)
	if err := conn.QueryRowContext(t.Context(), "PRAGMA user_version").Scan(&version); err != nil {
		t.Fatal(err)
	}
	return version, failed
}

func TestAnOlderFileIsBroughtUpToDate(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "records.db"))
	one, two, three := "CREATE TABLE a (x)", "INSERT INTO a VALUES (1)", "ALTER TABLE a ADD COLUMN y DEFAULT 7"
	for i, chain := range [][]string{{one}, {one, two, three}, {one, two, three}} {
		if version, err := migrate(t, db, chain...); err != nil || version != len(chain) {
			t.Fatalf("step %d: version %d, %v", i, version, err)
		}
	}
	var rows, y int
	if err := db.QueryRowContext(t.Context(), "SELECT count(*), max(y) FROM a").Scan(&rows, &y); err != nil ||
		rows != 1 || y != 7 {
		t.Errorf("%d rows with %d, %v", rows, y, err)
	}
	if _, err := migrate(t, db, one); err == nil || !strings.Contains(err.Error(), "schema version 3") {
		t.Errorf("an older program opens a newer file: %v", err)
	}
}

func TestAMigrationThatFailsLeavesTheFileAsItWas(t *testing.T) {
	db := openFile(t, filepath.Join(t.TempDir(), "records.db"))
	if _, err := migrate(t, db, "CREATE TABLE a (x)"); err != nil {
		t.Fatal(err)
	}
	version, err := migrate(t, db, "CREATE TABLE a (x)", "CREATE TABLE b (x)", "CREATE TABLE b (x)")
	if err == nil || version != 1 {
		t.Errorf("version %d, %v", version, err)
	}
	var tables int
	if err := db.QueryRowContext(t.Context(), "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil ||
		tables != 1 {
		t.Errorf("%d tables, %v", tables, err)
	}
}

func newTestWriter(t *testing.T, path string) *writer {
	t.Helper()
	w, err := newWriter(t.Context(), openFile(t, path), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func pending(id upload.ID) upload.Record {
	return upload.Record{ID: id, Journal: "j", Entry: "e", Kind: "images", CreatedAt: time.UnixMicro(1).UTC(),
		Status: upload.Pending}
}

// creating is a change that creates a record and then fails with err.
func creating(ctx context.Context, id upload.ID, err error) *change {
	return &change{ctx: ctx, do: func(w *writer) error {
		if _, err := w.create(pending(id), nil); err != nil {
			return err
		}
		return err
	}}
}

func exists(t *testing.T, w *writer, id upload.ID) bool {
	t.Helper()
	_, err := find(t.Context(), w.find, pending(id).Ref())
	if err != nil && !errors.Is(err, upload.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func TestAChangeThatFailsIsUndoneAlone(t *testing.T) {
	w := newTestWriter(t, filepath.Join(t.TempDir(), "records.db"))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	trouble := errors.New("trouble")
	batch := []*change{creating(t.Context(), "a", nil), creating(t.Context(), "b", trouble), creating(ended, "c", nil),
		creating(t.Context(), "d", nil)}
	errs := make([]error, len(batch))
	if err := w.commitBatch(batch, errs); err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{nil, trouble, context.Canceled, nil} {
		if !errors.Is(errs[i], want) {
			t.Errorf("change %d: %v, want %v", i, errs[i], want)
		}
	}
	for id, want := range map[upload.ID]bool{"a": true, "b": false, "c": false, "d": true} {
		if exists(t, w, id) != want {
			t.Errorf("record %s is there: %v", id, !want)
		}
	}
}

func TestACommitThatFailsIsAnErrorForEveryChange(t *testing.T) {
	w := newTestWriter(t, filepath.Join(t.TempDir(), "records.db"))
	commit := w.commit
	broken, err := w.conn.PrepareContext(t.Context(), "RELEASE missing")
	if err != nil {
		t.Fatal(err)
	}
	w.prepared = append(w.prepared, broken)
	w.commit = broken

	changes, closing, done := make(chan *change), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		w.run(changes, closing)
	}()
	answer := func(id upload.ID) error {
		c := creating(t.Context(), id, nil)
		c.done = make(chan error, 1)
		changes <- c
		return <-c.done
	}
	if err := answer("a"); err == nil {
		t.Error("a change that was not committed was acknowledged")
	}
	close(closing)
	<-done
	if exists(t, w, "a") {
		t.Error("a change that was not committed is there")
	}
	// The next transaction is a new one.
	w.commit = commit
	errs := make([]error, 1)
	if err := errors.Join(w.commitBatch([]*change{creating(t.Context(), "b", nil)}, errs), errs[0]); err != nil ||
		!exists(t, w, "b") {
		t.Errorf("afterwards: %v", err)
	}
}

func TestACallerWhoseContextEndsDoesNotWait(t *testing.T) {
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "records.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	started, release, answers := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		_, err := write(ctx, s, func(*writer) (int, error) {
			close(started)
			<-release
			return 0, nil
		})
		answers <- err
	}()
	<-started
	go func() { // waits for the writer, who is busy
		_, err := s.Create(ctx, pending("a"), nil)
		answers <- err
	}()
	cancel()
	for range 2 {
		if err := <-answers; !errors.Is(err, context.Canceled) {
			t.Errorf("error is %v", err)
		}
	}
	if _, err := s.Get(t.Context(), pending("a").Ref()); !errors.Is(err, upload.ErrNotFound) {
		t.Errorf("reading while the writer is busy: %v", err)
	}
	close(release)
	if _, err := s.Create(t.Context(), pending("b"), nil); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestOnlyAPendingRecordIsCreated(t *testing.T) {
	w := newTestWriter(t, filepath.Join(t.TempDir(), "records.db"))
	for _, status := range []upload.Status{"", upload.Stored, upload.Rejected, upload.Deleted} {
		r := pending("a")
		r.Status = status
		if _, err := w.create(r, nil); err == nil {
			t.Errorf("a record that is %q was created", status)
		}
	}
}

func TestNoStatementReadsMoreThanItNeeds(t *testing.T) {
	w := newTestWriter(t, filepath.Join(t.TempDir(), "records.db"))
	for _, statement := range []string{findSQL, updateSQL, duplicateSQL, storedSQL, keyUsedSQL, forgetUploadsSQL,
		forgetKeysSQL,
		usageSQL, listSQL, byStatusSQL, allSQL} {
		for _, step := range plan(t, w, statement) {
			if strings.HasPrefix(step, "SCAN") || strings.Contains(step, "TEMP B-TREE") && statement != duplicateSQL {
				t.Errorf("%s: %s", statement, step)
			}
			if statement == byStatusSQL && !strings.Contains(step, "(status=? AND (created_at") &&
				!strings.Contains(step, "(status=? AND created_at") {
				t.Errorf("%s reads other statuses too: %s", statement, step)
			}
		}
	}
}

// plan gives the steps in which SQLite runs a statement.
func plan(t *testing.T, w *writer, statement string) (steps []string) {
	t.Helper()
	rows, err := w.conn.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+statement,
		make([]any, strings.Count(statement, "?"))...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if err := rows.Err(); err != nil || len(steps) == 0 {
		t.Fatalf("%s has %d steps, %v", statement, len(steps), err)
	}
	return steps
}

func TestACursorCarriesItsPosition(t *testing.T) {
	list := upload.NameList("list", "a", "b")
	for _, p := range []position{newest, oldest, {at: -1, seq: 1},
		{at: 1767322800000000, seq: 12345, id: "019a0000-0000-7000-8000-000000000001"}} {
		if p.id == "" {
			p.id = "x"
		}
		got, err := positionOf(list, p.cursor(list), 1, oldest)
		if err != nil || got != p {
			t.Errorf("%+v comes back as %+v, %v", p, got, err)
		}
		if _, err := positionOf(upload.NameList("list", "ab"), p.cursor(list), 1, oldest); !errors.Is(err,
			upload.ErrBadCursor) {
			t.Errorf("another list takes the cursor: %v", err)
		}
	}
}

func TestACursorThatIsNotWholeIsRefused(t *testing.T) {
	list := upload.NameList("all")
	whole := position{at: 1, seq: 2, id: "x"}.cursor(list)
	for n := 1; n < len(whole); n++ {
		if p, err := positionOf(list, whole[:n], 1, oldest); !errors.Is(err, upload.ErrBadCursor) {
			t.Errorf("%d bytes of a cursor mean %+v, %v", n, p, err)
		}
	}
	for _, c := range []upload.Cursor{whole + "\n", "\r" + whole, whole[:len(whole)-1] + "B",
		position{id: upload.ID(strings.Repeat("x", 4000))}.cursor(list)} {
		if p, err := positionOf(list, c, 1, oldest); !errors.Is(err, upload.ErrBadCursor) {
			t.Errorf("%.60q means %+v, %v", c, p, err)
		}
	}
}

func FuzzCursor(f *testing.F) {
	list := upload.NameList("all")
	f.Add(string(position{at: 1, seq: 2, id: "x"}.cursor(list)))
	f.Add("AAAA")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := positionOf(list, upload.Cursor(text), 1, position{id: "start"})
		switch {
		case err != nil && !errors.Is(err, upload.ErrBadCursor):
			t.Errorf("error is %v", err)
		case err == nil && text != "" && string(p.cursor(list)) != text:
			t.Errorf("%q means %+v, which is %q", text, p, p.cursor(list))
		}
	})
}
