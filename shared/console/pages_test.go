package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hatchery/shared/deadletter"
	"hatchery/shared/queue"
	"hatchery/shared/upload"
)

func TestAnOperatorPutsDeadLettersRightOnThePages(t *testing.T) {
	f := newFixture(t)
	cat, catCreated := f.accept("cat.png", picture(t))
	dog, dogCreated := f.accept("dog.png", picture(t))
	f.bury("m-cat", catCreated)
	f.bury("m-dog", dogCreated)
	f.buryText("m-poison", "no notification")
	contains(t, f.get("/"), "Nothing was listed yet", "<dt>wait</dt><dd>3</dd>", `<dt>pending</dt><dd><a href="/search?status=pending">2</a></dd>`,
		"arn:aws:iam::1:user/somebody", "the stack hatchery")
	f.lists()
	contains(t, f.get("/progress"), "3 dead letters", "See what was listed")
	contains(t, f.get("/"), "poison", "unknown", "the oldest was sent", "1h 0m ago")
	letters := f.get("/letters")
	contains(t, letters, "m-cat", "m-dog", "m-poison", "j</bdi>/<bdi>e</bdi>/<bdi>"+string(cat.ID), "Letters 1 to 3 of 3.")
	contains(t, f.get("/letter?id=m-cat"), "Nothing was kept of why it failed", "quarantine",
		"hatchery dlq show<bdi> --stack hatchery</bdi> <bdi>m-cat")

	plan, progress := f.does(url.Values{"action": {"redrive"}, "message": {"m-cat", "m-poison"}, "only": {"checked"}}, "")
	contains(t, plan, "Redrive 1 dead letter?", "validators would fail on it again; discard it", "unknown</bdi>: 1")
	contains(t, progress, "Ended: <bdi>redrive", "m-cat", "<dt><bdi>done</bdi></dt><dd>1</dd>")
	if sent := f.source.Messages(); len(sent) != 1 || sent[0].Attributes[deadletter.RedriveAttribute].Text != "1" {
		t.Errorf("sent was %+v", sent)
	}
	plan, _ = f.does(url.Values{"action": {"reject"}, "message": {"m-dog"}}, "Save it as PNG, please.")
	contains(t, plan, "What the uploader reads")
	if r, err := f.records.Get(t.Context(), dog); err != nil || r.Status != upload.Rejected || r.Reason.Message != "Save it as PNG, please." {
		t.Errorf("the rejected upload is %+v, %v", r, err)
	}
	f.does(url.Values{"action": {"discard"}, "cause": {"poison"}}, "a test of <b>ours</b>")
	contains(t, f.get("/discarded"), "m-poison", "a test of &lt;b&gt;ours")
	contains(t, f.get("/"), "3 dead letters", "No dead letters.")
	lacks(t, f.get("/"), "the oldest was sent")
	f.source.Take()
	_, progress = f.does(url.Values{"action": {"restore"}, "message": {"m-poison"}, "only": {"checked"}}, "")
	contains(t, progress, "<dt><bdi>done</bdi></dt><dd>1</dd>")
	if sent := f.source.Take(); len(sent) != 1 || sent[0].Body != "no notification" {
		t.Errorf("restored was %+v", sent)
	}
	name := deadletter.NameOf(dog)
	contains(t, f.get("/upload?name="+name), "rejected as operator", "Save it as PNG, please.", "Try to recheck")
	_, progress = f.does(url.Values{"action": {"would"}, "upload": {name}}, "")
	contains(t, progress, "would be stored as image/png")
	_, progress = f.does(url.Values{"action": {"recheck"}, "upload": {name}}, "")
	contains(t, progress, "is pending now")
	if sent := f.source.Messages(); len(sent) != 1 || !strings.Contains(sent[0].Body, string(dog.ID)) {
		t.Errorf("judged again is %+v", sent)
	}
	f.does(url.Values{"action": {"give_up"}, "upload": {name}}, "Use the other form.")
	contains(t, f.get("/upload?name="+name), "Use the other form.")
	if f.dead.Messages(); len(f.dead.Messages()) != 0 {
		t.Errorf("dead are %+v", f.dead.Messages())
	}
	actions := f.get("/actions")
	contains(t, actions, "redrive", "reject", "discard", "restore", "recheck", "1 of 1", "a test of &lt;b&gt;ours")
	first := regexp.MustCompile(`/action\?id=([^"]+)`).FindStringSubmatch(actions)
	contains(t, f.get("/action?id="+first[1]), "Use the other form.", string(dog.ID), "was pending, is rejected")
	contains(t, f.get("/listings"), "3")
}

func TestNothingIsDoneThatItsPageDidNotSay(t *testing.T) {
	f := newFixture(t)
	_, created := f.accept("cat.png", picture(t))
	f.bury("m1", created)
	f.buryText("m2", "poison")
	f.lists()
	for name, c := range map[string]struct {
		form url.Values
		says string
	}{
		"another count":   {url.Values{"action": {"redrive"}, "count": {"2"}}, "said 2, and it is 1 now"},
		"no count":        {url.Values{"action": {"redrive"}}, "said 0, and it is 1 now"},
		"nothing":         {url.Values{"action": {"redrive"}, "message": {"m9"}, "count": {"0"}}, "nothing to do"},
		"no words":        {url.Values{"action": {"reject"}, "count": {"1"}}, "Words are needed"},
		"two lines":       {url.Values{"action": {"reject"}, "count": {"1"}, "reason": {"a\nb"}}, "cannot be used"},
		"no reason":       {url.Values{"action": {"discard"}, "count": {"1"}, "reason": {" "}}, "Words are needed"},
		"a long reason":   {url.Values{"action": {"discard"}, "count": {"1"}, "reason": {strings.Repeat("x", 2001)}}, "2001 bytes"},
		"no such action":  {url.Values{"action": {"purge"}}, "no action"},
		"none checked":    {url.Values{"action": {"redrive"}, "only": {"checked"}}, "Nothing is checked"},
		"no such cause":   {url.Values{"action": {"redrive"}, "cause": {"bad"}}, "Cause: found"},
		"no such code":    {url.Values{"action": {"redrive"}, "code": {"bad"}}, "Code: found"},
		"no such rate":    {url.Values{"action": {"redrive"}, "rate": {"0"}}, "accepted: 1 to 500"},
		"no such entry":   {url.Values{"action": {"redrive"}, "entry": {"a b"}}, "Entry: found"},
		"no such journal": {url.Values{"action": {"redrive"}, "journal": {"../x"}}, "Journal: found"},
		"no such hours":   {url.Values{"action": {"redrive"}, "older": {"-1"}}, "whole number of hours"},
		"no upload":       {url.Values{"action": {"recheck"}, "upload": {"x"}}, "names no upload"},
		"by id alone":     {url.Values{"action": {"recheck"}, "upload": {"019a0000-0000-7000-8000-000000000001"}}, "names no upload"},
	} {
		before := f.jobs.last()
		if page := f.send("/act", c.form, http.StatusBadRequest); !strings.Contains(page, c.says) {
			t.Errorf("%s: it does not say %q\n%s", name, c.says, page)
		}
		if f.jobs.last() != before {
			t.Fatalf("%s: an action was begun", name)
		}
	}
	f.send("/act", url.Values{"action": {"recheck"}, "upload": {"j/e/images/019a0000-0000-7000-8000-000000009999"}}, http.StatusNotFound)
}

// slowDead is a dead-letter queue that answers when it may.
type slowDead struct {
	deadletter.Queue
	asked, may chan struct{}
}

func (q slowDead) Receive(ctx context.Context, hide, wait time.Duration) ([]queue.Received, error) {
	q.asked <- struct{}{}
	<-q.may
	return q.Queue.Receive(ctx, hide, wait)
}

func TestOneActionRunsAtATimeAndABrowserThatGoesAwayDoesNotEndIt(t *testing.T) {
	f := newFixture(t)
	f.buryText("m1", "poison")
	slow := slowDead{f.dead, make(chan struct{}, 100), make(chan struct{})}
	f.Review.DeadLetters = slow
	ctx, gone := context.WithCancel(t.Context())
	r := f.request(http.MethodPost, "/list", url.Values{"csrf": {f.secrets.csrf}}).WithContext(ctx)
	if w := f.serve(r); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/progress" {
		t.Fatalf("%d to %s", w.Code, w.Header().Get("Location"))
	}
	gone()
	<-slow.asked
	w := f.serve(f.request(http.MethodGet, "/progress", nil))
	contains(t, w.Body.String(), "Running", "Stop it", "goes on when this page is closed")
	if w.Header().Get("Refresh") != "2" {
		t.Errorf("it is loaded again after %q", w.Header().Get("Refresh"))
	}
	if w := f.serve(f.request(http.MethodGet, "/progress?still=1", nil)); w.Header().Get("Refresh") != "" {
		t.Error("it is loaded again although it should not be")
	}
	f.send("/list", url.Values{}, http.StatusSeeOther) // a button that was pressed twice
	contains(t, f.send("/list", url.Values{"another": {"form"}}, http.StatusConflict), "Another action is running", "Not now")
	close(slow.may)
	f.jobs.running.Wait()
	contains(t, f.get("/progress"), "Ended: <bdi>list", "1 dead letter")
}

func TestTheEndOfTheConsoleOrAButtonInterruptsAnAction(t *testing.T) {
	for name, end := range map[string]func(*fixture){
		"the button": func(f *fixture) { f.send("/stop", url.Values{}, http.StatusSeeOther) },
		"Ctrl-C":     func(f *fixture) { f.end() },
		"Close":      func(f *fixture) { go f.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.buryText("m1", "poison")
			slow := slowDead{f.dead, make(chan struct{}, 100), make(chan struct{})}
			f.Review.DeadLetters = slow
			f.send("/list", url.Values{}, http.StatusSeeOther)
			<-slow.asked
			end(f)
			<-f.jobs.last().ctx.Done()
			close(slow.may)
			f.jobs.running.Wait()
			contains(t, f.get("/progress"), "Interrupted", "do it again to go on")
			if state, err := f.dead.Inspect(t.Context()); err != nil || state.Visible != 1 {
				t.Errorf("left are %+v, %v", state, err)
			}
		})
	}
}

const hostile = "\u202e<script>alert(1)</script>\x1b[2J\"'>&\n\u200b"

func TestWhatOthersChoseIsShownInert(t *testing.T) {
	f := newFixture(t)
	f.buryText("m-hostile", hostile)
	_, created := f.accept("cat.png", picture(t))
	created.Key = "quarantine/" + hostile
	f.bury("m-foreign", created)
	r := upload.Record{ID: "019a0000-0000-7000-8000-00000000abcd", Journal: "j", Entry: "e", Kind: "images", Name: hostile,
		Extension: hostile, Filename: hostile, CreatedAt: f.clock.Now(), Status: upload.Stored, ContentType: hostile, SHA256: hostile,
		Reason: &upload.Reason{Code: hostile, Message: hostile}, Declared: upload.Declared{Type: hostile},
		LastFailure: &upload.Failure{Message: hostile}, Failures: 1, ServedVersion: hostile, JudgedVersion: hostile, SettledAt: f.clock.Now()}
	f.records.Overwrite(r)
	created.Key = string(upload.DefaultLayout.QuarantineKey(r.Ref()))
	f.bury("m-named", created)
	f.lists()
	contains(t, f.get("/letters?name="+url.QueryEscape(hostile[3:11])), "m-named")
	f.does(url.Values{"action": {"discard"}, "cause": {"foreign"}}, hostile)
	for _, path := range []string{"/", "/letters", "/letter?id=m-hostile", "/letter?id=m-named", "/upload?name=j/e/images/" + string(r.ID),
		"/search?journal=j&entry=e", "/search?name=" + url.QueryEscape("script"), "/discarded", "/actions", "/progress", "/listings",
		"/letters?group=" + url.QueryEscape(hostile), "/letters?name=" + url.QueryEscape(hostile), "/letters?before=9.9.9", "/search?name=" + url.QueryEscape(hostile)} {
		// What the operator typed stays in its field as it is.
		page := regexp.MustCompile(`(?s)<input (?:id|type="hidden" name)="(?:group|name)".*?(?:maxlength|">)`).ReplaceAllString(f.get(path), "")
		lacks(t, page, "<script", "\u202e", "\x1b", "\u200b")
		if strings.HasPrefix(path, "/upload") || strings.HasPrefix(path, "/letter?") {
			contains(t, page, `<span class="mark">U+202E</span>&lt;script&gt;`)
		}
		if strings.HasPrefix(path, "/upload") {
			lacks(t, page, "<img")
		}
	}
	for _, path := range []string{"/letter?id=" + url.QueryEscape(hostile), "/upload?name=" + url.QueryEscape(hostile),
		"/letters?cause=" + url.QueryEscape(hostile), "/letters?snapshot=" + url.QueryEscape(hostile),
		"/action?id=" + url.QueryEscape(hostile), "/search?journal=" + url.QueryEscape(hostile), "/letters?from=" + url.QueryEscape(hostile),
		"/search?code=" + url.QueryEscape(hostile), "/search?from=" + url.QueryEscape(hostile), "/search?name=a&cursor=" + url.QueryEscape(hostile),
		"/discarded?from=" + url.QueryEscape(hostile), "/discarded?from=0", "/letters?from=0.0.1", "/letters?from=1.-1.1",
		"/letters?from=1.0.1x", "/letters?before=0.0.1", "/letters?entry=" + url.QueryEscape(hostile), "/" + url.PathEscape(hostile)} {
		w := f.serve(f.request(http.MethodGet, path, nil))
		if w.Code != http.StatusBadRequest && w.Code != http.StatusNotFound {
			t.Errorf("%s: %d\n%s", path, w.Code, w.Body)
		}
		lacks(t, w.Body.String(), "<script", "\u202e", "\x1b", "\u200b")
	}
}

func TestAStoredPictureIsShownByAShortLink(t *testing.T) {
	f := newFixture(t)
	stored, created := f.accept("cat.png", picture(t))
	f.judge(created)
	pending, _ := f.accept("dog.png", picture(t))
	rejected, created := f.accept("cow.png", []byte("no picture"))
	f.judge(created)
	w := f.serve(f.request(http.MethodGet, "/upload?name="+deadletter.NameOf(stored), nil))
	contains(t, w.Body.String(), `src="https://bucket.test/files/j/entries/e/images/`+string(stored.ID), "X-Amz-Expires=60",
		"stored as image/png")
	contains(t, w.Header().Get("Content-Security-Policy"), "img-src 'self' https://bucket.test;")
	for why, answer := range map[string]error{"OperatorSeesFiles": errTrouble, "FilesAreMissing": upload.ErrGone,
		"no route to host": errors.New("no route to host")} {
		f.Downloads = unreadable{f.objects, answer}
		page := f.get("/upload?name=" + deadletter.NameOf(stored))
		contains(t, page, "The picture is not shown: ", why, "stored as image/png")
		lacks(t, page, "<img", "Not all of it could be read")
	}
	f.Downloads = f.objects
	given := upload.Record{ID: "019a0000-0000-7000-8000-00000000abcd", Journal: "j", Entry: "e", Kind: "images", Name: "x", Extension: "png",
		Status: upload.Deleted, ContentType: "image/png", ServedVersion: "v1", CreatedAt: f.clock.Now()}
	f.records.Overwrite(given)
	for _, ref := range []upload.Ref{pending, rejected, given.Ref()} {
		w := f.serve(f.request(http.MethodGet, "/upload?name="+deadletter.NameOf(ref), nil))
		lacks(t, w.Body.String(), "<img")
		lacks(t, w.Header().Get("Content-Security-Policy"), "bucket")
	}
	for _, link := range []string{"javascript:alert(1)", "//x", "https://a;b/c", "https://a b/", "data:image/png,x", "file:///x"} {
		if origin := originOf(link); origin != "" {
			t.Errorf("%s is loaded from %s", link, origin)
		}
	}
}

// unreadable are objects that can be listed, and not read.
type unreadable struct {
	upload.Downloads
	why error
}

func (o unreadable) ReadRange(context.Context, upload.Key, upload.Version, int64, int64) (io.ReadCloser, error) {
	return nil, o.why
}

// manyLetters hands out each of many messages once.
type manyLetters struct {
	deadletter.Queue
	n    int
	next atomic.Int64
}

func (q *manyLetters) Inspect(context.Context) (queue.State, error) {
	return queue.State{Visible: q.n}, nil
}

func (q *manyLetters) Receive(context.Context, time.Duration, time.Duration) (out []queue.Received, _ error) {
	end := int(q.next.Add(queue.MaxBatch))
	for i := end - queue.MaxBatch; i < min(end, q.n); i++ {
		out = append(out, queue.Received{ID: fmt.Sprintf("m-%05d", i), Receipt: "r", Message: queue.Message{Body: "poison"}})
	}
	return out, nil
}

func (q *manyLetters) Hide(context.Context, []string, time.Duration) error { return nil }

func TestTenThousandLettersAreReadPageByPage(t *testing.T) {
	f := newFixture(t)
	f.Review.DeadLetters = &manyLetters{n: 10_000}
	f.lists()
	seen := map[string]bool{}
	next, pages := "/letters?cause=poison", 0
	for next != "" {
		page := f.get(next)
		for _, found := range regexp.MustCompile(`name="message" value="(m-\d+)"`).FindAllStringSubmatch(page, -1) {
			if seen[found[1]] {
				t.Fatalf("%s is shown twice", found[1])
			}
			seen[found[1]] = true
		}
		contains(t, page, fmt.Sprintf("Letters %s to %s of 10,000.", grouped(pages*rowsOnPage+1), grouped(pages*rowsOnPage+rowsOnPage)))
		pages++
		next = ""
		if link := regexp.MustCompile(`<a href="([^"]+)" rel="next">Next page`).FindStringSubmatch(page); link != nil {
			next = unescape(link[1])
		}
	}
	if len(seen) != 10_000 || pages != 100 {
		t.Errorf("%d letters on %d pages", len(seen), pages)
	}
	contains(t, f.asks(url.Values{"action": {"discard"}, "cause": {"poison"}}), "Discard 10,000 dead letters?")
	contains(t, f.get("/letters?journal=other"), "No letter is as chosen here")
}

func TestUploadsAreFoundByWhatIsKnown(t *testing.T) {
	f := newFixture(t)
	cat, created := f.accept("My Cat.png", []byte("no picture"))
	f.judge(created)
	f.clock.Pass(48 * time.Hour)
	dog, dogCreated := f.accept("dog.png", picture(t))
	f.bury("m-dog", dogCreated)
	f.lists()
	for query, want := range map[string][2]bool{ // cat, dog
		"journal=j": {true, true}, "journal=j&entry=e": {true, true}, "journal=j&entry=x": {false, false}, "name=cat": {true, false},
		"name=DOG": {false, true}, "code=type_mismatch": {true, false}, "code=too_large": {false, false}, "from=2126-01-03": {false, true},
		"entry=e": {true, true}, "entry=x": {false, false}, "to=2126-01-02": {true, false}, "from=2126-01-02&to=2126-01-04": {true, true}, "code=type_mismatch&to=2126-01-01": {false, false},
	} {
		page := f.get("/search?" + query)
		if got := [2]bool{strings.Contains(page, string(cat.ID)), strings.Contains(page, string(dog.ID))}; got != want {
			t.Errorf("%s finds %v, want %v\n%s", query, got, want, page)
		}
	}
	for id, want := range map[string]string{"m-dog": "/letter?id=m-dog&snapshot=", string(dog.ID): "/upload?name=" + string(dog.ID),
		"j/e/" + string(dog.ID): "/upload?name=j%2Fe%2F" + string(dog.ID)} {
		w := f.serve(f.request(http.MethodGet, "/search?id="+url.QueryEscape(id), nil))
		if to := w.Header().Get("Location"); w.Code != http.StatusSeeOther || !strings.HasPrefix(to, want) {
			t.Errorf("%s leads to %d %s", id, w.Code, to)
		}
		if page := f.get(w.Header().Get("Location")); !strings.Contains(page, string(dog.ID)) {
			t.Errorf("%s leads to\n%s", id, page)
		}
	}
}

func TestASearchGoesOnWhereItEnded(t *testing.T) {
	f := newFixture(t)
	for i := range 260 {
		f.records.Overwrite(upload.Record{ID: upload.ID(fmt.Sprintf("019b0000-0000-7000-8000-%012d", i)), Journal: "j", Entry: "e", Kind: "images",
			Name: "cat", Extension: "png", CreatedAt: f.clock.Now().Add(time.Duration(i)), Status: upload.Pending})
	}
	seen := 0
	for next := "/search?name=cat"; next != ""; {
		page := f.get(next)
		seen += strings.Count(page, `name="upload" value=`)
		next = ""
		if link := regexp.MustCompile(`<a href="([^"]+)" rel="next">Look further`).FindStringSubmatch(page); link != nil {
			next = unescape(link[1])
		}
	}
	if seen != 260 {
		t.Errorf("%d uploads are found", seen)
	}
}

// failing is what cannot be asked.
type failing struct {
	queue.Inspector
	deadletter.Records
}

var errTrouble = errors.New("operation error: <b>AccessDenied</b>")

func (failing) Inspect(context.Context) (queue.State, error) { return queue.State{}, errTrouble }

func (failing) Scan(context.Context, upload.ScanQuery) (upload.Page, error) {
	return upload.Page{}, errTrouble
}

func (failing) List(context.Context, upload.Query) (upload.Page, error) {
	return upload.Page{}, errTrouble
}

func (failing) Get(context.Context, upload.Ref) (upload.Record, error) {
	return upload.Record{}, errTrouble
}

func TestWhatCannotBeReadIsSaidAndTheRestIsShown(t *testing.T) {
	f := newFixture(t)
	f.buryText("m1", "poison")
	f.lists()
	f.Source, f.Dead, f.Review.Records = failing{}, failing{}, failing{}
	f.LastRun = func(context.Context) (time.Time, error) { return time.Time{}, errTrouble }
	page := f.get("/")
	contains(t, page, "The queue could not be counted", "The dead-letter queue could not be counted", "They could not all be counted",
		"AccessDenied", "poison")
	lacks(t, page, "<b>AccessDenied")
	w := f.serve(f.request(http.MethodGet, "/search?name=x", nil))
	if w.Code != http.StatusForbidden {
		t.Errorf("a search without the right to is answered %d", w.Code)
	}
	contains(t, w.Body.String(), "Not allowed", "You may not do that", "docs/deploy.md")
	f.LastRun = func(context.Context) (time.Time, error) { return f.clock.Now().Add(-time.Hour), nil }
	contains(t, f.get("/"), "Its schedule ran it last at 2126-01-02T02:04:05Z, 1h 0m ago")
	f.LastRun, f.CountAlways = nil, false
	contains(t, f.get("/"), "No schedule runs it here", "Count them")
}

func TestTheNewestGroupOfAListingIsExplained(t *testing.T) {
	f := newFixture(t)
	f.buryText("m1", "poison")
	f.lists()
	group := regexp.MustCompile(`group=([^"]+)"`).FindStringSubmatch(f.get("/"))
	page := f.get("/letters?group=" + group[1])
	contains(t, page, "<h2><bdi>poison</bdi>", "Suggested: <strong>discard", "1 letter;", "Letters 1 to 1 of 1.")
}

func TestLettersAreChosenByWhatIsKnownOfTheirUploads(t *testing.T) {
	f := newFixture(t)
	_, cat := f.accept("My Cat.PNG", picture(t))
	f.bury("m-cat", cat)
	f.clock.Pass(3 * time.Hour)
	_, dog := f.accept("dog.png", []byte("no picture"))
	f.judge(dog)
	f.bury("m-dog", dog)
	f.buryText("m-poison", "poison")
	f.lists()
	contains(t, f.get("/letters"), "My Cat.PNG")
	contains(t, f.get("/letter?id=m-cat"), "<dt>Name</dt>", "My Cat.PNG")
	for query, want := range map[string]string{"": "cat dog poison", "journal=j": "cat dog", "journal=x": "", "entry=e": "cat dog",
		"entry=x": "", "name=my+c": "cat", "name=cat.png": "cat", "name=.PNG": "cat dog", "name=cow": "", "code=type_mismatch": "dog",
		"older=2": "cat", "entry=e&name=cat&older=2": "cat", "entry=e&name=dog&older=2": "", "cause=poison": "poison",
		"cause=poison&name=cat": ""} {
		page := f.get("/letters?" + query)
		var shown []string
		for _, name := range []string{"cat", "dog", "poison"} {
			if strings.Contains(page, `value="m-`+name+`"`) {
				shown = append(shown, name)
			}
		}
		if got := strings.Join(shown, " "); got != want {
			t.Errorf("%s shows %q, want %q", query, got, want)
		}
	}
	form := url.Values{"action": {"redrive"}, "name": {"cat"}, "entry": {"e"}}
	plan, _ := f.does(form, "") // the plan carries the choice on
	contains(t, plan, "Redrive 1 dead letter?", `name="name" value="cat"`, `name="entry" value="e"`)
	if sent := f.source.Messages(); len(sent) != 1 || !strings.Contains(sent[0].Body, cat.Key) {
		t.Errorf("sent was %+v", sent)
	}
}

func TestAPageBeforeIsFoundAmongThoseThatAreChosen(t *testing.T) {
	f := newFixture(t)
	f.Review.DeadLetters = &manyLetters{n: 3_000}
	f.lists()
	query := "/letters?group=" + url.QueryEscape("poison") + "&older=1"
	rows := func(page string) string {
		return fmt.Sprint(regexp.MustCompile(`value="m-\d+"`).FindAllString(page, -1))
	}
	follow := func(page, rel string) string {
		link := regexp.MustCompile(`<a href="([^"]+)" rel="` + rel + `">`).FindStringSubmatch(page)
		if link == nil {
			t.Fatalf("no %s\n%s", rel, page)
		}
		return f.get(unescape(link[1]))
	}
	pages := []string{f.get(query)}
	for len(pages) < 30 {
		pages = append(pages, follow(pages[len(pages)-1], "next"))
	}
	page := pages[29]
	for n := 28; n >= 0; n-- { // over the ends of the listing's parts
		page = follow(page, "prev")
		contains(t, page, fmt.Sprintf("Letters %s to %s.", grouped(100*n+1), grouped(100*n+100)))
		if rows(page) != rows(pages[n]) {
			t.Fatalf("page %d has %s, and from behind %s", n, rows(pages[n]), rows(page))
		}
	}
	lacks(t, page, "Previous page", "First page")
	if behind := f.get(query + "&before=2147483647.5.3001"); rows(behind) != rows(pages[29]) {
		t.Errorf("before what is behind the end is %s", rows(behind))
	}
	contains(t, f.get(query+"&before=1.50.51"), "Letters 1 to 100.")
}
