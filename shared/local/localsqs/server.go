package localsqs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"hatchery/shared/local/httpserver"
	"hatchery/shared/local/sigv4"
)

// accountID is the account that every queue here belongs to, as it appears in queue URLs and ARNs.
const accountID = "000000000000"

// Options say what Open is to serve.
type Options struct {
	// Path of the SQLite file; required and absolute, because the process's working directory may change.
	// It is made when it is not there; its folder must be.
	Path string
	// Listen is the TCP address, "127.0.0.1:0" for any free port. Required.
	Listen string
	// Hosts are further hosts by which it is called.
	Hosts httpserver.Hosts
	// Region, AccessKey and SecretKey are what requests must be signed with. Required.
	Region, AccessKey, SecretKey string
	// Now is the clock for visibility, delay, retention, long polls and signatures; nil is time.Now.
	// Whoever moves it must call Wake.
	Now func() time.Time
	// Tag gives the tag of a message that a client sends, by its body, "" for none; nil gives none.
	Tag func(body string) string
	// Log receives what the server cannot tell a caller, failures of the storage above all; nil drops it.
	Log *slog.Logger
}

// Server is a running endpoint. Its methods may be called by several goroutines at once.
type Server struct {
	options Options
	url     string
	http    *httpserver.Server
	db      *database
	ops     map[string]operation

	signatures sigv4.Checker

	mu      sync.RWMutex // guards queues, deleted and the making and changing of queues
	queues  map[string]*queue
	deleted map[string]int64 // when a queue of that name was deleted, for as long as SQS forbids to make it again

	stop    context.CancelFunc // ends long polls and move tasks
	stopped context.Context
	tasks   taskRunner
	running sync.WaitGroup // the move tasks
}

// Open opens the file, listens on the address and serves until Close. The error names the address when that is taken
// (it is a syscall.EADDRINUSE) and is ErrFileInUse when another server has the file.
func Open(ctx context.Context, options Options) (*Server, error) {
	if !filepath.IsAbs(options.Path) {
		return nil, fmt.Errorf("open the queue: the path %q is not absolute", options.Path)
	}
	if options.Listen == "" || options.Region == "" || options.AccessKey == "" || options.SecretKey == "" {
		return nil, errors.New("open the queue: listen address, region, access key and secret key are required")
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	server, err := httpserver.Listen(ctx, options.Listen, options.Hosts, requestTimeout, requestTimeout,
		options.Log)
	if err != nil {
		return nil, fmt.Errorf("open the queue: %w", err)
	}
	s, err := start(ctx, options, server.URL())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the queue: file %q: %w", options.Path, err), server.Close(ctx))
	}
	s.http = server
	server.Start(http.HandlerFunc(s.serveHTTP))
	return s, nil
}

// start is a server without its HTTP side, which is at url: the file, the queues in it, and the tasks that were
// running.
func start(ctx context.Context, options Options, url string) (*Server, error) {
	db, err := openDatabase(ctx, options.Path, schemaVersion, schema)
	if err != nil {
		return nil, err
	}
	s := &Server{options: options, url: url, db: db, ops: operations(),
		queues: map[string]*queue{}, deleted: map[string]int64{},
		signatures: sigv4.Checker{AccessKey: options.AccessKey, SecretKey: options.SecretKey,
			Region: options.Region, Service: "sqs", Now: options.Now}}
	s.stopped, s.stop = context.WithCancel(context.Background())
	if err = s.loadQueues(); err == nil {
		err = s.resumeTasks()
	}
	if err != nil {
		return nil, errors.Join(err, s.finish())
	}
	return s, nil
}

// URL is the endpoint for a client on this machine.
func (s *Server) URL() string { return s.url }

// QueueURL is the URL of the queue of that name, whether it exists or not.
func (s *Server) QueueURL(name string) string { return s.URL() + "/" + accountID + "/" + name }

// QueueARN is the ARN of the queue of that name, whether it exists or not.
func (s *Server) QueueARN(name string) string {
	return "arn:aws:sqs:" + s.options.Region + ":" + accountID + ":" + name
}

// Wake makes every waiting receive look again at once. Call it after moving the clock.
func (s *Server) Wake() {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, q := range s.queues {
		q.waiters.wakeAll()
	}
}

// Release makes every message that was handed out and not deleted visible again, and returns how many there were.
// Call it at start, before anything receives: whoever had them is dead. Their receive counts stay as they are: the
// receive happened, and a message that kills its receiver must still reach the dead letters in the end.
func (s *Server) Release(context.Context) (int, error) {
	result, err := s.db.exec(`UPDATE message SET due = ?1 WHERE received IS NOT NULL AND due > ?1`, s.now())
	if err != nil {
		return 0, fmt.Errorf("release messages: %w", err)
	}
	s.Wake()
	released, err := result.RowsAffected()
	return int(released), err
}

// Close ends long polls (with an empty answer) and move tasks (they go on at the next Open), lets requests finish
// until ctx ends and for a second at most, then closes the file.
func (s *Server) Close(ctx context.Context) error {
	s.stop()
	if err := errors.Join(s.http.Close(ctx), s.finish()); err != nil {
		return fmt.Errorf("close the queue: %w", err)
	}
	return nil
}

// finish ends the tasks and closes the file.
func (s *Server) finish() error {
	s.stop()
	s.running.Wait()
	return s.db.close()
}

// now is the clock in milliseconds.
func (s *Server) now() int64 { return s.options.Now().UnixMilli() }
