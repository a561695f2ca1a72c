package dynamorecords

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// errChanged: a condition did not hold, because somebody has written meanwhile, or because
// our own write has arrived and its answer was lost. Whoever gets it reads again.
var errChanged = errors.New("the item has changed meanwhile")

// Exponential backoff with full jitter: each wait is a random part of a bound that doubles
// from the first to the last.
const (
	firstWait = 25 * time.Millisecond
	lastWait  = time.Second
)

// pause waits before attempt n+1, counted from 0. It fails at once when the deadline comes
// before the wait ends.
func (s *Store) pause(ctx context.Context, n int, because error) error {
	longest := min(firstWait<<min(n, 10), lastWait)
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < longest {
		return fmt.Errorf("no time is left to try again (after %d attempts): %w", n+1, because)
	}
	if err := s.o.wait(ctx, longest); err != nil {
		return errors.Join(err, because)
	}
	return nil
}

// begin bounds a method by patience. end, at its end, makes its error say what failed.
func (s *Store) begin(ctx context.Context, err *error, format string, args ...any) (_ context.Context, end func()) {
	ctx, cancel := context.WithTimeout(ctx, s.o.patience)
	return ctx, func() {
		cancel()
		*err = s.wrap(*err, format, args...)
	}
}

// operation is a method of the client.
type operation[In, Out any] func(context.Context, *In, ...func(*dynamodb.Options)) (*Out, error)

// call makes one request until it is answered. A request that is sent again is the same one,
// so whoever writes conditionally may find its own write in the way.
func call[In, Out any](ctx context.Context, s *Store, do operation[In, Out], in *In) (*Out, error) {
	for n := 0; ; n++ {
		out, err := callOnce(ctx, s, do, in)
		switch {
		case err == nil:
			return out, nil
		case ctx.Err() != nil:
			return nil, fmt.Errorf("%w (%w)", ctx.Err(), err)
		case conditionFailed(err):
			return nil, errChanged
		case !retryable(err):
			return nil, err
		}
		if err := s.pause(ctx, n, err); err != nil {
			return nil, err
		}
	}
}

func callOnce[In, Out any](ctx context.Context, s *Store, do operation[In, Out], in *In) (*Out, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	one, cancel := context.WithTimeout(ctx, s.o.callTimeout)
	defer cancel()
	return do(one, in, func(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} })
}

// conditionFailed says whether a condition of a write did not hold. In a transaction that
// counts more than any other reason.
//
// A mismatch says that a transaction with our token was carried out before. It was this one:
// only its text may differ, as maps are written in any order.
func conditionFailed(err error) bool {
	if _, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		return true
	}
	if _, ok := errors.AsType[*types.IdempotentParameterMismatchException](err); ok {
		return true
	}
	if canceled, ok := errors.AsType[*types.TransactionCanceledException](err); ok {
		return slices.ContainsFunc(canceled.CancellationReasons, func(reason types.CancellationReason) bool {
			return aws.ToString(reason.Code) == "ConditionalCheckFailed"
		})
	}
	return false
}

// retryable says whether the same request may succeed later: no answer in time, a fault on
// the way or within DynamoDB, throttling, another transaction on the same item.
func retryable(err error) bool {
	if canceled, ok := errors.AsType[*types.TransactionCanceledException](err); ok {
		for _, reason := range canceled.CancellationReasons {
			switch aws.ToString(reason.Code) {
			case "None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
			default: // an item that is too large, a validation error
				return false
			}
		}
		return len(canceled.CancellationReasons) > 0
	}
	if _, ok := errors.AsType[*types.TransactionConflictException](err); ok {
		return true
	}
	// One attempt's own time-out (the caller's context was checked before), or an answer that
	// broke off.
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true
	}
	return retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err) == aws.TrueTernary
}
