package dynamorecords_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/upload"
)

var update = flag.Bool("update", false, "write testdata/golden anew")

// What each transition needs of the store. Nothing else in this file names a method
// that changes a record.

func goldenCreate(ctx context.Context, s *dynamorecords.Store, r upload.Record, key *upload.IdempotencyKey) error {
	_, err := s.Create(ctx, r, key)
	return err
}

func goldenSettle(ctx context.Context, s *dynamorecords.Store, ref upload.Ref, v upload.Verdict) error {
	_, err := s.Update(ctx, ref, upload.Settle(v))
	return err
}

func goldenDelete(ctx context.Context, s *dynamorecords.Store, ref upload.Ref, at, forget time.Time) error {
	_, err := s.Update(ctx, ref, upload.Delete(at, forget))
	return err
}

func goldenReopen(ctx context.Context, s *dynamorecords.Store, ref upload.Ref) error {
	_, err := s.Update(ctx, ref, upload.Reopen())
	return err
}

func goldenAdopt(ctx context.Context, s *dynamorecords.Store, ref upload.Ref, v upload.Verdict) error {
	_, err := s.Update(ctx, ref, upload.Adopt(v))
	return err
}

func goldenFail(ctx context.Context, s *dynamorecords.Store, ref upload.Ref, f upload.Failure) error {
	return upload.NoteFailure(ctx, s, ref, f)
}

func goldenResend(ctx context.Context, s *dynamorecords.Store, ref upload.Ref, seen int, at time.Time) error {
	_, err := s.Update(ctx, ref, upload.CountResend(seen, at))
	return err
}

// goldenStore makes a store on an empty table whose clock stands and whose tokens
// count up, and the capture of what it writes.
func goldenStore(t *testing.T) (*dynamorecords.Store, *capture) {
	t.Helper()
	w := newHarness(t)
	o := w.client.Options()
	writes := &capture{next: o.HTTPClient}
	o.HTTPClient = writes
	tokens := 0
	return dynamorecords.New(dynamodb.New(o), w.newTable(t), dynamorecords.Options{
		Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC) },
	}.WithToken(func() string {
		tokens++
		return fmt.Sprintf("TOKEN-%07d", tokens)
	})), writes
}

// capture is an HTTP client that remembers every write to DynamoDB.
type capture struct {
	next   aws.HTTPClient
	writes []captured
}

type captured struct {
	Operation string
	Request   any
}

// Do implements aws.HTTPClient.
func (c *capture) Do(r *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if slices.Contains([]string{"GetItem", "BatchGetItem", "Query", "Scan"}, operation) {
		return c.next.Do(r)
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(text))
	write := captured{Operation: operation}
	if err := json.Unmarshal(text, &write.Request); err != nil {
		return nil, err
	}
	namelessTable(write.Request)
	c.writes = append(c.writes, write)
	return c.next.Do(r)
}

// namelessTable gives every table in a request the same name.
func namelessTable(part any) {
	switch part := part.(type) {
	case map[string]any:
		if _, found := part["TableName"]; found {
			part["TableName"] = "TABLE"
		}
		for _, member := range part {
			namelessTable(member)
		}
	case []any:
		for _, member := range part {
			namelessTable(member)
		}
	}
}

// TestGoldenWrites: stored data is a contract with the tables that exist. Each file
// holds all that one transition writes; -update writes them anew.
func TestGoldenWrites(t *testing.T) {
	day := time.Date(2026, 1, 5, 0, 0, 0, 123456789, time.UTC)
	full := draft(1)
	full.CreatedAt = full.CreatedAt.Add(678901 * time.Microsecond)
	full.Declared.SHA256 = strings.Repeat("d", 64)
	full.FormExpires = day
	key := &upload.IdempotencyKey{Scope: "scope", Key: "key", Fingerprint: "print", Expires: day.Add(24 * time.Hour)}
	bounded := stores(1)
	bounded.MaxFiles, bounded.MaxTotalBytes = 5, 1<<20
	sized := rejects()
	sized.Size = 1000
	old := upload.Verdict{Status: upload.Stored}
	adoption := stores(1)
	adoption.Version = upload.LegacyVersion
	slow := upload.Failure{At: day, Message: "The bucket is slow."}

	for _, c := range []struct {
		name string
		// before the transition, and the transition itself
		before, transition step
	}{
		{"create", nothing, creates(full, nil)},
		{"create-with-key", nothing, creates(full, key)},
		{"settle-stored", creates(full, nil), settles(stores(1))},
		{"settle-stored-created-with-key", creates(full, key), settles(stores(1))},
		{"settle-stored-after-failure-and-resend", inOrder(creates(full, nil), fails(slow), resends(0, day)),
			settles(stores(1))},
		{"settle-stored-unique", creates(full, nil), settles(unique(stores(1)))},
		{"settle-stored-bounded", creates(full, nil), settles(bounded)},
		{"settle-stored-unique-bounded", creates(full, nil), settles(unique(bounded))},
		{"settle-stored-unique-bounded-after-another",
			inOrder(creates(draft(2), nil), settlesOne(2, unique(atMost(5, stores(2)))), creates(full, nil)),
			settles(unique(bounded))},
		{"settle-stored-unique-bytes-released",
			inOrder(creates(draft(2), nil), settlesOne(2, unique(stores(1))), deletesOne(2, day), creates(full, nil)),
			settles(unique(stores(1)))},
		{"settle-rejected", creates(full, nil), settles(rejects())},
		{"settle-rejected-with-size", creates(full, nil), settles(sized)},
		{"delete-pending", creates(full, nil), deletes(day)},
		{"delete-stored", inOrder(creates(full, nil), settles(stores(1))), deletes(day)},
		{"delete-stored-unique", inOrder(creates(full, nil), settles(unique(stores(1)))), deletes(day)},
		{"delete-stored-unique-bounded", inOrder(creates(full, nil), settles(unique(bounded))), deletes(day)},
		{"delete-rejected", inOrder(creates(full, nil), settles(rejects())), deletes(day)},
		{"reopen", inOrder(creates(full, nil), settles(sized)), reopens},
		{"reopen-after-failure-and-resend", inOrder(creates(full, nil), fails(slow), resends(0, day), settles(sized)),
			reopens},
		{"settle-stored-unique-after-reopen", inOrder(creates(full, nil), settles(sized), reopens),
			settles(unique(stores(1)))},
		{"adopt", inOrder(creates(full, nil), settles(old)), adopts(adoption)},
		{"failure-first", creates(full, nil), fails(slow)},
		{"failure-second", inOrder(creates(full, nil), fails(slow)), fails(upload.Failure{At: day.Add(time.Hour)})},
		{"failure-of-stored", inOrder(creates(full, nil), settles(stores(1))), fails(slow)},
		{"resend-first", creates(full, nil), resends(0, day)},
		{"resend-second", inOrder(creates(full, nil), resends(0, day)), resends(1, day.Add(time.Hour))},
		{"resend-of-stored-unique", inOrder(creates(full, nil), settles(unique(stores(1)))), resends(0, day)},
		{"resend-of-deleted", inOrder(creates(full, nil), deletes(day)), resends(0, day)},
		{"resend-after-five-writes", inOrder(creates(full, nil), fails(slow), fails(slow), fails(slow), fails(slow)),
			resends(0, day)},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, writes := goldenStore(t)
			if err := c.before(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			writes.writes = []captured{}
			if err := c.transition(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			golden(t, c.name, writes.writes)
		})
	}
}

// golden compares what was written with the file of that name.
func golden(t *testing.T, name string, writes any) {
	t.Helper()
	var got bytes.Buffer
	e := json.NewEncoder(&got)
	e.SetEscapeHTML(false)
	e.SetIndent("", "\t")
	if err := e.Encode(writes); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "golden", name+".json")
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("%s: written is\n%s\nwant\n%s", file, &got, want)
	}
}

type step = func(context.Context, *dynamorecords.Store) error

func nothing(context.Context, *dynamorecords.Store) error { return nil }

func inOrder(steps ...step) step {
	return func(ctx context.Context, s *dynamorecords.Store) error {
		for i, next := range steps {
			if err := next(ctx, s); err != nil {
				return fmt.Errorf("step %d: %w", i, err)
			}
		}
		return nil
	}
}

func creates(r upload.Record, key *upload.IdempotencyKey) step {
	return func(ctx context.Context, s *dynamorecords.Store) error { return goldenCreate(ctx, s, r, key) }
}

func settles(v upload.Verdict) step { return settlesOne(1, v) }

func settlesOne(n int, v upload.Verdict) step {
	return func(ctx context.Context, s *dynamorecords.Store) error {
		return goldenSettle(ctx, s, draft(n).Ref(), v)
	}
}

func deletes(at time.Time) step { return deletesOne(1, at) }

func deletesOne(n int, at time.Time) step {
	return func(ctx context.Context, s *dynamorecords.Store) error {
		return goldenDelete(ctx, s, draft(n).Ref(), at, at.Add(30*24*time.Hour))
	}
}

func reopens(ctx context.Context, s *dynamorecords.Store) error {
	return goldenReopen(ctx, s, draft(1).Ref())
}

func adopts(v upload.Verdict) step {
	return func(ctx context.Context, s *dynamorecords.Store) error { return goldenAdopt(ctx, s, draft(1).Ref(), v) }
}

func fails(f upload.Failure) step {
	return func(ctx context.Context, s *dynamorecords.Store) error { return goldenFail(ctx, s, draft(1).Ref(), f) }
}

func resends(seen int, at time.Time) step {
	return func(ctx context.Context, s *dynamorecords.Store) error {
		return goldenResend(ctx, s, draft(1).Ref(), seen, at)
	}
}
