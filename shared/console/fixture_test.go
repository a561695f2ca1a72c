package console

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"image"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"hatchery/shared/arrival"
	"hatchery/shared/deadletter"
	"hatchery/shared/policy"
	"hatchery/shared/queue"
	"hatchery/shared/queue/queuetest"
	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

// fixture is a deployment in memory, its console, and a browser that has shown the token.
type fixture struct {
	testing.TB
	*Console
	clock        *uploadtest.Clock
	records      *uploadtest.Records
	objects      *uploadtest.Objects
	source, dead *queuetest.Memory
	pipeline     *upload.Pipeline
	end          context.CancelFunc

	mu  sync.Mutex
	ids int
}

const host = "127.0.0.1:8090"

func newFixture(t testing.TB) *fixture {
	f := &fixture{TB: t, clock: uploadtest.NewClock(time.Date(2126, 1, 2, 3, 4, 5, 0, time.UTC)),
		objects: uploadtest.NewObjects()}
	f.records = uploadtest.NewRecords(uploadtest.RecordsOptions{Swap: true, Now: f.clock.Now})
	f.objects.SetClock(f.clock.Now)
	f.dead = &queuetest.Memory{Retention: 14 * 24 * time.Hour, Now: f.clock.Now}
	f.source = &queuetest.Memory{DeadLetters: f.dead, Now: f.clock.Now}
	f.pipeline = &upload.Pipeline{Policy: policy.Default(), Layout: upload.DefaultLayout, Records: f.records,
		Objects: f.objects, Now: f.clock.Now, NewID: f.newID, TombstoneLife: upload.DefaultTombstoneLife}
	review := &deadletter.Review{DeadLetters: f.dead, Source: f.source, Records: f.records, Objects: f.objects,
		Notes: uploadtest.NewNotes(), Pipeline: f.pipeline, Policy: policy.Default(), Layout: upload.DefaultLayout,
		Bucket: "uploads", Region: "eu-central-1", MaxReceives: 5, Concurrency: 4, Operator: "arn:aws:iam::1:user/somebody",
		Now: f.clock.Now, After: func(time.Duration) <-chan time.Time { c := make(chan time.Time, 1); c <- time.Time{}; return c },
		NewID: func() string { id, _ := f.newID(); return string(id) }, Log: slog.New(slog.DiscardHandler)}
	life, end := context.WithCancel(t.Context())
	f.end = end
	c, err := New(life, Config{Review: review, Source: f.source, Dead: f.dead, Downloads: f.objects, CountAlways: true,
		Deployment: "the stack hatchery", Flags: " --stack hatchery", Random: rand.Reader, Log: review.Log})
	if err != nil {
		t.Fatal(err)
	}
	f.Console = c
	t.Cleanup(c.Close)
	return f
}

func (f *fixture) newID() (upload.ID, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ids++
	return upload.ID(fmt.Sprintf("019a0000-0000-7000-8000-%012d", f.ids)), nil
}

// request is one as the browser sends it.
func (f *fixture) request(method, path string, form url.Values) *http.Request {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, "http://"+host+path, body)
	r.RemoteAddr = "127.0.0.1:40000"
	r.AddCookie(&http.Cookie{Name: "hatchery-console-8090", Value: f.secrets.session})
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", "http://"+host)
	}
	return r
}

func (f *fixture) serve(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

// get is a page that has to be there.
func (f *fixture) get(path string) string {
	f.Helper()
	w := f.serve(f.request(http.MethodGet, path, nil))
	if w.Code != http.StatusOK {
		f.Fatalf("GET %s: %d\n%s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

// send sends a form with the token of its page.
func (f *fixture) send(path string, form url.Values, want int) string {
	f.Helper()
	form.Set("csrf", f.secrets.csrf)
	w := f.serve(f.request(http.MethodPost, path, form))
	if w.Code != want {
		f.Fatalf("POST %s %v: %d, want %d\n%s", path, form, w.Code, want, w.Body)
	}
	return w.Body.String()
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)

// asks sends a form, and gives the page of the question to which it leads.
func (f *fixture) asks(form url.Values) string {
	f.Helper()
	form.Set("csrf", f.secrets.csrf)
	w := f.serve(f.request(http.MethodPost, "/plan", form))
	if w.Code != http.StatusSeeOther {
		f.Fatalf("%v is answered %d\n%s", form, w.Code, w.Body)
	}
	return f.get(w.Header().Get("Location"))
}

// does sends a form, confirms its plan with the words, and waits for the end. It gives the page of the plan and of the
// progress.
func (f *fixture) does(form url.Values, words string) (plan, progress string) {
	f.Helper()
	plan = f.asks(form)
	again := url.Values{}
	for _, field := range hidden.FindAllStringSubmatch(plan, -1) {
		again.Add(field[1], unescape(field[2]))
	}
	if words != "" {
		again.Set("reason", words)
	}
	f.send("/act", again, http.StatusSeeOther)
	f.jobs.running.Wait()
	return plan, f.get("/progress")
}

func unescape(text string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&#34;", `"`, "&#39;", "'", "&#43;", "+", "&amp;", "&").Replace(text)
}

// lists lists the dead letters.
func (f *fixture) lists() {
	f.Helper()
	f.send("/list", url.Values{}, http.StatusSeeOther)
	f.jobs.running.Wait()
}

func contains(t testing.TB, page string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(page, w) {
			t.Errorf("the page does not say %q\n%s", w, page)
		}
	}
}

func lacks(t testing.TB, page string, words ...string) {
	t.Helper()
	for _, w := range words {
		if strings.Contains(page, w) {
			t.Errorf("the page says %q\n%s", w, page)
		}
	}
}

// picture is a small one.
func picture(t testing.TB) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// accept makes an upload whose bytes are in quarantine, and gives what S3 says of them.
func (f *fixture) accept(name string, body []byte) (upload.Ref, arrival.Created) {
	f.Helper()
	r, err := f.pipeline.Draft(upload.Request{Journal: "j", Entry: "e", Kind: "images", Filename: name})
	if err == nil {
		r, err = f.pipeline.Accept(f.Context(), r, nil, bytes.NewReader(body), int64(len(body)))
	}
	if err != nil {
		f.Fatal(err)
	}
	key := upload.DefaultLayout.QuarantineKey(r.Ref())
	versions, err := f.objects.Versions(f.Context(), key)
	if err != nil || len(versions) != 1 {
		f.Fatal(versions, err)
	}
	return r.Ref(), arrival.Created{Name: "ObjectCreated:Put", Time: f.clock.Now(), Region: "eu-central-1", Bucket: "uploads",
		Key: string(key), VersionID: string(versions[0]), Size: int64(len(body))}
}

func (f *fixture) judge(c arrival.Created) {
	f.Helper()
	if _, err := f.pipeline.Validate(f.Context(), upload.Key(c.Key), upload.Version(c.VersionID)); err != nil {
		f.Fatal(err)
	}
}

// bury makes a dead letter.
func (f *fixture) bury(id string, created arrival.Created) {
	f.Helper()
	body, err := arrival.Format(created)
	if err != nil {
		f.Fatal(err)
	}
	f.buryText(id, string(body))
}

func (f *fixture) buryText(id, body string) {
	f.dead.Put(queue.Received{ID: id, SentAt: f.clock.Now().Add(-time.Hour), Source: "arn:aws:sqs:eu-central-1:1:uploads",
		Message: queue.Message{Body: body}})
}
