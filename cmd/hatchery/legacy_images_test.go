package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// askBrood makes a request of dev's stand-in as any other program would.
func (h *hatchery) askBrood(t *testing.T, method, path string, body any) string {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, h.env["HATCHERY_BUGOUT_URL"]+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+h.env["HATCHERY_BUGOUT_TOKEN"])
	a, err := h.send(r)
	if err != nil || a.status != http.StatusOK {
		t.Fatalf("%s %s: %d %s, %v", method, path, a.status, a.body, err)
	}
	return string(a.body)
}

// TestImagesOfTheReplacedServiceAreListedServedAndDeleted puts records and objects
// where the replaced service had them.
func TestImagesOfTheReplacedServiceAreListedServedAndDeleted(t *testing.T) {
	const bucket, path = "hatchery-files", "/files/3f0c/entries/old/images"
	t.Setenv("FILES_S3_BUCKET_NAME", bucket) // the replaced service's own names
	t.Setenv("FILES_S3_BUCKET_PREFIX", "dev")
	data := t.TempDir()
	h := startHatchery(t, data, "--records", "bugout")
	picture, script := pngOf(t, 12, 5), []byte("<script>alert(1)</script>")
	images := []struct {
		id, created, name, extension string
		data                         []byte
		contentType, disposition     string
	}{
		{"8c39d1f2-7a5b-4a36-9d2a-0e2f4b9c1a01", "2021-09-19 15:15:00.437163", "my_cat", "png", picture, "image/png",
			`inline; filename="my_cat.png"`},
		{"8c39d1f2-7a5b-4a36-9d2a-0e2f4b9c1a02", "2021-09-19 15:15:01", "false", "png", script,
			"application/octet-stream", `attachment; filename="false.png"`},
	}
	key := func(id string) *string { return aws.String("dev/3f0c/entries/old/images/" + id) }
	for _, i := range images {
		h.askBrood(t, http.MethodPost, "/resources/",
			map[string]any{"application_id": h.env["HATCHERY_BUGOUT_APPLICATION_ID"],
				"resource_data": map[string]string{"id": i.id, "journal_id": "3f0c", "entry_id": "old", "name": i.name,
					"extension": i.extension, "created_at": i.created}})
		if _, err := h.bucketClient().PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket),
			Key: key(i.id), Body: bytes.NewReader(i.data)}); err != nil {
			t.Fatal(err)
		}
	}
	// The bucket, and what is in it, is there again at the next start.
	if code := h.interrupt(); code != exitDone {
		t.Fatalf("exit code %d: %s", code, h.errors)
	}
	h = startHatchery(t, data, "--records", "bugout")
	for _, slash := range []string{"", "/"} {
		c := oldClient{t, h, slash}
		if listed := c.list(path); len(listed) != 2 {
			t.Fatalf("listed are %v", listed)
		}
		for _, i := range images {
			a := c.get(path + "/" + i.id)
			if a.status != http.StatusOK || !bytes.Equal(a.body, i.data) {
				t.Errorf("%s: %d %q", i.name, a.status, a.body)
			}
			for _, line := range []string{"Content-Type: " + i.contentType, "Content-Disposition: " + i.disposition,
				"x-bugout-image-fullname: " + i.name + "." + i.extension, "X-Content-Type-Options: nosniff"} {
				if !strings.Contains(a.header, "\r\n"+line+"\r\n") {
					t.Errorf("%s: there is no %q in\n%s", i.name, line, a.header)
				}
			}
		}
	}
	c := oldClient{t, h, ""}
	deleted := c.call(http.MethodDelete, path+"/"+images[0].id, "", demoToken, "", nil)
	want := map[string]string{"id": images[0].id, "journal_id": "3f0c", "entry_id": "old", "name": "my_cat",
		"extension": "png", "created_at": "2021-09-19 15:15:00.437163"}
	if r := c.record(deleted, "the deleted record"); deleted.status != http.StatusOK || !maps.Equal(r, want) {
		t.Errorf("DELETE: %d %s", deleted.status, deleted.body)
	}
	left, err := h.bucketClient().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucket)})
	if err != nil || len(left.Contents) != 1 || *left.Contents[0].Key != *key(images[1].id) {
		t.Errorf("in the bucket are %v, %v", left, err)
	}
	if kept := h.askBrood(t, http.MethodGet, "/resources/", nil); strings.Contains(kept, images[0].id) ||
		!strings.Contains(kept, images[1].id) {
		t.Errorf("Bugout keeps %s", kept)
	}
	c.refused("a deleted image", c.get(path+"/"+images[0].id), http.StatusNotFound, "")
	if listed := c.list(path); len(listed) != 1 || listed[0]["created_at"] != "2021-09-19 15:15:01.000000" {
		t.Errorf("listed are %v", listed)
	}
}

// TestImagesOfTheReplacedServiceAreValidated: what the policy allows is an upload as
// any other from then on, the rest stays what it was.
func TestImagesOfTheReplacedServiceAreValidated(t *testing.T) {
	const bucket, path = "hatchery-files", "/files/3f0c/entries/old/images"
	const good, fake = "8c39d1f2-7a5b-4a36-9d2a-0e2f4b9c1a01", "8c39d1f2-7a5b-4a36-9d2a-0e2f4b9c1a02"
	t.Setenv("FILES_S3_BUCKET_NAME", bucket)
	t.Setenv("FILES_S3_BUCKET_PREFIX", "dev")
	h := startHatchery(t, t.TempDir(), "--records", "bugout")
	picture := pngOf(t, 12, 5)
	key := func(id string) *string { return aws.String("dev/3f0c/entries/old/images/" + id) }
	for id, body := range map[string][]byte{good: picture, fake: []byte("<script>alert(1)</script>")} {
		h.askBrood(t, http.MethodPost, "/resources/",
			map[string]any{"application_id": h.env["HATCHERY_BUGOUT_APPLICATION_ID"],
				"resource_data": map[string]string{"id": id, "journal_id": "3f0c", "entry_id": "old", "name": "my_cat",
					"extension": "png", "created_at": "2021-09-19 15:15:00.437163"}})
		if _, err := h.bucketClient().PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket), Key: key(id),
			Body: bytes.NewReader(body)}); err != nil {
			t.Fatal(err)
		}
	}
	env := maps.Clone(h.env)
	env["HATCHERY_LEGACY_BUCKET"], env["HATCHERY_LEGACY_PREFIX"] = bucket, "dev"
	for name, value := range h.env {
		if strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, value)
		}
	}
	for _, step := range []struct {
		args []string
		says []string
	}{
		{[]string{"--dry-run"}, []string{"1  would be promoted", "is not promoted: type_mismatch"}},
		{nil, []string{"1  judged and promoted", "is not promoted: type_mismatch"}},
		{nil, []string{"Read 2 records, and looked for 1 file.", "is not promoted: type_mismatch"}},
	} {
		code, out, errs := typed(t, env, append([]string{"migrate", "--validate"}, step.args...)...)
		for _, want := range step.says {
			if code != 0 || !strings.Contains(out, want) {
				t.Fatalf("%v: %d %s %s; want %q", step.args, code, out, errs, want)
			}
		}
	}
	// The promoted one is served from its own place, whatever becomes of the old one.
	if _, err := h.bucketClient().PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket),
		Key: key(good), Body: strings.NewReader("changed")}); err != nil {
		t.Fatal(err)
	}
	c := oldClient{t, h, ""}
	if a := c.get(path + "/" + good); a.status != http.StatusOK || !bytes.Equal(a.body, picture) ||
		!strings.Contains(strings.ToLower(a.header), "\r\netag: ") {
		t.Errorf("%d %s %q", a.status, a.header, a.body)
	}
	if a := c.get(path + "/" + fake); a.status != http.StatusOK ||
		!strings.Contains(a.header, "Content-Disposition: attachment") {
		t.Errorf("%d %s", a.status, a.header)
	}
	// Its deletion removes the legacy image, too.
	if a := c.call(http.MethodDelete, path+"/"+good, "", demoToken, "", nil); a.status != http.StatusOK {
		t.Errorf("DELETE: %d %s", a.status, a.body)
	}
	left, err := h.bucketClient().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(bucket)})
	if err != nil || len(left.Contents) != 1 || *left.Contents[0].Key != *key(fake) {
		t.Errorf("in the bucket are %v, %v", left, err)
	}
}
