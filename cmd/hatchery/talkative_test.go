package main

import (
	"net/http"
	"strings"
	"testing"

	"hatchery/lambdas/bootstrap/bootstraptest"
	"hatchery/shared/stdlog"
)

// TestATokenIsInNothingThatDevPrintsWhenTheApplicationSendsTooMuch: net/http quotes in the standard logger what no answer
// is made of.
func TestATokenIsInNothingThatDevPrintsWhenTheApplicationSendsTooMuch(t *testing.T) {
	application := bootstraptest.TalkativeApplication(t)
	h := startHatchery(t, t.TempDir(), "--app", application.URL)
	for journal, want := range map[string]int{"body": http.StatusServiceUnavailable, "long": http.StatusOK,
		"idle": http.StatusOK} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.base+"/files/"+journal+"/entries/e/images", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", canary)
		if a, err := h.send(r); err != nil || a.status != want {
			t.Errorf("%s: answered %d, %v, want %d", journal, a.status, err, want)
		}
		if journal == "idle" {
			application.Speak <- struct{}{}
		}
		<-application.Closed
	}
	if code := h.interrupt(); code != exitDone {
		t.Errorf("exit code %d", code)
	}
	if told := h.log.String() + h.errors.String(); strings.Contains(told, canary) {
		t.Errorf("the token is in %s", told)
	}
	if n := strings.Count(h.errors.String(), "hatchery: "+stdlog.Sentence+"\n"); n != 3 {
		t.Errorf("the sentence is there %d times, want 3: %s", n, h.errors)
	}
}
