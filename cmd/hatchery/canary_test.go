package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hatchery/shared/config"
	"hatchery/shared/local"
	"hatchery/shared/pipeline"
)

const oldBucket = "hatchery-files"

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// gossip is an application that answers by the journal, and tells the caller's token
// again wherever it can.
func gossip(t *testing.T) (url string, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	answers := map[string]int{"allowed": 200, "unknown": 404, "refused": 403, "unauthorized": 401, "hurried": 429,
		"odd": 418, "elsewhere": 302, "broken": 500, "away": 503}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		token, journal := r.Header.Get("Authorization"), strings.Split(r.URL.Path, "/")[2]
		if journal == "garbled" {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 %s\r\n%s\r\n\r\n%s", token, token, token)
			_ = conn.Close() // it is not HTTP anyway
			return
		}
		w.Header().Set("X-Token", token)
		w.Header().Set("Set-Cookie", "token="+token)
		w.Header().Set("Retry-After", token)
		w.Header().Set("Location", "/"+token)
		w.WriteHeader(answers[journal])
		_, _ = io.WriteString(w, token) // the caller may be gone
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

// refusing are the journals that gossip does not answer 200 for.
var refusing = []string{"unknown", "refused", "unauthorized", "hurried", "odd", "elsewhere", "broken", "away",
	"garbled"}

// canaryFolder is the folder of everything that a run may write, its temporary files
// and its user's own included, and the arguments of dev for it.
func canaryFolder(t *testing.T, store string) (folder string, args []string, asked *atomic.Int64) {
	t.Helper()
	folder = t.TempDir()
	for _, name := range []string{"data", "tmp", "home"} {
		if err := os.Mkdir(filepath.Join(folder, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	policy := filepath.Join(folder, "policy.json")
	if err := os.WriteFile(policy, fmt.Appendf(nil,
		`{"kinds":{"images":{"max_bytes":%d},"few":{"extensions":["png"],"max_files":1}}}`, maxBytes), 0o600); err != nil {
		t.Fatal(err)
	}
	application, asked := gossip(t)
	for name, value := range map[string]string{"TMPDIR": filepath.Join(folder, "tmp"),
		"TMP": filepath.Join(folder, "tmp"), "HOME": filepath.Join(folder, "home"),
		"XDG_CACHE_HOME": filepath.Join(folder, "home"), "XDG_CONFIG_HOME": filepath.Join(folder, "home"),
		"HATCHERY_GRANT_SECONDS": "60", "HATCHERY_CORS_ORIGINS": "https://notes.example.com",
		"HATCHERY_REDIRECT_BYTES": strconv.Itoa(redirectBytes), "HATCHERY_POST_BYTES": strconv.Itoa(postBytes)} {
		t.Setenv(name, value)
	}
	if store == config.RecordsBugout {
		t.Setenv("HATCHERY_APPLICATION", "spire") // the stand-in is asked about tokens, too
		t.Setenv("HATCHERY_LEGACY_BUCKET", oldBucket)
		t.Setenv("HATCHERY_LEGACY_PREFIX", "dev")
	}
	return folder, []string{"--records", store, "--app", application, "--policy", policy}, asked
}

// shows are the ways to show a token.
var shows = []string{canary, "Bearer " + canary, "Bearer " + canaryUUID}

func TestACallersTokenIsFoundNowhereAfterwards(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store string) {
		folder, args, asked := canaryFolder(t, store)
		data := filepath.Join(folder, "data")
		const path = "/files/allowed/entries/" + bait + "/images"
		s := newSearch(t)

		// First nobody takes the messages: everything lies where it arrived.
		h := startHatchery(t, data, append(args, "--no-validator")...)
		p := newPlay(s, h)
		for i, token := range shows {
			p.token = token
			p.uploads(path, "before"+strconv.Itoa(i), uint64(10*i+1))
		}
		s.services(h, data, store)
		s.ended(h, folder)

		h = startHatchery(t, data, args...)
		p.h = h
		for i, token := range shows {
			p.token = token
			p.everything(t, store, uint64(1000*i+1), asked)
		}
		p.complete()
		s.idle(h)
		s.services(h, data, store)
		s.ended(h, folder)

		places := []string{"answers", "log", "files", "attributes of objects", "rows", "objects", "messages", "records"}
		places = append(places, map[string][]string{config.RecordsDynamoDB: {"items"},
			config.RecordsBugout: {"resources"}}[store]...)
		for _, place := range places {
			if s.baits[place] == 0 {
				t.Errorf("the search sees nothing in %s; found are %v", place, s.baits)
			}
		}
	})
}

// everything is what one caller does while the whole pipeline runs.
func (p *play) everything(t *testing.T, store string, seed uint64, asked *atomic.Int64) {
	t.Helper()
	const path = "/files/allowed/entries/" + bait + "/images"
	p.refusals(path)
	p.downloads(path, seed)
	p.strangers(path)
	if store == config.RecordsBugout && p.token == canary {
		p.legacyImages(strings.Replace(path, bait, bait+"-old", 1))
	}
	for _, journal := range refusing {
		before := asked.Load()
		p.refused(strings.Replace(path, "allowed", journal, 1))
		if asked.Load() < before+8 { // a refusal is not believed for a while
			t.Errorf("%s: the application was asked %d times", journal, asked.Load()-before)
		}
	}
}

// ended ends a run and looks into all that it printed and left.
func (s *search) ended(h *hatchery, folder string) {
	s.t.Helper()
	if code := h.interrupt(); code != exitDone {
		s.t.Errorf("exit code %d: %s", code, h.errors)
	}
	told := h.log.String() + h.errors.String()
	s.look("log", "what dev printed", []byte(told))
	if !strings.Contains(told, "/files/{journal}") {
		s.t.Errorf("dev's log has no requests: %s", told)
	}
	s.files(folder)
}

// TestACallersTokenIsInNoLineOfALogAtAnyLevel runs the pipeline here: dev leaves
// lines below INFO out.
func TestACallersTokenIsInNoLineOfALogAtAnyLevel(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store string) {
		folder, args, asked := canaryFolder(t, store)
		var logged bytes.Buffer
		log := slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.Level(-100), AddSource: true}))
		settings, err := devSettings(devFlags{data: filepath.Join(folder, "data"), records: store, app: args[3],
			policy: args[5]}, terminal{getenv: os.Getenv})
		if err != nil {
			t.Fatal(err)
		}
		at := "127.0.0.1:0"
		listens := map[string]*string{}
		o := local.Options{Data: filepath.Join(folder, "data"), Listen: at, S3Listen: at, SQSListen: at, AppURL: args[3],
			QuarantinePrefix: settings.Layout.Quarantine,
			FunctionTimeout:  settings.ValidatorTime, RequestTime: requestTime, SweepEvery: sweepEvery, Log: log}
		listens[config.RecordsDynamoDB], listens[config.RecordsBugout] = &o.DynamoDBListen, &o.BugoutListen
		if listen := listens[store]; listen != nil {
			*listen = at
		}
		stack, err := local.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		e := stack.Endpoints()
		if store == config.RecordsBugout {
			settings.Bugout = standIn(e)
			if err := openLegacy(t.Context(), pipeline.S3Client(e.AWS()), settings.Legacy.Bucket); err != nil {
				t.Fatal(err)
			}
		}
		requests := newBugoutRequests()
		records, closeRecords, err := openRecords(t.Context(), settings, stack, requests, log)
		if err != nil {
			t.Fatal(err)
		}
		handlers, err := stackHandlers(compose(onStack(settings, e), e.AWS(), records, requests, log), stack,
			pipeline.APIOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- stack.Run(ctx, handlers) }()

		h := &hatchery{t: t, base: e.API, errors: new(bytes.Buffer), log: new(lines),
			client: &http.Client{Timeout: time.Minute},
			env: map[string]string{"AWS_REGION": e.Region, "AWS_ENDPOINT_URL_S3": e.S3, "AWS_ENDPOINT_URL_SQS": e.SQS,
				"AWS_ENDPOINT_URL_DYNAMODB": e.DynamoDB,
				"AWS_ACCESS_KEY_ID":         e.AccessKey, "AWS_SECRET_ACCESS_KEY": e.SecretKey, "HATCHERY_BUCKET": e.Bucket,
				"HATCHERY_QUEUE_URL":  e.QueueURL,
				"HATCHERY_BUGOUT_URL": e.Bugout.URL, "HATCHERY_BUGOUT_APPLICATION_ID": e.Bugout.Application,
				"HATCHERY_BUGOUT_TOKEN": e.Bugout.Token}}
		s := newSearch(t)
		p := newPlay(s, h)
		p.token = shows[0]
		p.everything(t, store, 1, asked)
		p.token = shows[2]
		p.refused("/files/broken/entries/" + bait + "/images") // Bugout is asked about it
		h.client.CloseIdleConnections()
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := closeRecords(); err != nil {
			t.Error(err)
		}
		if err := stack.Close(context.Background()); err != nil {
			t.Error(err)
		}
		s.look("log", "the log", logged.Bytes())
		if s.baits["log"] == 0 || strings.Count(logged.String(), `"msg":"request"`) < 100 {
			t.Errorf("the log is %s", logged.String())
		}
	})
}

// TestATokenOfBugoutsIsToldFromAnOutage: with application=spire a 500 leads to one
// more question, at Bugout's auth server.
func TestATokenOfBugoutsIsToldFromAnOutage(t *testing.T) {
	application, _ := gossip(t)
	t.Setenv("HATCHERY_APPLICATION", "spire")
	h := startHatchery(t, t.TempDir(), "--records", "bugout", "--app", application)
	for token, want := range map[string]int{"Bearer " + canaryUUID: http.StatusUnauthorized,
		"Bearer no-uuid": http.StatusUnauthorized,
		"Bearer " + h.env["HATCHERY_BUGOUT_TOKEN"]: http.StatusServiceUnavailable} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.base+"/files/broken/entries/e/images", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", token)
		if a, err := h.send(r); err != nil || a.status != want {
			t.Errorf("a token is answered %d, %v, want %d", a.status, err, want)
		}
	}
}

// TestAGrantIsBelievedForAsLongAsTheSettingSays counts questions.
func TestAGrantIsBelievedForAsLongAsTheSettingSays(t *testing.T) {
	for seconds, want := range map[string]int64{"": 3, "60": 1} {
		application, asked := gossip(t)
		t.Setenv("HATCHERY_GRANT_SECONDS", seconds)
		h := startHatchery(t, t.TempDir(), "--app", application)
		for range 3 {
			h.do(http.MethodGet, "/files/allowed/entries/e/images", "", nil)
		}
		if asked.Load() != want {
			t.Errorf("with %q seconds the application was asked %d times, want %d", seconds, asked.Load(), want)
		}
	}
}
