//go:build acceptance

package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"hatchery/shared/arrival"
	"hatchery/shared/config"
	"hatchery/shared/upload"
)

// hostileName and hostileBody are what an uploader, and a sender of messages, may choose.
const (
	hostileName = "<img src=x onerror=alert(1)>\"'&.png"
	hostileBody = "<script>alert(1)</script>\u202e\u200b no notification"
)

// buried is one letter for each thing that the console does.
type buried struct {
	redrive, reject upload.Ref
	letters         map[string]string // message ids
}

// buryForConsole puts dead letters into dev, without a validator's failing first.
func (d *reviewed) buryForConsole() (b buried) {
	d.t.Helper()
	b.letters = map[string]string{}
	dead := aws.String(strings.Replace(d.queueURL, "hatchery-uploads", "hatchery-dead-letters", 1))
	bury := func(name, body string) {
		sent, err := d.queues.SendMessage(d.t.Context(), &sqs.SendMessageInput{QueueUrl: dead, MessageBody: &body})
		check(d.t, err)
		b.letters[name] = aws.ToString(sent.MessageId)
	}
	for name, ref := range map[string]*upload.Ref{"redrive": &b.redrive, "reject": &b.reject} {
		var err error
		*ref, err = d.accept(hostileName, string(sample(d.t, "genuine/go-nrgba.png")))
		check(d.t, err)
		versions, err := d.parts.Objects.Versions(d.t.Context(), d.settings.Layout.QuarantineKey(*ref))
		check(d.t, err)
		body, err := arrival.Format(arrival.Created{Name: "ObjectCreated:Put", Time: time.Now(), Bucket: "hatchery-uploads",
			Key: string(d.settings.Layout.QuarantineKey(*ref)), VersionID: string(versions[0])})
		check(d.t, err)
		bury(name, string(body))
	}
	bury("discard", hostileBody)
	_, err := d.queues.PurgeQueue(d.t.Context(), &sqs.PurgeQueueInput{QueueUrl: &d.queueURL}) // S3's own messages
	check(d.t, err)
	return b
}

// console starts `hatchery console` beside dev, and gives its address with the token.
func (d *reviewed) console() string { return startConsole(d.t, nil, "--data", d.data) }

// consoleOf gives the address that `hatchery console` prints.
func consoleOf(t testing.TB, s *server) (url string) {
	t.Helper()
	eventually(t, time.Minute, "the console is served", func() (bool, string) {
		url = regexp.MustCompile(`http://\S+\?token=[0-9a-f]+`).FindString(s.tail(4000))
		return url != "" || s.ended(), s.tail(4000)
	})
	return url
}

// TestDeadLettersArePutRightInABrowser: a person lists, opens, redrives, rejects, discards, restores and rechecks on the
// pages, with and without JavaScript, and what others chose does nothing.
func TestDeadLettersArePutRightInABrowser(t *testing.T) {
	for name, scripts := range map[string]bool{"with scripts": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			d := startReviewed(t, config.RecordsSQLite)
			b := d.buryForConsole()
			page := openBrowser(t)
			page.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": !scripts}, nil)
			page.open(d.console(), "Nothing was listed yet")
			playConsole(page, d, b)
			for _, complaint := range page.complained() {
				t.Errorf("the page complains: %s", complaint)
			}
		})
	}
}

func playConsole(page *browser, d *reviewed, b buried) {
	t := page.t
	page.click("button", "List them now", "Ended: list")
	page.click("a", "See what was listed", "Choose which are shown")
	page.click("a", b.letters["discard"], "Its body")
	page.says("<script>alert(1)</script>U+202EU+200B no notification")

	one := func(action, plan, words string) {
		t.Helper()
		page.click("nav a", "Dead letters", "Those that are checked")
		check(t, page.evaluate(fmt.Sprintf(`document.querySelector("input[value='%s']").click()`, b.letters[action]), nil))
		page.click("button[value="+action+"]", "", plan)
		if words != "" {
			check(t, page.evaluate(fmt.Sprintf(`document.querySelector("#reason").value = %q`, words), nil))
		}
		page.click("button.go", "", "Ended: ")
		page.says("done")
	}
	one("redrive", "Redrive 1 dead letter?", "")
	one("reject", "Reject 1 upload?", "Please send it as PNG.")
	one("discard", "Discard 1 dead letter?", "a test")

	page.click("nav a", "Discarded", "a test")
	check(t, page.evaluate(`document.querySelector("input[type=checkbox]").click()`, nil))
	page.click("button", "Restore", "Restore 1 discarded letter?")
	page.click("button.go", "Restore", "Ended: restore")

	page.click("nav a", "Search", "Search uploads")
	check(t, page.evaluate(`document.querySelector("#journal").value = "j"; document.querySelector("#entry").value = "e"`, nil))
	page.click("button", "Search uploads", "2 records looked at")
	page.click("td a", fmt.Sprintf("j/e/images/%s", b.reject.ID), "rejected as operator")
	page.says("<img src=x onerror=alert(1)>")
	page.click("button", "Try to recheck", "Try to recheck 1 upload?")
	page.click("button.go", "Try to recheck", "would be stored as image/png")
	page.open(strings.SplitN(pageURL(page), "/progress", 2)[0]+"/upload?name=j/e/images/"+string(b.reject.ID), "What happened")
	page.click("button", "Recheck", "Recheck 1 upload?")
	page.click("button.go", "Recheck", "is pending now")
	page.click("nav a", "Actions", "redrive")
	for _, action := range []string{"reject", "discard", "restore", "recheck"} {
		page.says(action)
	}
	if state, err := d.dead.Inspect(t.Context()); err != nil || state.Messages() != 0 {
		t.Errorf("dead are %+v, %v", state, err)
	}
	if state, err := d.parts.Queue().Inspect(t.Context()); err != nil || state.Messages() != 3 {
		t.Errorf("redriven, restored and rechecked are %+v, %v", state, err)
	}
}

func pageURL(page *browser) (url string) {
	check(page.t, page.evaluate("location.href", &url))
	return url
}

// violation is what axe found.
type violation struct {
	ID, Impact, Help string
	Nodes            []struct{ HTML string }
}

// TestThePagesAreForEverybody: axe finds nothing serious on them, at the widths of a phone and a desktop and in both colour
// schemes, and nothing is wider than the phone.
func TestThePagesAreForEverybody(t *testing.T) {
	axe, err := os.ReadFile(filepath.Join(toolsFolder(t), "axe", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatalf("axe is not here (%v): `bash .ci/run acceptance` installs it", err)
	}
	d := startReviewed(t, config.RecordsSQLite)
	b := d.buryForConsole()
	stored, err := d.accept("cat.png", string(sample(t, "genuine/go-nrgba.png")))
	check(t, err)
	versions, err := d.parts.Objects.Versions(t.Context(), d.settings.Layout.QuarantineKey(stored))
	check(t, err)
	_, err = d.parts.Uploads.Validate(t.Context(), d.settings.Layout.QuarantineKey(stored), versions[0])
	check(t, err)
	page := openBrowser(t)
	url := d.console()
	page.open(url, "Nothing was listed yet")
	page.click("button", "List them now", "Ended: list")
	base, _, _ := strings.Cut(url, "/?")
	for _, width := range []int{390, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			page.as(width, 900, 1, scheme)
			for _, at := range []struct{ name, path, says string }{
				{"overview", "/", "Overview"}, {"letters", "/letters", "3 dead letters"}, {"listings", "/listings", "Listings"},
				{"letter", "/letter?id=" + b.letters["discard"], "Its body"},
				{"upload", "/upload?name=j/e/images/" + string(stored.ID), "stored as image/png"},
				{"search", "/search?journal=j&entry=e", "Found"}, {"progress", "/progress", "Ended"},
				{"actions", "/actions", "Actions"}, {"discarded", "/discarded", "Discarded"}, {"start", "", "Upload a picture"},
			} {
				if at.name == "start" {
					page.open(d.api+"/?journal=j&entry=e", at.says)
				} else {
					page.open(base+at.path, at.says)
				}
				wantForEverybody(page, string(axe), fmt.Sprintf("%s-%d-%s", at.name, width, scheme))
			}
			page.open(base+"/letters", "3 dead letters")
			check(t, page.evaluate(`document.querySelector("input[type=checkbox]").click()`, nil))
			page.click("button", "Reject", "Each is looked at again")
			wantForEverybody(page, string(axe), fmt.Sprintf("plan-%d-%s", width, scheme))
		}
	}
	for _, complaint := range page.complained() {
		t.Errorf("the page complains: %s", complaint)
	}
}

func wantForEverybody(page *browser, axe, name string) {
	page.t.Helper()
	page.screenshot(name)
	var wide float64
	check(page.t, page.evaluate("document.documentElement.scrollWidth - window.innerWidth", &wide))
	if wide > 0 {
		page.t.Errorf("%s is %v pixels too wide", name, wide)
	}
	check(page.t, page.evaluate(axe+";0", nil))
	var found struct{ Violations []violation }
	var text string
	check(page.t, page.evaluate(`axe.run().then((r) => JSON.stringify({Violations: r.violations.map((v) =>
		({ID: v.id, Impact: v.impact, Help: v.help, Nodes: v.nodes.map((n) => ({HTML: n.html}))}))}))`, &text))
	check(page.t, json.Unmarshal([]byte(text), &found))
	for _, v := range found.Violations {
		page.t.Errorf("%s: %s (%s): %s: %.300v", name, v.ID, v.Impact, v.Help, v.Nodes)
	}
}
