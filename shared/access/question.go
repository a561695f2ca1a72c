package access

import (
	"context"
	"sync"
)

// questions are those that others may still join.
type questions struct {
	mu   sync.Mutex
	open map[string]*question
}

// question is asked once for all who wait for its answer.
type question struct {
	cancel  context.CancelFunc
	waiting int           // callers
	done    chan struct{} // closed when there is an answer
	answer  *Denied
}

// ask joins the open question of that text, or opens it with put. put gets a context that ends when nobody waits any
// more, and a function that closes the question to others before it is answered.
func (q *questions) ask(ctx context.Context, text string, put func(context.Context, func()) *Denied) *Denied {
	q.mu.Lock()
	one := q.open[text]
	if one == nil {
		one = &question{done: make(chan struct{})}
		var asking context.Context
		asking, one.cancel = context.WithCancel(context.WithoutCancel(ctx))
		q.open[text] = one
		go func() {
			defer one.cancel()
			shut := func() { q.shut(text, one) }
			one.answer = put(asking, shut)
			shut()
			close(one.done)
		}()
	}
	one.waiting++
	q.mu.Unlock()
	select {
	case <-one.done:
		return one.answer
	case <-ctx.Done():
		q.leave(text, one)
		return unavailable("the caller gave up before there was an answer", ctx.Err())
	}
}

// shut lets nobody join a question any more.
func (q *questions) shut(text string, one *question) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open[text] == one {
		delete(q.open, text)
	}
}

// leave gives a question up once nobody waits for it.
func (q *questions) leave(text string, one *question) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if one.waiting--; one.waiting > 0 {
		return
	}
	one.cancel()
	if q.open[text] == one {
		delete(q.open, text)
	}
}
