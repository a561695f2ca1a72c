package bootstrap_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkFloorOfMemory measures the memory of a function that only returns its event. What aws-lambda-go keeps of an
// event for itself is the least that any function on it needs.
func BenchmarkFloorOfMemory(b *testing.B) {
	program := filepath.Join(b.TempDir(), "bootstrap")
	build := exec.CommandContext(b.Context(), "go", "build", "-ldflags=-s -w", "-o", program, "./testdata/returns")
	if text, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, text)
	}
	for _, c := range []struct {
		name string
		size int
	}{{"2 kB", 2_000}, {"1.34 MB, a file of 1 MB", 1_340_000}, {"5.87 MB, a file of 4.4 MB", 5_870_000}} {
		b.Run(c.name, func(b *testing.B) {
			event := []byte(`"` + strings.Repeat("x", c.size-2) + `"`)
			asked := make(chan bool)
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodPost {
					if reply, err := io.ReadAll(r.Body); err != nil || !bytes.Equal(reply, event) {
						b.Errorf("%d bytes came back, %v", len(reply), err)
					}
					w.WriteHeader(http.StatusAccepted)
					return
				}
				select {
				case asked <- true:
				case <-r.Context().Done():
					return
				}
				w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10))
				_, _ = w.Write(event)
			}))
			defer api.Close()
			function := exec.CommandContext(b.Context(), program)
			function.Env = []string{"AWS_LAMBDA_RUNTIME_API=" + api.Listener.Addr().String()}
			if err := function.Start(); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				<-asked
			}
			<-asked // the last one has been answered
			b.ReportMetric(float64(peak(b, function.Process.Pid))/1e6, "peak-MB")
			_ = function.Process.Kill()
			_ = function.Wait()
		})
	}
}

// peak is VmHWM of a process, in bytes.
func peak(b *testing.B, pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	line, _, _ := strings.Cut(rest, "kB")
	kilobytes, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		b.Fatal(err)
	}
	return kilobytes << 10
}
