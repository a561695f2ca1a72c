package bugoutrecords_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"hatchery/shared/local/localbugout"
	"hatchery/shared/upload"
)

// resourceIDs are Brood's, in the order of creation.
func resourceIDs(t *testing.T, s *localbugout.Server) []string {
	t.Helper()
	var answer struct{ Resources []struct{ ID string } }
	if err := json.Unmarshal([]byte(raw(t, s, "GET", "/resources/", nil)), &answer); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, r := range answer.Resources {
		ids = append(ids, r.ID)
	}
	return ids
}

// waiting is resource_data of pending, as any process writes it.
func waiting() map[string]any {
	return map[string]any{"id": pending().ID, "journal_id": "j", "entry_id": "e", "kind": "images", "name": "cat",
		"extension":  "png",
		"created_at": "2026-03-04 12:00:00.123456", "status": "pending"}
}

// TestAVerdictThatWasReadBackMayBeUndone: several processes of Brood read, merge and
// write without a lock, and Store says what comes of it.
func TestAVerdictThatWasReadBackMayBeUndone(t *testing.T) {
	overtake := true
	s := brood(t, func(c localbugout.Call) localbugout.Trouble {
		if c.Method == http.MethodPut && overtake {
			overtake = false
			return localbugout.Overtakes
		}
		return localbugout.None
	})
	store := storeOn(t, s, nil)
	r := pending()
	if _, err := store.Create(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	noted := make(chan error)
	go func() {
		noted <- upload.NoteFailure(t.Context(), store, r.Ref(), upload.Failure{At: noon, Message: "no"})
	}()
	write := <-s.Late() // it has read the pending record
	if got, err := store.Update(t.Context(), r.Ref(), upload.Settle(storing())); err != nil ||
		got.Status != upload.Stored {
		t.Fatalf("settled is %+v, %v", got, err)
	}
	if got, err := store.Get(t.Context(), r.Ref()); err != nil || got.Status != upload.Stored {
		t.Fatalf("before the other writes: %+v, %v", got, err)
	}
	write()
	if err := <-noted; err != nil {
		t.Errorf("count a failure: %v", err)
	}
	got, err := store.Get(t.Context(), r.Ref())
	if err != nil || got.Status != upload.Pending || got.JudgedVersion != "" || got.ServedVersion != "" ||
		got.SHA256 != "" || got.Failures != 1 {
		t.Errorf("after it: %+v, %v", got, err)
	}
	if page, err := store.Scan(t.Context(),
		upload.ScanQuery{Status: upload.Pending, Before: noon.AddDate(1, 0, 0), Cursor: "", Limit: 10}); err != nil ||
		len(page.Records) != 1 {
		t.Errorf("pending are %+v, %v", page, err)
	}
	// It is as pending as any other.
	if got, err := store.Update(t.Context(), r.Ref(), upload.Settle(storing())); err != nil ||
		got.Status != upload.Stored || got.Failures != 1 {
		t.Errorf("settled again is %+v, %v", got, err)
	}
}

// TestASurplusResourceThatChangedIsNotDeleted: the list that it comes from is older.
func TestASurplusResourceThatChangedIsNotDeleted(t *testing.T) {
	for name, meanwhile := range map[string]map[string]any{
		"a verdict": {"status": "stored", "settled_at": "2026-03-04T12:00:01Z",
			"served_version": "theirs", "size": "5"},
		"something that nobody can be": {"status": "lost"},
	} {
		var s *localbugout.Server
		ids := []string{"", ""}
		s = brood(t, func(c localbugout.Call) localbugout.Trouble {
			if c.Method == http.MethodGet && strings.HasSuffix(c.Path, ids[1]) && ids[1] != "" {
				path := c.Path
				ids[1] = ""
				raw(t, s, "PUT", path, map[string]any{"update": meanwhile})
			}
			return localbugout.None
		})
		create(t, s, waiting())
		create(t, s, waiting())
		store := storeOn(t, s, nil)
		ids = resourceIDs(t, s)
		before := slices.Clone(ids)
		_, err := store.Update(t.Context(), pending().Ref(), upload.Settle(storing()))
		if err == nil || errors.Is(err, upload.ErrNotFound) || name == "a verdict" && !errors.Is(err, upload.ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
		if after := resourceIDs(t, s); !slices.Equal(after, before) {
			t.Errorf("%s: left are %v of %v", name, after, before)
		}
		if name != "a verdict" {
			continue
		}
		// Whoever comes again sees what counts now.
		if got, err := store.Get(t.Context(), pending().Ref()); err != nil || got.ServedVersion != "theirs" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestASurplusResourceThatIsGoneIsNoTrouble: another process healed the same.
func TestASurplusResourceThatIsGoneIsNoTrouble(t *testing.T) {
	var s *localbugout.Server
	surplus := ""
	s = brood(t, func(c localbugout.Call) localbugout.Trouble {
		if path := c.Path; c.Method == http.MethodGet && surplus != "" && strings.HasSuffix(path, surplus) {
			surplus = ""
			raw(t, s, "DELETE", path, nil)
		}
		return localbugout.None
	})
	create(t, s, waiting())
	create(t, s, waiting())
	store := storeOn(t, s, nil)
	surplus = resourceIDs(t, s)[1]
	if got, err := store.Update(t.Context(), pending().Ref(), upload.Settle(storing())); err != nil ||
		got.Status != upload.Stored {
		t.Errorf("%+v, %v", got, err)
	}
	if left := resourceIDs(t, s); len(left) != 1 {
		t.Errorf("left are %v", left)
	}
}

// TestAReopenedUploadIsOneResource, or another of its resources would count.
func TestAReopenedUploadIsOneResource(t *testing.T) {
	s := brood(t, nil)
	for _, reason := range []string{"first", "second"} {
		data := waiting()
		data["status"], data["reason_code"] = "rejected", reason
		create(t, s, data)
	}
	store := storeOn(t, s, nil)
	if _, err := store.Update(t.Context(), pending().Ref(), upload.Reopen()); err != nil {
		t.Error(err)
	}
	if got, err := store.Get(t.Context(), pending().Ref()); err != nil || got.Status != upload.Pending {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestAFailureIsNotedAlthoughTheFirstAttemptDidNothing: it is not taken for done.
func TestAFailureIsNotedAlthoughTheFirstAttemptDidNothing(t *testing.T) {
	for name, trouble := range map[string]localbugout.Trouble{"did nothing": localbugout.FailsBefore,
		"did it": localbugout.FailsAfter} {
		plan := &script{method: http.MethodPut, troubles: []localbugout.Trouble{trouble}}
		store := storeOn(t, brood(t, plan.trouble), nil)
		r := pending()
		if _, err := store.Create(t.Context(), r, nil); err != nil {
			t.Fatal(err)
		}
		if err := upload.NoteFailure(t.Context(), store, r.Ref(), upload.Failure{At: noon, Message: "no"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := store.Get(t.Context(), r.Ref()); err != nil || got.Failures != 1 || got.LastFailure == nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// overtaking is a Brood whose next request of a method is overtaken.
func overtaking(t *testing.T, method string) *localbugout.Server {
	var overtaken atomic.Bool
	return brood(t, func(c localbugout.Call) localbugout.Trouble {
		if c.Method == method && overtaken.CompareAndSwap(false, true) {
			return localbugout.Overtakes
		}
		return localbugout.None
	})
}

// TestAVerdictThatRacesADeletionFindsNothing: Brood answers 500 to it, in plain text.
func TestAVerdictThatRacesADeletionFindsNothing(t *testing.T) {
	s := overtaking(t, http.MethodPut)
	store := storeOn(t, s, nil)
	r := pending()
	if _, err := store.Create(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	settled := make(chan error)
	go func() { _, err := store.Update(t.Context(), r.Ref(), upload.Settle(storing())); settled <- err }()
	write := <-s.Late()
	if _, err := store.Update(t.Context(), r.Ref(), upload.Delete(noon, noon)); err != nil {
		t.Errorf("Delete: %v", err)
	}
	write()
	if err := <-settled; !errors.Is(err, upload.ErrNotFound) {
		t.Errorf("Settle: %v", err)
	}
	if left := resourceIDs(t, s); len(left) != 0 {
		t.Errorf("left are %v", left)
	}
}

// TestOfTwoDeletionsAtOnceBothMayGoWell, and the next one finds nothing.
func TestOfTwoDeletionsAtOnceBothMayGoWell(t *testing.T) {
	s := overtaking(t, http.MethodDelete)
	store := storeOn(t, s, nil)
	r := pending()
	if _, err := store.Create(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	remove := func() error { _, err := store.Update(t.Context(), r.Ref(), upload.Delete(noon, noon)); return err }
	late := make(chan error)
	go func() { late <- remove() }()
	write := <-s.Late()
	if err := remove(); err != nil {
		t.Errorf("the first: %v", err)
	}
	write()
	if err := <-late; err != nil {
		t.Errorf("the one that it overtook: %v", err)
	}
	if err := remove(); !errors.Is(err, upload.ErrNotFound) {
		t.Errorf("the next: %v", err)
	}
}
