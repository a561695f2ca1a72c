package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hatchery/shared/api"
)

func TestALogLineSaysWhatHappenedAndNothingThatACallerSent(t *testing.T) {
	w := newFixture(t)
	secrets := []string{"secretname", "secretquery", "secretheader", "secretpath", "secretbody", "SECRETMETHOD", canary}
	w.do("POST", files+"?name=secretname.png&x=secretquery", strings.NewReader("secretbody"), "X-Other", "secretheader",
		"Idempotency-Key", "secretheader")
	w.do("SECRETMETHOD", "/secretpath?secretquery", nil)
	w.do("POST", files+"/uploads", strings.NewReader(`{"name":"secretname.png"}`), "Content-Type", "application/json")
	w.do("GET", files+"?cursor=secretquery", nil)
	w.do("POST", files+"?name=secretname.exe", strings.NewReader("secretbody"))

	lines := strings.Split(strings.TrimSpace(w.log.String()), "\n")
	if len(lines) != 5 {
		t.Fatalf("%d lines for 5 requests: %s", len(lines), w.log.String())
	}
	for _, secret := range secrets {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
	var first map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{"level": "INFO", "request_id": "request-1", "method": "POST",
		"route": "/files/{journal}/entries/{entry}/{kind}", "status": 202.0, "upload_id": idNew} {
		if first[name] != want {
			t.Errorf("%s is %v, want %v", name, first[name], want)
		}
	}
	for _, name := range []string{"ms", "bytes"} {
		if _, ok := first[name].(float64); !ok {
			t.Errorf("no %s in %s", name, lines[0])
		}
	}
}

func TestTheLogSaysWhatAPageMustBeAllowedOrAskedOtherwise(t *testing.T) {
	const page, setting, accept = "https://secretpage.example.com", "HATCHERY_CORS_ORIGINS", "Accept: application/json"
	large := "/files/j/entries/large/images/" + idLarge
	for name, c := range map[string]struct {
		method, path string
		header       []string
		allowed      []string
		note         string
	}{
		"a preflight where no origin is set":   {"OPTIONS", files, []string{"Access-Control-Request-Method", "POST"}, nil, setting},
		"a preflight of another origin":        {"OPTIONS", files, []string{"Access-Control-Request-Method", "GET"}, []string{"https://a.test"}, setting},
		"a preflight of the origin":            {"OPTIONS", files, []string{"Access-Control-Request-Method", "GET"}, []string{page}, ""},
		"OPTIONS that is no preflight":         {"OPTIONS", files, nil, nil, ""},
		"a redirect":                           {"GET", large, nil, []string{page}, accept},
		"a redirect for a program":             {"GET", large, []string{"Origin", "-"}, []string{page}, ""},
		"a link instead of a redirect":         {"GET", large, []string{"Accept", "application/json"}, []string{page}, ""},
		"a file that is small enough for here": {"GET", files + "/" + idStored, nil, []string{page}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t, redirects, cors(c.allowed...))
			w.do(c.method, c.path, nil, append([]string{"Origin", page}, c.header...)...)
			var line struct{ Note string }
			if err := json.Unmarshal([]byte(w.log.String()), &line); err != nil {
				t.Fatal(err)
			}
			if (line.Note != "") != (c.note != "") || !strings.Contains(line.Note, c.note) ||
				strings.Contains(w.log.String(), "secret") {
				t.Errorf("the note is %q, want %q, in %s", line.Note, c.note, w.log)
			}
		})
	}
}

func TestTroubleIsLoggedWithItsCauseUnderTheIdThatTheCallerGot(t *testing.T) {
	for name, header := range map[string][]string{
		"store":      nil,
		"authorizer": {"Authorization", "-", "Authorization", "Bearer broken"},
		"panic":      {"Authorization", "-", "Authorization", "Bearer panic"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newFixture(t, brokenRecords, func(w *fixture) { w.config.RequestID = nil })
			seeded := w.pipeline.Records
			w.pipeline.Records = seeded
			got := w.do("GET", files+"/"+idStored, nil, header...)
			id, _ := got.member(t, "request_id").(string)
			if len(id) < 20 || got.header.Get("X-Request-Id") != id {
				t.Errorf("request id %q, header %q", id, got.header.Get("X-Request-Id"))
			}
			for _, want := range []string{`"level":"ERROR"`, "secret internals", id} {
				if !strings.Contains(w.log.String(), want) {
					t.Errorf("the log has no %s: %s", want, w.log.String())
				}
			}
		})
	}
}

func TestAPanicAfterTheAnswerBeganBreaksTheConnection(t *testing.T) {
	w := newFixture(t)
	defer func() {
		if recover() != http.ErrAbortHandler { //nolint:errorlint // the sentinel itself is panicked
			t.Error("the connection was not broken off")
		}
		if !strings.Contains(w.log.String(), "panicked while writing") ||
			!strings.Contains(w.log.String(), `"aborted":true`) {
			t.Errorf("the log does not say so: %s", w.log.String())
		}
	}()
	w.handler.ServeHTTP(panickingWriter{httptest.NewRecorder()}, request(t, "GET", files, nil))
}

// panickingWriter panics once a body is written.
type panickingWriter struct{ *httptest.ResponseRecorder }

func (panickingWriter) Write([]byte) (int, error) { panic("panicked while writing") }

func TestAConfigurationThatCannotWorkIsRefused(t *testing.T) {
	good := newFixture(t).config
	for name, spoil := range map[string]func(*api.Config){
		"no pipeline":        func(c *api.Config) { c.Pipeline = nil },
		"no downloads":       func(c *api.Config) { c.Downloads = nil },
		"no forms":           func(c *api.Config) { c.Forms = nil },
		"no authorizer":      func(c *api.Config) { c.Authorizer = nil },
		"forms that outlive": func(c *api.Config) { c.FormLifetime = time.Hour + 1 },
		"negative bytes":     func(c *api.Config) { c.PostBytes = -1 },
		"negative time":      func(c *api.Config) { c.FormLifetime = -1 },
		"too long a wait":    func(c *api.Config) { c.MaxWait = 20*time.Second + 1 },
		"negative wait":      func(c *api.Config) { c.MaxWait = -1 },
	} {
		spoiled := good
		spoil(&spoiled)
		if _, err := api.New(spoiled); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := api.New(api.Config{Pipeline: good.Pipeline, Downloads: good.Downloads, Forms: good.Forms,
		Authorizer: good.Authorizer}); err != nil {
		t.Errorf("the minimal configuration: %v", err)
	}
}
