package main

import (
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestA200MBFormIsStoredInUnder150MBOfMemory shows what the whole process, S3 server
// included, needs at its peak (VmHWM) while it takes, validates, promotes and gives
// back a large file.
func TestA200MBFormIsStoredInUnder150MBOfMemory(t *testing.T) {
	const size, bound = 200_000_000, 150 << 10 // bytes, kB
	policy := filepath.Join(t.TempDir(), "policy.json")
	if err := os.WriteFile(policy, []byte(`{"kinds":{"images":{"max_bytes":250000000}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	h := startHatchery(t, t.TempDir(), "--policy", policy)
	file := filepath.Join(t.TempDir(), "large.jpg")
	if err := os.WriteFile(file, jpegOf(t, size), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := h.askForm(images, map[string]any{"name": "large.jpg"})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if a, err := h.sendFormFile(t, f, file); err != nil || a.status != http.StatusCreated {
		t.Fatalf("form: %v, %d %s", err, a.status, a.body)
	}
	if r := h.mustSettle(images, f.Record.ID); r.Status != "stored" || r.Size == nil || *r.Size != size {
		t.Fatalf("%+v", r)
	}
	stored := time.Since(began)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.base+images+"/"+f.Record.ID, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "demo")
	res, err := h.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, res.Body)
	if closeErr := res.Body.Close(); err != nil || closeErr != nil || n != size {
		t.Fatalf("read back %d bytes, %v %v", n, err, closeErr)
	}
	peak := peakMemory(t, h.command.Process.Pid)
	t.Logf("%d bytes stored in %v; VmHWM of the process %d kB", size, stored.Round(time.Millisecond), peak)
	if peak >= bound {
		t.Errorf("VmHWM is %d kB, the bound is %d kB", peak, bound)
	}
}

// peakMemory reads VmHWM, in kB.
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kB int
		if n, err := fmt.Sscanf(line, "VmHWM: %d kB", &kB); n == 1 && err == nil {
			return kB
		}
	}
	t.Fatal("the system does not say VmHWM")
	return 0
}

// sendFormFile posts a file to the bucket without holding it in memory.
func (h *hatchery) sendFormFile(t *testing.T, f form, path string) (answer, error) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		return answer{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return answer{}, err
	}
	var frame strings.Builder
	w := multipart.NewWriter(&frame)
	for name, value := range f.Form.Fields {
		if err := w.WriteField(name, value); err != nil {
			return answer{}, err
		}
	}
	if _, err := w.CreateFormFile("file", "large.jpg"); err != nil {
		return answer{}, err
	}
	head := frame.Len()
	if err := w.Close(); err != nil {
		return answer{}, err
	}
	body := io.MultiReader(strings.NewReader(frame.String()[:head]), file, strings.NewReader(frame.String()[head:]))
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, f.Form.URL, body)
	if err != nil {
		return answer{}, err
	}
	req.ContentLength = int64(frame.Len()) + info.Size()
	req.Header.Set("Content-Type", w.FormDataContentType())
	return h.send(req)
}
