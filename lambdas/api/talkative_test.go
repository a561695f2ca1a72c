package main

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"hatchery/lambdas/bootstrap/bootstraptest"
	"hatchery/shared/stdlog"
)

// TestATokenIsInNoLogWhenTheApplicationSendsTooMuch: net/http quotes in the standard logger what no answer is made of.
func TestATokenIsInNoLogWhenTheApplicationSendsTooMuch(t *testing.T) {
	const token = "canary-51c0ffee93d7"
	application := bootstraptest.TalkativeApplication(t)
	f := start(t, "HATCHERY_APPLICATION_URL", application.URL)
	for journal, want := range map[string]int{"body": http.StatusServiceUnavailable, "long": http.StatusOK,
		"idle": http.StatusOK} {
		before := strings.Count(f.Stderr.String(), stdlog.Sentence)
		got := f.invoke(t, "api-http-list.json", func(e map[string]any) {
			headers, _ := e["headers"].(map[string]any)
			headers["authorization"] = token
			path := "/files/" + journal + "/entries/e/images"
			e["rawPath"] = path
			request, _ := e["requestContext"].(map[string]any)
			about, _ := request["http"].(map[string]any)
			about["path"] = path
		})
		if got.StatusCode != want {
			t.Errorf("%s: answered %d, want %d: %s", journal, got.StatusCode, want, got.Body)
		}
		if journal == "idle" {
			application.Speak <- struct{}{}
		}
		if closed := <-application.Closed; closed != journal {
			t.Errorf("closed is the connection of %q, not that of %q", closed, journal)
		}
		if after := strings.Count(f.Stderr.String(), stdlog.Sentence); after != before+1 {
			t.Errorf("%s: the log has the sentence %d times more, want once: %s", journal, after-before, f.Stderr.String())
		}
	}
	slog.Info("a library logs " + token) //nolint:sloglint // what goes through slog's default goes there, too
	if told := f.Stdout.String() + f.Stderr.String(); strings.Contains(told, token) {
		t.Errorf("the token is in %s", told)
	}
}
