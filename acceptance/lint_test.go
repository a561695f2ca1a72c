//go:build acceptance

package acceptance

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSAMAcceptsTheTemplate(t *testing.T) {
	t.Parallel()
	mustRun(t, command{args: []string{tool(t, "sam"), "validate", "--lint", "--template", "template.yaml"},
		folder: moduleRoot(t)})
}

func TestTheLinterOfCloudFormationFindsNothing(t *testing.T) {
	t.Parallel()
	mustRun(t, command{args: append([]string{tool(t, "cfn-lint")}, slices.Sorted(maps.Keys(goldenFiles))...),
		folder: moduleRoot(t)})
}

func TestTheTransformedTemplatesAreTheCommittedOnes(t *testing.T) {
	t.Parallel()
	for name, file := range goldenFiles {
		made := mustRun(t, command{args: []string{tool(t, "python"), filepath.Join("acceptance", "testdata", "transform.py"),
			name}, folder: moduleRoot(t)}).stdout
		wantFile(t, file, made, "go test -tags acceptance ./acceptance -run Transformed -update")
	}
}

// TestTheRightsOfTheTransformedResourcesAreTheCommittedOnes: what AWS says of them is in the packages that are pinned.
func TestTheRightsOfTheTransformedResourcesAreTheCommittedOnes(t *testing.T) {
	t.Parallel()
	const file = "testdata/rights.json"
	made := mustRun(t, command{args: append([]string{tool(t, "python"), filepath.Join("acceptance", "testdata", "rights.py")},
		slices.Sorted(maps.Keys(goldenFiles))...), folder: moduleRoot(t)}).stdout
	wantFile(t, file, made, "go test -tags acceptance ./acceptance -run Transformed -update")
}

// checked is what checkov says of one resource.
type checked struct {
	ID       string `json:"check_id"`
	Resource string `json:"resource"`
	Result   struct {
		Reason string `json:"suppress_comment"`
	} `json:"check_result"`
}

func (c checked) String() string { return c.Resource + " " + c.ID }

// checkov looks for what is unsafe. It works without a network: its rules are its own.
func checkov(t *testing.T, folder string) (code int, failed, skipped []checked) {
	t.Helper()
	args := []string{tool(t, "checkov"), "--framework", "cloudformation", "--skip-download", "--compact", "--output", "json"}
	for name := range goldenFiles {
		args = append(args, "--file", filepath.Join(folder, name))
	}
	r := run(t, command{args: args})
	var found struct {
		Results struct {
			Passed  []checked `json:"passed_checks"`
			Failed  []checked `json:"failed_checks"`
			Skipped []checked `json:"skipped_checks"`
		} `json:"results"`
	}
	if err := json.Unmarshal([]byte(r.stdout), &found); err != nil || len(found.Results.Passed) == 0 {
		t.Fatalf("checkov's answer cannot be read (%v): %s", err, r)
	}
	return r.code, found.Results.Failed, found.Results.Skipped
}

func TestNothingUnsafeIsFoundButWhatIsSkippedWithAReason(t *testing.T) {
	t.Parallel()
	code, failed, skipped := checkov(t, moduleRoot(t))
	if code != 0 || len(failed) > 0 {
		t.Errorf("checkov ended with %d: %v", code, failed)
	}
	for _, s := range skipped {
		if len(strings.Fields(s.Result.Reason)) < 4 {
			t.Errorf("%s is skipped with the reason %q", s, s.Result.Reason)
		}
	}

	// Without the skips exactly these are found: none of them is a relic.
	bare := t.TempDir()
	for name := range goldenFiles {
		template, err := os.ReadFile(filepath.Join(moduleRoot(t), name))
		if err != nil {
			t.Fatal(err)
		}
		template = bytes.ReplaceAll(template, []byte(" checkov:"), []byte(" unread:"))
		if err := os.WriteFile(filepath.Join(bare, name), template, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, failed, _ = checkov(t, bare)
	if got, want := names(failed), names(skipped); !slices.Equal(got, want) {
		t.Errorf("found without the skips: %v\nskipped: %v", got, want)
	}
}

func names(found []checked) []string {
	var all []string
	for _, c := range found {
		all = append(all, c.String())
	}
	slices.Sort(all)
	return slices.Compact(all)
}
