package locals3

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/middlewares"

	"hatchery/shared/arrival"
	"hatchery/shared/local/httpserver"
)

var (
	// ErrAlreadyOpen is returned by Open while another Server of the process is open.
	ErrAlreadyOpen = errors.New("an embedded S3 server is already open in this process")
	// ErrForeignFolder is wrapped by Open when Options.Dir holds something that it cannot read.
	ErrForeignFolder = errors.New("the folder does not belong to this S3 server")
)

// opened is process-wide because what it guards is: versitygw changes the working directory and addresses buckets
// relative to it, so a second server would take the first one's buckets away.
var opened atomic.Bool

// Options say what a Server serves. All fields without a word about their default are required.
type Options struct {
	// Dir is the folder of the data: absolute, made if missing. Nothing else may be kept in it, and only one process
	// may have it open; the caller sees to that.
	Dir string
	// Listen is the address to serve on, "127.0.0.1:9000". Port 0 takes a free one, see URL.
	Listen string
	// Hosts are further hosts by which it is called.
	Hosts httpserver.Hosts
	// Region is the bucket's region; requests must be signed for it.
	Region string
	// AccessKey and SecretKey are the one pair of credentials that is accepted.
	AccessKey, SecretKey string
	// Bucket is the name of the one bucket. It is made, with versioning, if missing.
	Bucket string
	// QuarantinePrefix selects the keys whose arrival Created is told of.
	QuarantinePrefix string
	// CORSOrigins may use the bucket from a browser (POST, GET, HEAD). Default: none.
	CORSOrigins []string
	// AllowOrigin allows further origins; it is given what a caller sent. Default nil: none.
	AllowOrigin func(origin string) bool
	// Created is called after an object was stored under QuarantinePrefix and before the client has its answer. Its
	// error is logged, and the client has its success all the same: Quarantined finds the object again. It may be
	// called at the same time for several objects, and may use the Server. Its ctx ends with Close.
	Created func(ctx context.Context, c arrival.Created) error
	// Log takes what goes wrong without a client to tell. Default: nowhere.
	Log *slog.Logger
}

// Server is an S3 server in this process. It is safe for concurrent use.
type Server struct {
	opts  Options
	url   string
	store *guarded
	// requests is locked for reading by each request, and for writing by Close: then TryRLock fails, and nothing begins
	// any more. The web server's own shutdown waits for connections instead, and one on which nothing was ever asked
	// (HTTP clients open them in advance) would keep it waiting in vain.
	requests  sync.RWMutex
	api       *s3api.S3ApiServer
	hosts     httpserver.Hosts
	served    chan error // the end of serving
	ctx       context.Context
	cancel    context.CancelFunc
	sequence  atomic.Uint32
	closeOnce sync.Once
	closed    error
	workedIn  string // the working directory before versitygw changed it
}

// Open makes or opens the folder, undoes what a process that died left unfinished, and serves until Close.
//
// It changes the working directory of the process for as long as the Server is open: relative paths mean something
// else afterwards. It also takes os.Stdout away for a moment, because versitygw prints to it while it starts.
// ctx bounds the opening alone.
func Open(ctx context.Context, opts Options) (_ *Server, err error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	if !opened.CompareAndSwap(false, true) {
		return nil, ErrAlreadyOpen
	}
	s := &Server{opts: opts, served: make(chan error, 1)}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			s.cancel()
			if s.store != nil {
				err = errors.Join(err, s.closeStore())
			}
			opened.Store(false)
		}
	}()
	if err := s.openStore(ctx); err != nil {
		return nil, err
	}
	if err := s.serve(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func (o *Options) check() error {
	var faults []error
	for _, field := range []struct{ name, value string }{
		{"Dir", o.Dir}, {"Listen", o.Listen}, {"Region", o.Region}, {"AccessKey", o.AccessKey},
		{"SecretKey", o.SecretKey}, {"Bucket", o.Bucket}, {"QuarantinePrefix", o.QuarantinePrefix},
	} {
		if field.value == "" {
			faults = append(faults, fmt.Errorf("%s is empty", field.name))
		}
	}
	if o.Dir != "" && !filepath.IsAbs(o.Dir) {
		faults = append(faults, fmt.Errorf("option Dir %q is not absolute", o.Dir))
	}
	if o.Created == nil {
		faults = append(faults, errors.New("option Created is nil"))
	}
	if len(faults) > 0 {
		return fmt.Errorf("open the embedded S3 server: %w", errors.Join(faults...))
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Dir = filepath.Clean(o.Dir)
	return nil
}

func (s *Server) openStore(ctx context.Context) (err error) {
	l := newLayout(s.opts.Dir)
	if err := l.prepare(); err != nil {
		return err
	}
	undo := &undoLog{layout: l}
	settled, err := undo.open()
	if err != nil {
		return fmt.Errorf("open the S3 folder %s: %w", l.dir, err)
	}
	defer func() {
		if s.store == nil {
			err = errors.Join(err, undo.close())
		}
	}()
	if settled > 0 {
		s.opts.Log.Info("settled the changes that the last process left unfinished", "count", settled)
	}
	if err := l.sweepTemporary(s.opts.Bucket); err != nil {
		return err
	}
	attributes, err := newAttributes(l)
	if err != nil {
		return fmt.Errorf("open the S3 folder %s: %w", l.parts, err)
	}
	if s.workedIn, err = os.Getwd(); err != nil {
		return fmt.Errorf("open the embedded S3 server: %w", err)
	}
	files, err := quietly(func() (*posix.Posix, error) {
		return posix.New(l.root, attributes, posix.PosixOpts{
			VersioningDir:       l.versions,
			ValidateBucketNames: true,
			CopyObjectThreshold: 5 << 30, // its zero value means no bytes at all
			ForceNoObjLockFile:  true,    // this process is alone on the folder
		})
	})
	if err != nil {
		return fmt.Errorf("open the S3 folder %s: %w", l.root, err)
	}
	s.store = &guarded{Posix: files, layout: l, attributes: attributes, undo: undo, arrived: s.arrived}
	if err := s.prepareBucket(ctx); err != nil {
		return fmt.Errorf("prepare bucket %q: %w", s.opts.Bucket, err)
	}
	return nil
}

// quietly runs open with the standard output closed off: versitygw has no option against its greeting.
func quietly(open func() (*posix.Posix, error)) (*posix.Posix, error) {
	nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	defer nowhere.Close() //nolint:errcheck // nothing was written that could be lost
	stdout := os.Stdout
	os.Stdout = nowhere
	defer func() { os.Stdout = stdout }()
	return open()
}

// prepareBucket sets everything about the bucket at every start, so that a start that was cut short does no harm.
func (s *Server) prepareBucket(ctx context.Context) error {
	bucket := s.opts.Bucket
	acl, err := json.Marshal(auth.ACL{Owner: s.opts.AccessKey})
	if err != nil {
		return err
	}
	if exists(s.store.layout.object(bucket, ".")) {
		err = s.store.PutBucketAcl(ctx, bucket, acl)
	} else {
		err = s.store.CreateBucket(ctx, &s3.CreateBucketInput{
			Bucket:                    &bucket,
			CreateBucketConfiguration: &types.CreateBucketConfiguration{},
			ObjectOwnership:           types.ObjectOwnershipBucketOwnerEnforced,
		}, acl)
	}
	if err != nil {
		return err
	}
	if err := s.store.PutBucketOwnershipControls(ctx, bucket, types.ObjectOwnershipBucketOwnerEnforced); err != nil {
		return err
	}
	if err := s.store.PutBucketVersioning(ctx, bucket, types.BucketVersioningStatusEnabled); err != nil {
		return err
	}
	if len(s.opts.CORSOrigins) == 0 {
		return s.store.DeleteBucketCors(ctx, bucket)
	}
	rules, err := corsRules(s.opts.CORSOrigins)
	if err != nil {
		return err
	}
	return s.store.PutBucketCors(ctx, bucket, rules)
}

// corsRules are those of the bucket in template.yaml.
func corsRules(origins []string) ([]byte, error) {
	rule := auth.CORSRule{
		AllowedMethods: []auth.CORSHTTPMethod{http.MethodPost, http.MethodGet, http.MethodHead},
		AllowedHeaders: []auth.CORSHeader{"*"},
		ExposeHeaders: []auth.CORSHeader{"ETag", "Location", "Content-Length", "Content-Range", "Accept-Ranges",
			"Content-Disposition"},
		MaxAgeSeconds: new(int32(7200)),
	}
	for _, origin := range origins {
		rule.AllowedOrigins = append(rule.AllowedOrigins, auth.CORSOrigin(origin))
	}
	config := auth.CORSConfiguration{Rules: []auth.CORSRule{rule}}
	err := config.Validate()
	var text []byte
	if err == nil {
		text, err = xml.Marshal(config)
	}
	if err != nil {
		return nil, fmt.Errorf("CORSOrigins %q: %w", origins, err)
	}
	return text, nil
}

// serve binds the address and answers requests.
func (s *Server) serve(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.opts.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.opts.Listen, err)
	}
	web, err := s.webServer(ctx)
	if err != nil {
		return errors.Join(fmt.Errorf("start the embedded S3 server: %w", err), listener.Close())
	}
	s.hosts = append(httpserver.Hosts{s.opts.Listen}, s.opts.Hosts...)
	web.Handler = s.guard(web.Handler)
	web.IdleTimeout = idleTime
	// The web server parses forms before any handler sees them, the whole file in memory, unless this is set.
	web.DisablePreParseMultipartForm = true
	s.url = "http://" + listener.Addr().String()
	go func() { s.served <- web.Serve(patientListener{listener, s.opts.Log}) }()
	return nil
}

// idleTime is how long a connection may be kept on which nothing is asked.
const idleTime = 2 * time.Minute

// webServer is versitygw's own. There is no option for its settings, and none for a listener: it is served for a moment
// on another address, until a first request has shown it.
func (s *Server) webServer(ctx context.Context) (*fasthttp.Server, error) {
	listening := make(chan struct{})
	shown := make(chan *fasthttp.Server, 1)
	var show sync.Once
	root := middlewares.RootUserConfig{Access: s.opts.AccessKey, Secret: s.opts.SecretKey}
	account := auth.Account{Access: root.Access, Secret: root.Secret, Role: auth.RoleAdmin}
	api, err := s3api.New(s.store, root, s.opts.Region, auth.NewIAMServiceSingle(account), nil, nil, nil, nil,
		s3api.WithQuiet(), s3api.WithKeepAlive(), s3api.WithConcurrencyLimiter(4096, 4096), s3api.WithMpMaxParts(10000),
		s3api.WithOnListen(func() { close(listening) }),
		s3api.WithMiddleware("/", func(c fiber.Ctx) error {
			show.Do(func() { shown <- c.App().Server() })
			if !s.requests.TryRLock() {
				c.Response().Header.SetConnectionClose()
				return c.SendStatus(fiber.StatusServiceUnavailable)
			}
			defer s.requests.RUnlock()
			return s.noteRequest(c)
		}))
	if err != nil {
		return nil, err
	}
	s.api = api
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	served := make(chan error, 1)
	go func() { served <- api.ServeMultiPort([]string{address}) }()
	select {
	case <-listening:
	case err := <-served:
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	err = ask(ctx, "http://"+address+"/")
	if err := errors.Join(err, api.ShutDown()); err != nil {
		return nil, err
	}
	select {
	case web := <-shown:
		return web, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ask makes one request and ends its connection.
func ask(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // and no proxy
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	return response.Body.Close() // the answer to a HEAD has no body
}

// freeAddress gives an address on the loopback. versitygw binds it a moment later: it takes an address only, and would
// not tell the port it got.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// patientListener outlasts a failure to accept a connection, as when no file descriptors are left: the web server would
// never accept one again.
type patientListener struct {
	net.Listener
	log *slog.Logger
}

// acceptAgain is how long to wait after a failure.
const acceptAgain = 100 * time.Millisecond

// Accept fails when the listener is closed.
func (l patientListener) Accept() (net.Conn, error) {
	for said := false; ; {
		conn, err := l.Listener.Accept()
		if err == nil {
			// Until guard takes it away: the web server has no bound for the first request on a connection.
			_ = conn.SetReadDeadline(time.Now().Add(idleTime))
			return conn, nil
		}
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		if !said {
			l.log.Error("the S3 server could not accept a connection and tries again", "error", err)
			said = true
		}
		<-time.After(acceptAgain)
	}
}

// URL is the endpoint for clients, which must use the path style: "http://127.0.0.1:9000".
func (s *Server) URL() string { return s.url }

// Close stops serving: requests under way may end until ctx is done, and for 3 s at most. The working directory is
// again what it was. Closing twice gives the same result.
func (s *Server) Close(ctx context.Context) error {
	s.closeOnce.Do(func() { s.closed = s.close(ctx) })
	return s.closed
}

func (s *Server) close(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		// It gives up on connections that stay open after ten seconds, and says so: what counts is below.
		_ = s.api.ShutDown()
		close(ended)
	}()
	working, cancel := context.WithTimeout(ctx, closeTime)
	defer cancel()
	idle := make(chan struct{})
	go func() {
		s.requests.Lock()
		close(idle)
	}()
	select {
	case <-idle:
	case <-working.Done():
	}
	select {
	case <-s.served: // the listener is closed: the address is free
	case <-working.Done():
	}
	// The last answers are on their way.
	answering, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	select {
	case <-ended:
	case <-answering.Done():
	}
	s.cancel()
	if err := s.closeStore(); err != nil {
		return fmt.Errorf("close the embedded S3 server: %w", err)
	}
	opened.Store(false)
	return nil
}

// closeTime is how long requests may go on after Close was called, answerTime how long their answers may take to leave.
const (
	closeTime  = 3 * time.Second
	answerTime = 200 * time.Millisecond
)

func (s *Server) closeStore() error {
	s.store.Posix.Shutdown()
	return errors.Join(s.store.undo.close(), os.Chdir(s.workedIn))
}

// arrived tells Created of a new object in quarantine.
func (s *Server) arrived(_ context.Context, how string, o object) {
	if o.bucket != s.opts.Bucket || !strings.HasPrefix(o.key, s.opts.QuarantinePrefix) {
		return
	}
	now := time.Now()
	created := arrival.Created{
		Name: "ObjectCreated:" + how, Time: now, Region: s.opts.Region,
		// The framework reuses the memory of its strings for the next request.
		Bucket: strings.Clone(o.bucket), Key: strings.Clone(o.key),
		VersionID: o.version, ETag: o.etag, Size: o.size,
		Sequencer: arrival.Sequencer(now, s.sequence.Add(1)),
	}
	if err := s.opts.Created(s.ctx, created); err != nil {
		s.opts.Log.Warn("an arrival was not announced; the next sweep of quarantine will find it",
			"key", created.Key, "version_id", created.VersionID, "error", err)
	}
}
