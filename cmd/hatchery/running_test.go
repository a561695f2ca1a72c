package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// asHatchery in the environment makes this test binary behave as the command: a
// child process can be killed without taking the test with it, and the S3 server
// may run only once in a process.
const asHatchery = "HATCHERY_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asHatchery) != "" {
		main()
	}
	if os.Getenv(asDynamoDB) != "" {
		if err := serveDynamoDB(os.Args[1], os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	testscript.Main(m, map[string]func(){"hatchery": main})
}

// sourceFile gives the absolute path of a file of this repository, whatever the
// working directory has become.
func sourceFile(t testing.TB, elements ...string) string {
	t.Helper()
	_, here, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("the test does not know where its source is")
	}
	if !filepath.IsAbs(here) {
		t.Fatalf("the test's source is at %q: run it without -trimpath", here)
	}
	return filepath.Join(append([]string{filepath.Dir(here), "..", ".."}, elements...)...)
}

// hatchery is a running `hatchery dev`.
type hatchery struct {
	t       testing.TB
	command *exec.Cmd
	base    string
	// containers is the URL for functions in containers, "" when there is none.
	containers string
	// console is its address, with its token.
	console string
	// warning is what was said of the API's address.
	warning string
	differs []string // from AWS
	env     map[string]string
	data    string // the folder
	oneRun  bool
	errors  *bytes.Buffer
	ended   chan error
	client  *http.Client
	log     *lines
}

// lines keeps what a process printed.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, line)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.all, "\n")
}

// startHatchery starts `hatchery dev` on a folder, or without one, and waits until it is
// ready.
func startHatchery(t testing.TB, data string, args ...string) *hatchery {
	t.Helper()
	return startHatcheryIn(t, withoutAWS(), data, args...)
}

// startHatcheryIn is startHatchery with more in its environment.
func startHatcheryIn(t testing.TB, environment []string, data string, args ...string) *hatchery {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	arguments := append([]string{"dev", "--json", "--listen", "127.0.0.1:0"}, lastingTable(t, data, args)...)
	if data != "" {
		arguments = append(arguments, "--data", data)
	}
	h := &hatchery{t: t, command: exec.Command(exe, arguments...), errors: new(bytes.Buffer),
		ended: make(chan error, 1), log: new(lines),
		client: &http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 32}}}
	h.command.Env = append(append(os.Environ(), asHatchery+"=1"), environment...)
	h.command.Stderr = h.errors
	out, err := h.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.command.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan error, 1)
	go func() {
		h.read(out, ready)
		h.ended <- h.command.Wait()
	}()
	select {
	case err = <-ready:
	case <-time.After(60 * time.Second):
		err = errors.New("it was not ready within a minute")
	}
	if err != nil {
		h.kill()
		t.Fatalf("start hatchery: %v\n%s", err, h.errors)
	}
	t.Cleanup(h.kill)
	return h
}

// read takes the first line as the announcement and keeps the rest.
func (h *hatchery) read(out io.Reader, ready chan<- error) {
	scanner := bufio.NewScanner(out)
	scanner.Buffer(nil, 1<<20)
	announced := false
	for scanner.Scan() {
		if announced {
			h.log.add(scanner.Text())
			continue
		}
		var at struct {
			Message    string            `json:"msg"`
			API        string            `json:"api"`
			Containers string            `json:"containers"`
			Console    string            `json:"console"`
			Warning    string            `json:"warning"`
			Differs    []string          `json:"differs"`
			Env        map[string]string `json:"env"`
			Data       string            `json:"data"`
			OneRun     bool              `json:"one_run"`
		}
		if err := json.Unmarshal(scanner.Bytes(), &at); err != nil || at.Message != "ready" {
			h.log.add(scanner.Text())
			continue
		}
		announced = true
		h.base, h.containers, h.warning, h.env = at.API, at.Containers, at.Warning, at.Env
		h.console = at.Console
		h.data, h.oneRun, h.differs = at.Data, at.OneRun, at.Differs
		ready <- nil
	}
	if !announced {
		ready <- errors.New("it ended before it was ready")
	}
}

// kill ends it as a power cut would. It may have ended before.
func (h *hatchery) kill() {
	_ = h.command.Process.Kill()
	h.client.CloseIdleConnections()
	select {
	case err := <-h.ended:
		h.ended <- err
	case <-time.After(20 * time.Second):
		h.t.Error("a killed hatchery did not end")
	}
}

// interrupt asks it to end, as Ctrl-C does, and gives its exit code.
func (h *hatchery) interrupt() int {
	h.t.Helper()
	if err := h.command.Process.Signal(os.Interrupt); err != nil {
		h.t.Fatal(err)
	}
	select {
	case err := <-h.ended:
		h.ended <- err
	case <-time.After(20 * time.Second):
		h.t.Fatal("it did not end within 20 s of an interrupt")
	}
	return h.command.ProcessState.ExitCode()
}

// answer is an HTTP answer, read whole.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) record(t testing.TB) record {
	t.Helper()
	var r record
	if err := json.Unmarshal(a.body, &r); err != nil {
		t.Fatalf("answer %d is no record: %v\n%s", a.status, err, a.body)
	}
	return r
}

// record is the public record, as a client decodes it.
type record struct {
	ID          string  `json:"id"`
	Status      string  `json:"status"`
	Name        string  `json:"name"`
	Extension   string  `json:"extension"`
	Size        *int64  `json:"size"`
	ContentType *string `json:"content_type"`
	SHA256      *string `json:"sha256"`
	Reason      *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"reason"`
}

// try makes one request as the demo user.
func (h *hatchery) try(ctx context.Context, method, path, contentType string, body io.Reader) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, h.base+path, body)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "demo")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return h.send(req)
}

func (h *hatchery) send(req *http.Request) (answer, error) {
	res, err := h.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, data}, err
}

func (h *hatchery) do(method, path, contentType string, body io.Reader) answer {
	h.t.Helper()
	a, err := h.try(context.Background(), method, path, contentType, body)
	if err != nil {
		h.t.Fatalf("%s %s: %v\n%s", method, path, err, h.errors)
	}
	return a
}

const images = "/files/j1/entries/e1/images"

// multipartOf makes the body that a browser would send for one file.
func multipartOf(fields map[string]string, filename string, data []byte) (contentType string, body io.Reader) {
	var buffer bytes.Buffer
	w := multipart.NewWriter(&buffer)
	for name, value := range fields {
		_ = w.WriteField(name, value) // a buffer does not fail
	}
	part, _ := w.CreateFormFile("file", filename)
	_, _ = part.Write(data)
	_ = w.Close()
	return w.FormDataContentType(), &buffer
}

// post uploads a file by POST.
func (h *hatchery) post(ctx context.Context, path, name string, data []byte) (answer, error) {
	contentType, body := multipartOf(nil, "upload.bin", data)
	return h.try(ctx, http.MethodPost, path+"?image_name="+url.QueryEscape(name), contentType, body)
}

func (h *hatchery) mustPost(path, name string, data []byte) record {
	h.t.Helper()
	a, err := h.post(context.Background(), path, name, data)
	if err != nil || a.status != http.StatusAccepted {
		h.t.Fatalf("POST %s %s: %v, %d %s", path, name, err, a.status, a.body)
	}
	return a.record(h.t)
}

// form is a signed form as a client sees it.
type form struct {
	Record record `json:"record"`
	Form   struct {
		Method string            `json:"method"`
		URL    string            `json:"url"`
		Fields map[string]string `json:"fields"`
	} `json:"form"`
}

func (h *hatchery) askForm(path string, request map[string]any) (form, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return form{}, err
	}
	a, err := h.try(context.Background(), http.MethodPost, path+"/uploads", "application/json", bytes.NewReader(body))
	if err != nil {
		return form{}, err
	}
	var f form
	if a.status != http.StatusCreated {
		return form{}, fmt.Errorf("POST %s/uploads: %d %s", path, a.status, a.body)
	}
	return f, json.Unmarshal(a.body, &f)
}

// sendForm posts the bytes to the bucket itself, as a browser does.
func (h *hatchery) sendForm(ctx context.Context, f form, data []byte) (answer, error) {
	contentType, body := multipartOf(f.Form.Fields, "upload.bin", data)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.Form.URL, body)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", contentType)
	return h.send(req)
}

// verdict waits until an upload is settled.
func (h *hatchery) verdict(path, id string, within time.Duration) (record, error) {
	for end := time.Now().Add(within); ; {
		a, err := h.try(context.Background(), http.MethodGet, path+"/"+id+"/status?wait=5", "", nil)
		if err != nil {
			return record{}, err
		}
		var r record
		if a.status != http.StatusOK {
			return record{}, fmt.Errorf("status of %s: %d %s", id, a.status, a.body)
		}
		if err := json.Unmarshal(a.body, &r); err != nil {
			return record{}, err
		}
		if r.Status != "pending" {
			return r, nil
		}
		if time.Now().After(end) {
			return r, fmt.Errorf("%s is still pending after %v", id, within)
		}
	}
}

func (h *hatchery) mustSettle(path, id string) record {
	h.t.Helper()
	r, err := h.verdict(path, id, 30*time.Second)
	if err != nil {
		h.t.Fatalf("%v\n%s\n%s", err, h.errors, h.log)
	}
	return r
}

// pngOf makes a real picture, another one for each seed.
func pngOf(t testing.TB, side int, seed uint64) []byte {
	t.Helper()
	picture := image.NewRGBA(image.Rect(0, 0, side, side))
	for i := range picture.Pix {
		seed = seed*6364136223846793005 + 1442695040888963407
		picture.Pix[i] = byte(seed >> 56)
	}
	picture.Set(0, 0, color.Black)
	var buffer bytes.Buffer
	if err := png.Encode(&buffer, picture); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}
