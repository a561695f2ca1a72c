package sqsqueue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"hatchery/shared/queue"
)

// StartMove implements queue.Mover. SQS has no code for a second task: its tasks are asked for one that runs.
func (q *Queue) StartMove(ctx context.Context, to string, perSecond int) error {
	state, err := q.Inspect(ctx)
	if err != nil {
		return err
	}
	err = q.startMove(ctx, state.ARN, to, perSecond)
	if hasCode(err, invalidParameter, "UnsupportedOperation") {
		moves, listErr := q.moves(ctx, state.ARN, 1)
		if listErr == nil && len(moves) > 0 && (moves[0].Status == "RUNNING" || moves[0].Status == "CANCELLING") {
			err = fmt.Errorf("%w: %w", queue.ErrMoving, err)
		}
	}
	return translateMoveError("move messages to "+to, err)
}

func (q *Queue) startMove(ctx context.Context, from, to string, perSecond int) error {
	ctx, cancel := context.WithTimeout(ctx, q.callTimeout)
	defer cancel()
	_, err := q.client.StartMessageMoveTask(ctx, &sqs.StartMessageMoveTaskInput{SourceArn: &from, DestinationArn: &to,
		MaxNumberOfMessagesPerSecond: aws.Int32(int32(perSecond))})
	return err
}

// Moves implements queue.Mover.
func (q *Queue) Moves(ctx context.Context) ([]queue.Move, error) {
	state, err := q.Inspect(ctx)
	if err != nil {
		return nil, err
	}
	const most = 10
	moves, err := q.moves(ctx, state.ARN, most)
	return moves, translateMoveError("list the moves of "+state.ARN, err)
}

func (q *Queue) moves(ctx context.Context, from string, limit int32) ([]queue.Move, error) {
	ctx, cancel := context.WithTimeout(ctx, q.callTimeout)
	defer cancel()
	out, err := q.client.ListMessageMoveTasks(ctx,
		&sqs.ListMessageMoveTasksInput{SourceArn: &from, MaxResults: &limit})
	if err != nil {
		return nil, err
	}
	var moves []queue.Move
	for _, t := range out.Results {
		moves = append(moves, queue.Move{Handle: aws.ToString(t.TaskHandle), Status: aws.ToString(t.Status),
			StartedAt: time.UnixMilli(t.StartedTimestamp).UTC(), Moved: int(t.ApproximateNumberOfMessagesMoved),
			ToMove:        int(aws.ToInt64(t.ApproximateNumberOfMessagesToMove)),
			FailureReason: aws.ToString(t.FailureReason), Destination: aws.ToString(t.DestinationArn)})
	}
	return moves, nil
}

// CancelMove implements queue.Mover.
func (q *Queue) CancelMove(ctx context.Context, m queue.Move) error {
	if m.Handle == "" {
		return nil // it has ended: SQS gives handles of running tasks alone
	}
	ctx, cancel := context.WithTimeout(ctx, q.callTimeout)
	defer cancel()
	_, err := q.client.CancelMessageMoveTask(ctx, &sqs.CancelMessageMoveTaskInput{TaskHandle: &m.Handle})
	if hasCode(err, "UnsupportedOperation", "ResourceNotFoundException") {
		return nil // it ended meanwhile
	}
	return translateMoveError("cancel a move", err)
}

// translateMoveError is translateError for calls that name queues by ARN.
func translateMoveError(what string, err error) error {
	if _, gone := errors.AsType[*types.ResourceNotFoundException](err); gone {
		err = fmt.Errorf("%w: %w", queue.ErrNoQueue, err)
	}
	if hasCode(err, "InvalidAction", "UnknownOperationException", "UnknownOperation") {
		err = fmt.Errorf("%w: %w", queue.ErrUnsupported, err)
	}
	return translateError(what, err)
}
