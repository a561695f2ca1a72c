package deadletter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hatchery/shared/queue"
)

// How a move task ends that did not move everything.
var (
	// ErrStillMoving: the task goes on in the queue service, though nobody looks any more.
	ErrStillMoving = errors.New("the move task goes on without this command, until it is done or cancelled")
	// ErrNotMoving: there is no task to cancel.
	ErrNotMoving = errors.New("no move task is running")
	// ErrMoveEnded: the task was cancelled, or it failed.
	ErrMoveEnded = errors.New("the move task ended before all was moved")
)

const (
	running    = "RUNNING"
	cancelling = "CANCELLING"
	completed  = "COMPLETED"

	lookAtMove = 2 * time.Second
	// maxUnseen looks in a row at a task fail, or do not find it, before it is left to itself.
	maxUnseen = 5
)

// ComingBack gives the groups of a listing that a move task brings back into the dead letters, because
// validators fail on them whatever was mended.
func ComingBack(s Snapshot) (groups []Group) {
	for _, g := range s.Groups {
		if g.Cause == Poison || g.Cause == Foreign {
			groups = append(groups, g)
		}
	}
	return groups
}

// MoveAll moves every dead letter to the queue with the ARN to, by a move task of the queue service, and tells
// progress until it ended. The service neither chooses nor counts: obsolete letters are moved, too, and what
// the reconciler had sent keeps its mark.
//
// queue.ErrMoving: another task is running. queue.ErrUnsupported: the service has none. ErrStillMoving: ctx ended,
// or the task could not be seen any more; it is not cancelled. ErrMoveEnded: it was cancelled, or failed.
func (r *Review) MoveAll(ctx context.Context, mover queue.Mover, to string, perSecond int,
	progress func(queue.Move)) (Audit, error) {
	audit, err := r.BeginAudit(ctx, Audit{Action: Redrive, Reason: "all of them, by a move task to " + to})
	if err != nil {
		return Audit{}, fmt.Errorf("move all dead letters: %w", err)
	}
	move, err := r.move(ctx, mover, to, perSecond, progress)
	audit.Chosen, audit.Counts[ResultDone] = max(move.ToMove, move.Moved), move.Moved
	if err != nil {
		err = fmt.Errorf("move all dead letters to %s: %w", to, err)
	} else {
		audit.Chosen = move.Moved // the count at the start is an approximation
	}
	return audit, r.EndAudit(ctx, &audit, err)
}

func (r *Review) move(ctx context.Context, mover queue.Mover, to string, perSecond int,
	progress func(queue.Move)) (queue.Move, error) {
	earlier, err := mover.Moves(ctx)
	if err != nil {
		return queue.Move{}, fmt.Errorf("list the move tasks: %w", err)
	}
	if err := mover.StartMove(ctx, to, perSecond); err != nil {
		return queue.Move{}, fmt.Errorf("start the move task: %w", err)
	}
	return r.watchMove(ctx, mover, func(newest queue.Move) bool { // else it is not listed yet
		return len(earlier) == 0 || !newest.StartedAt.Equal(earlier[0].StartedAt)
	}, progress)
}

// watchMove looks at the newest task, when it is ours, until it ended.
func (r *Review) watchMove(ctx context.Context, mover queue.Mover, ours func(queue.Move) bool,
	progress func(queue.Move)) (move queue.Move, _ error) {
	for unseen := 0; ; {
		if err := r.sleep(ctx, lookAtMove); err != nil {
			return move, fmt.Errorf("%w: %w", ErrStillMoving, err)
		}
		moves, err := mover.Moves(ctx)
		switch {
		case ctx.Err() != nil:
			continue // the sleep tells
		case err == nil && len(moves) > 0 && ours(moves[0]):
			unseen, move = 0, moves[0]
		case unseen+1 == maxUnseen:
			return move, errors.Join(fmt.Errorf("%w: it was not seen %d times in a row", ErrStillMoving, maxUnseen), err)
		default:
			unseen++
			continue
		}
		progress(move)
		switch move.Status {
		case running, cancelling:
		case completed:
			return move, nil
		default:
			return move, fmt.Errorf("%w: it is %s %s", ErrMoveEnded, move.Status, move.FailureReason)
		}
	}
}

// CancelAll stops the move task that runs, whoever started it, and gives it as it was. What was moved stays moved.
// ErrNotMoving: none runs.
func (r *Review) CancelAll(ctx context.Context, mover queue.Mover) (queue.Move, error) {
	audit, err := r.BeginAudit(ctx, Audit{Action: Redrive, Reason: "the move task is cancelled"})
	if err != nil {
		return queue.Move{}, fmt.Errorf("cancel the move task: %w", err)
	}
	move, err := cancelRunning(ctx, mover)
	return move, r.EndAudit(ctx, &audit, err)
}

func cancelRunning(ctx context.Context, mover queue.Mover) (queue.Move, error) {
	moves, err := mover.Moves(ctx)
	if err != nil {
		return queue.Move{}, fmt.Errorf("list the move tasks: %w", err)
	}
	for _, m := range moves {
		if m.Status != running {
			continue
		}
		if err := mover.CancelMove(ctx, m); err != nil {
			return m, fmt.Errorf("cancel the move task to %s: %w", m.Destination, err)
		}
		return m, nil
	}
	return queue.Move{}, ErrNotMoving
}
