package localsqs

import (
	"cmp"
	"context"
	"database/sql"
	"sync"
	"time"

	"github.com/google/uuid"
)

// States of a message move task, and the reasons of a failed one, as AWS names them.
const (
	taskRunning    = "RUNNING"
	taskCompleted  = "COMPLETED"
	taskCancelling = "CANCELLING"
	taskCancelled  = "CANCELLED"
	taskFailed     = "FAILED"

	reasonNoSource = "CouldNotDetermineMessageSource"
	reasonNoQueue  = "AWS.SimpleQueueService.NonExistentQueue"
	reasonStorage  = "InternalFailure"
)

const (
	taskBatch   = 100 // messages in one transaction
	taskHistory = 10  // tasks remembered per source; ListMessageMoveTasks shows no more
	maxTaskRate = 500
	// maxTaskPause is how long a task with a rate waits before it looks at the clock again, which may have been moved.
	maxTaskPause = 50 * time.Millisecond
)

// moveTask is a row of move_task.
type moveTask struct {
	id                          int64
	handle, source, destination string // destination "" sends each message to where it came from
	rate                        int64  // messages a second; 0 is as fast as it goes
	last                        int64  // the newest message there was at the start
	toMove, moved               int64
	status, reason              string
	started                     int64
}

// taskRunner knows the tasks that run, by source ARN.
type taskRunner struct {
	mu     sync.Mutex
	active map[string]*activeTask
}

type activeTask struct {
	handle string
	cancel context.CancelFunc
}

// recordTask writes a new task and forgets the oldest of its source.
//
// last bounds the task to the messages that are there now: one that fails again while the task runs comes back to the
// dead letters as a younger row, and is not sent round and round.
func (s *Server) recordTask(t *moveTask, source *queue) error {
	return s.db.write(func(c *connection) error {
		err := c.row(`SELECT coalesce(max(id), 0), count(*) FILTER (WHERE due <= ? AND sent > ?)
			FROM message WHERE queue = ?`, []any{t.started, source.cutoff(t.started), source.id}, &t.last, &t.toMove)
		if err != nil {
			return err
		}
		result, err := c.exec(`INSERT INTO move_task (handle, source, destination, rate, last, to_move, status, started)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			t.handle, t.source, t.destination, t.rate, t.last, t.toMove, t.status, t.started)
		if err != nil {
			return err
		}
		if t.id, err = result.LastInsertId(); err != nil {
			return err
		}
		_, err = c.exec(`DELETE FROM move_task WHERE source = ?1 AND id NOT IN
			(SELECT id FROM move_task WHERE source = ?1 ORDER BY id DESC LIMIT ?2)`, t.source, taskHistory)
		return err
	})
}

// startLocked runs the task; s.tasks.mu is held.
func (s *Server) startLocked(t *moveTask, source *queue) {
	ctx, cancel := context.WithCancel(s.stopped)
	s.tasks.active[t.source] = &activeTask{t.handle, cancel}
	begun := s.now()
	s.running.Go(func() {
		defer cancel()
		s.runTask(ctx, t, source, begun)
	})
}

// resumeTasks goes on with the tasks that a closed or killed server left.
func (s *Server) resumeTasks() error {
	s.tasks.active = map[string]*activeTask{}
	tasks, err := s.readTasks(`WHERE status IN (?, ?) ORDER BY id`, taskRunning, taskCancelling)
	if err != nil {
		return err
	}
	s.tasks.mu.Lock()
	defer s.tasks.mu.Unlock()
	for _, t := range tasks {
		source := s.byARN(t.source)
		switch {
		case t.status == taskCancelling:
			err = s.endTask(t, taskCancelled, "")
		case source == nil:
			err = s.endTask(t, taskFailed, reasonNoQueue)
		default:
			s.startLocked(t, source)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// runTask moves messages until there are none, the task fails, is cancelled or the server closes; in the last case it
// stays RUNNING for the next server. The rate counts from begun.
func (s *Server) runTask(ctx context.Context, t *moveTask, source *queue, begun int64) {
	before := t.moved
	status, reason := "", ""
	for status == "" {
		batch := int64(taskBatch)
		if t.rate > 0 {
			batch = min(batch, 1+t.rate*(s.now()-begun)/1000-(t.moved-before))
		}
		var err error
		status, reason, err = s.stepTask(t, source, batch)
		if err != nil {
			s.options.Log.Error("a message move task failed", "source", t.source, "error", err)
			status, reason = taskFailed, reasonStorage
		}
		if status == "" && batch <= 0 {
			select {
			case <-time.After(min(time.Second/time.Duration(t.rate), maxTaskPause)):
			case <-ctx.Done():
			}
		}
		if status == "" && ctx.Err() != nil {
			status = taskCancelled
		}
	}
	if status == taskCancelled && s.stopped.Err() != nil {
		return
	}
	// Under the lock, so that a cancel is never written over an end, nor two tasks shown as running.
	s.tasks.mu.Lock()
	defer s.tasks.mu.Unlock()
	if err := s.endTask(t, status, reason); err != nil {
		s.options.Log.Error("the end of a message move task was not recorded", "source", t.source, "error", err)
	}
	delete(s.tasks.active, t.source)
}

// stepTask moves up to batch of the messages that can be had now, none when batch is not positive. The status is ""
// while there is more to do. Where AWS would fail the task, what can be moved before is.
//
// A moved message is a new one: another id, another enqueue time, no receives, as AWS documents for a redrive.
func (s *Server) stepTask(t *moveTask, source *queue, batch int64) (status, reason string, err error) {
	now := s.now()
	before := t.moved
	targets := map[*queue]int{}
	// Before the connection, as everywhere. No queue is deleted meanwhile.
	s.mu.RLock()
	defer s.mu.RUnlock()
	err = s.db.write(func(c *connection) error {
		rows, from, err := candidates(c, t, source, now, max(batch, 1))
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			status = taskCompleted
		}
		if batch <= 0 {
			return nil
		}
		for i, row := range rows {
			arn := cmp.Or(t.destination, from[i])
			to := s.byARN(arn)
			if to == nil {
				status, reason = taskFailed, reasonNoQueue
				if arn == "" {
					reason = reasonNoSource
				}
				break
			}
			_, err := c.exec(`INSERT INTO message (queue, message_id, body, body_md5, attributes, trace, tag, sent, due)
				SELECT ?1, ?2, body, body_md5, attributes, trace, tag, ?3, ?3 FROM message WHERE id = ?4`,
				to.id, uuid.NewString(), now, row)
			if err == nil {
				_, err = c.exec(`DELETE FROM message WHERE id = ?`, row)
			}
			if err != nil {
				return err
			}
			targets[to]++
			t.moved++
		}
		_, err = c.exec(`UPDATE move_task SET moved = ? WHERE id = ?`, t.moved, t.id)
		return err
	})
	if err != nil {
		t.moved = before
		return "", "", err
	}
	for to, n := range targets {
		to.waiters.wake(n)
	}
	return status, reason, nil
}

// candidates reads the messages of the task's bound that can be had now, and the queues that they came from.
func candidates(c *connection, t *moveTask, source *queue, now, n int64) (rows []int64, from []string, err error) {
	err = c.each(`SELECT id, coalesce(source, '') FROM message
		WHERE queue = ? AND due <= ? AND sent > ? AND id <= ? ORDER BY due, id LIMIT ?`,
		[]any{source.id, now, source.cutoff(now), t.last, n}, func(row *sql.Rows) error {
			rows, from = append(rows, 0), append(from, "")
			return row.Scan(&rows[len(rows)-1], &from[len(from)-1])
		})
	return rows, from, err
}

func (s *Server) endTask(t *moveTask, status, reason string) error {
	_, err := s.db.exec(`UPDATE move_task SET status = ?, reason = ? WHERE id = ?`, status, reason, t.id)
	return err
}

func (s *Server) readTasks(where string, args ...any) (tasks []*moveTask, err error) {
	err = s.db.alone(func(c *connection) error {
		return c.each(`SELECT id, handle, source, destination, rate, last, to_move,
			moved, status, reason, started FROM move_task `+where, args, func(row *sql.Rows) error {
			t := &moveTask{}
			tasks = append(tasks, t)
			return row.Scan(&t.id, &t.handle, &t.source, &t.destination, &t.rate, &t.last, &t.toMove, &t.moved, &t.status,
				&t.reason, &t.started)
		})
	})
	return tasks, err
}
