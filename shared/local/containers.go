package local

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"hatchery/shared/local/httpserver"
	"hatchery/shared/stdlog"
)

// answerTimeout bounds the wait for the beginning of an answer: a copy of the largest object is slow.
const answerTimeout = 10 * time.Minute

// openContainers serves one address for functions in containers, which cannot reach the loopback that everything else
// here listens on.
func (s *Stack) openContainers(ctx context.Context) error {
	handler, err := newProxy(s.Endpoints(), s.o.Log)
	if err != nil {
		return err
	}
	// Without a bound in time: objects pass.
	server, err := httpserver.Listen(ctx, kept(s.o.Containers, s.state.Containers), s.hosts(), 0, 0,
		s.o.Log)
	if err != nil {
		return fmt.Errorf("open the address for containers: %w (choose another with --containers)", err)
	}
	server.Start(handler)
	s.closers = append(s.closers, server.Close)
	listening := strings.TrimPrefix(server.URL(), "http://")
	if s.containers, err = containersURL(listening, s.o.ContainersHost); err != nil {
		return err
	}
	// As it was asked for: "0.0.0.0" listens as "::".
	host, _, _ := net.SplitHostPort(s.o.Containers) // it was listened on
	_, port, _ := net.SplitHostPort(listening)      // so was this
	s.state.Containers = net.JoinHostPort(host, port)
	return nil
}

// newProxy hands requests on by what they ask for: S3, SQS and DynamoDB, which check their signatures themselves, and
// of the application the one question that is put to it. An endpoint that is empty is not served.
func newProxy(to Endpoints, log *slog.Logger) (http.Handler, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: 32, IdleConnTimeout: 2 * time.Minute,
		ResponseHeaderTimeout: answerTimeout}
	proxies := map[string]http.Handler{}
	for _, target := range []string{to.S3, to.SQS, to.DynamoDB, to.App} {
		if target == "" {
			continue
		}
		at, err := url.Parse(target)
		if err != nil {
			return nil, fmt.Errorf("hand on to %q: %w", target, err)
		}
		proxies[target] = handOn(at, target == to.App, transport, log)
	}
	application := http.NewServeMux()
	if app := proxies[to.App]; app != nil {
		application.Handle("GET /journals/{journal}/entries/{entry}", app)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target := to.S3
		switch action := r.Header.Get("X-Amz-Target"); {
		case strings.HasPrefix(action, "AmazonSQS."):
			target = to.SQS
		case strings.HasPrefix(action, "DynamoDB_"):
			target = to.DynamoDB
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

// handOn passes requests on as they are, with the host that they were sent to: it is signed, as are path and query. An
// application is asked at its own name and path.
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
		ErrorLog: stdlog.Logger(func(sentence string) { log.Debug(sentence) }),
	}
}

// DockersHost is how containers call the machine that they run on, in Docker Desktop.
const DockersHost = "host.docker.internal"

// containersURL is how containers call this server: by the host that was given, else by the address that it listens on,
// else as Docker does.
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
