package main

import (
	"bufio"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// visitor is a browser without JavaScript.
type visitor struct {
	t      testing.TB
	client *http.Client
	base   string // where the pages are, without a slash at the end
}

// visit opens a console by its address with the token.
func visit(t testing.TB, address string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	base, _, _ := strings.Cut(address, "/?")
	v := &visitor{t: t, client: &http.Client{Jar: jar, Timeout: 30 * time.Second}, base: base}
	t.Cleanup(v.client.CloseIdleConnections)
	if page := v.do(http.MethodGet, address, nil, http.StatusOK); !strings.Contains(page, "Overview") || strings.Contains(page, "token=") {
		t.Fatalf("the address shows\n%s", page)
	}
	return v
}

func (v *visitor) do(method, address string, form url.Values, want int) string {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "http://"+r.URL.Host)
	}
	response, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != want {
		v.t.Fatalf("%s %s: %d, %v, want %d\n%s", method, address, response.StatusCode, err, want, body)
	}
	return string(body)
}

func (v *visitor) get(path string) string {
	v.t.Helper()
	return v.do(http.MethodGet, v.base+path, nil, http.StatusOK)
}

// does sends a form of a page and waits for the end of what it begins.
func (v *visitor) does(path string, form url.Values) string {
	v.t.Helper()
	form.Set("csrf", regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(v.get("/"))[1])
	page := v.do(http.MethodPost, v.base+path, form, http.StatusOK)
	for end := time.Now().Add(30 * time.Second); strings.Contains(page, "Stop it") && time.Now().Before(end); {
		page = v.get("/progress")
	}
	return page
}

func TestAConsoleBesideADevShowsAndPutsRightWhatDied(t *testing.T) {
	g := newGraveyard(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := exec.Command(exe, "console", "--data", g.data)
	program.Env = append(append(os.Environ(), asHatchery+"=1"), withoutAWS()...)
	out, err := program.StdoutPipe()
	if err == nil {
		err = program.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer program.Process.Kill()
	address, lines := "", bufio.NewScanner(out)
	for address == "" && lines.Scan() {
		address = regexp.MustCompile(`http://127\.0\.0\.1:\d+/\?token=[0-9a-f]{64}`).FindString(lines.Text())
	}
	v := visit(t, address)
	if page := v.get("/"); !strings.Contains(page, "Nothing was listed yet") || !strings.Contains(page, g.data) {
		t.Errorf("the overview is\n%s", page)
	}
	if page := v.does("/list", url.Values{}); !strings.Contains(page, "Listed: 4 dead letters.") {
		t.Errorf("the listing came to\n%s", page)
	}
	if page := v.get("/letter?id=" + g.catID); !strings.Contains(page, g.cat.ID) {
		t.Errorf("a letter is shown as\n%s", page)
	}
	page := v.does("/act", url.Values{"action": {"redrive"}, "message": {g.catID}, "count": {"1"}})
	if !strings.Contains(page, "<dt><bdi>done</bdi></dt><dd>1</dd>") || !strings.Contains(string(*g.takeMessages(1)[0].Body), g.cat.ID) {
		t.Errorf("the redrive came to\n%s", page)
	}
	v.does("/act", url.Values{"action": {"give_up"}, "upload": {"j1/e1/images/" + g.dog.ID}, "count": {"1"}, "reason": {"Use PNG."}})
	if s := showsUpload(t, "--data", g.data, g.dog.ID); s.Record.Status != "rejected" || s.Record.Reason.Message != "Use PNG." {
		t.Errorf("the rejected upload is %+v", s.Record)
	}
	if err := program.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, out)
	if err := program.Wait(); err != nil {
		t.Errorf("after Ctrl-C it ended with %v", err)
	}
}

func TestTheConsoleIsServedOnTheLoopbackAlone(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:0", ":0", "192.0.2.1:80", "[::]:0", "example.com:80", "localhost", ""} {
		_, complaints := operates(t, exitUsage, "console", "--data", t.TempDir(), "--listen", listen)
		if !strings.Contains(complaints, "--listen: found") || !strings.Contains(complaints, "127.0.0.1:8090") {
			t.Errorf("%q: %s", listen, complaints)
		}
	}
	h := startHatchery(t, t.TempDir(), "--listen", "0.0.0.0:0")
	for path, want := range map[string]int{"/": http.StatusOK, "/console/": http.StatusMisdirectedRequest} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "192.0.2.1:8080"
		r.Header.Set("Accept", "text/html")
		if a, err := h.send(r); err != nil || a.status != want {
			t.Errorf("%s as another machine calls it: %d, %v, want %d", path, a.status, err, want)
		}
	}
}

func TestDevHasAPageToBeginAtAndTheConsole(t *testing.T) {
	h := startHatchery(t, t.TempDir())
	if a := h.do(http.MethodGet, "/console/", "", nil); a.status != http.StatusForbidden || !strings.Contains(string(a.body), "?token=") {
		t.Errorf("without its token the console is %d\n%s", a.status, a.body)
	}
	if a := h.do(http.MethodGet, "/index.html", "", nil); a.status != http.StatusNotFound ||
		a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("another address is the API's no more: %d %v", a.status, a.header)
	}
	v := visit(t, h.console)
	v.get("/search")
	contentType, body := multipartOf(nil, "cat.png", pngOf(t, 20, 1))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.base+"/?journal=demo&entry=1", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Origin", h.base)
	a, err := h.send(r)
	if err != nil || a.status != http.StatusOK {
		t.Fatalf("%d, %v\n%s", a.status, err, a.body)
	}
	var stored answer
	if r, err = http.NewRequestWithContext(t.Context(), http.MethodGet, h.base+"/", nil); err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	for end := time.Now().Add(30 * time.Second); !strings.Contains(string(stored.body), "<img") && time.Now().Before(end); {
		if stored, err = h.send(r); err != nil {
			t.Fatal(err)
		}
	}
	picture := regexp.MustCompile(`<img src="([^"]+)"`).FindStringSubmatch(string(stored.body))
	if picture == nil || !strings.Contains(stored.header.Get("Content-Security-Policy"), h.env["AWS_ENDPOINT_URL_S3"]) {
		t.Fatalf("the gallery is\n%s", stored.body)
	}
	shown, err := h.client.Get(strings.ReplaceAll(picture[1], "&amp;", "&"))
	if err != nil || shown.StatusCode != http.StatusOK || shown.Header.Get("Content-Type") != "image/png" {
		t.Errorf("the picture is %v, %v", shown, err)
	}
	if code := h.interrupt(); code != exitDone {
		t.Errorf("it ended with %d", code)
	}
}
