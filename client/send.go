package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	// tries is how often a request is sent at most.
	tries = 5
	// firstPause is before the second try; each next one is twice as long. The server's Retry-After goes before it, up
	// to maxPause.
	firstPause = 250 * time.Millisecond
	maxPause   = time.Minute
	// maxSilence is the default of Client.silence. The API needs up to a minute to store a body.
	maxSilence = 90 * time.Second
	// maxJSON bounds an answer: a page of a list is the longest.
	maxJSON = 16 << 20
)

// question is a request, which may be sent several times.
type question struct {
	method, url string
	header      http.Header
	// body gives the body anew for each try; nil is none.
	body func() io.Reader
	size int64
	// public: it is sent without the Authorization.
	public bool
	// redirects: a 302 is an answer to it.
	redirects bool
}

// api is a question to the API.
func (c *Client) api(method, path string, query url.Values) question {
	address := strings.TrimRight(c.URL, "/") + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	return question{method: method, url: address, header: http.Header{}}
}

// repeat calls send until it succeeds or fails for good.
func (c *Client) repeat(ctx context.Context, send func(try int) error) error {
	for try := 1; ; try++ {
		err := send(try)
		pause, again := retry(err, try)
		if !again || ctx.Err() != nil {
			return err
		}
		if c.wait(ctx, pause) != nil {
			return err
		}
	}
}

// retry says whether to send again what failed with err, and after how long.
func retry(err error, try int) (pause time.Duration, again bool) {
	if err == nil || try == tries {
		return 0, false
	}
	// A random part keeps many clients from coming back at once.
	pause = firstPause << (try - 1)
	pause += rand.N(pause / 2) //nolint:gosec // no secret
	if refused, ok := errors.AsType[*Error](err); ok {
		passing := []int{http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
			http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}
		return max(pause, refused.RetryAfter), slices.Contains(passing, refused.Status) && refused.RetryAfter <= maxPause
	}
	_, local := errors.AsType[localError](err)
	return pause, !local && !errors.Is(err, errForeign)
}

func (c *Client) wait(ctx context.Context, d time.Duration) error {
	if c.sleep != nil {
		return c.sleep(ctx, d)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// json sends a question until it is answered, and reads the JSON. record is the one in it, which needs an id, or nil.
func (c *Client) json(ctx context.Context, q question, into any, record *Record) error {
	return c.repeat(ctx, func(int) error { return c.jsonOnce(ctx, q, into, record) })
}

func (c *Client) jsonOnce(ctx context.Context, q question, into any, record *Record) error {
	answer, err := c.once(ctx, q)
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxJSON+1))
	if err != nil {
		return fmt.Errorf("read the answer to %s: %w", q, err)
	}
	if len(text) > maxJSON || json.Unmarshal(text, into) != nil || record != nil && record.ID == "" {
		return fmt.Errorf("%s: %w", q, errForeign)
	}
	return nil
}

// String names a question in errors, without its query: that of a link is a secret.
func (q question) String() string {
	address, _, _ := strings.Cut(q.url, "?")
	return q.method + " " + address
}

// once sends a question one time. An answer that is no success is an *Error. Redirects are not followed.
func (c *Client) once(ctx context.Context, q question) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	idle := cmp.Or(c.silence, maxSilence)
	timer := &silence{time.AfterFunc(idle, func() { cancel(errSilence) }), idle, cancel}
	request, err := c.request(ctx, q, timer)
	if err != nil {
		timer.end()
		return nil, localError{fmt.Errorf("prepare %s: %w", q, err)}
	}
	sender := http.Client{Transport: c.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := sender.Do(request)
	if err != nil {
		if outer, ok := errors.AsType[*url.Error](err); ok {
			err = outer.Err // the outer one has the query
		}
		if errors.Is(context.Cause(ctx), errSilence) {
			err = errSilence
		}
		timer.end()
		return nil, fmt.Errorf("%s: %w", q, err)
	}
	answer.Body = &received{answer.Body, timer, ctx}
	if answer.StatusCode/100 != 2 && !(q.redirects && answer.StatusCode == http.StatusFound) {
		defer answer.Body.Close() //nolint:errcheck // it was only read
		return nil, refusal(answer)
	}
	return answer, nil
}

// request makes the request of one try.
func (c *Client) request(ctx context.Context, q question, timer *silence) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, q.method, q.url, nil)
	if err != nil {
		return nil, errors.New("the address is no URL") // the error has the query
	}
	request.Header = q.header.Clone()
	if !q.public {
		authorization, err := c.Authorization(ctx)
		if err != nil {
			return nil, fmt.Errorf("ask for the Authorization: %w", err)
		}
		request.Header.Set("Authorization", authorization)
	}
	if q.body != nil {
		request.GetBody = func() (io.ReadCloser, error) { return &content{q.body(), q.size, timer}, nil }
		request.Body, _ = request.GetBody()
		request.ContentLength = q.size
	}
	return request, nil
}

// silence ends a request in which nothing moves.
type silence struct {
	timer  *time.Timer
	idle   time.Duration
	cancel context.CancelCauseFunc
}

func (s *silence) moved() { s.timer.Reset(s.idle) }

func (s *silence) end() {
	s.timer.Stop()
	s.cancel(nil)
}

// content is the body of a request.
type content struct {
	io.Reader
	left  int64
	timer *silence
}

func (b *content) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.timer.moved()
	b.left -= int64(n)
	switch {
	case errors.Is(err, io.EOF) && b.left > 0:
		return n, localError{fmt.Errorf("the file became shorter while it was sent: %w", io.ErrUnexpectedEOF)}
	case err != nil && !errors.Is(err, io.EOF):
		return n, localError{err}
	}
	return n, err
}

func (b *content) Close() error { return nil }

// received is the body of an answer.
type received struct {
	io.ReadCloser
	timer *silence
	ctx   context.Context //nolint:containedctx // of this one request, to say why it ended
}

func (b *received) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.timer.moved()
	if err != nil && errors.Is(context.Cause(b.ctx), errSilence) {
		err = errSilence
	}
	return n, err
}

func (b *received) Close() error {
	err := b.ReadCloser.Close()
	b.timer.end()
	return err
}
