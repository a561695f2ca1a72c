package migrate_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"hatchery/shared/migrate"
	"hatchery/shared/upload"
)

// TestWhatTheReconcilerGaveUpMeanwhileIsFinished: a run ended within a record, and the
// target is in use: its reconciler and its validator found the record pending.
func TestWhatTheReconcilerGaveUpMeanwhileIsFinished(t *testing.T) {
	ref := upload.Ref{Journal: "j", Entry: "e1", Kind: "images", ID: "019a0000-0000-7000-8000-000000000010"}
	later := noon.Add(48 * time.Hour)
	stored := upload.Verdict{Status: upload.Stored, Version: "q", Served: "f", At: later, Size: 7,
		ContentType: "image/png", SHA256: strings.Repeat("a", 64)}
	another := stored
	another.Served = "another"
	settle := func(s upload.Records, v upload.Verdict) error {
		_, err := s.Update(t.Context(), ref, upload.Settle(v))
		return err
	}
	again := func(s upload.Records) error {
		_, err := s.Update(t.Context(), ref, upload.CountResend(0, later))
		return err
	}
	for name, c := range map[string]struct {
		meanwhile func(upload.Records) error
		// How many are copied, and how many differ.
		want [2]int
	}{
		"given up": {func(s upload.Records) error {
			return settle(s, upload.Verdict{Status: upload.Rejected, At: noon,
				Reason: &upload.Reason{Code: upload.NeverArrived, Message: "It never came."}})
		}, [2]int{1, 0}},
		"given up as lost": {func(s upload.Records) error {
			return errors.Join(again(s), settle(s, upload.Verdict{Status: upload.Rejected, At: noon,
				Reason: &upload.Reason{Code: upload.BytesLost, Message: "It was removed."}}))
		}, [2]int{1, 0}},
		"a further message and failures": {func(s upload.Records) error {
			return errors.Join(again(s), upload.NoteFailure(t.Context(), s, ref, upload.Failure{At: later, Message: "slow"}))
		}, [2]int{1, 0}},
		"stored with the copy that was promoted": {
			func(s upload.Records) error { return errors.Join(again(s), settle(s, stored)) }, [2]int{0, 0}},
		"stored with another copy": {func(s upload.Records) error { return settle(s, another) }, [2]int{0, 1}},
	} {
		for _, removed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, deleted since %t", name, removed), func(t *testing.T) {
				source, target := stores["memory"](t), stores["memory"](t)
				fill(t, source)
				m := &migrate.Migration{From: source, To: target}
				was, err := source.Get(t.Context(), ref)
				if err != nil || was.Status != upload.Stored {
					t.Fatalf("%+v, %v", was, err)
				}
				begun := upload.Record{ID: was.ID, Journal: was.Journal, Entry: was.Entry, Kind: was.Kind, Name: was.Name, Filename: was.Filename,
					Extension: was.Extension,
					CreatedAt: was.CreatedAt, Status: upload.Pending, Declared: was.Declared, FormExpires: was.FormExpires}
				if _, err := target.Create(t.Context(), begun, nil); err != nil {
					t.Fatal(err)
				}
				if err := c.meanwhile(target); err != nil {
					t.Fatal(err)
				}
				copied := 17 + c.want[0]
				if removed {
					if was, err = source.Update(t.Context(), ref, upload.Delete(later, later.Add(time.Hour))); err != nil {
						t.Fatal(err)
					}
					copied = 18 - c.want[1]
				}
				if r, err := m.Run(t.Context(), migrate.Place{}); err != nil || r.Copied != copied || r.Different != c.want[1] {
					t.Fatalf("%+v, %v", r, err)
				}
				if r, err := m.Run(t.Context(), migrate.Place{}); err != nil || r.Same != 18-c.want[1] || r.Different != c.want[1] {
					t.Errorf("once more: %+v, %v", r, err)
				}
				got, err := target.Get(t.Context(), ref)
				if err != nil || c.want[1] == 0 &&
					(got.Status != was.Status || got.ServedVersion != "f" || got.SHA256 != was.SHA256) {
					t.Errorf("%+v, %v", got, err)
				}
			})
		}
	}
}
