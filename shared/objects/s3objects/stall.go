package s3objects

import (
	"context"
	"fmt"
	"io"
	"time"
)

// stallWatch cancels a transfer that makes no progress. A time-out over the whole
// would either be too long for a dead connection or too short for a large object.
type stallWatch struct {
	timer  *time.Timer
	limit  time.Duration
	cancel context.CancelCauseFunc
}

func (s *Store) watchStall(ctx context.Context) (context.Context, *stallWatch) {
	ctx, cancel := context.WithCancelCause(ctx)
	limit := s.o.StallTimeout
	timer := time.AfterFunc(limit, func() {
		cancel(fmt.Errorf("no byte moved for %v: %w", limit, context.DeadlineExceeded))
	})
	return ctx, &stallWatch{timer: timer, limit: limit, cancel: cancel}
}

func (w *stallWatch) progress() { w.timer.Reset(w.limit) }

func (w *stallWatch) stop() {
	w.timer.Stop()
	w.cancel(context.Canceled)
}

type watchedBody struct {
	io.ReadCloser
	watch *stallWatch
}

func (b *watchedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.watch.progress()
	}
	return n, err
}

func (b *watchedBody) Close() error {
	err := b.ReadCloser.Close()
	b.watch.stop()
	return err
}

type watchedSeeker struct {
	io.ReadSeeker
	watch *stallWatch
}

func (b *watchedSeeker) Read(p []byte) (int, error) {
	n, err := b.ReadSeeker.Read(p)
	if n > 0 {
		b.watch.progress()
	}
	return n, err
}
