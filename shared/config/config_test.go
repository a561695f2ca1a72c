package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"hatchery/shared/config"
	"hatchery/shared/policy"
	"hatchery/shared/upload"
)

var update = flag.Bool("update", false, "write docs/settings.md anew")

const (
	uuid   = "4bf67555-b4f3-4a2e-95ff-7142d49d167b"
	secret = "s3cr3t-canary"
)

type env map[string]string

func (e env) get(name string) string { return e[name] }

// with gives the smallest environment that works, changed by name, value, ….
func with(changes ...string) env {
	e := env{"HATCHERY_BUCKET": "bucket", "HATCHERY_RECORDS": "sqlite",
		"HATCHERY_APPLICATION_URL": "https://notes.example.com"}
	for i := 0; i < len(changes); i += 2 {
		e[changes[i]] = changes[i+1]
	}
	return e
}

func TestTheSmallestEnvironmentMeansTheDefaults(t *testing.T) {
	c, err := config.Load(with().get, config.Callers)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Config{Bucket: "bucket", Layout: upload.DefaultLayout, Records: "sqlite",
		ApplicationURL: "https://notes.example.com",
		Policy:         policy.Default(), ValidatorTime: 300 * time.Second, ReadRate: 20_000_000,
		QuarantineDays: 60, FormTime: 15 * time.Minute, VisibilityTime: 1800 * time.Second, MaxReceives: 5,
		WaitTime: 20 * time.Second, SurveyTime: 7 * 24 * time.Hour, Stack: "hatchery"}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
	if c.Readable() != 5_400_000_000 {
		t.Errorf("readable %d", c.Readable())
	}
}

func TestEverySettingIsRead(t *testing.T) {
	c, err := config.Load(env{
		"HATCHERY_BUCKET": "my.bucket-1", "HATCHERY_QUARANTINE_PREFIX": "q/", "HATCHERY_FILES_PREFIX": "f/g/",
		"HATCHERY_RECORDS": "bugout", "HATCHERY_TABLE": "table",
		"HATCHERY_APPLICATION_URL": "https://notes.example.com/api/",
		"HATCHERY_POLICY":          `{"kinds":{"pictures":{"extensions":["png"],"max_bytes":77}}}`,
		"HATCHERY_CORS_ORIGINS":    "https://a.example.com, http://localhost:3000", "HATCHERY_POST_BYTES": "4400000",
		"HATCHERY_REDIRECT_BYTES":      "4000000",
		"HATCHERY_FRONT_SECRET_SHA256": strings.Repeat("0a", 32) + "," + strings.Repeat("f0", 32),
		"HATCHERY_VALIDATOR_SECONDS":   "60", "HATCHERY_READ_RATE": "100000",
		"HATCHERY_BUGOUT_URL": "https://auth.example.com", "HATCHERY_BUGOUT_APPLICATION_ID": strings.ToUpper(uuid),
		"HATCHERY_BUGOUT_TOKEN": strings.ReplaceAll(uuid, "-", ""), "HATCHERY_LEGACY_BUCKET": "hatchery-files",
		"HATCHERY_LEGACY_PREFIX": "dev/", "HATCHERY_APPLICATION": "spire", "HATCHERY_GRANT_SECONDS": "10",
		"HATCHERY_FORM_SECONDS": "3600", "HATCHERY_QUARANTINE_DAYS": "35",
		"HATCHERY_QUEUE_URL":          "https://sqs.eu-central-1.amazonaws.com/123456789012/uploads",
		"HATCHERY_VISIBILITY_SECONDS": "361", "HATCHERY_MAX_RECEIVES": "7", "HATCHERY_SURVEY_DAYS": "30", "HATCHERY_CLEAR_OBSOLETE": "true",
		"HATCHERY_EVENT_BUS": "default", "HATCHERY_STACK": "uploads-prod", "HATCHERY_WAIT_SECONDS": "0",
	}.get)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := policy.Parse([]byte(`{"kinds":{"pictures":{"extensions":["png"],"max_bytes":77}}}`), 100)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Config{Bucket: "my.bucket-1", Layout: upload.Layout{Quarantine: "q/", Files: "f/g/"},
		Records: "bugout", Table: "table",
		ApplicationURL: "https://notes.example.com/api", Policy: policy,
		CORSOrigins: []string{"https://a.example.com", "http://localhost:3000"},
		Spire:       true, GrantLife: 10 * time.Second, PostBytes: 4_400_000, RedirectBytes: 4_000_000,
		FrontHashes:   [][32]byte{[32]byte(bytes.Repeat([]byte{0x0a}, 32)), [32]byte(bytes.Repeat([]byte{0xf0}, 32))},
		ValidatorTime: time.Minute,
		ReadRate:      100_000,
		FormTime:      time.Hour, QuarantineDays: 35, QueueURL: "https://sqs.eu-central-1.amazonaws.com/123456789012/uploads",
		VisibilityTime: 361 * time.Second,
		MaxReceives:    7, SurveyTime: 30 * 24 * time.Hour, ClearObsolete: true, EventBus: "default", Stack: "uploads-prod",
		Bugout: config.Bugout{URL: "https://auth.example.com", ApplicationID: uuid,
			Token: config.NewSecret(strings.ReplaceAll(uuid, "-", ""))},
		Legacy: config.Legacy{Bucket: "hatchery-files", Prefix: "dev"}}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
	if c.Readable() != 3_000_000 {
		t.Errorf("readable %d", c.Readable())
	}
}

func TestAnAliasStandsForItsName(t *testing.T) {
	values := map[string]string{"MY_APP_JOURNALS_URL": "https://notes.example.com",
		"BUGOUT_AUTH_URL": "https://auth.example.com", "BUGOUT_FILES_APPLICATION_ID": uuid,
		"FILES_S3_BUCKET_NAME": "hatchery-files", "FILES_S3_BUCKET_PREFIX": "dev"}
	seen := 0
	for _, s := range config.Settings() {
		for _, alias := range s.Aliases {
			seen++
			value := values[alias]
			if value == "" {
				t.Fatalf("the alias %s is not known here", alias)
			}
			byName, err := config.Load(with(s.Name, value).get)
			if err != nil {
				t.Fatal(err)
			}
			aliased := with(alias, value)
			delete(aliased, s.Name)
			if byAlias, err := config.Load(aliased.get); err != nil || !reflect.DeepEqual(byAlias, byName) {
				t.Errorf("%s: %+v, %v; want %+v", alias, byAlias, err, byName)
			}
			both, err := config.Load(with(s.Name, value, alias, value).get)
			if err != nil || !reflect.DeepEqual(both, byName) {
				t.Errorf("%s and %s alike: %v", s.Name, alias, err)
			}
			_, err = config.Load(with(s.Name, value, alias, value+"x").get)
			if wantFault(t, err, s.Name); !strings.Contains(fmt.Sprint(err), alias) {
				t.Errorf("the fault does not name %s: %v", alias, err)
			}
		}
	}
	if seen != len(values) {
		t.Errorf("%d aliases, want %d", seen, len(values))
	}
}

// wantFault checks that there is exactly one fault, about this setting.
func wantFault(t *testing.T, err error, setting string) {
	t.Helper()
	faults, _ := errors.AsType[policy.Faults](err)
	if len(faults) != 1 || !strings.HasPrefix(faults[0].Setting, setting) || faults[0].Found == "" ||
		faults[0].Accepted == "" {
		t.Errorf("faults %v, want one of %s", err, setting)
	}
}

func TestWhatIsNotAcceptedIsAFault(t *testing.T) {
	long := strings.Repeat("a", 300)
	for setting, values := range map[string][]string{
		"HATCHERY_BUCKET":            {"", "ab", "Bucket", "-bucket", "bucket-", "a_b", long, "bucket\n"},
		"HATCHERY_QUARANTINE_PREFIX": {"q", "/q/", "q//", "files/", "files/q/", "fi les/"},
		"HATCHERY_FILES_PREFIX":      {"f", "quarantine/x/"},
		"HATCHERY_RECORDS":           {"", "DynamoDB", "mysql"},
		"HATCHERY_APPLICATION_URL": {"", "notes.example.com", "ftp://notes.example.com", "https://",
			"https://u:" + secret + "@h", "https://h?" + secret, "https://h#" + secret, "https://h:x", "https://h h",
			"http://%zz", "http://notes.example.com", "http://203.0.113.7", "http://169.254.169.254", "https://h:0"},
		"HATCHERY_POLICY": {"{", `{"kinds":{}}`, `{"kinds":{"images":{"max_bytes":6000000000}}}`,
			`{"kind":{}}`},
		"HATCHERY_CORS_ORIGINS": {"*, https://a.example.com", "null", "https://a.example.com/", "a.example.com",
			"https://A.example.com", "https://a.example.com:443", "http://a:80", "https://*.example.com", ","},
		"HATCHERY_POST_BYTES": {"0", "-1", "5000000001", "4.4MB", "+5", "0x10", " 5"},
		"HATCHERY_FRONT_SECRET_SHA256": {secret, strings.Repeat("0a", 31), strings.Repeat("0a", 33), strings.Repeat("0A", 32),
			strings.Repeat("0a", 32) + ",", strings.Repeat("0a", 32) + ", " + strings.Repeat("0b", 32),
			strings.Repeat(","+strings.Repeat("0a", 32), 3)[1:], strings.Repeat("0a", 32) + "," + secret},
		"HATCHERY_REDIRECT_BYTES":        {"-1", "5000000001", "many"},
		"HATCHERY_VALIDATOR_SECONDS":     {"59", "901", "5m"},
		"HATCHERY_READ_RATE":             {"99999", "10000000001"},
		"HATCHERY_TABLE":                 {"ab", "a/b", long},
		"HATCHERY_BUGOUT_URL":            {"auth", "https://u@h", "http://auth.example.com"},
		"HATCHERY_BUGOUT_APPLICATION_ID": {"4bf67555", strings.ReplaceAll(uuid, "-", ""), "{" + uuid + "}"},
		"HATCHERY_BUGOUT_TOKEN":          {secret + " " + secret, strings.Repeat("a", 513), secret + "\n"},
		"HATCHERY_LEGACY_BUCKET":         {"No", "bucket"},
		"HATCHERY_STACK":                 {"1stack", "my_stack", "a b", "größe", long},
		"HATCHERY_LEGACY_PREFIX":         {"/", "/dev", "a//b", "../x", long},
		"HATCHERY_APPLICATION":           {"Spire", "bugout", "1", long},
		"HATCHERY_GRANT_SECONDS":         {"-1", "301", "1.5", "+1", "x"},
		"HATCHERY_WAIT_SECONDS":          {"-1", "21", "x"},
		"HATCHERY_FORM_SECONDS":          {"59", "3601", "x"},
		"HATCHERY_QUARANTINE_DAYS":       {"34", "3651", "x"},
		"HATCHERY_QUEUE_URL":             {"sqs", "https://sqs.example.com/1/q?x=1", "ftp://sqs.example.com/1/q"},
		"HATCHERY_VISIBILITY_SECONDS":    {"0", "43201", "x"},
		"HATCHERY_MAX_RECEIVES":          {"4", "1001", "x"},
		"HATCHERY_SURVEY_DAYS":           {"0", "91", "x"},
		"HATCHERY_CLEAR_OBSOLETE":        {"yes", "1", "TRUE"},
		"HATCHERY_EVENT_BUS":             {"a b", "größe", strings.Repeat("a", 401)},
	} {
		for _, value := range values {
			_, err := config.Load(with(setting, value).get, config.Callers)
			if err == nil {
				t.Errorf("%s=%q was accepted", setting, value)
				continue
			}
			faults, _ := errors.AsType[policy.Faults](err)
			about := false
			for _, f := range faults {
				about = about || strings.Contains(f.Setting+f.Found, setting) || strings.HasSuffix(setting, "_PREFIX") &&
					strings.HasSuffix(f.Setting, "_PREFIX")
			}
			if !about {
				t.Errorf("%s=%q: the faults speak of other things: %v", setting, value, err)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: a secret is in %v", setting, err)
			}
			if len(err.Error()) > 2000 {
				t.Errorf("%s: a fault of %d bytes", setting, len(err.Error()))
			}
		}
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	_, err := config.Load(env{"HATCHERY_RECORDS": "bugout", "HATCHERY_POST_BYTES": "x", "HATCHERY_QUARANTINE_PREFIX": "q",
		"HATCHERY_READ_RATE":   "y",
		"HATCHERY_POLICY":      `{"kinds":{"images":{"min_bytes":-1,"duplicates":"maybe"}}}`,
		"FILES_S3_BUCKET_NAME": "hatchery-files"}.get, config.Callers)
	for _, want := range []string{"HATCHERY_POST_BYTES: found \"x\"", "HATCHERY_READ_RATE", "HATCHERY_QUARANTINE_PREFIX",
		"min_bytes", "duplicates", "HATCHERY_BUCKET: found nothing (HATCHERY_LEGACY_BUCKET is only read",
		"HATCHERY_APPLICATION_URL", "HATCHERY_BUGOUT_URL", "HATCHERY_BUGOUT_APPLICATION_ID", "HATCHERY_BUGOUT_TOKEN"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("no word of %s in\n%v", want, err)
		}
	}
	if faults, _ := errors.AsType[policy.Faults](err); len(faults) != 10 {
		t.Errorf("%d faults, want 10:\n%v", len(faults), err)
	}
}

func TestEachStoreNeedsItsOwn(t *testing.T) {
	if _, err := config.Load(with("HATCHERY_RECORDS", "dynamodb").get); err == nil {
		t.Error("dynamodb without a table was accepted")
	} else {
		wantFault(t, err, "HATCHERY_TABLE")
	}
	if _, err := config.Load(with("HATCHERY_RECORDS", "dynamodb", "HATCHERY_TABLE", "uploads").get); err != nil {
		t.Error(err)
	}
	c, err := config.Load(with("HATCHERY_RECORDS", "bugout", "HATCHERY_BUGOUT_URL", "http://localhost:7474",
		"HATCHERY_BUGOUT_APPLICATION_ID", uuid, "HATCHERY_BUGOUT_TOKEN", "hatchery/bugout-token").get)
	if err != nil || c.Bugout.TokenName != "hatchery/bugout-token" || !c.Bugout.Token.IsZero() {
		t.Errorf("%+v, %v", c.Bugout, err)
	}
}

func TestOnlyWhatAnswersCallersNeedsTheApplication(t *testing.T) {
	without := with("HATCHERY_APPLICATION_URL", "")
	if _, err := config.Load(without.get); err != nil {
		t.Error(err)
	}
	_, err := config.Load(without.get, config.Callers)
	wantFault(t, err, "HATCHERY_APPLICATION_URL")
	// What is set wrongly is not missing, too.
	_, err = config.Load(with("HATCHERY_APPLICATION_URL", "ftp://notes.example.com").get, config.Callers)
	wantFault(t, err, "HATCHERY_APPLICATION_URL")
}

func TestSpireNeedsBugoutsAuthServer(t *testing.T) {
	_, err := config.Load(with("HATCHERY_APPLICATION", "spire").get, config.Callers)
	wantFault(t, err, "HATCHERY_BUGOUT_URL")
	c, err := config.Load(with("HATCHERY_APPLICATION", "spire", "HATCHERY_BUGOUT_URL", "https://auth.example.com").get,
		config.Callers)
	if err != nil || !c.Spire {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := config.Load(with("HATCHERY_APPLICATION", "journals").get, config.Callers); err != nil || c.Spire {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestWhatSendsMessagesNeedsTheQueue(t *testing.T) {
	_, err := config.Load(with().get, config.Messages)
	wantFault(t, err, "HATCHERY_QUEUE_URL")
}

func TestASecretIsNeverShown(t *testing.T) {
	c, err := config.Load(with("HATCHERY_BUGOUT_TOKEN", uuid).get)
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).Info("config", "config", c, "token", c.Bugout.Token)
	}
	for _, shown := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c),
		fmt.Sprintf("%s %q %v", c.Bugout.Token, c.Bugout.Token, &c.Bugout), string(asJSON), log.String()} {
		if strings.Contains(shown, uuid) {
			t.Errorf("the token is in %s", shown)
		}
	}
	if c.Bugout.Token.Reveal() != uuid {
		t.Error("the token is lost")
	}
}

// TestTheDefaultsInTheTableAreThoseOfLoad: what the table calls a default changes nothing when it is set.
func TestTheDefaultsInTheTableAreThoseOfLoad(t *testing.T) {
	unset, err := config.Load(with().get)
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, s := range config.Settings() {
		value, _, _ := strings.Cut(s.Default, ":") // what follows explains it
		if value == "none" || strings.Contains(value, " ") || s.Name == "HATCHERY_POLICY" {
			continue // there is none, or it is said in words
		}
		tried++
		set, err := config.Load(with(s.Name, value).get)
		if err != nil || !reflect.DeepEqual(set, unset) {
			t.Errorf("%s=%s, the table's default, is not what an unset one means: %+v, %v", s.Name, value, set, err)
		}
	}
	if tried < 10 {
		t.Errorf("only %d settings have a default that can be set", tried)
	}
}

func TestTheSettingsAreDocumented(t *testing.T) {
	const file = "../../docs/settings.md"
	var b strings.Builder
	b.WriteString("# Settings\n\nEnvironment variables, read at the start. An empty variable is an unset one. All that " +
		"is wrong is reported at once.\n" +
		"This page is made from the table in shared/config: `go test ./shared/config -update`.\n")
	for _, s := range config.Settings() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", s.Name, s.Meaning)
		fmt.Fprintf(&b, "- Default: %s\n- Accepted: %s\n", s.Default, s.Accepted)
		if len(s.Aliases) > 0 {
			fmt.Fprintf(&b, "- Also read: %s (both set to different values is a fault)\n", strings.Join(s.Aliases, ", "))
		}
		if s.Secret {
			b.WriteString("- Secret: never shown\n")
		}
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != b.String() {
		t.Errorf("%s is not what the table says: run go test ./shared/config -update", file)
	}
}

// FuzzLoad: whatever is set, loading gives a configuration or faults, each with
// all its parts, and no panic.
func FuzzLoad(f *testing.F) {
	f.Add("HATCHERY_POLICY", `{"kinds":{"images":{}}}`)
	f.Add("HATCHERY_CORS_ORIGINS", "https://[::1]:3000 *")
	f.Add("HATCHERY_APPLICATION_URL", "http://[fe80::1%25eth0]/x")
	f.Add("HATCHERY_LEGACY_PREFIX", "a/b/")
	f.Fuzz(func(t *testing.T, name, value string) {
		_, err := config.Load(with(name, value).get, config.Callers)
		faults, ok := errors.AsType[policy.Faults](err)
		if err != nil && !ok {
			t.Fatalf("%s=%q: %v is no Faults", name, value, err)
		}
		for _, f := range faults {
			if f.Setting == "" || f.Found == "" || f.Accepted == "" {
				t.Fatalf("%s=%q: %+v lacks a part", name, value, f)
			}
		}
	})
}
