package migrate_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hatchery/shared/local/localbugout"
	"hatchery/shared/local/localdynamo"
	"hatchery/shared/migrate"
	"hatchery/shared/records/bugoutrecords"
	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/records/sqliterecords"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 123456000, time.UTC)

// stores opens one of each.
var stores = map[string]func(t *testing.T) upload.Records{
	"memory": func(*testing.T) upload.Records { return uploadtest.NewRecords(uploadtest.RecordsOptions{Swap: true}) },
	"sqlite": func(t *testing.T) upload.Records {
		s, err := sqliterecords.Open(t.Context(), filepath.Join(t.TempDir(), "records.db"),
			sqliterecords.Options{Now: func() time.Time { return noon }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s
	},
	"dynamodb": func(t *testing.T) upload.Records {
		const region, key, secret = "us-east-1", "KEY", "secret"
		server, err := localdynamo.Open(t.Context(),
			localdynamo.Options{Listen: "127.0.0.1:0", Region: region, AccessKey: key, SecretKey: secret})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := server.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		// The server's end would wait for a connection that was made and never used.
		transport := &http.Transport{DisableKeepAlives: true}
		client := dynamodb.New(dynamodb.Options{Region: region, HTTPClient: &http.Client{Transport: transport},
			BaseEndpoint: aws.String(server.URL()), Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")})
		if _, err := client.CreateTable(t.Context(), dynamorecords.TableInput("uploads")); err != nil {
			t.Fatal(err)
		}
		return dynamorecords.New(client, "uploads", dynamorecords.Options{Now: func() time.Time { return noon }})
	},
	"bugout": func(t *testing.T) upload.Records {
		s, _ := openBugout(t)
		return s
	},
}

const application, token = "4bf67555-b4f3-4a2e-95ff-7142d49d167b", "11111111-1111-4111-8111-111111111111"

func openBugout(t *testing.T) (*bugoutrecords.Store, *localbugout.Server) {
	t.Helper()
	brood, err := localbugout.Open(t.Context(),
		localbugout.Options{Listen: "127.0.0.1:0", Application: application,
			Tokens: map[string]localbugout.Role{token: localbugout.Member}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := brood.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := bugoutrecords.New(bugoutrecords.Options{URL: brood.URL(), Application: application,
		Token: func(context.Context) (string, error) { return token, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return s, brood
}

// fill makes one record of every kind of life.
func fill(t *testing.T, s upload.Records) {
	t.Helper()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, entry := range []upload.Entry{"e1", "e2"} {
		for n := range 9 {
			r := upload.Record{ID: upload.ID(fmt.Sprintf("019a0000-0000-7000-8000-%011d%d", n, i)), Journal: "j", Entry: entry,
				Kind: "images",
				Name: fmt.Sprint("cat ", n), Extension: "png", CreatedAt: noon.Add(time.Duration(n) * time.Minute),
				Status:   upload.Pending,
				Declared: upload.Declared{Size: int64(n), Type: "image/png"}}
			if n%2 == 1 {
				r.FormExpires, r.Filename = noon.Add(time.Hour), fmt.Sprintf("Cat %d.PNG", n)
			}
			must(s.Create(t.Context(), r, nil))
			stored := upload.Verdict{Status: upload.Stored, Version: "q", Served: "f", At: noon.Add(time.Hour), Size: 7,
				ContentType: "image/png", SHA256: strings.Repeat("a", 64)}
			rejected := upload.Verdict{Status: upload.Rejected, Version: "q", At: noon.Add(time.Hour), Size: 7,
				Reason: &upload.Reason{Code: upload.Corrupt, Message: "Broken."}}
			remove := func() {
				must(s.Update(t.Context(), r.Ref(), upload.Delete(noon.Add(2*time.Hour), noon.Add(3*time.Hour))))
			}
			switch n {
			case 1:
				must(s.Update(t.Context(), r.Ref(), upload.Settle(stored)))
			case 2:
				must(s.Update(t.Context(), r.Ref(), upload.Settle(rejected)))
			case 3:
				remove()
			case 4:
				must(s.Update(t.Context(), r.Ref(), upload.Settle(stored)))
				remove()
			case 5:
				must(s.Update(t.Context(), r.Ref(), upload.Settle(rejected)))
				remove()
			case 6:
				for range 3 {
					must(nil, upload.NoteFailure(t.Context(), s, r.Ref(), upload.Failure{At: noon.Add(time.Minute), Message: "slow"}))
				}
				must(s.Update(t.Context(), r.Ref(), upload.CountResend(0, noon.Add(time.Minute))))
				must(s.Update(t.Context(), r.Ref(), upload.CountResend(1, noon.Add(time.Hour))))
			case 7:
				// As the replaced service's images are: stored, and never judged.
				must(s.Update(t.Context(), r.Ref(), upload.Settle(upload.Verdict{Status: upload.Stored})))
			case 8:
				must(nil, upload.NoteFailure(t.Context(), s, r.Ref(), upload.Failure{At: noon.Add(time.Minute), Message: "slow"}))
				must(s.Update(t.Context(), r.Ref(), upload.Settle(stored)))
			}
		}
	}
}

func all(t *testing.T, s upload.Records) []string {
	t.Helper()
	page, err := s.Scan(t.Context(), upload.ScanQuery{Cursor: "", Limit: upload.MaxPage})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range page.Records {
		reason, failure := fmt.Sprint(r.Reason), fmt.Sprint(r.LastFailure)
		r.Reason, r.LastFailure = nil, nil
		lines = append(lines, fmt.Sprintf("%+v %s %s", r, reason, failure))
	}
	slices.Sort(lines)
	return lines
}

func TestEveryStoreIsCopiedToEveryOther(t *testing.T) {
	for from, openFrom := range stores {
		for to, openTo := range stores {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				source, target := openFrom(t), openTo(t)
				fill(t, source)
				before := all(t, source)
				m := (&migrate.Migration{From: source, To: target}).WithPageSize(5)
				dry := *m
				dry.DryRun = true
				would, err := dry.Run(t.Context(), migrate.Place{})
				if err != nil || len(all(t, target)) != 0 {
					t.Fatalf("a dry run: %+v, %v, and left %d records", would, err, len(all(t, target)))
				}
				did, err := m.Run(t.Context(), migrate.Place{})
				if err != nil || did.Copied != would.Copied || did.Different != 0 || did.Read != len(before) {
					t.Fatalf("%+v, %v; would have %+v", did, err, would)
				}
				want := before
				if !target.Atomic() {
					want = slices.DeleteFunc(slices.Clone(before),
						func(line string) bool { return strings.Contains(line, "Status:deleted") })
				}
				if got := all(t, target); !slices.Equal(got, want) {
					t.Errorf("copied\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				if !slices.Equal(all(t, source), before) {
					t.Error("the source was changed")
				}
				again, err := m.Run(t.Context(), migrate.Place{})
				if err != nil || again.Copied != 0 || again.Same != len(want) || again.Forgotten != len(before)-len(want) {
					t.Errorf("the second time: %+v, %v", again, err)
				}
			})
		}
	}
}

func TestWhatDiffersIsToldAndLeftAlone(t *testing.T) {
	source, target := stores["memory"](t), stores["memory"](t)
	fill(t, source)
	if _, err := (&migrate.Migration{From: source, To: target}).Run(t.Context(), migrate.Place{}); err != nil {
		t.Fatal(err)
	}
	ref := upload.Ref{Journal: "j", Entry: "e1", Kind: "images", ID: "019a0000-0000-7000-8000-000000000010"}
	if _, err := target.Update(t.Context(), ref, upload.Delete(noon, noon)); err != nil {
		t.Fatal(err)
	}
	before := all(t, target)
	for _, dry := range []bool{true, false} {
		report, err := (&migrate.Migration{From: source, To: target, DryRun: dry}).Run(t.Context(), migrate.Place{})
		if err != nil || report.Different != 1 || len(report.Findings) != 1 {
			t.Fatalf("%+v, %v", report, err)
		}
		if f := report.Findings[0]; f.Upload != ref.String() ||
			!strings.Contains(f.What, "Status is deleted instead of stored, ") ||
			!strings.HasSuffix(f.What, " UTC instead of nothing") {
			t.Errorf("found %+v", f)
		}
	}
	if !slices.Equal(all(t, target), before) {
		t.Error("the target was changed")
	}
	// Deleted in both, at another time.
	if _, err := source.Update(t.Context(), ref, upload.Delete(noon.Add(time.Hour), noon.Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	report, err := (&migrate.Migration{From: source, To: target}).Run(t.Context(), migrate.Place{})
	if err != nil || report.Different != 1 || !slices.Equal(all(t, target), before) {
		t.Errorf("deleted in both: %+v, %v", report, err)
	}
}

// TestADeletionBetweenTwoRunsIsFound, whichever of the stores keeps no tombstones.
func TestADeletionBetweenTwoRunsIsFound(t *testing.T) {
	ref := upload.Ref{Journal: "j", Entry: "e1", Kind: "images", ID: "019a0000-0000-7000-8000-000000000010"}
	for _, c := range []struct {
		from, to         string
		copied, alone    int
		existsAfterwards bool
	}{
		{"memory", "sqlite", 1, 0, false},
		{"memory", "bugout", 1, 0, false},
		{"bugout", "memory", 0, 1, true}, // told, and a person decides
	} {
		t.Run(c.from+" to "+c.to, func(t *testing.T) {
			t.Parallel()
			source, target := stores[c.from](t), stores[c.to](t)
			fill(t, source)
			m := &migrate.Migration{From: source, To: target}
			if _, err := m.Run(t.Context(), migrate.Place{}); err != nil {
				t.Fatal(err)
			}
			if _, err := source.Update(t.Context(), ref,
				upload.Delete(noon.Add(5*time.Hour), noon.Add(6*time.Hour))); err != nil {
				t.Fatal(err)
			}
			dry := *m
			dry.DryRun = true
			would, err := dry.Run(t.Context(), migrate.Place{})
			if err != nil || would.Copied != c.copied || would.Alone != c.alone {
				t.Fatalf("a dry run: %+v, %v", would, err)
			}
			if r, err := m.Run(t.Context(), migrate.Place{}); err != nil || r.Copied != c.copied || r.Alone != c.alone ||
				r.Different != 0 {
				t.Fatalf("%+v, %v", r, err)
			}
			got, err := target.Get(t.Context(), ref)
			if exists := err == nil && got.Status != upload.Deleted; exists != c.existsAfterwards {
				t.Errorf("in the target: %+v, %v", got, err)
			}
			if !c.existsAfterwards {
				return
			}
			if _, err := target.Update(t.Context(), ref, upload.Delete(noon, noon.Add(time.Hour))); err != nil {
				t.Fatal(err)
			}
			if r, err := m.Run(t.Context(), migrate.Place{}); err != nil || r.Alone != 0 {
				t.Errorf("deleted in the target, too: %+v, %v", r, err)
			}
		})
	}
}

// TestTroubleWithOneRecordOfTheTargetIsCounted while deletions are looked for.
func TestTroubleWithOneRecordOfTheTargetIsCounted(t *testing.T) {
	source, target := uploadtest.NewRecords(uploadtest.RecordsOptions{}), stores["memory"](t)
	fill(t, source)
	reading := &limited{Records: source, left: 3}
	report, err := (&migrate.Migration{From: reading, To: target, AtOnce: 1}).Run(t.Context(), migrate.Place{})
	// One call lists what there is to copy, and two look for what was copied.
	if err == nil || report.Copied != 12 || report.Alone != 0 || report.Failed != 10 ||
		!strings.Contains(report.Findings[0].What, "in the source: the store does not answer") {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestACountThatCannotBeIsNotCountedAgain, whoever wrote it into the source.
func TestACountThatCannotBeIsNotCountedAgain(t *testing.T) {
	source, target := uploadtest.NewRecords(uploadtest.RecordsOptions{Swap: true}), stores["memory"](t)
	source.Overwrite(upload.Record{ID: "019a0000-0000-7000-8000-000000000001", Journal: "j", Entry: "e", Kind: "images",
		Name: "cat", Extension: "png", CreatedAt: noon,
		Status: upload.Pending, Failures: 1 << 40, LastFailure: &upload.Failure{At: noon, Message: "slow"}, Resends: 1 << 40,
		ResentAt: noon})
	to := &limited{Records: target, left: 1 << 20}
	for _, want := range []migrate.Report{{Read: 1, Copied: 1}, {Read: 1, Same: 1}} {
		report, err := (&migrate.Migration{From: source, To: to}).Run(t.Context(), migrate.Place{})
		if err != nil || report.Copied != want.Copied || report.Same != want.Same {
			t.Errorf("%+v, %v", report, err)
		}
	}
	if calls := to.calls.Load(); calls > 300 {
		t.Errorf("it took %d calls", calls)
	}
}

// TestARecordWhoseStatusNobodyKnowsIsNotCopied: it would become another one.
func TestARecordWhoseStatusNobodyKnowsIsNotCopied(t *testing.T) {
	source, target := uploadtest.NewRecords(uploadtest.RecordsOptions{Swap: true}), stores["memory"](t)
	source.Overwrite(upload.Record{ID: "019a0000-0000-7000-8000-000000000001", Journal: "j", Entry: "e", Kind: "images",
		Name: "cat", Extension: "png", CreatedAt: noon,
		Status: "archived", Size: 7})
	for _, dry := range []bool{true, false} {
		report, err := (&migrate.Migration{From: source, To: target, DryRun: dry}).Run(t.Context(), migrate.Place{})
		if err == nil || report.Failed != 1 || report.Copied != 0 || len(all(t, target)) != 0 ||
			!strings.Contains(report.Findings[0].What, `damaged, and was not copied: status "archived"`) {
			t.Errorf("%+v, %v", report, err)
		}
	}
}

// TestAFailureThatWasCountedTwiceIsNoDifference: a call that was given up happened
// after all, when it had been repeated.
func TestAFailureThatWasCountedTwiceIsNoDifference(t *testing.T) {
	source, target := uploadtest.NewRecords(uploadtest.RecordsOptions{Swap: true}),
		uploadtest.NewRecords(uploadtest.RecordsOptions{Swap: true})
	r := upload.Record{ID: "019a0000-0000-7000-8000-000000000001", Journal: "j", Entry: "e", Kind: "images", Name: "cat",
		Extension: "png", CreatedAt: noon,
		Status: upload.Pending, Failures: 2, LastFailure: &upload.Failure{At: noon, Message: "slow"}}
	target.Overwrite(r)
	r.Failures = 1
	source.Overwrite(upload.Verdict{Status: upload.Rejected, Version: "q", At: noon,
		Reason: &upload.Reason{Code: upload.Corrupt, Message: "Broken."}}.Apply(r))
	m := &migrate.Migration{From: source, To: target}
	if report, err := m.Run(t.Context(), migrate.Place{}); err != nil || report.Copied != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	if report, err := m.Run(t.Context(), migrate.Place{}); err != nil || report.Same != 1 {
		t.Errorf("again: %+v, %v", report, err)
	}
	// A failure of its own, the validator of a target in use may have had.
	r.LastFailure = &upload.Failure{At: noon.Add(time.Hour), Message: "another"}
	target.Overwrite(r)
	if report, err := m.Run(t.Context(), migrate.Place{}); err != nil || report.Copied != 1 || report.Different != 0 {
		t.Errorf("with another failure: %+v, %v", report, err)
	}
	if got, err := target.Get(t.Context(), r.Ref()); err != nil || got.Status != upload.Rejected {
		t.Errorf("it was not settled: %+v, %v", got, err)
	}
}

// TestAReopenedUploadKeepsItsRound: the copies that are in the bucket name it.
func TestAReopenedUploadKeepsItsRound(t *testing.T) {
	source, target := uploadtest.NewRecords(uploadtest.RecordsOptions{Swap: true}),
		uploadtest.NewRecords(uploadtest.RecordsOptions{Swap: true})
	rejected := upload.Verdict{Status: upload.Rejected, Version: "q", At: noon,
		Reason: &upload.Reason{Code: upload.Corrupt, Message: "Broken."}}.Apply(upload.Record{
		ID: "019a0000-0000-7000-8000-000000000001", Journal: "j", Entry: "e", Kind: "images", Name: "cat",
		Extension: "png", CreatedAt: noon})
	pending := uploadtest.After(upload.Reopen(), rejected)
	source.Overwrite(pending)
	m := &migrate.Migration{From: source, To: target}
	if report, err := m.Run(t.Context(), migrate.Place{}); err != nil || report.Copied != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	got, err := target.Get(t.Context(), pending.Ref())
	if err != nil || got.Round() != pending.Round() || got.Round() == 0 {
		t.Errorf("%+v, %v", got, err)
	}
}
