package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"hatchery/shared/upload"
)

// Authorizer answers whether a caller may touch an entry.
type Authorizer interface {
	// Authorize is nil when the caller with this Authorization may read, add and delete the files of the entry.
	// Otherwise the error is an *access.Denied with the status that the caller gets; any other error is a 503.
	Authorize(ctx context.Context, authorization, journal, entry string) error
}

const (
	// MaxFormLifetime is the longest that a form may live: the session of the role that signs it ends then, and the
	// form with it.
	MaxFormLifetime = 60 * time.Minute
	// MaxWait is the longest that an answer may be held for a verdict: what stands in front waits 30 seconds.
	MaxWait = 20 * time.Second
	// LinkLifetime is how long a signed link can be used.
	LinkLifetime = 5 * time.Minute
)

// Config is what a handler is made of. The first four fields are required; a zero value elsewhere means the default.
type Config struct {
	Pipeline   *upload.Pipeline
	Downloads  upload.Downloads
	Forms      upload.Forms
	Authorizer Authorizer

	// CORSOrigins are the origins whose pages may read answers, exactly as a browser sends them
	// (https://notes.example.com). The single value "*" allows every origin. Default none.
	CORSOrigins []string
	// FrontHashes are the SHA-256 of what the front says in the header X-Hatchery-Front. Whoever says nothing of which
	// one is the hash came past the front, and is refused on every route. Default none: nobody is refused.
	FrontHashes [][sha256.Size]byte
	// AllowOrigin allows further origins; it is given what a caller sent. Default nil: none.
	AllowOrigin func(origin string) bool
	// PostBytes is the largest file that POST takes itself; above it the caller is sent to the form route (413).
	// Default 0: the kind's own bound. Behind a front that passes on less, that is the bound.
	PostBytes int64
	// RedirectBytes: a larger stored file is not sent but redirected to a signed link, and so is one that the front
	// does not pass on. Default 0: never.
	RedirectBytes int64
	// MaxWait is the longest that an answer is held for a verdict (wait=), at most 20 seconds. Default 0: not at all.
	MaxWait time.Duration
	// SpoolDir is where bodies above 256 KiB wait, in unlinked files: at most 64 of them at once. A body with the methods
	// Len and ReadAt is in memory, and stays there. Default: the system's temporary folder.
	SpoolDir string
	// FormLifetime is how long a signed form can be used, at most 60 minutes. Default 15.
	FormLifetime time.Duration
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// RequestID names a request in the log and in an answer about an internal error. It must not be taken from what
	// a caller sent. Default: random.
	RequestID func(*http.Request) string
	// Accepted is told of each new upload: by POST once its bytes are in quarantine, by a form once its record is
	// made. A request that repeats another under its Idempotency-Key makes none. It may be called concurrently.
	// Default: nobody is told.
	Accepted func(upload.Record)
	// Log gets one line per request. Default: nothing is logged.
	Log *slog.Logger
	// Verdicts wakes those who wait for a verdict. Default nil: they poll.
	Verdicts *Verdicts
	// Stopping ends waits for a verdict when it is closed. Default nil: never.
	Stopping <-chan struct{}

	limits limits
}

// limits are the bounds that tests alone change. A zero value means the default.
type limits struct {
	MaxUploads int           // bodies received at once, each in up to 256 KiB of memory
	SlotWait   time.Duration // how long a request waits to be one of them
	LeastRate  float64       // bytes a second: a slower body makes room for one that waits
	RateGrace  time.Duration // time that does not count for that rate
	BodyIdle   time.Duration // the longest silence while a body arrives or an answer leaves
	BodyTime   time.Duration // the longest that a body may take in all
	MaxWaiters int           // requests that wait for a verdict at once, in this process

	// Sleep waits between two polls of a record, until ctx ends.
	Sleep func(ctx context.Context, d time.Duration) error
}

// handler is the http.Handler. Its fields are set once.
type handler struct {
	Config
	routes  []route
	slots   *slots
	waiters chan struct{} // one element per request waiting for a verdict
}

// New checks the configuration and makes the handler. It may serve any number of requests concurrently.
func New(c Config) (http.Handler, error) {
	var errs []error
	if c.Pipeline == nil || c.Downloads == nil || c.Forms == nil || c.Authorizer == nil {
		errs = append(errs, errors.New("one of Pipeline, Downloads, Forms and Authorizer is missing"))
	}
	if c.FormLifetime > MaxFormLifetime {
		errs = append(errs, fmt.Errorf("FormLifetime %s is above %s", c.FormLifetime, MaxFormLifetime))
	}
	if c.MaxWait > MaxWait {
		errs = append(errs, fmt.Errorf("MaxWait %s is above %s", c.MaxWait, MaxWait))
	}
	if c.PostBytes < 0 || c.RedirectBytes < 0 || c.FormLifetime < 0 || c.MaxWait < 0 {
		errs = append(errs, errors.New("no number or time may be negative"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("api configuration: %w", err)
	}
	c.FormLifetime = cmp.Or(c.FormLifetime, 15*time.Minute)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.RequestID == nil {
		c.RequestID = func(*http.Request) string { return rand.Text() }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	l := &c.limits
	l.MaxUploads = cmp.Or(l.MaxUploads, 64)
	l.SlotWait = cmp.Or(l.SlotWait, 5*time.Second)
	l.LeastRate = cmp.Or(l.LeastRate, 16<<10)
	l.RateGrace = cmp.Or(l.RateGrace, 10*time.Second)
	l.BodyIdle = cmp.Or(l.BodyIdle, 30*time.Second)
	l.BodyTime = cmp.Or(l.BodyTime, 10*time.Minute)
	l.MaxWaiters = cmp.Or(l.MaxWaiters, 256)
	if l.Sleep == nil {
		l.Sleep = sleep
	}
	return &handler{Config: c, routes: newRoutes(), slots: newSlots(c.Now, *l),
		waiters: make(chan struct{}, l.MaxWaiters)}, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
