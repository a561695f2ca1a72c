package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"hatchery/shared/upload"
)

// failingPut is a bucket that can refuse to store.
type failingPut struct {
	upload.Objects
	fail bool
}

func (f *failingPut) Put(ctx context.Context, key upload.Key, body io.ReadSeeker, size int64) error {
	if f.fail {
		return errors.New("the bucket is away")
	}
	return f.Objects.Put(ctx, key, body, size)
}

// watchedDownloads notes every read of a file, and can misbehave.
type watchedDownloads struct {
	upload.Downloads
	mu    sync.Mutex
	reads []string // "offset+length"
	// instead, when set, is read in place of the file.
	instead func(ctx context.Context) (io.ReadCloser, error)
}

func (d *watchedDownloads) ReadRange(ctx context.Context, key upload.Key, v upload.Version, offset,
	length int64) (io.ReadCloser, error) {
	d.mu.Lock()
	d.reads = append(d.reads, fmt.Sprintf("%d+%d", offset, length))
	d.mu.Unlock()
	if d.instead != nil {
		return d.instead(ctx)
	}
	return d.Downloads.ReadRange(ctx, key, v, offset, length)
}

// silentBody gives a few bytes and then nothing until its context ends.
type silentBody struct {
	ctx   context.Context
	begun bool
}

func (s *silentBody) Read(p []byte) (int, error) {
	if !s.begun {
		s.begun = true
		return copy(p, "012"), nil
	}
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func (*silentBody) Close() error { return nil }

func shortBody(context.Context) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader([]byte("012"))), nil
}

// secondPageFails is a store whose lists break off.
type secondPageFails struct {
	upload.Records
	mu    sync.Mutex
	pages int
}

func (s *secondPageFails) List(ctx context.Context, q upload.Query) (upload.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pages++; s.pages == 2 {
		return upload.Page{}, errInternals
	}
	return s.Records.List(ctx, q)
}

// blockedPut is a bucket whose Put waits to be let go.
type blockedPut struct {
	upload.Objects
	begun, letGo chan struct{}
}

func (h *blockedPut) Put(ctx context.Context, key upload.Key, body io.ReadSeeker, size int64) error {
	close(h.begun)
	<-h.letGo
	return h.Objects.Put(ctx, key, body, size)
}
