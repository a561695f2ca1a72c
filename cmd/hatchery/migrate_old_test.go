package main

import (
	"bytes"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestALostImageOfTheReplacedServiceIsSaidUntilItsRecordIsDeleted: its record is
// there, and its file is not.
func TestALostImageOfTheReplacedServiceIsSaidUntilItsRecordIsDeleted(t *testing.T) {
	const bucket, path = "hatchery-files", "/files/3f0c/entries/old/images"
	const whole, lost = "8c39d1f2-7a5b-4a36-9d2a-0e2f4b9c1a01", "8c39d1f2-7a5b-4a36-9d2a-0e2f4b9c1a02"
	t.Setenv("FILES_S3_BUCKET_NAME", bucket)
	t.Setenv("FILES_S3_BUCKET_PREFIX", "dev")
	h := startHatchery(t, t.TempDir(), "--records", "bugout")
	for _, id := range []string{whole, lost} {
		h.askBrood(t, http.MethodPost, "/resources/",
			map[string]any{"application_id": h.env["HATCHERY_BUGOUT_APPLICATION_ID"],
				"resource_data": map[string]string{"id": id, "journal_id": "3f0c", "entry_id": "old", "name": "my_cat",
					"extension": "png", "created_at": "2021-09-19 15:15:00.437163"}})
	}
	if _, err := h.bucketClient().PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket),
		Key: aws.String("dev/3f0c/entries/old/images/" + whole), Body: bytes.NewReader(pngOf(t, 12, 5))}); err != nil {
		t.Fatal(err)
	}
	for name, value := range h.env {
		if strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, value)
		}
	}
	unknown := maps.Clone(h.env)
	for _, name := range []string{"HATCHERY_LEGACY_BUCKET", "HATCHERY_LEGACY_PREFIX", "FILES_S3_BUCKET_NAME",
		"FILES_S3_BUCKET_PREFIX"} {
		delete(unknown, name)
	}
	known := maps.Clone(unknown)
	known["HATCHERY_LEGACY_BUCKET"], known["HATCHERY_LEGACY_PREFIX"] = bucket, "dev"
	elsewhere := maps.Clone(known)
	elsewhere["HATCHERY_LEGACY_BUCKET"] = "no-such-bucket"
	lostSaid := "3f0c/entries/old/images/" + lost + "  its file is not in the replaced service's bucket"
	for _, step := range []struct {
		name string
		env  map[string]string
		args []string
		code int
		says []string
	}{
		{"nobody says where they lie", unknown, []string{"--check-objects"}, exitNo,
			[]string{"2 images of the replaced service not looked for: set HATCHERY_LEGACY_BUCKET",
				"2  not looked for: files of images of the replaced service"}},
		{"looked for", known, []string{"--check-objects"}, exitNo, []string{lostSaid, "delete the record",
			"1  stored, with a file that is not to be found"}},
		{"in a bucket that is none", elsewhere, []string{"--check-objects"}, exitSystem,
			[]string{"2  failed", "NoSuchBucket"}},
		{"a dry validation", known, []string{"--validate", "--dry-run"}, exitNo, []string{lostSaid, "1  would be promoted"}},
		{"validated", known, []string{"--validate"}, exitNo, []string{lostSaid, "1  judged and promoted"}},
		{"validated again", known, []string{"--validate", "--check-objects"}, exitNo,
			[]string{lostSaid, "Read 2 records, and looked for 2 files."}},
	} {
		code, out, errs := typed(t, step.env, append([]string{"migrate", "--from", "bugout", "--to", "bugout"},
			step.args...)...)
		for _, want := range step.says {
			if code != step.code || !strings.Contains(out+errs, want) {
				t.Fatalf("%s: %d %s %s; want %d and %q", step.name, code, out, errs, step.code, want)
			}
		}
	}
	c := oldClient{t, h, ""}
	if a := c.call(http.MethodDelete, path+"/"+lost, "", demoToken, "", nil); a.status != http.StatusOK {
		t.Fatalf("DELETE: %d %s", a.status, a.body)
	}
	if code, out, errs := typed(t, known, "migrate", "--from", "bugout", "--to", "bugout", "--validate",
		"--check-objects"); code != exitDone || out != "Read 1 record, and looked for 1 file.\n" {
		t.Errorf("after the deletion: %d %s %s", code, out, errs)
	}
}
