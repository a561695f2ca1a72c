package client_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"time"

	"hatchery/client"
	"hatchery/shared/access"
	"hatchery/shared/api"
	"hatchery/shared/policy"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

const token = "Bearer canary"

// gif is the smallest one; tiny is that with more behind it, which is refused.
const gif = "GIF87a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

// bmp makes a picture of about so many bytes.
func bmp(size int) string {
	const side = 1000
	rows := size / (side * 3)
	le := func(n int) string { return string([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}) }
	pixels := rows * side * 3
	return "BM" + le(54+pixels) + le(0) + le(54) + le(40) + le(side) + le(rows) + "\x01\x00\x18\x00" + le(0) + le(pixels) +
		le(0) + le(0) + le(0) + le(0) + strings.Repeat("\x7f", pixels)
}

func sha(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// fixture is the real API over memory stores, its bucket, and a client of it. What is uploaded is judged at once.
type fixture struct {
	records *uploadtest.Records
	objects *uploadtest.Objects
	client  *client.Client
	entry   *client.Entry

	// onAPI and onBucket may answer the nth request to each in its place, from 1 on.
	onAPI, onBucket func(n int, w http.ResponseWriter, r *http.Request, next http.Handler)

	mu     sync.Mutex
	asked  []string // "METHOD path" of what came to the API, "bucket METHOD" to the bucket
	leaked []string // requests to others than the API that had the token
	slept  []time.Duration
	ids    int
}

// newFixture makes one; end closes it.
func newFixture(change ...func(*api.Config)) (f *fixture, end func()) {
	f = &fixture{records: uploadtest.NewRecords(uploadtest.RecordsOptions{Swap: true}), objects: uploadtest.NewObjects()}
	pipeline := &upload.Pipeline{Policy: policy.Default(), Layout: upload.DefaultLayout, Records: f.records,
		Objects: f.objects, Now: time.Now, NewID: f.newID, TombstoneLife: upload.DefaultTombstoneLife}
	f.objects.Notify(func(a uploadtest.Arrival) {
		if _, err := pipeline.Validate(context.Background(), a.Key, a.Version); err != nil {
			panic(err)
		}
	})
	spool, err := os.MkdirTemp("", "client")
	if err != nil {
		panic(err)
	}
	config := api.Config{Pipeline: pipeline, Downloads: f.objects, Forms: f.objects, Authorizer: f,
		MaxWait: api.MaxWait, SpoolDir: spool}
	for _, c := range change {
		c(&config)
	}
	handler, err := api.New(config)
	if err != nil {
		panic(err)
	}
	ofAPI := httptest.NewServer(f.hooked("", handler, func() hook { return f.onAPI }))
	ofBucket := httptest.NewServer(f.hooked("bucket ", http.HandlerFunc(f.bucket), func() hook { return f.onBucket }))
	f.client = &client.Client{URL: "https://api.test/", Authorization: client.Token(token),
		Transport: network{"api.test": ofAPI.Listener.Addr().String(), "bucket.test": ofBucket.Listener.Addr().String()}}
	f.client.SetSleep(func(_ context.Context, d time.Duration) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.slept = append(f.slept, d)
		return nil
	})
	f.entry = f.client.Entry("j", "e", "images")
	return f, func() {
		ofAPI.Close()
		ofBucket.Close()
		_ = os.RemoveAll(spool)
	}
}

type hook = func(n int, w http.ResponseWriter, r *http.Request, next http.Handler)

// hooked notes each request and lets a test answer it.
func (f *fixture) hooked(mark string, next http.Handler, on func() hook) http.Handler {
	n := 0
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		n++
		this := n
		f.asked = append(f.asked, mark+r.Method+" "+r.URL.Path)
		if mark != "" && r.Header.Get("Authorization") != "" {
			f.leaked = append(f.leaked, r.Method+" "+r.URL.Path)
		}
		f.mu.Unlock()
		if on := on(); on != nil {
			on(this, w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// bucket takes forms and serves links.
func (f *fixture) bucket(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		data, ok := f.objects.Bytes(upload.Key(r.URL.Path[1:]), upload.Version(r.URL.Query().Get("versionId")))
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
		return
	}
	if err := r.ParseMultipartForm(16 << 20); err != nil || r.MultipartForm.File["file"] == nil {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, "<?xml version=\"1.0\"?><Error><Code>MalformedPOSTRequest</Code><Message>No.</Message></Error>")
		return
	}
	file, err := r.MultipartForm.File["file"][0].Open()
	if err != nil {
		panic(err)
	}
	data, err := io.ReadAll(file)
	if err != nil {
		panic(err)
	}
	f.objects.Post(upload.Key(r.FormValue("key")), data)
	w.WriteHeader(http.StatusNoContent)
}

func (f *fixture) newID() (upload.ID, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ids++
	return upload.ID(fmt.Sprintf("00000000-0000-7000-8000-%012d", f.ids)), nil
}

// Authorize lets one token in.
func (f *fixture) Authorize(_ context.Context, authorization, _, _ string) error {
	if authorization != token {
		return &access.Denied{Status: http.StatusForbidden, Message: "No."}
	}
	return nil
}

// requests gives what was asked since the last call.
func (f *fixture) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.asked
	f.asked = nil
	return asked
}

// network sends the requests for some hosts to addresses of this machine.
type network map[string]string

func (n network) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	address, ok := n[r.URL.Host]
	if !ok {
		return nil, fmt.Errorf("no such host: %s", r.URL.Host)
	}
	r.URL.Scheme, r.URL.Host = "http", address
	return http.DefaultTransport.RoundTrip(r)
}

// file is a picture to upload.
func file(name, text string) client.File {
	return client.File{Name: name, Content: strings.NewReader(text), Size: int64(len(text)), SHA256: sha(text)}
}
