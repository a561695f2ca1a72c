//go:build acceptance

package acceptance

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hatchery/shared/config"
	"hatchery/shared/deadletter"
	received "hatchery/shared/queue"
	"hatchery/shared/upload"
)

// poisonous is a dead-letter queue that gives each of many letters once.
type poisonous struct {
	deadletter.Queue
	letters int
	given   atomic.Int64
}

func (q *poisonous) Inspect(context.Context) (received.State, error) {
	return received.State{Visible: q.letters}, nil
}

func (q *poisonous) Receive(context.Context, time.Duration, time.Duration) (batch []received.Received, _ error) {
	end := int(q.given.Add(received.MaxBatch))
	for n := end - received.MaxBatch; n < min(end, q.letters); n++ {
		batch = append(batch, received.Received{ID: fmt.Sprintf("m-%05d", n), Message: received.Message{Body: hostileBody}})
	}
	return batch, nil
}

func (*poisonous) Hide(context.Context, []string, time.Duration) error { return nil }

// noAttempts are notes without one of what a validator noted, for which a listing would ask 10,000 times.
type noAttempts struct{ upload.Notes }

func (noAttempts) List(context.Context, string, upload.Cursor, int) (upload.NotesPage, error) {
	return upload.NotesPage{}, nil
}

// TestTenThousandDeadLettersAreReadPageByPageInABrowser: each page has the rows that it says, and no row is on two.
func TestTenThousandDeadLettersAreReadPageByPageInABrowser(t *testing.T) {
	const letters, rows = 10_000, 100
	d := startReviewed(t, config.RecordsSQLite)
	review := d.parts.Review(d.dead, "a test")
	review.DeadLetters, review.Notes, review.MaxReceives = &poisonous{letters: letters}, noAttempts{review.Notes}, 0
	_, err := review.List(t.Context(), func(deadletter.Letter) error { return nil })
	check(t, err)
	page := openBrowser(t)
	url := d.console()
	page.open(url, "10,000 dead letters")
	base, _, _ := strings.Cut(url, "/?")
	page.open(base+"/letters", "Letters 1 to 100 of 10,000.")
	seen := map[string]bool{}
	for first := 1; ; first += rows {
		var ids []string
		check(t, page.evaluate(`[...document.querySelectorAll("tbody input[type=checkbox]")].map((e) => e.value)`, &ids))
		for _, id := range ids {
			seen[id] = true
		}
		if len(ids) != rows || len(seen) != first+rows-1 {
			t.Fatalf("the page from %d has %d rows, and so far there were %d letters", first, len(ids), len(seen))
		}
		if len(seen) == letters {
			break
		}
		next := fmt.Sprintf("Letters %s to %s of 10,000.", grouped(first+rows), grouped(first+2*rows-1))
		page.click("a[rel=next]", "Next page", next)
	}
	var next bool
	check(t, page.evaluate(`document.querySelector("a[rel=next]") !== null`, &next))
	if next {
		t.Error("the last page has a next one")
	}
	page.click("a[rel=prev]", "Previous page", "Letters 9,801 to 9,900 of 10,000.")
	page.click("a", "First page", "Letters 1 to 100 of 10,000.")
	for _, complaint := range page.complained() {
		t.Errorf("the page complains: %s", complaint)
	}
}

func grouped(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

// press presses a key, as a person does.
func (b *browser) press(key, text string, code int) {
	b.t.Helper()
	for _, kind := range []string{"keyDown", "keyUp"} {
		event := map[string]any{"type": kind, "key": key, "windowsVirtualKeyCode": code}
		if kind == "keyDown" && text != "" {
			event["text"] = text
		}
		b.call("Input.dispatchKeyEvent", event, nil)
	}
}

func (b *browser) enter() { b.press("Enter", "\r", 13) }

// tabs presses Tab until an element has the focus, at each of which the focus has to be visible.
func (b *browser) tabs(selector string) {
	b.t.Helper()
	for range 100 {
		b.press("Tab", "", 9)
		var at struct {
			There, Visible bool
			What           string
		}
		check(b.t, b.evaluate(fmt.Sprintf(`(() => { const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect();
			return { There: e.matches(%q), What: e.outerHTML.slice(0, 200), Visible: s.outlineStyle === "solid" && parseFloat(s.outlineWidth) > 1 &&
			r.width > 0 && r.left >= 0 && r.right <= innerWidth && r.top < innerHeight && r.bottom > 0 }; })()`, selector), &at))
		if !at.Visible {
			b.t.Errorf("the focus is not visible at %s", at.What)
		}
		if at.There {
			return
		}
	}
	b.t.Fatalf("Tab does not reach %s", selector)
}

// TestThePagesAreUsedWithTheKeyboardAlone: Tab comes to everything in the order of the page, shows where it is, and Enter
// and Space do what a click does.
func TestThePagesAreUsedWithTheKeyboardAlone(t *testing.T) {
	d := startReviewed(t, config.RecordsSQLite)
	b := d.buryForConsole()
	page := openBrowser(t)
	page.open(d.console(), "Nothing was listed yet")
	page.tabs("main button")
	page.enter()
	page.says("Ended: list")
	page.tabs("main a[href*='/letters']")
	page.enter()
	page.says("Choose which are shown")

	page.tabs("a.skip") // the first of all
	page.enter()
	page.tabs("summary") // and not the links of the header
	page.enter()
	page.tabs("#cause")
	page.tabs("#name")
	page.call("Input.insertText", map[string]any{"text": "IMG"}, nil)
	page.enter()
	page.says("Letters 1 to 2.")
	page.tabs("details.filter #name") // it is open, and says what was asked
	base, _, _ := strings.Cut(pageURL(page), "/letters")
	page.open(base+"/letters", "Letters 1 to 3 of 3.")

	page.tabs(fmt.Sprintf("input[value='%s']", b.letters["discard"]))
	page.press(" ", " ", 32)
	page.tabs("button[value=discard]")
	page.enter()
	page.says("Discard 1 dead letter?")
	page.tabs("#reason")
	page.call("Input.insertText", map[string]any{"text": "typed"}, nil)
	page.tabs("button.go")
	page.press(" ", " ", 32)
	page.says("Ended: discard")
	for _, complaint := range page.complained() {
		t.Errorf("the page complains: %s", complaint)
	}
}
