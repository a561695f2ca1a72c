package validator_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"hatchery/shared/arrival"
	"hatchery/shared/attempts"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// keeping lets the validator keep attempts in memory.
func (b *fixture) keeping() *uploadtest.Notes {
	notes := uploadtest.NewNotes()
	b.Attempts = notes
	return notes
}

// attempt reads the one attempt that is kept; it is under the key.
func attempt(t testing.TB, notes *uploadtest.Notes, key upload.Key) attempts.Attempt {
	t.Helper()
	if keys := notes.Keys(); !slices.Equal(keys, []upload.Key{key}) {
		t.Fatalf("kept are %q, want %q", keys, key)
	}
	return read(t, notes, key)
}

func read(t testing.TB, notes *uploadtest.Notes, key upload.Key) attempts.Attempt {
	t.Helper()
	body, err := notes.Get(context.Background(), key)
	if err != nil {
		t.Fatal(err)
	}
	a, err := attempts.Parse(body)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// begun checks an attempt that has not ended.
func begun(t testing.TB, a attempts.Attempt, message string, receive int) {
	t.Helper()
	if a.MessageID != message || a.Receive != receive || a.MaxReceives != 5 || !a.Began.Equal(noon) ||
		a.Began.Location() != time.UTC {
		t.Errorf("kept is %+v", a)
	}
}

func keyOf(n int, message string, receive int) upload.Key {
	return attempts.Key(refNumber(n).ID, message, receive)
}

func TestTheDeadlineOfAReceptionIsKept(t *testing.T) {
	b := newFixture(pipelineFunc(all("", errTrouble)))
	notes := b.keeping()
	deadline := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	defer cancel()
	b.wantFailed(t, ctx, []events.SQSMessage{received(message(t, "m", arrived(1)), "5")}, "m")
	if a := attempt(t, notes, keyOf(1, "m", 5)); !a.Deadline.Equal(deadline) {
		t.Errorf("kept is %v, want %v", a.Deadline, deadline)
	}
}

func TestTheLastTwoReceptionsAreKeptBeforeAndAfter(t *testing.T) {
	for _, receive := range []int{4, 5, 6} {
		t.Run(fmt.Sprint(receive), func(t *testing.T) {
			key := keyOf(1, "m", receive)
			var notes *uploadtest.Notes
			called := false
			b := newFixture(pipelineFunc(func(_ context.Context, k upload.Key, v upload.Version) (upload.Outcome, error) {
				called = true
				a := attempt(t, notes, key)
				begun(t, a, "m", receive)
				if !a.Ended.IsZero() || a.Failures != nil {
					t.Errorf("before it is judged: %+v", a)
				}
				return all("", fmt.Errorf("promote: %w", errTrouble))(t.Context(), k, v)
			}))
			notes = b.keeping()
			now := noon.In(time.FixedZone("", 3600))
			b.Now = func() time.Time { return now }
			b.wantFailed(t, t.Context(), []events.SQSMessage{received(message(t, "m", arrived(1)), fmt.Sprint(receive))}, "m")
			a := attempt(t, notes, key)
			begun(t, a, "m", receive)
			want := attempts.Failure{Key: arrived(1).Key, Version: "v1", UploadID: refNumber(1).ID,
				Error: "promote: " + errTrouble.Error(), Cause: errTrouble.Error()}
			if !called || !a.Ended.Equal(noon) || len(a.Failures) != 1 || a.Failures[0] != want {
				t.Errorf("called: %v; afterwards: %+v, want %+v", called, a, want)
			}
		})
	}
}

func TestEarlierReceptionsAreNotKept(t *testing.T) {
	for _, receptions := range []string{"1", "2", "3", "many", "", "-1"} {
		b := newFixture(all("", errTrouble))
		notes := b.keeping()
		b.wantFailed(t, t.Context(), []events.SQSMessage{received(message(t, "m", arrived(1)), receptions)}, "m")
		if keys := notes.Keys(); len(keys) != 0 {
			t.Errorf("at reception %q is kept %q", receptions, keys)
		}
	}
}

func TestNothingIsKeptWhereNobodyKnowsWhichReceptionIsTheLast(t *testing.T) {
	b := newFixture(all("", errTrouble))
	notes := b.keeping()
	b.MaxReceives = 0
	b.wantFailed(t, t.Context(), []events.SQSMessage{received(message(t, "m", arrived(1)), "9")}, "m")
	if keys := notes.Keys(); len(keys) != 0 {
		t.Errorf("kept are %q", keys)
	}
	b.MaxReceives, b.Attempts = 5, nil
	b.wantFailed(t, t.Context(), []events.SQSMessage{received(message(t, "m", arrived(1)), "5")}, "m")
}

func TestWhatSucceedsIsNotWrittenAgain(t *testing.T) {
	b := newFixture(all(upload.ResultStored, nil))
	notes := b.keeping()
	puts := 0
	notes.Before = func(context.Context, string, upload.Key) error { puts++; return nil }
	b.wantFailed(t, t.Context(), []events.SQSMessage{received(message(t, "m", arrived(1)), "5")})
	if puts != 1 {
		t.Errorf("%d puts, want one", puts)
	}
}

func TestTheCauseSurvivesAStoreThatFails(t *testing.T) {
	b := newFixture(all("", fmt.Errorf("get record: %w", errTrouble)))
	b.notes.err = errors.New("the store is down")
	notes := b.keeping()
	b.wantFailed(t, t.Context(), []events.SQSMessage{received(message(t, "m", arrived(1)), "5")}, "m")
	if a := attempt(t, notes, keyOf(1, "m", 5)); len(a.Failures) != 1 || a.Failures[0].Cause != errTrouble.Error() {
		t.Errorf("kept is %+v", a)
	}
}

func TestAPanicIsKept(t *testing.T) {
	b := newFixture(pipelineFunc(func(context.Context, upload.Key, upload.Version) (upload.Outcome, error) { panic("odd") }))
	notes := b.keeping()
	b.wantFailed(t, t.Context(), []events.SQSMessage{received(message(t, "m", arrived(1)), "5")}, "m")
	a := attempt(t, notes, keyOf(1, "m", 5))
	if len(a.Failures) != 1 || !strings.HasSuffix(a.Failures[0].Error, "panicked: odd") || a.Ended.IsZero() ||
		a.Failures[0].UploadID != refNumber(1).ID {
		t.Errorf("kept is %+v", a)
	}
}

func TestAnAttemptIsUnderTheFirstUploadOfOurQuarantine(t *testing.T) {
	elsewhere, unknown := arrived(1), arrived(1)
	elsewhere.Bucket, unknown.Key = "another", "files/x"
	written, err := arrival.Format(arrived(1), arrived(2))
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(written), arrived(1).Key, "%zz", 1)
	for name, c := range map[string]struct {
		message events.SQSMessage
		id      upload.ID
	}{
		"of several, the first":              {message(t, "m", arrived(3), arrived(2)), refNumber(3).ID},
		"a neighbour of what cannot be read": {withBody("m", broken), refNumber(2).ID},
		"a neighbour of another bucket's":    {message(t, "m", elsewhere, arrived(2)), refNumber(2).ID},
		"of another bucket alone":            {message(t, "m", elsewhere), ""},
		"a key that is no upload's":          {message(t, "m", unknown), ""},
		"poison":                             {withBody("m", "no JSON"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := newFixture(all("", errTrouble))
			notes := b.keeping()
			b.wantFailed(t, t.Context(), []events.SQSMessage{received(c.message, "5")}, "m")
			if a := attempt(t, notes, attempts.Key(c.id, "m", 5)); len(a.Failures) == 0 || a.Failures[0].Error == "" {
				t.Errorf("kept is %+v", a)
			}
		})
	}
}

func TestAnAttemptIsBounded(t *testing.T) {
	long := strings.Repeat("x", 1999) + "é" + strings.Repeat("y", 100_000)
	b := newFixture(all("", errors.New(long)))
	notes := b.keeping()
	var many []arrival.Created
	for n := range 30 {
		many = append(many, arrived(n))
	}
	b.wantFailed(t, t.Context(), []events.SQSMessage{received(message(t, "m", many...), "5")}, "m")
	a := attempt(t, notes, keyOf(0, "m", 5))
	if len(a.Failures) != attempts.MaxFailures {
		t.Errorf("%d failures are kept", len(a.Failures))
	}
	for _, f := range a.Failures {
		if f.Error != long[:1999] || f.Cause != long[:1999] || !utf8.ValidString(f.Error) {
			t.Errorf("%d bytes of error and %d of cause are kept", len(f.Error), len(f.Cause))
		}
	}
}

// TestABatchIsNotedBeforeAnyOfItIsJudged: what ends the function ends it for all of them.
func TestABatchIsNotedBeforeAnyOfItIsJudged(t *testing.T) {
	var notes *uploadtest.Notes
	want := []upload.Key{keyOf(1, "m1", 5), keyOf(2, "m2", 4)}
	b := newFixture(pipelineFunc(func(context.Context, upload.Key, upload.Version) (upload.Outcome, error) {
		if keys := notes.Keys(); !slices.Equal(keys, want) {
			t.Errorf("kept are %q, want %q", keys, want)
		}
		return upload.Outcome{Result: upload.ResultStored}, nil
	}))
	notes, b.Concurrency = b.keeping(), 1
	b.wantFailed(t, t.Context(), []events.SQSMessage{received(message(t, "m1", arrived(1)), "5"),
		received(message(t, "m2", arrived(2)), "4"), received(message(t, "m3", arrived(3)), "3")})
}

// TestABucketThatFailsCostsAMessageNothing: it is judged as ever, and its answer is the same.
func TestABucketThatFailsCostsAMessageNothing(t *testing.T) {
	hangs := func(ctx context.Context, _ string, _ upload.Key) error {
		<-ctx.Done()
		return ctx.Err()
	}
	for name, before := range map[string]func(context.Context, string, upload.Key) error{
		"denied": func(context.Context, string, upload.Key) error { return errors.New("access denied") },
		"panics": func(context.Context, string, upload.Key) error { panic("odd") },
		"hangs":  hangs,
	} {
		for _, fails := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, and the message fails: %v", name, fails), func(t *testing.T) {
				t.Parallel()
				var calls atomic.Int64
				b := newFixture(pipelineFunc(func(ctx context.Context, k upload.Key, v upload.Version) (upload.Outcome, error) {
					calls.Add(1)
					if fails {
						return all("", errTrouble)(ctx, k, v)
					}
					return all(upload.ResultStored, nil)(ctx, k, v)
				}))
				b.Concurrency = 2
				b.keeping().Before = before
				var batch []events.SQSMessage
				var failed []string
				warnings := 6
				for n := range 6 {
					id := fmt.Sprint("m", n)
					batch = append(batch, received(message(t, id, arrived(n)), "5"))
					if fails {
						failed, warnings = append(failed, id), 12
					}
				}
				began := time.Now()
				b.wantFailed(t, t.Context(), batch, failed...)
				// A second for the beginnings of all, and one for the end of each, two at once.
				most := 2500 * time.Millisecond
				if fails {
					most = 5 * time.Second
				}
				if time.Since(began) > most || calls.Load() != 6 {
					t.Errorf("%d of 6 judged within %s", calls.Load(), time.Since(began))
				}
				said := 0
				for _, line := range b.lines(t) {
					if line["msg"] == "attempt could not be noted" && line["level"] == "WARN" && line["message_id"] != "" &&
						line["error"] != "" {
						said++
					}
				}
				if said != warnings {
					t.Errorf("%d warnings, want %d; the log:\n%s", said, warnings, b.log)
				}
			})
		}
	}
}

// TestAnEndedInvocationStillKeepsWhy: dev stops, or a caller gives up.
func TestAnEndedInvocationStillKeepsWhy(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := newFixture(pipelineFunc(func(ctx context.Context, k upload.Key, v upload.Version) (upload.Outcome, error) {
		cancel()
		return all("", ctx.Err())(ctx, k, v)
	}))
	notes := b.keeping()
	b.wantFailed(t, ctx, []events.SQSMessage{received(message(t, "m", arrived(1)), "5")}, "m")
	if a := attempt(t, notes, keyOf(1, "m", 5)); len(a.Failures) != 1 || a.Failures[0].Cause != "context canceled" {
		t.Errorf("kept is %+v", a)
	}
}

// TestAPutEndsBeforeTheDeadline: an answer that comes too late fails the whole batch.
func TestAPutEndsBeforeTheDeadline(t *testing.T) {
	for _, c := range []struct{ left, most time.Duration }{
		{time.Hour, time.Second}, {600 * time.Millisecond, 350 * time.Millisecond}, {100 * time.Millisecond, 0},
		{-time.Second, 0}} {
		var pass func(time.Duration)
		b := newFixture(pipelineFunc(func(ctx context.Context, k upload.Key, v upload.Version) (upload.Outcome, error) {
			pass(2*time.Hour - c.left)
			return all("", errTrouble)(ctx, k, v)
		}))
		var bounds []time.Duration
		b.keeping().Before = func(ctx context.Context, _ string, _ upload.Key) error {
			deadline, _ := ctx.Deadline()
			bounds = append(bounds, time.Until(deadline))
			return ctx.Err()
		}
		var ctx context.Context
		ctx, pass = b.invocation(t, 2*time.Hour)
		b.wantFailed(t, ctx, []events.SQSMessage{received(message(t, "m", arrived(1)), "5")}, "m")
		if len(bounds) != 2 || bounds[0] > time.Second || bounds[1] > c.most {
			t.Errorf("with %s left the puts have %s, want at most %s", c.left, bounds, c.most)
		}
	}
}

// TestAnAttemptTakesNoFileItsTime: with a whole invocation a file is tried, though the put took part of it.
func TestAnAttemptTakesNoFileItsTime(t *testing.T) {
	tried := false
	b := newFixture(pipelineFunc(func(context.Context, upload.Key, upload.Version) (upload.Outcome, error) {
		tried = true
		return upload.Outcome{Result: upload.ResultStored}, nil
	}))
	b.Margin = 500 * time.Millisecond
	ctx, pass := b.invocation(t, time.Minute)
	b.keeping().Before = func(context.Context, string, upload.Key) error { pass(time.Second); return nil }
	large := arrived(1)
	large.Size = 5_000_000_000
	b.wantFailed(t, ctx, []events.SQSMessage{received(message(t, "m", large), "5")})
	if !tried {
		t.Error("it was not tried")
	}
}
