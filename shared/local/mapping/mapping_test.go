package mapping_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"hatchery/shared/local/mapping"
)

// running is a mapping in a bubble.
type running struct {
	queue *memoryQueue
	log   *lines
	stop  context.CancelFunc
	done  chan error
}

// lines is a log to read.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), s)
}

// run starts a mapping with one worker, unless m says otherwise, on a queue in memory.
func run(t *testing.T, queue *memoryQueue, m mapping.Mapping) *running {
	t.Helper()
	r := &running{queue: queue, log: &lines{}, done: make(chan error, 1)}
	m.Queue, m.QueueURL, m.QueueARN, m.Region = queue, "http://127.0.0.1/000000000000/work",
		"arn:aws:sqs:us-east-1:000000000000:work", "us-east-1"
	m.Log = slog.New(slog.NewTextHandler(r.log, nil))
	if m.Concurrency == 0 {
		m.Concurrency = 1
	}
	if m.FunctionTimeout == 0 {
		m.FunctionTimeout = 10 * time.Second
	}
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	go func() { r.done <- m.Run(ctx) }()
	return r
}

// end stops the mapping and wants it to end without an error.
func (r *running) end(t *testing.T) {
	t.Helper()
	r.stop()
	if err := <-r.done; err != nil {
		t.Error(err)
	}
}

// pass lets the bubble's time go on.
func pass(d time.Duration) { <-time.After(d) }

func failures(ids ...string) events.SQSEventResponse {
	r := events.SQSEventResponse{}
	for _, id := range ids {
		r.BatchItemFailures = append(r.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: id})
	}
	return r
}

func numbered(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

func TestOnlyWhatDidNotFailIsDeleted(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler mapping.Handler
		deleted []string
	}{
		{"nothing failed", func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
			return failures(),
				nil
		}, []string{"a", "b", "c"}},
		{"one failed", func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
			return failures("id of b"), nil
		}, []string{"a", "c"}},
		{"one failed twice", func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
			return failures("id of b", "id of b"), nil
		}, []string{"a", "c"}},
		{"all failed", func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
			return failures("id of a", "id of b", "id of c"), nil
		}, nil},
		{"an empty id", func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) { return failures(""), nil },
			nil},
		{"an unknown id", func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
			return failures("id of a", "id of d"), nil
		}, nil},
		{"an error", func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
			return failures(), errors.New("no")
		}, nil},
		{"a panic", func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) { panic("poison") }, nil},
		{"a nil panic", func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) { panic(nil) }, nil},
		{"a time-out", func(ctx context.Context, _ events.SQSEvent) (events.SQSEventResponse, error) {
			<-ctx.Done()
			return failures(), nil
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				queue := newMemoryQueue()
				queue.send("a", "b", "c")
				r := run(t, queue, mapping.Mapping{Handler: c.handler})
				pass(15 * time.Second)
				synctest.Wait()
				if !slices.Equal(queue.deletes, c.deleted) {
					t.Errorf("deleted %v, want %v", queue.deletes, c.deleted)
				}
				if len(queue.released) != 0 {
					t.Errorf("made %v visible early", queue.released)
				}
				if failed := len(c.deleted) == 0 && c.name != "all failed"; (r.log.count("a batch failed") == 1) != failed {
					t.Errorf("log: %s", r.log.buf.String())
				}
				// The next batch is handled all the same.
				before := len(queue.inFlight)
				queue.send("d")
				synctest.Wait()
				if len(queue.inFlight) < before || len(queue.visible) != 0 {
					t.Error("the worker is gone")
				}
				r.end(t)
			})
		})
	}
}

func TestEventIsWhatLambdaShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := newMemoryQueue()
		queue.send("a")
		seen := make(chan events.SQSEvent, 1)
		r := run(t, queue, mapping.Mapping{Handler: func(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse,
			error) {
			deadline, ok := ctx.Deadline()
			if !ok || time.Until(deadline) != 10*time.Second {
				t.Errorf("deadline %v", deadline)
			}
			if l, ok := lambdacontext.FromContext(ctx); !ok || len(l.AwsRequestID) != 36 {
				t.Errorf("lambda context %+v", l)
			}
			seen <- e
			return events.SQSEventResponse{}, nil
		}})
		m := (<-seen).Records[0]
		if m.MessageId != "id of a" || m.ReceiptHandle != "1" || m.Body != "a" || m.Md5OfBody != "md5 of a" ||
			m.EventSource != "aws:sqs" ||
			m.EventSourceARN != "arn:aws:sqs:us-east-1:000000000000:work" || m.AWSRegion != "us-east-1" ||
			m.Attributes["ApproximateReceiveCount"] != "1" || m.MessageAttributes == nil {
			t.Errorf("record %+v", m)
		}
		r.end(t)
	})
}

func TestBatchIsGatheredWithinItsWindow(t *testing.T) {
	for _, c := range []struct {
		name   string
		size   int
		window time.Duration
		send   func(q *memoryQueue) // over time, from the start
		want   string               // batch sizes and when they came
	}{
		{"without a window, a receive is a batch", 10, 0, func(q *memoryQueue) {
			q.send(numbered(13)...)
			pass(time.Second)
			q.send("x")
		}, "10@0s 3@0s 1@1s"},
		{"a small batch size", 4, 0, func(q *memoryQueue) { q.send(numbered(9)...) }, "4@0s 4@0s 1@0s"},
		{"the window ends", 100, 2500 * time.Millisecond, func(q *memoryQueue) {
			pass(time.Second)
			q.send("a")
			pass(1900 * time.Millisecond)
			q.send("b")
			pass(500 * time.Millisecond)
			q.send("c")
			pass(500 * time.Millisecond)
			q.send("d")
		}, "3@3.5s 1@6.4s"},
		{"the batch is full before", 25, 10 * time.Second, func(q *memoryQueue) {
			q.send(numbered(20)...)
			pass(3 * time.Second)
			q.send(numbered(7)...)
		}, "25@3s 2@13s"},
		{"the event is full before", 100, 10 * time.Second, func(q *memoryQueue) {
			q.send(strings.Split(strings.TrimSuffix(strings.Repeat(strings.Repeat("x", 1<<20)+",", 8), ","), ",")...)
		}, "5@0s 3@10s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				var got []string
				queue := newMemoryQueue()
				r := run(t, queue, mapping.Mapping{BatchSize: c.size, Window: c.window,
					Handler: func(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
						got = append(got, fmt.Sprintf("%d@%v", len(e.Records), time.Since(begun)))
						return events.SQSEventResponse{}, nil
					}})
				c.send(queue)
				pass(time.Minute)
				synctest.Wait()
				if strings.Join(got, " ") != c.want {
					t.Errorf("batches %v, want %v", got, c.want)
				}
				r.end(t)
				if len(queue.inFlight) != 0 || len(queue.visible) != 0 {
					t.Errorf("%d in flight and %d visible at the end", len(queue.inFlight), len(queue.visible))
				}
			})
		})
	}
}

func TestCallsRunAtOnceUpToTheirNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := newMemoryQueue()
		queue.send(numbered(10)...)
		var now, highest atomic.Int64
		begun := time.Now()
		var ended atomic.Int64
		r := run(t, queue, mapping.Mapping{BatchSize: 1, Concurrency: 3,
			Handler: func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
				highest.Store(max(highest.Load(), now.Add(1)))
				pass(time.Second)
				now.Add(-1)
				ended.Store(int64(time.Since(begun)))
				return events.SQSEventResponse{}, nil
			}})
		pass(time.Minute)
		synctest.Wait()
		if highest.Load() != 3 || ended.Load() != int64(4*time.Second) {
			t.Errorf("%d calls at once, the last ended after %v", highest.Load(), time.Duration(ended.Load()))
		}
		r.end(t)
	})
}

// A function that does not end at its time-out cannot be killed here; it keeps its place.
func TestFunctionBeyondItsTimeoutKeepsItsPlaceUntilTheShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := newMemoryQueue()
		queue.send("a")
		release := make(chan struct{})
		var calls atomic.Int64
		r := run(t, queue, mapping.Mapping{Handler: func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
			calls.Add(1)
			<-release
			return events.SQSEventResponse{}, nil
		}})
		pass(time.Minute)
		queue.send("b")
		pass(time.Minute)
		if calls.Load() != 1 || r.log.count("goes on after its time-out") != 1 {
			t.Errorf("%d calls; log %s", calls.Load(), r.log.buf.String())
		}
		r.end(t)
		if len(queue.deletes) != 0 {
			t.Errorf("deleted %v", queue.deletes)
		}
		close(release)
	})
}

func TestShutdownFinishesCallsAndGivesBackTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := newMemoryQueue()
		queue.send("a")
		r := run(t, queue, mapping.Mapping{Handler: func(ctx context.Context, _ events.SQSEvent) (events.SQSEventResponse,
			error) {
			pass(5 * time.Second)
			return events.SQSEventResponse{}, ctx.Err()
		}})
		pass(time.Second)
		begun := time.Now()
		r.end(t)
		if took := time.Since(begun); took != 4*time.Second || !slices.Equal(queue.deletes, []string{"a"}) {
			t.Errorf("ended after %v, deleted %v", took, queue.deletes)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		queue := newMemoryQueue()
		queue.send("a", "b")
		r := run(t, queue, mapping.Mapping{Window: time.Minute, BatchSize: 100,
			Handler: func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
				t.Error("the function was called after the end")
				return events.SQSEventResponse{}, nil
			}})
		pass(10 * time.Second)
		r.end(t)
		if !slices.Equal(queue.released, []string{"a", "b"}) || len(queue.inFlight) != 0 {
			t.Errorf("gave back %v, still has %v", queue.released, queue.inFlight)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		queue := newMemoryQueue()
		queue.send("a")
		released := make(chan struct{})
		r := run(t, queue, mapping.Mapping{Handler: func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
			<-released // deaf to its context
			return events.SQSEventResponse{}, nil
		}})
		pass(time.Second)
		begun := time.Now()
		r.stop()
		if err := <-r.done; err != nil || time.Since(begun) != 9*time.Second {
			t.Errorf("%v after %v, want the function time-out", err, time.Since(begun))
		}
		close(released)
	})
}

func TestAPausedMappingReceivesNothingAndGoesOnWhenItIsResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := newMemoryQueue()
		queue.send("a")
		var paused atomic.Bool
		paused.Store(true)
		var calls atomic.Int64
		r := run(t, queue, mapping.Mapping{Paused: paused.Load, Concurrency: 3,
			Handler: func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
				calls.Add(1)
				return events.SQSEventResponse{}, nil
			}})
		pass(time.Hour)
		if len(queue.waits) != 0 || calls.Load() != 0 {
			t.Errorf("in a pause: %d receives, %d calls", len(queue.waits), calls.Load())
		}
		paused.Store(false)
		pass(time.Second)
		synctest.Wait()
		if calls.Load() != 1 {
			t.Errorf("resumed: %d calls", calls.Load())
		}
		r.end(t)
	})
}

// A long poll that began before the pause would take a message during it.
func TestAPauseEndsALongPollAndIsNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := newMemoryQueue()
		var paused atomic.Bool
		r := run(t, queue, mapping.Mapping{Paused: paused.Load, Concurrency: 2,
			Handler: func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
				return events.SQSEventResponse{}, nil
			}})
		pass(1500 * time.Millisecond)
		paused.Store(true)
		pass(time.Second)
		queue.send("a")
		pass(time.Minute)
		if len(queue.waits) != 2 || len(queue.deletes) != 0 {
			t.Errorf("in a pause: %d receives, deleted %v", len(queue.waits), queue.deletes)
		}
		paused.Store(false)
		pass(time.Second)
		synctest.Wait()
		if len(queue.deletes) != 1 || r.log.count("fails") != 0 {
			t.Errorf("resumed: deleted %v, log %s", queue.deletes, r.log.buf.String())
		}
		r.end(t)
	})
}

// What was received before a pause is handled when its window ends; until then the queue is left alone.
func TestAPauseWithinAWindowKeepsWhatWasReceived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := newMemoryQueue()
		queue.send("a")
		var paused atomic.Bool
		var asked atomic.Int64
		r := run(t, queue, mapping.Mapping{BatchSize: 20, Window: 10 * time.Second,
			Paused: func() bool { asked.Add(1); return paused.Load() },
			Handler: func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
				return events.SQSEventResponse{}, nil
			}})
		pass(500 * time.Millisecond)
		paused.Store(true)
		pass(2 * time.Second)
		queue.send("b")
		pass(20 * time.Second)
		synctest.Wait()
		if fmt.Sprint(queue.deletes) != "[a]" || asked.Load() > 40 {
			t.Errorf("deleted %v, asked %d times", queue.deletes, asked.Load())
		}
		r.end(t)
	})
}

func TestErrorsOfTheQueueAreRetriedAndLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := newMemoryQueue()
		var broken atomic.Bool
		var tries atomic.Int64
		broken.Store(true)
		queue.fail = func(op string) error {
			if op == "receive" && broken.Load() {
				tries.Add(1)
				return errors.New("connection refused")
			}
			return nil
		}
		queue.send("a")
		r := run(t, queue, mapping.Mapping{Handler: func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
			return events.SQSEventResponse{}, nil
		}})
		pass(10 * time.Minute)
		if n := tries.Load(); n < 55 || n > 95 {
			t.Errorf("%d attempts in ten minutes", n)
		}
		broken.Store(false)
		pass(11 * time.Second)
		synctest.Wait()
		if !slices.Equal(queue.deletes, []string{"a"}) {
			t.Errorf("deleted %v", queue.deletes)
		}
		if r.log.count("connection refused") != 1 || r.log.count("works again") != 1 {
			t.Errorf("log: %s", r.log.buf.String())
		}
		r.end(t)
	})
}

func TestDeletesAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		queue := newMemoryQueue()
		tries := 0
		queue.refuse = func(body string) bool {
			if body == "b" {
				tries++
			}
			return body == "b" && tries < 3 || body == "never"
		}
		queue.send("a", "b", "c")
		r := run(t, queue, mapping.Mapping{Handler: func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
			return events.SQSEventResponse{}, nil
		}})
		pass(time.Minute)
		synctest.Wait()
		if !slices.Equal(queue.deletes, []string{"a", "c", "b"}) {
			t.Errorf("deleted %v", queue.deletes)
		}
		queue.send("never")
		pass(time.Minute)
		queue.send("d")
		pass(time.Minute)
		synctest.Wait()
		if !slices.Contains(queue.deletes, "d") || r.log.count("were not deleted") != 1 {
			t.Errorf("deleted %v; log %s", queue.deletes, r.log.buf.String())
		}
		r.end(t)
	})
}

func TestMappingThatLambdaRefusesDoesNotStart(t *testing.T) {
	handler := func(context.Context, events.SQSEvent) (events.SQSEventResponse, error) {
		return events.SQSEventResponse{}, nil
	}
	for _, c := range []struct {
		name   string
		change func(*mapping.Mapping, *memoryQueue)
	}{
		{"handler", func(m *mapping.Mapping, _ *memoryQueue) { m.Handler = nil }},
		{"batch size", func(m *mapping.Mapping, _ *memoryQueue) { m.BatchSize = 10001 }},
		{"batch size", func(m *mapping.Mapping, _ *memoryQueue) { m.BatchSize = -1 }},
		{"window of at least a second", func(m *mapping.Mapping, _ *memoryQueue) { m.BatchSize = 11 }},
		{"window", func(m *mapping.Mapping, _ *memoryQueue) { m.Window = 6 * time.Minute }},
		{"concurrency", func(m *mapping.Mapping, _ *memoryQueue) { m.Concurrency = -1 }},
		{"function timeout", func(m *mapping.Mapping, _ *memoryQueue) { m.FunctionTimeout = 16 * time.Minute }},
		{"visibility timeout of 1m0s is less",
			func(m *mapping.Mapping, _ *memoryQueue) { m.FunctionTimeout = 61 * time.Second }},
		{"no queue", func(_ *mapping.Mapping, q *memoryQueue) {
			q.fail = func(string) error { return errors.New("no queue") }
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			queue := newMemoryQueue()
			m := mapping.Mapping{Handler: handler, FunctionTimeout: time.Second, Concurrency: 1}
			c.change(&m, queue)
			r := run(t, queue, m)
			if err := <-r.done; err == nil || !strings.Contains(err.Error(), c.name) {
				t.Errorf("%s: %v", c.name, err)
			}
			r.stop()
		})
	}
}
