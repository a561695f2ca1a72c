package dynamorecords_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hatchery/shared/records/dynamorecords"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

var update = flag.Bool("update", false, "write testdata/golden anew")

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

	inOrder, creates, nothing := uploadtest.InOrder, uploadtest.Creates, uploadtest.InOrder()
	for _, c := range []struct {
		name string
		// before the transition, and the transition itself
		before, transition uploadtest.Step
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
		{"drop", inOrder(creates(full, nil), settles(sized)), drops(sized.Version, day)},
		{"reopen", inOrder(creates(full, nil), settles(sized)), reopens()},
		{"reopen-after-failure-and-resend", inOrder(creates(full, nil), fails(slow), resends(0, day), settles(sized)),
			reopens()},
		{"settle-stored-unique-after-reopen", inOrder(creates(full, nil), settles(sized), reopens()),
			settles(again(unique(stores(1)), sized))},
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
			uploadtest.Golden(t, c.name, writes.writes, *update)
		})
	}
}

// again is a verdict that is begun after an earlier one was undone.
func again(v, earlier upload.Verdict) upload.Verdict {
	v.Round = earlier.Apply(upload.Record{}).Round()
	return v
}

func settles(v upload.Verdict) uploadtest.Step { return settlesOne(1, v) }

func settlesOne(n int, v upload.Verdict) uploadtest.Step {
	return uploadtest.Updates(draft(n).Ref(), upload.Settle(v))
}

func deletes(at time.Time) uploadtest.Step { return deletesOne(1, at) }

func deletesOne(n int, at time.Time) uploadtest.Step {
	return uploadtest.Updates(draft(n).Ref(), upload.Delete(at, at.Add(30*24*time.Hour)))
}

func adopts(v upload.Verdict) uploadtest.Step {
	return uploadtest.Updates(draft(1).Ref(), upload.Adopt(v))
}

func reopens() uploadtest.Step { return uploadtest.Updates(draft(1).Ref(), upload.Reopen()) }

func drops(version upload.Version, at time.Time) uploadtest.Step {
	return uploadtest.Updates(draft(1).Ref(), upload.Drop(version, at))
}

func fails(f upload.Failure) uploadtest.Step { return uploadtest.Fails(draft(1).Ref(), f) }

func resends(seen int, at time.Time) uploadtest.Step {
	return uploadtest.Updates(draft(1).Ref(), upload.CountResend(seen, at))
}
