package main

import (
	"bytes"
	"maps"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"hatchery/shared/config"
	"hatchery/shared/local"
)

func announced(t *testing.T, f devFlags, a announcement) string {
	t.Helper()
	var text bytes.Buffer
	if err := announceText(terminal{out: &text}, f, a); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func TestAnAPIThatOthersReachIsWarnedOf(t *testing.T) {
	h := startHatchery(t, t.TempDir(), "--listen", "0.0.0.0:0")
	host, port, err := net.SplitHostPort(strings.TrimPrefix(h.base, "http://"))
	if err != nil || host != "127.0.0.1" {
		t.Errorf("the API is said to be at %q, %v", h.base, err)
	}
	if a := h.do(http.MethodGet, "/ping", "", nil); a.status != http.StatusOK {
		t.Errorf("there it answers %d", a.status)
	}
	for _, want := range []string{"0.0.0.0:" + port + " can be reached from beyond this machine",
		"token demo, which may do everything", "work on this machine only"} {
		if !strings.Contains(h.warning, want) {
			t.Errorf("%q is not said: %q", want, h.warning)
		}
	}
	beyond := announcement{at: local.Endpoints{APIBeyond: "0.0.0.0:8080", S3: "http://127.0.0.1:9"}}
	if text := announced(t, devFlags{}, beyond); !strings.Contains(text, "\nWARNING: the API on 0.0.0.0:8080") {
		t.Errorf("a person is not warned: %s", text)
	}
	beyond.at.S3 = "http://192.0.2.1:9"
	if text := announced(t, devFlags{app: "https://a.example"}, beyond); strings.Contains(text, "token demo") ||
		strings.Contains(text, "this machine only") {
		t.Errorf("said is what is not so: %s", text)
	}
	if h := startHatchery(t, t.TempDir(), "--listen", "localhost:0"); h.warning != "" {
		t.Errorf("on the loopback: %q", h.warning)
	}
}

func TestTheAnnouncementTeachesFirstAndThenExplainsTheExports(t *testing.T) {
	text := announced(t, devFlags{}, announcement{exports: [][2]string{{"A", "b"}}})
	last := 0
	for _, next := range []string{"Try it", "For other programs", "export A=b\n", "Ctrl-C"} {
		at := strings.Index(text, next)
		if at < last {
			t.Errorf("%q is at %d, after what should follow it: %s", next, at, text)
		}
		last = at
	}
}

// TestEveryAwsCommandThatIsShownForDevNamesItsEndpoint: an aws before 2.13.0 would call AWS itself.
func TestEveryAwsCommandThatIsShownForDevNamesItsEndpoint(t *testing.T) {
	_, rehearsal, _ := strings.Cut(string(readFile(t, sourceFile(t, "docs", "operations.md"))), "\n## Trying this against hatchery dev\n")
	rehearsal, _, _ = strings.Cut(rehearsal, "\n## ")
	_, bugout, _ := strings.Cut(string(readFile(t, sourceFile(t, "docs", "bugout.md"))), "\n## On your machine\n")
	bugout, _, _ = strings.Cut(bugout, "\n## ")
	for where, text := range map[string]string{"dev": announced(t, devFlags{}, announcement{}), "operations.md": rehearsal,
		"bugout.md": bugout, "sam-local.md": string(readFile(t, sourceFile(t, "docs", "sam-local.md"))),
		"README.md": string(readFile(t, sourceFile(t, "README.md")))} {
		found := 0
		for line := range strings.Lines(text) {
			if awsCommand.MatchString(line) && strings.HasPrefix(line, "  ") {
				if found++; !strings.Contains(line, "--endpoint-url ") {
					t.Errorf("%s: %s", where, line)
				}
			}
		}
		if found == 0 && where != "README.md" {
			t.Errorf("%s has no such command", where)
		}
	}
}

var awsCommand = regexp.MustCompile(`\baws "?(\$@|sqs|s3|s3api|dynamodb)\b`)

func TestATableInWhichNothingIsKeptIsNotExported(t *testing.T) {
	h := startHatchery(t, t.TempDir(), "--dynamodb-listen", "127.0.0.1:0")
	if h.env["HATCHERY_TABLE"] != "" || h.env["HATCHERY_RECORDS"] != "sqlite" || h.env["AWS_ENDPOINT_URL_DYNAMODB"] == "" {
		t.Errorf("%v", h.env)
	}
	at := announcement{at: local.Endpoints{DynamoDB: "http://d:1", Table: "records"}}
	if text := announced(t, devFlags{records: "sqlite"}, at); !strings.Contains(text,
		"nothing is kept there: the records are in sqlite") || strings.Contains(text, "table records") {
		t.Errorf("%s", text)
	}
	if text := announced(t, devFlags{records: "dynamodb"}, at); !strings.Contains(text, "table records") ||
		strings.Contains(text, "nothing is kept") {
		t.Errorf("%s", text)
	}
}

func TestWhatDevExportsIsEnoughToReconcile(t *testing.T) {
	for _, records := range []string{"dynamodb", "bugout"} {
		t.Run(records, func(t *testing.T) {
			h := startHatchery(t, t.TempDir(), "--records", records)
			h.mustSettle(images, h.mustPost(images, "cat.png", pngOf(t, 4, 1)).ID)
			for name, value := range h.env {
				t.Setenv(name, value)
			}
			out, errs, code := command(t, "reconcile")
			if code != exitDone || !strings.Contains(out, "1 stored records") {
				t.Errorf("exit %d, %s%s", code, out, errs)
			}
		})
	}
}

// withSettings starts dev with these settings, which must be refused.
func withSettings(t *testing.T, env map[string]string, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t.Context(), append([]string{"dev", "--data", t.TempDir()}, args...),
		terminal{out: &out, err: &errs, getenv: func(name string) string { return env[name] }})
	if code != exitUsage {
		t.Fatalf("exit code %d with %v: %s", code, env, &errs)
	}
	return errs.String()
}

func TestDevTellsEveryFaultOfSettingsAtOnce(t *testing.T) {
	bad := map[string]string{"HATCHERY_POLICY": `{"kinds":{"images":{"max_byte":1}}}`, "HATCHERY_POST_BYTES": "many",
		"HATCHERY_CORS_ORIGINS": "notes",
		"HATCHERY_FORM_SECONDS": "1", "HATCHERY_QUARANTINE_DAYS": "1", "HATCHERY_VISIBILITY_SECONDS": "x",
		"HATCHERY_MAX_RECEIVES": "x",
		"HATCHERY_SURVEY_DAYS":  "x", "HATCHERY_EVENT_BUS": "a bus", "HATCHERY_STACK": "a stack",
		"HATCHERY_QUEUE_URL": "queue", "HATCHERY_BUCKET": "A bucket",
		"HATCHERY_RECORDS": "files", "HATCHERY_TABLE": "a table", "MY_APP_JOURNALS_URL": "journals"}
	errs := withSettings(t, bad)
	for name := range maps.Keys(bad) {
		if name == "HATCHERY_POLICY" {
			name = "the policy in HATCHERY_POLICY has faults"
		}
		if name == "MY_APP_JOURNALS_URL" {
			name = "HATCHERY_APPLICATION_URL"
		}
		if strings.Count(errs, name) != 1 {
			t.Errorf("%s is there %d times: %s", name, strings.Count(errs, name), errs)
		}
	}
}

// TestSettingsOfADeploymentDoNotChangeDevsOwn: a shell may be set for one in AWS.
func TestSettingsOfADeploymentDoNotChangeDevsOwn(t *testing.T) {
	env := map[string]string{"HATCHERY_BUCKET": "prod", "HATCHERY_RECORDS": "dynamodb", "HATCHERY_TABLE": "prod",
		"MY_APP_JOURNALS_URL":   "https://journals.example",
		"HATCHERY_FORM_SECONDS": "60", "HATCHERY_QUARANTINE_DAYS": "90", "HATCHERY_EVENT_BUS": "prod"}
	settings, err := devSettings(devFlags{data: "d", records: "sqlite"},
		terminal{getenv: func(name string) string { return env[name] }})
	if err != nil {
		t.Fatal(err)
	}
	if settings.Bucket != local.Bucket || settings.Records != config.RecordsSQLite || settings.Table != local.Table ||
		strings.Contains(settings.ApplicationURL, "example") || settings.EventBus != "" {
		t.Errorf("%+v", settings)
	}
	if settings.FormTime.Seconds() != 60 || settings.QuarantineDays != 90 {
		t.Errorf("forms live for %v, quarantine for %d days", settings.FormTime, settings.QuarantineDays)
	}
}
