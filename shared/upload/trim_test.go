package upload_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// rejectedBytes are as many bytes as the bounded kind of these tests takes in one file.
var rejectedBytes = bytes.Repeat([]byte("x"), 1000)

// bounded is a desk whose entries may hold two files of 1,000 bytes.
func bounded(o uploadtest.RecordsOptions) *desk {
	d := deskOn(o)
	d.kind(func(k *policy.Kind) { k.MaxBytes, k.MaxFiles = int64(len(rejectedBytes)), 2 })
	return d
}

// refused makes n rejected uploads, each a minute younger than the one before.
func (d *desk) refused(t *testing.T, n int) (all []upload.Record) {
	t.Helper()
	for range n {
		d.now = d.now.Add(time.Minute)
		r, v := d.accept(t, "cat.png", rejectedBytes)
		d.dropped += d.validate(t, r, v, upload.ResultRejected).Dropped
		all = append(all, d.record(t, r))
	}
	return all
}

// waits says which of the uploads have bytes in quarantine.
func (d *desk) waits(t *testing.T, all []upload.Record) (waiting []int) {
	t.Helper()
	for i, r := range all {
		versions, err := d.objects.Versions(t.Context(), d.quarantine(r))
		if err != nil {
			t.Fatal(err)
		}
		if len(versions) > 0 {
			waiting = append(waiting, i)
		}
	}
	return waiting
}

func TestRejectedBytesOfAnEntryAreBoundedAndTheOldestGo(t *testing.T) {
	d := bounded(uploadtest.RecordsOptions{Swap: true})
	elsewhere, v := d.acceptAs(t, upload.Request{Journal: "j1", Entry: "e2", Kind: "images", Filename: "cat.png"},
		rejectedBytes)
	d.validate(t, elsewhere, v, upload.ResultRejected)
	pending, pendingVersion := d.accept(t, "cat.png", rejectedBytes)
	all := d.refused(t, 40)
	if got := d.waits(t, all); !slices.Equal(got, []int{38, 39}) {
		t.Errorf("the bytes of %v are left, want those of the two youngest", got)
	}
	if d.dropped != 38 {
		t.Errorf("the outcomes tell of %d uploads whose bytes went", d.dropped)
	}
	for i, was := range all {
		r := d.record(t, was)
		if r.Status != upload.Rejected || *r.Reason != *was.Reason || r.SHA256 != was.SHA256 {
			t.Errorf("upload %d: %+v, was %+v", i, r, was)
		}
		if want := i < 38; r.DroppedAt.IsZero() == want {
			t.Errorf("upload %d: its bytes went at %v", i, r.DroppedAt)
		}
		if _, _, err := d.Recheck(t.Context(), r.Ref()); errors.Is(err, upload.ErrGone) != (i < 38) {
			t.Errorf("recheck of upload %d: %v", i, err)
		}
	}
	d.wantVersions(t, d.quarantine(elsewhere), v)
	d.wantVersions(t, d.quarantine(pending), pendingVersion)
}

// TestAnEntryWithinItsBoundCostsOneList, and no record is read or written for it.
func TestAnEntryWithinItsBoundCostsOneList(t *testing.T) {
	d := bounded(uploadtest.RecordsOptions{Swap: true})
	d.refused(t, 1)
	r, v := d.accept(t, "cat.png", rejectedBytes)
	d.forget()
	d.validate(t, r, v, upload.ResultRejected)
	if got, want := d.seen(), []string{"Get", "Open", upload.SettleName, "ListVersions"}; !slices.Equal(got, want) {
		t.Errorf("a rejection takes %v, want %v", got, want)
	}
}

// TestTinyRejectedFilesAreBoundedInNumber: each counts as a thousandth of the bound.
func TestTinyRejectedFilesAreBoundedInNumber(t *testing.T) {
	d := newDesk()
	d.kind(func(k *policy.Kind) { k.MaxBytes = 1_000_000 }) // the bound is a hundred of these
	var versions []upload.ObjectVersion
	for n := range 1001 {
		r, v := d.accept(t, "cat.png", []byte("x"))
		if n < 1000 {
			// Rejected by an operator: nothing else is done with these.
			d.reject(t, r, v, upload.ResultRejected)
		} else {
			d.validate(t, r, v, upload.ResultRejected)
		}
		versions = append(versions, upload.ObjectVersion{Key: d.quarantine(r)})
	}
	d.wantVersions(t, versions[0].Key)
	if left, err := d.objects.Versions(t.Context(), versions[1].Key); err != nil || len(left) != 1 {
		t.Errorf("of the second are left %v, %v", left, err)
	}
}

func TestARemovalThatEndsHalfwayIsFinished(t *testing.T) {
	for _, call := range []string{"ListVersions", "List", upload.DropName, "Remove"} {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, done %t", call, done), func(t *testing.T) {
				d := bounded(uploadtest.RecordsOptions{Swap: true})
				all := d.refused(t, 2)
				r, v := d.accept(t, "cat.png", rejectedBytes)
				if done {
					d.after[call] = func() error { return errTrouble }
				} else {
					d.fail(call)
				}
				_ = d.validateInTrouble(t, r, v)
				d.wantStatus(t, r, upload.Rejected)
				d.heal()
				d.validate(t, r, v, upload.ResultAlreadySettled)
				if got := d.waits(t, append(all, r)); !slices.Equal(got, []int{1, 2}) {
					t.Errorf("the bytes of %v are left, want those of the two youngest", got)
				}
			})
		}
	}
}

// TestDroppedBytesThatStayedAreRemovedByTheirOwnMessage, which the reconciler sends once more.
func TestDroppedBytesThatStayedAreRemovedByTheirOwnMessage(t *testing.T) {
	d := bounded(uploadtest.RecordsOptions{Swap: true})
	r := d.refused(t, 1)[0]
	if _, err := d.records.Update(t.Context(), r.Ref(), upload.Drop(r.JudgedVersion, d.now)); err != nil {
		t.Fatal(err)
	}
	if needsWork, err := d.NeedsWork(t.Context(), d.quarantine(r), r.JudgedVersion); err != nil || !needsWork {
		t.Errorf("it needs work: %t, %v", needsWork, err)
	}
	d.validate(t, r, r.JudgedVersion, upload.ResultAlreadySettled)
	d.wantVersions(t, d.quarantine(r))
}

// TestWithoutCompareAndSwapDroppedBytesStayForAnHour: somebody may be about to reopen the upload.
func TestWithoutCompareAndSwapDroppedBytesStayForAnHour(t *testing.T) {
	d := bounded(uploadtest.RecordsOptions{})
	all := d.refused(t, 3)
	if got := d.waits(t, all); len(got) != 3 || d.record(t, all[0]).DroppedAt.IsZero() {
		t.Errorf("at once the bytes of %v are left, and the first went at %v", got, d.record(t, all[0]).DroppedAt)
	}
	if _, _, err := d.Recheck(t.Context(), all[0].Ref()); !errors.Is(err, upload.ErrGone) {
		t.Errorf("recheck: %v", err)
	}
	if needsWork, err := d.NeedsWork(t.Context(), d.quarantine(all[0]), all[0].JudgedVersion); err != nil || needsWork {
		t.Errorf("within the hour it needs work: %t, %v", needsWork, err)
	}
	d.now = d.now.Add(time.Hour)
	all = append(all, d.refused(t, 1)...)
	if got := d.waits(t, all); !slices.Equal(got, []int{1, 2, 3}) { // the second is dropped now
		t.Errorf("an hour later the bytes of %v are left", got)
	}
}

// TestAnUploadThatIsReopenedAtThatMomentKeepsItsBytes.
func TestAnUploadThatIsReopenedAtThatMomentKeepsItsBytes(t *testing.T) {
	d := bounded(uploadtest.RecordsOptions{Swap: true})
	all := d.refused(t, 2)
	d.before[upload.DropName] = func() error {
		delete(d.before, upload.DropName)
		_, _, err := d.Recheck(t.Context(), all[0].Ref())
		return err
	}
	all = append(all, d.refused(t, 1)...)
	if got := d.waits(t, all); !slices.Equal(got, []int{0, 1, 2}) {
		t.Errorf("the bytes of %v are left", got)
	}
	d.wantStatus(t, all[0], upload.Pending)
}

// pagesWithoutEnd are records whose entry has more of them than anybody would read: pages without a rejected one.
type pagesWithoutEnd struct {
	upload.Records
	pages int
}

func (p *pagesWithoutEnd) List(context.Context, upload.Query) (upload.Page, error) {
	p.pages++
	return upload.Page{Next: "more"}, nil
}

func TestOfAnEntryWithManyRecordsTheNewestPagesAreLookedThrough(t *testing.T) {
	d := bounded(uploadtest.RecordsOptions{Swap: true})
	d.refused(t, 2)
	endless := &pagesWithoutEnd{Records: d.Records}
	d.Records = endless
	if d.refused(t, 1); endless.pages != 10 {
		t.Errorf("a rejection reads %d pages of records, want 10", endless.pages)
	}
}
