package upload_test

import (
	"slices"
	"strings"
	"testing"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

func refuseDuplicates(k *policy.Kind) { k.Duplicates = policy.DuplicatesRefuse }

func TestTheSameBytesTwiceAreRefusedNamingTheFirst(t *testing.T) {
	d := newDesk()
	d.kind(refuseDuplicates)
	body := picture(t, "png", 1)
	first, v1 := d.accept(t, "cat.png", body)
	second, v2 := d.accept(t, "dog.png", body)
	d.validate(t, first, v1, upload.ResultStored)
	outcome := d.validate(t, second, v2, upload.ResultRejected)
	reason := d.wantCode(t, second, upload.Duplicate)
	if !strings.Contains(reason.Message, string(first.ID)) {
		t.Errorf("%q does not name the first, %s", reason.Message, first.ID)
	}
	if outcome.Record.SHA256 != sumOf(body) || outcome.Record.Size != int64(len(body)) || outcome.Record.ServedVersion != "" {
		t.Errorf("rejected as %+v", outcome.Record)
	}
	// Its copy is taken back, its bytes are kept; the first is untouched.
	d.wantVersions(t, d.files(second))
	d.wantVersions(t, d.quarantine(second), v2)
	d.wantVersions(t, d.files(first), d.wantStatus(t, first, upload.Stored).ServedVersion)

	// Other bytes, another entry, another journal are no duplicates.
	other, v := d.accept(t, "cat.png", picture(t, "png", 2))
	d.validate(t, other, v, upload.ResultStored)
	for _, q := range []upload.Request{{Journal: "j1", Entry: "e2", Kind: "images", Filename: "a.png"}, {Journal: "j2", Entry: "e1", Kind: "images", Filename: "a.png"}} {
		r, v := d.acceptAs(t, q, body)
		d.validate(t, r, v, upload.ResultStored)
	}

	// Once the first is deleted the bytes are welcome again.
	if _, err := d.Delete(t.Context(), first.Ref()); err != nil {
		t.Fatal(err)
	}
	third, v3 := d.accept(t, "cat.png", body)
	d.validate(t, third, v3, upload.ResultStored)
}

func TestDuplicatesAreAllowedByDefault(t *testing.T) {
	d := newDesk()
	body := picture(t, "png", 1)
	for range 2 {
		r, v := d.accept(t, "cat.png", body)
		d.validate(t, r, v, upload.ResultStored)
	}
}

func TestTheCopyOfADuplicateGoesEvenAfterACrash(t *testing.T) {
	d := newDesk()
	d.kind(refuseDuplicates)
	body := picture(t, "png", 1)
	first, v1 := d.accept(t, "cat.png", body)
	d.validate(t, first, v1, upload.ResultStored)
	second, v2 := d.accept(t, "dog.png", body)
	d.fail("Remove")
	d.validateInTrouble(t, second, v2)
	d.wantCode(t, second, upload.Duplicate)
	d.wantVersions(t, d.files(second), firstVersion(d.files(second)))
	d.heal()
	d.validate(t, second, v2, upload.ResultAlreadySettled)
	d.wantVersions(t, d.files(second))
	d.wantVersions(t, d.quarantine(second), v2)
}

func TestAnotherVersionsCopyIsNotTakenBackBesideARejection(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", []byte("<script>"))
	other := d.objects.Post(d.quarantine(r), picture(t, "png", 1))
	copied := d.promoteByHand(t, r, other)
	d.validate(t, r, v, upload.ResultRejected)
	d.validate(t, r, v, upload.ResultAlreadySettled)
	d.wantVersions(t, d.files(r), copied)
	// The version that it was made of takes it along.
	d.validate(t, r, other, upload.ResultLate)
	d.wantVersions(t, d.files(r))
	d.wantVersions(t, d.quarantine(r), v)
}

func TestNoCopyIsTakenBackWhereSettlingIsNoSwap(t *testing.T) {
	d := deskOn(uploadtest.RecordsOptions{Swap: false})
	d.kind(refuseDuplicates)
	body := picture(t, "png", 1)
	first, v1 := d.accept(t, "cat.png", body)
	d.validate(t, first, v1, upload.ResultStored)
	second, v2 := d.accept(t, "dog.png", body)
	for _, want := range []upload.Result{upload.ResultRejected, upload.ResultAlreadySettled} {
		d.validate(t, second, v2, want)
		// A slow validator could still settle with this very copy.
		d.wantVersions(t, d.files(second), firstVersion(d.files(second)))
	}
}

func TestAFullEntryRejectsWhatWouldExceedIt(t *testing.T) {
	body := picture(t, "png", 1)
	for what, limit := range map[string]func(*policy.Kind){
		"files": func(k *policy.Kind) { k.MaxFiles = 1 },
		"bytes": func(k *policy.Kind) { k.MaxTotalBytes = 2*int64(len(body)) - 1 },
	} {
		t.Run(what, func(t *testing.T) {
			d := newDesk()
			// Both were accepted before either was stored.
			first, v1 := d.accept(t, "cat.png", body)
			second, v2 := d.accept(t, "dog.png", body)
			d.kind(limit)
			d.validate(t, first, v1, upload.ResultStored)
			d.validate(t, second, v2, upload.ResultRejected)
			d.wantCode(t, second, upload.NotAllowed)
			d.wantVersions(t, d.files(second))
			d.wantVersions(t, d.quarantine(second), v2)
			d.wantStatus(t, first, upload.Stored)
		})
	}
	t.Run("just within", func(t *testing.T) {
		d := newDesk()
		d.kind(func(k *policy.Kind) { k.MaxFiles, k.MaxTotalBytes = 2, 2*int64(len(body)) })
		for range 2 {
			r, v := d.accept(t, "cat.png", body)
			d.validate(t, r, v, upload.ResultStored)
		}
	})
}

func TestADuplicateOfADeletedUploadIsSettledByItsOwnTable(t *testing.T) {
	d := newDesk()
	d.kind(refuseDuplicates)
	body := picture(t, "png", 1)
	first, v1 := d.accept(t, "cat.png", body)
	d.validate(t, first, v1, upload.ResultStored)
	second, v2 := d.accept(t, "dog.png", body)
	// Deleted between the refusal by duplicate and the rejection.
	d.before[upload.SettleName] = func() error {
		d.meanwhile(upload.SettleName, func() {
			if _, err := d.Delete(t.Context(), second.Ref()); err != nil {
				t.Error(err)
			}
		})
		return nil
	}
	d.validate(t, second, v2, upload.ResultDeleted)
	d.wantVersions(t, d.files(second))
	d.wantVersions(t, d.quarantine(second))
	if got := d.seen(); !slices.Contains(got, "Versions") {
		t.Errorf("calls %v", got)
	}
}
