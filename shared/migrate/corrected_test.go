package migrate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"hatchery/shared/migrate"
	"hatchery/shared/upload"
)

// TestAnExtensionThatAVerdictCorrectedIsCopied: an earlier run copied the record as it was named.
func TestAnExtensionThatAVerdictCorrectedIsCopied(t *testing.T) {
	settle := func(r upload.Record) upload.Transition {
		return upload.Settle(upload.Verdict{Status: upload.Stored, Version: "q", Served: "f", At: noon.Add(time.Hour), Size: 7,
			ContentType: "image/gif", Extension: "gif", SHA256: strings.Repeat("a", 64), Round: r.Round()})
	}
	adopt := upload.Adopt(upload.Verdict{Status: upload.Stored, Version: upload.LegacyVersion, Served: "f",
		At: noon.Add(time.Hour), Size: 7, ContentType: "image/gif", Extension: "gif", SHA256: strings.Repeat("a", 64)})
	legacy := upload.Settle(upload.Verdict{Status: upload.Stored})
	named := upload.Record{ID: "019a0000-0000-7000-8000-000000000001", Journal: "j", Entry: "e", Kind: "images", Name: "cat",
		Extension: "png", CreatedAt: noon, Status: upload.Pending}
	for to, open := range stores {
		for what, c := range map[string]struct{ before, since []upload.Transition }{
			"settled since":           {nil, []upload.Transition{settle(named)}},
			"settled and deleted":     {nil, []upload.Transition{settle(named), upload.Delete(noon, noon.Add(24*time.Hour))}},
			"a legacy image, adopted": {[]upload.Transition{legacy}, []upload.Transition{adopt}},
		} {
			t.Run(fmt.Sprintf("%s, to %s", what, to), func(t *testing.T) {
				t.Parallel()
				source, target := stores["memory"](t), open(t)
				m := &migrate.Migration{From: source, To: target}
				change := func(all []upload.Transition) {
					for _, transition := range all {
						if _, err := source.Update(t.Context(), named.Ref(), transition); err != nil {
							t.Fatal(err)
						}
					}
				}
				if _, err := source.Create(t.Context(), named, nil); err != nil {
					t.Fatal(err)
				}
				change(c.before)
				if r, err := m.Run(t.Context(), migrate.Place{}); err != nil || r.Copied != 1 || r.Different != 0 {
					t.Fatalf("as it was named: %+v, %v", r, err)
				}
				change(c.since)
				if r, err := m.Run(t.Context(), migrate.Place{}); err != nil || r.Copied != 1 || r.Different != 0 {
					t.Fatalf("as it was found: %+v, %v", r, err)
				}
				if r, err := m.Run(t.Context(), migrate.Place{}); err != nil || r.Same+r.Forgotten != 1 || r.Different != 0 {
					t.Errorf("once more: %+v, %v", r, err)
				}
				got, err := target.Get(t.Context(), named.Ref())
				if err == nil && got.Extension != "gif" || err != nil && (target.Atomic() || len(c.since) == 1) {
					t.Errorf("copied as .%s, %v", got.Extension, err)
				}
			})
		}
	}
	// The other way about: the target has judged what the source has not.
	source, target := stores["memory"](t), stores["memory"](t)
	for _, s := range []upload.Records{source, target} {
		if _, err := s.Create(t.Context(), named, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Update(t.Context(), named.Ref(), legacy); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := target.Update(t.Context(), named.Ref(), adopt); err != nil {
		t.Fatal(err)
	}
	r, err := (&migrate.Migration{From: source, To: target}).Run(t.Context(), migrate.Place{})
	if err != nil || r.Same != 1 || r.Different != 0 {
		t.Errorf("adopted in the target alone: %+v, %v", r, err)
	}
}

// TestAnotherExtensionOfWhatWasNeverStoredIsADifference: nothing corrects it.
func TestAnotherExtensionOfWhatWasNeverStoredIsADifference(t *testing.T) {
	source, target := stores["memory"](t), stores["memory"](t)
	r := upload.Record{ID: "019a0000-0000-7000-8000-000000000001", Journal: "j", Entry: "e", Kind: "images", Name: "cat",
		Extension: "png", CreatedAt: noon, Status: upload.Pending}
	if _, err := source.Create(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	r.Extension = "gif"
	if _, err := target.Create(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	report, err := (&migrate.Migration{From: source, To: target}).Run(t.Context(), migrate.Place{})
	if err != nil || report.Different != 1 || len(report.Findings) != 1 ||
		!strings.Contains(report.Findings[0].What, "Extension is gif instead of png") {
		t.Errorf("%+v, %v", report, err)
	}
}
