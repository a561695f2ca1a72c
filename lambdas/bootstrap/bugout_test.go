package bootstrap_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"hatchery/lambdas/bootstrap"
	"hatchery/shared/config"
	"hatchery/shared/local/localbugout"
	"hatchery/shared/records/bugoutrecords"
	"hatchery/shared/upload"
)

const (
	application = "4bf67555-b4f3-4a2e-95ff-7142d49d167b"
	token       = "11111111-1111-4111-8111-111111111111"
	rotated     = "22222222-2222-4222-8222-222222222222"
	secretName  = "hatchery/bugout-token"
)

// bugoutEnv is the environment of a function whose records Bugout keeps.
func bugoutEnv(url string, changes ...string) map[string]string {
	return env(append([]string{"HATCHERY_RECORDS", "bugout", "HATCHERY_TABLE", "", "HATCHERY_BUGOUT_URL", url,
		"HATCHERY_BUGOUT_APPLICATION_ID", application, "HATCHERY_BUGOUT_TOKEN", token}, changes...)...)
}

func brood(t *testing.T) *localbugout.Server {
	t.Helper()
	s, err := localbugout.Open(t.Context(), localbugout.Options{Listen: "127.0.0.1:0", Application: application,
		Tokens: map[string]localbugout.Role{token: localbugout.Member}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// secrets is a Secrets Manager with one secret, "" for none that may be read.
type secrets struct {
	url   string
	value atomic.Value
	calls atomic.Int32
}

func newSecrets(t *testing.T, value string) *secrets {
	s := &secrets{}
	s.value.Store(value)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.calls.Add(1)
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(body), `"`+secretName+`"`) {
			t.Errorf("asked %s", body)
		}
		if value := s.value.Load().(string); value != "" {
			text, _ := json.Marshal(map[string]string{"SecretString": value})
			_, _ = w.Write(text)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"AccessDeniedException","Message":"no"}`)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// built builds what functions are made of.
func built(t *testing.T, e map[string]string, needs ...config.Need) *bootstrap.Dependencies {
	t.Helper()
	var parts *bootstrap.Dependencies
	if s := run(e, func(p *bootstrap.Dependencies) (any, error) { parts = p; return nil, nil }, needs...); s.code != 0 {
		t.Fatal(s.stderr.String())
	}
	return parts
}

var ref = upload.Ref{Journal: "j", Entry: "e", Kind: "images", ID: "0195600d-0000-7000-8000-000000000001"}

func TestRecordsAreKeptByBugout(t *testing.T) {
	p := built(t, bugoutEnv(brood(t).URL()))
	if p.Records.Atomic() || p.Uploads.Records != p.Records {
		t.Errorf("the records are %T", p.Records)
	}
	if _, err := p.Records.Get(t.Context(), ref); !errors.Is(err, upload.ErrNotFound) {
		t.Errorf("a record that is not there: %v", err)
	}
	if err := p.Records.SetNote(t.Context(), "n", "text"); err != nil {
		t.Error(err)
	}
	if got, err := p.Records.Note(t.Context(), "n"); got != "text" || err != nil {
		t.Errorf("the note is %q, %v", got, err)
	}
}

func TestEverySettingOfBugoutThatIsMissingIsNamed(t *testing.T) {
	for _, name := range []string{"HATCHERY_BUGOUT_URL", "HATCHERY_BUGOUT_APPLICATION_ID", "HATCHERY_BUGOUT_TOKEN"} {
		if got := about(run(bugoutEnv("http://127.0.0.1:1", name, ""), handler).faults(t)); !slices.Equal(got,
			[]string{name}) {
			t.Errorf("without %s named are %v", name, got)
		}
	}
}

func TestTheTokenIsReadFromASecretAtFirstUse(t *testing.T) {
	secrets := newSecrets(t, token)
	p := built(t, bugoutEnv(brood(t).URL(), "HATCHERY_BUGOUT_TOKEN", secretName, "AWS_ENDPOINT_URL_SECRETS_MANAGER",
		secrets.url))
	if secrets.calls.Load() != 0 {
		t.Error("it is read at the start")
	}
	for range 3 {
		if _, err := p.Records.Get(t.Context(), ref); !errors.Is(err, upload.ErrNotFound) {
			t.Errorf("a record that is not there: %v", err)
		}
	}
	if secrets.calls.Load() != 1 {
		t.Errorf("it is read %d times", secrets.calls.Load())
	}
}

func TestATokenThatIsNotToBeHadIsTroubleThatSaysWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		value string
		want  []string
	}{
		"the role may not":          {"", []string{secretName, "secretsmanager:GetSecretValue"}},
		"the secret holds no token": {canary, []string{secretName, "something else", "as plain text"}},
		"the secret holds a bad token": {rotated,
			[]string{secretName, "the deployment's token is not accepted by Bugout", "HATCHERY_BUGOUT_TOKEN"}},
	} {
		secrets := newSecrets(t, c.value)
		p := built(t, bugoutEnv(brood(t).URL(), "HATCHERY_BUGOUT_TOKEN", secretName, "AWS_ENDPOINT_URL_SECRETS_MANAGER",
			secrets.url))
		_, err := p.Records.Get(t.Context(), ref)
		if err == nil || errors.Is(err, upload.ErrNotFound) {
			t.Fatalf("%s: %v", name, err)
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v; does not say %q", name, err, want)
			}
		}
		if strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), rotated) ||
			errors.Is(err, bugoutrecords.ErrToken) != (c.value == rotated) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOldImagesAreWhereTheSettingsSay(t *testing.T) {
	if p := partsWith(t); p.Uploads.LegacyImages != nil {
		t.Error("there are old images without a bucket")
	}
	bucket := newEndpoint(t, 404)
	p := partsWith(t, "AWS_ENDPOINT_URL_S3", bucket.url, "HATCHERY_LEGACY_BUCKET", "old-images",
		"HATCHERY_LEGACY_PREFIX", "dev")
	_, _ = p.Uploads.LegacyImages.Head(t.Context(), ref)
	if r := bucket.last.Load(); r == nil || r.URL.Path != "/old-images/dev/"+ref.String() {
		t.Errorf("asked %+v", r)
	}
}
