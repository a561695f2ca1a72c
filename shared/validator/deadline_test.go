package validator_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"hatchery/shared/upload"
)

// invocation is a context that ends when a fake clock says so: the fixture's clock
// is set to the given time before its deadline. The deadline itself is an hour
// away, so that no real timer plays a part.
func (b *fixture) invocation(t testing.TB, left time.Duration) (ctx context.Context, pass func(time.Duration)) {
	t.Helper()
	deadline := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	t.Cleanup(cancel)
	now := deadline.Add(-left)
	b.Now = func() time.Time { return now }
	return ctx, func(d time.Duration) { now = now.Add(d) }
}

func TestWhatCannotFinishBeforeTheDeadlineIsFailedAtOnce(t *testing.T) {
	// 20 MB/s: 400 MB take 20 s, and 3 s are kept free.
	for _, c := range []struct {
		what  string
		spent time.Duration // by the first message, of 60 s
		size  int64
		tried bool
	}{
		{"a small file with time left", 50 * time.Second, 1000, true},
		{"a large file with time left", 36 * time.Second, 400_000_000, true},
		{"a large file with just enough time", 37 * time.Second, 400_000_000, true},
		{"a large file with too little time", 38 * time.Second, 400_000_000, false},
		{"a small file within the margin", 58 * time.Second, 1000, false},
		{"an empty file within the margin", 58 * time.Second, 0, false},
		{"nothing left", 60 * time.Second, 1000, false},
		{"long after", 90 * time.Second, 1000, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			tried := false
			var pass func(time.Duration)
			b := newFixture(pipelineFunc(func(ctx context.Context, key upload.Key, v upload.Version) (upload.Outcome, error) {
				if v == "v1" {
					pass(c.spent)
				} else {
					tried = true
				}
				return upload.Outcome{Result: upload.ResultStored}, nil
			}))
			b.Concurrency = 1
			ctx, p := b.invocation(t, time.Minute)
			pass = p
			second := arrived(2)
			second.Size = c.size
			var failed []string
			if !c.tried {
				failed = []string{"m2"}
			}
			b.wantFailed(t, ctx, []events.SQSMessage{message(t, "m1", arrived(1)), message(t, "m2", second)}, failed...)
			if tried != c.tried {
				t.Errorf("tried: %v, want %v", tried, c.tried)
			}
			if !c.tried {
				if line := b.line(t, "validation failed"); line["key"] != second.Key || line["error"] == "" {
					t.Errorf("logged as %v", line)
				}
			}
		})
	}
}

func TestAWholeInvocationAlwaysTries(t *testing.T) {
	for _, c := range []struct {
		left time.Duration
		size int64
	}{{time.Minute, 5_000_000_000}, {time.Minute, 1 << 40}, {4 * time.Second, 100_000_000}, {2 * time.Second, 1000}} {
		tried := 0
		b := newFixture(pipelineFunc(func(ctx context.Context, key upload.Key, v upload.Version) (upload.Outcome, error) {
			tried++
			return upload.Outcome{Result: upload.ResultStored}, nil
		}))
		ctx, _ := b.invocation(t, c.left)
		large := arrived(1)
		large.Size = c.size
		b.wantFailed(t, ctx, []events.SQSMessage{message(t, "m", large)})
		if tried != 1 {
			t.Errorf("%d bytes in %s: tried %d times", c.size, c.left, tried)
		}
	}
}

func TestTheMarginIsKeptFreeOfReading(t *testing.T) {
	var got time.Time
	b := newFixture(pipelineFunc(func(ctx context.Context, key upload.Key, v upload.Version) (upload.Outcome, error) {
		got, _ = ctx.Deadline()
		return upload.Outcome{Result: upload.ResultStored}, nil
	}))
	ctx, _ := b.invocation(t, time.Minute)
	b.wantFailed(t, ctx, []events.SQSMessage{message(t, "m", arrived(1))})
	if end, _ := ctx.Deadline(); !got.Equal(end.Add(-b.Margin)) {
		t.Errorf("the pipeline has until %v, want %s before %v", got, b.Margin, end)
	}
}

func TestWithoutADeadlineEverythingIsTried(t *testing.T) {
	b := newFixture(pipelineFunc(func(ctx context.Context, key upload.Key, v upload.Version) (upload.Outcome, error) {
		if end, ok := ctx.Deadline(); ok {
			return upload.Outcome{}, fmt.Errorf("there is a deadline: %v", end)
		}
		return upload.Outcome{Result: upload.ResultStored}, nil
	}))
	large := arrived(1)
	large.Size = 5_000_000_000
	b.wantFailed(t, context.Background(), []events.SQSMessage{message(t, "m", large)})
}

func TestWithoutAReadRateOnlyTheMarginCounts(t *testing.T) {
	var pass func(time.Duration)
	b := newFixture(pipelineFunc(func(ctx context.Context, key upload.Key, v upload.Version) (upload.Outcome, error) {
		pass(30 * time.Second)
		return upload.Outcome{Result: upload.ResultStored}, nil
	}))
	b.ReadRate, b.Concurrency = 0, 1
	var ctx context.Context
	ctx, pass = b.invocation(t, time.Minute)
	large := arrived(2)
	large.Size = 5_000_000_000
	b.wantFailed(t, ctx, []events.SQSMessage{message(t, "m1", arrived(1)), message(t, "m2", large),
		message(t, "m3", arrived(3))}, "m3")
}
