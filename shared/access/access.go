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

// Bounds that nobody has needed to change yet.
const (
	// maxAuthorization is the longest Authorization that is passed on, in bytes.
	// Tokens are shorter; common servers refuse a header line above it anyway.
	maxAuthorization = 8 << 10
	// maxID bounds a journal's or entry's id, in bytes, before escaping.
	maxID = 256
	// maxHeader bounds the header of the application's answer, in bytes.
	maxHeader = 64 << 10
	// maxConns is how many questions may be under way at once; more wait, within
	// their time-out. It keeps a burst of uploads from becoming a burst of
	// connections to the application. Brood bears fewer: Options.BroodAtOnce.
	maxConns = 64
	// maxDrain is how long the body of an answer is read so that its connection
	// can be used again. The verdict is known by then: waiting longer would only
	// delay the caller, so the connection is given up instead.
	maxDrain = 250 * time.Millisecond
)

// Defaults of [Options].
const (
	DefaultTimeout     = 5 * time.Second
	DefaultMaxBody     = 64 << 10
	DefaultMaxGrants   = 10_000
	DefaultBroodAtOnce = 4
)

// Options are what [New] can be told; the zero value of each field means its default.
type Options struct {
	// Timeout bounds one whole question: waiting for a connection, name lookup,
	// connecting, TLS, and the header of the answer. Default 5 s. Much shorter
	// and a cold application refuses its users; much longer and a dead one holds
	// every upload until the caller gives up.
	Timeout time.Duration
	// MaxBody is how many bytes of an answer's body are read (and dropped) so
	// that the connection can be used again; a longer body costs its connection.
	// Default 64 KiB.
	MaxBody int64
	// RootCAs are the certificate authorities that may vouch for an https
	// application. Default nil: the system's.
	RootCAs *x509.CertPool
	// Now is the clock that a Retry-After date is measured with, and the life of
	// grants. Default time.Now.
	Now func() time.Time
	// Brood is the base URL of Bugout's auth server, for an application that is
	// Bugout's own (Spire): that answers 500 for a bad token. With it, a 500 leads to
	// one more question, GET {brood}/auth with the same Authorization, and a token
	// that Brood does not know is 401. Default "": callers' tokens go to the
	// application alone.
	Brood string
	// BroodAtOnce is how many of those further questions may be under way. Anybody
	// with made-up tokens can cause them, and Brood stops answering anything, records
	// too, at about ten requests from all its clients. Others wait for at most half of
	// Timeout; who has no turn by then is 503. Default 4.
	BroodAtOnce int
	// GrantLife is how long a grant is believed without asking again. A right that
	// the application takes away ends that much later. Default 0: it is always asked.
	GrantLife time.Duration
	// MaxGrants bounds how many grants are kept. Default 10,000.
	MaxGrants int
}

// Application asks one application about access. It is safe for concurrent use;
// make one and keep it, because it holds the connections.
type Application struct {
	prefix    string // scheme://host[:port][/base], escaped, without a slash at the end
	timeout   time.Duration
	maxBody   int64
	now       func() time.Time
	transport *http.Transport
	brood     string        // as prefix; "" when nobody but the application is asked
	turns     chan struct{} // holds one for each question to Brood that is under way
	grants    *grants
}

// New returns an Application at baseURL, for example "https://notes.example.com/api".
//
// The URL is one that [baseurl.Parse] takes; it may have a path.
//
// New does not connect. o may be nil.
func New(baseURL string, o *Options) (*Application, error) {
	prefix, err := baseurl.Parse("application", baseURL)
	if err != nil {
		return nil, err
	}
	if o == nil {
		o = &Options{}
	}
	if o.Timeout < 0 || o.MaxBody < 0 || o.GrantLife < 0 || o.MaxGrants < 0 || o.BroodAtOnce < 0 {
		return nil, fmt.Errorf("application options: Timeout %s, MaxBody %d, GrantLife %s, MaxGrants %d and BroodAtOnce %d must not be negative",
			o.Timeout, o.MaxBody, o.GrantLife, o.MaxGrants, o.BroodAtOnce)
	}
	a := &Application{prefix: prefix, timeout: o.Timeout, maxBody: o.MaxBody, now: o.Now,
		turns: make(chan struct{}, cmp.Or(o.BroodAtOnce, DefaultBroodAtOnce))}
	if o.Brood != "" {
		if a.brood, err = baseurl.Parse("Bugout", o.Brood); err != nil {
			return nil, err
		}
	}
	if a.timeout == 0 {
		a.timeout = DefaultTimeout
	}
	if a.maxBody == 0 {
		a.maxBody = DefaultMaxBody
	}
	if a.now == nil {
		a.now = time.Now
	}
	if o.GrantLife > 0 {
		if a.grants, err = newGrants(o.GrantLife, cmp.Or(o.MaxGrants, DefaultMaxGrants), a.now); err != nil {
			return nil, err
		}
	}
	// Connecting goes on behind a question that gave up, so it has time-outs of its
	// own; all the rest is bounded by the question's.
	a.transport = &http.Transport{
		Proxy:                  nil, // on purpose: see the package comment
		DialContext:            (&net.Dialer{Timeout: a.timeout, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs},
		TLSHandshakeTimeout:    a.timeout,
		MaxResponseHeaderBytes: maxHeader,
		MaxConnsPerHost:        maxConns,
		MaxIdleConnsPerHost:    maxConns,
		IdleConnTimeout:        60 * time.Second,
		DisableCompression:     true, // the body is dropped: nothing is to be inflated
	}
	return a, nil
}

// Allow returns nil when the application grants the caller this entry, which is
// when it answers 200, and a *[Denied] in every other case:
//
//   - its 401, 403, 404 and 429 pass through; its other 4xx are 403;
//   - anything else is 503: another 2xx, a redirect, a 5xx, a time-out, an
//     oversize or broken header, no connection;
//   - without asking: 401 when authorization is empty, longer than 8 KiB or has
//     control characters, and 404 when journal or entry could not be one segment
//     of a path (empty, ".", "..", over 256 bytes, with a slash, backslash or
//     control character). Every other id is escaped.
//
// When ctx ends first, errors.Is finds its error in the Denied. The status line
// decides: the body is not looked at, and is dropped within a bound.
func (a *Application) Allow(ctx context.Context, authorization, journal, entry string) error {
	if denied := a.ask(ctx, authorization, journal, entry); denied != nil {
		denied.journal, denied.entry = journal, entry
		return denied
	}
	return nil
}

func (a *Application) ask(ctx context.Context, authorization, journal, entry string) *Denied {
	switch {
	case strings.TrimSpace(authorization) == "":
		return &Denied{Status: http.StatusUnauthorized, Message: "The request has no Authorization header."}
	case len(authorization) > maxAuthorization || hasControl(authorization):
		return &Denied{Status: http.StatusUnauthorized, Message: "The Authorization header is too long or has control characters."}
	case !isSegment(journal) || !isSegment(entry):
		return &Denied{Status: http.StatusNotFound, Message: "There is no such journal or entry."}
	}

	if a.grants.has(authorization, journal, entry) {
		return nil
	}
	status, header, denied := a.get(ctx, a.question(journal, entry), authorization, "the application")
	if denied != nil {
		return denied
	}
	if status == http.StatusInternalServerError && a.brood != "" {
		return a.whyInternal(ctx, authorization)
	}
	denied = verdict(status, header, a.now())
	if denied == nil {
		a.grants.add(authorization, journal, entry)
	}
	return denied
}

// get asks one question with the caller's Authorization and gives the status line's
// code and the header; a Denied when there is no answer.
func (a *Application) get(ctx context.Context, target, authorization, whom string) (int, http.Header, *Denied) {
	asking, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(asking, http.MethodGet, target, nil)
	if err != nil {
		return 0, nil, unavailable("the question could not be put into a URL", nil)
	}
	req.Header.Set("Authorization", authorization)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "hatchery")

	// The transport itself, not an http.Client: it cannot follow a redirect,
	// keep a cookie or add a header of its own.
	resp, err := a.transport.RoundTrip(req)
	if err != nil {
		if ctx.Err() != nil {
			return 0, nil, unavailable("the caller gave up before "+whom+" answered", ctx.Err())
		}
		return 0, nil, unavailable(a.trouble(err, whom), nil)
	}

	// Drop the body, so that the connection is used again, but within a bound of
	// bytes and of time. One byte more than allowed is asked for, because only
	// reading the end gives the connection back. No error here matters: the
	// verdict stands.
	giveUp := time.AfterFunc(maxDrain, cancel)
	defer giveUp.Stop()
	_, _ = io.CopyN(io.Discard, resp.Body, a.maxBody+1)
	_ = resp.Body.Close()
	return resp.StatusCode, resp.Header, nil
}

// question is the URL that asks about an entry.
func (a *Application) question(journal, entry string) string {
	return a.prefix + "/journals/" + url.PathEscape(journal) + "/entries/" + url.PathEscape(entry)
}

// isSegment tells whether id, once escaped, stays one segment of a path on every
// server. Escaping does not help against these: servers resolve %2E%2E, and some
// proxies decode %2F and %5C before they route.
func isSegment(id string) bool {
	return id != "" && len(id) <= maxID && id != "." && id != ".." &&
		!strings.ContainsAny(id, `/\`) && !hasControl(id)
}

// hasControl tells whether s has an ASCII control character, a tab among them.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r == 0x7f })
}

// trouble says in fixed words what kept an answer from coming. The error's own
// text is not used: net/http quotes there what the other side sent, and that may
// be the caller's token sent back.
func (a *Application) trouble(err error, whom string) string {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var lookup *net.DNSError
	var network *net.OpError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &lookup):
		return whom + "'s host name could not be resolved"
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("%s did not answer within %s", whom, a.timeout)
	case errors.As(err, &certificate):
		return whom + "'s TLS certificate is not trusted"
	case errors.As(err, &record), errors.As(err, &alert):
		return whom + " does not speak TLS as it should"
	case errors.Is(err, syscall.ECONNREFUSED):
		return whom + " refused the connection"
	case errors.As(err, &network) && network.Op == "dial":
		return whom + " could not be reached"
	default:
		return whom + " broke off, or sent what is not HTTP or too long a header"
	}
}
