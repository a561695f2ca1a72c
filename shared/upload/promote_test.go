package upload_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

func TestACrashAfterAnyStepIsMadeGoodByTheNextDelivery(t *testing.T) {
	for _, call := range []string{"Get", "Open", "Promote", upload.SettleName, "Remove"} {
		for _, done := range []bool{false, true} {
			for extension, status := range map[string]upload.Status{"png": upload.Stored, "gif": upload.Rejected} {
				d := newDesk()
				r, v := d.accept(t, "cat."+extension, picture(t, "png", 1)) // a PNG named .gif is refused
				if status == upload.Rejected && (call == "Promote" || call == "Remove") {
					continue
				}
				if done {
					d.after[call] = func() error { return errTrouble } // done, but reported failed
				} else {
					d.fail(call)
				}
				if err := d.validateInTrouble(t, r, v); !errors.Is(err, errTrouble) {
					t.Errorf("%s: the cause is lost: %v", call, err)
				}
				d.heal()
				if _, err := d.Validate(t.Context(), d.quarantine(r), v); err != nil {
					t.Errorf("%s (done %v), again: %v", call, done, err)
				}
				got := d.wantStatus(t, r, status)
				if status == upload.Stored {
					d.wantVersions(t, d.quarantine(r))
					d.wantVersions(t, d.files(r), got.ServedVersion)
				} else {
					d.wantVersions(t, d.quarantine(r), v)
					d.wantVersions(t, d.files(r))
				}
				if lost := done && call == "Open"; d.open != 0 && !lost {
					t.Errorf("%s: %d bodies were not closed", call, d.open)
				}
			}
		}
	}
}

func TestOurOwnCopyFromBeforeACrashIsUsed(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	copied := d.promoteByHand(t, r, v)
	d.forget()
	outcome := d.validate(t, r, v, upload.ResultStored)
	if outcome.Record.ServedVersion != copied {
		t.Errorf("served is %q, want the copy %q", outcome.Record.ServedVersion, copied)
	}
	d.wantVersions(t, d.files(r), copied)
	if want := []string{"Get", "Open", "Promote", "Stat", upload.SettleName, "Remove"}; !slices.Equal(d.seen(), want) {
		t.Errorf("calls %v, want %v", d.seen(), want)
	}
}

func TestACopyOfAnotherVersionBesideAPendingRecordIsTroubleAndLosesNothing(t *testing.T) {
	d := newDesk()
	r, first := d.accept(t, "cat.png", picture(t, "png", 1))
	second := d.objects.Post(d.quarantine(r), picture(t, "png", 2))
	copied := d.promoteByHand(t, r, first)
	for range 3 {
		if err := d.validateInTrouble(t, r, second); !strings.Contains(err.Error(), string(first)) {
			t.Errorf("trouble does not name the version that was promoted: %v", err)
		}
		d.wantStatus(t, r, upload.Pending)
		d.wantVersions(t, d.quarantine(r), first, second)
		d.wantVersions(t, d.files(r), copied)
	}
	// Once the first is settled, the second is late.
	d.validate(t, r, first, upload.ResultStored)
	d.validate(t, r, second, upload.ResultLate)
	d.wantVersions(t, d.quarantine(r))
	d.wantVersions(t, d.files(r), copied)
}

func TestTheSameBytesInAnotherVersionAreNotOurCopy(t *testing.T) {
	d := newDesk()
	r, first := d.accept(t, "cat.png", picture(t, "png", 1))
	second := d.objects.Post(d.quarantine(r), picture(t, "png", 1))
	d.promoteByHand(t, r, first)
	d.validateInTrouble(t, r, second)
	d.wantStatus(t, r, upload.Pending)
}

// TestTheRecordWasSettledMeanwhile is the 412 with a copy of another version,
// where the record is no longer pending when it is read again.
func TestTheRecordWasSettledMeanwhile(t *testing.T) {
	for _, c := range []struct {
		what   string
		first  []byte
		change func(*testing.T, *desk, upload.Record, upload.Version)
		result upload.Result
	}{
		{"stored with the other version", picture(t, "png", 1),
			func(t *testing.T, d *desk, r upload.Record, v upload.Version) {
				d.validate(t, r, v, upload.ResultStored)
			}, upload.ResultLate},
		{"removed for good", picture(t, "png", 1), func(t *testing.T, d *desk, r upload.Record, v upload.Version) {
			d.promoteByHand(t, r, v)
			d.before["Get"] = func() error { return upload.ErrNotFound }
		}, upload.ResultOrphan},
	} {
		t.Run(c.what, func(t *testing.T) {
			d := newDesk()
			r, first := d.accept(t, "cat.png", c.first)
			second := d.objects.Post(d.quarantine(r), picture(t, "png", 2))
			d.meanwhile("Promote", func() { c.change(t, d, r, first) })
			d.validate(t, r, second, c.result)
			d.heal()
			left := []upload.Version{first, second}
			if c.result == upload.ResultLate {
				left = nil
			}
			d.wantVersions(t, d.quarantine(r), left...)
			d.wantVersions(t, d.files(r), firstVersion(d.files(r)))
		})
	}
}

// meanwhile lets something happen once, just before a call.
func (d *desk) meanwhile(call string, do func()) {
	d.before[call] = func() error {
		delete(d.before, call)
		do()
		return nil
	}
}

func TestALostSettlementIsReadAgain(t *testing.T) {
	remove := func(t *testing.T, d *desk, r upload.Record) {
		if _, err := d.Delete(t.Context(), r.Ref()); err != nil {
			t.Error(err)
		}
	}
	settle := func(v upload.Verdict) func(*testing.T, *desk, upload.Record) {
		return func(t *testing.T, d *desk, r upload.Record) {
			if v.Reason == nil {
				v.Served = firstVersion(d.files(r))
			}
			if _, err := d.records.Update(t.Context(), r.Ref(), upload.Settle(v)); err != nil {
				t.Error(err)
			}
		}
	}
	operator := &upload.Reason{Code: upload.ByOperator, Message: "Not wanted."}
	for _, c := range []struct {
		what              string
		body              []byte
		swap              bool
		between           func(*testing.T, *desk, upload.Record)
		result            upload.Result
		keepCopy, keepOne bool // what is left: our copy, the quarantine version
	}{
		{"stored with the same version", picture(t, "png", 1), true, func(t *testing.T, d *desk, r upload.Record) {
			settle(upload.Verdict{Status: upload.Stored, Version: firstVersion(d.quarantine(r))})(t, d, r)
		}, upload.ResultAlreadySettled, true, false},
		{"rejected with the same version", picture(t, "png", 1), true, func(t *testing.T, d *desk, r upload.Record) {
			settle(upload.Verdict{Status: upload.Rejected, Version: firstVersion(d.quarantine(r)), Reason: operator})(t, d, r)
		}, upload.ResultAlreadySettled, false, true},
		{"rejected with another version", picture(t, "png", 1), true,
			settle(upload.Verdict{Status: upload.Rejected, Version: "other", Reason: operator}), upload.ResultLate, false,
			false},
		{"deleted", picture(t, "png", 1), true, remove, upload.ResultDeleted, false, false},
		{"refused bytes, and deleted", []byte("<script>"), true, remove, upload.ResultDeleted, false, false},
		{"refused bytes, and rejected by another", []byte("<script>"), true, func(t *testing.T, d *desk, r upload.Record) {
			settle(upload.Verdict{Status: upload.Rejected, Version: firstVersion(d.quarantine(r)), Reason: operator})(t, d, r)
		}, upload.ResultAlreadySettled, false, true},
		{"refused bytes, and stored with another version", []byte("<script>"), true,
			settle(upload.Verdict{Status: upload.Stored, Version: "other"}), upload.ResultLate, false, false},
		// A store without tombstones: our copy goes, the quarantine version was
		// removed by the deletion.
		{"removed for good", picture(t, "png", 1), false, remove, upload.ResultOrphan, false, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			d := deskOn(uploadtest.RecordsOptions{Swap: c.swap})
			r, v := d.accept(t, "cat.png", c.body)
			d.meanwhile(upload.SettleName, func() { c.between(t, d, r) })
			d.validate(t, r, v, c.result)
			var quarantine, files []upload.Version
			if c.keepOne {
				quarantine = append(quarantine, v)
			}
			if c.keepCopy {
				files = append(files, firstVersion(d.files(r)))
			}
			d.wantVersions(t, d.quarantine(r), quarantine...)
			d.wantVersions(t, d.files(r), files...)
		})
	}
}

func TestARecordThatVanishedLeavesTheQuarantineVersion(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	d.before[upload.SettleName] = func() error {
		d.before["Get"] = func() error { return upload.ErrNotFound }
		return upload.ErrNotFound
	}
	d.validate(t, r, v, upload.ResultOrphan)
	d.wantVersions(t, d.quarantine(r), v)
	d.wantVersions(t, d.files(r))
}

func TestALostSettlementOfAPendingRecordIsTrouble(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	d.before[upload.SettleName] = func() error { return upload.ErrConflict } // reopened in between
	if err := d.validateInTrouble(t, r, v); !errors.Is(err, upload.ErrConflict) {
		t.Errorf("error %v", err)
	}
	d.wantVersions(t, d.quarantine(r), v)
	d.wantVersions(t, d.files(r), firstVersion(d.files(r)))
}

func TestALostSettlementThatCannotBeReadAgainIsTrouble(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	d.before[upload.SettleName] = func() error {
		d.fail("Get")
		return upload.ErrConflict
	}
	if err := d.validateInTrouble(t, r, v); !errors.Is(err, errTrouble) {
		t.Errorf("error %v", err)
	}
	// Whose copy it is, is unknown: nothing is taken back.
	d.wantVersions(t, d.quarantine(r), v)
	d.wantVersions(t, d.files(r), firstVersion(d.files(r)))
}

func TestACopyWithOtherBytesIsTroubleAndTakesNothingBack(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	d.Objects = corruptCopies{d.Objects}
	if err := d.validateInTrouble(t, r, v); !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("error %v", err)
	}
	d.wantStatus(t, r, upload.Pending)
	d.wantVersions(t, d.quarantine(r), v)
	d.wantVersions(t, d.files(r), firstVersion(d.files(r)))
	if slices.Contains(d.seen(), upload.SettleName) {
		t.Error("it was settled")
	}
}

// corruptCopies copies other bytes than it was asked to.
type corruptCopies struct{ upload.Objects }

func (o corruptCopies) Promote(ctx context.Context, p upload.Promotion) (upload.Copy, error) {
	c, err := o.Objects.Promote(ctx, p)
	c.SHA256 = someSum
	return c, err
}

func TestWhatHappensToBytesThatVanishDuringTheCopy(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	d.meanwhile("Promote", func() {
		if err := d.objects.Remove(t.Context(), d.quarantine(r), v); err != nil {
			t.Error(err)
		}
	})
	d.validate(t, r, v, upload.ResultLost)
	d.wantStatus(t, r, upload.Pending)
	d.wantVersions(t, d.files(r))
}

func TestTroubleAtEachLookIsTroubleAndNoVerdict(t *testing.T) {
	for _, c := range []struct {
		what, call string
		setup      func(*testing.T, *desk) (upload.Record, upload.Version)
	}{
		{"look at the copy that is there", "Stat", func(t *testing.T, d *desk) (upload.Record, upload.Version) {
			r, v := d.accept(t, "cat.png", picture(t, "png", 1))
			d.promoteByHand(t, r, v)
			return r, v
		}},
		{"the newest of a stored upload", "Open", func(t *testing.T, d *desk) (upload.Record, upload.Version) {
			r, v := d.accept(t, "cat.png", picture(t, "png", 1))
			d.validate(t, r, v, upload.ResultStored)
			return r, ""
		}},
		{"late bytes", "Remove", func(t *testing.T, d *desk) (upload.Record, upload.Version) {
			r, v := d.accept(t, "cat.png", picture(t, "png", 1))
			d.validate(t, r, v, upload.ResultStored)
			return r, d.objects.Post(d.quarantine(r), picture(t, "png", 2))
		}},
		{"a copy beside a rejection", "Stat", func(t *testing.T, d *desk) (upload.Record, upload.Version) {
			r, v := d.accept(t, "cat.png", []byte("<script>"))
			d.validate(t, r, v, upload.ResultRejected)
			return r, v
		}},
		{"versions of a deleted upload", "Versions", func(t *testing.T, d *desk) (upload.Record, upload.Version) {
			r, v := d.accept(t, "cat.png", picture(t, "png", 1))
			if _, err := d.Delete(t.Context(), r.Ref()); err != nil {
				t.Fatal(err)
			}
			return r, v
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			d := newDesk()
			r, v := c.setup(t, d)
			was := d.record(t, r)
			d.fail(c.call)
			if err := d.validateInTrouble(t, r, v); !errors.Is(err, errTrouble) {
				t.Errorf("error %v", err)
			}
			if d.record(t, r) != was && was.Reason == nil {
				t.Error("the record changed")
			}
		})
	}
}

func TestACancelledValidationIsTrouble(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	ctx, cancel := cancelled(t)
	defer cancel()
	if _, err := d.Validate(ctx, d.quarantine(r), v); err == nil {
		t.Error("no error")
	}
	d.wantStatus(t, r, upload.Pending)
	d.wantVersions(t, d.quarantine(r), v)
}

// TestALostVerdictIsGivenAgainAsItWas: of what was promoted everything is known.
func TestALostVerdictIsGivenAgainAsItWas(t *testing.T) {
	for _, swap := range []bool{true, false} {
		d := deskOn(uploadtest.RecordsOptions{Swap: swap})
		r, v := d.accept(t, "cat.png", picture(t, "png", 1))
		stored := d.validate(t, r, v, upload.ResultStored).Record
		d.records.Overwrite(r)
		if got := d.validate(t, r, v, upload.ResultStored).Record; got != stored {
			t.Errorf("swap %t: it was\n%+v, and is\n%+v", swap, stored, got)
		}
		if kept := d.wantStatus(t, r, upload.Stored); kept != stored {
			t.Errorf("swap %t: kept as %+v", swap, kept)
		}
	}
}

// TestAVerdictThatIsGivenAgainIsTold: the message of it names no version, and comes
// again when notifying fails.
func TestAVerdictThatIsGivenAgainIsTold(t *testing.T) {
	d, told := notifyingDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	d.validate(t, r, v, upload.ResultStored)
	d.records.Overwrite(r)
	d.fail("Tell")
	d.validateInTrouble(t, r, "")
	d.validateInTrouble(t, r, "")
	d.heal()
	told.heard = nil
	d.validate(t, r, "", upload.ResultGone)
	d.wantStatus(t, r, upload.Stored)
	if len(told.heard) != 1 || told.heard[0].Status != upload.Stored || told.heard[0].JudgedVersion != v {
		t.Errorf("told of %+v", told.heard)
	}
}

// TestACopyIsJudgedAsItsVersionWouldHaveBeen: with its bounds, by the policy of now, and
// whatever it says that it is a copy of. It stays, whatever the verdict.
func TestACopyIsJudgedAsItsVersionWouldHaveBeen(t *testing.T) {
	for _, c := range []struct {
		what   string
		before func(*testing.T, *desk) // what is in the entry already
		kind   func(*policy.Kind)      // what the policy says by now
		reason upload.Code             // "" is stored
	}{
		{"allowed", nil, func(*policy.Kind) {}, ""},
		{"a duplicate", func(t *testing.T, d *desk) {
			r, v := d.accept(t, "cat.png", picture(t, "png", 1))
			d.validate(t, r, v, upload.ResultStored)
		}, func(k *policy.Kind) { k.Duplicates = policy.DuplicatesRefuse }, upload.Duplicate},
		{"one too many", func(t *testing.T, d *desk) {
			r, v := d.accept(t, "cat.png", picture(t, "png", 2))
			d.validate(t, r, v, upload.ResultStored)
		}, func(k *policy.Kind) { k.MaxFiles = 1 }, upload.NotAllowed},
		{"too large by now", nil, func(k *policy.Kind) { k.MaxBytes = 3 }, upload.TooLarge},
	} {
		for _, swap := range []bool{true, false} {
			d := deskOn(uploadtest.RecordsOptions{Swap: swap})
			if c.before != nil {
				c.before(t, d)
			}
			r, v := d.accept(t, "cat.png", picture(t, "png", 1))
			copied := d.promoteByHand(t, r, v)
			d.removed(t, d.quarantine(r), v)
			d.kind(c.kind)
			want := upload.ResultStored
			if c.reason != "" {
				want = upload.ResultRejected
			}
			got := d.validate(t, r, "", want).Record
			if (got.Reason == nil) != (c.reason == "") || got.Reason != nil && got.Reason.Code != c.reason ||
				got.JudgedVersion != v {
				t.Errorf("%s, swap %t: %+v, %+v", c.what, swap, got, got.Reason)
			}
			d.wantVersions(t, d.files(r), copied)
		}
	}
}

func TestACopyOfOtherBytesThanItSaysIsNotServed(t *testing.T) {
	for _, swap := range []bool{true, false} {
		d := deskOn(uploadtest.RecordsOptions{Swap: swap})
		r, v := d.accept(t, "cat.png", picture(t, "png", 1))
		old := uploadtest.NewLegacyImages().Promoting(d.objects)
		old.Put(r.Ref(), []byte("<script>"))
		if _, err := old.PromoteLegacy(t.Context(), r.Ref(),
			upload.Promotion{Version: v, To: d.files(r), ContentType: "image/png"}); err != nil {
			t.Fatal(err)
		}
		d.validateInTrouble(t, r, v)
		d.removed(t, d.quarantine(r), v)
		d.validate(t, r, v, upload.ResultRejected)
	}
}

// TestACopyIsNotJudgedWhileItsVersionWaits: under a delete marker, which is what
// quarantine's end leaves at first.
func TestACopyIsNotJudgedWhileItsVersionWaits(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	d.promoteByHand(t, r, v)
	d.objects.Mark(d.quarantine(r))
	d.validate(t, r, "", upload.ResultGone)
	d.wantStatus(t, r, upload.Pending)
	d.validate(t, r, v, upload.ResultStored)
}

func TestWhatNoValidatorPromotedSettlesNothing(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	planted := d.objects.Post(d.files(r), picture(t, "png", 2))
	if err := d.validateInTrouble(t, r, v); !strings.Contains(err.Error(), "no validator promoted") {
		t.Error(err)
	}
	d.removed(t, d.quarantine(r), v)
	d.validateInTrouble(t, r, "")
	d.wantStatus(t, r, upload.Pending)
	d.wantVersions(t, d.files(r), planted)
}

// TestACopyThatIsReplacedWhileItIsJudgedIsTrouble: the record would name a version that
// is not there.
func TestACopyThatIsReplacedWhileItIsJudgedIsTrouble(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", picture(t, "png", 1))
	copied := d.promoteByHand(t, r, v)
	d.removed(t, d.quarantine(r), v)
	old := uploadtest.NewLegacyImages().Promoting(d.objects)
	old.Put(r.Ref(), picture(t, "png", 1))
	d.meanwhile("Open", func() { // the first Open is of quarantine
		d.meanwhile("Open", func() {
			d.removed(t, d.files(r), copied)
			if _, err := old.PromoteLegacy(t.Context(), r.Ref(),
				upload.Promotion{Version: v, To: d.files(r), ContentType: "image/png"}); err != nil {
				t.Fatal(err)
			}
		})
	})
	d.validateInTrouble(t, r, "")
	d.validate(t, r, "", upload.ResultStored)
}
