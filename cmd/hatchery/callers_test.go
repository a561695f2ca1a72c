package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hatchery/client"
)

// calls runs a command in this process, as somebody without a terminal.
func calls(t *testing.T, env map[string]string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, complaints bytes.Buffer
	code = run(t.Context(), args, terminal{in: strings.NewReader(""), out: &out, err: &complaints,
		getenv: func(name string) string { return env[name] }})
	return out.String(), complaints.String(), code
}

// wantCall is calls that has to end with a code.
func wantCall(t *testing.T, want int, args ...string) (stdout, stderr string) {
	t.Helper()
	out, complaints, code := calls(t, nil, args...)
	if code != want {
		t.Fatalf("hatchery %q: exit %d, want %d\n%s%s", args, code, want, out, complaints)
	}
	return out, complaints
}

// callersHome keeps what put remembers out of this machine's caches.
func callersHome(t *testing.T) {
	t.Helper()
	home := t.TempDir()
	for _, name := range []string{"XDG_CACHE_HOME", "HOME", "LocalAppData"} {
		t.Setenv(name, home)
	}
}

// puts reads the lines of put --json, by file.
func puts(t *testing.T, out string) map[string]put {
	t.Helper()
	all := map[string]put{}
	for line := range strings.Lines(out) {
		var one put
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		all[filepath.Base(one.File)] = one
	}
	return all
}

// folderOf writes files into a folder.
func folderOf(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range files {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestACallerPutsListsGetsAndRemoves(t *testing.T) {
	callersHome(t)
	h := startHatchery(t, filepath.Join(t.TempDir(), "data"))
	at := []string{"--url", h.base, "--journal", "j1", "--entry", "e1"}
	picture := string(pngOf(t, 20, 1))
	folder := folderOf(t, map[string]string{"Große Straße 1.PNG": picture, "deep/b.png": string(pngOf(t, 10, 2)),
		"empty.png": "", "cat.png": "#!/bin/sh\n", "note.txt": "text", ".DS_Store": "x", ".thumbnails/a.png": string(pngOf(t, 9, 1)), "b/.c/d/a.png": "x"})

	out, complaints := wantCall(t, exitNo, append([]string{"put", "--json", folder}, at...)...)
	got := puts(t, out)
	for name, want := range map[string][2]string{"Große Straße 1.PNG": {"stored", ""}, "b.png": {"stored", ""},
		"empty.png": {"refused", "size"}, "cat.png": {"rejected", "type_mismatch"}, "note.txt": {"refused", "extension"}} {
		if one := got[name]; one.Status != want[0] || one.Code != want[1] || (one.ID == "") != (want[0] == "refused") ||
			(one.Message == "") != (want[0] == "stored") {
			t.Errorf("%s: %+v, want %v", name, one, want)
		}
	}
	if len(got) != 5 || !strings.Contains(complaints, "2 stored, 1 rejected, 2 refused of 5 files") {
		t.Errorf("%d lines, and it says %s", len(got), complaints)
	}
	out, _ = wantCall(t, exitDone, append([]string{"put", filepath.Join(folder, "Große Straße 1.PNG")}, at...)...)
	if !strings.Contains(out, "there already, "+got["Große Straße 1.PNG"].ID) {
		t.Errorf("the second time it says %s", out)
	}

	out, _ = wantCall(t, exitDone, append([]string{"ls"}, at...)...)
	if strings.Count(out, "\n") != 3 || !strings.Contains(out, got["b.png"].ID) || !strings.Contains(out, "Große Straße 1.PNG\n") {
		t.Errorf("ls says\n%s", out)
	}
	out, _ = wantCall(t, exitDone, append([]string{"ls", "--status", "rejected", "--json"}, at...)...)
	var rejected client.Record
	if err := json.Unmarshal([]byte(out), &rejected); err != nil || rejected.ID != got["cat.png"].ID || rejected.Reason == nil {
		t.Errorf("ls --json says %s", out)
	}
	if _, complaints = wantCall(t, exitDone, append([]string{"ls", "--status", "deleted"}, at...)...); !strings.Contains(
		complaints, "j1/e1 has no deleted images") {
		t.Errorf("an empty list says %s", complaints)
	}

	to := filepath.Join(t.TempDir(), "Große Straße 1.PNG")
	one := got["Große Straße 1.PNG"].ID
	get := append([]string{"get", one, "--to", filepath.Dir(to)}, at...)
	out, _ = wantCall(t, exitDone, get...)
	if string(readFile(t, to)) != picture || !strings.Contains(out, "Große Straße 1.PNG  image/png, ") {
		t.Errorf("get says %s", out)
	}
	if err := os.WriteFile(to, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, complaints = wantCall(t, exitUsage, get...); string(readFile(t, to)) != "mine" || !strings.Contains(complaints, "--yes") {
		t.Errorf("unasked it overwrote, or says %s", complaints)
	}
	if wantCall(t, exitDone, append(get, "--yes")...); string(readFile(t, to)) != picture {
		t.Error("with --yes it did not overwrite")
	}
	wantCall(t, exitDone, append([]string{"get", one, "--to", filepath.Join(filepath.Dir(to), "other.png")}, at...)...)
	wantCall(t, exitNo, append([]string{"get", got["cat.png"].ID, "--to", filepath.Dir(to)}, at...)...)
	wantCall(t, exitUsage, append([]string{"get", one, "--to", filepath.Join(folder, "nowhere", "x.png")}, at...)...)
	wantFiles(t, filepath.Dir(to), "Große Straße 1.PNG", "other.png")

	wantCall(t, exitUsage, append([]string{"rm", one}, at...)...) // nobody to ask
	out, _ = wantCall(t, exitDone, append([]string{"rm", one, got["cat.png"].ID, "--yes"}, at...)...)
	if strings.Count(out, "deleted  ") != 2 {
		t.Errorf("rm says %s", out)
	}
	wantCall(t, exitNo, append([]string{"rm", one, "--yes"}, at...)...)
	wantCall(t, exitNo, append([]string{"get", one, "--to", filepath.Dir(to), "--yes"}, at...)...)
	// What was deleted can be put again at once.
	out, _ = wantCall(t, exitDone, append([]string{"put", "--json", filepath.Join(folder, "Große Straße 1.PNG")}, at...)...)
	if again := puts(t, out)["Große Straße 1.PNG"]; again.Status != "stored" || again.ID == one {
		t.Errorf("after rm put says %s", out)
	}
}

func wantFiles(t *testing.T, folder string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("%s has %q, want %q", folder, names, want)
	}
}

// A put that is interrupted goes on: what was sent already makes no second upload, whether it has its verdict or not.
func TestPutGoesOnAfterCtrlC(t *testing.T) {
	callersHome(t)
	data := filepath.Join(t.TempDir(), "data")
	files := map[string]string{}
	for i := range 6 {
		files[fmt.Sprintf("%d.png", i)] = string(pngOf(t, 10, uint64(i)))
	}
	folder := folderOf(t, files)
	h := startHatchery(t, data, "--no-validator")
	at := []string{"--url", h.base, "--journal", "j1", "--entry", "e1"}

	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := exec.Command(exe, append([]string{"put", folder}, at...)...)
	program.Env = append(os.Environ(), asHatchery+"=1")
	var complaints bytes.Buffer
	program.Stderr = &complaints
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	pending := func() int {
		out, _ := wantCall(t, exitDone, append([]string{"ls", "--json", "--status", "pending"}, at...)...)
		return strings.Count(out, "\n")
	}
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(30 * time.Second); pending() != putsAtOnce; <-again.C {
		if time.Now().After(end) {
			t.Fatalf("%d uploads wait for their verdicts, want %d", pending(), putsAtOnce)
		}
	}
	if err := program.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := program.Wait(); program.ProcessState.ExitCode() != exitNo ||
		!strings.Contains(complaints.String(), "the same command goes on") {
		t.Errorf("it ended with %v: %s", err, complaints.String())
	}
	h.interrupt()

	startHatchery(t, data, "--listen", strings.TrimPrefix(h.base, "http://"))
	out, _ := wantCall(t, exitDone, append([]string{"put", "--json", folder}, at...)...)
	if len(puts(t, out)) != 6 {
		t.Errorf("put says %s", out)
	}
	out, _ = wantCall(t, exitDone, append([]string{"ls", "--json"}, at...)...)
	if n := strings.Count(out, "\n"); n != 6 || pending() != 0 {
		t.Errorf("there are %d stored uploads of 6 files, and %d pending", n, pending())
	}
}

// fakeAPI answers get as a server that nobody should trust.
func fakeAPI(t *testing.T, record map[string]any, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/status") {
			_ = json.NewEncoder(w).Encode(record)
			return
		}
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestGetWritesIntoItsFolderAloneWhateverTheServerCallsTheFile(t *testing.T) {
	for called, want := range map[string]string{
		"../../evil.png": "_._evil.png", "/etc/passwd.png": "_etc_passwd.png", `..\evil.png`: "_evil.png",
		".bashrc.png": "bashrc.png", "a\x00b\n.png": "a_b_.png", "\u202egnp.exe.png": "gnp.exe.png", "..": "id-1.png", "": "cat.png",
		"...": "id-1.png", "/": "cat.png", ".png": "id-1.png",
	} {
		t.Run(called, func(t *testing.T) {
			above := t.TempDir()
			folder := filepath.Join(above, "a", "b")
			if err := os.MkdirAll(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			url := fakeAPI(t, map[string]any{"id": "id-1", "status": "stored", "name": "cat", "extension": "png",
				"filename": called}, "bytes")
			wantCall(t, exitDone, "get", "x", "--url", url, "--journal", "j", "--entry", "e", "--to", folder)
			entries, err := os.ReadDir(folder)
			if err != nil || len(entries) != 1 {
				t.Fatalf("%v, %v", entries, err)
			}
			if got := entries[0].Name(); got != want {
				t.Errorf("the file is called %q, want %q", got, want)
			}
			wantFiles(t, above, "a")
			wantFiles(t, filepath.Dir(folder), "b")
		})
	}
}

func TestGetWritesEachFileOfOneName(t *testing.T) {
	folder := folderOf(t, map[string]string{"cat.png": "before"})
	url := fakeAPI(t, map[string]any{"id": "id-1", "status": "stored", "name": "cat", "extension": "png"}, "bytes")
	wantCall(t, exitDone, "get", "x", "y", "z", "--url", url, "--journal", "j", "--entry", "e", "--to", folder, "--yes")
	wantFiles(t, folder, "cat (2).png", "cat (3).png", "cat.png")
}

func TestGetLeavesNoFileOfDamagedBytes(t *testing.T) {
	folder := t.TempDir()
	url := fakeAPI(t, map[string]any{"id": "id-1", "status": "stored", "name": "cat", "extension": "png", "size": 5,
		"sha256": strings.Repeat("0", 64)}, "bytes")
	_, complaints := wantCall(t, exitSystem, "get", "x", "--url", url, "--journal", "j", "--entry", "e", "--to", folder)
	if !strings.Contains(complaints, "not the file that is stored") {
		t.Errorf("it says %s", complaints)
	}
	wantFiles(t, folder)
}

func TestATokenComesFromAFileOrTheEnvironment(t *testing.T) {
	var mu sync.Mutex
	sent := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		sent = r.Header.Get("Authorization")
		if sent == "Bearer wrong" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = io.WriteString(w, `{"images":[],"next_cursor":null}`)
	}))
	t.Cleanup(server.Close)
	file := filepath.Join(folderOf(t, map[string]string{"token": "Bearer of-file \nmore"}), "token")
	for _, c := range []struct {
		env, file, want string
		code            int
	}{{"", "", "demo", exitDone}, {"Bearer of-env\n", "", "Bearer of-env", exitDone},
		{"Bearer of-env", file, "Bearer of-file", exitDone}, {"Bearer wrong", "", "Bearer wrong", exitNo}} {
		args := []string{"ls", "--url", server.URL, "--journal", "j", "--entry", "e"}
		if c.file != "" {
			args = append(args, "--token-file", c.file)
		}
		out, complaints, code := calls(t, map[string]string{"HATCHERY_TOKEN": c.env}, args...)
		mu.Lock()
		got := sent
		mu.Unlock()
		if got != c.want || code != c.code {
			t.Errorf("with %q and %q: sent %q, exit %d", c.env, c.file, got, code)
		}
		if strings.Contains(out+complaints, "Bearer") {
			t.Errorf("the token is shown: %s%s", out, complaints)
		}
	}
}

func TestPutGivesUpWhenTheSystemIsAway(t *testing.T) {
	callersHome(t)
	var mu sync.Mutex
	posts := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, `{"images":[],"next_cursor":null}`)
			return
		}
		mu.Lock()
		posts++
		mu.Unlock()
		w.Header().Set("Retry-After", "86400") // so long nobody waits
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(server.Close)
	files := map[string]string{}
	for i := range 40 {
		files[fmt.Sprintf("%d.png", i)] = "x"
	}
	_, complaints := wantCall(t, exitSystem, "put", folderOf(t, files), "--url", server.URL, "--journal", "j", "--entry", "e")
	mu.Lock()
	defer mu.Unlock()
	if posts > 2*putsAtOnce || !strings.Contains(complaints, "too many failed in a row") {
		t.Errorf("%d were tried, and it says %s", posts, complaints)
	}
}

// A server may answer before it has read all; the connection reads on for a while.
func TestAFileIsCountedOnceWhileAConnectionStillReads(t *testing.T) {
	const size = 1 << 20
	var total atomic.Int64
	counted := &countedFile{ReaderAt: strings.NewReader(strings.Repeat("x", size)), add: func(n int64) { total.Add(n) }}
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = io.Copy(io.Discard, io.NewSectionReader(counted, 0, size)) })
	counted.upTo(size)
	reading.Wait()
	if total.Load() != size {
		t.Errorf("%d bytes were counted of %d", total.Load(), size)
	}
}

func TestPutShowsItsProgressInBytes(t *testing.T) {
	m, screen, pass := metered(true)
	p := &putter{meter: m, total: 4_000_000}
	text := strings.NewReader(strings.Repeat("x", 2_000_000))
	for range 2 { // sent twice, counted once
		counted := &countedFile{ReaderAt: text, add: p.addSent}
		for range 2 {
			pass(time.Second)
			if _, err := io.Copy(io.Discard, io.NewSectionReader(counted, 0, 2_000_000)); err != nil {
				t.Fatal(err)
			}
		}
	}
	m.end()
	if p.sent != p.total || !strings.Contains(screen.String(), "[##############################] 100%  4.0 MB of 4.0 MB") {
		t.Errorf("%d of %d: %q", p.sent, p.total, screen.String())
	}
}

func TestAPutThatIsInterruptedKeepsItsSession(t *testing.T) {
	callersHome(t)
	p := func(entry string) *putter {
		return &putter{callerFlags: &callerFlags{url: "u", journal: "j", entry: entry, kind: "images"}}
	}
	first, second, other, third := p("e"), p("e"), p("f"), p("e")
	forget, err := first.begin()
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range []*putter{second, other} {
		if _, err := each.begin(); err != nil {
			t.Fatal(err)
		}
	}
	forget()
	if _, err := third.begin(); err != nil {
		t.Fatal(err)
	}
	if first.session != second.session || first.session == other.session || first.session == third.session {
		t.Errorf("the sessions are %s, %s, %s and %s", first.session, second.session, other.session, third.session)
	}
}

func TestAFileThatGrewMeanwhileIsNotSent(t *testing.T) {
	if _, err := sumOf(context.Background(), strings.NewReader("longer"), 3); err == nil {
		t.Error("no error")
	}
}
