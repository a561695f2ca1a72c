package bugoutrecords_test

import (
	"net/http"
	"strings"
	"testing"

	"hatchery/shared/local/localbugout"
	"hatchery/shared/records/bugoutrecords"
	"hatchery/shared/upload"
)

func TestANoteIsKeptUntilTheNextOne(t *testing.T) {
	s := brood(t, everyThirdCall())
	patient := func(o *bugoutrecords.Options) { o.Attempts = 6 }
	for _, text := range []string{"one", strings.Repeat("x", 32<<10), "", "two"} {
		if err := storeOn(t, s, patient).SetNote(t.Context(), "reconcile", text); err != nil {
			t.Fatal(err)
		}
		if got, err := storeOn(t, s, patient).Note(t.Context(), "reconcile"); err != nil || got != text {
			t.Errorf("the note is %.40q, %v; want %.40q", got, err, text)
		}
	}
	if got, err := storeOn(t, s, patient).Note(t.Context(), "another"); err != nil || got != "" {
		t.Errorf("another note is %q, %v", got, err)
	}
}

func TestANoteThatWasMadeTwiceHeals(t *testing.T) {
	plan := &script{method: http.MethodPost, troubles: []localbugout.Trouble{localbugout.HappensTwice}}
	store := storeOn(t, brood(t, plan.trouble), nil)
	for _, text := range []string{"one", "two", "three"} {
		if err := store.SetNote(t.Context(), "reconcile", text); err != nil {
			t.Fatal(err)
		}
		if got, err := store.Note(t.Context(), "reconcile"); err != nil || got != text {
			t.Errorf("the note is %q, %v; want %q", got, err, text)
		}
	}
	calls := strings.Join(plan.list(), " ")
	if strings.Count(calls, http.MethodPost) != 1 || strings.Count(calls, http.MethodDelete) != 1 {
		t.Errorf("asked %s; want it made once, and the one too many deleted", calls)
	}
}

func TestANoteIsNoRecord(t *testing.T) {
	store := storeOn(t, brood(t, nil), nil)
	if err := store.SetNote(t.Context(), "reconcile", "text"); err != nil {
		t.Fatal(err)
	}
	for name, list := range map[string]func() (upload.Page, error){
		"all": func() (upload.Page, error) { return store.Scan(t.Context(), upload.ScanQuery{Cursor: "", Limit: 10}) },
		"stored": func() (upload.Page, error) {
			return store.Scan(t.Context(), upload.ScanQuery{Status: upload.Stored, Cursor: "", Limit: 10})
		},
		"pending": func() (upload.Page, error) {
			return store.Scan(t.Context(),
				upload.ScanQuery{Status: upload.Pending, Before: noon.AddDate(100, 0, 0), Cursor: "", Limit: 10})
		},
	} {
		if page, err := list(); err != nil || len(page.Records) != 0 {
			t.Errorf("%s: %+v, %v", name, page, err)
		}
	}
}

func TestANoteWithoutAValidTokenIsTrouble(t *testing.T) {
	s := brood(t, nil)
	s.SetRole(token, localbugout.Revoked)
	store := storeOn(t, s, nil)
	if _, err := store.Note(t.Context(), "reconcile"); err == nil {
		t.Error("it is read as none")
	}
	if err := store.SetNote(t.Context(), "reconcile", "x"); err == nil {
		t.Error("it is kept")
	}
}
