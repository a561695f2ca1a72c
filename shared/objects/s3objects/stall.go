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
	limit := s.stallTimeout
	timer := time.AfterFunc(limit, func() {
		cancel(fmt.Errorf("no byte moved for %v: %w", limit, context.DeadlineExceeded))
	})
	return ctx, &stallWatch{timer: timer, limit: limit, cancel: cancel}
}

func (w *stallWatch) stop() {
	w.timer.Stop()
	w.cancel(context.Canceled)
}

// watchedReader starts the watch anew with each byte that it reads.
type watchedReader struct {
	io.Reader
	watch *stallWatch
}

func (r watchedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if n > 0 {
		r.watch.timer.Reset(r.watch.limit)
	}
	return n, err
}

type watchedSeeker struct {
	watchedReader
	io.Seeker
}

// watchedBody begins the watch when it is read, and ends it when it is closed.
type watchedBody struct {
	watchedReader
	body io.Closer
}

func (b watchedBody) Read(p []byte) (int, error) {
	b.watch.timer.Reset(b.watch.limit)
	return b.watchedReader.Read(p)
}

func (b watchedBody) Close() error {
	err := b.body.Close()
	b.watch.stop()
	return err
}
