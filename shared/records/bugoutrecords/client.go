package bugoutrecords

import (
	"bytes"
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

// Errors that say what kind of trouble there is with Brood.
var (
	// ErrToken: Brood does not know the deployment's token, or not any more.
	ErrToken = errors.New("the deployment's token is not accepted by Bugout: set HATCHERY_BUGOUT_TOKEN to a valid one (hatchery bugout check tells whether it is)")
	// ErrRefused: Brood understood and said no. Asking again is of no use.
	ErrRefused = errors.New("refused by Bugout")

	// ErrDamaged: a resource is an upload's, and holds what no upload has.
	ErrDamaged = errors.New("resource of an upload cannot be read: mend or delete it in Bugout")

	errNonsense = errors.New("the answer is not what Bugout's API gives")
)

// ambiguous is an error after which a change may have been made or not.
type ambiguous struct{ error }

func (e ambiguous) Unwrap() error { return e.error }

func (o Options) withDefaults() Options {
	if o.AtOnce == 0 {
		o.AtOnce = 4
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.MaxBody == 0 {
		o.MaxBody = 64 << 20
	}
	if o.Attempts == 0 {
		o.Attempts = 3
	}
	if o.Pause == nil {
		o.Pause = func(n int) time.Duration { return time.Duration(n) * 100 * time.Millisecond }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Nonce == nil {
		o.Nonce = uuid.NewString
	}
	if o.Transport == nil {
		o.Transport = &http.Transport{DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout: 5 * time.Second, MaxResponseHeaderBytes: 64 << 10, MaxConnsPerHost: o.AtOnce, MaxIdleConnsPerHost: o.AtOnce,
			IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true}
	}
	return o
}

// attempts does something until it is decided: an ambiguous error leads to another
// attempt, as long as there are some and ctx goes on. do is told which one it is,
// from 1.
func (s *Store) attempts(ctx context.Context, do func(n int) error) error {
	for n := 1; ; n++ {
		err := do(n)
		if _, again := errors.AsType[ambiguous](err); !again || n >= s.o.Attempts || ctx.Err() != nil {
			return err
		}
		pause := time.NewTimer(s.o.Pause(n))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return err
		}
	}
}

// do makes one request and reads a 200 into answer. ErrNotFound is Brood's word
// that there is no such resource (or none that the token may see). An ambiguous
// error is one after which the request may be made again, if what it does allows
// for that.
func (s *Store) do(ctx context.Context, method, path string, query url.Values, body, answer any) error {
	_, err := s.ask(ctx, method, path, query, body, answer)
	return err
}

// ask is do, and says with which token it was answered.
func (s *Store) ask(ctx context.Context, method, path string, query url.Values, body, answer any) (token string, err error) {
	if body == nil {
		return s.send(ctx, method, path, query, "", nil, answer)
	}
	text, err := encoded(body)
	if err != nil {
		return "", err
	}
	return s.send(ctx, method, path, query, jsonType, text, answer)
}

const jsonType = "application/json"

func encoded(body any) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("write a request for Bugout: %w", err)
	}
	return text, nil
}

// collection is where resources are listed and created.
const collection = "/resources/"

func itemPath(id string) string { return collection + url.PathEscape(id) }

// newResource is the request that creates a resource.
func (s *Store) newResource(data map[string]string) map[string]any {
	return map[string]any{"application_id": s.o.Application, "resource_data": data}
}

// send is ask with a body in any form; contentType "" is none.
func (s *Store) send(ctx context.Context, method, path string, query url.Values, contentType string, body []byte, answer any) (token string, err error) {
	token, err = s.o.Token(ctx)
	if err != nil {
		return "", fmt.Errorf("find the Bugout token: %w", err)
	}
	err = s.sendAs(ctx, token, method, path, query, contentType, body, answer)
	if !errors.Is(err, ErrToken) || s.o.Renew == nil {
		return token, err
	}
	// Brood has done nothing: whatever it was can be sent again.
	another, renewErr := s.o.Renew(ctx, token)
	if renewErr != nil {
		return token, fmt.Errorf("%w: %w", err, renewErr)
	}
	return another, s.sendAs(ctx, another, method, path, query, contentType, body, answer)
}

// sendAs is send with a token. A creation that went well proves the token's rights.
func (s *Store) sendAs(ctx context.Context, token, method, path string, query url.Values, contentType string, body []byte, answer any) error {
	// Waiting for a place is not part of the request's time.
	if err := s.requests.Acquire(ctx, 1); err != nil {
		return err
	}
	defer s.requests.Release(1)
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()

	target := s.base + path
	if query != nil {
		target += "?" + query.Encode()
	}
	var content io.Reader
	if contentType != "" {
		content = bytes.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, target, content)
	if err != nil {
		return fmt.Errorf("make a request for Bugout: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Accept", "application/json")
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := s.client.Do(request)
	if err != nil {
		if whole.Err() != nil {
			return whole.Err()
		}
		return ambiguous{fmt.Errorf("no answer from Bugout to %s %s: %w", method, path, withoutURL(err))}
	}
	defer response.Body.Close() //nolint:errcheck // what there was to read is read
	text, err := io.ReadAll(io.LimitReader(response.Body, s.o.MaxBody+1))
	switch {
	case err != nil && whole.Err() != nil:
		return whole.Err()
	case err != nil:
		return ambiguous{fmt.Errorf("the answer of Bugout to %s %s breaks off: %w", method, path, err)}
	case int64(len(text)) > s.o.MaxBody:
		return fmt.Errorf("the answer of Bugout to %s %s has more than %d bytes, which is all that is read: lists come in one piece; keep so many records in DynamoDB or SQLite (hatchery migrate --from bugout moves them, and reads up to 1 GiB)", method, path, s.o.MaxBody)
	}
	err = judge(method, path, response.StatusCode, text, answer)
	if err == nil && method == http.MethodPost && path == collection {
		s.proof.keep(token, s.o.Now().Add(proofLife))
	}
	return err
}

// withoutURL takes the request's URL out of an error: its query holds what is kept
// in records.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// judge decides what an answer means.
func judge(method, path string, status int, text []byte, answer any) error {
	said := detailOf(text)
	switch {
	case status == http.StatusOK:
		if answer == nil {
			if !json.Valid(text) {
				return ambiguous{fmt.Errorf("%s %s: %w", method, path, errNonsense)}
			}
			return nil
		}
		if err := json.Unmarshal(text, answer); err != nil {
			return ambiguous{fmt.Errorf("%s %s: %w: %w", method, path, errNonsense, err)}
		}
		return nil
	case status == http.StatusNotFound && (said == "Access token not found" || said == "Access token not active"), status == http.StatusUnauthorized:
		return ErrToken
	case status == http.StatusNotFound && path != collection && strings.HasPrefix(path, collection) && said == "Not Found":
		return upload.ErrNotFound
	case status == http.StatusForbidden && path == collection && said == "Forbidden":
		return fmt.Errorf("%w: the user of the deployment's token is not in the application's group: put the user into that group in Bugout, or set HATCHERY_BUGOUT_TOKEN to a token of a member", ErrRefused)
	case status == http.StatusForbidden && strings.HasPrefix(said, "Restricted token"):
		return fmt.Errorf("%w: the deployment's token is restricted: set HATCHERY_BUGOUT_TOKEN to one that is not (%s %s gives 403 %q)", ErrRefused, method, path, said)
	case status == http.StatusNotFound && path == collection && said == "Not found":
		return fmt.Errorf("%w: it does not know the application; set HATCHERY_BUGOUT_APPLICATION_ID to one of the token's group (hatchery bugout register makes one)", ErrRefused)
	case status >= 500 || status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status == http.StatusNotFound || status < 200:
		// A 404 in other words comes from something in between.
		return ambiguous{fmt.Errorf("answer of Bugout to %s %s: %d %q", method, path, status, said)}
	case status < 300:
		return ambiguous{fmt.Errorf("%s %s gives %d: %w", method, path, status, errNonsense)}
	case status < 400:
		return ambiguous{fmt.Errorf("answer of Bugout to %s %s: %d, and a redirect is never followed with a token: check HATCHERY_BUGOUT_URL", method, path, status)}
	default:
		return fmt.Errorf("%w: %s %s gives %d %q", ErrRefused, method, path, status, said)
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
	var said string
	if json.Unmarshal(body.Detail, &said) == nil {
		return clean(fmt.Sprintf("%.300s", said))
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

// wireList reads resources one at a time and keeps those that match.
type wireList struct {
	match   func(resource) bool
	found   []resource
	damaged []error
	read    bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *wireList) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if first, err := d.Token(); err != nil || first != json.Delim('[') {
		return errNonsense
	}
	for d.More() {
		var w wireResource
		if err := d.Decode(&w); err != nil {
			return err
		}
		r, ok, err := w.resource()
		switch {
		case err != nil:
			l.damaged = append(l.damaged, err)
		case ok && l.match(r):
			l.found = append(l.found, r)
		}
	}
	l.read = true
	return nil
}

// wrap says what was being done.
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}
