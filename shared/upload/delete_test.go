package upload_test

import (
	"errors"
	"slices"
	"testing"

	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

func TestADeletionEmptiesBothKeysAfterTheTombstone(t *testing.T) {
	for _, swap := range []bool{true, false} {
		d := deskOn(uploadtest.RecordsOptions{Swap: swap})
		r, v := d.accept(t, "cat.png", picture(t, "png", 1))
		neighbour, nv := d.accept(t, "cat.png", picture(t, "png", 2))
		d.validate(t, r, v, upload.ResultStored)
		for range 3 {
			d.objects.Post(d.quarantine(r), []byte("late"))
		}
		d.objects.Mark(d.files(r))
		d.objects.Mark(d.quarantine(r))
		d.forget()
		got, err := d.Delete(t.Context(), r.Ref())
		if err != nil {
			t.Fatal(err)
		}
		if got.Status != upload.Deleted || !got.DeletedAt.Equal(noon) ||
			!got.ForgetAfter.Equal(noon.Add(upload.DefaultTombstoneLife)) || got.ID != r.ID || got.Size == 0 {
			t.Errorf("deleted as %+v", got)
		}
		d.wantVersions(t, d.quarantine(r))
		d.wantVersions(t, d.files(r))
		calls := d.seen()
		if !swap && calls[0] == "Get" {
			calls = calls[1:] // whether it is a legacy image, of which there would be no tombstone
		}
		if calls[0] != upload.DeleteName || slices.Contains(calls[1:], upload.DeleteName) ||
			slices.Contains(calls, upload.SettleName) {
			t.Errorf("calls %v, want the tombstone first, once", calls)
		}
		// Nothing of its neighbour is touched.
		d.wantStatus(t, neighbour, upload.Pending)
		d.wantVersions(t, d.quarantine(neighbour), nv)
	}
}

func TestADeletionWorksInEveryState(t *testing.T) {
	for what, setup := range map[string]func(*desk) upload.Record{
		"pending without bytes": func(d *desk) upload.Record {
			r := d.draft(t, request("cat.png"))
			if _, err := d.Begin(t.Context(), r, nil); err != nil {
				t.Fatal(err)
			}
			return r
		},
		"pending": func(d *desk) upload.Record {
			r, _ := d.accept(t, "cat.png", picture(t, "png", 1))
			return r
		},
		"rejected": func(d *desk) upload.Record {
			r, v := d.accept(t, "cat.png", []byte("<script>"))
			d.validate(t, r, v, upload.ResultRejected)
			return r
		},
	} {
		t.Run(what, func(t *testing.T) {
			d := newDesk()
			r := setup(d)
			if got, err := d.Delete(t.Context(), r.Ref()); err != nil || got.Status != upload.Deleted {
				t.Errorf("%+v, %v", got, err)
			}
			d.wantStatus(t, r, upload.Deleted)
			if keys := d.objects.Keys(); len(keys) > 0 {
				t.Errorf("left: %v", keys)
			}
		})
	}
}

func TestASecondDeletionCleansWhatTheFirstLeftAndSaysNotFound(t *testing.T) {
	for _, call := range []string{"Versions", "Remove"} {
		d := newDesk()
		r, v := d.accept(t, "cat.png", picture(t, "png", 1))
		d.validate(t, r, v, upload.ResultStored)
		d.objects.Post(d.quarantine(r), []byte("late"))
		d.fail(call)
		if got, err := d.Delete(t.Context(), r.Ref()); !errors.Is(err, errTrouble) || got != (upload.Record{}) {
			t.Errorf("%+v, %v; want trouble", got, err)
		}
		d.wantStatus(t, r, upload.Deleted)
		// Still in trouble: it must not look as if all was done.
		if _, err := d.Delete(t.Context(), r.Ref()); !errors.Is(err, errTrouble) || errors.Is(err, upload.ErrNotFound) {
			t.Errorf("%s fails again: %v", call, err)
		}
		d.heal()
		if got, err := d.Delete(t.Context(), r.Ref()); !errors.Is(err, upload.ErrNotFound) || got != (upload.Record{}) {
			t.Errorf("%+v, %v; want ErrNotFound", got, err)
		}
		if keys := d.objects.Keys(); len(keys) > 0 {
			t.Errorf("left: %v", keys)
		}
		if got := d.record(t, r); !got.DeletedAt.Equal(noon) {
			t.Errorf("the tombstone is %+v", got)
		}
	}
}

func TestTroubleWithOneKeyDoesNotKeepTheOther(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	d.validate(t, r, v, upload.ResultStored)
	late := d.objects.Post(d.quarantine(r), []byte("late"))
	d.before["Versions"] = func() error {
		delete(d.before, "Versions") // quarantine is listed first
		return errTrouble
	}
	if _, err := d.Delete(t.Context(), r.Ref()); !errors.Is(err, errTrouble) {
		t.Errorf("error %v", err)
	}
	d.wantVersions(t, d.files(r))
	d.wantVersions(t, d.quarantine(r), late)
}

func TestADeletionOfNothingTouchesNothing(t *testing.T) {
	d := newDesk()
	ref := d.draftNumber(7)
	v := d.objects.Post(d.Layout.QuarantineKey(ref), []byte("x"))
	if _, err := d.Delete(t.Context(), ref); !errors.Is(err, upload.ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
	d.wantVersions(t, d.Layout.QuarantineKey(ref), v)
	// An upload of another entry is nothing, too.
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	foreign := r.Ref()
	foreign.Journal = "j2"
	if _, err := d.Delete(t.Context(), foreign); !errors.Is(err, upload.ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
	d.wantStatus(t, r, upload.Pending)
	d.wantVersions(t, d.quarantine(r), v)
}

func TestADeletionInTroubleIsNotCalledNotFound(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	d.fail(upload.DeleteName)
	if _, err := d.Delete(t.Context(), r.Ref()); !errors.Is(err, errTrouble) {
		t.Errorf("error %v", err)
	}
	d.wantVersions(t, d.quarantine(r), v)
	d.heal()
	if _, err := d.Delete(t.Context(), r.Ref()); err != nil {
		t.Fatal(err)
	}
	// Which kind of "not there" it is, cannot be asked.
	d.fail("Get")
	if _, err := d.Delete(t.Context(), r.Ref()); !errors.Is(err, errTrouble) || errors.Is(err, upload.ErrNotFound) {
		t.Errorf("error %v, want trouble", err)
	}
}

func TestWhichVersionsNeedWork(t *testing.T) {
	d := newDesk()
	needsWork := func(r upload.Record, v upload.Version, want bool) {
		t.Helper()
		got, err := d.NeedsWork(t.Context(), d.quarantine(r), v)
		if err != nil || got != want {
			t.Errorf("NeedsWork = %v, %v; want %v", got, err, want)
		}
	}
	pending, v := d.accept(t, "cat.png", picture(t, "png", 1))
	needsWork(pending, v, true)
	stored, v := d.accept(t, "cat.png", picture(t, "png", 1))
	d.validate(t, stored, v, upload.ResultStored)
	needsWork(stored, v, true) // it should have been removed
	needsWork(stored, d.objects.Post(d.quarantine(stored), nil), true)
	rejected, v := d.accept(t, "cat.png", []byte("<script>"))
	d.validate(t, rejected, v, upload.ResultRejected)
	needsWork(rejected, v, false) // kept on purpose
	needsWork(rejected, d.objects.Post(d.quarantine(rejected), nil), true)
	deleted, v := d.accept(t, "cat.png", []byte("<script>"))
	if _, err := d.Delete(t.Context(), deleted.Ref()); err != nil {
		t.Fatal(err)
	}
	needsWork(deleted, v, true)
	needsWork(upload.Record{Journal: "j1", Entry: "e1", Kind: "images", ID: idNumber(99)}, "v", false)
	if got, err := d.NeedsWork(t.Context(), "quarantine/something/else", "v"); got || err != nil {
		t.Errorf("a foreign key needs work: %v, %v", got, err)
	}
	d.fail("Get")
	if _, err := d.NeedsWork(t.Context(), d.quarantine(pending), "v"); !errors.Is(err, errTrouble) {
		t.Errorf("error %v", err)
	}
}

// TestNothingOwesAfterItsWork: the sweep comes to rest.
func TestNothingOwesAfterItsWork(t *testing.T) {
	d := newDesk()
	stored, _ := d.accept(t, "cat.png", picture(t, "png", 1))
	rejected, _ := d.accept(t, "cat.png", []byte("<script>"))
	deleted, _ := d.accept(t, "cat.png", picture(t, "png", 1))
	for _, r := range []upload.Record{stored, rejected, deleted} {
		d.objects.Post(d.quarantine(r), picture(t, "png", 2))
	}
	if _, err := d.records.Update(t.Context(), deleted.Ref(), upload.Delete(noon, noon)); err != nil {
		t.Fatal(err)
	}
	for _, a := range d.objects.Arrivals() {
		if _, err := d.Validate(t.Context(), a.Key, a.Version); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range d.objects.Keys() {
		versions, err := d.objects.Versions(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range versions {
			if needs, err := d.NeedsWork(t.Context(), key, v); needs || err != nil {
				t.Errorf("%s version %s still owes (%v)", key, v, err)
			}
		}
	}
}
