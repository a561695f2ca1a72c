package migrate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hatchery/shared/local/localbrood"
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
		s, err := sqliterecords.Open(t.Context(), filepath.Join(t.TempDir(), "records.db"), sqliterecords.Options{Now: func() time.Time { return noon }})
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
		server, err := localdynamo.Open(t.Context(), localdynamo.Options{Listen: "127.0.0.1:0", Region: region, AccessKey: key, SecretKey: secret})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := server.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		client := dynamodb.New(dynamodb.Options{Region: region, BaseEndpoint: aws.String(server.URL()), Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")})
		if _, err := client.CreateTable(t.Context(), dynamorecords.TableInput("uploads")); err != nil {
			t.Fatal(err)
		}
		return dynamorecords.New(client, "uploads", dynamorecords.Options{Now: func() time.Time { return noon }})
	},
	"bugout": func(t *testing.T) upload.Records {
		const application, token = "4bf67555-b4f3-4a2e-95ff-7142d49d167b", "11111111-1111-4111-8111-111111111111"
		brood, err := localbrood.Open(t.Context(), localbrood.Options{Listen: "127.0.0.1:0", Application: application, Tokens: map[string]localbrood.Role{token: localbrood.Member}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := brood.Close(); err != nil {
				t.Error(err)
			}
		})
		s, err := bugoutrecords.New(bugoutrecords.Options{URL: brood.URL(), Application: application, Token: func(context.Context) (string, error) { return token, nil }})
		if err != nil {
			t.Fatal(err)
		}
		return s
	},
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
			r := upload.Record{ID: upload.ID(fmt.Sprintf("019a0000-0000-7000-8000-%011d%d", n, i)), Journal: "j", Entry: entry, Kind: "images",
				Name: fmt.Sprint("cat ", n), Extension: "png", CreatedAt: noon.Add(time.Duration(n) * time.Minute), Status: upload.Pending,
				Declared: upload.Declared{Size: int64(n), Type: "image/png"}}
			if n%2 == 1 {
				r.FormExpires = noon.Add(time.Hour)
			}
			must(s.Create(t.Context(), r, nil))
			stored := upload.Verdict{Status: upload.Stored, Version: "q", Served: "f", At: noon.Add(time.Hour), Size: 7, ContentType: "image/png", SHA256: strings.Repeat("a", 64)}
			rejected := upload.Verdict{Status: upload.Rejected, Version: "q", At: noon.Add(time.Hour), Size: 7, Reason: &upload.Reason{Code: upload.Corrupt, Message: "Broken."}}
			remove := func() { must(s.Delete(t.Context(), r.Ref(), noon.Add(2*time.Hour), noon.Add(3*time.Hour))) }
			switch n {
			case 1:
				must(s.Settle(t.Context(), r.Ref(), stored))
			case 2:
				must(s.Settle(t.Context(), r.Ref(), rejected))
			case 3:
				remove()
			case 4:
				must(s.Settle(t.Context(), r.Ref(), stored))
				remove()
			case 5:
				must(s.Settle(t.Context(), r.Ref(), rejected))
				remove()
			case 6:
				for range 3 {
					must(nil, s.NoteFailure(t.Context(), r.Ref(), upload.Failure{At: noon.Add(time.Minute), Message: "slow"}))
				}
				must(s.NoteReenqueue(t.Context(), r.Ref(), 0, noon.Add(time.Minute)))
				must(s.NoteReenqueue(t.Context(), r.Ref(), 1, noon.Add(time.Hour)))
			case 7:
				// As the replaced service's images are: stored, and never judged.
				must(s.Settle(t.Context(), r.Ref(), upload.Verdict{Status: upload.Stored}))
			case 8:
				must(nil, s.NoteFailure(t.Context(), r.Ref(), upload.Failure{At: noon.Add(time.Minute), Message: "slow"}))
				must(s.Settle(t.Context(), r.Ref(), stored))
			}
		}
	}
}

func all(t *testing.T, s upload.Records) []string {
	t.Helper()
	page, err := s.All(t.Context(), "", upload.MaxPage)
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
				m := &migrate.Migration{From: source, To: target, PageSize: 5}
				dry := *m
				dry.DryRun = true
				would, err := dry.Run(t.Context(), "")
				if err != nil || len(all(t, target)) != 0 {
					t.Fatalf("a dry run: %+v, %v, and left %d records", would, err, len(all(t, target)))
				}
				did, err := m.Run(t.Context(), "")
				if err != nil || did.Copied != would.Copied || did.Different != 0 || did.Read != len(before) {
					t.Fatalf("%+v, %v; would have %+v", did, err, would)
				}
				want := before
				if !target.Atomic() {
					want = slices.DeleteFunc(slices.Clone(before), func(line string) bool { return strings.Contains(line, "Status:deleted") })
				}
				if got := all(t, target); !slices.Equal(got, want) {
					t.Errorf("copied\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				if !slices.Equal(all(t, source), before) {
					t.Error("the source was changed")
				}
				again, err := m.Run(t.Context(), "")
				if err != nil || again.Copied != 0 || again.Same != len(want) || again.Forgotten != len(before)-len(want) {
					t.Errorf("the second time: %+v, %v", again, err)
				}
			})
		}
	}
}

// limited is a store that fails after some changes.
type limited struct {
	upload.Records
	left int
}

var errTrouble = errors.New("the store does not answer")

func (s *limited) step() error {
	if s.left--; s.left < 0 {
		return errTrouble
	}
	return nil
}

func (s *limited) Create(ctx context.Context, r upload.Record, once *upload.Once) (upload.Record, error) {
	if err := s.step(); err != nil {
		return r, err
	}
	return s.Records.Create(ctx, r, once)
}

func (s *limited) Settle(ctx context.Context, ref upload.Ref, v upload.Verdict) (upload.Record, error) {
	if err := s.step(); err != nil {
		return upload.Record{}, err
	}
	return s.Records.Settle(ctx, ref, v)
}

func (s *limited) Delete(ctx context.Context, ref upload.Ref, at, forget time.Time) (upload.Record, error) {
	if err := s.step(); err != nil {
		return upload.Record{}, err
	}
	return s.Records.Delete(ctx, ref, at, forget)
}

func (s *limited) NoteFailure(ctx context.Context, ref upload.Ref, f upload.Failure) error {
	if err := s.step(); err != nil {
		return err
	}
	return s.Records.NoteFailure(ctx, ref, f)
}

func (s *limited) NoteReenqueue(ctx context.Context, ref upload.Ref, seen int, at time.Time) (upload.Record, error) {
	if err := s.step(); err != nil {
		return upload.Record{}, err
	}
	return s.Records.NoteReenqueue(ctx, ref, seen, at)
}

// TestWhatWasBrokenOffAnywhereIsFinished: after every number of changes the target
// fails; the next run makes it whole.
func TestWhatWasBrokenOffAnywhereIsFinished(t *testing.T) {
	source := stores["memory"](t)
	fill(t, source)
	want := all(t, source)
	for changes := range 60 {
		target := stores["memory"](t)
		broken := &migrate.Migration{From: source, To: &limited{target, changes}, AtOnce: 1}
		report, err := broken.Run(t.Context(), "")
		if (err == nil) != (report.Failed == 0) {
			t.Fatalf("after %d changes: %+v, %v", changes, report, err)
		}
		whole := &migrate.Migration{From: source, To: target}
		if report, err := whole.Run(t.Context(), ""); err != nil || report.Different > 0 {
			t.Fatalf("begun again after %d changes: %+v, %v", changes, report, err)
		}
		if got := all(t, target); !slices.Equal(got, want) {
			t.Fatalf("begun again after %d changes:\n%s\nwant\n%s", changes, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if err == nil {
			return
		}
	}
	t.Error("sixty changes are not enough for the whole")
}

func TestWhatDiffersIsToldAndLeftAlone(t *testing.T) {
	source, target := stores["memory"](t), stores["memory"](t)
	fill(t, source)
	if _, err := (&migrate.Migration{From: source, To: target}).Run(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	ref := upload.Ref{Journal: "j", Entry: "e1", Kind: "images", ID: "019a0000-0000-7000-8000-000000000010"}
	if _, err := target.Delete(t.Context(), ref, noon, noon); err != nil {
		t.Fatal(err)
	}
	before := all(t, target)
	for _, dry := range []bool{true, false} {
		report, err := (&migrate.Migration{From: source, To: target, DryRun: dry}).Run(t.Context(), "")
		if err != nil || report.Different != 1 || len(report.Findings) != 1 {
			t.Fatalf("%+v, %v", report, err)
		}
		if f := report.Findings[0]; f.Upload != ref.String() || !strings.Contains(f.What, "Status is deleted instead of stored") {
			t.Errorf("found %+v", f)
		}
	}
	if !slices.Equal(all(t, target), before) {
		t.Error("the target was changed")
	}
}

func TestMissingFilesAreFound(t *testing.T) {
	source, target, objects := stores["memory"](t), stores["memory"](t), uploadtest.NewObjects()
	fill(t, source)
	ref := upload.Ref{Journal: "j", Entry: "e1", Kind: "images", ID: "019a0000-0000-7000-8000-000000000010"}
	if err := objects.Put(t.Context(), upload.DefaultLayout.FilesKey(ref), bytes.NewReader([]byte("x")), 1); err != nil {
		t.Fatal(err)
	}
	report, err := (&migrate.Migration{From: source, To: target, Objects: objects, Layout: upload.DefaultLayout}).Run(t.Context(), "")
	// Of each entry two are stored with a file; none of them has the version "f".
	if err != nil || report.Unserved != 4 || !strings.Contains(report.Findings[0].What, "not in the bucket: no version f of files/j/") {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestItGoesOnFromACursorAndEndsWithItsContext(t *testing.T) {
	source, target := stores["memory"](t), stores["memory"](t)
	fill(t, source)
	ctx, cancel := context.WithCancel(t.Context())
	var at upload.Cursor
	m := &migrate.Migration{From: source, To: target, PageSize: 4, Progress: func(_ migrate.Report, next upload.Cursor) error {
		if at == "" {
			at = next
			cancel()
		}
		return nil
	}}
	if report, err := m.Run(ctx, ""); !errors.Is(err, context.Canceled) || report.Read != 4 {
		t.Errorf("%+v, %v", report, err)
	}
	m.Progress = nil
	if report, err := m.Run(t.Context(), at); err != nil || report.Read != 14 || report.Copied != 14 {
		t.Errorf("%+v, %v", report, err)
	}
}

// TestOldImagesAreAdoptedInEveryTarget: in the target of a migration, and in place.
func TestOldImagesAreAdoptedInEveryTarget(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source, target := stores["memory"](t), open(t)
			fill(t, source)
			refuse := false
			var judged []upload.ID
			adopt := func(to upload.Records) func(context.Context, upload.Record, bool) (*upload.Reason, error) {
				return func(ctx context.Context, r upload.Record, dry bool) (*upload.Reason, error) {
					judged = append(judged, r.ID)
					if refuse {
						return &upload.Reason{Code: upload.Corrupt, Message: "Broken."}, nil
					}
					if dry {
						return nil, nil
					}
					_, err := to.Adopt(ctx, r.Ref(), upload.Verdict{Status: upload.Stored, Version: upload.OldVersion, Served: "f", At: noon, Size: 3, ContentType: "image/png", SHA256: strings.Repeat("b", 64)})
					return nil, err
				}
			}
			m := &migrate.Migration{From: source, To: target, AtOnce: 1, Adopt: adopt(target)}
			dry := *m
			dry.DryRun = true
			if r, err := dry.Run(t.Context(), ""); err != nil || r.Adopted != 2 || len(judged) != 2 || len(all(t, target)) != 0 {
				t.Fatalf("a dry run: %+v, %v", r, err)
			}
			refuse = true
			if r, err := m.Run(t.Context(), ""); err != nil || r.Refused != 2 || r.Adopted != 0 || !strings.Contains(r.Findings[0].What, "corrupt: Broken.") {
				t.Fatalf("refused: %+v, %v", r, err)
			}
			refuse = false
			if r, err := m.Run(t.Context(), ""); err != nil || r.Adopted != 2 || r.Refused != 0 || r.Different != 0 {
				t.Fatalf("%+v, %v", r, err)
			}
			judged = nil
			if r, err := m.Run(t.Context(), ""); err != nil || r.Adopted != 0 || r.Different != 0 || r.Copied != 0 || len(judged) != 0 {
				t.Fatalf("again: %+v, %v", r, err)
			}
			in := &migrate.Migration{From: source, To: source, AtOnce: 1, Adopt: adopt(source)}
			if r, err := in.Run(t.Context(), ""); err != nil || r.Adopted != 2 || r.Same != r.Read {
				t.Fatalf("in place: %+v, %v", r, err)
			}
		})
	}
}

// TestADeletionBetweenTwoRunsIsFound, whichever of the stores keeps no tombstones.
func TestADeletionBetweenTwoRunsIsFound(t *testing.T) {
	ref := upload.Ref{Journal: "j", Entry: "e1", Kind: "images", ID: "019a0000-0000-7000-8000-000000000010"}
	for _, c := range []struct {
		from, to        string
		copied, alone   int
		thereAfterwards bool
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
			if _, err := m.Run(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
			if _, err := source.Delete(t.Context(), ref, noon.Add(5*time.Hour), noon.Add(6*time.Hour)); err != nil {
				t.Fatal(err)
			}
			dry := *m
			dry.DryRun = true
			would, err := dry.Run(t.Context(), "")
			if err != nil || would.Copied != c.copied || would.Alone != c.alone {
				t.Fatalf("a dry run: %+v, %v", would, err)
			}
			if r, err := m.Run(t.Context(), ""); err != nil || r.Copied != c.copied || r.Alone != c.alone || r.Different != 0 {
				t.Fatalf("%+v, %v", r, err)
			}
			got, err := target.Get(t.Context(), ref)
			if there := err == nil && got.Status != upload.Deleted; there != c.thereAfterwards {
				t.Errorf("in the target: %+v, %v", got, err)
			}
		})
	}
}

// TestWhatTheReconcilerGaveUpMeanwhileIsFinished: a run ended within a record, and the
// target's reconciler found it pending without bytes.
func TestWhatTheReconcilerGaveUpMeanwhileIsFinished(t *testing.T) {
	source, target := stores["memory"](t), stores["memory"](t)
	fill(t, source)
	want := all(t, source)
	broken := &migrate.Migration{From: source, To: &limited{target, 1}, AtOnce: 1}
	if _, err := broken.Run(t.Context(), ""); err == nil {
		t.Fatal("it was not broken off")
	}
	pending, err := target.ByStatus(t.Context(), upload.Pending, "", 10)
	if err != nil || len(pending.Records) != 1 {
		t.Fatalf("%+v, %v", pending, err)
	}
	given := upload.Verdict{Status: upload.Rejected, At: noon, Reason: &upload.Reason{Code: upload.NeverArrived, Message: "It never came."}}
	if _, err := target.Settle(t.Context(), pending.Records[0].Ref(), given); err != nil {
		t.Fatal(err)
	}
	if r, err := (&migrate.Migration{From: source, To: target}).Run(t.Context(), ""); err != nil || r.Different != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if got := all(t, target); !slices.Equal(got, want) {
		t.Errorf("copied\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
