package dynamorecords

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"hatchery/shared/upload"
)

// Store is upload.Records in a DynamoDB table. Its methods may be called
// concurrently.
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
	// Shards is how many partitions of by-status the records of one status are
	// spread over; default 8. Each takes about 500 uploads a second (a pending
	// record comes and goes: two writes of the thousand that a partition takes);
	// each page of PendingBefore and ByStatus asks every one of them. It may be
	// raised at any time. Lowered, the records in the last shards are no longer
	// listed.
	Shards int
	// CallTimeout bounds one request to DynamoDB; what takes longer is asked
	// again. Default 3 s. Much lower, and a slow second becomes twice the load;
	// near Patience, a lost answer is never asked for again.
	CallTimeout time.Duration
	// Patience bounds each method, with all that it asks again. Default 15 s; a
	// nearer deadline of the context wins.
	Patience time.Duration
	// Wait waits before something is asked again, until ctx ends at most.
	// Default: a random part of longest.
	Wait func(ctx context.Context, longest time.Duration) error
	// Damaged is told of each item that a list passes over because it cannot be
	// read as a record: key is the item's key in the JSON that DynamoDB's tools take,
	// err says what is wrong with it. It is told at every list that comes upon it,
	// and may be called concurrently. Nil: nobody is told. LogDamaged logs it.
	Damaged func(ctx context.Context, key string, err error)
	// Token gives short texts that never come twice. Default: 64 random bits.
	Token func() string
}

// New makes a Store of the table, which must be as TableInput describes it.
//
// The store asks again by itself: the client's own retries are not used.
func New(client *dynamodb.Client, table string, o Options) *Store {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Shards <= 0 {
		o.Shards = 8
	}
	if o.CallTimeout <= 0 {
		o.CallTimeout = 3 * time.Second
	}
	if o.Patience <= 0 {
		o.Patience = 15 * time.Second
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	if o.Token == nil {
		o.Token = func() string { return rand.Text()[:tokenLength] }
	}
	return &Store{client: client, table: table, o: o}
}

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

// Atomic is true: every change is one conditional write, or one transaction of
// them.
func (s *Store) Atomic() bool { return true }

// wrap says what failed, unless err is an answer that callers branch on.
func (s *Store) wrap(err error, format string, args ...any) error {
	if err == nil || upload.IsAnswer(err) {
		return err
	}
	return fmt.Errorf("%s in table %q: %w", fmt.Sprintf(format, args...), s.table, err)
}
