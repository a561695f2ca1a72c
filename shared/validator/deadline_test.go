package validator_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
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
			first, second := arrived(1), arrived(2)
			first.Size, second.Size = 0, c.size // the smallest is the first
			var failed []string
			if !c.tried {
				failed = []string{"m2"}
			}
			b.wantFailed(t, ctx, []events.SQSMessage{message(t, "m1", first), message(t, "m2", second)}, failed...)
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

// atOnce handles the messages and gives, for each moment at which nobody can go on by itself, which
// versions are being judged; then the first of them ends, having taken the given time.
func (b *fixture) atOnce(t *testing.T, left, each time.Duration, sizes ...int64) (moments [][]upload.Version) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		inside := map[upload.Version]chan struct{}{}
		b.Pipeline = pipelineFunc(func(_ context.Context, _ upload.Key, v upload.Version) (upload.Outcome, error) {
			end := make(chan struct{})
			mu.Lock()
			inside[v] = end
			mu.Unlock()
			<-end
			return upload.Outcome{Result: upload.ResultStored}, nil
		})
		ctx, pass := b.invocation(t, left)
		var messages []events.SQSMessage
		for n, size := range sizes {
			created := arrived(n)
			created.Size = size
			messages = append(messages, message(t, fmt.Sprint("m", n), created))
		}
		go func() {
			if _, err := b.Handle(ctx, events.SQSEvent{Records: messages}); err != nil {
				t.Error(err)
			}
		}()
		for {
			synctest.Wait()
			mu.Lock()
			now := slices.Sorted(maps.Keys(inside))
			mu.Unlock()
			if len(now) == 0 {
				return
			}
			moments = append(moments, now)
			pass(each)
			mu.Lock()
			close(inside[now[0]])
			delete(inside, now[0])
			mu.Unlock()
		}
	})
	return moments
}

func TestAsManyAreJudgedAtOnceAsTheirSizesFitTheTime(t *testing.T) {
	const megabyte = 1_000_000
	for _, c := range []struct {
		what  string
		left  time.Duration // 3 s are kept free, and 20 MB are read in a second
		each  time.Duration
		sizes []int64
		want  string
	}{
		{"all of a batch of small ones", time.Minute, 0, []int64{1, 2, 3, 4, 5},
			"[[v0 v1 v2 v3 v4] [v1 v2 v3 v4] [v2 v3 v4] [v3 v4] [v4]]"},
		{"two that fit exactly", 13 * time.Second, 0, []int64{100 * megabyte, 100 * megabyte}, "[[v0 v1] [v1]]"},
		{"two that do not", 13 * time.Second, 0, []int64{100 * megabyte, 101 * megabyte}, "[[v0] [v1]]"},
		{"a large one waits for the small ones, and none for it", time.Minute, 0,
			[]int64{1140 * megabyte, megabyte, megabyte}, "[[v1 v2] [v2] [v0]]"},
		{"a large one beside small ones with which it fits", time.Minute, 0,
			[]int64{1000 * megabyte, megabyte, megabyte}, "[[v0 v1 v2] [v1 v2] [v2]]"},
		{"fewer as the time passes", 63 * time.Second, 25 * time.Second,
			[]int64{400 * megabyte, 400 * megabyte, 400 * megabyte, 400 * megabyte}, "[[v0 v1 v2] [v1 v2] [v2]]"},
		{"one that fits no time is tried alone", time.Minute, 0, []int64{5000 * megabyte, megabyte}, "[[v1] [v0]]"},
		{"sizes that no file has", time.Minute, 0, []int64{1 << 62, 1 << 62, 0}, "[[v2] [v0] [v1]]"},
	} {
		b := newFixture(nil)
		b.Concurrency = 10
		if got := fmt.Sprint(b.atOnce(t, c.left, c.each, c.sizes...)); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

func TestAllFilesOfAMessageCountForTheTime(t *testing.T) {
	b := newFixture(nil)
	first, second := arrived(1), arrived(2)
	first.Size, second.Size = 100_000_000, 100_000_000 // 5 s each, one after the other
	var begun []upload.Version
	b.Pipeline = pipelineFunc(func(_ context.Context, _ upload.Key, v upload.Version) (upload.Outcome, error) {
		begun = append(begun, v) // the other message is not judged beside it: no lock is needed
		return upload.Outcome{Result: upload.ResultStored}, nil
	})
	ctx, _ := b.invocation(t, 14*time.Second)
	third := arrived(3)
	third.Size = 100_000_000
	b.wantFailed(t, ctx, []events.SQSMessage{message(t, "m", first, second), message(t, "n", third)})
	if want := []upload.Version{"v3", "v1", "v2"}; !slices.Equal(begun, want) {
		t.Errorf("judged are %v, want %v", begun, want)
	}
}

// Behind the files of its neighbours a large one may find too little time at each reception. The last is its own.
func TestAMessageAtItsLastReceptionWaitsForNone(t *testing.T) {
	for _, c := range []struct {
		receptions string
		want       []string // failed
	}{{"4", []string{"large"}}, {"5", []string{"m1", "m2"}}} {
		var pass func(time.Duration)
		b := newFixture(pipelineFunc(func(_ context.Context, key upload.Key, v upload.Version) (upload.Outcome, error) {
			if pass(10 * time.Second); v == "v3" {
				pass(40 * time.Second)
			}
			return upload.Outcome{Result: upload.ResultStored}, nil
		}))
		b.Concurrency = 1
		large, one, two := arrived(3), arrived(1), arrived(2)
		large.Size, one.Size, two.Size = 1_000_000_000, 300_000_000, 300_000_000
		var ctx context.Context
		ctx, pass = b.invocation(t, time.Minute)
		b.wantFailed(t, ctx, []events.SQSMessage{message(t, "m1", one), message(t, "m2", two),
			received(message(t, "large", large), c.receptions)}, c.want...)
	}
}
