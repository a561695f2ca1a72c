//go:build acceptance

package acceptance

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// schemathesis makes requests from docs/openapi.yaml, right ones and wrong ones, and compares each answer with it. The
// seed makes them the same in every run.
func schemathesis(t *testing.T, ready devReady, config string, args ...string) result {
	t.Helper()
	folder := t.TempDir()
	return run(t, command{folder: folder, args: append([]string{tool(t, "schemathesis"), "--no-color", "--config-file",
		write(t, filepath.Join(folder, "schemathesis.toml"), config), "run",
		filepath.Join(moduleRoot(t), "docs", "openapi.yaml"), "--url", ready.API, "--header", "Authorization: demo",
		"--phases", "examples,coverage,fuzzing", "--seed", "1", "--max-examples", "120", "--continue-on-failure",
		"--generation-database", "none"}, args...)})
}

func TestTheAPIIsAsItsDescriptionSays(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "schemathesis.toml"))
	check(t, err)
	config := string(text)
	_, ready := startDev(t, hatcheryProgram(t))
	tested := regexp.MustCompile(`Selected: (\d+)/\d+\s+Tested: (\d+)\s`)
	wantNothingFound := func(t *testing.T, r result) {
		t.Helper()
		if n := tested.FindStringSubmatch(r.stdout); r.code != 0 || n == nil || n[1] != n[2] || n[1] == "0" {
			t.Errorf("a finding, or an operation that was not tried: %s", r)
		}
	}
	t.Run("with made-up paths", func(t *testing.T) {
		wantNothingFound(t, schemathesis(t, ready, config))
	})
	t.Run("about a stored file", func(t *testing.T) {
		dev := localDev{client: &http.Client{Timeout: time.Minute}}
		e := dev.caller(ready.API, "described", "1")
		accepted, err := e.post(t.Context(), "images", "cat.gif", picture(t))
		check(t, err)
		_, err = e.stored(t.Context(), accepted)
		check(t, err)
		parameters := fmt.Sprintf("\n[parameters]\n\"path.journal\" = %q\n\"path.entry\" = %q\n\"path.kind\" = \"images\"\n"+
			"\"path.id\" = %q\n", e.journal, e.id, accepted.ID)
		wantNothingFound(t, schemathesis(t, ready, config+parameters, "--include-path-regex", `\{id\}`,
			"--exclude-method", "DELETE"))
	})
	t.Run("and would be found to be otherwise", func(t *testing.T) {
		description, err := os.ReadFile(filepath.Join(moduleRoot(t), "docs", "openapi.yaml"))
		check(t, err)
		other := strings.ReplaceAll(string(description), "status: {const: ok}", "status: {const: well}")
		file := write(t, filepath.Join(t.TempDir(), "openapi.yaml"), other)
		r := run(t, command{folder: t.TempDir(), args: []string{tool(t, "schemathesis"), "run", file, "--url", ready.API,
			"--phases", "coverage", "--include-path", "/ping", "--generation-database", "none"}})
		if r.code != 1 || !strings.Contains(r.stdout, "Response violates schema") {
			t.Errorf("another answer of /ping was not found: %s", r)
		}
	})
}
