package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hatchery/shared/upload"
)

// openToOthers says what in a folder others may use.
func openToOthers(t *testing.T, data string) (open []string) {
	t.Helper()
	entries, err := os.ReadDir(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o077 != 0 {
			open = append(open, entry.Name()+" "+info.Mode().String())
		}
	}
	return open
}

func TestAStartSaysThatItsRecordsAreGone(t *testing.T) {
	for _, c := range []struct {
		records, file string
		lose          func(path string) error
	}{
		{"sqlite", "records.db", os.Remove},
		{"sqlite", "records.db", func(path string) error { return os.Truncate(path, 0) }},
		{"bugout", "bugout.jsonl", os.Remove},
	} {
		data := t.TempDir()
		h := startHatchery(t, data, "--records", c.records)
		for n := range uint64(3) {
			h.mustSettle(images, h.mustPost(images, fmt.Sprintf("%d.png", n), pngOf(t, 4, n+1)).ID)
		}
		if code := h.interrupt(); code != exitDone {
			t.Fatalf("exit code %d: %s", code, h.errors)
		}
		h = startHatchery(t, data, "--records", c.records)
		if log := h.log.String(); strings.Contains(log, "no record") {
			t.Errorf("all records are there: %s", log)
		}
		if code := h.interrupt(); code != exitDone {
			t.Fatalf("exit code %d: %s", code, h.errors)
		}
		if err := c.lose(filepath.Join(data, c.file)); err != nil {
			t.Fatal(err)
		}
		h = startHatchery(t, data, "--records", c.records)
		if code := h.interrupt(); code != exitDone { // then all of the log is here
			t.Fatalf("exit code %d: %s", code, h.errors)
		}
		if log := h.log.String(); !strings.Contains(log, "3 of the 3 uploads whose bytes are in the bucket have no record") ||
			!strings.Contains(log, c.file) {
			t.Errorf("%s: it does not say so: %s", c.file, log)
		}
	}
}

func TestNobodyElseReadsWhatIsKeptInAFolderThatExisted(t *testing.T) {
	data := t.TempDir()
	if err := os.Chmod(data, 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time all of it is there, and open to others
		h := startHatchery(t, data)
		h.mustSettle(images, h.mustPost(images, "cat.png", pngOf(t, 4, 3)).ID)
		if open := openToOthers(t, data); len(open) > 0 {
			t.Errorf("others may read %q", open)
		}
		if code := h.interrupt(); code != exitDone {
			t.Fatalf("exit code %d: %s", code, h.errors)
		}
		for _, name := range []string{"records.db", "queue.db", "dev.json"} {
			if err := os.Chmod(filepath.Join(data, name), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"s3", "spool"} {
			if err := os.Chmod(filepath.Join(data, name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	if info, err := os.Stat(data); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the folder, which is somebody's, has now %v, %v", info.Mode(), err)
	}
}

// endless lists one version after the other, for ever.
type endless struct{ listed int }

func (e *endless) ListVersions(_ context.Context, prefix string, _ upload.Cursor, limit int) (upload.InventoryPage, error) {
	page := upload.InventoryPage{Next: "more"}
	for range limit {
		e.listed++
		page.Versions = append(page.Versions, upload.ObjectVersion{
			Key: upload.Key(fmt.Sprintf("%sj/entries/e/images/%08d-0000-7000-8000-000000000000", prefix, e.listed))})
	}
	return page, nil
}

// noRecords has none.
type noRecords struct{ upload.Records }

func (noRecords) Get(context.Context, upload.Ref) (upload.Record, error) {
	return upload.Record{}, upload.ErrNotFound
}

func TestAStartLooksAtABoundedNumberOfObjects(t *testing.T) {
	objects := new(endless)
	found := findMissing(t.Context(), objects, upload.DefaultLayout, noRecords{})
	if found.left != 0 || found.missing != missingVersions || objects.listed != missingVersions {
		t.Errorf("%+v of %d listed", found, objects.listed)
	}
}

func TestARequestOfDevHasTheTimeOfTheFunction(t *testing.T) {
	timeout := readTemplate(t).at(t, "Resources", "ApiFunction", "Properties", "Timeout")
	seconds, _, _ := strings.Cut(timeout, " ") // a comment follows
	if want := requestTime + time.Second; seconds+"s" != want.String() {
		t.Errorf("the template gives %s seconds, and dev %s", seconds, want)
	}
}
