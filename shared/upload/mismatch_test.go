package upload_test

import (
	"bytes"
	"cmp"
	"errors"
	"strings"
	"testing"

	"hatchery/shared/policy"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// corrects has pictures under another one's extension stored as what they are.
func corrects(k *policy.Kind) { k.Mismatch = policy.MismatchCorrect }

// wantCorrected checks that the record, its copy and the copy's disposition have the extension that was found.
func (d *desk) wantCorrected(t *testing.T, r upload.Record, extension string) upload.Record {
	t.Helper()
	got := d.wantStatus(t, r, upload.Stored)
	if got.Extension != extension || got.Name != r.Name || got.ContentType != policy.ExpectedType(extension) {
		t.Errorf("stored as %s.%s, %s; want .%s", got.Name, got.Extension, got.ContentType, extension)
	}
	// What the person called the file is kept: it differs from the corrected name.
	if got.Extension != r.Extension && got.Filename != cmp.Or(r.Filename, r.FullName()) {
		t.Errorf("%s is corrected to .%s, and was called %q", r.FullName(), got.Extension, got.Filename)
	}
	contentType, disposition, _ := d.objects.Described(d.files(r), got.ServedVersion)
	if want := upload.Disposition(got.ContentType, got.DisplayName()); contentType != got.ContentType || disposition != want {
		t.Errorf("the copy is %s, %s; want %s, %s", contentType, disposition, got.ContentType, want)
	}
	return got
}

func TestAPictureUnderAnotherOnesExtensionIsRefusedByDefault(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.jpg", picture(t, "png", 1))
	d.validate(t, r, v, upload.ResultRejected)
	d.wantCode(t, r, upload.TypeMismatch)
	if got := d.record(t, r); got.Extension != "jpg" || got.ContentType != "" {
		t.Errorf("rejected as %+v", got)
	}
	d.wantVersions(t, d.files(r))
}

func TestAPictureUnderAnotherOnesExtensionIsStoredAsWhatItIsWhereThatIsCorrected(t *testing.T) {
	for _, c := range []struct {
		named, is string
		kind      []string // the extensions of the kind
		want      string
	}{
		{"jpg", "png", []string{"png", "jpg", "jpeg"}, "png"},
		{"jpeg", "gif", []string{"jpeg", "gif"}, "gif"},
		{"gif", "bmp", []string{"gif", "bmp"}, "bmp"},
		{"png", "jpeg", []string{"png", "jpg", "jpeg"}, "jpg"},
		{"png", "jpeg", []string{"jpeg", "png", "jpg"}, "jpeg"},
		{"jpeg", "jpeg", []string{"jpg", "jpeg"}, "jpeg"}, // it was right
		{"png", "png", []string{"gif", "png"}, "png"},
	} {
		for _, swap := range []bool{true, false} {
			d := deskOn(uploadtest.RecordsOptions{Swap: swap})
			heard := &told{w: d.watch}
			d.Notifier = heard
			d.kind(func(k *policy.Kind) { corrects(k); k.Extensions = c.kind })
			r, v := d.accept(t, "My.Cat."+c.named, picture(t, c.is, 1))
			if r.Extension != c.named {
				t.Errorf("pending as %+v", r)
			}
			outcome := d.validate(t, r, v, upload.ResultStored)
			if got := d.wantCorrected(t, r, c.want); outcome.Record != got || len(heard.heard) != 1 || heard.heard[0] != got {
				t.Errorf("stored as\n%+v, the outcome is\n%+v, and heard is\n%+v", got, outcome.Record, heard.heard)
			}
		}
	}
}

func TestATypeThatTheKindDoesNotHaveIsNotCorrected(t *testing.T) {
	for what, body := range map[string][]byte{"a GIF": picture(t, "gif", 1), "a script": []byte("<script>"),
		"a picture behind a blank": append([]byte("\n"), picture(t, "png", 1)...)} {
		d := newDesk()
		d.kind(func(k *policy.Kind) { corrects(k); k.Extensions = []string{"jpg", "png"} })
		r, v := d.accept(t, "cat.jpg", body)
		d.validate(t, r, v, upload.ResultRejected)
		if reason := d.wantCode(t, r, upload.TypeMismatch); d.record(t, r).Extension != "jpg" {
			t.Errorf("%s: rejected as .%s: %s", what, d.record(t, r).Extension, reason.Message)
		}
	}
}

func TestWhatIsCorrectedIsHeldAgainstTheWholePolicy(t *testing.T) {
	png := picture(t, "png", 1)
	for what, c := range map[string]struct {
		body     []byte
		declared upload.Declared
		kind     func(*policy.Kind)
		code     upload.Code
	}{
		"cut":           {png[:len(png)-4], upload.Declared{}, corrects, upload.Truncated},
		"with a script": {append(bytes.Clone(png), "<?php"...), upload.Declared{}, corrects, upload.TrailingData},
		"too large a picture": {png, upload.Declared{},
			func(k *policy.Kind) { corrects(k); k.MaxSide = 2 }, upload.TooManyPixels},
		"other bytes than announced": {png, upload.Declared{SHA256: someSum}, corrects, upload.ChecksumMismatch},
	} {
		d := newDesk()
		d.kind(c.kind)
		q := request("cat.jpg")
		q.Declared = c.declared
		r, v := d.acceptAs(t, q, c.body)
		d.validate(t, r, v, upload.ResultRejected)
		d.wantCode(t, r, c.code)
		if got := d.record(t, r); got.Extension != "jpg" {
			t.Errorf("%s: rejected as .%s", what, got.Extension)
		}
		d.wantVersions(t, d.files(r))
	}
}

// TestARejectedUploadKeepsTheExtensionByWhichItIsJudgedAgain: of a duplicate the type is known, and the record is
// reopened as it was accepted.
func TestARejectedUploadKeepsTheExtensionByWhichItIsJudgedAgain(t *testing.T) {
	d := newDesk()
	d.kind(func(k *policy.Kind) { corrects(k); refuseDuplicates(k) })
	body := picture(t, "png", 1)
	first, v := d.accept(t, "first.png", body)
	d.validate(t, first, v, upload.ResultStored)
	r, v := d.accept(t, "second.jpg", body)
	d.validate(t, r, v, upload.ResultRejected)
	d.wantCode(t, r, upload.Duplicate)
	if got := d.record(t, r); got.Extension != "jpg" || got.ContentType != "image/png" {
		t.Errorf("rejected as .%s, %s", got.Extension, got.ContentType)
	}
	d.kind(func(k *policy.Kind) { k.Mismatch = policy.MismatchRefuse })
	d.recheck(t, r)
	d.validate(t, r, v, upload.ResultRejected)
	d.wantCode(t, r, upload.TypeMismatch)
}

func TestARecheckCorrectsWhatWasRefusedBefore(t *testing.T) {
	d := newDesk()
	r, v := d.accept(t, "cat.jpg", picture(t, "png", 1))
	d.validate(t, r, v, upload.ResultRejected)
	d.kind(corrects)
	record, facts, reason, err := d.Reinspect(t.Context(), r.Ref())
	if err != nil || reason != nil || facts.Extension != "png" || facts.ContentType != "image/png" ||
		record.Extension != "jpg" {
		t.Errorf("a dry run: %+v, %+v, %v, %v", record, facts, reason, err)
	}
	d.recheck(t, r)
	d.validate(t, r, v, upload.ResultStored)
	d.wantCorrected(t, r, "png")
}

// TestACopyFromBeforeACrashHasTheTypeThatIsFoundAgain, beside its version and in its place.
func TestACopyFromBeforeACrashHasTheTypeThatIsFoundAgain(t *testing.T) {
	for _, swap := range []bool{true, false} {
		for _, alone := range []bool{false, true} {
			d := deskOn(uploadtest.RecordsOptions{Swap: swap})
			d.kind(corrects)
			r, v := d.accept(t, "cat.jpg", picture(t, "png", 1))
			d.fail(upload.SettleName)
			d.validateInTrouble(t, r, v)
			d.heal()
			event := v
			if alone {
				d.removed(t, d.quarantine(r), v)
				event = ""
			}
			if got := d.record(t, r); got.Extension != "jpg" {
				t.Fatalf("pending as .%s", got.Extension)
			}
			d.validate(t, r, event, upload.ResultStored)
			d.wantCorrected(t, r, "png")
		}
	}
}

// TestACopyIsNotServedWhereTheTypeIsNotCorrectedAnyMore: the policy was changed between the copy and the verdict.
func TestACopyIsNotServedWhereTheTypeIsNotCorrectedAnyMore(t *testing.T) {
	d := newDesk()
	d.kind(corrects)
	r, v := d.accept(t, "cat.jpg", picture(t, "png", 1))
	d.fail(upload.SettleName)
	d.validateInTrouble(t, r, v)
	d.heal()
	d.kind(func(k *policy.Kind) { k.Mismatch = policy.MismatchRefuse })
	d.validate(t, r, v, upload.ResultRejected)
	d.wantCode(t, r, upload.TypeMismatch)
	d.validate(t, r, v, upload.ResultAlreadySettled)
	d.wantVersions(t, d.files(r))
}

func TestALegacyImageIsCorrectedWhenItIsJudged(t *testing.T) {
	d, _, r := oldDesk(t, picture(t, "gif", 1)) // named my_cat.png
	if _, reason, err := d.AdoptLegacy(t.Context(), r); err != nil || reason == nil || reason.Code != upload.TypeMismatch {
		t.Fatalf("by default: %v, %v", reason, err)
	}
	d.kind(corrects)
	if facts, reason, err := d.JudgeLegacy(t.Context(), r); err != nil || reason != nil || facts.Extension != "gif" {
		t.Errorf("a dry run: %+v, %v, %v", facts, reason, err)
	}
	d.before[upload.AdoptName] = func() error { return errTrouble }
	if _, _, err := d.AdoptLegacy(t.Context(), r); !errors.Is(err, errTrouble) {
		t.Fatal(err)
	}
	d.heal()
	got, reason, err := d.AdoptLegacy(t.Context(), r)
	if err != nil || reason != nil {
		t.Fatalf("%v, %v", reason, err)
	}
	if kept := d.wantCorrected(t, r, "gif"); kept != got {
		t.Errorf("adopted as\n%+v, kept as\n%+v", got, kept)
	}
}

func TestATypeOfTheKindMayBeDeclaredWhereItIsCorrected(t *testing.T) {
	d := newDesk()
	q := request("cat.jpg")
	q.Declared.Type = "IMAGE/PNG"
	if _, err := d.Draft(q); err == nil || !strings.Contains(err.Error(), "send image/jpeg or no type") {
		t.Errorf("by default: %v", err)
	}
	d.kind(corrects)
	r, v := d.acceptAs(t, q, picture(t, "gif", 1))
	d.validate(t, r, v, upload.ResultStored)
	d.wantCorrected(t, r, "gif") // what was declared decides nothing
	q.Declared.Type = "text/html"
	if _, err := d.Draft(q); err == nil {
		t.Error("a type that no extension of the kind has was taken")
	}
}
