package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"hatchery/shared/upload"
)

// Gate answers whether a caller may touch an entry.
type Gate interface {
	// Allow is nil when the caller with this Authorization may read, add and
	// delete the files of the entry. Otherwise the error is an *access.Denied
	// with the status that the caller gets; any other error is trouble (503).
	Allow(ctx context.Context, authorization, journal, entry string) error
}

// Defaults of [Config].
const (
	DefaultMaxUploads   = 64
	DefaultMaxWaiters   = 256
	DefaultSlotWait     = 5 * time.Second
	DefaultBodyIdle     = 30 * time.Second
	DefaultBodyTime     = 10 * time.Minute
	DefaultFormLifetime = 15 * time.Minute
	DefaultLinkLifetime = 5 * time.Minute
)

// MaxFormLifetime is the longest that a form may live: the session of the role
// that signs it ends then, and the form with it.
const MaxFormLifetime = 60 * time.Minute

// Config is what a handler is made of. The first four fields are required; a
// zero value elsewhere means the default that is named.
type Config struct {
	Pipeline  *upload.Pipeline
	Downloads upload.Downloads
	Forms     upload.Forms
	Gate      Gate

	// CORSOrigins are the origins whose pages may read answers, exactly as a
	// browser sends them (https://notes.example.com). The single value "*" allows
	// every origin. Default none.
	CORSOrigins []string

	// PostBytes is the largest file that POST takes itself; above it the caller
	// is sent to the form route (413). Default 0: the kind's own bound. Too large
	// for what stands in front, and callers see that system's error instead.
	PostBytes int64
	// RedirectBytes: a stored file larger than this is not sent but redirected to
	// a signed link. Default 0: never.
	RedirectBytes int64

	// SpoolDir is where bodies above 256 KiB wait, in unlinked files. Default the
	// system's temporary folder. It needs MaxUploads times the largest POST.
	SpoolDir string
	// MaxUploads is how many bodies are received at once. Default 64. Each holds
	// up to 256 KiB of memory; too few and slow callers keep others waiting.
	MaxUploads int
	// SlotWait is how long a request waits for its turn when MaxUploads are under
	// way, before it is answered 503. Default 5 s.
	SlotWait time.Duration
	// BodyIdle is the longest silence while a body arrives or an answer leaves,
	// BodyTime the longest that a body may take in all. Defaults 30 s and 10 min.
	BodyIdle, BodyTime time.Duration
	// MaxWaiters is how many requests may wait for a verdict (?wait=) at once;
	// beyond it they are answered at once. Default 256.
	MaxWaiters int
	// FormLifetime is how long a signed form can be used, at most 60 minutes;
	// LinkLifetime how long a signed link can. Defaults 15 and 5 minutes.
	FormLifetime, LinkLifetime time.Duration

	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Sleep waits between two looks at a record, until ctx ends. Default: a timer.
	Sleep func(ctx context.Context, d time.Duration) error
	// RequestID names a request in the log and in an answer about trouble. It must
	// not be taken from what a caller sent. Default: random.
	RequestID func(*http.Request) string
	// Accepted, when set, hears of each new upload: by POST once its bytes are in
	// quarantine, by a form once its record is made. A request that repeats another
	// under its Idempotency-Key makes none, whatever became of the first. It may be
	// called concurrently.
	Accepted func(upload.Record)
	// Log gets one line per request. Default: nothing is logged.
	Log *slog.Logger
	// Stopping ends waits for a verdict when it is closed. Default nil: never.
	Stopping <-chan struct{}
}

// handler is the http.Handler. Its fields are set once.
type handler struct {
	Config
	uploads chan struct{} // one element per body being received
	waiters chan struct{} // one element per request waiting for a verdict
}

// New checks the configuration and makes the handler. It may serve any number
// of requests concurrently.
func New(c Config) (http.Handler, error) {
	return newHandler(c)
}

func newHandler(c Config) (*handler, error) {
	var faults []error
	if c.Pipeline == nil || c.Downloads == nil || c.Forms == nil || c.Gate == nil {
		faults = append(faults, errors.New("one of Pipeline, Downloads, Forms and Gate is missing"))
	}
	if c.FormLifetime > MaxFormLifetime {
		faults = append(faults, fmt.Errorf("FormLifetime %s is above %s", c.FormLifetime, MaxFormLifetime))
	}
	if c.PostBytes < 0 || c.RedirectBytes < 0 || c.MaxUploads < 0 || c.MaxWaiters < 0 || c.SlotWait < 0 ||
		c.BodyIdle < 0 || c.BodyTime < 0 || c.FormLifetime < 0 || c.LinkLifetime < 0 {
		faults = append(faults, errors.New("no number or time may be negative"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("api configuration: %w", err)
	}
	orElse(&c.MaxUploads, DefaultMaxUploads)
	orElse(&c.MaxWaiters, DefaultMaxWaiters)
	orElse(&c.SlotWait, DefaultSlotWait)
	orElse(&c.BodyIdle, DefaultBodyIdle)
	orElse(&c.BodyTime, DefaultBodyTime)
	orElse(&c.FormLifetime, DefaultFormLifetime)
	orElse(&c.LinkLifetime, DefaultLinkLifetime)
	if c.SpoolDir == "" {
		c.SpoolDir = os.TempDir()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Sleep == nil {
		c.Sleep = sleep
	}
	if c.RequestID == nil {
		c.RequestID = func(*http.Request) string { return rand.Text() }
	}
	if c.Accepted == nil {
		c.Accepted = func(upload.Record) {}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &handler{Config: c, uploads: make(chan struct{}, c.MaxUploads), waiters: make(chan struct{}, c.MaxWaiters)}, nil
}

func orElse[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
