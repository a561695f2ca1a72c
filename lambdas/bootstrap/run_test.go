package bootstrap_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"hatchery/lambdas/bootstrap"
	"hatchery/shared/config"
)

const canary = "canary-7d20ab"

// env is the least that every function needs, changed by name, value, ….
func env(changes ...string) map[string]string {
	e := map[string]string{"HATCHERY_BUCKET": "bucket-1", "HATCHERY_RECORDS": "dynamodb", "HATCHERY_TABLE": "records",
		"HATCHERY_APPLICATION_URL": "https://notes.example.com", "HATCHERY_QUEUE_URL": "https://sqs.example.com/1/q",
		"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": canary, "AWS_SESSION_TOKEN": canary}
	for i := 0; i < len(changes); i += 2 {
		e[changes[i]] = changes[i+1]
	}
	return e
}

// start is one start of a function.
type start struct {
	code           int
	served         any
	stdout, stderr bytes.Buffer
}

func run(e map[string]string, build func(*bootstrap.Dependencies) (any, error), needs ...config.Need) *start {
	var s start
	s.code = bootstrap.Run(bootstrap.Process{Getenv: func(name string) string { return e[name] }, Stdout: &s.stdout,
		Stderr: &s.stderr,
		Serve:  func(handler any) { s.served = handler }}, build, needs...)
	return &s
}

func handler(*bootstrap.Dependencies) (any, error) { return "the handler", nil }

// faults reads the one line that a start has logged when it failed.
func (s *start) faults(t *testing.T) []string {
	t.Helper()
	var line struct {
		Level, Message string
		Faults         []string
	}
	text, rest, _ := strings.Cut(s.stderr.String(), "\n")
	if err := json.Unmarshal([]byte(text), &line); err != nil || rest != "" || line.Level != "ERROR" ||
		line.Message != "the function cannot start" {
		t.Fatalf("not one line about the start: %v, %q", err, s.stderr.String())
	}
	if s.code != 1 || s.served != nil || s.stdout.Len() > 0 {
		t.Errorf("exit code %d, serves %v, printed %q", s.code, s.served, s.stdout.String())
	}
	if strings.Contains(s.stderr.String(), canary) {
		t.Errorf("a secret is in %s", s.stderr.String())
	}
	return line.Faults
}

// about gives the settings that faults name.
func about(faults []string) []string {
	var names []string
	for _, f := range faults {
		name, _, _ := strings.Cut(f, ": found ")
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestAFunctionServesWithWhatItWasBuiltOf(t *testing.T) {
	var parts *bootstrap.Dependencies
	s := run(env("HATCHERY_QUARANTINE_DAYS", "40"), func(p *bootstrap.Dependencies) (any,
		error) {
		parts = p
		return "the handler", nil
	}, config.Callers, config.Messages)
	if s.code != 0 || s.served != "the handler" || s.stderr.Len() > 0 {
		t.Fatalf("exit code %d, serves %v, logged %q", s.code, s.served, s.stderr.String())
	}
	p := parts.Uploads
	if p.Records != parts.Records || p.Objects != parts.Objects || p.Notifier != nil || p.TombstoneLife.Hours() != 71*24 {
		t.Errorf("pipeline %+v", p)
	}
}

func TestABusThatIsNamedIsTold(t *testing.T) {
	run(env("HATCHERY_EVENT_BUS", "default"), func(p *bootstrap.Dependencies) (any, error) {
		if p.Uploads.Notifier == nil {
			t.Error("nobody tells the bus")
		}
		return nil, nil
	})
}

func TestEverySettingThatIsMissingIsNamedAtOnce(t *testing.T) {
	got := about(run(nil, handler, config.Callers, config.Messages).faults(t))
	want := []string{"AWS_ACCESS_KEY_ID", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "HATCHERY_APPLICATION_URL",
		"HATCHERY_BUCKET", "HATCHERY_QUEUE_URL", "HATCHERY_RECORDS"}
	if !slices.Equal(got, want) {
		t.Errorf("named are %v, want %v", got, want)
	}
}

func TestEachSettingThatIsMissingIsNamed(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(env())) {
		s := run(env(name, ""), handler, config.Callers, config.Messages)
		if name == "AWS_SESSION_TOKEN" { // a person's own keys have none
			if s.code != 0 {
				t.Errorf("without %s: %s", name, s.stderr.String())
			}
			continue
		}
		if got := about(s.faults(t)); !slices.Equal(got, []string{name}) {
			t.Errorf("without %s named are %v", name, got)
		}
	}
}

func TestASettingThatIsWrongIsNamed(t *testing.T) {
	for name, value := range map[string]string{"HATCHERY_BUCKET": "No", "HATCHERY_RECORDS": "sqlite",
		"HATCHERY_POLICY": "{", "HATCHERY_STACK": "a b", "HATCHERY_MAX_RECEIVES": "1"} {
		if got := about(run(env(name, value), handler).faults(t)); !slices.Equal(got, []string{name}) {
			t.Errorf("with %s=%q named are %v", name, value, got)
		}
	}
}

func TestRecordsThatNoFunctionHasAreAFaultBesideOthers(t *testing.T) {
	got := about(run(env("HATCHERY_RECORDS", "sqlite", "HATCHERY_BUCKET", "", "HATCHERY_TABLE", ""), handler).faults(t))
	if want := []string{"HATCHERY_BUCKET", "HATCHERY_RECORDS"}; !slices.Equal(got, want) {
		t.Errorf("named are %v, want %v", got, want)
	}
}

func TestASecretThatIsMalformedIsNotShown(t *testing.T) {
	got := run(env("HATCHERY_BUGOUT_TOKEN", canary+" "+canary), handler).faults(t)
	if want := []string{"HATCHERY_BUGOUT_TOKEN"}; !slices.Equal(about(got), want) {
		t.Errorf("faults %v", got)
	}
}

func TestWhatCannotBeBuiltIsSaid(t *testing.T) {
	s := run(env(), func(*bootstrap.Dependencies) (any, error) {
		return nil, errors.New("HATCHERY_APPLICATION_URL: plain http")
	})
	if got := s.faults(t); !slices.Equal(got, []string{"HATCHERY_APPLICATION_URL: plain http"}) {
		t.Errorf("faults %q", got)
	}
}

// runtimeAPI is Lambda's side of an init error.
func runtimeAPI(t *testing.T, status int, told *map[string]any) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/2018-06-01/runtime/init/error" ||
			r.Header.Get("Lambda-Runtime-Function-Error-Type") != "Hatchery.Configuration" {
			t.Errorf("Lambda was asked %s %s %v", r.Method, r.URL, r.Header)
		}
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(body, told)
		}
		if err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestLambdaIsToldWhyAFunctionCannotStart(t *testing.T) {
	var told map[string]any
	run(env("HATCHERY_BUCKET", "", "HATCHERY_TABLE", "", "AWS_LAMBDA_RUNTIME_API", runtimeAPI(t, http.StatusAccepted,
		&told)), handler).faults(t)
	message, _ := told["errorMessage"].(string)
	if told["errorType"] != "Hatchery.Configuration" ||
		!strings.Contains(message, "HATCHERY_BUCKET: found nothing") ||
		!strings.Contains(message, "HATCHERY_TABLE: found nothing") || strings.Contains(message, canary) {
		t.Errorf("told %v", told)
	}
}

func TestAFunctionEndsWhetherOrNotLambdaListens(t *testing.T) {
	var told map[string]any
	for name, api := range map[string]string{"refuses": runtimeAPI(t, http.StatusForbidden, &told),
		"is not there": "127.0.0.1:1", "has no address": "\x00"} {
		s := run(env("HATCHERY_BUCKET", "", "AWS_LAMBDA_RUNTIME_API", api), handler)
		if s.code != 1 || strings.Count(s.stderr.String(), "\n") != 2 ||
			!strings.Contains(s.stderr.String(), "Lambda could not be told") {
			t.Errorf("%s: exit code %d, logged %s", name, s.code, s.stderr.String())
		}
	}
}

func TestEachLineNamesItsInvocationAndKeepsToTheLevel(t *testing.T) {
	s := run(env("AWS_LAMBDA_LOG_LEVEL", "WARN"), func(p *bootstrap.Dependencies) (any, error) {
		ctx := invocation(t, "invocation-1")
		p.Log.InfoContext(ctx, "too quiet")
		p.Log.With("upload_id", "u").WarnContext(ctx, "odd")
		p.Log.WithGroup("g").Warn("outside", "a", 1)
		return nil, nil
	})
	lines := strings.Split(strings.TrimSpace(s.stderr.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0],
		`"level":"WARN","message":"odd","upload_id":"u","invocation_id":"invocation-1"}`) ||
		!strings.HasPrefix(lines[0], `{"timestamp":"`) {
		t.Errorf("logged %q", lines)
	}
	if strings.Contains(lines[len(lines)-1], "invocation_id") {
		t.Errorf("a line outside invocations: %s", lines[1])
	}
}
