package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"
)

// containerDoor is one address for functions in containers, which cannot reach
// the loopback that everything else here listens on. What comes is handed on by
// what it asks for: S3, SQS and DynamoDB are one endpoint there, as an emulator
// of AWS would be. They check the signature of every call themselves.
//
// Of the application it hands on the one question that is put to it.
type containerDoor struct {
	listener net.Listener
	server   *http.Server
	served   chan error // the one result of Serve
	url      string     // as containers call it
}

const (
	// answerTimeout bounds the wait for the beginning of an answer: a copy of the
	// largest object is slow.
	answerTimeout = 10 * time.Minute
	// closeWithin is how long closing waits for answers that are under way.
	closeWithin = time.Second
)

// behindDoor are the URLs that requests are handed on to.
type behindDoor struct{ s3, sqs, dynamodb, app string }

func (s *Stack) openContainers(ctx context.Context) error {
	to := s.Endpoints()
	var err error
	s.containers, err = openContainerDoor(ctx, kept(s.o.Containers, s.state.Containers), s.o.ContainersHost,
		behindDoor{s3: to.S3, sqs: to.SQS, dynamodb: to.DynamoDB, app: to.App}, s.o.Log)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, s.containers.close)
	// As it was asked for: "0.0.0.0" listens as "::".
	host, _, _ := net.SplitHostPort(s.o.Containers) // it was listened on
	_, port, err := net.SplitHostPort(s.containers.listener.Addr().String())
	s.state.Containers = net.JoinHostPort(host, port)
	return err
}

func openContainerDoor(ctx context.Context, address, host string, to behindDoor, log *slog.Logger) (*containerDoor, error) {
	handler, err := newDoorHandler(to, log)
	if err != nil {
		return nil, err
	}
	var c net.ListenConfig
	listener, err := c.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for containers on %s: %w (choose another with --containers)", address, err)
	}
	at, err := containersURL(listener.Addr().String(), host)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	d := &containerDoor{url: at, listener: listener, served: make(chan error, 1),
		server: &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: 32 << 10}}
	go func() { d.served <- d.server.Serve(listener) }()
	return d, nil
}

func (d *containerDoor) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeWithin)
	defer cancel()
	var err error
	if d.server.Shutdown(ctx) != nil {
		err = d.server.Close()
	}
	if served := <-d.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(served, err)
	}
	if err != nil {
		return fmt.Errorf("close the address for containers: %w", err)
	}
	return nil
}

// newDoorHandler makes the handler. A URL that is empty is not served.
func newDoorHandler(to behindDoor, log *slog.Logger) (http.Handler, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: 32, IdleConnTimeout: idleTimeout, ResponseHeaderTimeout: answerTimeout}
	proxies := map[string]http.Handler{}
	for _, target := range []string{to.s3, to.sqs, to.dynamodb, to.app} {
		if target == "" {
			continue
		}
		at, err := url.Parse(target)
		if err != nil {
			return nil, fmt.Errorf("hand on to %q: %w", target, err)
		}
		proxies[target] = handOn(at, target == to.app, transport, log)
	}
	application := http.NewServeMux()
	application.HandleFunc("GET /journals/{journal}/entries/{entry}", func(w http.ResponseWriter, r *http.Request) { proxies[to.app].ServeHTTP(w, r) })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target := to.s3
		switch action := r.Header.Get("X-Amz-Target"); {
		case strings.HasPrefix(action, "AmazonSQS."):
			target = to.sqs
		case strings.HasPrefix(action, "DynamoDB_"):
			target = to.dynamodb
		case action != "":
			target = ""
		case r.URL.Path == "/journals" || strings.HasPrefix(r.URL.Path, "/journals/"):
			application.ServeHTTP(w, r)
			return
		}
		if proxies[target] == nil {
			http.Error(w, "This address serves S3, SQS and, if dev was started for it, DynamoDB.", http.StatusNotImplemented)
			return
		}
		proxies[target].ServeHTTP(w, r)
	}), nil
}

// handOn passes requests on as they are, with the host that they were sent to: it is
// signed, as are path and query. An application is asked at its own name and path.
func handOn(to *url.URL, application bool, transport http.RoundTripper, log *slog.Logger) http.Handler {
	return &httputil.ReverseProxy{Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			if application {
				r.SetURL(to)
				return
			}
			r.Out.URL.Scheme, r.Out.URL.Host = to.Scheme, to.Host
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil {
				log.WarnContext(r.Context(), "a container's request could not be handed on", "to", to.Host, "error", err)
			}
			w.WriteHeader(http.StatusBadGateway)
		},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// DockersHost is how containers call the machine that they run on, in Docker
// Desktop.
const DockersHost = "host.docker.internal"

// containersURL is how containers call the door: by the host that was given, else
// by the address that it listens on, else as Docker does.
func containersURL(listening, host string) (string, error) {
	at, port, err := net.SplitHostPort(listening)
	if err != nil {
		return "", fmt.Errorf("the address for containers %q: %w", listening, err)
	}
	if ip := net.ParseIP(at); host == "" && ip != nil && ip.IsUnspecified() {
		host = DockersHost
	}
	if host == "" {
		host = at
	}
	return "http://" + net.JoinHostPort(host, port), nil
}
