package mapping

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

const (
	// Between attempts after an error of the queue: from firstBackoff, doubling, to lastBackoff, of which up to a
	// quarter is random so that the workers do not come in step.
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 10 * time.Second
	// releaseTimeout bounds giving messages back at the end.
	releaseTimeout = 5 * time.Second
	// askPaused is how often a mapping looks for the begin or the end of a pause.
	askPaused = time.Second
)

// poller is a running mapping. Each worker receives, calls the function and deletes, one batch at a time, so no
// message is held that no call is free for.
type poller struct {
	Mapping
	receiving, deleting health
}

func (p *poller) work(ctx context.Context) {
	var extra []types.Message // received for the last batch, but too many or too large for it
	for {
		var batch []types.Message
		batch, extra = p.gather(ctx, extra)
		if ctx.Err() != nil {
			p.release(ctx, append(batch, extra...))
			return
		}
		p.handle(ctx, batch)
	}
}

// gather returns the next batch, and what was received beyond it. After ctx has ended both are to be released.
func (p *poller) gather(ctx context.Context, received []types.Message) (batch, extra []types.Message) {
	for len(received) == 0 && ctx.Err() == nil {
		received = p.receive(ctx, p.BatchSize, longPoll)
	}
	if p.Window > 0 {
		end := time.Now().Add(p.Window)
		for len(received) < p.BatchSize && fitting(received, p.BatchSize) == len(received) && ctx.Err() == nil {
			left := time.Until(end)
			if left <= 0 {
				break
			}
			// A long poll waits whole seconds. For the rest of the window, what comes meanwhile is taken at its end:
			// a receive that is cancelled half way may have hidden messages that nobody has.
			if left < time.Second {
				pause(ctx, left)
				left = 0
			}
			received = append(received, p.receive(ctx, p.BatchSize-len(received), min(left, longPoll))...)
		}
	}
	n := fitting(received, p.BatchSize)
	return received[:n:n], received[n:]
}

// fitting is how many of the messages go into one event: count at most, and within its size, but always one.
func fitting(messages []types.Message, count int) int {
	size := 0
	for i, m := range messages {
		size += messageBytes(m)
		if i == count || i > 0 && size > maxEventBytes {
			return i
		}
	}
	return len(messages)
}

// messageBytes is about what a message takes in an event, its names and metadata at a flat rate.
func messageBytes(m types.Message) int {
	size := 512 + len(aws.ToString(m.Body)) + len(aws.ToString(m.ReceiptHandle))
	for name, v := range m.MessageAttributes {
		size += 128 + len(name) + len(aws.ToString(v.StringValue)) + len(v.BinaryValue)
	}
	return size
}

// receive asks once, for count messages at most. After an error, or in a pause, it waits a little and returns none.
func (p *poller) receive(ctx context.Context, count int, wait time.Duration) []types.Message {
	if p.Paused != nil {
		if p.Paused() {
			pause(ctx, min(wait, askPaused))
			return nil
		}
		var done context.CancelFunc
		ctx, done = p.unlessPaused(ctx)
		defer done()
	}
	out, err := p.Queue.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:                    &p.QueueURL,
		MaxNumberOfMessages:         int32(min(count, receiveSize)),
		WaitTimeSeconds:             int32(wait / time.Second),
		MessageAttributeNames:       []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	if err != nil {
		if ctx.Err() == nil {
			pause(ctx, p.receiving.failed(err))
		}
		return nil
	}
	p.receiving.worked()
	return out.Messages
}

// unlessPaused gives a context that ends when a pause begins, so that no long poll takes a message during it. One that
// the queue hands out in that very moment is lost on the way: it comes again after its visibility timeout.
func (p *poller) unlessPaused(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		ticker := time.NewTicker(askPaused)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				if p.Paused() {
					cancel()
				}
			}
		}
	}()
	return ctx, cancel
}

// release makes messages visible again that no function saw. It is a courtesy: without it they wait for their
// visibility timeout, so its errors are only logged.
func (p *poller) release(ctx context.Context, messages []types.Message) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	const failed = "messages were not given back and wait for their visibility timeout"
	for len(messages) > 0 {
		n := min(len(messages), receiveSize)
		entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, n)
		for i, m := range messages[:n] {
			entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{Id: entryID(i), ReceiptHandle: m.ReceiptHandle}
		}
		out, err := p.Queue.ChangeMessageVisibilityBatch(ctx,
			&sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &p.QueueURL, Entries: entries})
		if err != nil {
			p.Log.Warn(failed, "messages", len(messages), "error", err)
			return
		}
		if len(out.Failed) > 0 {
			p.Log.Warn(failed, "messages", len(out.Failed), "code", aws.ToString(out.Failed[0].Code))
		}
		messages = messages[n:]
	}
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// health counts the errors of one kind of call, over all workers, and logs when they begin and when they end.
type health struct {
	log      *slog.Logger
	what     string
	mu       sync.Mutex
	failures int
}

// failed notes an error and returns how long to wait before the next attempt.
func (h *health) failed(err error) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failures == 0 {
		h.log.Error(h.what+" fails; trying again until it works", "error", err)
	}
	wait := min(firstBackoff<<min(h.failures, 16), lastBackoff)
	h.failures++
	return wait - rand.N(wait/4)
}

// worked notes a success.
func (h *health) worked() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failures > 0 {
		h.log.Info(h.what+" works again", "failures", h.failures)
	}
	h.failures = 0
}
