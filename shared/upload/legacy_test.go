package upload_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// changing is old images of which one changes after it was read.
type changing struct {
	upload.LegacyImages
	change func()
}

func (c changing) PromoteLegacy(ctx context.Context, ref upload.Ref, p upload.Promotion) (upload.Copy, error) {
	c.change()
	return c.LegacyImages.PromoteLegacy(ctx, ref, p)
}

// oldDesk has one image that the replaced service stored.
func oldDesk(t *testing.T, body []byte) (*desk, *uploadtest.LegacyImages, upload.Record) {
	t.Helper()
	d := newDesk()
	old := uploadtest.NewLegacyImages().Promoting(d.objects)
	d.LegacyImages = old
	r := upload.Record{ID: idNumber(77), Journal: "j1", Entry: "e1", Kind: "images", Name: "my_cat", Extension: "png", CreatedAt: noon, Status: upload.Stored}
	d.records.Overwrite(r)
	old.Put(r.Ref(), body)
	return d, old, r
}

func TestAnOldImageThatIsAllowedIsAnUploadAsAnyOther(t *testing.T) {
	body := picture(t, "png", 1)
	d, old, r := oldDesk(t, body)
	got, reason, err := d.AdoptLegacy(t.Context(), r)
	if err != nil || reason != nil {
		t.Fatalf("%v, %v", reason, err)
	}
	kept := d.wantStatus(t, r, upload.Stored)
	if kept != got || kept.Legacy() || kept.Size != int64(len(body)) || kept.ContentType != "image/png" || kept.JudgedVersion != upload.LegacyVersion || kept.ServedVersion == "" {
		t.Errorf("adopted as %+v", kept)
	}
	d.wantVersions(t, d.files(r), kept.ServedVersion)
	// Late bytes are late.
	d.validate(t, r, d.objects.Post(d.quarantine(r), body), upload.ResultLate)
	if _, err := d.Delete(t.Context(), r.Ref()); err != nil {
		t.Fatal(err)
	}
	d.wantVersions(t, d.files(r))
	if _, err := old.Head(t.Context(), r.Ref()); !errors.Is(err, upload.ErrGone) {
		t.Errorf("the old image after the deletion: %v", err)
	}
}

func TestAnOldImageThatIsNotAllowedStaysWhatItWas(t *testing.T) {
	d, _, r := oldDesk(t, []byte("<script>"))
	_, reason, err := d.AdoptLegacy(t.Context(), r)
	if err != nil || reason == nil || reason.Code != upload.TypeMismatch {
		t.Fatalf("%v, %v", reason, err)
	}
	if kept := d.wantStatus(t, r, upload.Stored); !kept.Legacy() {
		t.Errorf("it is %+v", kept)
	}
	d.wantVersions(t, d.files(r))
}

// TestAdoptingMayBeBrokenOffAndRepeated: after trouble with any call, the next time
// ends well, with one copy.
func TestAdoptingMayBeBrokenOffAndRepeated(t *testing.T) {
	d, _, r := oldDesk(t, picture(t, "png", 1))
	d.before[upload.AdoptName] = func() error { return errTrouble }
	if _, _, err := d.AdoptLegacy(t.Context(), r); !errors.Is(err, errTrouble) {
		t.Fatal(err)
	}
	d.heal()
	got, reason, err := d.AdoptLegacy(t.Context(), r)
	if err != nil || reason != nil {
		t.Fatalf("%v, %v", reason, err)
	}
	d.wantVersions(t, d.files(r), got.ServedVersion)
}

func TestAnOldImageThatChangesWhileItIsCopiedIsTrouble(t *testing.T) {
	d, old, r := oldDesk(t, picture(t, "png", 1))
	d.LegacyImages = changing{old, func() { old.Put(r.Ref(), picture(t, "png", 2)) }}
	_, _, err := d.AdoptLegacy(t.Context(), r)
	if err == nil || !strings.Contains(err.Error(), "SHA-256") || !strings.Contains(err.Error(), string(firstVersion(d.files(r)))) {
		t.Errorf("adopted: %v", err)
	}
	if kept := d.wantStatus(t, r, upload.Stored); !kept.Legacy() {
		t.Errorf("it is %+v", kept)
	}
	// What it says to do helps.
	d.LegacyImages = old
	d.removed(t, d.files(r), firstVersion(d.files(r)))
	if got, reason, err := d.AdoptLegacy(t.Context(), r); err != nil || reason != nil || got.Legacy() {
		t.Errorf("then: %+v, %v, %v", got, reason, err)
	}
}

func TestAnotherCopyInItsPlaceIsTrouble(t *testing.T) {
	d, _, r := oldDesk(t, picture(t, "png", 1))
	d.objects.Post(d.files(r), picture(t, "png", 1))
	if _, _, err := d.AdoptLegacy(t.Context(), r); err == nil || !d.wantStatus(t, r, upload.Stored).Legacy() {
		t.Errorf("adopted: %v", err)
	}
}

func TestADeletionOfAnUploadTouchesNoOldImage(t *testing.T) {
	d, old, _ := oldDesk(t, picture(t, "png", 1))
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	d.validate(t, r, v, upload.ResultStored)
	old.Put(r.Ref(), []byte("somebody's"))
	if _, err := d.Delete(t.Context(), r.Ref()); err != nil {
		t.Fatal(err)
	}
	if _, err := old.Head(t.Context(), r.Ref()); err != nil {
		t.Errorf("what lies in the old bucket: %v", err)
	}
}

// failingOld is old images whose removal fails.
type failingOld struct {
	upload.LegacyImages
	left int
}

func (f *failingOld) RemoveLegacy(ctx context.Context, ref upload.Ref) error {
	if f.left--; f.left >= 0 {
		return errTrouble
	}
	return f.LegacyImages.RemoveLegacy(ctx, ref)
}

// TestADeletionOfAnOldImageThatFailsIsFinishedByTheNext, where a store keeps no
// tombstones, too: the record goes last.
func TestADeletionOfAnOldImageThatFailsIsFinishedByTheNext(t *testing.T) {
	for _, swap := range []bool{true, false} {
		d := deskOn(uploadtest.RecordsOptions{Swap: swap})
		old := uploadtest.NewLegacyImages()
		d.LegacyImages = &failingOld{old, 1}
		r := upload.Record{ID: idNumber(77), Journal: "j1", Entry: "e1", Kind: "images", Name: "my_cat", Extension: "png", CreatedAt: noon, Status: upload.Stored}
		d.records.Overwrite(r)
		old.Put(r.Ref(), picture(t, "png", 1))
		if _, err := d.Delete(t.Context(), r.Ref()); !errors.Is(err, errTrouble) {
			t.Fatalf("swap %t: %v", swap, err)
		}
		d.wantStatus(t, r, upload.Stored)
		if _, err := d.Delete(t.Context(), r.Ref()); err != nil {
			t.Fatalf("swap %t: again: %v", swap, err)
		}
		if _, err := old.Head(t.Context(), r.Ref()); !errors.Is(err, upload.ErrGone) {
			t.Errorf("swap %t: the old image: %v", swap, err)
		}
	}
}

func TestAnOldImageWhoseBucketIsNotKnownIsNotDeleted(t *testing.T) {
	d := deskOn(uploadtest.RecordsOptions{})
	r := upload.Record{ID: idNumber(77), Journal: "j1", Entry: "e1", Kind: "images", Name: "my_cat", Extension: "png", CreatedAt: noon, Status: upload.Stored}
	d.records.Overwrite(r)
	if _, err := d.Delete(t.Context(), r.Ref()); err == nil || !errors.Is(err, upload.ErrNoLegacyBucket) {
		t.Errorf("deleted: %v", err)
	}
	d.wantStatus(t, r, upload.Stored)
}

func TestACopyOfAnOldImageThatIsDeletedMeanwhileIsTakenBack(t *testing.T) {
	d, _, r := oldDesk(t, picture(t, "png", 1))
	d.before[upload.AdoptName] = func() error {
		_, err := d.records.Update(t.Context(), r.Ref(), upload.Delete(noon, noon))
		return err
	}
	if _, _, err := d.AdoptLegacy(t.Context(), r); !errors.Is(err, upload.ErrConflict) {
		t.Errorf("adopted: %v", err)
	}
	d.wantVersions(t, d.files(r))
}
