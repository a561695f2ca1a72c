package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
)

// postBytes is the largest file that is sent to the API: what a function behind an HTTP API takes.
const postBytes = 4_400_000

// File is a file to upload.
type File struct {
	// Name has the file's extension.
	Name string
	// Content has Size bytes. They are read once more for each try.
	Content io.ReaderAt
	Size    int64
	// SHA256, in hex, lets the server find out what was damaged on its way. It may be "".
	SHA256 string
	// Key is the idempotency key: within 24 hours the same file under the same key is the same upload. Default: a
	// random one for this call.
	Key string
}

// Upload sends a file and gives its record, which is pending as a rule: [Entry.Wait] gives the verdict.
//
// A large file is sent to the bucket, by a form, and so is one that POST does not take (413). An *Error says what was
// refused.
func (e *Entry) Upload(ctx context.Context, f File) (Record, error) {
	f.Key = cmp.Or(f.Key, rand.Text())
	refused := e.client.refused.Load()
	if f.Size <= postBytes && (refused == 0 || f.Size < refused) {
		record, err := e.post(ctx, f)
		if problem, ok := errors.AsType[*Error](err); !ok || problem.Status != http.StatusRequestEntityTooLarge {
			return record, err
		}
		e.client.refused.Store(f.Size)
	}
	return e.byForm(ctx, f)
}

func (f File) body() io.Reader { return io.NewSectionReader(f.Content, 0, f.Size) }

// post sends a file to the API.
func (e *Entry) post(ctx context.Context, f File) (record Record, err error) {
	q := e.client.api(http.MethodPost, e.path, url.Values{"name": {f.Name}})
	q.header.Set("Content-Type", "application/octet-stream")
	q.header.Set("Idempotency-Key", f.Key)
	if sum, err := hex.DecodeString(f.SHA256); err == nil && len(sum) > 0 {
		q.header.Set("Content-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum)+":")
	}
	q.body, q.size = f.body, f.Size
	err = e.client.json(ctx, q, &record, &record)
	return record, err
}

// form is how a file is sent to the bucket.
type form struct {
	URL    string            `json:"url"`
	Fields map[string]string `json:"fields"`
}

// byForm asks for a form and sends a file with it. Each try asks again: a form lives for minutes only.
func (e *Entry) byForm(ctx context.Context, f File) (Record, error) {
	said := map[string]any{"name": f.Name, "size": f.Size}
	if f.SHA256 != "" {
		said["sha256"] = f.SHA256
	}
	text, err := json.Marshal(said)
	if err != nil {
		return Record{}, fmt.Errorf("ask for a form: %w", err)
	}
	ask := e.client.api(http.MethodPost, e.path+"/uploads", nil)
	ask.header.Set("Content-Type", "application/json")
	ask.header.Set("Idempotency-Key", f.Key)
	ask.body, ask.size = func() io.Reader { return bytes.NewReader(text) }, int64(len(text))
	var begun struct {
		Record Record `json:"record"`
		Form   *form  `json:"form"` // null: the upload has its verdict
	}
	err = e.client.repeat(ctx, func(int) error {
		begun.Form = nil
		if err := e.client.jsonOnce(ctx, ask, &begun, &begun.Record); err != nil || begun.Form == nil {
			return err
		}
		send, err := begun.Form.question(f)
		if err != nil {
			return localError{err}
		}
		answer, err := e.client.once(ctx, send)
		if err != nil {
			return err
		}
		return answer.Body.Close()
	})
	return begun.Record, err
}

// question sends a file with the form. The file is the last part: the bucket ignores what follows it.
func (m *form) question(f File) (question, error) {
	var around bytes.Buffer
	w := multipart.NewWriter(&around)
	var err error
	for name, value := range m.Fields {
		err = errors.Join(err, w.WriteField(name, value))
	}
	if _, partErr := w.CreateFormFile("file", "file"); partErr != nil {
		err = errors.Join(err, partErr)
	}
	before := bytes.Clone(around.Bytes())
	around.Reset()
	if err = errors.Join(err, w.Close()); err != nil {
		return question{}, fmt.Errorf("write the form: %w", err)
	}
	after := around.Bytes()
	q := question{method: http.MethodPost, url: m.URL, public: true,
		header: http.Header{"Content-Type": {w.FormDataContentType()}}, size: int64(len(before)+len(after)) + f.Size}
	q.body = func() io.Reader { return io.MultiReader(bytes.NewReader(before), f.body(), bytes.NewReader(after)) }
	return q, nil
}
