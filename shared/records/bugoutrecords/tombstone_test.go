package bugoutrecords_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"hatchery/shared/local/localbugout"
	"hatchery/shared/records/bugoutrecords"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// countUploads says how many resources of uploads there are.
func countUploads(t *testing.T, s *localbugout.Server) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/resources/?application_id="+application, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), `"journal_id"`)
}

// formUpload is a record with a form, whose id ends in n.
func formUpload(n int, clock *uploadtest.Clock) upload.Record {
	r := pending()
	r.ID = upload.ID(fmt.Sprintf("019a0000-0000-7000-8000-%012d", n))
	r.FormExpires = clock.Now().Add(15 * time.Minute)
	return r
}

// TestADeletionThatEndsHalfwayIsDoneAllTheSame: the tombstone counts from the moment that it is there, and what is left
// beside it goes with the next deletion, and before the tombstone.
func TestADeletionThatEndsHalfwayIsDoneAllTheSame(t *testing.T) {
	clock, broken := uploadtest.NewClock(noon), false
	s := brood(t, func(c localbugout.Call) localbugout.Trouble {
		if broken && c.Method == http.MethodDelete {
			return localbugout.FailsBefore
		}
		return localbugout.None
	})
	store := storeOn(t, s, func(o *bugoutrecords.Options) { o.Now = clock.Now })
	remove := func(r upload.Record) error {
		_, err := store.Update(t.Context(), r.Ref(), upload.Delete(clock.Now(), clock.Now().Add(time.Hour)))
		return err
	}
	var all []upload.Record
	for n := range 3 {
		all = append(all, formUpload(n, clock))
		if _, err := store.Create(t.Context(), all[n], nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Update(t.Context(), all[0].Ref(), upload.Settle(storing())); err != nil {
		t.Fatal(err)
	}

	broken = true
	for _, r := range all[:2] {
		if err := remove(r); err == nil {
			t.Fatal("a deletion that ended halfway gives no error")
		}
		if got, err := store.Get(t.Context(), r.Ref()); err != nil || got.Status != upload.Deleted {
			t.Errorf("after a deletion that ended halfway: %+v, %v", got, err)
		}
		if _, err := store.Update(t.Context(), r.Ref(), upload.Settle(storing())); !errors.Is(err, upload.ErrConflict) {
			t.Errorf("a verdict beside it: %v", err)
		}
	}
	broken = false
	if err := remove(all[1]); !errors.Is(err, upload.ErrNotFound) {
		t.Errorf("deleted again: %v", err)
	}
	if n := countUploads(t, s); n != 4 { // two tombstones, what is left beside one, and the third upload
		t.Errorf("%d resources, want 4", n)
	}

	clock.Pass(time.Hour)
	if err := remove(all[2]); err != nil {
		t.Fatal(err)
	}
	if n := countUploads(t, s); n != 1 {
		t.Errorf("once the tombstones may be forgotten there are %d resources, want the third tombstone", n)
	}
	for n, r := range all {
		got, err := store.Get(t.Context(), r.Ref())
		if n < 2 && !errors.Is(err, upload.ErrNotFound) || n == 2 && got.Status != upload.Deleted {
			t.Errorf("upload %d: %+v, %v", n, got, err)
		}
	}
}
