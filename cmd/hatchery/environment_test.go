package main

import (
	"bytes"
	"maps"
	"reflect"
	"strings"
	"testing"

	"hatchery/shared/config"
	"hatchery/shared/local"
)

// aValue is for each setting one that is accepted and not the default.
var aValue = map[string]string{
	"HATCHERY_BUCKET": "prod", "HATCHERY_QUARANTINE_PREFIX": "q/", "HATCHERY_FILES_PREFIX": "f/",
	"HATCHERY_RECORDS": "dynamodb",
	"HATCHERY_TABLE":   "prod", "HATCHERY_APPLICATION_URL": "https://journals.example.com",
	"HATCHERY_APPLICATION":   "spire",
	"HATCHERY_GRANT_SECONDS": "7", "HATCHERY_POLICY": `{"kinds":{"images":{"extensions":["png"]}}}`,
	"HATCHERY_CORS_ORIGINS": "https://notes.example.com", "HATCHERY_POST_BYTES": "7", "HATCHERY_REDIRECT_BYTES": "7",
	"HATCHERY_FRONT_SECRET_SHA256": strings.Repeat("0a", 32),
	"HATCHERY_VALIDATOR_SECONDS":   "90", "HATCHERY_READ_RATE": "30000000", "HATCHERY_FORM_SECONDS": "60",
	"HATCHERY_WAIT_SECONDS":    "7",
	"HATCHERY_QUARANTINE_DAYS": "90", "HATCHERY_QUEUE_URL": "https://sqs.example.com/1/q",
	"HATCHERY_VISIBILITY_SECONDS": "90",
	"HATCHERY_MAX_RECEIVES":       "7", "HATCHERY_SURVEY_DAYS": "2", "HATCHERY_CLEAR_OBSOLETE": "true", "HATCHERY_EVENT_BUS": "prod",
	"HATCHERY_STACK":      "prod",
	"HATCHERY_BUGOUT_URL": "http://127.0.0.1:3", "HATCHERY_BUGOUT_APPLICATION_ID": broodApplication,
	"HATCHERY_BUGOUT_TOKEN":  broodToken,
	"HATCHERY_LEGACY_BUCKET": "old-images", "HATCHERY_LEGACY_PREFIX": "dev",
}

// devWith is what dev runs with in an environment.
func devWith(t *testing.T, changes map[string]string) config.Config {
	t.Helper()
	env := map[string]string{"HATCHERY_BUGOUT_URL": "http://127.0.0.1:2"} // which spire needs
	maps.Copy(env, changes)
	settings, err := devSettings(devFlags{data: "d", records: "sqlite"},
		terminal{getenv: func(name string) string { return env[name] }})
	if err != nil {
		t.Fatal(err)
	}
	settings.SurveyTime, settings.ClearObsolete, settings.Stack = 0, false, "" // which functions alone read
	return onStack(settings, local.Endpoints{Bucket: local.Bucket, App: "http://127.0.0.1:4"})
}

func TestTheHelpTellsOfEachSettingOnceAndWhetherItHasAnEffectOnDev(t *testing.T) {
	var help bytes.Buffer
	if code := run(t.Context(), []string{"help", "environment"}, terminal{out: &help, err: &help}); code != exitDone {
		t.Fatalf("exit code %d: %s", code, &help)
	}
	for _, s := range config.Settings() {
		without, with := strings.Count(help.String(), "\n  "+s.Name+"\n"), strings.Count(help.String(), "\n* "+s.Name+"\n")
		if without+with != 1 || !strings.Contains(help.String(), "Default: "+strings.Fields(s.Default)[0]) {
			t.Errorf("%s is there %d times", s.Name, without+with)
		}
		effect := !reflect.DeepEqual(devWith(t, nil), devWith(t, map[string]string{s.Name: aValue[s.Name]}))
		if aValue[s.Name] == "" || effect != (without == 1) {
			t.Errorf("%s=%s: it has an effect on dev: %t; the help says %t", s.Name, aValue[s.Name], effect, without == 1)
		}
	}
	for name := range maps.Keys(inDev) {
		if aValue[name] == "" || notInDev[name] {
			t.Errorf("%s is no setting that has an effect on dev", name)
		}
	}
	for line := range strings.Lines(help.String()) {
		if len([]rune(line)) > 120 {
			t.Errorf("a line is too long for a terminal: %s", line)
		}
	}
}
