package access

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"hatchery/shared/baseurl"
)

const (
	// DefaultTimeout bounds one whole question: waiting for a connection, name lookup, connecting, TLS, and the header
	// of the answer. Much shorter and a cold application refuses its users; much longer and a dead one holds every
	// upload until the caller gives up.
	DefaultTimeout = 5 * time.Second
	// maxAuthorization is the longest Authorization that is passed on, in bytes. Tokens are shorter; common servers
	// refuse a header line above it anyway.
	maxAuthorization = 8 << 10
	// maxID bounds a journal's or entry's id, in bytes, before escaping.
	maxID = 256
	// maxHeader bounds the header of the application's answer, in bytes.
	maxHeader = 64 << 10
	// maxConns is how many questions may be under way at once; more wait, within their time-out. It keeps a burst of
	// uploads from becoming a burst of connections to the application. Bugout bears fewer: Options.BugoutRequests.
	maxConns = 64
	// maxBody and maxDrain bound how much of an answer's body is read, and for how long, so that its connection can be
	// used again. The verdict is known by then: beyond them the connection is given up.
	maxBody  = 64 << 10
	maxDrain = 250 * time.Millisecond
	// maxGrants bounds how many grants are kept.
	maxGrants = 10_000
)

// Options are what [New] can be told; the zero value of each field means its default.
type Options struct {
	// Bugout is the base URL of Bugout's auth server (Brood), for an application that is Bugout's own (Spire): that
	// answers 500 for a bad token. With it, a 500 leads to one more question, GET {brood}/auth with the same
	// Authorization, and a token that Bugout does not know is 401. Default "": callers' tokens go to the application
	// alone.
	Bugout string
	// BugoutRequests holds one element for each request that is under way to Bugout; all who reach the same Bugout are
	// given the same channel. Spire asks Brood about each caller, and Brood stops answering anything, records too, at
	// about ten requests from all its clients. So with Bugout each question takes a place, until it is answered. Whoever
	// waits for one longer than half of the time-out is 503. Required with Bugout, and of no use without.
	BugoutRequests chan struct{}
	// GrantLife is how long a grant is believed without asking again. A right that the application takes away ends that
	// much later. Default 0: it is always asked.
	GrantLife time.Duration

	overrides overrides
}

// overrides are what tests alone change; the zero value of each field means its default.
type overrides struct {
	Timeout   time.Duration
	RootCAs   *x509.CertPool   // who may vouch for an https application; the system's by default
	Now       func() time.Time // measures a Retry-After date and the life of grants
	MaxGrants int
}

// Application asks one application about access. It is safe for concurrent use; make one and keep it, because it holds
// the connections.
type Application struct {
	prefix    string // scheme://host[:port][/base], escaped, without a slash at the end
	timeout   time.Duration
	now       func() time.Time
	transport *http.Transport
	brood     string        // as prefix; "" when nobody but the application is asked
	requests  chan struct{} // Options.BugoutRequests, where there is a brood
	questions questions
	grants    *grants
}

// New returns an Application at baseURL, for example "https://notes.example.com/api".
//
// The URL is one that [baseurl.Parse] takes; it may have a path. New does not connect. o may be nil.
func New(baseURL string, o *Options) (*Application, error) {
	prefix, err := baseurl.Parse("application", baseURL)
	if err != nil {
		return nil, err
	}
	if o == nil {
		o = &Options{}
	}
	if o.GrantLife < 0 {
		return nil, fmt.Errorf("application options: GrantLife %s must not be negative", o.GrantLife)
	}
	a := &Application{prefix: prefix, timeout: cmp.Or(o.overrides.Timeout, DefaultTimeout), now: o.overrides.Now,
		questions: questions{open: map[string]*question{}}}
	if o.Bugout != "" {
		if a.requests = o.BugoutRequests; cap(a.requests) == 0 {
			return nil, errors.New("application options: Bugout without BugoutRequests")
		}
		if a.brood, err = baseurl.Parse("Bugout", o.Bugout); err != nil {
			return nil, err
		}
	}
	if a.now == nil {
		a.now = time.Now
	}
	if o.GrantLife > 0 {
		a.grants = newGrants(o.GrantLife, cmp.Or(o.overrides.MaxGrants, maxGrants), a.now)
	}
	// Connecting goes on behind a question that gave up, so it has time-outs of its own; all the rest is bounded by the
	// question's.
	a.transport = &http.Transport{
		Proxy:                  nil, // on purpose: see the package comment
		DialContext:            (&net.Dialer{Timeout: a.timeout, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.overrides.RootCAs},
		TLSHandshakeTimeout:    a.timeout,
		MaxResponseHeaderBytes: maxHeader,
		MaxConnsPerHost:        maxConns,
		MaxIdleConnsPerHost:    maxConns,
		IdleConnTimeout:        60 * time.Second,
		DisableCompression:     true, // the body is dropped: nothing is to be inflated
	}
	return a, nil
}

// Authorize returns nil when the application grants the caller this entry, which is when it answers 200, and a
// *[Denied] in every other case:
//
//   - its 401, 403, 404 and 429 pass through; its other 4xx are 403;
//   - anything else is 503: another 2xx, a redirect, a 5xx, a time-out, an oversize or broken header, no connection;
//   - without asking: 401 when authorization is empty, longer than 8 KiB or has control characters, and 404 when
//     journal or entry could not be one segment of a path (empty, ".", "..", over 256 bytes, with a slash, backslash or
//     control character). Every other id is escaped.
//
// Callers who wait to ask the same of Bugout's application share one question. When ctx ends first, errors.Is finds its
// error in the Denied.
func (a *Application) Authorize(ctx context.Context, authorization, journal, entry string) error {
	denied := a.authorize(ctx, authorization, journal, entry)
	if denied == nil {
		return nil
	}
	named := *denied // others may be told the same answer
	named.journal, named.entry = journal, entry
	return &named
}

func (a *Application) authorize(ctx context.Context, authorization, journal, entry string) *Denied {
	switch {
	case strings.TrimSpace(authorization) == "":
		return &Denied{Status: http.StatusUnauthorized, Message: "The request has no Authorization header."}
	case len(authorization) > maxAuthorization || hasControl(authorization):
		return &Denied{Status: http.StatusUnauthorized,
			Message: "The Authorization header is too long or has control characters."}
	case !isSegment(journal) || !isSegment(entry):
		return &Denied{Status: http.StatusNotFound, Message: "There is no such journal or entry."}
	case a.grants.has(authorization, journal, entry):
		return nil
	}
	if a.brood == "" && a.grants == nil { // nobody waits for a place, and no answer may be older than its request
		return a.ask(ctx, authorization, journal, entry, func() {})
	}
	// None of the three has a control character, so no two questions are the same text.
	text := strings.Join([]string{authorization, journal, entry}, "\x00")
	return a.questions.ask(ctx, text, func(ctx context.Context, shut func()) *Denied {
		return a.ask(ctx, authorization, journal, entry, shut)
	})
}

// ask asks the application, and where that is Bugout's own, its auth server about a 500. It calls shut when the answer
// would be too old for whoever comes later.
func (a *Application) ask(ctx context.Context, authorization, journal, entry string, shut func()) *Denied {
	if a.brood != "" {
		if denied := a.enter(ctx); denied != nil {
			return denied
		}
		defer func() { <-a.requests }()
	}
	if a.grants == nil {
		shut() // a right may be withdrawn from now on
	}
	status, header, denied := a.get(ctx, a.entryURL(journal, entry), authorization, "the application")
	if denied != nil {
		return denied
	}
	if status == http.StatusInternalServerError && a.brood != "" {
		return a.explain500(ctx, authorization)
	}
	denied = translateStatus(status, header, a.now())
	if denied == nil {
		a.grants.add(authorization, journal, entry)
	}
	return denied
}

// get asks one question with the caller's Authorization and gives the code of the status line and the header; a Denied
// when there is no answer.
func (a *Application) get(ctx context.Context, target, authorization, server string) (int, http.Header, *Denied) {
	asking, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(asking, http.MethodGet, target, nil)
	if err != nil {
		return 0, nil, unavailable("the question could not be put into a URL", nil)
	}
	req.Header.Set("Authorization", authorization)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "hatchery")

	// The transport itself, not an http.Client: it cannot follow a redirect, keep a cookie or add a header of its own.
	resp, err := a.transport.RoundTrip(req)
	if err != nil {
		if ctx.Err() != nil {
			return 0, nil, unavailable("the caller gave up before "+server+" answered", ctx.Err())
		}
		return 0, nil, unavailable(a.describeError(err, server), nil)
	}

	// One byte more than allowed is asked for, because only reading the end gives the connection back. No error here
	// matters: the verdict stands.
	giveUp := time.AfterFunc(maxDrain, cancel)
	defer giveUp.Stop()
	_, _ = io.CopyN(io.Discard, resp.Body, maxBody+1)
	_ = resp.Body.Close()
	return resp.StatusCode, resp.Header, nil
}

// entryURL is the URL that asks about an entry.
func (a *Application) entryURL(journal, entry string) string {
	return a.prefix + "/journals/" + url.PathEscape(journal) + "/entries/" + url.PathEscape(entry)
}

// isSegment tells whether id, once escaped, stays one segment of a path on every server. Escaping does not help against
// these: servers resolve %2E%2E, and some proxies decode %2F and %5C before they route.
func isSegment(id string) bool {
	return id != "" && len(id) <= maxID && id != "." && id != ".." &&
		!strings.ContainsAny(id, `/\`) && !hasControl(id)
}

// hasControl tells whether s has an ASCII control character, a tab among them.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

// describeError says in fixed words what kept an answer from coming. The error's own text is not used: net/http quotes
// there what the other side sent, and that may be the caller's token sent back.
func (a *Application) describeError(err error, server string) string {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var lookup *net.DNSError
	var network *net.OpError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &lookup):
		return server + "'s host name could not be resolved"
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("%s did not answer within %s", server, a.timeout)
	case errors.As(err, &certificate):
		return server + "'s TLS certificate is not trusted"
	case errors.As(err, &record), errors.As(err, &alert):
		return server + " does not speak TLS as it should"
	case errors.Is(err, syscall.ECONNREFUSED):
		return server + " refused the connection"
	case errors.As(err, &network) && network.Op == "dial":
		return server + " could not be reached"
	}
	return server + " broke off, or sent what is not HTTP or too long a header"
}
