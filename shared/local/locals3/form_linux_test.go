package locals3_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A form is as large as the policy allows, so it must never be in memory as a whole. The server is a process of its
// own here, to have its memory measured alone.
func TestALargeFormIsNotHeldInMemory(t *testing.T) {
	const size, limit = 96 << 20, 90 << 10 // bytes, kB; parsed in memory, it takes over 400,000 kB
	s := startChild(t, filepath.Join(t.TempDir(), "s3"))
	key := "quarantine/large"
	ours := client
	client = s.client
	defer func() { client = ours }()
	form := signedFormUpTo(t, key, time.Minute, size)

	var head bytes.Buffer
	w := multipart.NewWriter(&head)
	for name, value := range form.Values {
		if err := w.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.CreateFormFile("file", "large.png"); err != nil {
		t.Fatal(err)
	}
	tail := "\r\n--" + w.Boundary() + "--\r\n"
	body := io.MultiReader(&head, io.LimitReader(rand.NewChaCha8([32]byte{}), size), strings.NewReader(tail))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, form.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	request.ContentLength = int64(head.Len()) + size + int64(len(tail))
	request.Header.Set("Content-Type", w.FormDataContentType())
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if answer, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusNoContent {
		t.Fatalf("form: %d %s", response.StatusCode, answer)
	}
	if got := peakMemory(t, s.Process.Pid); got > limit {
		t.Errorf("the server took %d kB for a form of %d kB, want at most %d kB", got, size>>10, limit)
	} else {
		t.Logf("peak memory %d kB for a form of %d kB", got, size>>10)
	}
}

// peakMemory is the largest resident set that a process ever had, in kB.
func peakMemory(t *testing.T, pid int) (kB int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(rest, &kB); err != nil {
		t.Fatalf("VmHWM: %v", err)
	}
	return kB
}
