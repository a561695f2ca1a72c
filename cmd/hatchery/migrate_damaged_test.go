package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hatchery/shared/local/localbugout"
	"hatchery/shared/local/localdynamo"
	"hatchery/shared/migrate"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/records/sqliterecords"
)

func TestADamagedRecordIsToldOfOnce(t *testing.T) {
	source, target := &passedOver{store: "in Bugout", source: true}, &passedOver{store: "in Bugout"}
	for _, p := range []*passedOver{source, target} {
		if err := p.err(); err != nil || len(p.records()) > 0 {
			t.Error(err)
		}
		a, b := errors.New("a"), errors.New("b")
		if first, again, another, of := p.first("", a), p.first("", a), p.first("", b), p.first("key", a); !first ||
			again || !another || !of {
			t.Error(first, again, another, of)
		}
		if told := p.records(); len(told) != 3 || told[1].record != "a record in Bugout" || told[2].record != "key" {
			t.Errorf("%+v", told)
		}
	}
	if a, b := source.err(), target.err(); a == nil || b == nil ||
		a.Error() != "damaged records in Bugout that were not copied: 3" ||
		b.Error() != "damaged records in Bugout that were passed over: 3" {
		t.Errorf("%v; %v", a, b)
	}
}

// startDynamo makes a table on this machine, and points AWS's settings at it.
func startDynamo(t *testing.T, table string) *dynamodb.Client {
	t.Helper()
	const region, key, secret = "eu-south-1", "key", "secret"
	server, err := localdynamo.Open(t.Context(), localdynamo.Options{Listen: "127.0.0.1:0", Region: region,
		AccessKey: key, SecretKey: secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close(context.WithoutCancel(t.Context())) })
	client := dynamodb.New(dynamodb.Options{Region: region, BaseEndpoint: aws.String(server.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")})
	if _, err := client.CreateTable(t.Context(), dynamorecords.TableInput(table)); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(t.TempDir(), "none")
	for name, value := range map[string]string{"AWS_REGION": region, "AWS_ACCESS_KEY_ID": key,
		"AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": "",
		"AWS_ENDPOINT_URL_DYNAMODB": server.URL(), "AWS_PROFILE": "", "AWS_CONFIG_FILE": none,
		"AWS_SHARED_CREDENTIALS_FILE": none} {
		t.Setenv(name, value)
	}
	return client
}

// TestDamageBeforeABreakIsNotForgotten: the run that goes on says it, too.
func TestDamageBeforeABreakIsNotForgotten(t *testing.T) {
	client := startDynamo(t, "records")
	if code, out, errs := typed(t, nil, "migrate", "--from", "sqlite:"+recordsFile(t, 250), "--to",
		"dynamodb:records"); code != exitDone {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	item := map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "e#j/e/images"},
		"sk": &types.AttributeValueMemberS{Value: "r#000"}}
	if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("records"),
		Item: item}); err != nil {
		t.Fatal(err)
	}
	// The first run ends while the second page is copied.
	ctx, cancel := context.WithCancel(t.Context())
	var created atomic.Int64
	brood, err := localbugout.Open(t.Context(), localbugout.Options{Listen: "127.0.0.1:0",
		Application: broodApplication, Tokens: map[string]localbugout.Role{broodToken: localbugout.Member},
		Trouble: func(c localbugout.Call) localbugout.Trouble {
			if c.Method == http.MethodPost && created.Add(1) == 205 {
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
	args := []string{"migrate", "--from", "dynamodb:records", "--to", "bugout", "--state",
		filepath.Join(t.TempDir(), "state.json")}
	for _, ctx := range []context.Context{ctx, t.Context()} {
		var out, errs bytes.Buffer
		code := run(ctx, args, terminal{out: &out, err: &errs, getenv: func(name string) string { return env[name] }})
		if code != exitSystem || !strings.Contains(out.String(), "1  damaged: passed over") ||
			!strings.Contains(errs.String(), "that were not copied: 1") {
			t.Errorf("%d %s %s", code, &out, &errs)
		}
		if whole := strings.Contains(out.String(), "Read 250 records."); whole != (ctx.Err() == nil) {
			t.Errorf("%s", &out)
		}
	}
}

// TestARowThatNobodyKnowsEndsTheMigration, and makes nothing of it.
func TestARowThatNobodyKnowsEndsTheMigration(t *testing.T) {
	from, to := recordsFile(t, 2), filepath.Join(t.TempDir(), "to.db")
	db, err := sql.Open("sqlite", from)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "UPDATE uploads SET status = 'archived' WHERE seq = 2"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	code, out, errs := typed(t, nil, "migrate", "--from", "sqlite:"+from, "--to", "sqlite:"+to)
	if code != exitSystem || !strings.Contains(errs, `000000000001 is damaged: status "archived"`) ||
		!strings.Contains(out, "Read 0 records.") {
		t.Errorf("%d %s %s", code, out, errs)
	}
}

// TestOneWrongSettingIsOneTrouble, and not one for each record.
func TestOneWrongSettingIsOneTrouble(t *testing.T) {
	startDynamo(t, "records")
	from, brood := recordsFile(t, 60), startBrood(t)
	env := map[string]string{"HATCHERY_BUGOUT_URL": brood.URL(), "HATCHERY_BUGOUT_APPLICATION_ID": broodApplication,
		"HATCHERY_BUGOUT_TOKEN": "22222222-2222-4222-8222-222222222222"}
	for to, says := range map[string]string{"dynamodb:nowhere": "ResourceNotFoundException",
		"bugout": "HATCHERY_BUGOUT_TOKEN"} {
		code, out, errs := typed(t, env, "migrate", "--from", "sqlite:"+from, "--to", to, "--at-once", "1")
		if code != exitSystem || !strings.Contains(errs, "5 records in a row failed") || !strings.Contains(errs, says) ||
			strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: %d %s", to, code, errs)
		}
		if !strings.Contains(out, "(and so did 4 more)\n5  failed\nRead 5 records.\n") || strings.Count(out, says) != 1 {
			t.Errorf("%s: %s", to, out)
		}
	}
}

// TestAStateIsOfTheTargetThatWasFilled: going on in another one would leave out what was
// copied before.
func TestAStateIsOfTheTargetThatWasFilled(t *testing.T) {
	from, filled := recordsFile(t, 250), filepath.Join(t.TempDir(), "filled.db")
	to, state := filepath.Join(t.TempDir(), "to.db"), filepath.Join(t.TempDir(), "state.json")
	open := func(path string) *sqliterecords.Store {
		s, err := sqliterecords.Open(t.Context(), path, sqliterecords.Options{Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	source, target := open(from), open(filled)
	ended := errors.New("ended")
	m := &migrate.Migration{From: source, To: target, Keep: func(p migrate.Place) error {
		return errors.Join((&migrationState{From: "sqlite:" + from, To: "sqlite:" + to, Place: p}).save(state), ended)
	}}
	if _, err := m.Run(t.Context(), migrate.Place{}); !errors.Is(err, ended) {
		t.Fatal(err)
	}
	if err := errors.Join(source.Close(), target.Close()); err != nil {
		t.Fatal(err)
	}
	args := []string{"migrate", "--from", "sqlite:" + from, "--to", "sqlite:" + to, "--state", state}
	code, out, errs := typed(t, nil, args...)
	if code != exitUsage || !strings.Contains(errs, "which is not there: put it back, or name another file") {
		t.Errorf("without a target: %d %s %s", code, out, errs)
	}
	if _, err := os.Stat(to); err == nil {
		t.Error("a target was made")
	}
	if err := open(to).Close(); err != nil {
		t.Fatal(err)
	}
	code, out, errs = typed(t, nil, args...)
	if code != exitUsage || out != "" || !strings.Contains(errs, "is not of this target") ||
		!strings.Contains(errs, ": j/entries/e/images/019a") || !strings.Contains(errs, "name another file") {
		t.Errorf("with a target that was made anew: %d %s %s", code, out, errs)
	}
	if err := os.Rename(filled, to); err != nil {
		t.Fatal(err)
	}
	if code, out, errs = typed(t, nil, args...); code != exitDone || !strings.Contains(out, "250  copied") {
		t.Errorf("with what was filled: %d %s %s", code, out, errs)
	}
}

func TestAStateThatNamesNoStoresIsNone(t *testing.T) {
	from, state := recordsFile(t, 1), filepath.Join(t.TempDir(), "state.json")
	for _, text := range []string{"{}", "null", "[]", "", `{"from":"sqlite:a"}`} {
		if err := os.WriteFile(state, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, errs := typed(t, nil, "migrate", "--from", "sqlite:"+from, "--to", "sqlite:"+from+".2", "--state",
			state); code != exitUsage || !strings.Contains(errs, "is not what an earlier run wrote") {
			t.Errorf("%q: %d %s", text, code, errs)
		}
	}
}

// TestAReportSaysWhichRunItIsOf, so that a dry run's is not taken for another.
func TestAReportSaysWhichRunItIsOf(t *testing.T) {
	from, to := recordsFile(t, 1), filepath.Join(t.TempDir(), "to.db")
	for _, dry := range []bool{true, false} {
		code, out, errs := typed(t, nil, "migrate", "--from", "sqlite:"+from, "--to", "sqlite:"+to, "--json",
			fmt.Sprintf("--dry-run=%t", dry))
		var report migrationReport
		if err := json.Unmarshal([]byte(out), &report); err != nil || code != exitDone || report.DryRun != dry ||
			!report.Complete || report.From != "sqlite:"+from || report.To != "sqlite:"+to || report.Copied != 1 {
			t.Errorf("%d %s %s, %v", code, out, errs, err)
		}
	}
	if _, out, _ := typed(t, nil, "migrate", "--from", "sqlite:"+from, "--to",
		"sqlite:"+to); out != "1  the same in both\nRead 1 record.\n" {
		t.Errorf("%q", out)
	}
}
