package dynamorecords_test

import (
	"strings"
	"testing"

	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/upload"
)

func TestANoteIsKeptUntilTheNextOne(t *testing.T) {
	w := newHarness(t)
	table := w.newTable(t)
	s := w.store(table, dynamorecords.Options{})
	read := func(name, want string) {
		t.Helper()
		if got, err := w.store(table, dynamorecords.Options{}).Note(t.Context(), name); err != nil || got != want {
			t.Errorf("the note %q is %q, %v; want %q", name, got, err, want)
		}
	}
	read("reconcile", "")
	for _, text := range []string{"one", strings.Repeat("x", 32<<10), "", "two"} {
		if err := s.SetNote(t.Context(), "reconcile", text); err != nil {
			t.Fatal(err)
		}
		read("reconcile", text)
	}
	read("another/ä#", "")
	if err := s.SetNote(t.Context(), "reconcile", strings.Repeat("x", 70_000)); err == nil {
		t.Error("a note of any length is taken")
	}
	read("reconcile", "two")
}

func TestANoteIsNoRecord(t *testing.T) {
	w := newHarness(t)
	s := w.store(w.newTable(t), dynamorecords.Options{})
	if err := s.SetNote(t.Context(), "reconcile", "text"); err != nil {
		t.Fatal(err)
	}
	page, err := s.Scan(t.Context(), upload.ScanQuery{Cursor: "", Limit: 10})
	if err != nil || len(page.Records) != 0 || page.Next != "" {
		t.Errorf("%+v, %v: want no record", page, err)
	}
	for _, status := range []upload.Status{upload.Pending, upload.Stored} {
		if page, err := s.Scan(t.Context(), upload.ScanQuery{Status: status, Cursor: "", Limit: 10}); err != nil ||
			len(page.Records) != 0 {
			t.Errorf("%s: %+v, %v", status, page, err)
		}
	}
}
