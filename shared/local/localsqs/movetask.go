package localsqs

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
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

type startTaskInput struct {
	SourceArn                    string
	DestinationArn               string
	MaxNumberOfMessagesPerSecond *int64
}

type taskHandleOutput struct{ TaskHandle string }

// startMessageMoveTask: the refusals and their words are those that AWS gives.
func (s *Server) startMessageMoveTask(_ context.Context, _ *request, in *startTaskInput) (*taskHandleOutput, error) {
	source, err := s.resource("SourceArn", in.SourceArn)
	if err != nil {
		return nil, err
	}
	if in.DestinationArn != "" {
		if _, err := s.resource("DestinationArn", in.DestinationArn); err != nil {
			return nil, err
		}
		if in.DestinationArn == in.SourceArn {
			return nil, errInvalidParameter("Source and destination queues cannot be the same.")
		}
	}
	if len(s.sources(source)) == 0 {
		return nil, errInvalidParameter("Source queue must be configured as a Dead Letter Queue.")
	}
	rate, err := bounded("MaxNumberOfMessagesPerSecond", in.MaxNumberOfMessagesPerSecond, 0, 1, maxTaskRate)
	if err != nil {
		return nil, err
	}
	s.tasks.mu.Lock()
	defer s.tasks.mu.Unlock()
	if s.tasks.active[source.arn] != nil {
		return nil, errInvalidParameter("There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
	}
	handle, err := json.Marshal(taskHandle{uuid.NewString(), source.arn})
	if err != nil {
		return nil, err
	}
	t := &moveTask{handle: base64.RawURLEncoding.EncodeToString(handle), source: source.arn, destination: in.DestinationArn,
		rate: rate, status: taskRunning, started: s.now()}
	if err := s.recordTask(t, source); err != nil {
		return nil, err
	}
	s.startLocked(t, source)
	return &taskHandleOutput{t.handle}, nil
}

// taskHandle is what a task's handle says, in base64.
type taskHandle struct {
	TaskID    string `json:"taskId"`
	SourceARN string `json:"sourceArn"`
}

// resource finds the queue of an ARN parameter.
func (s *Server) resource(parameter, arn string) (*queue, error) {
	if arn == "" {
		return nil, errMissingParameter(parameter)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if q := s.byARN(arn); q != nil {
		return q, nil
	}
	return nil, errNotFound("The resource that you specified for the %s parameter doesn't exist.", parameter)
}

// recordTask writes a new task and forgets the oldest of its source.
//
// last bounds the task to the messages that are there now: one that fails again while the task runs comes back to the
// dead letters as a younger row, and is not sent round and round.
func (s *Server) recordTask(t *moveTask, source *queue) error {
	ctx := context.Background()
	return s.db.write(func() error {
		err := s.db.conn.QueryRowContext(ctx, `SELECT coalesce(max(id), 0), count(*) FILTER (WHERE due <= ? AND sent > ?)
			FROM message WHERE queue = ?`, t.started, source.cutoff(t.started), source.id).Scan(&t.last, &t.toMove)
		if err != nil {
			return err
		}
		result, err := s.db.conn.ExecContext(ctx, `INSERT INTO move_task (handle, source, destination, rate, last, to_move, status, started)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, t.handle, t.source, t.destination, t.rate, t.last, t.toMove, t.status, t.started)
		if err != nil {
			return err
		}
		if t.id, err = result.LastInsertId(); err != nil {
			return err
		}
		_, err = s.db.conn.ExecContext(ctx, `DELETE FROM move_task WHERE source = ?1 AND id NOT IN
			(SELECT id FROM move_task WHERE source = ?1 ORDER BY id DESC LIMIT ?2)`, t.source, taskHistory)
		return err
	})
}

// startLocked runs the task; s.tasks.mu is held.
func (s *Server) startLocked(t *moveTask, source *queue) {
	ctx, cancel := context.WithCancel(s.stopped)
	a := &activeTask{t.handle, cancel, make(chan struct{}, 1)}
	s.tasks.active[t.source] = a
	s.running.Go(func() {
		defer cancel()
		s.runTask(ctx, t, source, a.wake)
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
// stays RUNNING for the next server.
func (s *Server) runTask(ctx context.Context, t *moveTask, source *queue, wake <-chan struct{}) {
	begun, before := s.now(), t.moved
	status, reason := taskCompleted, ""
	for {
		if ctx.Err() != nil {
			if s.stopped.Err() != nil {
				return
			}
			status = taskCancelled
			break
		}
		batch := int64(taskBatch)
		if t.rate > 0 {
			allowed := 1 + t.rate*(s.now()-begun)/1000 - (t.moved - before)
			if allowed <= 0 {
				pause(ctx, wake, time.Second/time.Duration(t.rate))
				continue
			}
			batch = min(batch, allowed)
		}
		some, failure, err := s.moveSome(t, source, batch)
		if err != nil {
			s.log.Error("a message move task failed", "source", t.source, "error", err)
			failure = reasonStorage
		}
		if failure != "" {
			status, reason = taskFailed, failure
			break
		}
		if !some {
			break
		}
	}
	// Under the lock, so that a cancel is never written over an end, nor two tasks shown as running.
	s.tasks.mu.Lock()
	defer s.tasks.mu.Unlock()
	if err := s.endTask(t, status, reason); err != nil {
		s.log.Error("the end of a message move task was not recorded", "source", t.source, "error", err)
	}
	delete(s.tasks.active, t.source)
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

// moveSome moves up to n messages; some is false when there are no more. failure is why AWS would fail the task.
func (s *Server) moveSome(t *moveTask, source *queue, n int64) (some bool, failure string, err error) {
	now := s.now()
	found, err := s.candidates(t, source, now, n)
	if err != nil || len(found) == 0 {
		return false, "", err
	}
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
	err = s.db.write(func() error {
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
		_, err := s.db.conn.ExecContext(context.Background(), `UPDATE move_task SET moved = ? WHERE id = ?`, t.moved, t.id)
		return err
	})
	if isForeignKey(err) {
		return false, reasonNoQueue, nil
	}
	for to, n := range moved {
		to.waiters.wake(n)
	}
	return true, failure, err
}

// candidates reads the messages of the task's bound that can be had now.
func (s *Server) candidates(t *moveTask, source *queue, now, n int64) ([]candidate, error) {
	var found []candidate
	err := s.db.read(func() error {
		rows, err := s.db.conn.QueryContext(context.Background(), `SELECT id, source FROM message
			WHERE queue = ? AND due <= ? AND sent > ? AND id <= ? ORDER BY due, id LIMIT ?`,
			source.id, now, source.cutoff(now), t.last, n)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var c candidate
			if err := rows.Scan(&c.row, &c.source); err != nil {
				return err
			}
			found = append(found, c)
		}
		return rows.Err()
	})
	return found, err
}

// moveOne makes a new message of an old one: another id, another enqueue time, no receives, as AWS documents for a
// redrive. It is false when somebody received or deleted the old one meanwhile. It wants the connection.
func (s *Server) moveOne(row int64, from, to *queue, now int64) (bool, error) {
	ctx := context.Background()
	result, err := s.db.conn.ExecContext(ctx, `INSERT INTO message (queue, message_id, body, body_md5, attributes, trace, tag, sent, due)
		SELECT ?1, ?2, body, body_md5, attributes, trace, tag, ?3, ?3 FROM message WHERE id = ?4 AND queue = ?5 AND due <= ?3`,
		to.id, uuid.NewString(), now, row, from.id)
	if err != nil {
		return false, err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return false, err
	}
	_, err = s.db.conn.ExecContext(ctx, `DELETE FROM message WHERE id = ?`, row)
	return true, err
}

func (s *Server) endTask(t *moveTask, status, reason string) error {
	return s.db.write(func() error {
		_, err := s.db.conn.ExecContext(context.Background(), `UPDATE move_task SET status = ?, reason = ? WHERE id = ?`, status, reason, t.id)
		return err
	})
}

func (s *Server) readTasks(where string, args ...any) ([]*moveTask, error) {
	var tasks []*moveTask
	err := s.db.read(func() error {
		rows, err := s.db.conn.QueryContext(context.Background(), `SELECT id, handle, source, destination, rate, last, to_move,
			moved, status, reason, started FROM move_task `+where, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			t := &moveTask{}
			if err := rows.Scan(&t.id, &t.handle, &t.source, &t.destination, &t.rate, &t.last, &t.toMove, &t.moved, &t.status, &t.reason, &t.started); err != nil {
				return err
			}
			tasks = append(tasks, t)
		}
		return rows.Err()
	})
	return tasks, err
}

type listTasksInput struct {
	SourceArn  string
	MaxResults *int64
}

type taskResult struct {
	TaskHandle                        string `json:",omitempty"` // only while the task runs
	Status                            string
	SourceArn                         string
	DestinationArn                    string `json:",omitempty"`
	MaxNumberOfMessagesPerSecond      int64  `json:",omitempty"`
	ApproximateNumberOfMessagesMoved  int64
	ApproximateNumberOfMessagesToMove int64
	FailureReason                     string `json:",omitempty"`
	StartedTimestamp                  int64
}

type listTasksOutput struct{ Results []taskResult }

func (s *Server) listMessageMoveTasks(_ context.Context, _ *request, in *listTasksInput) (*listTasksOutput, error) {
	if _, err := s.resource("SourceArn", in.SourceArn); err != nil {
		return nil, err
	}
	most, err := bounded("MaxResults", in.MaxResults, 1, 1, taskHistory)
	if err != nil {
		return nil, err
	}
	tasks, err := s.readTasks(`WHERE source = ? ORDER BY id DESC LIMIT ?`, in.SourceArn, most)
	if err != nil {
		return nil, err
	}
	out := &listTasksOutput{Results: []taskResult{}}
	for _, t := range tasks {
		handle := t.handle
		if t.status != taskRunning {
			handle = ""
		}
		out.Results = append(out.Results, taskResult{handle, t.status, t.source, t.destination, t.rate, t.moved, t.toMove, t.reason, t.started})
	}
	return out, nil
}

type cancelTaskOutput struct{ ApproximateNumberOfMessagesMoved int64 }

// cancelMessageMoveTask stops a task; what it has moved stays moved.
func (s *Server) cancelMessageMoveTask(_ context.Context, _ *request, in *taskHandleOutput) (*cancelTaskOutput, error) {
	if in.TaskHandle == "" {
		return nil, errMissingParameter("TaskHandle")
	}
	var handle taskHandle
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(in.TaskHandle, "="))
	if err = errors.Join(err, json.Unmarshal(text, &handle)); err != nil || handle.TaskID == "" || handle.SourceARN == "" {
		return nil, errInvalidParameter("Value for parameter TaskHandle is invalid.")
	}
	if _, err := s.resource("SourceArn", handle.SourceARN); err != nil {
		return nil, err
	}
	s.tasks.mu.Lock()
	defer s.tasks.mu.Unlock()
	tasks, err := s.readTasks(`WHERE handle = ?`, in.TaskHandle)
	if err != nil {
		return nil, err
	}
	if len(tasks) == 0 {
		return nil, errNotFound("Task does not exist.")
	}
	a := s.tasks.active[handle.SourceARN]
	if a == nil || a.handle != in.TaskHandle || tasks[0].status != taskRunning {
		return nil, modelled("UnsupportedOperation", "Only a task that is running can be cancelled.")
	}
	if err := s.endTask(tasks[0], taskCancelling, ""); err != nil {
		return nil, err
	}
	a.cancel()
	return &cancelTaskOutput{tasks[0].moved}, nil
}
