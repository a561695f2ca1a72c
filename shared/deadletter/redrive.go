package deadletter

import (
	"context"
	"fmt"
	"maps"
	"strconv"

	"hatchery/shared/arrival"
	"hatchery/shared/queue"
)

// redrive sends a message to its source queue again.
func (x *run) redrive(ctx context.Context, m queue.Received) error {
	return x.carryOut(ctx, m.ID, func() error {
		if err := x.Source.Send(ctx, again(m.Body, m.Attributes)); err != nil {
			return fmt.Errorf("send it to the validator's queue: %w", err)
		}
		return nil
	})
}

// again makes of a dead letter the message that is sent: the same body, counted once more, without the reconciler's
// mark.
func again(body string, attributes map[string]queue.Attribute) queue.Message {
	out := maps.Clone(attributes)
	if out == nil {
		out = map[string]queue.Attribute{}
	}
	delete(out, arrival.ResendAttribute)
	before, err := strconv.Atoi(out[RedriveAttribute].Text)
	if err != nil || before < 0 {
		before = 0 // not one of ours: the count begins
	}
	out[RedriveAttribute] = queue.Number(before + 1)
	return queue.Message{Body: body, Attributes: out}
}
