//go:build acceptance

package acceptance

import (
	"archive/zip"
	"compress/flate"
	"crypto/sha256"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// functionNames are the logical names of the functions in template.yaml.
var functionNames = []string{"ApiFunction", "ValidatorFunction", "ReconcilerFunction"}

// buildFolder is what `sam build` made for one architecture.
type buildFolder struct {
	folder string // has the built template.yaml and a folder for each function
	took   time.Duration
}

// Template is the built template.
func (b buildFolder) Template() string { return filepath.Join(b.folder, "template.yaml") }

// Bootstrap is a function's program.
func (b buildFolder) Bootstrap(function string) string {
	return filepath.Join(b.folder, function, "bootstrap")
}

// builds are those of this process, by architecture.
var builds struct {
	sync.Mutex
	root  string
	ready map[string]buildFolder
}

func removeBuilds() {
	builds.Lock()
	defer builds.Unlock()
	if builds.root != "" {
		_ = os.RemoveAll(builds.root)
	}
}

// builtFunctions builds the project for arm64 or x86_64, once for all tests, as
// the README says to.
func builtFunctions(t testing.TB, architecture string) buildFolder {
	t.Helper()
	builds.Lock()
	defer builds.Unlock()
	if b, ok := builds.ready[architecture]; ok {
		return b
	}
	if builds.root == "" {
		root, err := os.MkdirTemp("", "hatchery-build-")
		if err != nil {
			t.Fatal(err)
		}
		builds.root, builds.ready = root, map[string]buildFolder{}
	}
	b := samBuild(t, moduleRoot(t), architecture, filepath.Join(builds.root, architecture, "build"))
	builds.ready[architecture] = b
	return b
}

// samBuild builds what is in a folder, this project or another commit of it.
func samBuild(t testing.TB, module, architecture, folder string) buildFolder {
	t.Helper()
	r := mustRun(t, command{folder: module, limit: 10 * time.Minute,
		args: []string{tool(t, "sam"), "build", "--config-env", "acceptance", "--template-file", "template.yaml",
			"--build-dir", folder,
			"--parameter-overrides", "Architecture=" + architecture},
		env: bareEnvironment(t, "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false -tags=lambda.norpc '-ldflags=-s -w'")})
	t.Logf("sam build for %s took %s", architecture, r.took.Round(100*time.Millisecond))
	return buildFolder{folder: folder, took: r.took}
}

func TestFunctionsAreStaticDifferentAndSmall(t *testing.T) {
	const largest = 5_000_000 // bytes of a zip
	for architecture, machine := range map[string]elf.Machine{"x86_64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		t.Run(architecture, func(t *testing.T) {
			b := builtFunctions(t, architecture)
			seen := map[[sha256.Size]byte]string{}
			for _, function := range functionNames {
				program, err := os.ReadFile(b.Bootstrap(function))
				if err != nil {
					t.Fatal(err)
				}
				sum := sha256.Sum256(program)
				if other, ok := seen[sum]; ok {
					t.Errorf("%s and %s are the same program", other, function)
				}
				seen[sum] = function
				if err := static(b.Bootstrap(function), machine); err != nil {
					t.Errorf("%s: %v", function, err)
				}
				zipped, err := zippedSize(filepath.Join(b.folder, function))
				if err != nil {
					t.Fatal(err)
				}
				if zipped >= largest {
					t.Errorf("%s's zip has %d bytes, want less than %d", function, zipped, largest)
				}
				t.Logf("%-8s %-18s program %10d bytes, zip %9d bytes", architecture, function, len(program), zipped)
			}
		})
	}
}

// static says what is wrong with a program that has to run on a machine without
// any library.
func static(program string, machine elf.Machine) error {
	file, err := elf.Open(program)
	if err != nil {
		return err
	}
	defer file.Close()
	if file.Machine != machine || file.Type != elf.ET_EXEC && file.Type != elf.ET_DYN {
		return fmt.Errorf("it is a %s for %s, want a program for %s", file.Type, file.Machine, machine)
	}
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			return fmt.Errorf("it is linked dynamically: it has %s", p.Type)
		}
	}
	for _, name := range []string{".interp", ".dynamic"} {
		if file.Section(name) != nil {
			return fmt.Errorf("it is linked dynamically: it has a section %s", name)
		}
	}
	return nil
}

// zippedSize is how large the zip of a folder is as the SAM CLI uploads it.
func zippedSize(folder string) (int64, error) {
	var size counter
	archive := zip.NewWriter(&size)
	archive.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.DefaultCompression)
	})
	if err := archive.AddFS(os.DirFS(folder)); err != nil {
		return 0, err
	}
	if err := archive.Close(); err != nil {
		return 0, err
	}
	return int64(size), nil
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }
