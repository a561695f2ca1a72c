package upload_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

// scene is one row of the outcome table, set up: which version is notified, and
// what must be left of everything.
type scene struct {
	key     upload.Key
	version upload.Version
	// quarantine and files are the versions that must be left under the two keys.
	quarantine, files []upload.Version
}

// TestTheOutcomeTable is the table at upload.Records. Each row is notified three
// times: what the first time did, no later time may undo.
func TestTheOutcomeTable(t *testing.T) {
	lie := []byte("<script>alert(1)</script>")
	stored := func(t *testing.T, d *desk) (upload.Record, upload.Version, scene) {
		r, v := d.accept(t, "cat.png", picture(t, "png", 1))
		outcome := d.validate(t, r, v, upload.ResultStored)
		return r, v, scene{key: d.quarantine(r), files: []upload.Version{outcome.Record.ServedVersion}}
	}
	rejected := func(t *testing.T, d *desk) (upload.Record, upload.Version, scene) {
		r, v := d.accept(t, "cat.png", lie)
		d.validate(t, r, v, upload.ResultRejected)
		return r, v, scene{key: d.quarantine(r), version: v, quarantine: []upload.Version{v}}
	}
	deleted := func(t *testing.T, d *desk) (upload.Record, scene) {
		r, v, s := stored(t, d)
		if _, err := d.Delete(t.Context(), r.Ref()); err != nil {
			t.Fatal(err)
		}
		s.version, s.files = v, nil
		return r, s
	}
	pending := func(t *testing.T, d *desk, body []byte) (upload.Record, scene) {
		r, v := d.accept(t, "cat.png", body)
		return r, scene{key: d.quarantine(r), version: v, quarantine: []upload.Version{v}}
	}

	for _, row := range []struct {
		what   string
		setup  func(*testing.T, *desk) scene
		result upload.Result
		then   upload.Result // the second and third time
		status upload.Status // "" where there is no record
	}{
		{"pending, allowed bytes", func(t *testing.T, d *desk) scene {
			r, s := pending(t, d, picture(t, "png", 1))
			s.quarantine, s.files = nil, []upload.Version{firstVersion(d.files(r))}
			return s
		}, upload.ResultStored, upload.ResultAlreadySettled, upload.Stored},
		{"pending, other bytes", func(t *testing.T, d *desk) scene {
			_, s := pending(t, d, lie)
			return s
		}, upload.ResultRejected, upload.ResultAlreadySettled, upload.Rejected},
		{"pending, the older of two versions", func(t *testing.T, d *desk) scene {
			r, s := pending(t, d, picture(t, "png", 1))
			newer := d.objects.Post(s.key, lie)
			s.quarantine, s.files = []upload.Version{newer}, []upload.Version{firstVersion(d.files(r))}
			return s
		}, upload.ResultStored, upload.ResultAlreadySettled, upload.Stored},
		{"pending, the object is gone", func(t *testing.T, d *desk) scene {
			r := d.draft(t, request("cat.png"))
			if _, err := d.Begin(t.Context(), r, nil); err != nil {
				t.Fatal(err)
			}
			return scene{key: d.quarantine(r), version: "gone"}
		}, upload.ResultLost, upload.ResultLost, upload.Pending},
		{"pending, the version is gone below a delete marker", func(t *testing.T, d *desk) scene {
			_, s := pending(t, d, picture(t, "png", 1))
			s.quarantine = []upload.Version{d.objects.Mark(s.key)}
			d.removed(t, s.key, s.version)
			return s
		}, upload.ResultLost, upload.ResultLost, upload.Pending},
		{"pending, below a delete marker", func(t *testing.T, d *desk) scene {
			r, s := pending(t, d, picture(t, "png", 1))
			s.quarantine = []upload.Version{d.objects.Mark(s.key)}
			s.files = []upload.Version{firstVersion(d.files(r))}
			return s
		}, upload.ResultStored, upload.ResultAlreadySettled, upload.Stored},
		{"pending, the version is gone and another is below a delete marker", func(t *testing.T, d *desk) scene {
			_, s := pending(t, d, picture(t, "png", 1))
			s.quarantine = append(s.quarantine, d.objects.Mark(s.key))
			s.version = "gone"
			return s
		}, upload.ResultGone, upload.ResultGone, upload.Pending},
		{"pending, the version is gone and another is there", func(t *testing.T, d *desk) scene {
			_, s := pending(t, d, picture(t, "png", 1))
			s.version = "gone"
			return s
		}, upload.ResultGone, upload.ResultGone, upload.Pending},
		{"pending, the version is gone and its copy was promoted", func(t *testing.T, d *desk) scene {
			r, s := pending(t, d, picture(t, "png", 1))
			s.quarantine, s.files = nil, []upload.Version{d.promoteByHand(t, r, s.version)}
			d.removed(t, s.key, s.version)
			return s
		}, upload.ResultStored, upload.ResultAlreadySettled, upload.Stored},
		{"pending, no version id, no object, and a promoted copy", func(t *testing.T, d *desk) scene {
			r, s := pending(t, d, picture(t, "png", 1))
			s.quarantine, s.files = nil, []upload.Version{d.promoteByHand(t, r, s.version)}
			d.removed(t, s.key, s.version)
			s.version = ""
			return s
		}, upload.ResultStored, upload.ResultGone, upload.Stored},
		{"pending, allowed bytes, and the promoted version is gone", func(t *testing.T, d *desk) scene {
			r, s := pending(t, d, picture(t, "png", 1))
			s.quarantine, s.files = nil, []upload.Version{d.promoteByHand(t, r, s.version)}
			d.removed(t, s.key, s.version)
			s.version = d.objects.Post(s.key, picture(t, "png", 2))
			return s
		}, upload.ResultLate, upload.ResultLate, upload.Stored},
		{"pending, the version is gone and a copy of another was promoted", func(t *testing.T, d *desk) scene {
			r, s := pending(t, d, picture(t, "png", 1))
			s.files = []upload.Version{d.promoteByHand(t, r, s.version)}
			s.version = "gone"
			return s
		}, upload.ResultGone, upload.ResultGone, upload.Pending},
		{"pending, no version id, no object", func(t *testing.T, d *desk) scene {
			r := d.draft(t, request("cat.png"))
			if _, err := d.Begin(t.Context(), r, nil); err != nil {
				t.Fatal(err)
			}
			return scene{key: d.quarantine(r)}
		}, upload.ResultGone, upload.ResultGone, upload.Pending},

		{"stored, the judged version is still there", func(t *testing.T, d *desk) scene {
			r, s := pending(t, d, picture(t, "png", 1))
			d.fail("Remove")
			d.validateInTrouble(t, r, s.version)
			d.heal()
			s.quarantine, s.files = nil, []upload.Version{firstVersion(d.files(r))}
			return s
		}, upload.ResultAlreadySettled, upload.ResultAlreadySettled, upload.Stored},
		{"stored, the judged version is gone", func(t *testing.T, d *desk) scene {
			_, v, s := stored(t, d)
			s.version = v
			return s
		}, upload.ResultAlreadySettled, upload.ResultAlreadySettled, upload.Stored},
		{"stored, another version", func(t *testing.T, d *desk) scene {
			_, _, s := stored(t, d)
			s.version = d.objects.Post(s.key, picture(t, "png", 2))
			return s
		}, upload.ResultLate, upload.ResultLate, upload.Stored},
		{"stored, another version with the same bytes", func(t *testing.T, d *desk) scene {
			_, _, s := stored(t, d)
			s.version = d.objects.Post(s.key, picture(t, "png", 1))
			return s
		}, upload.ResultLate, upload.ResultLate, upload.Stored},
		{"stored, another version, not notified", func(t *testing.T, d *desk) scene {
			_, v, s := stored(t, d)
			s.version = v
			s.quarantine = []upload.Version{d.objects.Post(s.key, picture(t, "png", 2))}
			return s
		}, upload.ResultAlreadySettled, upload.ResultAlreadySettled, upload.Stored},
		{"stored, no version id, nothing there", func(t *testing.T, d *desk) scene {
			_, _, s := stored(t, d)
			return s
		}, upload.ResultGone, upload.ResultGone, upload.Stored},
		{"stored, no version id: the newest is late", func(t *testing.T, d *desk) scene {
			_, _, s := stored(t, d)
			d.objects.Post(s.key, lie)
			return s
		}, upload.ResultLate, upload.ResultGone, upload.Stored},

		{"rejected, the judged version", func(t *testing.T, d *desk) scene {
			_, _, s := rejected(t, d)
			return s
		}, upload.ResultAlreadySettled, upload.ResultAlreadySettled, upload.Rejected},
		{"rejected, no version id: the judged is the newest", func(t *testing.T, d *desk) scene {
			_, _, s := rejected(t, d)
			s.version = ""
			return s
		}, upload.ResultAlreadySettled, upload.ResultAlreadySettled, upload.Rejected},
		{"rejected, another version, though it would be allowed", func(t *testing.T, d *desk) scene {
			_, _, s := rejected(t, d)
			s.version = d.objects.Post(s.key, picture(t, "png", 1))
			return s
		}, upload.ResultLate, upload.ResultLate, upload.Rejected},
		{"rejected, another version is gone", func(t *testing.T, d *desk) scene {
			_, _, s := rejected(t, d)
			s.version = "gone"
			return s
		}, upload.ResultLate, upload.ResultLate, upload.Rejected},

		{"deleted, the judged version", func(t *testing.T, d *desk) scene {
			_, s := deleted(t, d)
			return s
		}, upload.ResultDeleted, upload.ResultDeleted, upload.Deleted},
		{"deleted, late bytes", func(t *testing.T, d *desk) scene {
			_, s := deleted(t, d)
			s.version = d.objects.Post(s.key, picture(t, "png", 1))
			return s
		}, upload.ResultDeleted, upload.ResultDeleted, upload.Deleted},
		{"deleted, with a copy that was promoted too late", func(t *testing.T, d *desk) scene {
			r, s := deleted(t, d)
			s.version = d.objects.Post(s.key, picture(t, "png", 1))
			d.promoteByHand(t, r, s.version)
			return s
		}, upload.ResultDeleted, upload.ResultDeleted, upload.Deleted},
		{"deleted, no version id", func(t *testing.T, d *desk) scene {
			_, s := deleted(t, d)
			s.version = ""
			d.objects.Post(s.key, picture(t, "png", 1))
			return s
		}, upload.ResultDeleted, upload.ResultGone, upload.Deleted},

		{"not there", func(t *testing.T, d *desk) scene {
			key := d.Layout.QuarantineKey(d.draftNumber(7))
			v := d.objects.Post(key, picture(t, "png", 1))
			copied := d.promoteByHand(t, upload.Record{Journal: "j1", Entry: "e1", Kind: "images", ID: idNumber(7)}, v)
			return scene{key: key, version: v, quarantine: []upload.Version{v}, files: []upload.Version{copied}}
		}, upload.ResultOrphan, upload.ResultOrphan, ""},
		{"there in another entry only", func(t *testing.T, d *desk) scene {
			d.accept(t, "cat.png", picture(t, "png", 1))
			ref := d.draftNumber(1)
			ref.Entry = "e2"
			key := d.Layout.QuarantineKey(ref)
			v := d.objects.Post(key, picture(t, "png", 1))
			return scene{key: key, version: v, quarantine: []upload.Version{v}}
		}, upload.ResultOrphan, upload.ResultOrphan, ""},
	} {
		t.Run(row.what, func(t *testing.T) {
			d := newDesk()
			s := row.setup(t, d)
			ref, ok := d.Layout.ParseQuarantineKey(s.key)
			if !ok {
				t.Fatalf("key %q is no quarantine key", s.key)
			}
			for time := range 3 {
				outcome, err := d.Validate(t.Context(), s.key, s.version)
				if err != nil {
					t.Fatalf("time %d: %v", time+1, err)
				}
				want := row.result
				if time > 0 {
					want = row.then
				}
				if outcome.Result != want || outcome.Ref != ref || s.version != "" && outcome.Version != s.version {
					t.Errorf("time %d: %s of version %q of %s, want %s", time+1, outcome.Result, outcome.Version, outcome.Ref, want)
				}
				if outcome.Record.Status != row.status {
					t.Errorf("time %d: the outcome's record is %q, want %q", time+1, outcome.Record.Status, row.status)
				}
				d.wantVersions(t, s.key, s.quarantine...)
				d.wantVersions(t, d.Layout.FilesKey(ref), s.files...)
				if row.status != "" {
					d.wantStatus(t, upload.Record{Journal: ref.Journal, Entry: ref.Entry, Kind: ref.Kind, ID: ref.ID}, row.status)
				}
			}
			if d.open != 0 {
				t.Errorf("%d bodies were not closed", d.open)
			}
		})
	}
}

func TestAnEventWithoutAVersionIdSpeaksOfTheNewest(t *testing.T) {
	d := newDesk()
	r, older := d.accept(t, "cat.png", []byte("<script>"))
	newest := d.objects.Post(d.quarantine(r), picture(t, "png", 1))
	outcome := d.validate(t, r, "", upload.ResultStored)
	if outcome.Version != newest || outcome.Record.JudgedVersion != newest {
		t.Errorf("judged %q (record %q), want %q", outcome.Version, outcome.Record.JudgedVersion, newest)
	}
	d.wantVersions(t, d.quarantine(r), older)
	// What is newest now came too late.
	if outcome = d.validate(t, r, "", upload.ResultLate); outcome.Version != older {
		t.Errorf("late is %q, want %q", outcome.Version, older)
	}
	d.wantVersions(t, d.quarantine(r))
	d.wantVersions(t, d.files(r), outcome.Record.ServedVersion)
	d.validate(t, r, "", upload.ResultGone)
}

// firstVersion is the version id that the fake gives a key's first object.
func firstVersion(key upload.Key) upload.Version {
	d := newDesk()
	return d.objects.Post(key, nil)
}

// promoteByHand makes the copy that a validator would make.
func (d *desk) promoteByHand(t testing.TB, r upload.Record, v upload.Version) upload.Version {
	t.Helper()
	copied, err := d.objects.Promote(t.Context(),
		upload.Promotion{From: d.quarantine(r), Version: v, To: d.files(r), ContentType: "image/png"})
	if err != nil {
		t.Fatal(err)
	}
	return copied.Version
}

// removed takes a version out of the bucket.
func (d *desk) removed(t testing.TB, key upload.Key, v upload.Version) {
	t.Helper()
	if err := d.objects.Remove(t.Context(), key, v); err != nil {
		t.Fatal(err)
	}
}

func TestAForeignKeyIsLeftAlone(t *testing.T) {
	d := newDesk()
	r, _ := d.accept(t, "cat.png", picture(t, "png", 1))
	d.forget()
	for _, key := range []upload.Key{"quarantine/cat.png", d.files(r), d.quarantine(r) + "/x", "other/" + d.quarantine(r),
		""} {
		v := d.objects.Post(key, picture(t, "png", 1))
		outcome, err := d.Validate(t.Context(), key, v)
		if err != nil || outcome != (upload.Outcome{Result: upload.ResultForeign, Version: v}) {
			t.Errorf("key %q: %+v, %v", key, outcome, err)
		}
	}
	if calls := d.seen(); len(calls) > 0 {
		t.Errorf("foreign keys cause the calls %v", calls)
	}
}

func TestAStoredUploadIsTheVeryFile(t *testing.T) {
	for _, extension := range []string{"png", "jpg", "jpeg", "gif", "bmp"} {
		t.Run(extension, func(t *testing.T) {
			d := newDesk()
			body := picture(t, extension, 1)
			q := request("Mein Foto.ü." + extension)
			sum := sumOf(body)
			q.Declared = upload.Declared{Size: int64(len(body)), Type: strings.ToUpper(policy.ExpectedType(extension)),
				SHA256: sum}
			r, v := d.acceptAs(t, q, body)
			outcome := d.validate(t, r, v, upload.ResultStored)
			got := d.wantStatus(t, r, upload.Stored)
			if outcome.Record != got {
				t.Errorf("the outcome's record is\n%+v, the store's\n%+v", outcome.Record, got)
			}
			if got.Size != int64(len(body)) || got.ContentType != policy.ExpectedType(extension) || got.SHA256 != sum ||
				got.JudgedVersion != v ||
				got.Reason != nil || !got.SettledAt.Equal(noon) || got.Name != "mein foto_ü" {
				t.Errorf("stored as %+v", got)
			}
			served, ok := d.objects.Bytes(d.files(r), got.ServedVersion)
			if !ok || !bytes.Equal(served, body) {
				t.Error("other bytes are served")
			}
			contentType, disposition, _ := d.objects.Described(d.files(r), got.ServedVersion)
			if contentType != got.ContentType || disposition != upload.Disposition(got.ContentType, "Mein Foto.ü."+extension) {
				t.Errorf("the copy is %q, %q", contentType, disposition)
			}
		})
	}
}

func TestAStoredUploadTakesTheFewestCalls(t *testing.T) {
	for _, extension := range []string{"png", "jpg", "gif", "bmp"} {
		d := newDesk()
		body := picture(t, extension, 1)
		r, v := d.accept(t, "cat."+extension, body)
		if want := []string{"Create", "Put"}; !slices.Equal(d.seen(), want) {
			t.Errorf("%s: accepting takes %v, want %v", extension, d.seen(), want)
		}
		d.forget()
		d.validate(t, r, v, upload.ResultStored)
		if want := []string{"Get", "Open", "Promote", upload.SettleName, "Remove"}; !slices.Equal(d.seen(), want) {
			t.Errorf("%s: validating takes %v, want %v", extension, d.seen(), want)
		}
		if d.read != int64(len(body)) {
			t.Errorf("%s: %d bytes were read of an object of %d", extension, d.read, len(body))
		}
		if d.open != 0 {
			t.Errorf("%s: %d bodies were not closed", extension, d.open)
		}
	}
}

func TestARejectedUploadIsNeverPromoted(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.png", []byte("<script>"))
	d.forget()
	d.validate(t, r, v, upload.ResultRejected)
	if want := []string{"Get", "Open", upload.SettleName}; !slices.Equal(d.seen(), want) {
		t.Errorf("refusing takes %v, want %v", d.seen(), want)
	}
	got := d.record(t, r)
	if got.ServedVersion != "" || got.JudgedVersion != v || got.ContentType != "" || got.Size != 8 ||
		!got.SettledAt.Equal(noon) {
		t.Errorf("rejected as %+v", got)
	}
}
