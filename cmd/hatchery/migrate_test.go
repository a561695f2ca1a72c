package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
		r := upload.Record{ID: upload.ID(fmt.Sprintf("019a0000-0000-7000-8000-%012d", i)), Journal: "j", Entry: "e", Kind: "images", Name: "cat", Extension: "png",
			CreatedAt: at.Add(time.Duration(i) * time.Second), Status: upload.Pending}
		if _, err := s.Create(t.Context(), r, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Settle(t.Context(), r.Ref(), upload.Verdict{Status: upload.Stored, Version: "q", Served: "f", At: at, Size: 3, ContentType: "image/png", SHA256: fmt.Sprintf("%064d", i)}); err != nil {
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
	env := map[string]string{"HATCHERY_BUGOUT_URL": brood.URL(), "HATCHERY_BUGOUT_APPLICATION_ID": broodApplication, "HATCHERY_BUGOUT_TOKEN": broodToken}
	code, out, errs := typed(t, env, "migrate", "--from", "sqlite:"+from, "--to", "bugout", "--dry-run")
	if code != 0 || !strings.Contains(out, "7  would be copied") {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	if code, out, errs = typed(t, env, "migrate", "--from", "sqlite:"+from, "--to", "bugout"); code != 0 || !strings.Contains(out, "7  copied") {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	to, state := filepath.Join(t.TempDir(), "back.db"), filepath.Join(t.TempDir(), "state.json")
	code, out, errs = typed(t, env, "migrate", "--from", "bugout", "--to", "sqlite:"+to, "--json", "--state", state)
	var report migrate.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 || report.Copied != 7 || errs != "" {
		t.Fatalf("%d %s %s, %v", code, out, errs, err)
	}
	if code, out, _ = typed(t, env, "migrate", "--from", "sqlite:"+from, "--to", "sqlite:"+to); code != 0 || !strings.Contains(out, "7  are the same in both") {
		t.Errorf("%d %s", code, out)
	}
	if text, err := os.ReadFile(state); err != nil || !strings.Contains(string(text), `"from":"bugout"`) {
		t.Errorf("the state is %s, %v", text, err)
	}
	if code, _, errs = typed(t, env, "migrate", "--from", "bugout", "--to", "sqlite:elsewhere.db", "--state", state); code != 2 || !strings.Contains(errs, "is of a migration from") {
		t.Errorf("another migration's state: %d %s", code, errs)
	}
}

func TestAMigrationThatCannotBeginSaysWhy(t *testing.T) {
	from := recordsFile(t, 1)
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no stores":        {nil, "--from and --to"},
		"an unknown store": {[]string{"--from", "postgres", "--to", "bugout"}, "accepted: dynamodb:TABLE, bugout, sqlite:FILE"},
		"the same":         {[]string{"--from", "bugout", "--to", "bugout"}, "the same store"},
		"no such file":     {[]string{"--from", "sqlite:nowhere.db", "--to", "bugout"}, "nowhere.db"},
		"no Bugout":        {[]string{"--from", "sqlite:" + from, "--to", "bugout"}, "HATCHERY_BUGOUT_URL"},
		"no table":         {[]string{"--from", "sqlite:" + from, "--to", "dynamodb"}, "HATCHERY_TABLE"},
		"too many at once": {[]string{"--from", "sqlite:" + from, "--to", "bugout", "--at-once", "65"}, "1 to 64"},
		"no bucket":        {[]string{"--from", "sqlite:" + from, "--to", "sqlite:" + from + ".2", "--check-objects"}, "HATCHERY_BUCKET"},
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
	env := map[string]string{"HATCHERY_BUGOUT_URL": brood.URL(), "HATCHERY_BUGOUT_APPLICATION_ID": broodApplication, "HATCHERY_BUGOUT_TOKEN": broodToken}
	if code, out, errs := typed(t, env, "migrate", "--from", "sqlite:"+recordsFile(t, 2), "--to", "bugout"); code != 0 {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	body := `{"application_id":"` + broodApplication + `","resource_data":{"id":"019a0000-0000-7000-8000-00000000dead","journal_id":"j","entry_id":"e","created_at":"yesterday"}}`
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
	code, out, errs := typed(t, env, "migrate", "--from", "bugout", "--to", "sqlite:"+filepath.Join(t.TempDir(), "to.db"))
	if code != 3 || !strings.Contains(out, "2  copied") || !strings.Contains(errs, "not copied: 1") {
		t.Errorf("%d %s %s", code, out, errs)
	}
}
