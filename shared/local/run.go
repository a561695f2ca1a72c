package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"golang.org/x/sync/errgroup"

	"hatchery/shared/arrival"
)

// Function is what Lambda would call for a batch of messages.
type Function func(context.Context, events.SQSEvent) (events.SQSEventResponse, error)

// Handlers is what runs on a stack.
type Handlers struct {
	API http.Handler
	// Validate is called with what the queue holds; nil leaves it there, for a validator somewhere else.
	Validate Function
	// Owes says whether a version in quarantine still has work to do.
	Owes func(ctx context.Context, key, version string) (bool, error)
}

const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	// drainTime is how long requests may go on after the end was asked for, before their contexts end too.
	drainTime = 3 * time.Second
)

// Run serves the API, hands the queue's messages to the validator and sweeps quarantine for lost events, until ctx
// ends; then it lets what is running come to its end, within a few seconds. Its error is nil when the end was asked
// for.
func (s *Stack) Run(ctx context.Context, h Handlers) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.serve(ctx, h.API) })
	if h.Validate != nil {
		group.Go(func() error { return s.validate(ctx, h.Validate) })
	}
	group.Go(func() error { return s.sweepForever(ctx, h) })
	return group.Wait()
}

// validate hands the queue's messages to the validator until ctx ends.
func (s *Stack) validate(ctx context.Context, handler Function) error {
	if err := s.mapping(handler).Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("hand messages to the validator: %w", err)
	}
	return nil
}

func (s *Stack) serve(ctx context.Context, api http.Handler) error {
	requests, endRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer endRequests()
	server := &http.Server{Handler: api, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: 32 << 10, BaseContext: func(net.Listener) context.Context { return requests }}
	unused := &unusedConns{open: map[net.Conn]bool{}}
	server.ConnState = unused.changed
	ended := make(chan error, 1)
	go func() {
		<-ctx.Done()
		unused.close()
		// First the waiting ones are let go, then the working ones are waited for.
		endWaiting := time.AfterFunc(drainTime, endRequests)
		defer endWaiting.Stop()
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*drainTime)
		defer cancel()
		err := server.Shutdown(drain)
		if err != nil {
			err = server.Close()
		}
		ended <- err
	}()
	if err := server.Serve(s.api); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the API: %w", err)
	}
	return <-ended
}

// unusedConns are connections on which nothing was asked yet, as browsers open them in advance: net/http would wait
// five seconds for their first word at the end.
type unusedConns struct {
	mu     sync.Mutex
	open   map[net.Conn]bool
	ending bool
}

func (u *unusedConns) changed(conn net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if state != http.StateNew {
		delete(u.open, conn)
		return
	}
	u.open[conn] = true
	if u.ending {
		_ = conn.Close() // nobody has asked anything
	}
}

func (u *unusedConns) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.ending = true
	for conn := range u.open {
		_ = conn.Close() // nobody has asked anything
	}
}

// sweepForever sweeps at once and then every SweepEvery.
func (s *Stack) sweepForever(ctx context.Context, h Handlers) error {
	ticker := time.NewTicker(s.o.SweepEvery)
	defer ticker.Stop()
	for {
		sent, err := s.sweep(ctx, h)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			s.o.Log.ErrorContext(ctx, "sweep for lost events failed", "error", err)
		case sent > 0:
			s.o.Log.InfoContext(ctx, "sweep found uploads whose events were lost", "events", sent)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// sweep sends an event for every version in quarantine that has work to do and of which the queue and its dead letters
// hold no message. S3 itself never loses an event; the embedded one can, when it is killed between storing and sending.
func (s *Stack) sweep(ctx context.Context, h Handlers) (sent int, err error) {
	err = s.s3.Quarantined(ctx, func(c arrival.Created) error {
		needsWork, err := h.Owes(ctx, c.Key, c.VersionID)
		if err != nil || !needsWork {
			return err
		}
		known, err := s.sqs.Holds(ctx, Queue, tag(c))
		if err != nil || known {
			return err
		}
		sent++
		return s.notify(ctx, c)
	})
	return sent, err
}
