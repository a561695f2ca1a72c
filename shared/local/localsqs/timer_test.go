package localsqs

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// nowhere is the address of a server whose HTTP side is not started: a bubble's time stands while a socket waits.
const nowhere = "http://127.0.0.1:9"

// bubble runs a test on a server whose clock and timers are those of a synctest bubble, so that waiting costs nothing
// and every moment is exact. Nobody calls Wake in it: timers alone must do.
func bubble(t *testing.T, run func(t *testing.T, s *Server, q *queue)) {
	path := filepath.Join(t.TempDir(), "queue.db")
	synctest.Test(t, func(t *testing.T) {
		options := Options{Path: path, Region: "us-east-1", Now: time.Now, Log: slog.New(slog.DiscardHandler)}
		s, err := start(context.Background(), options, nowhere)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.finish(); err != nil {
				t.Error(err)
			}
		}()
		if err := s.CreateQueue(t.Context(), "work", map[string]string{"VisibilityTimeout": "10"}); err != nil {
			t.Fatal(err)
		}
		q, err := s.lookup("work")
		if err != nil {
			t.Fatal(err)
		}
		run(t, s, q)
	})
}

// wantAfter wants a receive that waits up to 20 seconds to come back after so long with so many messages.
func wantAfter(t *testing.T, s *Server, q *queue, after time.Duration, count int) {
	t.Helper()
	begun := time.Now()
	found, err := s.await(t.Context(), q, 10, 10*time.Second, 20*time.Second)
	if err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took != after || len(found) != count {
		t.Errorf("%d messages after %v, want %d after %v", len(found), took, count, after)
	}
}

func TestReceiveWaitsNoLongerThanItMust(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, q *queue) {
		wantAfter(t, s, q, 20*time.Second, 0)
		if err := s.Send(t.Context(), "work", "x", ""); err != nil {
			t.Fatal(err)
		}
		wantAfter(t, s, q, 0, 1)
		wantAfter(t, s, q, 10*time.Second, 1)
		pass(4 * time.Second)
		wantAfter(t, s, q, 6*time.Second, 1)
	})
}

func TestWaitingReceiveLearnsOfADueTimeThatComesLater(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, q *queue) {
		go func() {
			pass(3 * time.Second)
			body, delay := "delayed", int64(4)
			entry := sendEntry{MessageBody: &body, DelaySeconds: &delay}
			m, err := entry.prepare(q.settings.Load())
			if err == nil {
				err = s.send(q, m)
			}
			if err != nil {
				t.Error(err)
			}
		}()
		wantAfter(t, s, q, 7*time.Second, 1)
	})
}

// One poll takes a message while another waits: the other must get it when the first lets it lapse, also after the
// first is gone and took its own timer with it.
func TestWaitingReceiveGetsWhatAnotherLetLapse(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, q *queue) {
		go func() {
			pass(2 * time.Second)
			if err := s.Send(t.Context(), "work", "x", ""); err != nil {
				t.Error(err)
			}
		}()
		done := make(chan struct{})
		go func() {
			defer close(done)
			wantAfter(t, s, q, 2*time.Second, 1)
		}()
		synctest.Wait()
		wantAfter(t, s, q, 12*time.Second, 1)
		<-done
	})
}

func TestReceiveThatIsCancelledReturnsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, q *queue) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begun := time.Now()
		if _, err := s.await(ctx, q, 1, 0, 20*time.Second); err == nil || time.Since(begun) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		if len(q.waiters.queue) != 0 {
			t.Error("the receive left its place in the line behind")
		}
	})
}

func TestMoveTaskKeepsItsRateByItself(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, q *queue) {
		policy := `{"deadLetterTargetArn":"` + q.arn + `","maxReceiveCount":1}`
		if err := s.CreateQueue(t.Context(), "source", map[string]string{"RedrivePolicy": policy}); err != nil {
			t.Fatal(err)
		}
		for range 6 {
			if err := s.Send(t.Context(), "work", "x", ""); err != nil {
				t.Fatal(err)
			}
		}
		rate := int64(2)
		begun := time.Now()
		_, err := s.startMessageMoveTask(t.Context(), nil, &startTaskInput{SourceArn: q.arn, DestinationArn: s.QueueARN("source"), MaxNumberOfMessagesPerSecond: &rate})
		if err != nil {
			t.Fatal(err)
		}
		s.running.Wait()
		// The first at once, then one each half second.
		if took := time.Since(begun); took != 2500*time.Millisecond {
			t.Errorf("six messages at two a second took %v", took)
		}
	})
}

func TestExpiredMessagesAreRemovedFromTheFile(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, q *queue) {
		for range 3 {
			if err := s.Send(t.Context(), "work", "x", ""); err != nil {
				t.Fatal(err)
			}
		}
		pass(4 * 24 * time.Hour)
		if _, _, err := s.take(q, 10, 0); err != nil {
			t.Fatal(err)
		}
		var rows int
		err := s.db.alone(func(c *connection) error {
			return c.row(`SELECT count(*) FROM message`, nil, &rows)
		})
		if err != nil || rows != 0 {
			t.Errorf("%d rows are left, %v", rows, err)
		}
	})
}

// pass lets the bubble's time go on.
func pass(d time.Duration) { <-time.After(d) }
