package bugoutrecords_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"hatchery/shared/local/localbugout"
	"hatchery/shared/records/bugoutrecords"
	"hatchery/shared/upload"
)

// everyMethod calls each method of a store with a record that is there.
func everyMethod(ctx context.Context, store *bugoutrecords.Store, r upload.Record) map[string]func() error {
	ref, key := r.Ref(), &upload.IdempotencyKey{Scope: "s", Key: "k", Fingerprint: "f", Expires: noon.AddDate(100, 0, 0)}
	return map[string]func() error{
		"Create":       func() error { _, err := store.Create(ctx, r, nil); return err },
		"Create, once": func() error { _, err := store.Create(ctx, r, key); return err },
		"Get":          func() error { _, err := store.Get(ctx, ref); return err },
		"List":         func() error { return listAll(ctx, store) },
		"Settle":       func() error { _, err := store.Update(ctx, ref, upload.Settle(storing())); return err },
		"Delete":       func() error { _, err := store.Update(ctx, ref, upload.Delete(noon, noon)); return err },
		"Reopen":       func() error { _, err := store.Update(ctx, ref, upload.Reopen()); return err },
		"Adopt":        func() error { _, err := store.Update(ctx, ref, upload.Adopt(storing())); return err },
		"CountFailure": func() error { return upload.NoteFailure(ctx, store, ref, upload.Failure{At: noon, Message: "no"}) },
		"CountResend":  func() error { _, err := store.Update(ctx, ref, upload.CountResend(0, noon)); return err },
		"Usage":        func() error { _, err := store.Usage(ctx, "j", "e", "images"); return err },
		"Scan of pending before": func() error {
			_, err := store.Scan(ctx,
				upload.ScanQuery{Status: upload.Pending, Before: noon.AddDate(100, 0, 0), Cursor: "", Limit: 10})
			return err
		},
		"Scan of a status": func() error {
			_, err := store.Scan(ctx, upload.ScanQuery{Status: upload.Stored, Cursor: "", Limit: 10})
			return err
		},
		"Scan":    func() error { _, err := store.Scan(ctx, upload.ScanQuery{Cursor: "", Limit: 10}); return err },
		"Count":   func() error { _, err := store.Count(ctx); return err },
		"Note":    func() error { _, err := store.Note(ctx, "reconcile"); return err },
		"SetNote": func() error { return store.SetNote(ctx, "reconcile", "x") },
	}
}

func listAll(ctx context.Context, store *bugoutrecords.Store) error {
	_, err := store.List(ctx, upload.Query{Journal: "j", Entry: "e", Kind: "images", Limit: 10})
	return err
}

// TestATokenWithoutRightsIsTroubleNeverAbsence: whatever the token lacks, no method
// says that there is nothing.
func TestATokenWithoutRightsIsTroubleNeverAbsence(t *testing.T) {
	for name, c := range map[string]struct {
		role localbugout.Role
		want error
		says string
	}{
		"unknown":    {0, bugoutrecords.ErrToken, "HATCHERY_BUGOUT_TOKEN"},
		"revoked":    {localbugout.Revoked, bugoutrecords.ErrToken, "HATCHERY_BUGOUT_TOKEN"},
		"restricted": {localbugout.Restricted, bugoutrecords.ErrRefused, "is restricted"},
		"a stranger": {localbugout.Stranger, bugoutrecords.ErrRefused, "is not in the application's group"},
	} {
		t.Run(name, func(t *testing.T) {
			s := brood(t, nil)
			r := pending()
			if _, err := storeOn(t, s, nil).Create(t.Context(), r, nil); err != nil {
				t.Fatal(err)
			}
			before := raw(t, s, "GET", "/resources/", nil)
			s.SetRole(token, c.role)
			store := storeOn(t, s, nil)
			for method, call := range everyMethod(t.Context(), store, r) {
				err := call()
				if !errors.Is(err, c.want) || errors.Is(err, upload.ErrNotFound) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%s: %v", method, err)
				}
				if err != nil && strings.Contains(err.Error(), token) {
					t.Errorf("%s shows the token: %v", method, err)
				}
			}
			s.SetRole(token, localbugout.Member)
			if after := raw(t, s, "GET", "/resources/", nil); after != before {
				t.Errorf("before %s\nafter %s", before, after)
			}
		})
	}
}

func TestAnUnknownApplicationIsSaidAndNeverEmpty(t *testing.T) {
	store := storeOn(t, brood(t, nil),
		func(o *bugoutrecords.Options) { o.Application = "00000000-0000-4000-8000-000000000000" })
	for method, call := range everyMethod(t.Context(), store, pending()) {
		if err := call(); !errors.Is(err, bugoutrecords.ErrRefused) || errors.Is(err, upload.ErrNotFound) ||
			!strings.Contains(err.Error(), "HATCHERY_BUGOUT_APPLICATION_ID") {
			t.Errorf("%s: %v", method, err)
		}
	}
}

// TestATokenThatMayReadAndNotChangeIsRefused: Brood says 404 to its changes.
func TestATokenThatMayReadAndNotChangeIsRefused(t *testing.T) {
	s := brood(t, nil)
	member := storeOn(t, s, nil)
	r := pending()
	if _, err := member.Create(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	if err := member.SetNote(t.Context(), "reconcile", "mine"); err != nil {
		t.Fatal(err)
	}
	s.SetRole(token, localbugout.Reader)
	reader := storeOn(t, s, nil)
	if got, err := reader.Get(t.Context(), r.Ref()); err != nil || got.ID != r.ID {
		t.Errorf("what is found is read: %+v, %v", got, err)
	}
	calls := everyMethod(t.Context(), reader, r)
	for _, method := range []string{"Settle", "Delete", "CountFailure", "CountResend", "SetNote"} {
		if err := calls[method](); !errors.Is(err, bugoutrecords.ErrRefused) || errors.Is(err, upload.ErrNotFound) ||
			!strings.Contains(err.Error(), "may read resource") {
			t.Errorf("%s: %v", method, err)
		}
	}
	// It may see a part only, so no list of its is whole.
	for _, method := range []string{"List", "Usage", "Scan of pending before", "Scan of a status", "Scan", "Count"} {
		if err := calls[method](); !errors.Is(err, bugoutrecords.ErrRefused) ||
			!strings.Contains(err.Error(), "is not in the application's group") {
			t.Errorf("%s: %v", method, err)
		}
	}
	s.SetRole(token, localbugout.Member)
	if got, err := member.Get(t.Context(), r.Ref()); err != nil || got != r {
		t.Errorf("left is %+v, %v", got, err)
	}
	if note, err := member.Note(t.Context(), "reconcile"); note != "mine" || err != nil {
		t.Errorf("the note is %q, %v", note, err)
	}
}

// TestRightsThatAreLostWithinAChangeAreTrouble: what was seen a moment ago is not
// taken for deleted, although the rights were proved a moment ago, too.
func TestRightsThatAreLostWithinAChangeAreTrouble(t *testing.T) {
	for _, method := range []string{http.MethodPut, http.MethodDelete} {
		for name, silence := range map[string]localbugout.Trouble{"at the first attempt": localbugout.None,
			"at the second": localbugout.FailsBefore} {
			var s *localbugout.Server
			changes := 0
			s = brood(t, func(c localbugout.Call) localbugout.Trouble {
				if c.Method != method {
					return localbugout.None
				}
				if changes++; changes == 1 && silence != localbugout.None {
					return silence
				}
				s.SetRole(token, localbugout.Stranger)
				return localbugout.None
			})
			store := storeOn(t, s, nil)
			r := pending()
			if _, err := store.Create(t.Context(), r, nil); err != nil {
				t.Fatal(err)
			}
			call := everyMethod(t.Context(), store,
				r)[map[string]string{http.MethodPut: "Settle", http.MethodDelete: "Delete"}[method]]
			if err := call(); !errors.Is(err, bugoutrecords.ErrRefused) || errors.Is(err, upload.ErrNotFound) {
				t.Errorf("%s, %s: %v", method, name, err)
			}
			s.SetRole(token, localbugout.Member)
			if got, err := store.Get(t.Context(), r.Ref()); err != nil || got != r {
				t.Errorf("%s, %s: left is %+v, %v", method, name, got, err)
			}
		}
	}
}
