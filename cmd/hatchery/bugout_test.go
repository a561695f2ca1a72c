package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hatchery/shared/local/localbugout"
)

const (
	broodApplication = "4bf67555-b4f3-4a2e-95ff-7142d49d167b"
	broodToken       = "11111111-1111-4111-8111-111111111111"
	broodGroup       = "7d1ba2d0-0f8d-4f0c-9c3c-6c1a3f1f5a10"
)

func startBrood(t *testing.T) *localbugout.Server {
	t.Helper()
	s, err := localbugout.Open(t.Context(), localbugout.Options{Listen: "127.0.0.1:0", Application: broodApplication,
		Tokens: map[string]localbugout.Role{broodToken: localbugout.Member}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// typed runs hatchery in this process.
func typed(t *testing.T, env map[string]string, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, terminal{out: &stdout, err: &stderr,
		getenv: func(name string) string { return env[name] }})
	for _, text := range []string{stdout.String(), stderr.String()} {
		if strings.Contains(text, broodToken) {
			t.Errorf("the token is shown: %s", text)
		}
	}
	return code, stdout.String(), stderr.String()
}

func TestAnApplicationIsRegisteredAndChecked(t *testing.T) {
	s := startBrood(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(broodToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := typed(t, nil, "bugout", "register", "--url", s.URL(), "--token-file", file, "--group",
		broodGroup, "--name", "our files")
	id := regexp.MustCompile(`export HATCHERY_BUGOUT_APPLICATION_ID=([0-9a-f-]{36})`).FindStringSubmatch(out)
	if code != 0 || id == nil {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	env := map[string]string{"BUGOUT_AUTH_URL": s.URL(), "HATCHERY_BUGOUT_APPLICATION_ID": id[1],
		"HATCHERY_BUGOUT_TOKEN": broodToken}
	code, out, errs = typed(t, env, "bugout", "check")
	if code != 0 || strings.Count(out, "ok  ") != 7 || strings.Contains(out, "FAIL") {
		t.Errorf("%d %s %s", code, out, errs)
	}
}

func TestWhatDoesNotWorkWithBugoutIsSaid(t *testing.T) {
	s := startBrood(t)
	whole := func(changes ...string) map[string]string {
		env := map[string]string{"HATCHERY_BUGOUT_URL": s.URL(), "HATCHERY_BUGOUT_APPLICATION_ID": broodApplication,
			"HATCHERY_BUGOUT_TOKEN": broodToken}
		for i := 0; i < len(changes); i += 2 {
			env[changes[i]] = changes[i+1]
		}
		return env
	}
	at, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	through := httputil.NewSingleHostReverseProxy(at)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			w.Header().Set("Allow", "GET, POST, DELETE")
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		through.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"+broodToken), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		env  map[string]string
		args []string
		code int
		says string
	}{
		"nothing is set": {nil, []string{"bugout", "check"}, 2, "HATCHERY_BUGOUT_APPLICATION_ID"},
		"a token of another": {whole("HATCHERY_BUGOUT_TOKEN", "22222222-2222-4222-8222-222222222222"),
			[]string{"bugout", "check"}, 1, "HATCHERY_BUGOUT_TOKEN"},
		"the name of a secret": {whole("HATCHERY_BUGOUT_TOKEN", "prod/bugout"), []string{"bugout", "check"}, 2,
			"--token-file"},
		"another application": {whole(), []string{"bugout", "check", "--application", broodGroup}, 1,
			"does not know the application"},
		"nobody is there": {whole("HATCHERY_BUGOUT_URL", "http://127.0.0.1:1"), []string{"bugout", "check"}, 3,
			"no answer"},
		"no such file":        {whole(), []string{"bugout", "check", "--token-file", "nowhere"}, 2, "--token-file"},
		"an empty first line": {whole(), []string{"bugout", "check", "--token-file", empty}, 2, "first line"},
		"a proxy takes no PUT": {whole("HATCHERY_BUGOUT_URL", proxy.URL), []string{"bugout", "check"}, 1,
			"405; it allows GET, POST, DELETE"},
		"an unknown group": {whole(), []string{"bugout", "register", "--group", broodApplication, "--name", "n"}, 1,
			"one of the user's own groups"},
		"a group is missing":     {whole(), []string{"bugout", "register", "--name", "n"}, 2, "--group"},
		"an argument too many":   {whole(), []string{"bugout", "check", "now"}, 2, "now"},
		"a command that is none": {whole(), []string{"bugout", "destroy"}, 2, "destroy"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := typed(t, c.env, c.args...)
			if code != c.code || !strings.Contains(errs, c.says) {
				t.Errorf("%d %q %q, want %d with %q", code, out, errs, c.code, c.says)
			}
		})
	}
}
