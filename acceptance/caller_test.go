//go:build acceptance

package acceptance

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hatchery/shared/upload"
)

// entry is where a caller keeps files: one journal's entry.
type entry struct {
	*stack
	journal, id string
	token       string
}

// newEntry is an entry that nobody else uses.
func (s *stack) newEntry() entry {
	return entry{stack: s, journal: "acceptance", id: entryID(), token: "Bearer demo"}
}

// entryID is an entry's id that was never used before.
func entryID() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// path is where the entry's files of a kind are.
func (e entry) path(kind string, more ...string) string {
	return strings.Join(append([]string{"/files", e.journal, "entries", e.id, kind}, more...), "/")
}

// answer is what the API or the bucket said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) String() string {
	return fmt.Sprintf("%d %v %.600s", a.status, a.header, a.body)
}

// code is the code of a problem.
func (a answer) code() string {
	var problem struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(a.body, &problem) // no problem has no code
	return problem.Code
}

// record is the public form of an upload's record.
type record struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Extension   string         `json:"extension"`
	CreatedAt   string         `json:"created_at"`
	Kind        string         `json:"kind"`
	Status      string         `json:"status"`
	Size        *int64         `json:"size"`
	ContentType string         `json:"content_type"`
	SHA256      string         `json:"sha256"`
	Reason      *upload.Reason `json:"reason"`
	SettledAt   string         `json:"settled_at"`
}

// call asks the API as the entry's caller does. Headers are pairs.
func (e entry) call(ctx context.Context, method, path string, body []byte, headers ...string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, e.api+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if e.token != "" {
		request.Header.Set("Authorization", e.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return e.exchange(request)
}

// exchange sends a request and reads the answer, at most 16 MiB of it.
func (e *emulator) exchange(request *http.Request) (answer, error) {
	response, err := e.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	return answer{response.StatusCode, response.Header, text}, err
}

// want is a call that has to be answered with a status; the answer's JSON goes to
// out, unless that is nil.
func (e entry) want(ctx context.Context, status int, out any, method, path string, body []byte,
	headers ...string) (answer, error) {
	a, err := e.call(ctx, method, path, body, headers...)
	if err != nil {
		return a, err
	}
	if a.status != status {
		return a, fmt.Errorf("%s %s: want %d, but: %s", method, path, status, a)
	}
	if out != nil {
		if err := json.Unmarshal(a.body, out); err != nil {
			return a, fmt.Errorf("%s %s: %w in %s", method, path, err, a)
		}
	}
	return a, nil
}

// post uploads bytes by the POST route and gives the pending record.
func (e entry) post(ctx context.Context, kind, name string, body []byte, headers ...string) (record, error) {
	var r record
	_, err := e.want(ctx, http.StatusAccepted, &r, http.MethodPost, e.path(kind)+"?name="+url.QueryEscape(name), body,
		append([]string{"Content-Type", "application/octet-stream"}, headers...)...)
	return r, err
}

// signedForm is what the form route answers.
type signedForm struct {
	Record record      `json:"record"`
	Form   upload.Form `json:"form"`
}

// form asks for a form.
func (e entry) form(ctx context.Context, kind string, asked map[string]any) (signedForm, error) {
	text, err := json.Marshal(asked)
	if err != nil {
		return signedForm{}, err
	}
	var f signedForm
	_, err = e.want(ctx, http.StatusCreated, &f, http.MethodPost, e.path(kind, "uploads"), text, "Content-Type",
		"application/json")
	return f, err
}

// fill sends bytes to the bucket with a form. Headers are pairs.
func (e entry) fill(ctx context.Context, f upload.Form, body []byte, headers ...string) (answer, error) {
	var text bytes.Buffer
	w := multipart.NewWriter(&text)
	for name, value := range f.Fields {
		if err := w.WriteField(name, value); err != nil {
			return answer{}, err
		}
	}
	part, err := w.CreateFormFile("file", "upload")
	if err != nil {
		return answer{}, err
	}
	_, _ = part.Write(body) // a buffer takes everything
	if err := w.Close(); err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, f.Method, f.URL, &text)
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Content-Type", w.FormDataContentType())
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return e.exchange(request)
}

// verdict waits until an upload is no longer pending.
func (e entry) verdict(ctx context.Context, r record) (record, error) {
	var got record
	var failed error
	err := waitFor(ctx, e.patience, "the verdict on "+r.ID, func() (bool, string) {
		if _, failed = e.want(ctx, http.StatusOK, &got, http.MethodGet, e.path(r.Kind, r.ID, "status")+"?wait=2",
			nil); failed != nil {
			return true, ""
		}
		return got.Status != string(upload.Pending), fmt.Sprintf("%+v", got)
	})
	if failed != nil {
		err = failed
	}
	return got, err
}

// stored waits until an upload is stored.
func (e entry) stored(ctx context.Context, r record) (record, error) {
	got, err := e.verdict(ctx, r)
	if err == nil && got.Status != string(upload.Stored) {
		err = fmt.Errorf("upload %s is %s (%+v), want it stored", r.ID, got.Status, got.Reason)
	}
	return got, err
}

// rejected waits until an upload is rejected for a reason.
func (e entry) rejected(ctx context.Context, r record, code upload.Code) error {
	got, err := e.verdict(ctx, r)
	if err == nil && (got.Status != string(upload.Rejected) || got.Reason == nil || got.Reason.Code != code ||
		got.Reason.Message == "") {
		err = fmt.Errorf("upload %s is %s (%+v), want it rejected as %s", r.ID, got.Status, got.Reason, code)
	}
	return err
}

// check fails the test with an error.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
