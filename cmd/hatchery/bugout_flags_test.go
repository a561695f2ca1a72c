package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hatchery/shared/local"
)

// written makes a file of its own with a text.
func written(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestAFaultIsToldOfWhatWasTyped(t *testing.T) {
	const secret = "prod/bugout-token"
	noToken := written(t, secret+"\n")
	elsewhere := httptest.NewServer(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	t.Cleanup(elsewhere.Close)
	brood := startBrood(t)
	stranger := written(t, "22222222-2222-4222-8222-222222222222\n")
	dev := []string{"dev", "--data", t.TempDir(), "--records", "bugout", "--bugout"}
	at := func(url, file string) []string {
		return []string{"bugout", "check", "--url", url, "--application", broodApplication, "--token-file", file}
	}
	for name, c := range map[string]struct {
		env  map[string]string
		args []string
		code int
		says []string
		not  string
	}{
		"a URL of a flag": {nil, []string{"bugout", "check", "--url", "ftp://x"}, exitUsage,
			[]string{"\n--url: found", "--token-file or HATCHERY_BUGOUT_TOKEN: found nothing"}, "ARN"},
		"an application of a flag": {nil, []string{"bugout", "check", "--application", "x"}, exitUsage,
			[]string{"\n--application: found"}, "HATCHERY_BUGOUT_APPLICATION_ID"},
		"a URL in clear": {nil, []string{"bugout", "check", "--url", "http://bugout.example"}, exitUsage,
			[]string{"\n--url: found"}, ""},
		"a file without a token": {nil, at(brood.URL(), noToken), exitUsage,
			[]string{"--token-file: the first line of"}, secret},
		"a token of the file": {nil, at(brood.URL(), stranger), exitNo, []string{"--token-file"},
			"hatchery bugout check"},
		"another server": {nil, at(elsewhere.URL, stranger), exitSystem,
			[]string{"does not look like Bugout"}, ""},
		"a group that is none": {nil, []string{"bugout", "register", "--group", "foo", "--name", "n"}, exitUsage,
			[]string{"--group: found \"foo\""}, ""},
		"dev's file": {nil, append(dev, brood.URL(), "--bugout-token-file", "nowhere"), exitUsage,
			[]string{"--bugout-token-file: "}, " --token-file"},
		"dev's URL": {nil, append(dev, "ftp://x"), exitUsage,
			[]string{"\n--bugout: found", "--bugout-token-file or HATCHERY_BUGOUT_TOKEN: found nothing"}, "HATCHERY_BUGOUT_URL"},
		"the reconciler's URL": {map[string]string{"HATCHERY_RECORDS": "bugout"},
			[]string{"reconcile", "--url", "ftp://x"}, exitUsage, []string{"\n--url: found"}, ""},
		"Bugout, where it is not": {map[string]string{"HATCHERY_RECORDS": "dynamodb"},
			[]string{"reconcile", "--url", "https://x"}, exitUsage, []string{"HATCHERY_RECORDS is not bugout"}, ""},
		"Bugout, and dev's records": {nil, []string{"reconcile", "--data", "d", "--token-file", stranger}, exitUsage,
			[]string{"not about --data"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := typed(t, c.env, c.args...)
			for _, want := range c.says {
				if !strings.Contains(errs, want) {
					t.Errorf("%q is not said", want)
				}
			}
			if code != c.code || c.not != "" && strings.Contains(errs, c.not) {
				t.Errorf("%d, want %d and nothing of %q: %s %s", code, c.code, c.not, out, errs)
			}
		})
	}
}

// TestADeploymentWhoseTokenIsASecretIsReconciledWithAFile: a function's environment has
// the secret's name.
func TestADeploymentWhoseTokenIsASecretIsReconciledWithAFile(t *testing.T) {
	h := startHatchery(t, t.TempDir(), "--records", "bugout")
	h.mustSettle(images, h.mustPost(images, "cat.png", pngOf(t, 4, 1)).ID)
	file := written(t, h.env["HATCHERY_BUGOUT_TOKEN"]+"\n")
	for name, value := range h.env {
		t.Setenv(name, value)
	}
	t.Setenv("HATCHERY_BUGOUT_TOKEN", "hatchery/bugout-token")
	if _, errs, code := command(t, "reconcile"); code != exitUsage || !strings.Contains(errs, "file of --token-file") {
		t.Errorf("without: %d %s", code, errs)
	}
	out, errs, code := command(t, "reconcile", "--token-file", file, "--dry-run")
	if code != exitDone || !strings.Contains(out, "1 stored records") || !strings.Contains(out, "This was a dry run") {
		t.Errorf("%d %s%s", code, out, errs)
	}
	if out, errs, code = command(t, "reconcile", "--token-file", file); code != exitDone ||
		strings.Contains(out, "dry run") {
		t.Errorf("%d %s%s", code, out, errs)
	}
}

func TestTheExportsAreWhatDevWorksWith(t *testing.T) {
	for name, value := range map[string]string{"HATCHERY_LEGACY_BUCKET": "old-images",
		"HATCHERY_LEGACY_PREFIX": "prod/", "HATCHERY_FILES_PREFIX": "kept/",
		"HATCHERY_POLICY": `{"kinds":{"images":{"max_bytes":1000}}}`} {
		t.Setenv(name, value)
	}
	h := startHatchery(t, t.TempDir())
	for name, want := range map[string]string{"HATCHERY_LEGACY_BUCKET": "old-images",
		"HATCHERY_LEGACY_PREFIX": "prod", "HATCHERY_FILES_PREFIX": "kept/", "HATCHERY_QUARANTINE_PREFIX": ""} {
		if h.env[name] != want {
			t.Errorf("%s is %q, want %q", name, h.env[name], want)
		}
	}
	if !strings.Contains(h.env["HATCHERY_POLICY"], `"max_bytes":1000`) {
		t.Errorf("the policy is %q", h.env["HATCHERY_POLICY"])
	}
	text := announced(t, devFlags{}, announcement{exports: [][2]string{{"HATCHERY_POLICY", `{"a":1}`}}})
	if !strings.Contains(text, `export HATCHERY_POLICY='{"a":1}'`+"\n") {
		t.Errorf("a shell cannot read %s", text)
	}
}

func TestTheReconcilerIsNamedAsItWorks(t *testing.T) {
	at := announcement{data: "/tmp/a folder", at: local.Endpoints{}}
	for says, f := range map[string]devFlags{
		"hatchery reconcile --data '/tmp/a folder'\n":                 {records: "sqlite"},
		"hatchery reconcile --data '/tmp/a folder' --records bugout ": {records: "bugout"},
		"hatchery reconcile   # with these exports, and --token-file": {records: "bugout", bugout: "https://x"},
	} {
		if text := announced(t, f, at); !strings.Contains(text, says) {
			t.Errorf("%q is not said: %s", says, text)
		}
	}
}
