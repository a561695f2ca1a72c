package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"hatchery/shared/access"
	"hatchery/shared/api"
	"hatchery/shared/policy"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// canary is the caller's token: it may be found in nothing that the handler
// writes.
const canary = "canary-5b1f0e"

// What a fixture holds from the beginning, all in journal j, entry e, kind images.
const (
	idStored   = "00000000-0000-7000-8000-000000000001"
	idPending  = "00000000-0000-7000-8000-000000000002"
	idRejected = "00000000-0000-7000-8000-000000000003"
	idDeleted  = "00000000-0000-7000-8000-000000000004"
	idLost     = "00000000-0000-7000-8000-000000000005" // stored, its bytes gone
	idNamed    = "00000000-0000-7000-8000-000000000006" // stored, a name beyond ASCII, in entry named
	idLarge    = "00000000-0000-7000-8000-000000000007" // stored, in entry large
	idAbsent   = "00000000-0000-7000-8000-0000000000ff"
	idNew      = "00000000-0000-7000-8000-000000001001" // what the first new upload gets
)

const (
	files      = "/files/j/entries/e/images"
	stored     = "0123456789abcdefghij" // the bytes of idStored
	storedHash = "b5a6f1b8b5e3a2bd6d4a4a5f6c4b7d7d5fd3f3b6f9f0c5b1b0a1c2d3e4f50617"
	largeSize  = 3000
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 437163000, time.UTC)

// fixture is a handler over memory stores.
type fixture struct {
	t        testing.TB
	config   api.Config
	records  *uploadtest.Records
	objects  *uploadtest.Objects
	pipeline *upload.Pipeline
	handler  http.Handler
	log      *safeBuffer
	clock    *uploadtest.Clock

	mu    sync.Mutex
	ids   int
	asked int // how often Authorize was called
}

// safeBuffer is a log that may be written while it is read.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// newFixture makes a fixture; change adjusts the handler's configuration.
func newFixture(t testing.TB, change ...func(*fixture)) *fixture {
	t.Helper()
	w := &fixture{t: t, clock: uploadtest.NewClock(start),
		records: uploadtest.NewRecords(uploadtest.RecordsOptions{Swap: true}),
		objects: uploadtest.NewObjects(), log: &safeBuffer{}}
	w.pipeline = &upload.Pipeline{Policy: policy.Default(), Layout: upload.DefaultLayout, Records: w.records,
		Objects: w.objects,
		Now:     w.clock.Now, NewID: w.newID, TombstoneLife: upload.DefaultTombstoneLife}
	w.config = api.Config{Pipeline: w.pipeline, Downloads: w.objects, Forms: w.objects, Authorizer: w,
		MaxWait: api.MaxWait, Now: w.clock.Now, RequestID: func(*http.Request) string { return "request-1" },
		Log: slog.New(slog.NewJSONHandler(w.log, nil))}
	for _, f := range change {
		f(w)
	}
	if w.config.SpoolDir == "" {
		w.config.SpoolDir = t.TempDir()
	}
	handler, err := api.New(w.config)
	if err != nil {
		t.Fatal(err)
	}
	w.handler = handler
	w.seed()
	return w
}

func (w *fixture) newID() (upload.ID, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids++
	return upload.ID(fmt.Sprintf("00000000-0000-7000-8000-%012d", 1000+w.ids)), nil
}

// Authorize answers by the token: what follows "Bearer " chooses the answer.
func (w *fixture) Authorize(_ context.Context, authorization, journal, entry string) error {
	w.mu.Lock()
	w.asked++
	w.mu.Unlock()
	switch strings.TrimPrefix(authorization, "Bearer ") {
	case canary:
		return nil
	case "401":
		return &access.Denied{Status: 401, Message: "The application does not accept this Authorization."}
	case "403":
		return &access.Denied{Status: 403, Message: "No."}
	case "404":
		return &access.Denied{Status: 404, Message: "No such entry."}
	case "429":
		return &access.Denied{Status: 429, Message: "Slower.", RetryAfter: 7 * time.Second}
	case "503":
		return &access.Denied{Status: 503, Message: "The application gave no answer.",
			Detail: "connection refused by internal-host"}
	case "302":
		return &access.Denied{Status: 302, Message: "Odd."}
	case "broken":
		return errors.New("secret internals of the authorizer")
	case "panic":
		panic("secret internals of a panic")
	}
	return &access.Denied{Status: 403, Message: "No."}
}

func ref(entry, id string) upload.Ref {
	return upload.Ref{Journal: "j", Entry: upload.Entry(entry), Kind: "images", ID: upload.ID(id)}
}

func (w *fixture) seed() {
	w.create(ref("e", idStored), "cat", start)
	w.store(ref("e", idStored), []byte(stored), "image/png")
	w.create(ref("e", idPending), "wait", start.Add(time.Second))
	w.create(ref("e", idRejected), "mislabelled", start.Add(2*time.Second))
	w.settle(ref("e", idRejected),
		upload.Verdict{Status: upload.Rejected, Version: "q1", At: start.Add(time.Minute), Size: 9,
			Reason: &upload.Reason{Code: upload.TypeMismatch, Message: "The file is no png."}})
	w.create(ref("e", idDeleted), "gone", start.Add(3*time.Second))
	if _, err := w.records.Update(w.t.Context(), ref("e", idDeleted),
		upload.Delete(start, start.Add(time.Hour))); err != nil {
		w.t.Fatal(err)
	}
	w.create(ref("e", idLost), "lost", start.Add(4*time.Second))
	w.settle(ref("e", idLost),
		upload.Verdict{Status: upload.Stored, Version: "q1", Served: "v-lost", At: start.Add(time.Minute), Size: 5,
			ContentType: "image/png", SHA256: storedHash})
	w.create(ref("named", idNamed), "katze_größe", start)
	w.store(ref("named", idNamed), []byte("\x00\x01\x02"), "image/gif")
	w.create(ref("large", idLarge), "large", start)
	w.store(ref("large", idLarge), bytes.Repeat([]byte("L"), largeSize), "image/jpeg")
}

func (w *fixture) create(r upload.Ref, name string, at time.Time) {
	w.t.Helper()
	_, err := w.records.Create(w.t.Context(), upload.Record{ID: r.ID, Journal: r.Journal, Entry: r.Entry, Kind: r.Kind,
		Name: name, Extension: "png", CreatedAt: at, Status: upload.Pending}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *fixture) settle(r upload.Ref, v upload.Verdict) {
	w.t.Helper()
	if _, err := w.records.Update(w.t.Context(), r, upload.Settle(v)); err != nil {
		w.t.Fatal(err)
	}
}

// settleStored settles a record whose bytes nobody asks for.
func (w *fixture) settleStored(r upload.Ref) {
	w.t.Helper()
	w.settle(r, upload.Verdict{Status: upload.Stored, Version: "q1", Served: "f1", At: start.Add(time.Minute),
		Size: 1000, ContentType: "image/png", SHA256: storedHash})
}

// store puts bytes where a promoted file lies, and settles.
func (w *fixture) store(r upload.Ref, data []byte, contentType string) {
	w.t.Helper()
	version := w.objects.Post(w.pipeline.Layout.FilesKey(r), data)
	w.settle(r, upload.Verdict{Status: upload.Stored, Version: "q1", Served: version, At: start.Add(time.Minute),
		Size: int64(len(data)), ContentType: contentType, SHA256: storedHash})
}

// request makes a request with the canary as its token.
func request(t testing.TB, method, target string, body io.Reader, header ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, body)
	r.RequestURI = "" // so that it can be sent over a socket too
	r.Header.Set("Authorization", "Bearer "+canary)
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "-" {
			r.Header.Del(header[i])
			continue
		}
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// do sends a request straight to the handler and reads the answer.
func (w *fixture) do(method, target string, body io.Reader, header ...string) reply {
	w.t.Helper()
	recorder := httptest.NewRecorder()
	w.handler.ServeHTTP(recorder, request(w.t, method, target, body, header...))
	return readReply(w.t, recorder.Result())
}

// reply is an answer, read.
type reply struct {
	status int
	header http.Header
	body   string
	closes bool // the connection
}

func readReply(t testing.TB, response *http.Response) reply {
	t.Helper()
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	return reply{response.StatusCode, response.Header, string(body), response.Close}
}

// member finds a member of a JSON answer by the way to it.
func (r reply) member(t testing.TB, way ...string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(r.body), &value); err != nil {
		t.Fatalf("answer %d %q is no JSON: %v", r.status, r.body, err)
	}
	for _, name := range way {
		object, ok := value.(map[string]any)
		if !ok {
			t.Fatalf("no %v in %s", way, r.body)
		}
		value = object[name]
	}
	return value
}

// wantClean checks that no spooled body is left, neither by name nor (where the
// system tells) kept open, and that no secret was logged.
func (w *fixture) wantClean() {
	w.t.Helper()
	const open = "/proc/self/fd/"
	descriptors, _ := os.ReadDir(open) // Linux alone has it
	for _, fd := range descriptors {
		if file, err := os.Readlink(open + fd.Name()); err == nil && strings.HasPrefix(file, w.config.SpoolDir+"/") {
			w.t.Errorf("%s is still open", file)
		}
	}
	entries, err := os.ReadDir(w.config.SpoolDir)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range entries {
		w.t.Errorf("the spool folder still has %s", e.Name())
	}
	if strings.Contains(w.log.String(), canary) {
		w.t.Errorf("the token is in the log: %s", w.log.String())
	}
}

// wantNothingNew checks that no upload was begun: no record, no bytes.
func (w *fixture) wantNothingNew() {
	w.t.Helper()
	page, err := w.records.Scan(w.t.Context(), upload.ScanQuery{Cursor: "", Limit: upload.MaxPage})
	if err != nil {
		w.t.Fatal(err)
	}
	if len(page.Records) != 7 {
		w.t.Errorf("there are %d records, want the 7 from the beginning", len(page.Records))
	}
	for _, key := range w.objects.Keys() {
		if strings.HasPrefix(string(key), w.pipeline.Layout.Quarantine) {
			w.t.Errorf("quarantine holds %s", key)
		}
	}
}

// eventually waits for a condition, half a minute at most.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	giveUp := time.NewTimer(30 * time.Second)
	defer giveUp.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-giveUp.C:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
