package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"hatchery/shared/local"
	"hatchery/shared/local/demoapp"
)

// says waits until dev has logged a text.
func (h *hatchery) says(text string) {
	h.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(30 * time.Second); !strings.Contains(h.log.String(), text); <-again.C {
		if time.Now().After(end) {
			h.t.Fatalf("dev does not say %q:\n%s", text, h.log)
		}
	}
}

func TestARunningDevIsBrokenAndMended(t *testing.T) {
	h := startHatchery(t, filepath.Join(t.TempDir(), "data"))
	posts := func() int {
		a, err := h.post(t.Context(), images, "cat.png", pngOf(t, 4, 1))
		if err != nil {
			t.Fatal(err)
		}
		return a.status
	}
	out, _ := operates(t, exitDone, "break", "application", "--data", h.data)
	if out != "Broken: application. Mend it with: hatchery mend --data "+h.data+"\n" {
		t.Errorf("break says %q", out)
	}
	if status := posts(); status != http.StatusServiceUnavailable {
		t.Errorf("while the application fails an upload is answered %d", status)
	}
	h.says(`"broken":"application"`)
	h.says(`"mend":"hatchery mend --data ` + h.data + `"`)
	if out, _ = operates(t, exitDone, "mend", "--data", h.data); !strings.HasPrefix(out, "Mended.") {
		t.Errorf("mend says %q", out)
	}
	if status := posts(); status != http.StatusAccepted {
		t.Errorf("when it is mended an upload is answered %d", status)
	}
	if out, _ = operates(t, exitDone, "mend", "--data", h.data); out != "Nothing was broken.\n" {
		t.Errorf("mending again says %q", out)
	}
}

func TestADevBeginsBrokenAndIsStillBrokenAtTheNextStart(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store string) {
		data := filepath.Join(t.TempDir(), "data")
		h := startHatchery(t, data, "--records", store, "--break", "lost:1,application:1")
		if a, err := h.post(t.Context(), images, "cat.png", pngOf(t, 4, 1)); err != nil || a.status != 503 {
			t.Errorf("%v, %d", err, a.status)
		}
		h.mustPost(images, "cat.png", pngOf(t, 4, 1))
		h.says(`"result":"lost"`)
		if r := h.mustSettle(images, h.mustPost(images, "cat.png", pngOf(t, 4, 1)).ID); r.Status != "stored" {
			t.Errorf("the next is %+v", r)
		}
		if code := h.interrupt(); code != exitDone {
			t.Fatal(h.errors)
		}
		h = startHatchery(t, data, "--records", store)
		h.says(`"broken":"lost:1 application:1"`)
	})
}

func TestAnApplicationThatIsNotDevsOwnIsNotBroken(t *testing.T) {
	application := httptest.NewServer(demoapp.Handler())
	defer application.Close()
	h := startHatchery(t, filepath.Join(t.TempDir(), "data"), "--app", application.URL)
	_, complaints := operates(t, exitUsage, "break", "application", "--data", h.data)
	if !strings.Contains(complaints, application.URL) || !strings.Contains(complaints, "the demo application alone") {
		t.Errorf("it says %s", complaints)
	}
	operates(t, exitDone, "break", "s3:1", "--data", h.data)
}

// rehearsals finds the line of each section about an alarm or a cause that says how to rehearse it.
func rehearsals(t *testing.T) map[string]string {
	t.Helper()
	page := string(readFile(t, sourceFile(t, "docs", "operations.md")))
	_, page, _ = strings.Cut(page, "\n## Alarms\n")
	page, _, _ = strings.Cut(page, "\n## One upload\n")
	page = strings.ReplaceAll(page, "\n## Why letters die\n", "\n")
	found := map[string]string{}
	for _, section := range strings.Split(page, "\n### ")[1:] {
		name, text, _ := strings.Cut(section, "\n")
		_, line, _ := strings.Cut(text, "\nRehearse: ")
		line, _, _ = strings.Cut(line, "\n\n")
		found[name] = strings.ReplaceAll(line, "\n", " ")
	}
	return found
}

func TestEverySectionOfTheRunbookSaysHowToRehearseIt(t *testing.T) {
	breaks := regexp.MustCompile("`hatchery break ([^`]*)`")
	broken := map[local.Cause]bool{}
	sections := rehearsals(t)
	for section, line := range sections {
		if line == "" {
			t.Errorf("%s does not", section)
		}
		for _, found := range breaks.FindAllStringSubmatch(line, -1) {
			causes, err := local.ParseBreaks(strings.Fields(found[1]))
			if err != nil {
				t.Errorf("%s: %v", section, err)
			}
			for _, b := range causes {
				broken[b.Cause] = true
			}
		}
	}
	if len(sections) != 24 {
		t.Errorf("the page has %d sections about alarms and causes", len(sections))
	}
	for _, cause := range local.Causes() {
		if !broken[cause] {
			t.Errorf("no section is rehearsed with hatchery break %s", cause)
		}
	}
}

func TestTheHelpOfBreakTellsEveryCause(t *testing.T) {
	out, _ := operates(t, exitDone, "break", "--help")
	dev, _ := operates(t, exitDone, "dev", "--help")
	for _, cause := range local.Causes() {
		if !strings.Contains(out, "\n  "+string(cause)+" ") || !strings.Contains(dev, string(cause)+",") &&
			!strings.Contains(dev, string(cause)+" (") {
			t.Errorf("%s is not told", cause)
		}
	}
}
