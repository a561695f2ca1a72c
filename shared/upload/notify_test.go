package upload_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// told is an application that is told of verdicts; what it hears is among the
// calls that the desk sees.
type told struct {
	w     *watch
	heard []upload.Record
}

func (a *told) Notify(_ context.Context, r upload.Record) error {
	_, err := watched(a.w, "Tell", func() (none, error) {
		a.heard = append(a.heard, r)
		return none{}, nil
	})
	return err
}

func notifyingDesk() (*desk, *told) {
	d := newDesk()
	a := &told{w: d.watch}
	d.Notifier = a
	return d, a
}

// wantHeard says of which verdicts the application was told.
func (a *told) wantHeard(t testing.TB, want ...upload.Record) {
	t.Helper()
	describe := func(all []upload.Record) []string {
		var texts []string
		for _, r := range all {
			texts = append(texts, fmt.Sprintf("%s %s %s %s %s", r.ID, r.Status, r.JudgedVersion, r.SHA256, r.SettledAt))
		}
		return texts
	}
	if !slices.Equal(describe(a.heard), describe(want)) {
		t.Errorf("heard %v\nwant  %v", describe(a.heard), describe(want))
	}
}

func TestTheApplicationIsToldBetweenTheSettlingAndTheRemoval(t *testing.T) {
	d, a := notifyingDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	d.forget()
	outcome := d.validate(t, r, v, upload.ResultStored)
	a.wantHeard(t, outcome.Record)
	calls := strings.Join(d.seen(), " ")
	if !strings.HasSuffix(calls, "settle Tell Remove") {
		t.Errorf("the calls are %s", calls)
	}
}

func TestARejectionIsTold(t *testing.T) {
	d, a := notifyingDesk()
	r, v := d.accept(t, "cat.png", []byte("<script>"))
	outcome := d.validate(t, r, v, upload.ResultRejected)
	a.wantHeard(t, outcome.Record)
}

// TestWhatCouldNotBeToldIsToldAgain: until notifying worked the message is not
// acknowledged, and the bytes of a stored upload stay in quarantine.
func TestWhatCouldNotBeToldIsToldAgain(t *testing.T) {
	for what, body := range map[string][]byte{"stored": picture(t, "png", 1), "rejected": []byte("<script>")} {
		t.Run(what, func(t *testing.T) {
			d, a := notifyingDesk()
			r, v := d.accept(t, "cat.png", body)
			d.fail("Tell")
			for range 2 {
				if err := d.validateInTrouble(t, r, v); !errors.Is(err, errTrouble) || !strings.Contains(err.Error(), "tell") {
					t.Errorf("the trouble is %v", err)
				}
				d.wantVersions(t, d.quarantine(r), v)
			}
			d.heal()
			d.after["Tell"] = func() error { return errTrouble } // told, but nobody knows
			d.validateInTrouble(t, r, v)
			d.heal()
			d.validate(t, r, v, upload.ResultAlreadySettled)
			settled := d.wantStatus(t, r, upload.Status(what))
			a.wantHeard(t, settled, settled)
			if what == "stored" {
				d.wantVersions(t, d.quarantine(r))
			}
		})
	}
}

func TestLateDeletedAndOrphanedBytesAreNotTold(t *testing.T) {
	d, a := notifyingDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	stored := d.validate(t, r, v, upload.ResultStored).Record
	d.validate(t, r, d.objects.Post(d.quarantine(r), picture(t, "png", 2)), upload.ResultLate)
	if _, err := d.Delete(t.Context(), r.Ref()); err != nil {
		t.Fatal(err)
	}
	d.validate(t, r, v, upload.ResultDeleted)
	nobodys := d.draft(t, request("cat.png"))
	d.validate(t, nobodys, d.objects.Post(d.quarantine(nobodys), picture(t, "png", 2)), upload.ResultOrphan)
	a.wantHeard(t, stored)
}

func TestAnUploadThatNeverArrivedIsGivenUp(t *testing.T) {
	d, a := notifyingDesk()
	r, err := d.Begin(t.Context(), d.draft(t, request("cat.png")), nil)
	if err != nil {
		t.Fatal(err)
	}
	d.now = noon.Add(25 * time.Hour)
	given, err := d.Expire(t.Context(), r.Ref())
	if err != nil {
		t.Fatal(err)
	}
	d.wantCode(t, r, upload.NeverArrived)
	a.wantHeard(t, given)
	if !given.SettledAt.Equal(d.now) || given.JudgedVersion != "" {
		t.Errorf("given up as %+v", given)
	}
	// Whatever comes now is late.
	d.validate(t, r, d.objects.Post(d.quarantine(r), picture(t, "png", 1)), upload.ResultLate)
	d.wantVersions(t, d.quarantine(r))
	a.wantHeard(t, given)
}

func TestNothingIsGivenUpWhileItMayStillEndWell(t *testing.T) {
	for what, setup := range map[string]func(t *testing.T, d *desk) (upload.Ref, error){
		"bytes are there": func(t *testing.T, d *desk) (upload.Ref, error) {
			r, _ := d.accept(t, "cat.png", picture(t, "png", 1))
			return r.Ref(), upload.ErrConflict
		},
		"a copy was promoted": func(t *testing.T, d *desk) (upload.Ref, error) {
			r, err := d.Begin(t.Context(), d.draft(t, request("cat.png")), nil)
			if err != nil {
				t.Fatal(err)
			}
			d.objects.Post(d.files(r), picture(t, "png", 1))
			return r.Ref(), upload.ErrConflict
		},
		"it is settled": func(t *testing.T, d *desk) (upload.Ref, error) {
			r, v := d.accept(t, "cat.png", picture(t, "png", 1))
			d.validate(t, r, v, upload.ResultStored)
			return r.Ref(), upload.ErrConflict
		},
		"there is no record": func(t *testing.T, d *desk) (upload.Ref, error) {
			return d.draft(t, request("cat.png")).Ref(), upload.ErrNotFound
		},
		"the bucket does not answer": func(t *testing.T, d *desk) (upload.Ref, error) {
			r, err := d.Begin(t.Context(), d.draft(t, request("cat.png")), nil)
			d.fail("Versions")
			if err != nil {
				t.Fatal(err)
			}
			return r.Ref(), errTrouble
		},
		"the application cannot be told": func(t *testing.T, d *desk) (upload.Ref, error) {
			r, err := d.Begin(t.Context(), d.draft(t, request("cat.png")), nil)
			d.fail("Tell")
			if err != nil {
				t.Fatal(err)
			}
			return r.Ref(), errTrouble
		},
	} {
		t.Run(what, func(t *testing.T) {
			d, _ := notifyingDesk()
			ref, want := setup(t, d)
			before, _ := d.records.Get(t.Context(), ref)
			if _, err := d.Expire(t.Context(), ref); !errors.Is(err, want) {
				t.Errorf("Expire: %v, want %v", err, want)
			}
			if after, _ := d.records.Get(t.Context(), ref); after.Status != before.Status {
				t.Errorf("the record went from %q to %q", before.Status, after.Status)
			}
		})
	}
}

func TestADeletionDuringGivingUpWins(t *testing.T) {
	d := deskOn(uploadtest.RecordsOptions{Swap: true})
	r, err := d.Begin(t.Context(), d.draft(t, request("cat.png")), nil)
	if err != nil {
		t.Fatal(err)
	}
	d.before[upload.SettleName] = func() error {
		_, err := d.Delete(t.Context(), r.Ref())
		return err
	}
	if _, err := d.Expire(t.Context(), r.Ref()); !errors.Is(err, upload.ErrConflict) {
		t.Errorf("Expire: %v", err)
	}
	d.wantStatus(t, r, upload.Deleted)
}
