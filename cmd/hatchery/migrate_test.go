package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hatchery/shared/local/localbugout"
	"hatchery/shared/migrate"
	"hatchery/shared/records/sqliterecords"
	"hatchery/shared/upload"
)

// recordsFile makes an SQLite file with some stored records.
func recordsFile(t *testing.T, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "records.db")
	s, err := sqliterecords.Open(t.Context(), path, sqliterecords.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	for i := range n {
		r := upload.Record{ID: upload.ID(fmt.Sprintf("019a0000-0000-7000-8000-%012d", i)), Journal: "j", Entry: "e",
			Kind: "images", Name: "cat", Extension: "png",
			CreatedAt: at.Add(time.Duration(i) * time.Second), Status: upload.Pending}
		if _, err := s.Create(t.Context(), r, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Update(t.Context(), r.Ref(), upload.Settle(upload.Verdict{Status: upload.Stored, Version: "q", Served: "f",
			At: at, Size: 3, ContentType: "image/png", SHA256: fmt.Sprintf("%064d", i)})); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRecordsGoFromSQLiteToBugoutAndBack(t *testing.T) {
	brood, from := startBrood(t), recordsFile(t, 7)
	env := map[string]string{"HATCHERY_BUGOUT_URL": brood.URL(), "HATCHERY_BUGOUT_APPLICATION_ID": broodApplication,
		"HATCHERY_BUGOUT_TOKEN": broodToken}
	code, out, errs := typed(t, env, "migrate", "--from", "sqlite:"+from, "--to", "bugout", "--dry-run")
	if code != 0 || !strings.Contains(out, "7  would be copied") {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	if code, out, errs = typed(t, env, "migrate", "--from", "sqlite:"+from, "--to", "bugout"); code != 0 ||
		!strings.Contains(out, "7  copied") {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	to, state := filepath.Join(t.TempDir(), "back.db"), filepath.Join(t.TempDir(), "state.json")
	code, out, errs = typed(t, env, "migrate", "--from", "bugout", "--to", "sqlite:"+to, "--json", "--state", state)
	var report migrate.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 || report.Copied != 7 || errs != "" ||
		!strings.Contains(out, `"findings":[]`) {
		t.Fatalf("%d %s %s, %v", code, out, errs, err)
	}
	if code, out, _ = typed(t, env, "migrate", "--from", "sqlite:"+from, "--to", "sqlite:"+to); code != 0 ||
		!strings.Contains(out, "7  the same in both") {
		t.Errorf("%d %s", code, out)
	}
	if text, err := os.ReadFile(state); err != nil ||
		!strings.Contains(string(text), `"from":"bugout:`+brood.URL()+" "+broodApplication+`"`) {
		t.Errorf("the state is %s, %v", text, err)
	}
	elsewhere := filepath.Join(t.TempDir(), "elsewhere.db")
	for says, args := range map[string][]string{
		"is of a migration from":    {"--to", "sqlite:" + elsewhere, "--state", state},
		"and --check-objects=false": {"--to", "sqlite:" + to, "--state", state, "--check-objects"},
		"keep how far it came": {"--to", "sqlite:" + elsewhere, "--state", filepath.Join(t.TempDir(), "nowhere",
			"state.json")},
	} {
		if strings.Contains(says, "objects") {
			bucketSettings(t, env)
		}
		if code, _, errs = typed(t, env, append([]string{"migrate", "--from", "bugout"}, args...)...); code != 2 ||
			!strings.Contains(errs, "--state: ") || !strings.Contains(errs, says) {
			t.Errorf("%s: %d %s", says, code, errs)
		}
	}
	if _, err := os.Stat(elsewhere); err == nil {
		t.Error("a target was made")
	}
}

func TestAMigrationThatCannotBeginSaysWhy(t *testing.T) {
	from := recordsFile(t, 1)
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no stores": {nil, "--from and --to"},
		"an unknown store": {[]string{"--from", "postgres", "--to", "bugout"},
			"accepted: dynamodb:TABLE, bugout, sqlite:FILE"},
		"the same": {[]string{"--from", "sqlite:" + from, "--to", "sqlite:" + filepath.Dir(from) +
			"/./records.db"}, "the same store"},
		"no such file": {[]string{"--from", "sqlite:nowhere.db", "--to", "sqlite:" + from}, "nowhere.db"},
		"no Bugout":    {[]string{"--from", "sqlite:" + from, "--to", "bugout"}, "HATCHERY_BUGOUT_URL"},
		"no table":     {[]string{"--from", "sqlite:" + from, "--to", "dynamodb"}, "HATCHERY_TABLE"},
		"flags of Bugout": {[]string{"--from", "sqlite:" + from, "--to", "sqlite:" + from + ".2", "--token-file",
			"token"}, "neither --from nor --to is bugout"},
		"too many at once": {[]string{"--from", "sqlite:" + from, "--to", "dynamodb", "--at-once", "65"},
			`"65" for "--at-once" flag: accepted: 1 to 64`},
		"none at once": {[]string{"--from", "sqlite:" + from, "--to", "dynamodb", "--at-once", "0"}, "accepted: 1 to 64"},
		"some at once": {[]string{"--from", "sqlite:" + from, "--to", "dynamodb", "--at-once", "x"}, "accepted: 1 to 64"},
		"more than Bugout": {[]string{"--from", "sqlite:" + from, "--to", "bugout", "--at-once", "5"},
			"found 5; accepted with bugout: 1 to 4: a Bugout server"},
		"and from Bugout": {[]string{"--from", "bugout", "--to", "sqlite:" + from, "--at-once", "5"},
			"accepted with bugout: 1 to 4"},
		"two faults": {[]string{"--from", "sqlite:" + from, "--to", "sqlite:" + from + ".2", "--validate"},
			"HATCHERY_LEGACY_BUCKET: found nothing"},
		"both of them": {[]string{"--from", "sqlite:" + from, "--to", "sqlite:" + from + ".2", "--validate"},
			"HATCHERY_BUCKET: "},
		"no bucket": {[]string{"--from", "sqlite:" + from, "--to", "sqlite:" + from + ".2", "--check-objects"},
			"HATCHERY_BUCKET"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errs := typed(t, nil, append([]string{"migrate"}, c.args...)...)
			if code != 2 || !strings.Contains(errs, c.says) {
				t.Errorf("%d %q %q", code, out, errs)
			}
		})
	}
	if _, err := os.Stat("nowhere.db"); err == nil {
		t.Error("a source was made")
	}
}

func TestADamagedRecordInBugoutIsSaidAndPassedOver(t *testing.T) {
	brood := startBrood(t)
	env := map[string]string{"HATCHERY_BUGOUT_URL": brood.URL(), "HATCHERY_BUGOUT_APPLICATION_ID": broodApplication,
		"HATCHERY_BUGOUT_TOKEN": broodToken}
	if code, out, errs := typed(t, env, "migrate", "--from", "sqlite:"+recordsFile(t, 2), "--to", "bugout"); code != 0 {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	damage(t, brood)
	args := []string{"migrate", "--from", "bugout", "--to", "sqlite:" + filepath.Join(t.TempDir(), "to.db")}
	code, out, errs := typed(t, env, args...)
	if code != 3 || !strings.Contains(out, "2  copied\n1  damaged: passed over\n") ||
		!strings.Contains(out, "a record in Bugout  is damaged, and was not copied: resource ") ||
		!strings.Contains(errs, "damaged records in Bugout that were not copied: 1") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	code, out, errs = typed(t, env, append(args, "--json")...)
	var report migrationReport
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 3 || report.Damaged != 1 ||
		report.Failed != 0 || report.Complete || len(report.Findings) != 1 || !strings.Contains(report.Findings[0].What,
		"yesterday") {
		t.Errorf("%d %s %s, %v", code, out, errs, err)
	}
}

// bucketSettings are those of a bucket that nobody asks.
func bucketSettings(t *testing.T, env map[string]string) {
	t.Helper()
	env["HATCHERY_BUCKET"] = "files"
	for name, value := range map[string]string{"AWS_REGION": "eu-south-1", "AWS_ACCESS_KEY_ID": "key",
		"AWS_SECRET_ACCESS_KEY": "secret"} {
		t.Setenv(name, value)
	}
}

// TestAStateIsOfTheStoresThatWereMeant: settings name stores, too.
func TestAStateIsOfTheStoresThatWereMeant(t *testing.T) {
	here, there, from, state := startBrood(t), startBrood(t), recordsFile(t, 2), filepath.Join(t.TempDir(), "state.json")
	env := map[string]string{"HATCHERY_BUGOUT_URL": here.URL(), "HATCHERY_BUGOUT_APPLICATION_ID": broodApplication,
		"HATCHERY_BUGOUT_TOKEN": broodToken}
	for _, c := range []struct {
		url  string
		want int
	}{{here.URL(), 0}, {there.URL(), 2}, {here.URL(), 0}} {
		env["HATCHERY_BUGOUT_URL"] = c.url
		if code, out, errs := typed(t, env, "migrate", "--from", "sqlite:"+from, "--to", "bugout", "--state",
			state); code != c.want {
			t.Errorf("to %s: %d %s %s", c.url, code, out, errs)
		}
	}
}

func TestBugoutMayBeNamedByFlags(t *testing.T) {
	brood, from, token := startBrood(t), recordsFile(t, 2), filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(broodToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := []string{"migrate", "--from", "sqlite:" + from, "--to", "bugout", "--url", brood.URL(), "--application",
		broodApplication, "--token-file", token}
	// What the variables say is of no account.
	env := map[string]string{"HATCHERY_BUGOUT_URL": "http://127.0.0.1:1",
		"HATCHERY_BUGOUT_APPLICATION_ID": broodGroup, "HATCHERY_BUGOUT_TOKEN": "22222222-2222-4222-8222-222222222222"}
	if code, out, errs := typed(t, env, flags...); code != 0 || !strings.Contains(out, "2  copied") {
		t.Errorf("%d %s %s", code, out, errs)
	}
}

func TestADryRunMakesNoTarget(t *testing.T) {
	from, folder := recordsFile(t, 2), t.TempDir()
	t.Setenv("TMPDIR", folder)
	to := filepath.Join(folder, "to.db")
	if code, out, errs := typed(t, nil, "migrate", "--from", "sqlite:"+from, "--to", "sqlite:"+to,
		"--dry-run"); code != 0 || !strings.Contains(out, "2  would be copied") {
		t.Errorf("%d %s %s", code, out, errs)
	}
	if code, _, errs := typed(t, nil, "migrate", "--from", "sqlite:"+from, "--to",
		"sqlite:"+filepath.Join(folder, "nowhere", "to.db"), "--dry-run"); code != 2 || !strings.Contains(errs, "nowhere") {
		t.Errorf("%d %s", code, errs)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
		t.Errorf("it left %v, %v", left, err)
	}
}

func TestABrokenOffMigrationSaysHowToGoOn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	brood, err := localbugout.Open(t.Context(), localbugout.Options{Listen: "127.0.0.1:0",
		Application: broodApplication, Tokens: map[string]localbugout.Role{broodToken: localbugout.Member},
		Trouble: func(c localbugout.Call) localbugout.Trouble {
			if c.Method == http.MethodPost {
				cancel()
			}
			return localbugout.None
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := brood.Close(); err != nil {
			t.Error(err)
		}
	})
	env := map[string]string{"HATCHERY_BUGOUT_URL": brood.URL(), "HATCHERY_BUGOUT_APPLICATION_ID": broodApplication,
		"HATCHERY_BUGOUT_TOKEN": broodToken}
	var out, errs bytes.Buffer
	code := run(ctx, []string{"migrate", "--from", "sqlite:" + recordsFile(t, 20), "--to", "bugout"},
		terminal{out: &out, err: &errs, getenv: func(name string) string { return env[name] }})
	if code != 3 || errs.String() != "hatchery: broken off; begun again it passes over what was copied\n" ||
		strings.Contains(out.String(), "failed") {
		t.Errorf("%d %s %s", code, &out, &errs)
	}
}

// TestDamageIsSaidBesideDifferences, and decides how it ends.
func TestDamageIsSaidBesideDifferences(t *testing.T) {
	brood, to := startBrood(t), recordsFile(t, 3)
	env := map[string]string{"HATCHERY_BUGOUT_URL": brood.URL(), "HATCHERY_BUGOUT_APPLICATION_ID": broodApplication,
		"HATCHERY_BUGOUT_TOKEN": broodToken}
	damage(t, brood)
	code, out, errs := typed(t, env, "migrate", "--from", "bugout", "--to", "sqlite:"+to)
	if code != 3 || !strings.Contains(out, "3  in the target alone") || strings.Count(errs, "yesterday") != 1 ||
		!strings.Contains(errs, "not copied: 1") {
		t.Errorf("%d %s %s", code, out, errs)
	}
}

// damage puts a resource into Brood that is an upload's, and cannot be read.
func damage(t *testing.T, brood *localbugout.Server) {
	t.Helper()
	body := `{"application_id":"` + broodApplication +
		`","resource_data":{"id":"019a0000-0000-7000-8000-00000000dead","journal_id":"j","entry_id":"e","created_at":"yesterday"}}`
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, brood.URL()+"/resources/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+broodToken)
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%+v, %v", response, err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
}
