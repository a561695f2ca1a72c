package dynamorecords

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hatchery/shared/upload"
)

// Store is upload.Records in a DynamoDB table. Its methods may be called concurrently.
type Store struct {
	client *dynamodb.Client
	table  string
	o      Options
}

var _ upload.Records = (*Store)(nil)

// Options of a Store; the zero value has the defaults.
type Options struct {
	// Now is the clock by which idempotency keys and tombstones expire. Default
	// time.Now.
	Now func() time.Time
	// Damaged is told of each item that a list passes over because it cannot be read as a
	// record, at every list that meets it: key is the item's key in the JSON that DynamoDB's
	// tools take, err says what is wrong with it. It may be called concurrently. Nil: nobody
	// is told. LogDamaged logs it.
	Damaged func(ctx context.Context, key string, err error)

	// Tests set these.
	shards                int
	callTimeout, patience time.Duration
	wait                  func(ctx context.Context, longest time.Duration) error
	token                 func() string
}

const (
	// shards is how many partitions of by-status the records of one status are spread over.
	// Each takes about 500 uploads a second (a pending record comes and goes: two writes of
	// the thousand that a partition takes); each page of a scan with a status asks all of
	// them. The number may be raised at any time. Lowered, the records in the last shards
	// are no longer listed.
	shards = 8
	// callTimeout bounds one request to DynamoDB; what takes longer is sent again. Much
	// lower, and a slow second becomes twice the load; near patience, a lost answer is never
	// asked for again.
	callTimeout = 3 * time.Second
	// patience bounds each method, with its retries; a nearer deadline of the context wins.
	patience = 15 * time.Second
)

// New makes a Store of the table, which must be as TableInput describes it.
//
// The store retries by itself: the client's own retries are not used.
func New(client *dynamodb.Client, table string, o Options) *Store {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.shards = cmp.Or(o.shards, shards)
	o.callTimeout = cmp.Or(o.callTimeout, callTimeout)
	o.patience = cmp.Or(o.patience, patience)
	if o.wait == nil {
		o.wait = wait
	}
	if o.token == nil {
		o.token = func() string { return rand.Text()[:tokenLength] } // 64 random bits
	}
	return &Store{client: client, table: table, o: o}
}

// wait waits a random part of longest.
func wait(ctx context.Context, longest time.Duration) error {
	timer := time.NewTimer(mathrand.N(longest) + time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Atomic is true: every change is one conditional write, or one transaction.
func (s *Store) Atomic() bool { return true }

// wrap is upload.Wrap and names the table.
func (s *Store) wrap(err error, format string, args ...any) error {
	return upload.Wrap(err, "%s in table %q", fmt.Sprintf(format, args...), s.table)
}
