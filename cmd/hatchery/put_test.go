package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A folder of a phone and an office goes up in one run: the API says which kind takes what.
func TestAFolderOfSeveralKindsIsPutInOneRun(t *testing.T) {
	callersHome(t)
	h := startHatchery(t, filepath.Join(t.TempDir(), "data"), "--policy", "all")
	at := []string{"--url", h.base, "--journal", "j1", "--entry", "e1"}
	genuine := func(name string) string {
		return string(readFile(t, sourceFile(t, "shared", "sniff", "testdata", "genuine", name)))
	}
	folder := folderOf(t, map[string]string{"a.png": string(pngOf(t, 20, 1)), "clip.MP4": genuine("brand-mp42.mp4"),
		"deep/other.mp4": genuine("camera.mp4"), "letter.pdf": genuine("behind-none.pdf"), "empty.pdf": "", "drawing.svg": "<svg/>"})

	out, complaints := wantCall(t, exitNo, append([]string{"put", "--json", folder}, at...)...)
	got := puts(t, out)
	want := map[string][2]string{"a.png": {"stored", "images"}, "clip.MP4": {"stored", "media"}, "other.mp4": {"stored", "media"},
		"letter.pdf": {"stored", "documents"}, "empty.pdf": {"refused", "documents"}, "drawing.svg": {"refused", "images"}}
	for name, w := range want {
		if one := got[name]; one.Status != w[0] || one.Kind != w[1] || one.Already {
			t.Errorf("%s: %+v, want %v", name, one, w)
		}
	}
	if len(got) != len(want) || !strings.Contains(complaints, "2 stored as media: ls, get and rm find them with --kind media\n") {
		t.Errorf("%d lines, and it says %s", len(got), complaints)
	}
	out, _ = wantCall(t, exitDone, append([]string{"get", got["clip.MP4"].ID, "--kind", "media", "--to", t.TempDir()}, at...)...)
	if !strings.Contains(out, "clip.MP4") {
		t.Errorf("get says %s", out)
	}

	out, _ = wantCall(t, exitNo, append([]string{"put", "--json", folder}, at...)...)
	for name, one := range puts(t, out) {
		if one.Already != (want[name][0] == "stored") || one.ID != got[name].ID && one.Already {
			t.Errorf("the second time %s: %+v", name, one)
		}
	}
	out, _ = wantCall(t, exitDone, append([]string{"put", filepath.Join(folder, "clip.MP4")}, at...)...)
	if !strings.Contains(out, " bytes, there already, as media, "+got["clip.MP4"].ID) {
		t.Errorf("the third time it says %s", out)
	}
	out, _ = wantCall(t, exitNo, append([]string{"put", filepath.Join(folder, "clip.MP4"), "--kind", "images"}, at...)...)
	if !strings.Contains(out, "are not accepted as images: upload them as media.") {
		t.Errorf("as images it says %s", out)
	}
}

// kindsAPI takes everything as media, and nothing as images, of which it says what taker is.
type kindsAPI struct {
	mu    sync.Mutex
	posts map[string]int // by path
	taker string
}

func (a *kindsAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	kind := strings.Split(r.URL.Path, "/")[5]
	record := map[string]any{"id": "id-1", "status": "stored", "name": "x", "extension": "mp4"}
	switch {
	case r.Method == http.MethodGet && !strings.HasSuffix(r.URL.Path, "/status"):
		_ = json.NewEncoder(w).Encode(map[string]any{kind: []any{}, "next_cursor": nil})
		return
	case r.Method == http.MethodPost:
		a.mu.Lock()
		a.posts[r.URL.Path]++
		a.mu.Unlock()
		if kind == "images" {
			w.WriteHeader(http.StatusNotAcceptable)
			record = map[string]any{"code": "extension", "detail": "No.", "kind": a.taker}
		}
	}
	_ = json.NewEncoder(w).Encode(record)
}

func TestTheAPIIsAskedForTheKindOfAnExtensionOnce(t *testing.T) {
	callersHome(t)
	api := &kindsAPI{posts: map[string]int{}, taker: "media"}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	files := map[string]string{}
	for i := range 40 {
		files[fmt.Sprintf("%d.mp4", i)] = fmt.Sprint(i)
	}
	wantCall(t, exitDone, "put", folderOf(t, files), "--url", server.URL, "--journal", "j", "--entry", "e")
	if n := api.posts["/files/j/entries/e/images"]; n > putsAtOnce || api.posts["/files/j/entries/e/media"] != 40 {
		t.Errorf("sent were %v", api.posts)
	}
}

// Whoever answers as the API may name anything: no path, no way in a circle.
func TestAKindThatIsNoneIsNotFollowed(t *testing.T) {
	for _, taker := range []string{"", "images", "../x", "Media", "a b"} {
		callersHome(t)
		api := &kindsAPI{posts: map[string]int{}, taker: taker}
		server := httptest.NewServer(api)
		wantCall(t, exitNo, "put", filepath.Join(folderOf(t, map[string]string{"a.mp4": "x"}), "a.mp4"), "--url", server.URL,
			"--journal", "j", "--entry", "e")
		server.Close()
		if len(api.posts) != 1 || api.posts["/files/j/entries/e/images"] != 1 {
			t.Errorf("with %q sent were %v", taker, api.posts)
		}
	}
}

// awayAPI lists nothing, and does what on a POST.
func awayAPI(t *testing.T, onPost http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, `{"images":[],"next_cursor":null}`)
			return
		}
		onPost(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// statuses counts the lines of put --json by their status. Each has to have a file, and a message.
func statuses(t *testing.T, out string) map[string]int {
	t.Helper()
	all := map[string]int{}
	for _, one := range puts(t, out) {
		all[one.Status]++
		if one.File == "" || one.Message == "" {
			t.Errorf("a line says nothing: %+v", one)
		}
	}
	return all
}

func TestEveryFileThatIsFoundHasALine(t *testing.T) {
	files := map[string]string{}
	for i := range 40 {
		files[fmt.Sprintf("%d.png", i)] = "x"
	}
	folder, empty := folderOf(t, files), t.TempDir()
	missing := filepath.Join(empty, "missing.png")

	t.Run("when the system is away", func(t *testing.T) {
		callersHome(t)
		url := awayAPI(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "86400")
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		out, complaints := wantCall(t, exitSystem, "put", "--json", missing, folder, empty, "--url", url, "--journal", "j",
			"--entry", "e")
		got := statuses(t, out)
		if got["unread"] != 2 || got["failed"] < putsAtOnce || got["failed"]+got["not_tried"] != 40 || got["not_tried"] == 0 {
			t.Errorf("the statuses are %v", got)
		}
		want := fmt.Sprintf("%d failed, 2 unread, %d not tried of 42 files", got["failed"], got["not_tried"])
		if !strings.Contains(complaints, want) {
			t.Errorf("it says %s, want %s", complaints, want)
		}
	})
	t.Run("when the list cannot be read", func(t *testing.T) {
		callersHome(t)
		out, complaints := wantCall(t, exitSystem, "put", "--json", folder, "--url", "http://127.0.0.1:1", "--journal", "j",
			"--entry", "e")
		if got := statuses(t, out); got["not_tried"] != 40 || !strings.Contains(complaints, "40 not tried of 40 files") {
			t.Errorf("the statuses are %v, and it says %s", got, complaints)
		}
	})
	t.Run("after Ctrl-C", func(t *testing.T) {
		callersHome(t)
		ctx, interrupt := context.WithCancel(t.Context())
		url := awayAPI(t, func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then it is seen that a client goes
			interrupt()
			<-r.Context().Done()
		})
		var out, complaints bytes.Buffer
		code := run(ctx, []string{"put", "--json", folder, "--url", url, "--journal", "j", "--entry", "e"},
			terminal{out: &out, err: &complaints, getenv: func(string) string { return "" }})
		// What was on its way may have arrived.
		got := statuses(t, out.String())
		if code != exitNo || got["failed"] < 1 || got["failed"] > putsAtOnce || got["failed"]+got["not_tried"] != 40 {
			t.Errorf("exit %d, and the statuses are %v", code, got)
		}
		if !strings.Contains(complaints.String(), " not tried of 40 files\nhatchery: interrupted: the same command goes on") {
			t.Errorf("it says %s", &complaints)
		}
	})
	t.Run("when nothing can be read", func(t *testing.T) {
		out, complaints := wantCall(t, exitUsage, "put", "--json", missing, "--journal", "j", "--entry", "e")
		if got := statuses(t, out); got["unread"] != 1 || !strings.Contains(complaints, "cannot read "+missing) {
			t.Errorf("the statuses are %v, and it says %s", got, complaints)
		}
	})
}

func TestCtrlCAfterTheLastVerdictEndsAsThatDoes(t *testing.T) {
	for status, want := range map[string]error{"stored": nil, putNotTried: errInterrupted, putFailed: errInterrupted} {
		p := &putter{files: make([]localFile, 1), verdicts: map[string]int{status: 1}, term: terminal{err: io.Discard}}
		if got := p.end(errInterrupted); !errors.Is(got, want) {
			t.Errorf("one file %s: %v, want %v", status, got, want)
		}
	}
}

func TestGetGoesOnAfterCtrlC(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	var mu sync.Mutex
	var sent []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := strings.Split(r.URL.Path, "/")[6]
		sum := sha256.Sum256([]byte("b" + id))
		if strings.HasSuffix(r.URL.Path, "/status") {
			_ = json.NewEncoder(w).Encode(map[string]any{"id": id, "status": "stored", "name": "cat", "extension": "png", "size": 2,
				"sha256": hex.EncodeToString(sum[:])})
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if id == "3" && ctx.Err() == nil {
			interrupt()
			panic(http.ErrAbortHandler)
		}
		sent = append(sent, id)
		_, _ = io.WriteString(w, "b"+id)
	}))
	t.Cleanup(server.Close)
	folder := t.TempDir()
	get := []string{"get", "1", "2", "3", "4", "--url", server.URL, "--journal", "j", "--entry", "e", "--to", folder}
	var out, complaints bytes.Buffer
	code := run(ctx, get, terminal{out: &out, err: &complaints, getenv: func(string) string { return "" }})
	if code != exitNo || complaints.String() != "hatchery: interrupted at 3: 2 of 4 uploads were read back. "+
		"The same command goes on with the rest\n" {
		t.Errorf("exit %d, and it says %s", code, &complaints)
	}
	wantFiles(t, folder, "cat.png", "cat (2).png")

	again, _ := wantCall(t, exitDone, append(get, "--json")...)
	if strings.Count(again, `"already":true`) != 2 || strings.Count(again, `"already":false`) != 2 {
		t.Errorf("the second time it says %s", again)
	}
	wantFiles(t, folder, "cat.png", "cat (2).png", "cat (3).png", "cat (4).png")
	complaints.Reset() // ctx is over, and all files are there
	if run(ctx, get, terminal{out: &out, err: &complaints, getenv: os.Getenv}); strings.Contains(complaints.String(), "there") {
		t.Errorf("it says what is there, which it does not know: %s", &complaints)
	}
	if err := os.WriteFile(filepath.Join(folder, "cat.png"), []byte("xx"), 0o600); err != nil { // as many bytes, but others
		t.Fatal(err)
	}
	if wantCall(t, exitUsage, get...); string(readFile(t, filepath.Join(folder, "cat.png"))) != "xx" {
		t.Error("unasked it overwrote")
	}
	wantCall(t, exitDone, append(get, "--yes")...)
	if !slices.Equal(sent, []string{"1", "2", "3", "4", "1"}) {
		t.Errorf("sent were %v", sent)
	}
	if again, _ = wantCall(t, exitDone, get...); !strings.Contains(again, "cat (4).png  , 2 bytes, there already\n") {
		t.Errorf("the third time it says %s", again)
	}
}

// Another program may answer at the address that was given.
func TestAnAnswerThatIsNoRecordIsNoSuccess(t *testing.T) {
	callersHome(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "{}")
	}))
	t.Cleanup(server.Close)
	folder, at := folderOf(t, map[string]string{"a.png": "x"}), []string{"--url", server.URL, "--journal", "j", "--entry", "e"}
	large := filepath.Join(folder, "large.png")
	if err := os.WriteFile(large, make([]byte, 5_000_000), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"put", filepath.Join(folder, "a.png")}, {"put", large}, {"get", "1", "--to", t.TempDir()}, {"rm", "1", "--yes"},
		{"ls"}} {
		out, complaints := wantCall(t, exitSystem, append(command, at...)...)
		if !strings.Contains(out+complaints, "the answer is none of Hatchery's") {
			t.Errorf("%v says %s%s", command, out, complaints)
		}
	}
}
