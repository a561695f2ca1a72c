package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// versionsOf counts what the bucket holds of an upload, or with id "" of the entry.
func (h *hatchery) versionsOf(t *testing.T, prefix, id string) int {
	t.Helper()
	list, err := h.bucketClient().ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{
		Bucket: aws.String(h.env["HATCHERY_BUCKET"]), Prefix: aws.String(prefix + "/j1/entries/e1/images/" + id)})
	if err != nil {
		t.Fatal(err)
	}
	return len(list.Versions) + len(list.DeleteMarkers)
}

// wantVersions waits until the bucket holds so many, half a minute at most.
func (h *hatchery) wantVersions(t *testing.T, prefix, id string, n int) {
	t.Helper()
	look, giveUp := time.NewTicker(20*time.Millisecond), time.NewTimer(30*time.Second)
	defer look.Stop()
	defer giveUp.Stop()
	for got := h.versionsOf(t, prefix, id); got != n; got = h.versionsOf(t, prefix, id) {
		select {
		case <-look.C:
		case <-giveUp.C:
			t.Fatalf("%s has %d versions of upload %q, want %d", prefix, got, id, n)
		}
	}
}

func TestWhatAFormBringsAfterTheDeletionIsRemovedInEveryStore(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store string) {
		h := startHatchery(t, t.TempDir(), "--records", store)
		f, err := h.askForm(images, map[string]any{"name": "cat.png"})
		if err != nil {
			t.Fatal(err)
		}
		post := func(n uint64) {
			t.Helper()
			if a, err := h.sendForm(context.Background(), f, pngOf(t, 4, n)); err != nil || a.status != http.StatusCreated {
				t.Fatalf("form: %v %d %s", err, a.status, a.body)
			}
		}
		post(1)
		if r := h.mustSettle(images, f.Record.ID); r.Status != "stored" {
			t.Fatalf("%+v", r)
		}
		at := images + "/" + f.Record.ID
		for _, want := range []int{http.StatusOK, http.StatusNotFound} {
			if a := h.do(http.MethodDelete, at, "", nil); a.status != want {
				t.Errorf("deletion: %d, want %d: %s", a.status, want, a.body)
			}
		}
		for n := range uint64(5) {
			post(2 + n)
		}
		h.wantVersions(t, "quarantine", f.Record.ID, 0)
		h.wantVersions(t, "files", f.Record.ID, 0)
		if a := h.do(http.MethodGet, at, "", nil); a.status != http.StatusNotFound {
			t.Errorf("afterwards: %d %s", a.status, a.body)
		}
	})
}

func TestRejectedBytesThatWentAreToldOf(t *testing.T) {
	policy := filepath.Join(t.TempDir(), "policy.json")
	if err := os.WriteFile(policy, []byte(`{"kinds":{"images":{"max_bytes":1000,"max_files":2}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	h := startHatchery(t, data, "--policy", policy)
	var ids []string
	for range 5 {
		r := h.mustPost(images, "cat.png", bytes.Repeat([]byte("x"), 1000))
		h.mustSettle(images, r.ID)
		ids = append(ids, r.ID)
	}
	h.wantVersions(t, "quarantine", "", 2)
	for i, id := range ids {
		shown := showsUpload(t, "--data", data, id)
		if went := shown.tells("its bytes were removed from quarantine: the rejected uploads of its entry"); went != (i < 3) {
			t.Errorf("upload %d: %+v", i, shown.Events)
		}
	}
	out, _ := operates(t, exitNo, "recheck", "--data", data, ids[0])
	if !strings.Contains(out, "its bytes were removed from quarantine at 20") {
		t.Errorf("recheck says %s", out)
	}
	out, _ = operates(t, exitDone, "show", "--data", data, ids[0])
	if !strings.Contains(out, "Its bytes are gone: it has to be uploaded again.") {
		t.Errorf("show says %s", out)
	}
	operates(t, exitDone, "recheck", "--data", data, ids[4])
}
