//go:build acceptance

package acceptance

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestThePageInTheDocsWorksInABrowser runs the code of docs/browser.md in Chromium, on
// another origin than the API's, against `hatchery dev` with its own limits and with the
// template's.
func TestThePageInTheDocsWorksInABrowser(t *testing.T) {
	program := devProgram(t)
	for name, args := range map[string][]string{"dev": nil, "dev --like-aws": {"--like-aws"}} {
		t.Run(name, func(t *testing.T) {
			_, ready := startDev(t, program, args...)
			site := newSite(t, ready.API)
			shown := filepath.Join(t.ArtifactDir(), "page.png")
			r := mustRun(t, command{args: []string{tool(t, "chromium"), "--headless", "--no-sandbox", "--disable-gpu",
				"--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run", "--hide-scrollbars",
				"--user-data-dir=" + t.TempDir(), "--window-size=560,560", "--screenshot=" + shown, site.url}})
			got := site.reported(t, r)
			wantPlayed(t, site, got, len(args) > 0)
			wantShown(t, shown)
		})
	}
}

// played is what the page made of one file.
type played struct {
	File, Says    string
	Progress      []float64
	Width, Height int    // of the picture that is shown
	Read          bool   // its bytes, read back, are the file's
	Linked        bool   // they came by a link
	Failed        string // what the test's own code met
}

// wantPlayed holds what the page made of the files against what a person should see.
func wantPlayed(t *testing.T, s *site, all []played, likeAWS bool) {
	t.Helper()
	if len(all) != len(s.files) {
		t.Fatalf("played were %+v", all)
	}
	for _, p := range all {
		if p.Failed != "" {
			t.Errorf("%s: %s", p.File, p.Failed)
		}
		if !slices.IsSorted(p.Progress) || p.File != "note.txt" && (len(p.Progress) == 0 || p.Progress[len(p.Progress)-1] != 1) {
			t.Errorf("%s: its progress was %v", p.File, p.Progress)
		}
		switch p.File {
		case "script.png":
			if !strings.Contains(p.Says, "the file looks like a script") {
				t.Errorf("the rejected file is said to be %q", p.Says)
			}
		case "note.txt":
			if !strings.Contains(p.Says, `".txt" are not accepted`) {
				t.Errorf("the refused file is said to be %q", p.Says)
			}
		default:
			size, err := png.DecodeConfig(bytes.NewReader(s.files[p.File]))
			check(t, err)
			large := len(s.files[p.File]) > 4_400_000
			if p.Says != "Stored: "+p.File || p.Width != size.Width || p.Height != size.Height || !p.Read ||
				p.Linked != (large && likeAWS) || large && len(p.Progress) < 2 {
				t.Errorf("a picture of %d × %d, read by a link %v: %+v", size.Width, size.Height, large && likeAWS, p)
			}
		}
	}
}

// site is another origin than the API's, with the page of docs/browser.md and the files
// that are chosen in it.
type site struct {
	url   string
	files map[string][]byte
	mu    sync.Mutex
	got   []byte        // the report
	over  chan struct{} // closed when it is there
}

func newSite(t *testing.T, api string) *site {
	t.Helper()
	code, page := codeInDocs(t, "browser.md", "js", api), codeInDocs(t, "browser.md", "html", "")
	if lines := strings.Count(code, "\n"); lines > 40 {
		t.Errorf("docs/browser.md has %d lines of JavaScript to copy, which it calls forty", lines)
	}
	s := &site{over: make(chan struct{}), files: map[string][]byte{"Small.PNG": sample(t, "genuine/go-nrgba.png"),
		"script.png": []byte("#!/bin/sh\necho I am a script\n"), "note.txt": []byte("a note"), "large.png": largePicture(t)}}
	mux := http.NewServeMux()
	serve := func(path, contentType string, body []byte) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			_, _ = w.Write(body)
		})
	}
	// The browser takes its screenshot when all that the page loads is there: /over comes last.
	serve("/{$}", "text/html", []byte(page+`<script type="module" src="/play.js"></script><img src="/over" style="display: none">`))
	serve("/hatchery.js", "text/javascript", []byte(code))
	play, err := os.ReadFile(filepath.Join("testdata", "play.js"))
	check(t, err)
	serve("/play.js", "text/javascript", play)
	for name, body := range s.files {
		serve("/"+name, "application/octet-stream", body)
	}
	mux.HandleFunc("POST /report", s.report)
	mux.HandleFunc("GET /over", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-s.over:
		case <-time.After(time.Minute):
		case <-r.Context().Done():
		}
		w.WriteHeader(http.StatusNoContent)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.url = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	return s
}

// report takes what the page reports, once.
func (s *site) report(_ http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	_, err := body.ReadFrom(http.MaxBytesReader(nil, r.Body, 1<<20))
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && s.got == nil {
		s.got = body.Bytes()
		close(s.over)
	}
}

func (s *site) reported(t *testing.T, browser result) []played {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []played
	if err := json.Unmarshal(s.got, &all); err != nil {
		t.Fatalf("the page reported %q (%v): %s", s.got, err, browser)
	}
	return all
}

// teal is the middle of the large picture.
var teal = color.NRGBA{0, 128, 128, 255}

// largePicture is noise with a teal middle, larger than POST takes in AWS.
func largePicture(t *testing.T) []byte {
	t.Helper()
	const side, middle = 1400, 500
	random := rand.New(rand.NewPCG(1, 2))
	picture := image.NewNRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			c := color.NRGBA{uint8(random.Uint32()), uint8(random.Uint32()), uint8(random.Uint32()), 255}
			if max(x, y) < (side+middle)/2 && min(x, y) >= (side-middle)/2 {
				c = teal
			}
			picture.SetNRGBA(x, y, c)
		}
	}
	var file bytes.Buffer
	check(t, png.Encode(&file, picture))
	if file.Len() <= 4_400_000 || file.Len() > 5_500_000 {
		t.Fatalf("the large picture has %d bytes", file.Len())
	}
	return file.Bytes()
}

// wantShown looks for the large picture, which was chosen last, in the screenshot.
func wantShown(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	check(t, err)
	shown, err := png.Decode(bytes.NewReader(text))
	check(t, err)
	found := 0
	for y := range shown.Bounds().Dy() {
		for x := range shown.Bounds().Dx() {
			if color.NRGBAModel.Convert(shown.At(x, y)) == teal {
				found++
			}
		}
	}
	if found < 1000 {
		t.Errorf("the screenshot %s has %d pixels of the picture's middle", file, found)
	}
}
