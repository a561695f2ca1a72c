package upload_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// robbed is an upload that was accepted, and whose version was removed by somebody else.
func robbed(t *testing.T, d *desk) (upload.Record, upload.Version) {
	t.Helper()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	d.removed(t, d.quarantine(r), v)
	d.forget()
	return r, v
}

func TestBytesAreLostAfterEveryLook(t *testing.T) {
	d, a := notifyingDesk()
	r, v := robbed(t, d)
	got := d.validate(t, r, v, upload.ResultLost).Record
	want := []string{"Get", "Open", "Stat", "Get", "Versions", "Stat", "Get", upload.CountFailureName}
	if !slices.Equal(d.seen(), want) {
		t.Errorf("the looks are %v, want %v", d.seen(), want)
	}
	if kept := d.wantStatus(t, r, upload.Pending); kept.Failures != 1 || kept.LastFailure == nil || got.Failures != 1 ||
		!kept.BytesCame() || !kept.LastFailure.At.Equal(d.now) {
		t.Fatalf("kept as %+v, the outcome has %+v", kept, got)
	}
	for _, part := range []string{string(v), string(d.quarantine(r)), string(d.files(r)), "bytes lost"} {
		if message := d.record(t, r).LastFailure.Message; !strings.Contains(message, part) {
			t.Errorf("the failure %q does not say %q", message, part)
		}
	}
	a.wantHeard(t)
	// The form may still be posted.
	d.validate(t, r, d.objects.Post(d.quarantine(r), picture(t, "png", 2)), upload.ResultStored)
}

// TestBytesAreNotLostIfAnyLookFindsMore: what happens before one of the looks.
func TestBytesAreNotLostIfAnyLookFindsMore(t *testing.T) {
	settle := func(t *testing.T, d *desk, r upload.Record) {
		v := upload.Verdict{Status: upload.Rejected, Version: "another", At: noon,
			Reason: &upload.Reason{Code: upload.Corrupt, Message: "It is broken."}}
		if _, err := d.records.Update(t.Context(), r.Ref(), upload.Settle(v)); err != nil {
			t.Error(err)
		}
	}
	post := func(t *testing.T, d *desk, r upload.Record) { d.objects.Post(d.quarantine(r), picture(t, "png", 2)) }
	promote := func(t *testing.T, d *desk, r upload.Record) {
		v := d.objects.Post(d.quarantine(r), picture(t, "png", 2))
		d.promoteByHand(t, r, v)
		d.removed(t, d.quarantine(r), v)
	}
	for _, c := range []struct {
		what  string
		look  string // before which it happens
		which int    // of those looks, from 1
		event func(*testing.T, *desk, upload.Record)
	}{
		{"a copy", "Stat", 1, promote},
		{"a verdict", "Get", 2, settle},
		{"another version", "Versions", 1, post},
		{"a copy of another version", "Stat", 2, promote},
		{"a verdict at last", "Get", 3, settle},
		{"a verdict beside the note", upload.CountFailureName, 1, settle},
	} {
		t.Run(c.what, func(t *testing.T) {
			d := newDesk()
			r, v := robbed(t, d)
			n := 0
			d.before[c.look] = func() error {
				if n++; n == c.which {
					c.event(t, d, r)
				}
				return nil
			}
			d.validate(t, r, v, upload.ResultGone)
			d.heal()
			if got := d.record(t, r); got.Failures != 0 {
				t.Errorf("noted as %+v", got.LastFailure)
			}
		})
	}
}

func TestTroubleAtALookForLostBytesIsTrouble(t *testing.T) {
	for look, n := range map[string]int{"Stat": 2, "Get": 3, "Versions": 1, "Open": 2, upload.CountFailureName: 1} {
		for which := range n {
			d := newDesk()
			r, v := robbed(t, d)
			if look == "Open" && which == 1 {
				d.objects.Post(d.quarantine(r), picture(t, "png", 2)) // the look at another version
			}
			seen := -1
			d.before[look] = func() error {
				if seen++; seen == which {
					return errTrouble
				}
				return nil
			}
			if err := d.validateInTrouble(t, r, v); !errors.Is(err, errTrouble) {
				t.Errorf("%s, number %d: %v", look, which+1, err)
			}
			d.heal()
			if got := d.wantStatus(t, r, upload.Pending); got.Failures != 0 {
				t.Errorf("%s, number %d: noted as %+v", look, which+1, got.LastFailure)
			}
		}
	}
}

func TestLostBytesOfARecordThatIsRemovedMeanwhileAreNobodys(t *testing.T) {
	for _, look := range []string{"Versions", upload.CountFailureName} {
		d := deskOn(uploadtest.RecordsOptions{})
		r, v := robbed(t, d)
		d.meanwhile(look, func() {
			if _, err := d.records.Update(t.Context(), r.Ref(), upload.Delete(noon, noon.Add(time.Hour))); err != nil {
				t.Error(err)
			}
		})
		d.validate(t, r, v, upload.ResultOrphan)
	}
}

// TestALossThatWasPerhapsNotNotedComesAgain: a store without compare-and-swap cannot say
// whether it counted.
func TestALossThatWasPerhapsNotNotedComesAgain(t *testing.T) {
	d := deskOn(uploadtest.RecordsOptions{})
	r, v := robbed(t, d)
	d.before[upload.CountFailureName] = func() error { return upload.ErrConflict }
	if err := d.validateInTrouble(t, r, v); !errors.Is(err, upload.ErrConflict) {
		t.Errorf("error %v", err)
	}
	d.heal()
	d.validate(t, r, v, upload.ResultLost)
}

func TestWhatIsExpiredSaysWhatTheRecordKnowsOfItsBytes(t *testing.T) {
	for what, c := range map[string]struct {
		before func(*testing.T, *desk, upload.Record, upload.Version)
		code   upload.Code
	}{
		"no message was ever handled": {func(*testing.T, *desk, upload.Record, upload.Version) {}, upload.NeverArrived},
		"a validator looked in vain": {func(t *testing.T, d *desk, r upload.Record, v upload.Version) {
			d.validate(t, r, v, upload.ResultLost)
		}, upload.BytesLost},
		"a message was sent again": {func(t *testing.T, d *desk, r upload.Record, _ upload.Version) {
			if _, err := d.records.Update(t.Context(), r.Ref(), upload.CountResend(0, noon)); err != nil {
				t.Fatal(err)
			}
		}, upload.BytesLost},
	} {
		t.Run(what, func(t *testing.T) {
			d, a := notifyingDesk()
			r, v := robbed(t, d)
			c.before(t, d, r, v)
			given, err := d.Expire(t.Context(), r.Ref())
			if err != nil {
				t.Fatal(err)
			}
			reason := d.wantCode(t, r, c.code)
			if says := strings.Contains(reason.Message, "never arrived"); says != (c.code == upload.NeverArrived) {
				t.Errorf("the uploader reads %q", reason.Message)
			}
			a.wantHeard(t, given)
		})
	}
}

// TestAReasonThatIsNotTrueAnyMoreIsNotGiven: the loss is noted while the upload is expired.
func TestAReasonThatIsNotTrueAnyMoreIsNotGiven(t *testing.T) {
	d := newDesk()
	r, v := robbed(t, d)
	d.meanwhile(upload.SettleName, func() { d.validate(t, r, v, upload.ResultLost) })
	if _, err := d.Expire(t.Context(), r.Ref()); !errors.Is(err, upload.ErrConflict) {
		t.Errorf("error %v", err)
	}
	d.wantStatus(t, r, upload.Pending)
	if _, err := d.Expire(t.Context(), r.Ref()); err != nil {
		t.Fatal(err)
	}
	d.wantCode(t, r, upload.BytesLost)
}
