package migrate_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"hatchery/shared/migrate"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// TestItGoesOnFromAPlace: with what was reported until then, as if it had been one run.
func TestItGoesOnFromAPlace(t *testing.T) {
	source, target := stores["memory"](t), stores["memory"](t)
	fill(t, source)
	ctx, cancel := context.WithCancel(t.Context())
	var kept []migrate.Place
	m := &migrate.Migration{From: source, To: target, Keep: func(p migrate.Place) error {
		kept = append(kept, p)
		cancel()
		return nil
	}}
	m.WithPageSize(4)
	if report, err := m.Run(ctx, migrate.Place{}); !errors.Is(err, context.Canceled) || report.Read != 4 ||
		len(kept) != 1 {
		t.Fatalf("%+v, %v, kept %+v", report, err, kept)
	}
	if report, err := m.Run(t.Context(), kept[0]); err != nil || report.Read != 18 || report.Copied != 18 ||
		report.Same != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	if last := kept[len(kept)-1]; last.Cursor != "" || last.Report.Read != 0 {
		t.Errorf("at the end it kept %+v, not the start", last)
	}
}

// TestAPlaceIsOfTheTargetThatWasFilled: in one that was made anew, what was copied
// before would be missing for good.
func TestAPlaceIsOfTheTargetThatWasFilled(t *testing.T) {
	source, target, anew := stores["memory"](t), stores["memory"](t), stores["memory"](t)
	fill(t, source)
	var kept migrate.Place
	m := &migrate.Migration{From: source, To: target, Keep: func(p migrate.Place) error {
		if kept.Cursor == "" {
			kept = p
		}
		return nil
	}}
	m.WithPageSize(4)
	if _, err := m.Run(t.Context(), migrate.Place{}); err != nil || kept.Known == nil {
		t.Fatalf("kept %+v, %v", kept, err)
	}
	other := *m
	other.To = anew
	if report, err := other.Run(t.Context(), kept); !errors.Is(err, migrate.ErrOtherTarget) ||
		!strings.Contains(err.Error(), kept.Known.String()) || len(all(t, anew)) != 0 {
		t.Errorf("%+v, %v, and left %d records", report, err, len(all(t, anew)))
	}
	other.To = &limited{Records: target}
	if _, err := other.Run(t.Context(), kept); !errors.Is(err, errTrouble) || errors.Is(err, migrate.ErrOtherTarget) {
		t.Errorf("a target that does not answer: %v", err)
	}
	// What was the same is known as well.
	kept = migrate.Place{}
	if _, err := m.Run(t.Context(), migrate.Place{}); err != nil || kept.Known == nil {
		t.Errorf("kept %+v, %v", kept, err)
	}
	// A tombstone is none: a target may keep none, or forget it.
	kept, m.From, m.To = migrate.Place{}, stores["memory"](t), uploadtest.NewRecords(uploadtest.RecordsOptions{})
	m.WithPageSize(1)
	many(t, m.From, 2)
	if report, err := m.Run(t.Context(), migrate.Place{}); err != nil || report.Copied != 2 || kept.Known == nil {
		t.Errorf("%+v, kept %+v, %v", report, kept, err)
	}
	kept = migrate.Place{}
	for _, id := range []upload.ID{"019a0000-0000-7000-8000-000000000000", "019a0000-0000-7000-8000-000000000001"} {
		if _, err := m.From.Update(t.Context(), upload.Ref{Journal: "j", Entry: "e", Kind: "images", ID: id},
			upload.Delete(noon, noon.Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
	}
	if report, err := m.Run(t.Context(), migrate.Place{}); err != nil || report.Copied != 2 || kept.Cursor == "" ||
		kept.Known != nil {
		t.Errorf("%+v, kept %+v, %v", report, kept, err)
	}
}

// TestWhatFailedIsNotLeftBehindAPlace, and what differs is reported by the run that
// goes on, too.
func TestWhatFailedIsNotLeftBehindAPlace(t *testing.T) {
	source, target := stores["memory"](t), stores["memory"](t)
	fill(t, source)
	var kept migrate.Place
	keep := func(p migrate.Place) error { kept = p; return nil }
	broken := &migrate.Migration{From: source, To: &limited{Records: target, left: 14}, AtOnce: 1, Keep: keep}
	report, err := broken.WithPageSize(2).Run(t.Context(), migrate.Place{})
	if err == nil || report.Failed == 0 || kept.Cursor == "" || kept.Report.Failed > 0 {
		t.Fatalf("%+v, %v, kept %+v", report, err, kept)
	}
	kept.Report.Different = 3
	whole := &migrate.Migration{From: source, To: target, Keep: keep}
	if report, err := whole.WithPageSize(2).Run(t.Context(), kept); err != nil || report.Read != 18 ||
		report.Different != 3 {
		t.Errorf("%+v, %v", report, err)
	}
	if _, err := (&migrate.Migration{From: source, To: target}).Run(t.Context(), migrate.Place{}); err != nil ||
		len(all(t, target)) != 18 {
		t.Errorf("%d records, %v", len(all(t, target)), err)
	}
}
