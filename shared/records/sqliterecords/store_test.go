package sqliterecords_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hatchery/shared/records/sqliterecords"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"

	"modernc.org/sqlite"
)

func open(t *testing.T, path string, now func() time.Time) *sqliterecords.Store {
	t.Helper()
	s, err := sqliterecords.Open(t.Context(), path, sqliterecords.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t *testing.T, s *sqliterecords.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func file(t *testing.T) string { return filepath.Join(t.TempDir(), "records.db") }

func create(t *testing.T, s *sqliterecords.Store, r upload.Record, key *upload.IdempotencyKey) upload.Record {
	t.Helper()
	created, err := s.Create(t.Context(), r, key)
	if err != nil {
		t.Fatal(err)
	}
	return created
}

func status(t *testing.T, s *sqliterecords.Store, ref upload.Ref) upload.Status {
	t.Helper()
	r, err := s.Get(t.Context(), ref)
	if errors.Is(err, upload.ErrNotFound) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return r.Status
}

// plain opens the file as anybody's SQLite would.
func plain(t *testing.T, path string) *sql.DB {
	t.Helper()
	connector, err := sqlite.NewConnector("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func run(t *testing.T, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func TestStoreKeepsTheContract(t *testing.T) {
	uploadtest.RunRecords(t, func(t *testing.T, now func() time.Time) upload.Records {
		return open(t, file(t), now)
	}, uploadtest.RecordsTraits{Atomic: true})
}

func TestEverythingIsThereAfterReopening(t *testing.T) {
	path := file(t)
	s := open(t, path, nil)
	key := &upload.IdempotencyKey{Scope: "scope", Key: "key", Fingerprint: "print", Expires: time.Now().Add(time.Hour)}
	pending, stored, deleted := create(t, s, draft(1), key), create(t, s, draft(2), nil), create(t, s, draft(3), nil)
	if _, err := s.Update(t.Context(), stored.Ref(), upload.Settle(verdict(2))); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Update(t.Context(), deleted.Ref(), upload.Delete(time.Now(), time.Now().Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)

	s = open(t, path, nil)
	for ref, want := range map[upload.Ref]upload.Status{pending.Ref(): upload.Pending, stored.Ref(): upload.Stored,
		deleted.Ref(): upload.Deleted} {
		if got := status(t, s, ref); got != want {
			t.Errorf("%s is %q, want %q", ref, got, want)
		}
	}
	if got := create(t, s, draft(4), key); got.ID != pending.ID {
		t.Errorf("the key gives %s, want %s", got.ID, pending.ID)
	}
	// The file alone is whole: a copy of it needs nothing beside.
	closeStore(t, s)
	if beside, err := filepath.Glob(path + "-*"); err != nil || len(beside) > 0 {
		t.Errorf("beside the closed file lie %q, %v", beside, err)
	}
}

func TestAPathMayHoldAnything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c=d&_pragma=x#e%20f;é'\".db")
	s := open(t, path, nil)
	create(t, s, draft(1), nil)
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestARelativePathDoesNotFollowTheWorkingDirectory(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	t.Chdir(first)
	s := open(t, "records.db", nil)
	t.Chdir(second)
	create(t, s, draft(1), nil)
	if status(t, s, draft(1).Ref()) != upload.Pending {
		t.Error("the record is not there")
	}
	if found, err := filepath.Glob(filepath.Join(second, "*")); err != nil || len(found) > 0 {
		t.Errorf("the second folder holds %q, %v", found, err)
	}
}

func TestOpenRefusesWhatIsNotItsOwn(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	database := func(name, statement string) string {
		path := filepath.Join(folder, name)
		run(t, plain(t, path), statement)
		return path
	}
	newer := filepath.Join(folder, "newer.db")
	closeStore(t, open(t, newer, nil))
	run(t, plain(t, newer), "PRAGMA user_version = 99")
	for _, c := range []struct{ path, want string }{
		{write("text.db", strings.Repeat("this is no database. ", 100)), "no SQLite database"},
		{write("short.db", "x"), "no SQLite database"},
		{database("other.db", "CREATE TABLE theirs (x)"), "of something else"},
		{database("named.db", "PRAGMA application_id = 7"), "of something else"},
		{newer, "schema version 99"},
		{filepath.Join(folder, "missing", "records.db"), "folder"},
		{folder, "no regular file"},
		{"", "no path"},
	} {
		before, _ := os.ReadFile(c.path)
		s, err := sqliterecords.Open(t.Context(), c.path, sqliterecords.Options{})
		if err == nil {
			closeStore(t, s)
			t.Errorf("%q was opened", c.path)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.path) {
			t.Errorf("%q: the error %q does not say %q with the path", c.path, err, c.want)
		}
		if after, _ := os.ReadFile(c.path); !bytes.Equal(before, after) {
			t.Errorf("%q was changed", c.path)
		}
	}
}

func TestOpenHonoursItsContext(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := sqliterecords.Open(ended, file(t), sqliterecords.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
		if err == nil {
			closeStore(t, s)
		}
	}
}

func TestAClosedStoreAnswersWithAnError(t *testing.T) {
	s := open(t, file(t), nil)
	create(t, s, draft(1), nil)
	closeStore(t, s)
	closeStore(t, s)
	if _, err := s.Create(t.Context(), draft(2), nil); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("creating gives %v", err)
	}
	if _, err := s.Get(t.Context(), draft(1).Ref()); err == nil || errors.Is(err, upload.ErrNotFound) {
		t.Errorf("getting gives %v", err)
	}
}

func TestACloseInTheMidstOfWritesLosesNothingAcknowledged(t *testing.T) {
	path := file(t)
	s := open(t, path, nil)
	acknowledged := make(chan upload.Ref, 1000)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := int64(1); ; n++ {
			r, err := s.Create(context.Background(), draft(n), nil)
			if err != nil {
				return
			}
			acknowledged <- r.Ref()
		}
	}()
	kept := []upload.Ref{<-acknowledged, <-acknowledged, <-acknowledged}
	closeStore(t, s)
	<-ended
	close(acknowledged)
	for ref := range acknowledged {
		kept = append(kept, ref)
	}
	s = open(t, path, nil)
	for _, ref := range kept {
		if status(t, s, ref) != upload.Pending {
			t.Errorf("%s was acknowledged and is not there", ref)
		}
	}
}

func TestExpiredTombstonesAndKeysAreForgotten(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	path := file(t)
	clock := func() time.Time { return now }
	s := open(t, path, clock)
	tombstone := func(n int64, forget time.Duration) upload.Ref {
		t.Helper()
		ref := create(t, s, draft(n), nil).Ref()
		if _, err := s.Update(t.Context(), ref, upload.Delete(now, now.Add(forget))); err != nil {
			t.Fatal(err)
		}
		return ref
	}
	soon, later := tombstone(1, 2*time.Hour), tombstone(2, 48*time.Hour)
	// Its key outlives the record here, and gives nothing that is not there.
	key := &upload.IdempotencyKey{Scope: "scope", Key: "key", Fingerprint: "print", Expires: now.Add(100 * time.Hour)}
	owner := create(t, s, draft(3), key).Ref()
	if _, err := s.Update(t.Context(), owner, upload.Delete(now, now.Add(2*time.Hour))); err != nil {
		t.Fatal(err)
	}
	expiring := &upload.IdempotencyKey{Scope: "scope", Key: "short", Fingerprint: "print", Expires: now.Add(time.Hour)}
	create(t, s, draft(4), expiring)

	if status(t, s, soon) != upload.Deleted {
		t.Error("a tombstone was forgotten too early")
	}
	now = now.Add(3 * time.Hour)
	create(t, s, draft(5), nil) // any write is an occasion
	if status(t, s, soon) != "" || status(t, s, later) != upload.Deleted ||
		status(t, s, draft(4).Ref()) != upload.Pending {
		t.Errorf("after three hours the tombstones are %q and %q", status(t, s, soon), status(t, s, later))
	}
	if got := create(t, s, draft(6), key); got.ID != draft(6).ID {
		t.Errorf("the key of a forgotten record gives %s", got.ID)
	}
	closeStore(t, s)
	if n := count(t, path, "SELECT count(*) FROM once"); n != 1 {
		t.Errorf("%d keys are kept, want 1", n)
	}
	now = now.Add(48 * time.Hour)
	closeStore(t, open(t, path, clock)) // and so is opening
	if n := count(t, path, "SELECT count(*) FROM uploads WHERE status = 'deleted'"); n != 0 {
		t.Errorf("%d tombstones are kept", n)
	}
}

func count(t *testing.T, path, query string) (n int) {
	t.Helper()
	if err := plain(t, path).QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestForgettingIsSpreadOverManyWrites(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	path := file(t)
	s := open(t, path, func() time.Time { return now })
	var made atomic.Int64
	commitBatch(t, 16, 1200, func() error {
		_, err := s.Create(t.Context(), draft(made.Add(1)), nil)
		return err
	})
	db := plain(t, path)
	run(t, db, "UPDATE uploads SET status = 'deleted', forget_after = ?", now.UnixMicro())
	now = now.Add(2 * time.Hour)
	left := func() (n int) {
		t.Helper()
		if err := db.QueryRowContext(t.Context(),
			"SELECT count(*) FROM uploads WHERE status = 'deleted'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for i, want := range []int{700, 200, 0} {
		create(t, s, draft(int64(10_000+i)), nil)
		if got := left(); got != want {
			t.Errorf("after %d writes %d tombstones are left, want %d", i+1, got, want)
		}
	}
}

func TestAListWithoutAStatusHoldsAll(t *testing.T) {
	s := open(t, file(t), nil)
	for n := range int64(5) {
		create(t, s, draft(n), nil)
	}
	if _, err := s.Update(t.Context(), draft(2).Ref(), upload.Settle(verdict(2))); err != nil {
		t.Fatal(err)
	}
	q := upload.Query{Journal: "journal", Entry: "entry-0", Kind: "images", Limit: 3}
	first, err := s.List(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	q.Cursor = first.Next
	second, err := s.List(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range append(first.Records, second.Records...) {
		if want := draft(int64(4 - i)).ID; r.ID != want {
			t.Errorf("number %d is %s, want %s", i, r.ID, want)
		}
	}
	if len(first.Records) != 3 || len(second.Records) != 2 || second.Next != "" {
		t.Errorf("the pages have %d and %d records and %q follows", len(first.Records), len(second.Records), second.Next)
	}
}

// TestARowWithAnUnknownStatusIsDamaged: nobody may take it for another record.
func TestARowWithAnUnknownStatusIsDamaged(t *testing.T) {
	path, at := file(t), time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	s := open(t, path, func() time.Time { return at })
	r := upload.Record{ID: "019a0000-0000-7000-8000-000000000001", Journal: "j", Entry: "e", Kind: "images", Name: "cat",
		Extension: "png", CreatedAt: at, Status: upload.Pending}
	create(t, s, r, nil)
	run(t, plain(t, path), "UPDATE uploads SET status = 'archived'")
	_, got := s.Get(t.Context(), r.Ref())
	_, listed := s.Scan(t.Context(), upload.ScanQuery{Cursor: "", Limit: upload.MaxPage})
	_, removed := s.Update(t.Context(), r.Ref(), upload.Delete(at, at))
	for name, err := range map[string]error{"Get": got, "Scan": listed, "Delete": removed} {
		if err == nil || !strings.Contains(err.Error(), path) ||
			!strings.Contains(err.Error(), r.Ref().String()+` is damaged: status "archived"`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTroubleNamesTheUploadAndTheFile(t *testing.T) {
	path := file(t)
	s := open(t, path, nil)
	run(t, plain(t, path), "DROP TABLE uploads")
	_, err := s.Create(t.Context(), draft(1), nil)
	if err == nil || !strings.Contains(err.Error(), draft(1).Ref().String()) || !strings.Contains(err.Error(), path) {
		t.Errorf("error is %v", err)
	}
	if _, err := s.Get(t.Context(), draft(1).Ref()); err == nil || errors.Is(err, upload.ErrNotFound) {
		t.Errorf("error is %v", err)
	}
}
