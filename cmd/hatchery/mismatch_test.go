package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// TestAPNGNamedJPGIsRefusedOrStoredAsPNG by POST and by form, as the kind's policy says.
func TestAPNGNamedJPGIsRefusedOrStoredAsPNG(t *testing.T) {
	const corrected = "/files/j1/entries/e1/pictures"
	policy := filepath.Join(t.TempDir(), "policy.json")
	if err := os.WriteFile(policy, []byte(`{"kinds":{"images":{},"pictures":{"mismatch":"correct"},
		"few":{"mismatch":"correct","extensions":["jpg","gif"]}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	onEveryStore(t, func(t *testing.T, store string) {
		h := startHatchery(t, t.TempDir(), "--policy", policy, "--records", store)
		picture := pngOf(t, 8, 1)
		posted := func(path string) record {
			r := h.mustPost(path, "My.Cat.JPG", picture)
			if r.Extension != "jpg" || r.ContentType != nil {
				t.Errorf("%s: pending as %+v", path, r)
			}
			return h.mustSettle(path, r.ID)
		}
		byForm := func(path string) record {
			f, err := h.askForm(path, map[string]any{"name": "My.Cat.jpg", "type": "image/jpeg", "size": len(picture)})
			if err != nil || f.Form.Fields["content-type"] != "image/jpeg" {
				t.Fatalf("%v, %v", f.Form.Fields, err)
			}
			if a, err := h.sendForm(context.Background(), f, picture); err != nil || a.status != http.StatusCreated {
				t.Fatalf("form: %v %d %s", err, a.status, a.body)
			}
			return h.mustSettle(path, f.Record.ID)
		}
		for how, upload := range map[string]func(string) record{"by POST": posted, "by form": byForm} {
			for _, path := range []string{images, "/files/j1/entries/e1/few"} {
				refused := upload(path)
				if refused.Status != "rejected" || refused.Extension != "jpg" || refused.Reason == nil ||
					refused.Reason.Code != "type_mismatch" {
					t.Errorf("%s to %s: %+v", how, path, refused)
				}
			}
			r := upload(corrected)
			if r.Status != "stored" || r.Name != "my_cat" || r.Extension != "png" || r.ContentType == nil ||
				*r.ContentType != "image/png" {
				t.Errorf("%s: %+v", how, r)
				continue
			}
			got := h.do(http.MethodGet, corrected+"/"+r.ID, "", nil)
			if got.status != http.StatusOK || !bytes.Equal(got.body, picture) {
				t.Errorf("%s: answered %d with %d bytes", how, got.status, len(got.body))
			}
			for name, want := range map[string]string{"Content-Type": "image/png", "X-Content-Type-Options": "nosniff",
				"Content-Disposition":     `inline; filename="My.Cat.png"`,
				"x-bugout-image-fullname": "my_cat.png"} {
				if got.header.Get(name) != want {
					t.Errorf("%s: header %s is %q, want %q", how, name, got.header.Get(name), want)
				}
			}
		}
		var list struct{ Pictures []record }
		if err := json.Unmarshal(h.do(http.MethodGet, corrected, "", nil).body, &list); err != nil || len(list.Pictures) != 2 {
			t.Fatalf("list: %v, %d pictures", err, len(list.Pictures))
		}
		for _, r := range list.Pictures {
			if r.Extension != "png" {
				t.Errorf("listed as %+v", r)
			}
		}
		deleted := h.do(http.MethodDelete, corrected+"/"+list.Pictures[0].ID, "", nil)
		if deleted.status != http.StatusOK || deleted.record(t).Extension != "png" {
			t.Errorf("DELETE: %d %s", deleted.status, deleted.body)
		}
	})
}
