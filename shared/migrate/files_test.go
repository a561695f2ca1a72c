package migrate_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"hatchery/shared/migrate"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

func TestMissingFilesAreFound(t *testing.T) {
	source, target, objects := stores["memory"](t), stores["memory"](t), uploadtest.NewObjects()
	fill(t, source)
	ref := upload.Ref{Journal: "j", Entry: "e1", Kind: "images", ID: "019a0000-0000-7000-8000-000000000010"}
	if err := objects.Put(t.Context(), upload.DefaultLayout.FilesKey(ref), bytes.NewReader([]byte("x")), 1); err != nil {
		t.Fatal(err)
	}
	for _, dry := range []bool{true, false} {
		m := &migrate.Migration{From: source, To: target, Objects: objects, Layout: upload.DefaultLayout, LegacyImages: anyLegacyImage{}, DryRun: dry}
		report, err := m.Run(t.Context(), migrate.Place{})
		// Of each entry two are stored with a file; none of them has the version "f".
		if err != nil || report.Unserved != 4 || report.Checked != 6 || !strings.Contains(report.Findings[0].What, "not in the bucket: no version f of files/j/") {
			t.Errorf("dry %t: %+v, %v", dry, report, err)
		}
	}
}

// anyLegacyImage has whatever is asked for.
type anyLegacyImage struct{ upload.LegacyImages }

func (anyLegacyImage) Head(context.Context, upload.Ref) (upload.LegacyImage, error) {
	return upload.LegacyImage{}, nil
}

// silent is buckets that do not answer.
type silent struct {
	upload.Objects
	upload.LegacyImages
}

func (silent) Versions(context.Context, upload.Key) ([]upload.Version, error) { return nil, errTrouble }

func (silent) Head(context.Context, upload.Ref) (upload.LegacyImage, error) {
	return upload.LegacyImage{}, errTrouble
}

// TestABucketThatDoesNotAnswerIsTrouble, and no missing file.
func TestABucketThatDoesNotAnswerIsTrouble(t *testing.T) {
	source, target := stores["memory"](t), stores["memory"](t)
	fill(t, source)
	m := &migrate.Migration{From: source, To: target, Objects: silent{}, LegacyImages: silent{}, Layout: upload.DefaultLayout}
	report, err := m.Run(t.Context(), migrate.Place{})
	if err == nil || report.Unserved != 0 || report.Failed != 6 || report.Checked != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	m.Objects, m.LegacyImages = nil, nil
	if report, err := m.Run(t.Context(), migrate.Place{}); err != nil || report.Same != 18 {
		t.Errorf("once more: %+v, %v", report, err)
	}
}

var oldRefs = []upload.Ref{{Journal: "j", Entry: "e1", Kind: "images", ID: "019a0000-0000-7000-8000-000000000070"}, {Journal: "j", Entry: "e2", Kind: "images", ID: "019a0000-0000-7000-8000-000000000071"}}

func TestMissingImagesOfTheReplacedServiceAreFound(t *testing.T) {
	source, target, old := stores["memory"](t), stores["memory"](t), uploadtest.NewLegacyImages()
	fill(t, source)
	old.Put(oldRefs[0], []byte("x"))
	stands := &oneVersion{served: "f"}
	check := func(name string, m migrate.Migration, unserved, unchecked int) {
		t.Helper()
		m.From, m.To, m.Objects = source, target, stands
		report, err := m.Run(t.Context(), migrate.Place{})
		if err != nil || report.Unserved != unserved || report.Checked+report.Unchecked < 5 || report.Unchecked != unchecked || len(report.Findings) != unserved {
			t.Fatalf("%s: %+v, %v", name, report, err)
		}
		for _, f := range report.Findings {
			if f.Upload != oldRefs[1].String() || !strings.Contains(f.What, "HATCHERY_LEGACY_PREFIX") || !strings.Contains(f.What, "delete the record") {
				t.Errorf("%s: found %+v", name, f)
			}
		}
	}
	check("nobody says where they lie", migrate.Migration{}, 0, 2)
	check("one is missing", migrate.Migration{LegacyImages: old}, 1, 0)
	check("a dry run", migrate.Migration{LegacyImages: old, DryRun: true}, 1, 0)
	adopt := func(ctx context.Context, r upload.Record, dry bool) (*upload.Reason, error) {
		if _, err := old.Head(ctx, r.Ref()); err != nil || dry {
			return nil, err
		}
		_, err := target.Update(ctx, r.Ref(), upload.Adopt(promoted))
		return nil, err
	}
	check("validated, dry", migrate.Migration{LegacyImages: old, Adopt: adopt, DryRun: true}, 1, 0)
	check("validated", migrate.Migration{LegacyImages: old, Adopt: adopt}, 1, 0)
	check("validated, and nobody says where they lie", migrate.Migration{Adopt: adopt}, 1, 0)
	check("validated again", migrate.Migration{LegacyImages: old, Adopt: adopt}, 1, 0)
	// What was promoted is served from its own place, whatever becomes of the old one.
	if err := old.RemoveLegacy(t.Context(), oldRefs[0]); err != nil {
		t.Fatal(err)
	}
	check("promoted before", migrate.Migration{LegacyImages: old}, 1, 0)
	if _, err := target.Update(t.Context(), oldRefs[1], upload.Delete(noon, noon)); err != nil {
		t.Fatal(err)
	}
	if _, err := source.Update(t.Context(), oldRefs[1], upload.Delete(noon, noon)); err != nil {
		t.Fatal(err)
	}
	check("deleted", migrate.Migration{LegacyImages: old, Adopt: adopt}, 0, 0)
}

// TestAnOldImageThatDiffersIsNotJudged: which of the two would it be?
func TestAnOldImageThatDiffersIsNotJudged(t *testing.T) {
	source, target := stores["memory"](t), uploadtest.NewRecords(uploadtest.RecordsOptions{Swap: true})
	fill(t, source)
	for _, ref := range oldRefs {
		target.Overwrite(upload.Record{ID: ref.ID, Journal: ref.Journal, Entry: ref.Entry, Kind: ref.Kind, Name: "another", Extension: "png", CreatedAt: noon, Status: upload.Stored})
	}
	adopt := func(_ context.Context, r upload.Record, _ bool) (*upload.Reason, error) {
		t.Errorf("judged: %+v", r)
		return nil, nil
	}
	if r, err := (&migrate.Migration{From: source, To: target, Adopt: adopt}).Run(t.Context(), migrate.Place{}); err != nil || r.Different != 2 {
		t.Errorf("%+v, %v", r, err)
	}
}

// oneVersion has one version of everything.
type oneVersion struct {
	upload.Objects
	served upload.Version
}

func (o *oneVersion) Versions(context.Context, upload.Key) ([]upload.Version, error) {
	return []upload.Version{o.served}, nil
}

// promoted is what a judged image of the replaced service has.
var promoted = upload.Verdict{Status: upload.Stored, Version: upload.LegacyVersion, Served: "f", At: noon, Size: 3, ContentType: "image/png", SHA256: strings.Repeat("b", 64)}

// TestWhatTheSourcePromotedSinceIsPromotedInTheTarget, and what was deleted after that.
func TestWhatTheSourcePromotedSinceIsPromotedInTheTarget(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, target := stores["memory"](t), open(t)
			fill(t, source)
			m := &migrate.Migration{From: source, To: target}
			if _, err := m.Run(t.Context(), migrate.Place{}); err != nil {
				t.Fatal(err)
			}
			for _, ref := range oldRefs {
				if _, err := source.Update(t.Context(), ref, upload.Adopt(promoted)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := source.Update(t.Context(), oldRefs[1], upload.Delete(noon.Add(time.Hour), noon.Add(2*time.Hour))); err != nil {
				t.Fatal(err)
			}
			for _, want := range []int{2, 0} {
				if r, err := m.Run(t.Context(), migrate.Place{}); err != nil || r.Copied != want || r.Different != 0 {
					t.Fatalf("%+v, %v", r, err)
				}
			}
			if got, err := target.Get(t.Context(), oldRefs[0]); err != nil || got.JudgedVersion != upload.LegacyVersion || got.ServedVersion != "f" {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// TestOldImagesAreAdoptedInEveryTarget: in the target of a migration, and in place.
func TestOldImagesAreAdoptedInEveryTarget(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, target := stores["memory"](t), open(t)
			fill(t, source)
			refuse := false
			var judged []upload.ID
			adopt := func(to upload.Records) func(context.Context, upload.Record, bool) (*upload.Reason, error) {
				return func(ctx context.Context, r upload.Record, dry bool) (*upload.Reason, error) {
					judged = append(judged, r.ID)
					if refuse {
						return &upload.Reason{Code: upload.Corrupt, Message: "Broken."}, nil
					}
					if dry {
						return nil, nil
					}
					_, err := to.Update(ctx, r.Ref(), upload.Adopt(promoted))
					return nil, err
				}
			}
			m := &migrate.Migration{From: source, To: target, AtOnce: 1, Adopt: adopt(target)}
			dry := *m
			dry.DryRun = true
			if r, err := dry.Run(t.Context(), migrate.Place{}); err != nil || r.Adopted != 2 || len(judged) != 2 || len(all(t, target)) != 0 {
				t.Fatalf("a dry run: %+v, %v", r, err)
			}
			refuse = true
			if r, err := m.Run(t.Context(), migrate.Place{}); err != nil || r.Refused != 2 || r.Adopted != 0 || !strings.Contains(r.Findings[0].What, "corrupt: Broken.") {
				t.Fatalf("refused: %+v, %v", r, err)
			}
			refuse = false
			if r, err := m.Run(t.Context(), migrate.Place{}); err != nil || r.Adopted != 2 || r.Refused != 0 || r.Different != 0 {
				t.Fatalf("%+v, %v", r, err)
			}
			judged = nil
			if r, err := m.Run(t.Context(), migrate.Place{}); err != nil || r.Adopted != 0 || r.Different != 0 || r.Copied != 0 || len(judged) != 0 {
				t.Fatalf("again: %+v, %v", r, err)
			}
			in := &migrate.Migration{From: source, To: source, AtOnce: 1, Adopt: adopt(source)}
			if r, err := in.Run(t.Context(), migrate.Place{}); err != nil || r.Adopted != 2 || r.Same != r.Read {
				t.Fatalf("in place: %+v, %v", r, err)
			}
		})
	}
}
