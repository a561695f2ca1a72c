package localsqs

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"github.com/google/uuid"

	"hatchery/shared/local/sqlitefile"
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
	wake   chan struct{}
}

func (t *taskRunner) wakeAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range t.active {
		select {
		case a.wake <- struct{}{}:
		default:
		}
	}
}

// recordTask writes a new task and forgets the oldest of its source.
//
// last bounds the task to the messages that are there now: one that fails again while the task runs comes back to the
// dead letters as a younger row, and is not sent round and round.
func (s *Server) recordTask(t *moveTask, source *queue) error {
	return s.db.Write(func() error {
		err := s.db.Conn().QueryRowContext(uninterrupted, `SELECT coalesce(max(id), 0), count(*) FILTER (WHERE due <= ? AND sent > ?)
			FROM message WHERE queue = ?`, t.started, source.cutoff(t.started), source.id).Scan(&t.last, &t.toMove)
		if err != nil {
			return err
		}
		result, err := s.db.Conn().ExecContext(uninterrupted, `INSERT INTO move_task (handle, source, destination, rate, last, to_move, status, started)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, t.handle, t.source, t.destination, t.rate, t.last, t.toMove, t.status, t.started)
		if err != nil {
			return err
		}
		if t.id, err = result.LastInsertId(); err != nil {
			return err
		}
		_, err = s.db.Conn().ExecContext(uninterrupted, `DELETE FROM move_task WHERE source = ?1 AND id NOT IN
			(SELECT id FROM move_task WHERE source = ?1 ORDER BY id DESC LIMIT ?2)`, t.source, taskHistory)
		return err
	})
}

// startLocked runs the task; s.tasks.mu is held.
func (s *Server) startLocked(t *moveTask, source *queue) {
	ctx, cancel := context.WithCancel(s.stopped)
	a := &activeTask{t.handle, cancel, make(chan struct{}, 1)}
	s.tasks.active[t.source] = a
	begun := s.now()
	s.running.Go(func() {
		defer cancel()
		s.runTask(ctx, t, source, begun, a.wake)
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
func (s *Server) runTask(ctx context.Context, t *moveTask, source *queue, begun int64, wake <-chan struct{}) {
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
			s.log.Error("a message move task failed", "source", t.source, "error", err)
			status, reason = taskFailed, reasonStorage
		}
		if status == "" && batch <= 0 {
			pause(ctx, wake, time.Second/time.Duration(t.rate))
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
		s.log.Error("the end of a message move task was not recorded", "source", t.source, "error", err)
	}
	delete(s.tasks.active, t.source)
}

// stepTask moves up to batch messages, none when batch is not positive. The status is "" while there is more to do.
func (s *Server) stepTask(t *moveTask, source *queue, batch int64) (status, reason string, err error) {
	found, err := s.candidates(t, source, max(batch, 1))
	if err != nil {
		return "", "", err
	}
	if len(found) == 0 {
		return taskCompleted, "", nil
	}
	if batch <= 0 {
		return "", "", nil
	}
	failure, err := s.moveAll(t, source, found)
	if failure != "" {
		return taskFailed, failure, err
	}
	return "", "", err
}

// pause waits for d, or until woken or ended.
func pause(ctx context.Context, wake <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
	}
}

// candidate is a message that a task may move.
type candidate struct {
	row    int64
	source sql.NullString
}

// moveAll moves the messages that were found. failure is why AWS would fail the task; what can be moved before is.
func (s *Server) moveAll(t *moveTask, source *queue, found []candidate) (failure string, err error) {
	now := s.now()
	moves := map[int64]*queue{}
	for _, c := range found {
		arn := t.destination
		if arn == "" {
			arn = c.source.String
		}
		if arn == "" {
			failure = reasonNoSource
			break
		}
		s.mu.RLock()
		to := s.byARN(arn)
		s.mu.RUnlock()
		if to == nil {
			failure = reasonNoQueue
			break
		}
		moves[c.row] = to
	}
	moved := map[*queue]int{}
	err = s.db.Write(func() error {
		for row, to := range moves {
			done, err := s.moveOne(row, source, to, now)
			if err != nil {
				return err
			}
			if done {
				moved[to]++
				t.moved++
			}
		}
		_, err := s.db.Conn().ExecContext(uninterrupted, `UPDATE move_task SET moved = ? WHERE id = ?`, t.moved, t.id)
		return err
	})
	if sqlitefile.IsForeignKey(err) {
		return reasonNoQueue, nil
	}
	for to, n := range moved {
		to.waiters.wake(n)
	}
	return failure, err
}

// candidates reads the messages of the task's bound that can be had now.
func (s *Server) candidates(t *moveTask, source *queue, n int64) ([]candidate, error) {
	var found []candidate
	now := s.now()
	err := s.db.Alone(func() error {
		return s.db.Each(`SELECT id, source FROM message
			WHERE queue = ? AND due <= ? AND sent > ? AND id <= ? ORDER BY due, id LIMIT ?`,
			[]any{source.id, now, source.cutoff(now), t.last, n}, func(row *sql.Rows) (bool, error) {
				var c candidate
				if err := row.Scan(&c.row, &c.source); err != nil {
					return false, err
				}
				found = append(found, c)
				return true, nil
			})
	})
	return found, err
}

// moveOne makes a new message of an old one: another id, another enqueue time, no receives, as AWS documents for a
// redrive. It is false when somebody received or deleted the old one meanwhile. It wants the connection.
func (s *Server) moveOne(row int64, from, to *queue, now int64) (bool, error) {
	result, err := s.db.Conn().ExecContext(uninterrupted, `INSERT INTO message (queue, message_id, body, body_md5, attributes, trace, tag, sent, due)
		SELECT ?1, ?2, body, body_md5, attributes, trace, tag, ?3, ?3 FROM message WHERE id = ?4 AND queue = ?5 AND due <= ?3`,
		to.id, uuid.NewString(), now, row, from.id)
	if err != nil {
		return false, err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return false, err
	}
	_, err = s.db.Conn().ExecContext(uninterrupted, `DELETE FROM message WHERE id = ?`, row)
	return true, err
}

func (s *Server) endTask(t *moveTask, status, reason string) error {
	return s.db.Write(func() error {
		_, err := s.db.Conn().ExecContext(uninterrupted, `UPDATE move_task SET status = ?, reason = ? WHERE id = ?`, status, reason, t.id)
		return err
	})
}

func (s *Server) readTasks(where string, args ...any) ([]*moveTask, error) {
	var tasks []*moveTask
	err := s.db.Alone(func() error {
		return s.db.Each(`SELECT id, handle, source, destination, rate, last, to_move,
			moved, status, reason, started FROM move_task `+where, args, func(row *sql.Rows) (bool, error) {
			t := &moveTask{}
			if err := row.Scan(&t.id, &t.handle, &t.source, &t.destination, &t.rate, &t.last, &t.toMove, &t.moved, &t.status, &t.reason, &t.started); err != nil {
				return false, err
			}
			tasks = append(tasks, t)
			return true, nil
		})
	})
	return tasks, err
}
