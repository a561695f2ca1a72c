package bugoutrecords

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"hatchery/shared/upload"
)

// Errors by which callers tell what is wrong with Brood or with what it keeps.
var (
	// ErrToken: Brood does not know the deployment's token, or not any more.
	ErrToken = errors.New("the deployment's token is not accepted by Bugout: set HATCHERY_BUGOUT_TOKEN to a valid one " +
		"(hatchery bugout check tells whether it is)")
	// ErrRefused: Brood understood and said no. Asking again is of no use.
	ErrRefused = errors.New("refused by Bugout")
	// ErrBusy: Brood was not asked, because as many requests were under way all the time as may be.
	ErrBusy = errors.New("too many requests to Bugout are under way")

	// ErrDamaged: a resource is an upload's, and holds what no upload has.
	ErrDamaged = errors.New("resource of an upload cannot be read: mend or delete it in Bugout")

	errUnexpected = errors.New("the answer is not what Bugout's API gives")
)

// ambiguous is an error after which a change may have been made or not.
type ambiguous struct{ error }

func (e ambiguous) Unwrap() error { return e.error }

func (o Options) withDefaults() Options {
	if cap(o.Requests) == 0 {
		o.Requests = make(chan struct{}, 4)
	}
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	o.MaxBody = cmp.Or(o.MaxBody, 64<<20)
	o.Attempts = cmp.Or(o.Attempts, 3)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.pause == nil {
		o.pause = func(n int) time.Duration { return time.Duration(n) * 100 * time.Millisecond }
	}
	if o.nonce == nil {
		o.nonce = uuid.NewString
	}
	if o.transport == nil {
		o.transport = &http.Transport{DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout: 5 * time.Second, MaxResponseHeaderBytes: 64 << 10, MaxConnsPerHost: cap(o.Requests),
			MaxIdleConnsPerHost: cap(o.Requests), IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true}
	}
	return o
}

// attempts does something until it is decided: an ambiguous error leads to another attempt,
// as long as there are some and ctx goes on. do gets the number of the attempt, from 1.
func (s *Store) attempts(ctx context.Context, do func(n int) error) error {
	for n := 1; ; n++ {
		err := do(n)
		if _, again := errors.AsType[ambiguous](err); !again || n >= s.o.Attempts || ctx.Err() != nil {
			return err
		}
		pause := time.NewTimer(s.o.pause(n))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return err
		}
	}
}

const (
	// collection is where resources are listed and created.
	collection = "/resources/"
	// applications is where applications are registered.
	applications = "/applications"
)

func itemPath(id string) string { return collection + url.PathEscape(id) }

// newResource is the request that creates a resource.
func (s *Store) newResource(data map[string]string) map[string]any {
	return map[string]any{"application_id": s.o.Application, "resource_data": data}
}

// do makes one request, with a body that is nil, a form (url.Values) or anything to be
// written as JSON, and reads a 200 into answer. ErrNotFound is Brood's word that there is no
// such resource (or none that the token may see). An ambiguous error is one after which the
// request may be made again, if what it does allows for that.
func (s *Store) do(ctx context.Context, method, path string, query url.Values, body, answer any) error {
	_, err := s.ask(ctx, method, path, query, body, answer)
	return err
}

// ask is do, and gives the token that the request was made with.
func (s *Store) ask(ctx context.Context, method, path string, query url.Values, body, answer any) (token string,
	err error) {
	token, err = s.o.Token(ctx)
	if err != nil {
		return "", fmt.Errorf("find the Bugout token: %w", err)
	}
	err = s.askAs(ctx, token, method, path, query, body, answer)
	if !errors.Is(err, ErrToken) || s.o.Renew == nil {
		return token, err
	}
	// Brood has done nothing: whatever it was can be sent again.
	another, renewErr := s.o.Renew(ctx, token)
	if renewErr != nil {
		return token, fmt.Errorf("%w: %w", err, renewErr)
	}
	return another, s.askAs(ctx, another, method, path, query, body, answer)
}

// askAs is ask with a token. A creation that went well proves the token's rights.
func (s *Store) askAs(ctx context.Context, token, method, path string, query url.Values, body, answer any) error {
	target := s.base + path
	if query != nil {
		target += "?" + query.Encode()
	}
	request, err := newRequest(ctx, method, target, body)
	if err != nil {
		return fmt.Errorf("make a request for Bugout: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Accept", "application/json")
	// Waiting for a place is not part of the request's time.
	if err := s.enter(ctx, s.o.Requests); err != nil {
		return err
	}
	defer func() { <-s.o.Requests }()
	proved := s.proof.begin()
	limited, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	response, err := s.client.Do(request.WithContext(limited))
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return ambiguous{fmt.Errorf("no answer from Bugout to %s %s: %w", method, path, withoutURL(err))}
	}
	defer response.Body.Close() //nolint:errcheck // what there was to read is read
	text, err := io.ReadAll(io.LimitReader(response.Body, s.o.MaxBody+1))
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return ambiguous{fmt.Errorf("the answer of Bugout to %s %s breaks off: %w", method, path, err)}
	case int64(len(text)) > s.o.MaxBody:
		return fmt.Errorf("the answer of Bugout to %s %s has more than %d bytes, which is all that is read: lists come "+
			"in one piece; keep so many records in DynamoDB or SQLite (hatchery migrate --from bugout moves them, and "+
			"reads up to 1 GiB)", method, path, s.o.MaxBody)
	}
	err = judge(method, path, response, text, answer)
	switch {
	case err == nil && method == http.MethodPost && path == collection:
		s.proof.keep(proved, token, s.o.Now().Add(proofLife))
	case errors.Is(err, ErrToken) || errors.Is(err, ErrRefused):
		s.proof.end()
	}
	return err
}

// enter waits for a place in a channel, for as long as a request may take.
func (s *Store) enter(ctx context.Context, places chan struct{}) error {
	wait := time.NewTimer(s.o.Timeout)
	defer wait.Stop()
	select {
	case places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-wait.C:
		return ambiguous{fmt.Errorf("%w: none of %d ended within %s", ErrBusy, cap(places), s.o.Timeout)}
	}
}

func newRequest(ctx context.Context, method, target string, body any) (*http.Request, error) {
	var content []byte
	var contentType string
	switch body := body.(type) {
	case nil:
		return http.NewRequestWithContext(ctx, method, target, nil)
	case url.Values:
		content, contentType = []byte(body.Encode()), "application/x-www-form-urlencoded"
	default:
		var err error
		if content, err = json.Marshal(body); err != nil {
			return nil, err
		}
		contentType = "application/json"
	}
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(content))
	if err == nil {
		request.Header.Set("Content-Type", contentType)
	}
	return request, err
}

// withoutURL takes the request's URL out of an error: its query holds what is kept
// in records.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// judge decides what a response means.
func judge(method, path string, response *http.Response, text []byte, answer any) error {
	status, detail := response.StatusCode, detailOf(text)
	refused := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
	}
	switch {
	case status == http.StatusOK:
		if answer == nil {
			answer = new(json.RawMessage)
		}
		if err := json.Unmarshal(text, answer); err != nil {
			return ambiguous{fmt.Errorf("%s %s: %w: %w", method, path, errUnexpected, err)}
		}
		return nil
	case status == http.StatusNotFound && (detail == "Access token not found" || detail == "Access token not active"),
		status == http.StatusUnauthorized:
		return ErrToken
	case status == http.StatusNotFound && path != collection && strings.HasPrefix(path, collection) &&
		detail == "Not Found":
		return upload.ErrNotFound
	case status == http.StatusForbidden && path == collection && detail == "Forbidden":
		return refused("the user of the deployment's token is not in the application's group: put the user into that " +
			"group in Bugout, or set HATCHERY_BUGOUT_TOKEN to a token of a member")
	case status == http.StatusForbidden && strings.HasPrefix(detail, "Restricted token"):
		return refused("the deployment's token is restricted: set HATCHERY_BUGOUT_TOKEN to one that is not "+
			"(%s %s gives 403 %q)", method, path, detail)
	case status == http.StatusNotFound && path == collection && detail == "Not found":
		return refused("it does not know the application; set HATCHERY_BUGOUT_APPLICATION_ID to one of the token's " +
			"group (hatchery bugout register makes one)")
	case status == http.StatusNotFound && path == applications && strings.HasPrefix(detail, "No group"):
		return refused("there is no such group, or the user of the deployment's token is not in it: give the id of one " +
			"of the user's own groups")
	case status == http.StatusMethodNotAllowed:
		return refused("what answers takes no %s of %s (405; it allows %.100s): check HATCHERY_BUGOUT_URL, and what stands "+
			"between here and Bugout", method, path, cmp.Or(clean(response.Header.Get("Allow")), "no method that it names"))
	case status >= 500 || status == http.StatusRequestTimeout || status == http.StatusTooManyRequests ||
		status == http.StatusNotFound || status < 200:
		// A 404 in other words comes from something in between.
		return ambiguous{fmt.Errorf("answer of Bugout to %s %s: %d %q", method, path, status, detail)}
	case status < 300:
		return ambiguous{fmt.Errorf("%s %s gives %d: %w", method, path, status, errUnexpected)}
	case status < 400:
		return ambiguous{fmt.Errorf("answer of Bugout to %s %s: %d, and a redirect is never followed with a token: "+
			"check HATCHERY_BUGOUT_URL", method, path, status)}
	default:
		return refused("%s %s gives %d %q", method, path, status, detail)
	}
}

// detailOf reads the detail of an error: a text, or of a 422 a list.
func detailOf(text []byte) string {
	var body struct {
		Detail json.RawMessage `json:"detail"`
	}
	if len(text) > 64<<10 || json.Unmarshal(text, &body) != nil {
		return ""
	}
	var detail string
	if json.Unmarshal(body.Detail, &detail) == nil {
		return clean(fmt.Sprintf("%.300s", detail))
	}
	var list []struct {
		Where []any  `json:"loc"`
		What  string `json:"msg"`
	}
	if json.Unmarshal(body.Detail, &list) != nil || len(list) == 0 {
		return ""
	}
	return clean(fmt.Sprintf("%.100s: %.200s", fmt.Sprint(list[0].Where), list[0].What))
}
