// Package local runs what AWS runs, in one process on one machine: an S3 server on disk, an SQS endpoint on SQLite, the
// event source mapping between the queue and the validator, and an application to ask for permission.
//
// It knows nothing of the pipeline: it is handed the API as an http.Handler and the validator as the function that
// Lambda would call, and both reach the servers through the AWS SDK over loopback as they would reach AWS.
package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hatchery/shared/arrival"
	"hatchery/shared/local/demoapp"
	"hatchery/shared/local/httpserver"
	"hatchery/shared/local/localbugout"
	"hatchery/shared/local/localdynamo"
	"hatchery/shared/local/locals3"
	"hatchery/shared/local/localsqs"
	"hatchery/shared/local/mapping"
)

// Names inside the stack.
const (
	Region      = "us-east-1"
	Bucket      = "hatchery-uploads"
	Queue       = "hatchery-uploads"
	DeadLetters = "hatchery-dead-letters"
	Table       = "hatchery-records"
	account     = "000000000000"
)

// Options of a stack. A port 0 in an address is chosen at the first start, kept, and used again; but for Listen.
type Options struct {
	// Data is the folder that everything is kept in; it is made when missing.
	Data string
	// Listen, S3Listen and SQSListen are addresses.
	Listen, S3Listen, SQSListen string
	// DynamoDBListen is the address of DynamoDB, with the records' table; empty: it is not served, and nothing in it is
	// kept.
	DynamoDBListen string
	// DynamoDB is the URL of another one, which is not opened here; empty: there is none. With ForeignKeys it takes the
	// region and the credentials of AWS's environment, and not the stack's own.
	DynamoDB    string
	ForeignKeys bool
	// BugoutListen is the address of a stand-in for Bugout's auth server (Brood); empty: it is not served.
	BugoutListen string
	// Containers is one more address, for functions in containers: S3, SQS and DynamoDB at once, and the application's
	// one question. Empty: none. ContainersHost is what containers call this machine; empty: the address's host, or
	// DockersHost when that is every address.
	Containers, ContainersHost string
	// AppURL is the application to ask. When it is empty the demo application is started.
	AppURL string
	// QuarantinePrefix is what the bucket notifies the queue about.
	QuarantinePrefix string
	// CORSOrigins of the bucket, and AllowOrigin, which allows further ones; nil: none.
	CORSOrigins []string
	AllowOrigin func(origin string) bool
	// FunctionTimeout is the validator's. The queue's visibility timeout follows from it.
	FunctionTimeout time.Duration
	// RequestTime is how long the API may take for a request, beside the time that its body takes to arrive and its
	// answer to leave.
	RequestTime time.Duration
	// SweepEvery is how often quarantine is swept for lost events.
	SweepEvery time.Duration
	// Mend is the command that mends what is broken, for whoever reads the log.
	Mend string
	Log  *slog.Logger
}

// Stack is the running servers. It is opened once a process: the S3 server changes the working directory.
type Stack struct {
	o          Options
	folder     *folder
	state      state
	s3         *locals3.Server
	sqs        *localsqs.Server
	dynamodb   *localdynamo.Server
	bugout     *localbugout.Server
	app        *demoapp.Server
	api        *httpserver.Server
	containers string // the URL for functions in containers; empty: none
	faults     faults
	rehearses  Function // Handlers.Rehearse

	obeying   sync.Mutex
	obeyed    fs.FileInfo // of the file that says what is broken, as it was when it was last read; nil: there was none
	shortened bool        // the queue's visibility timeout
	closers   []func(context.Context) error
}

const (
	batchSize      = 10
	mappingWorkers = 4
	maxReceives    = 5
	// visibilitySlack is how long after the validator's time-out a message may be received again. AWS asks for six
	// time-outs, because its pollers can be throttled; here nothing stands between queue and function, and a person
	// waits for the retry.
	visibilitySlack = 30 * time.Second
)

// Open takes the folder and starts the servers, without the API and without reading the queue: that begins with Run.
// The caller closes the stack.
func Open(ctx context.Context, o Options) (_ *Stack, err error) {
	s := &Stack{o: o, faults: faults{log: o.Log}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close(context.WithoutCancel(ctx)))
		}
	}()
	if s.folder, err = takeFolder(o.Data); err != nil {
		return nil, err
	}
	s.closers = append(s.closers, func(context.Context) error { return s.folder.lock.Unlock() })
	if err := s.folder.private(); err != nil {
		o.Log.WarnContext(ctx, "other users of this machine may be able to read what is kept", "error", err)
	}
	if s.state, err = s.folder.loadState(); err != nil {
		return nil, err
	}
	s.state.DynamoDB, s.state.ForeignKeys, s.state.App = o.DynamoDB, o.ForeignKeys, o.AppURL
	for _, part := range []struct {
		wanted bool
		open   func(context.Context) error
	}{
		{true, s.listen},
		{true, s.openQueue},
		{o.DynamoDBListen != "", s.openTable},
		{o.BugoutListen != "", s.openBugout},
		{true, s.openBucket},
		{o.AppURL == "", s.openApp},
		{o.Containers != "", s.openContainers},
	} {
		if !part.wanted {
			continue
		}
		if err = part.open(ctx); err != nil {
			return nil, err
		}
	}
	return s, s.folder.saveState(s.state)
}

// listen takes the address of the API.
func (s *Stack) listen(ctx context.Context) (err error) {
	// Without a bound in time: large files pass.
	if s.api, err = httpserver.Listen(ctx, s.o.Listen, s.hosts(), 0, 0, s.o.Log); err != nil {
		return fmt.Errorf("serve the API: %w (choose another with --listen, 127.0.0.1:0 for any free port)", err)
	}
	s.closers = append(s.closers, s.api.Close)
	return nil
}

func (s *Stack) openApp(ctx context.Context) (err error) {
	if s.app, err = demoapp.Open(ctx, "127.0.0.1:0", s.faults.application(demoapp.Handler())); err != nil {
		return fmt.Errorf("start the demo application: %w", err)
	}
	s.closers = append(s.closers, func(context.Context) error { return s.app.Close() })
	return nil
}

func (s *Stack) openQueue(ctx context.Context) (err error) {
	address := kept(s.o.SQSListen, s.state.SQSListen)
	s.sqs, err = localsqs.Open(ctx, localsqs.Options{Path: s.folder.path("queue.db"), Listen: address, Region: Region,
		Hosts: s.hosts(), AccessKey: s.state.AccessKey, SecretKey: s.state.SecretKey, Tag: tagOf, Log: s.o.Log})
	if err != nil {
		return fmt.Errorf("start the SQS endpoint: %w%s", err, hint(err, "--sqs-listen"))
	}
	s.closers = append(s.closers, s.sqs.Close)
	s.state.SQSListen = strings.TrimPrefix(s.sqs.URL(), "http://")
	const day = 24 * 60 * 60
	err = s.sqs.CreateQueue(ctx, DeadLetters, map[string]string{"MessageRetentionPeriod": fmt.Sprint(14 * day)})
	if err != nil {
		return err
	}
	redrive := fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":"%d"}`, s.sqs.QueueARN(DeadLetters), maxReceives)
	err = s.sqs.CreateQueue(ctx, Queue, map[string]string{"MessageRetentionPeriod": fmt.Sprint(4 * day),
		"VisibilityTimeout": fmt.Sprint(int(s.visibility().Seconds())), "RedrivePolicy": redrive})
	if err != nil {
		return err
	}
	if _, err := s.sqs.Release(ctx); err != nil {
		return fmt.Errorf("release the messages that were being handled when the last run ended: %w", err)
	}
	return nil
}

// hint names the flag that helps when an address cannot be had.
func hint(err error, flag string) string {
	if _, network := errors.AsType[*net.OpError](err); network {
		return " (choose another address with " + flag + ")"
	}
	return ""
}

func (s *Stack) openBucket(ctx context.Context) (err error) {
	address := kept(s.o.S3Listen, s.state.S3Listen)
	s.s3, err = locals3.Open(ctx, locals3.Options{Dir: s.folder.path("s3"), Listen: address, Region: Region,
		AccessKey: s.state.AccessKey, SecretKey: s.state.SecretKey, Bucket: Bucket, Created: s.arrived, Log: s.o.Log,
		Hosts: s.hosts(), QuarantinePrefix: s.o.QuarantinePrefix, CORSOrigins: s.o.CORSOrigins,
		AllowOrigin: s.o.AllowOrigin})
	if err != nil {
		return fmt.Errorf("start the S3 server: %w%s", err, hint(err, "--s3-listen"))
	}
	s.closers = append(s.closers, s.s3.Close)
	s.state.S3Listen = strings.TrimPrefix(s.s3.URL(), "http://")
	return nil
}

// hosts are those by which any server of the stack may be called: containers call all of them by theirs.
func (s *Stack) hosts() httpserver.Hosts {
	hosts := httpserver.Hosts{s.o.Listen, s.o.S3Listen, s.o.SQSListen, s.o.DynamoDBListen, s.o.BugoutListen,
		s.o.Containers, s.o.ContainersHost}
	if s.o.Containers != "" && s.o.ContainersHost == "" {
		hosts = append(hosts, DockersHost)
	}
	return hosts
}

// visibility is the queue's visibility timeout.
func (s *Stack) visibility() time.Duration { return s.o.FunctionTimeout + visibilitySlack }

// kept gives the address of the last start when the wanted one leaves the port open and names the same host.
func kept(wanted, last string) string {
	host, port, err := net.SplitHostPort(wanted)
	if err != nil || port != "0" {
		return wanted
	}
	if lastHost, _, err := net.SplitHostPort(last); err == nil && lastHost == host {
		return last
	}
	return wanted
}

// notify puts what S3 would have sent into the queue.
func (s *Stack) notify(ctx context.Context, c arrival.Created) error {
	body, err := arrival.Format(c)
	if err != nil {
		return fmt.Errorf("write the notification for %q: %w", c.Key, err)
	}
	return s.sqs.Send(ctx, Queue, string(body), tag(c))
}

func tag(c arrival.Created) string { return c.Key + "@" + c.VersionID }

// tagOf is the tag of what S3 sent, and somebody sends again: of what it is about first.
func tagOf(body string) string {
	parsed, err := arrival.Parse([]byte(body))
	if err != nil || len(parsed.Created) == 0 {
		return ""
	}
	return tag(parsed.Created[0])
}

// Endpoints is where everything is and how to sign for it.
type Endpoints struct {
	API, S3, SQS, App string
	// APIBeyond is the address of the API when it can be reached from beyond this machine, else "".
	APIBeyond                       string
	Bucket, QueueURL, DeadLetterURL string
	Region, AccessKey, SecretKey    string
	// Visibility and MaxReceives are the queue's.
	Visibility  time.Duration
	MaxReceives int
	// DynamoDB is "" when there is none; Table is the records' in it. With ForeignKeys
	// it takes the region and the credentials of AWS's environment, and not these.
	DynamoDB, Table string
	ForeignKeys     bool
	Bugout          Bugout
	// Containers is the one URL for functions in containers, and ContainersListen the address behind it. Both are ""
	// when there is none.
	Containers, ContainersListen string
}

// Endpoints of the running stack.
func (s *Stack) Endpoints() Endpoints {
	e := s.state.endpoints()
	e.API, e.APIBeyond = s.apiAt()
	e.App, e.Visibility, e.MaxReceives = s.o.AppURL, s.visibility(), maxReceives
	// The state remembers what earlier starts served, too.
	if s.dynamodb == nil {
		e.DynamoDB = s.state.DynamoDB
	}
	if s.bugout == nil {
		e.Bugout = Bugout{}
	}
	if s.app != nil {
		e.App = s.app.URL()
	}
	if s.containers != "" {
		e.Containers, e.ContainersListen = s.containers, s.state.Containers
	}
	return e
}

// endpoints are those of a stack that serves all that the state remembers, but for the API. Its
// application is that of --app alone.
func (st state) endpoints() Endpoints {
	e := Endpoints{App: st.App, S3: "http://" + st.S3Listen, SQS: "http://" + st.SQSListen, Bucket: Bucket, Table: Table,
		Region: Region, AccessKey: st.AccessKey, SecretKey: st.SecretKey}
	e.QueueURL = e.SQS + "/" + account + "/" + Queue
	e.DeadLetterURL = e.SQS + "/" + account + "/" + DeadLetters
	e.DynamoDB, e.ForeignKeys = st.DynamoDB, st.ForeignKeys
	if e.DynamoDB == "" && st.DynamoDBListen != "" {
		e.DynamoDB = "http://" + st.DynamoDBListen
	}
	if st.BugoutListen != "" {
		e.Bugout = Bugout{"http://" + st.BugoutListen, st.BugoutApplication, st.BugoutToken}
	}
	return e
}

// apiAt gives the API's URL on this machine, and its address if others reach it.
func (s *Stack) apiAt() (url, beyond string) {
	address := strings.TrimPrefix(s.api.URL(), "http://")
	at, err := netip.ParseAddrPort(address)
	if err != nil || at.Addr().IsLoopback() {
		return "http://" + address, ""
	}
	if !at.Addr().IsUnspecified() {
		return "http://" + address, address
	}
	// As it was asked for: "0.0.0.0" listens as "::". Nobody can call it by either.
	host, _, _ := net.SplitHostPort(s.o.Listen) // it was listened on
	port := strconv.Itoa(int(at.Port()))
	return "http://" + net.JoinHostPort("127.0.0.1", port), net.JoinHostPort(host, port)
}

// Path gives the absolute path of a file in the data folder.
func (s *Stack) Path(name string) string { return s.folder.path(name) }

// Close stops what Open started, in reverse, and gives the folder free.
func (s *Stack) Close(ctx context.Context) error {
	var errs []error
	for _, stop := range slices.Backward(s.closers) {
		errs = append(errs, stop(ctx))
	}
	s.closers = nil
	return errors.Join(errs...)
}

func (s *Stack) mapping(ctx context.Context, handler Function) *mapping.Mapping {
	paused := s.pauses()
	e := s.Endpoints()
	return &mapping.Mapping{Queue: sqs.NewFromConfig(e.AWS()), QueueURL: e.QueueURL,
		QueueARN: s.sqs.QueueARN(Queue), Region: e.Region, BatchSize: batchSize, Concurrency: mappingWorkers,
		FunctionTimeout: s.o.FunctionTimeout, Handler: mapping.Handler(s.function(handler)), Log: s.o.Log,
		Paused: func() bool {
			s.obeyAndShorten(ctx)
			return paused()
		}}
}
