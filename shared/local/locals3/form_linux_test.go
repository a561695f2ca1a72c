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
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
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

// Fields that nobody signed cost no memory.
func TestFieldsOfAFormAreNotHeldInMemory(t *testing.T) {
	const size, limit = 96 << 20, 90 << 10 // bytes, kB
	s := startChild(t, filepath.Join(t.TempDir(), "s3"))
	head := "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n"
	body := io.MultiReader(strings.NewReader(head), io.LimitReader(letters{}, size))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/"+bucket, body)
	if err != nil {
		t.Fatal(err)
	}
	request.ContentLength = int64(len(head)) + size
	request.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	// Whether the answer or the end of the connection is seen first, does not matter.
	if response, err := http.DefaultClient.Do(request); err == nil {
		defer response.Body.Close()
		if response.StatusCode != http.StatusBadRequest {
			t.Errorf("status %d", response.StatusCode)
		}
	}
	if got := peakMemory(t, s.Process.Pid); got > limit {
		t.Errorf("the server took %d kB for fields of %d kB, want at most %d kB", got, size>>10, limit)
	}
}

// letters is a line without an end.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'a'
	}
	return len(p), nil
}

// Without file descriptors the server fails; with them again it goes on, though nobody started it anew.
func TestTheServerRecoversWhenThereAreFileDescriptorsAgain(t *testing.T) {
	s := startChild(t, filepath.Join(t.TempDir(), "s3"), filesEnv+"=48")
	var group sync.WaitGroup
	var failed atomic.Int32
	once := clientFor(s.url, secretKey, func(o *s3.Options) {
		o.HTTPClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	})
	for n := range 64 {
		group.Go(func() {
			for range 5 {
				_, err := once.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket),
					Key: aws.String(fmt.Sprintf("quarantine/%d", n)), Body: strings.NewReader("bytes")})
				if err != nil {
					failed.Add(1)
				}
			}
		})
	}
	group.Wait()
	if failed.Load() == 0 {
		t.Fatal("the server did not run out of file descriptors")
	}
	t.Logf("%d requests failed", failed.Load())
	out, err := s.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket),
		Key: aws.String("quarantine/after"), Body: strings.NewReader("bytes")})
	if err != nil || aws.ToString(out.VersionId) == "" {
		t.Errorf("afterwards: %v, %v", out, err)
	}
	for n := range 64 { // each key, too: none is left half changed
		_, err := s.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(bucket),
			Key: aws.String(fmt.Sprintf("quarantine/%d", n)), Body: strings.NewReader("bytes")})
		if err != nil {
			t.Fatalf("afterwards, key %d: %v", n, err)
		}
	}
}
