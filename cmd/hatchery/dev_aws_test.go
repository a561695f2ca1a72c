package main

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"hatchery/shared/config"
)

func TestTheLimitsOfLikeAWSAreTheTemplates(t *testing.T) {
	x := readTemplate(t)
	for name, limit := range map[string]int{"HATCHERY_POST_BYTES": awsPostBytes, "HATCHERY_REDIRECT_BYTES": awsRedirectBytes} {
		want := x.number(t, "Resources", "ApiFunction", "Properties", "Environment", "Variables", name)
		if limit != want {
			t.Errorf("--like-aws takes %d; the template's %s is %d", limit, name, want)
		}
	}
}

func TestLikeAWSRefusesAndRedirectsAsAWSDoes(t *testing.T) {
	// What a shell may be set to does not matter.
	h := startHatcheryIn(t, append(withoutAWS(), "HATCHERY_POST_BYTES=7", "HATCHERY_REDIRECT_BYTES=7"), t.TempDir(),
		"--like-aws")
	if a, err := h.post(t.Context(), images, "big.png", make([]byte, awsPostBytes+1)); err != nil || a.status != 413 ||
		!strings.Contains(string(a.body), `"upload_form"`) {
		t.Errorf("above the limit of POST: %v, %d %s", err, a.status, a.body)
	}
	h.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for side, want := range map[int]int{600: http.StatusOK, 1025: http.StatusFound} {
		data := pngOf(t, side, 1)
		large := len(data) > awsRedirectBytes
		if large != (want == http.StatusFound) || len(data) > awsPostBytes {
			t.Fatalf("a picture with the side %d has %d bytes", side, len(data))
		}
		id := h.mustSettle(images, h.mustPost(images, "cat"+strconv.Itoa(side)+".png", data).ID).ID
		if a := h.do(http.MethodGet, images+"/"+id, "", nil); a.status != want {
			t.Errorf("GET of %d bytes: %d, want %d", len(data), a.status, want)
		}
	}
	if len(h.differs) != 1 || !strings.Contains(h.differs[0], "HATCHERY_CORS_ORIGINS") {
		t.Errorf("said to differ: %q", h.differs)
	}
}

func TestTheStartSaysWhatDiffersFromAWS(t *testing.T) {
	aws := config.Config{PostBytes: awsPostBytes, RedirectBytes: awsRedirectBytes, CORSOrigins: []string{"https://a.example"}}
	for name, c := range map[string]struct {
		change func(*config.Config)
		want   []string
	}{
		"nothing":        {func(*config.Config) {}, nil},
		"POST has none":  {func(c *config.Config) { c.PostBytes = 0 }, []string{"any size", "4,400,000", "--like-aws"}},
		"POST has one":   {func(c *config.Config) { c.PostBytes = 5_000_000 }, []string{"up to 5,000,000 bytes", "4,400,000"}},
		"no redirect":    {func(c *config.Config) { c.RedirectBytes = 0 }, []string{"every file itself", "4,000,000", "--like-aws"}},
		"other redirect": {func(c *config.Config) { c.RedirectBytes = 1000 }, []string{"above 1,000 bytes", "4,000,000"}},
		"no origins":     {func(c *config.Config) { c.CORSOrigins = nil }, []string{"localhost", "HATCHERY_CORS_ORIGINS"}},
	} {
		settings := aws
		c.change(&settings)
		differs := strings.Join(differences(settings), "\n")
		if (differs == "") != (c.want == nil) || strings.Contains(differs, "\n") {
			t.Errorf("%s: said is %q", name, differs)
		}
		text := announced(t, devFlags{}, announcement{differs: differences(settings)})
		for _, want := range c.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is not said: %s", name, want, text)
			}
		}
	}
}

func TestOnlyOriginsOfThisMachineAreAllowedUnasked(t *testing.T) {
	allowed := allowedHere(config.Config{})
	for _, origin := range []string{"http://localhost:3000", "https://localhost", "http://127.0.0.1:5173", "http://[::1]:8080",
		"https://[::1]"} {
		if !allowed(origin) {
			t.Errorf("%q is not allowed", origin)
		}
	}
	for _, origin := range []string{"", "null", "localhost", "http://localhost.evil.example", "http://localhost:3000.evil.example",
		"http://evil.example/http://localhost:3000", "http://localhost:3000@evil.example", "http://evil.localhost:3000",
		"http://127.0.0.1.evil.example", "http://127.0.0.10:80", "ftp://localhost", "http://localhost:3000/", "http://localhost:",
		"http://LOCALHOST:3000", "http://[::1", "http://::1:80", "http://[::10]:80", "file://", "http://localhost:3000\n",
		"http://192.168.0.1:3000", "http://127x0x0x1"} {
		if allowed(origin) {
			t.Errorf("%q is allowed", origin)
		}
	}
	if allowedHere(config.Config{CORSOrigins: []string{"https://notes.example.com"}}) != nil {
		t.Error("where origins are set, others are allowed")
	}
}

func TestAPageOnThisMachineMayUseDevUnlessOriginsAreSet(t *testing.T) {
	for setting, allowed := range map[string]bool{"": true, "https://notes.example.com": false} {
		t.Run("HATCHERY_CORS_ORIGINS="+setting, func(t *testing.T) {
			h := startHatcheryIn(t, append(withoutAWS(), "HATCHERY_CORS_ORIGINS="+setting), t.TempDir())
			const page = "http://localhost:3000"
			f, err := h.askForm(images, map[string]any{"name": "cat.png"})
			if err != nil {
				t.Fatal(err)
			}
			for what, url := range map[string]string{"the API": h.base + images, "the bucket": f.Form.URL} {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, url, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Origin", page)
				r.Header.Set("Access-Control-Request-Method", "POST")
				a, err := h.send(r)
				if err != nil {
					t.Fatal(err)
				}
				if got := a.header.Get("Access-Control-Allow-Origin"); (got == page) != allowed {
					t.Errorf("a preflight of %s is answered %d %v", what, a.status, a.header)
				}
			}
			h.interrupt() // so that all of the log is there
			if said := strings.Count(h.log.String(), "HATCHERY_CORS_ORIGINS"); said != 2 && !allowed || said != 0 && allowed {
				t.Errorf("the log names the setting %d times: %s", said, h.log)
			}
		})
	}
}
