//go:build acceptance

package acceptance

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// TestTheImageKeepsUploadsAndEndsWhenAsked builds the Containerfile as CONTRIBUTING.md says, and runs it as the README
// says: not as root, with all it keeps in a volume.
func TestTheImageKeepsUploadsAndEndsWhenAsked(t *testing.T) {
	p := newPodman(t)
	p.must(t, "build", "--quiet", "--tag", "hatchery", releaseFolder(t))
	picture, err := os.ReadFile(filepath.Join(moduleRoot(t), "events", "uploads", "cat.png"))
	check(t, err)

	first := startImage(t, p, "first")
	kept, err := first.post(t.Context(), "images", "cat.png", picture)
	check(t, err)
	kept, err = first.stored(t.Context(), kept)
	check(t, err)
	if user := p.must(t, "top", "first", "huser"); user != "HUSER\n65532" {
		t.Errorf("it runs as %q, want the user 65532", user)
	}
	stopImage(t, p, "first")

	second := startImage(t, p, "second")
	got, err := second.want(t.Context(), http.StatusOK, nil, http.MethodGet, second.path("images", kept.ID), nil)
	check(t, err)
	if !bytes.Equal(got.body, picture) {
		t.Errorf("the picture came back as %s, want its own bytes", got)
	}
	stopImage(t, p, "second")
}

// releaseFolder has what the Containerfile needs: itself, and the archive that goreleaser makes for this machine.
func releaseFolder(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "release")
	check(t, os.MkdirAll(filepath.Join(folder, "dist"), 0o755))
	text, err := os.ReadFile(filepath.Join(moduleRoot(t), "Containerfile"))
	check(t, err)
	check(t, os.WriteFile(filepath.Join(folder, "Containerfile"), text, 0o600))
	program, err := os.ReadFile(devProgram(t))
	check(t, err)

	file, err := os.Create(filepath.Join(folder, "dist", "hatchery_0.0.0_linux_"+runtime.GOARCH+".tar.gz"))
	check(t, err)
	defer file.Close()
	packed := gzip.NewWriter(file)
	archive := tar.NewWriter(packed)
	check(t, archive.WriteHeader(&tar.Header{Name: "hatchery", Mode: 0o755, Size: int64(len(program))}))
	_, err = archive.Write(program)
	check(t, err)
	check(t, archive.Close())
	check(t, packed.Close())
	return folder
}

// startImage runs the image by the name of the container, on the volume "kept", and gives who calls its API.
func startImage(t *testing.T, p podman, container string) entry {
	t.Helper()
	port := freePort(t)
	p.must(t, "run", "--detach", "--name", container, "--publish", fmt.Sprintf("127.0.0.1:%d:8080", port),
		"--volume", "kept:/data", "hatchery")
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	e := entry{stack: &stack{emulator: &emulator{http: client}, api: fmt.Sprintf("http://127.0.0.1:%d", port)},
		journal: "j", id: "e", token: "demo"}
	eventually(t, time.Minute, "the image answers", func() (bool, string) {
		a, err := e.call(t.Context(), http.MethodGet, "/ping", nil)
		if err == nil && a.status == http.StatusOK {
			return true, ""
		}
		return false, fmt.Sprint(a, err, p.run(t, "logs", container))
	})
	return e
}

// stopImage sends SIGTERM, and wants the end within ten seconds.
func stopImage(t *testing.T, p podman, container string) {
	t.Helper()
	p.must(t, "stop", "--time", "10", container) // then it kills, and the code is 137
	if code := p.must(t, "inspect", "--format", "{{.State.ExitCode}}", container); code != "0" {
		t.Errorf("%s ended with %s, want 0:\n%s", container, code, p.run(t, "logs", container))
	}
}
