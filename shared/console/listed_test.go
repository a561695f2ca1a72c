package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hatchery/shared/arrival"
	"hatchery/shared/deadletter"
	"hatchery/shared/upload"
	"hatchery/shared/wording"
)

func TestAListingSaysWhatWasDoneSince(t *testing.T) {
	f := newFixture(t)
	_, cat := f.accept("cat.png", picture(t))
	_, dog := f.accept("dog.png", picture(t))
	f.bury("m-cat", cat)
	f.bury("m-dog", dog)
	f.lists()
	f.clock.Pass(time.Minute)
	f.does(url.Values{"action": {"redrive"}, "message": {"m-cat"}}, "")
	const did = "redriven by arn:aws:iam::1:user/somebody at 2126-01-02T03:05:05Z"
	contains(t, f.get("/"), "Since this listing:", "redrive</bdi> of 1</a>", "List them now")
	letters := f.get("/letters")
	contains(t, letters, `<tr class="past">`, did, `value="m-dog"`)
	lacks(t, letters, `value="m-cat"`, "does not have")
	letter := f.get("/letter?id=m-cat")
	contains(t, letter, "This letter was <bdi>"+did, "; if it failed again, it is a new dead letter: list again.", "How its upload stands is below")
	lacks(t, letter, "<button", "gone in", "Suggested")
	contains(t, f.get("/upload?name="+strings.TrimPrefix(cat.Key, "quarantine/")[len("j/entries/e/images/"):]), "dead letter m-cat was "+did)

	plan := f.asks(url.Values{"action": {"redrive"}, "message": {"m-cat"}})
	contains(t, plan, "Nothing to redrive", "already "+did+": if it failed again, it is a new dead letter: list again",
		"There is nothing to do in this listing.")
	lacks(t, plan, "<progress", `name="count"`)
	plan = f.asks(url.Values{"action": {"redrive"}, "cause": {"unknown"}})
	contains(t, plan, "Redrive 1 dead letter?", "already "+did)

	f.bury("m-back", cat) // it came back
	for _, path := range []string{"/", "/letters"} {
		contains(t, f.get(path), "By the queue's count, 1 dead letter waits now that this listing does not have")
	}
	f.does(url.Values{"action": {"redrive"}, "message": {"m-dog"}}, "")
	contains(t, f.get("/letters"), "2 dead letters")
	lacks(t, f.get("/letters"), "Those that are checked", "All that are chosen")
	lacks(t, f.get("/"), "the oldest was sent", "mend the cause")
}

func TestWhatAnotherHasDoneMeanwhileIsCountedApart(t *testing.T) {
	f := newFixture(t)
	_, cat := f.accept("cat.png", picture(t))
	f.bury("m-cat", cat)
	f.lists()
	p, err := f.planOf(t.Context(), order{Action: "redrive", Selection: deadletter.Selection{Messages: []string{"m-cat"}}, Rate: 20})
	if err != nil {
		t.Fatal(err)
	}
	f.does(url.Values{"action": {"redrive"}, "message": {"m-cat"}}, "")
	f.jobs.start("redrive", "", 1, func(ctx context.Context, j *job) error { return f.carryOut(ctx, j, p) })
	f.jobs.running.Wait()
	contains(t, f.get("/progress"), "<dt><bdi>earlier</bdi></dt><dd>1</dd>", "already redriven by", "nothing was done now")
	lacks(t, f.get("/progress"), "<dt><bdi>done")
}

func TestAQuestionIsLoadedAgainAndAFormThatIsSentTwiceIsOneAction(t *testing.T) {
	f := newFixture(t)
	ref, _ := f.accept("cat.png", picture(t))
	name := deadletter.NameOf(ref)
	w := f.serve(f.request(http.MethodPost, "/plan", url.Values{"csrf": {f.secrets.csrf}, "action": {"give_up"}, "upload": {name}}))
	question := w.Header().Get("Location")
	for range 2 {
		contains(t, f.get(question), "Reject 1 upload?", "Recheck.")
	}
	form := url.Values{"action": {"give_up"}, "upload": {name}, "count": {"1"}, "reason": {"Send it as PNG."}}
	f.send("/act", form, http.StatusSeeOther)
	f.jobs.running.Wait()
	f.send("/act", form, http.StatusSeeOther)
	contains(t, f.get("/progress"), "Ended: <bdi>reject", `href="/upload?name=j%2fe%2fimages%2f`+string(ref.ID))
	form.Set("reason", "Other words.")
	contains(t, f.send("/act", form, http.StatusBadRequest), "Nothing to reject")
	if all, err := f.Review.Audits(t.Context(), 10); err != nil || len(all) != 1 {
		t.Errorf("%d actions were begun, %v", len(all), err)
	}
	for range maxQuestions {
		f.asks(url.Values{"action": {"recheck"}, "upload": {name}})
	}
	for _, path := range []string{question, "/plan", "/plan?question=x"} {
		if w := f.serve(f.request(http.MethodGet, path, nil)); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// afterThe runs something at the nth wait of a review.
func (f *fixture) afterThe(n int, do func()) {
	after := f.Review.After
	f.Review.After = func(d time.Duration) <-chan time.Time {
		if n--; n == 0 {
			do()
		}
		return after(d)
	}
}

func TestAProbeLeadsOn(t *testing.T) {
	f := newFixture(t)
	cat, catCreated := f.accept("cat.png", picture(t))
	_, dogCreated := f.accept("dog.png", picture(t))
	f.bury("m-cat", catCreated)
	f.clock.Pass(time.Second)
	f.bury("m-dog", dogCreated)
	f.lists()
	f.afterThe(1, func() {
		if err := upload.NoteFailure(t.Context(), f.records, cat, upload.Failure{At: f.clock.Now(), Message: "still down"}); err != nil {
			t.Fatal(err)
		}
	})
	plan, progress := f.does(url.Values{"action": {"probe"}, "cause": {"unknown"}}, "")
	contains(t, plan, "Probe with one of 2 dead letters?")
	contains(t, progress, "failed again: still down", "The cause is not mended yet", "4 times more", "<dt><bdi>failed again</bdi></dt><dd>1</dd>")
	lacks(t, progress, "<bdi>done</bdi>", "Redrive the other", "<progress")

	f.clock.Pass(time.Second) // a probe takes the oldest
	f.bury("m-cat2", catCreated)
	f.lists()
	f.afterThe(1, func() { f.judge(dogCreated) })
	_, progress = f.does(url.Values{"action": {"probe"}, "cause": {"unknown"}}, "")
	contains(t, progress, "The validator came to a verdict: stored.", "Redrive the other 1</button>")
	form := url.Values{"action": {"redrive"}}
	for _, field := range hidden.FindAllStringSubmatch(progress, -1) {
		form.Add(field[1], unescape(field[2]))
	}
	f.source.Visibility = time.Minute
	began := f.clock.Now()
	_, progress = f.does(form, "")
	back := "What fails again comes back by about " + wording.Stamp(began.Add(5*time.Minute)) + ": list again then."
	contains(t, progress, "<dt><bdi>done</bdi></dt><dd>1</dd>", "How the uploads stand now, of the last 1: 1 pending.", back,
		"Done means that the message was sent.")
	f.source.Visibility = time.Hour // what it is now is not what the redrive had
	contains(t, f.get("/progress"), back)
	f.clock.Pass(5 * time.Minute)
	contains(t, f.get("/progress"), "What failed again is back by now: list again.")
	f.judge(catCreated)
	contains(t, f.get("/progress"), "of the last 1: 1 stored.")
	lacks(t, f.get("/progress"), "ails again", "ailed again", "Done means")
}

func TestARecheckThatSentNothingSaysNothingOfWhatWasSent(t *testing.T) {
	f := newFixture(t)
	f.source.Visibility = time.Minute
	cat, created := f.accept("cat.png", picture(t))
	f.judge(created)
	_, progress := f.does(url.Values{"action": {"recheck"}, "upload": {deadletter.NameOf(cat)}}, "")
	contains(t, progress, "<dt><bdi>skipped</bdi></dt><dd>1</dd>")
	lacks(t, progress, "Done means", "comes back by")
}

func TestAVerdictOfBeforeIsNotTakenForThatOfTheRedrive(t *testing.T) {
	f := newFixture(t)
	f.source.Visibility = time.Minute
	_, created := f.accept("cat.png", picture(t))
	f.judge(created)
	f.bury("m-cat", created)
	f.lists()
	f.clock.Pass(time.Minute)
	_, progress := f.does(url.Values{"action": {"redrive"}, "message": {"m-cat"}}, "")
	contains(t, progress, "of the last 1: 1 stored.", "What fails again comes back by about")
}

func TestAProbeWithoutAVerdictSaysWhatIsKnown(t *testing.T) {
	f := newFixture(t)
	for paused, want := range map[bool]string{true: "list again. Paused: the validator takes no messages",
		false: "list again. </bdi>"} {
		f.Paused = func(context.Context) (bool, error) { return paused, nil }
		_, created := f.accept("cat.png", picture(t))
		f.bury(fmt.Sprint("m-", paused), created)
		f.lists()
		f.afterThe(1, func() { f.clock.Pass(probeWait) })
		_, progress := f.does(url.Values{"action": {"probe"}, "message": {fmt.Sprint("m-", paused)}}, "")
		contains(t, progress, "No verdict within 3m0s: if the cause is not mended, the message comes back among the dead letters: "+want)
		lacks(t, progress, "mapping", "No verdict: no verdict")
	}
}

func TestARejectionOfWhatOnlyWaitsIsWarnedAbout(t *testing.T) {
	f := newFixture(t)
	_, cat := f.accept("My Cat.png", picture(t))
	f.bury("m-cat", cat)
	f.buryText("m-poison", "poison")
	f.lists()
	contains(t, f.asks(url.Values{"action": {"reject"}}), "Reject 1 upload?", "My Cat.png", "Redrive is suggested for 1 of them", "code operator")
	lacks(t, f.asks(url.Values{"action": {"redrive"}}), "My Cat.png", "Redrive is suggested")
	lacks(t, f.get("/letter?id=m-poison"), `value="redrive"`, `value="reject"`, `value="probe"`)
	contains(t, f.get("/letter?id=m-cat"), `value="probe" class="go"`, `value="reject"`)
	lacks(t, f.get("/letters?cause=poison"), `value="redrive"`, `value="reject"`, `value="probe"`)
	contains(t, f.get("/letters?cause=unknown"), `value="probe" class="go"`, "Nothing was kept of why it failed", "mend the cause, then redrive")
	contains(t, f.get("/"), "Nothing was kept of why it failed", "mend the cause, then redrive")
}

func TestDiscardIsOfferedFirstWhereItIsSuggested(t *testing.T) {
	f := newFixture(t)
	_, cat := f.accept("cat.png", picture(t))
	f.judge(cat)
	f.bury("m-cat", cat)
	f.lists()
	for _, page := range []string{f.get("/letters"), f.get("/letter?id=m-cat")} {
		contains(t, page, `<p class="buttons">`, `value="redrive"`)
		discard, redrive := strings.Index(page, `value="discard" class="go"`), strings.Index(page, `value="redrive"`)
		if discard < 0 || discard > redrive || strings.Count(page, `value="discard"`) != strings.Count(page, `value="redrive"`) {
			t.Errorf("discard is not first, or more than once\n%s", page)
		}
	}
}

func TestUploadsThatLostTheirBytesAreFoundAndRejectedTogether(t *testing.T) {
	f := newFixture(t)
	var names []string
	var lost arrival.Created
	for n := range 3 {
		ref, created := f.accept(fmt.Sprintf("cat%d.png", n), picture(t))
		if n < 2 {
			names = append(names, deadletter.NameOf(ref))
			if err := f.objects.Remove(t.Context(), upload.Key(created.Key), upload.Version(created.VersionID)); err != nil {
				t.Fatal(err)
			}
			f.judge(created)
			lost = created
		}
	}
	contains(t, f.get("/"), `<a href="/search?status=bytes_lost">2 uploads</a> have lost`, `/search?status=pending">3</a>`)
	contains(t, f.get("/upload?name="+names[0]), "somebody removed its bytes", "Find out who does that", "a day after it came")
	lacks(t, f.get("/upload?name="+names[0]), "its form expired")
	contains(t, f.get("/search?status=pending"), "cat0.png", "cat1.png", "cat2.png")
	for _, more := range []string{"", "&journal=j&entry=e"} {
		page := f.get("/search?status=bytes_lost" + more)
		contains(t, page, "cat0.png", "cat1.png", `value="give_up"`)
		lacks(t, page, "cat2.png", " checked>")
		if all := f.get("/search?status=bytes_lost" + more + "&all=1"); strings.Count(all, " checked>") != 2 {
			t.Errorf("not all are checked\n%s", all)
		}
	}
	waits, _ := f.accept("waits.png", picture(t))
	contains(t, f.asks(url.Values{"action": {"give_up"}, "upload": append(names, deadletter.NameOf(waits))}),
		"It can be undone while the bytes are in quarantine", "Of 2 the bytes are lost: that cannot be undone.")
	f.bury("m-lost", lost)
	f.lists()
	contains(t, f.asks(url.Values{"action": {"reject"}}), "Reject 1 upload?", "It cannot be undone: the bytes are lost")
	plan, _ := f.does(url.Values{"action": {"give_up"}, "only": {"checked"}, "upload": names}, "Lost by us: send it again.")
	contains(t, plan, "It cannot be undone: the bytes are lost")
	lacks(t, plan, "can be undone", "code operator")
	lacks(t, f.get("/search?status=bytes_lost"), "cat0.png")
	if w := f.serve(f.request(http.MethodGet, "/search?status=x", nil)); w.Code != http.StatusBadRequest {
		t.Errorf("a wrong status is answered %d", w.Code)
	}
}

func TestAPausedValidatorIsSaid(t *testing.T) {
	f := newFixture(t)
	for want, answer := range map[string]func(context.Context) (bool, error){
		"Paused: the validator takes no messages, until hatchery dlq resume --stack hatchery.": func(context.Context) (bool, error) { return true, nil },
		"Whether the validator is paused is not known: no such mapping":                        func(context.Context) (bool, error) { return false, errors.New("no such mapping") },
	} {
		f.Paused = answer
		contains(t, f.get("/"), want)
	}
	f.Paused = func(context.Context) (bool, error) { return false, nil }
	lacks(t, f.get("/"), "aused")
}

func TestWhoeverHasNoTokenLearnsNothingOfTheDeployment(t *testing.T) {
	f := newFixture(t)
	r := f.request(http.MethodGet, "/", nil)
	r.Header.Del("Cookie")
	page := f.serve(r).Body.String()
	contains(t, page, "started again since")
	lacks(t, page, "the stack hatchery", "somebody", "To the overview", "Discarded")
}

func TestAPageThatHasNothingToShowLeadsOn(t *testing.T) {
	f := newFixture(t)
	w := f.serve(f.request(http.MethodGet, "/letters", nil))
	if contains(t, w.Body.String(), "list the dead letters first", "List them now"); w.Code != http.StatusNotFound {
		t.Errorf("without a listing: %d", w.Code)
	}
	f.lists()
	contains(t, f.get("/letters"), "No dead letters at 2126-01-02T03:04:05Z.")
	w = f.serve(f.request(http.MethodGet, "/search?id=cat.png", nil))
	contains(t, w.Body.String(), "Looking for a name?", `value="cat.png"`, "Search uploads")
	if w.Code != http.StatusBadRequest {
		t.Errorf("a name is answered %d", w.Code)
	}
}

func TestARestoreNamesItsMessagesAndLeavesOutWhatWasRestored(t *testing.T) {
	f := newFixture(t)
	f.buryText("m-poison", "poison")
	f.lists()
	f.does(url.Values{"action": {"discard"}, "cause": {"poison"}}, "a test")
	contains(t, f.get("/discarded"), "<summary>Body</summary><bdi>poison", `value="m-poison"`)
	plan, _ := f.does(url.Values{"action": {"restore"}, "message": {"m-poison"}}, "")
	contains(t, plan, "Restore 1 discarded letter?", "Messages: <bdi>m-poison")
	contains(t, f.asks(url.Values{"action": {"restore"}, "message": {"m-poison"}}), "Nothing to restore", "restored already")
	lacks(t, f.get("/discarded"), `value="m-poison"`)
}
