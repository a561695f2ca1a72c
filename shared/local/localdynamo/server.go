package localdynamo

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

// accountID is the account that every table here belongs to, as it appears in ARNs.
const accountID = "000000000000"

// Options say what Open is to serve.
type Options struct {
	// Path of the SQLite file, absolute, because the process's working directory may change. It is made when it is
	// not there; its folder must be. "" keeps everything in memory, until Close.
	Path string
	// Listen is the TCP address, "127.0.0.1:0" for any free port. Required.
	Listen string
	// Region, AccessKey and SecretKey are what requests must be signed with. Required.
	Region, AccessKey, SecretKey string
	// Now is the clock for signatures, creation times and the ten minutes of a transaction's token; nil is time.Now.
	Now func() time.Time
	// ExpireEvery is how often items whose time to live ended are removed; 0 leaves that to Expire.
	ExpireEvery time.Duration
	// Log receives what the server cannot tell a caller, failures of the storage above all; nil drops it.
	Log *slog.Logger
}

// Server is a running endpoint. Its methods may be called by several goroutines at once.
type Server struct {
	options    Options
	log        *slog.Logger
	url        string
	http       *httpserver.Server
	db         *database
	ops        map[string]operation
	signatures sigv4.Checker

	// mu guards tables: whoever works with items holds it for reading, whoever changes definitions for writing.
	mu     sync.RWMutex
	tables map[string]*table

	stop    context.CancelFunc // ends the sweep
	stopped context.Context
	running sync.WaitGroup // the accept loop and the sweep
}

// Open opens the file, listens on the address and serves until Close. The error names the address when that is taken
// (it is a syscall.EADDRINUSE) and is ErrFileInUse when another server has the file.
func Open(ctx context.Context, options Options) (*Server, error) {
	if options.Path != "" && !filepath.IsAbs(options.Path) {
		return nil, fmt.Errorf("open the tables: the path %q is not absolute", options.Path)
	}
	if options.Listen == "" || options.Region == "" || options.AccessKey == "" || options.SecretKey == "" {
		return nil, errors.New("open the tables: listen address, region, access key and secret key are required")
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	door, err := httpserver.Listen(ctx, options.Listen, requestTimeout, options.Log)
	if err != nil {
		return nil, fmt.Errorf("open the tables: %w", err)
	}
	s, err := start(ctx, options, door.URL())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the tables: file %q: %w", options.Path, err), door.Close(ctx))
	}
	s.http = door
	s.running.Go(func() {
		if err := door.Serve(http.HandlerFunc(s.serveHTTP)); err != nil {
			s.log.Error("the table endpoint stopped serving", "error", err)
		}
	})
	if options.ExpireEvery > 0 {
		s.running.Go(func() { s.sweep(options.ExpireEvery) })
	}
	return s, nil
}

// start is a server without its HTTP side, which is at url: the file and the tables in it.
func start(ctx context.Context, options Options, url string) (*Server, error) {
	db, err := openDatabase(ctx, options.Path)
	if err != nil {
		return nil, err
	}
	s := &Server{options: options, log: options.Log, url: url, db: db, ops: operations(), tables: map[string]*table{},
		signatures: sigv4.Checker{AccessKey: options.AccessKey, SecretKey: options.SecretKey, Region: options.Region, Service: "dynamodb", Now: options.Now}}
	s.stopped, s.stop = context.WithCancel(context.Background())
	if err := s.loadTables(); err != nil {
		return nil, errors.Join(err, s.finish())
	}
	return s, nil
}

// URL is the endpoint for a client on this machine.
func (s *Server) URL() string { return s.url }

// Close lets requests finish until ctx ends and for a second at most, then closes the file.
func (s *Server) Close(ctx context.Context) error {
	s.stop()
	if err := errors.Join(s.http.Close(ctx), s.finish()); err != nil {
		return fmt.Errorf("close the tables: %w", err)
	}
	return nil
}

// finish ends the sweep and closes the file.
func (s *Server) finish() error {
	s.stop()
	s.running.Wait()
	return s.db.Close()
}

// now is the clock in milliseconds.
func (s *Server) now() int64 { return s.options.Now().UnixMilli() }
