//go:build acceptance

package acceptance

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// startConsole starts `hatchery console`, and gives its address with the token.
func startConsole(t testing.TB, env []string, args ...string) string {
	t.Helper()
	return consoleOf(t, serve(t, "console", env, append([]string{hatcheryProgram(t), "console"}, args...)...))
}

// visitor is a browser that only loads pages and sends forms.
type visitor struct {
	t      *testing.T
	client *http.Client
	base   string // of the pages
}

// visits opens a console by its address with the token.
func visits(t *testing.T, address string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	check(t, err)
	v := &visitor{t: t, client: &http.Client{Jar: jar, Timeout: 40 * time.Second}}
	t.Cleanup(v.client.CloseIdleConnections)
	v.base, _, _ = strings.Cut(address, "/?")
	v.loads(http.MethodGet, address, nil)
	return v
}

func (v *visitor) loads(method, address string, form url.Values) string {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, address, strings.NewReader(form.Encode()))
	check(v.t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", v.base)
	}
	answer, err := v.client.Do(r)
	check(v.t, err)
	defer answer.Body.Close()
	page, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		v.t.Fatalf("%s %s: %s, %v\n%s", method, address, answer.Status, err, page)
	}
	return string(page)
}

// sees loads a page that has to say something.
func (v *visitor) sees(path string, says ...string) string {
	v.t.Helper()
	return v.says(v.loads(http.MethodGet, v.base+path, nil), says...)
}

func (v *visitor) says(page string, says ...string) string {
	v.t.Helper()
	for _, words := range says {
		if !strings.Contains(page, words) {
			v.t.Errorf("the page does not say %q\n%s", words, page)
		}
	}
	return page
}

// sends sends a form of a page, and waits for the end of what that begins.
func (v *visitor) sends(path string, form url.Values) (page string) {
	v.t.Helper()
	form.Set("csrf", regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindStringSubmatch(v.sees("/"))[1])
	page = v.loads(http.MethodPost, v.base+path, form)
	eventually(v.t, time.Minute, "the action ends", func() (bool, string) {
		if strings.Contains(page, "Stop it") {
			page = v.sees("/progress")
		}
		return !strings.Contains(page, "Stop it"), page
	})
	return page
}

// acts does an action to one message, as its page asks.
func (v *visitor) acts(action, message, reason, asks string) string {
	v.t.Helper()
	form := url.Values{"action": {action}, "message": {message}, "only": {"checked"}}
	v.says(v.sends("/plan", form), asks)
	form.Set("count", "1")
	form.Set("reason", reason)
	return v.sends("/act", form)
}

// peopleUseTheConsole: on the pages a person does what the policies attached give, and nothing else; what they do not
// give is said.
func peopleUseTheConsole(t *testing.T, looks, acts onCall, p *patients, took gotRights) {
	const done, n = "<dt><bdi>done</bdi></dt><dd>1</dd>", nPending - 1
	env, _ := looks.logIn(t)
	v := visits(t, startConsole(t, env, looks.at(nil)...))
	v.says(v.acts("redrive", p.message(n), "", "Redrive 1 dead letter?"), "Failed: ",
		"You may not do that: it needs the right to s3:PutObject")

	env, session := acts.logIn(t)
	v = visits(t, startConsole(t, env, acts.at(nil)...))
	v.sees("/", "the stack "+p.stack.name, "/"+acts.role+"/")
	v.says(v.sends("/list", url.Values{}), "Ended: <bdi>list", "Listed: ")
	v.sees("/letters?cause=denied&name=CAT&entry="+p.entry.id, p.message(n))
	v.sees("/letter?id="+p.message(n), p.id(n), "s3:GetObjectVersion")
	v.says(v.acts("redrive", p.message(n), "", "Redrive 1 dead letter?"), "Ended: ", done)
	v.says(v.acts("reject", p.lost[1].MessageID, "Please send it again.", "Reject 1 upload?"), "Ended: ", done)
	v.sees("/search?journal="+p.journal+"&entry="+p.entry.id+"&code=operator", string(p.lost[1].Arrivals[0].UploadID),
		"Please send it again.")
	v.sees("/actions", "/"+acts.role+"/", "Please send it again.")
	_, err := p.stored(t.Context(), record{Kind: "images", ID: p.id(n)})
	check(t, err)
	upload := "/upload?name=" + url.QueryEscape(p.name(n))
	page := v.sees(upload, "What happened", "stored as image/gif", "The picture is not shown: ", "OperatorSeesFiles")
	if strings.Contains(page, "<img") {
		t.Errorf("a picture that may not be read is linked to\n%s", page)
	}
	known := map[string]bool{"s3: GetObjectVersion `files/`": true}
	for _, rights := range took {
		for one := range rights {
			known[shortRights(map[string]bool{one: true})] = true
		}
	}
	for _, one := range acts.askedIn(t, session) {
		short := shortRights(map[string]bool{one.Action + " " + one.Resource: true})
		if !known[short] || !one.Allowed && short != "s3: GetObjectVersion `files/`" {
			t.Errorf("the console asked for %s on %s, allowed: %v", one.Action, one.Resource, one.Allowed)
		}
	}

	p.attach(t, acts.role, "OperatorSeesFiles")
	shown := regexp.MustCompile(`<img class="picture" src="([^"]+)"`).FindStringSubmatch(v.sees(upload))
	if shown == nil {
		t.Fatalf("the picture is not shown\n%s", v.sees(upload))
	}
	answer, err := p.http.Get(html.UnescapeString(shown[1]))
	check(t, err)
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != "image/gif" {
		t.Errorf("the picture is %s, %s", answer.Status, answer.Header.Get("Content-Type"))
	}
}
