//go:build acceptance

package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAForkCanBeInstalled changes the module's path as CONTRIBUTING.md says, publishes the result as a git repository of
// that address, and installs the command from there by its version.
func TestAForkCanBeInstalled(t *testing.T) {
	const (
		address = "https://example.com/team/hatchery"
		path    = "example.com/team/hatchery.git" // .git says to go, without asking example.com, that this is the repository
	)
	fork, bin := t.TempDir(), t.TempDir()
	version := fmt.Sprintf("v0.1.%d", time.Now().Unix()) // another one each time: go keeps what it fetched
	env := bareEnvironment(t, "CGO_ENABLED=0", "GOFLAGS=-modcacherw", "GOBIN="+bin, "GOPRIVATE=example.com", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_COUNT=3",
		"GIT_CONFIG_KEY_0=url.file://"+fork+".insteadOf", "GIT_CONFIG_VALUE_0="+address,
		"GIT_CONFIG_KEY_1=user.name", "GIT_CONFIG_VALUE_1=A Fork",
		"GIT_CONFIG_KEY_2=user.email", "GIT_CONFIG_VALUE_2=fork@example.com")
	bash := func(folder, script string) result {
		t.Helper()
		return mustRun(t, command{folder: folder, env: env, limit: 10 * time.Minute,
			args: []string{tool(t, "bash"), "-euo", "pipefail", "-c", script}})
	}
	bash(moduleRoot(t), "git ls-files -z --cached --others --exclude-standard | tar -c --null -T - | tar -x -C "+fork)

	commands := codeBlocks(t, "CONTRIBUTING.md", "## A fork, and `go install`")[0]
	const shown = "github.com/example/hatchery"
	if !strings.Contains(commands, shown) {
		t.Fatalf("the page's commands do not name %s: %s", shown, commands)
	}
	bash(fork, "git init -q && git add . && git commit -qm before")
	bash(fork, strings.ReplaceAll(commands, shown, path))
	bash(fork, "go test ./shared && git commit -qam fork && git tag "+version)

	t.Cleanup(func() { forget(t, strings.TrimSpace(bash(fork, "go env GOMODCACHE").stdout), address, path) })
	bash(bin, "go install "+path+"/cmd/hatchery@"+version)
	said := mustRun(t, command{args: []string{filepath.Join(bin, "hatchery"), "--version"}}).stdout
	if !strings.HasPrefix(said, "hatchery "+version+" ") {
		t.Errorf("the installed command says %q, want version %s", said, version)
	}
}

// forget removes from Go's cache of modules what go install put there.
func forget(t *testing.T, cache, address, path string) {
	extracted, err := filepath.Glob(filepath.Join(cache, path+"@*"))
	check(t, err)
	for _, folder := range append(extracted, filepath.Join(cache, "cache", "download", path)) {
		check(t, os.RemoveAll(folder))
	}
	infos, err := filepath.Glob(filepath.Join(cache, "cache", "vcs", "*.info"))
	check(t, err)
	for _, info := range infos {
		of, err := os.ReadFile(info)
		check(t, err)
		if strings.Contains(string(of), address) {
			check(t, os.RemoveAll(strings.TrimSuffix(info, ".info")))
			check(t, os.RemoveAll(strings.TrimSuffix(info, ".info")+".lock"))
			check(t, os.Remove(info))
		}
	}
}
