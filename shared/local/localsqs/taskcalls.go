package localsqs

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"

	"github.com/google/uuid"
)

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
		return nil, errInvalidParameter("There is already a task running. " +
			"Only one active task is allowed for a source queue arn at a given time.")
	}
	handle, err := json.Marshal(taskHandle{uuid.NewString(), source.arn})
	if err != nil {
		return nil, err
	}
	t := &moveTask{handle: base64.RawURLEncoding.EncodeToString(handle), source: source.arn,
		destination: in.DestinationArn, rate: rate, status: taskRunning, started: s.now()}
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
	limit, err := bounded("MaxResults", in.MaxResults, 1, 1, taskHistory)
	if err != nil {
		return nil, err
	}
	tasks, err := s.readTasks(`WHERE source = ? ORDER BY id DESC LIMIT ?`, in.SourceArn, limit)
	if err != nil {
		return nil, err
	}
	out := &listTasksOutput{Results: []taskResult{}}
	for _, t := range tasks {
		handle := t.handle
		if t.status != taskRunning {
			handle = ""
		}
		out.Results = append(out.Results, taskResult{handle, t.status, t.source, t.destination, t.rate,
			t.moved, t.toMove, t.reason, t.started})
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
