package main

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestBytesThatSomebodyRemovesAreFoundOut: accepted uploads wait for a validator, and somebody
// removes the bytes of two of them, by their version and on the disk, before it starts.
func TestBytesThatSomebodyRemovesAreFoundOut(t *testing.T) {
	for _, store := range stores {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			data := filepath.Join(t.TempDir(), "data")
			h := startHatchery(t, data, "--no-validator", "--records", store)
			removed := h.mustPost(images, "removed.png", pngOf(t, 20, 1))
			onDisk := h.mustPost(images, "on-disk.png", pngOf(t, 20, 2))
			spared := h.mustPost(images, "spared.png", pngOf(t, 20, 3))
			posted, err := h.askForm(images, map[string]any{"name": "posted.png"})
			if err != nil {
				t.Fatal(err)
			}
			if a, err := h.sendForm(t.Context(), posted, pngOf(t, 20, 4)); err != nil || a.status/100 != 2 {
				t.Fatalf("the form is answered %d %s, %v", a.status, a.body, err)
			}
			h.removeVersions(t, removed.ID)
			h.removeVersions(t, posted.Record.ID)
			if code := h.interrupt(); code != 0 {
				t.Fatalf("exit %d\n%s", code, h.errors)
			}
			removeFromDisk(t, filepath.Join(data, "s3"), onDisk.ID)

			h = startHatchery(t, data, "--records", store)
			if r := h.mustSettle(images, spared.ID); r.Status != "stored" {
				t.Errorf("the upload that nobody touched is %+v", r)
			}
			for _, id := range []string{removed.ID, onDisk.ID, posted.Record.ID} {
				if r := h.whenLost(id); r.Status != "pending" {
					t.Errorf("an upload without bytes is %+v", r)
				}
			}
			out, complaints, code := command(t, "reconcile", "--data", data, "--records", store, "--older-than", "0s", "--json")
			var r report
			if err := json.Unmarshal([]byte(out), &r); err != nil || code != 1 || len(r.Findings) != 3 || r.Reenqueued != 0 {
				t.Fatalf("exit %d, %v, %s%s", code, err, out, complaints)
			}
			for _, f := range r.Findings {
				if f.What != "bytes_lost" || f.Upload == spared.ID {
					t.Errorf("found %+v", f)
				}
			}
			// The form may still be posted.
			if a, err := h.sendForm(t.Context(), posted, pngOf(t, 20, 4)); err != nil || a.status/100 != 2 {
				t.Fatalf("the form is answered %d %s, %v", a.status, a.body, err)
			}
			if r := h.mustSettle(images, posted.Record.ID); r.Status != "stored" {
				t.Errorf("posted again it is %+v", r)
			}
			out, _, code = command(t, "reconcile", "--data", data, "--records", store, "--older-than", "0s")
			if code != 1 || !strings.Contains(out, "2  uploads whose bytes came, and were removed before they were judged") ||
				!strings.Contains(out, "bytes lost: version ") {
				t.Errorf("for a person: exit %d, %s", code, out)
			}
		})
	}
}

// removeVersions removes what an upload has in quarantine, each version by its id.
func (h *hatchery) removeVersions(t *testing.T, id string) {
	t.Helper()
	bucket := aws.String(h.env["HATCHERY_BUCKET"])
	list, err := h.bucketClient().ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: bucket,
		Prefix: aws.String("quarantine/j1/entries/e1/images/" + id)})
	if err != nil || len(list.Versions) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, v := range list.Versions {
		if _, err := h.bucketClient().DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: v.Key,
			VersionId: v.VersionId}); err != nil {
			t.Fatal(err)
		}
	}
}

// removeFromDisk removes all that is named after an upload below a folder.
func removeFromDisk(t *testing.T, folder, id string) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.Contains(d.Name(), id) {
			return err
		}
		n++
		if err := os.RemoveAll(path); err != nil || !d.IsDir() {
			return err
		}
		return fs.SkipDir
	})
	if err != nil || n == 0 {
		t.Fatalf("%d files removed, %v", n, err)
	}
}

// whenLost waits until the validator has said that an upload's bytes are lost.
func (h *hatchery) whenLost(id string) record {
	h.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; {
		r := h.do(http.MethodGet, images+"/"+id+"/status?wait=1", "", nil).record(h.t)
		for line := range strings.Lines(h.log.String()) {
			if strings.Contains(line, id) && strings.Contains(line, `"result":"lost"`) {
				return r
			}
		}
		if r.Status != "pending" || time.Now().After(end) {
			h.t.Fatalf("%s is %+v, and nothing says that its bytes are lost\n%s", id, r, h.log)
		}
	}
}
