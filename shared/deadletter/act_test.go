package deadletter_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"hatchery/shared/arrival"
	"hatchery/shared/deadletter"
	"hatchery/shared/queue"
	"hatchery/shared/upload"
)

// seven is a deployment with a dead letter of each kind: 1 and 2 unreachable, 3 obsolete, 4 poison, 5 foreign, 6 lost,
// 7 unfinished.
func seven(t *testing.T) *acting {
	w := newActing()
	w.unreachable(t, 1)
	w.unreachable(t, 2)
	w.obsolete(t, 3)
	w.poison(4)
	body, err := arrival.Format(arrival.Created{Name: "ObjectCreated:Put", Time: actStart, Bucket: "another", Key: "k",
		VersionID: "v", Sequencer: "01"})
	if err != nil {
		t.Fatal(err)
	}
	w.bury(5, string(body), nil)
	ref, lost := w.upload(t, 6)
	version := w.objects.Arrivals()[len(w.objects.Arrivals())-1].Version
	if err := w.objects.Remove(t.Context(), upload.DefaultLayout.QuarantineKey(ref), version); err != nil {
		t.Fatal(err)
	}
	w.bury(6, lost, nil)
	_, late := w.upload(t, 7)
	w.settle(t, late)
	if _, err := w.records.Update(t.Context(), actRef(7), upload.Transition{Name: "note a failure after the verdict",
		To: func(r upload.Record) (upload.Record, error) {
			r.LastFailure = &upload.Failure{At: r.SettledAt, Message: "nothing that is known"}
			return r, nil
		}}); err != nil {
		t.Fatal(err)
	}
	w.bury(7, late, nil)
	w.list(t)
	return w
}

func TestEachActionTakesTheLettersThatItMay(t *testing.T) {
	for _, c := range []struct {
		name   string
		action deadletter.Action
		s      deadletter.Selection
		chosen string
		not    map[string]int
	}{
		{"a redrive of everything takes what is suggested", deadletter.Redrive, deadletter.Selection{}, "1 2 7",
			map[string]int{"obsolete: nothing is left to do; discard it": 1,
				"poison: validators would fail on it again; discard it":                                              1,
				"foreign: validators would fail on it again; discard it":                                             1,
				"bytes_lost: a redrive would fail; reject it, or choose this cause once you have put the bytes back": 1}},
		{"a redrive takes what is named", deadletter.Redrive, deadletter.Selection{Messages: []string{"dead-0003", "dead-0004"}},
			"3", map[string]int{"poison: validators would fail on it again; discard it": 1}},
		{"a redrive takes a cause that is named", deadletter.Redrive, deadletter.Selection{Cause: deadletter.Lost}, "6", nil},
		{"a redrive takes a group that is named", deadletter.Redrive, deadletter.Selection{Group: "obsolete"}, "3", nil},
		{"a group is named as it is listed, without its cause", deadletter.Redrive, deadletter.Selection{Group: "stored"},
			"3", nil},
		{"a reject takes pending uploads", deadletter.Reject, deadletter.Selection{}, "1 2 6",
			map[string]int{"no upload of it is pending": 4}},
		{"a discard takes what nothing is left to do for", deadletter.Discard, deadletter.Selection{}, "3 4 5",
			map[string]int{"unreachable: its upload is pending; redrive or reject it": 2,
				"bytes_lost: its upload is pending; redrive or reject it":        1,
				"unfinished: something is left to do for its upload; redrive it": 1}},
		{"an upload is named by its id", deadletter.Discard, deadletter.Selection{Messages: []string{string(actRef(3).ID)}}, "3", nil},
		{"what is not listed is said", deadletter.Reject, deadletter.Selection{Messages: []string{"dead-0001", "x", "y"}}, "1",
			map[string]int{"not in this listing": 2}},
		{"another journal has none", deadletter.Redrive, deadletter.Selection{Journal: "j2"}, "", nil},
		{"a journal has its own", deadletter.Redrive, deadletter.Selection{Journal: "j1", Cause: deadletter.Unreachable}, "1 2", nil},
		{"another entry has none", deadletter.Redrive, deadletter.Selection{Entry: "e2"}, "", nil},
		{"an entry has its own", deadletter.Redrive, deadletter.Selection{Entry: "e1", Cause: deadletter.Unreachable}, "1 2", nil},
		{"a name that no upload has chooses none", deadletter.Redrive, deadletter.Selection{Name: "dog"}, "", nil},
		{"a part of a name chooses, whatever its case", deadletter.Redrive,
			deadletter.Selection{Name: "PICT", Cause: deadletter.Unreachable}, "1 2", nil},
		{"young ones are left out", deadletter.Redrive,
			deadletter.Selection{OlderThan: 999 * time.Minute, Cause: deadletter.Unreachable}, "1", nil},
		{"a reason that no upload has chooses none", deadletter.Redrive, deadletter.Selection{Code: upload.Corrupt}, "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := seven(t).plan(t, c.action, c.s)
			var chosen []string
			for _, id := range slices.Sorted(maps.Keys(p.Chosen)) {
				chosen = append(chosen, strings.TrimLeft(strings.TrimPrefix(id, "dead-"), "0"))
			}
			if got := strings.Join(chosen, " "); got != c.chosen {
				t.Errorf("it takes %q, want %q", got, c.chosen)
			}
			if len(p.NotEligible)+len(c.not) > 0 && !maps.Equal(p.NotEligible, c.not) {
				t.Errorf("it leaves out %v, want %v", p.NotEligible, c.not)
			}
		})
	}
}

func TestARejectedUploadIsChosenByItsCode(t *testing.T) {
	w := newActing()
	_, body := w.upload(t, 1)
	if _, err := w.records.Update(t.Context(), actRef(1), upload.Settle(upload.Verdict{Status: upload.Rejected, Version: "other",
		At: actStart, Reason: &upload.Reason{Code: upload.Corrupt, Message: "m"}})); err != nil {
		t.Fatal(err)
	}
	id := w.bury(1, body, nil)
	w.list(t)
	if p := w.plan(t, deadletter.Redrive, deadletter.Selection{Code: upload.Corrupt}); len(p.Chosen) != 1 {
		t.Errorf("chosen: %v, want %s", p.Chosen, id)
	}
}

func TestARedriveSendsTheSameBodyCountedAndUnmarkedAndDeletesIt(t *testing.T) {
	w := newActing()
	ref, body := w.upload(t, 1)
	w.fail(t, ref, "connection refused")
	id := w.bury(1, body, map[string]queue.Attribute{arrival.ResendAttribute: queue.Number(2),
		deadletter.RedriveAttribute: queue.Number(3), "mine": queue.Text("kept")})
	w.list(t)
	a := w.act(t, deadletter.Redrive, deadletter.Selection{})
	wantResult(t, a, id, deadletter.ResultDone, "")
	got := w.source.Messages()
	want := map[string]queue.Attribute{deadletter.RedriveAttribute: queue.Number(4), "mine": queue.Text("kept")}
	if len(got) != 1 || got[0].Body != body || len(got[0].Attributes) != 2 ||
		got[0].Attributes[deadletter.RedriveAttribute].Text != "4" || got[0].Attributes["mine"].Text != "kept" {
		t.Errorf("the source queue has %+v, want the body with %v", got, want)
	}
	wantIDs(t, "dead letters", w.waiting(t))
	var intent struct {
		Action   deadletter.Action
		Operator string
		Run      string
		DoneAt   time.Time `json:"done_at"`
	}
	if !w.note(t, "intents/"+id+".json", &intent) || intent.Action != deadletter.Redrive || intent.Operator != "alice" ||
		intent.Run != a.ID || intent.DoneAt.IsZero() {
		t.Errorf("the intent is %+v", intent)
	}
}

func TestARejectSettlesThePendingUploadWithTheOperatorsWords(t *testing.T) {
	w := newActing()
	id := w.unreachable(t, 1)
	w.list(t)
	a := w.act(t, deadletter.Reject, deadletter.Selection{})
	wantResult(t, a, id, deadletter.ResultDone, "")
	r := w.status(t, 1)
	if r.Status != upload.Rejected || *r.Reason != (upload.Reason{Code: upload.ByOperator, Message: actOptions.Reason}) {
		t.Errorf("the upload is %s, %+v", r.Status, r.Reason)
	}
	wantIDs(t, "dead letters", w.waiting(t))
	if len(w.sent) != 0 {
		t.Error("a message was sent")
	}
}

func TestADiscardSavesTheLetterWholeAndThenDeletesIt(t *testing.T) {
	w := newActing()
	id := w.bury(1, "no json", map[string]queue.Attribute{"binary": {Type: "Binary", Binary: []byte{0, 1}}})
	w.list(t)
	a := w.act(t, deadletter.Discard, deadletter.Selection{})
	wantResult(t, a, id, deadletter.ResultDone, "")
	wantIDs(t, "dead letters", w.waiting(t))
	var all []deadletter.DiscardedLetter
	if err := w.review("bob", nil).Discarded(t.Context(), func(l deadletter.DiscardedLetter) error {
		all = append(all, l)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 || all[0].Body != "no json" || string(all[0].Attributes["binary"].Binary) != "\x00\x01" ||
		all[0].Diagnosis.Cause != deadletter.Poison || all[0].DiscardedBy != "alice" || all[0].Reason != actOptions.Reason ||
		all[0].Run != a.ID || all[0].DiscardedAt.IsZero() {
		t.Errorf("discarded: %+v", all)
	}
}

func TestADiscardKeepsNoNameOfAFile(t *testing.T) {
	w := newActing()
	w.obsolete(t, 1)
	w.list(t)
	if p := w.plan(t, deadletter.Discard, deadletter.Selection{Name: "picture.png"}); len(p.Chosen) != 1 {
		t.Fatalf("chosen by its name are %v", p.Chosen)
	}
	w.act(t, deadletter.Discard, deadletter.Selection{})
	if err := w.review("bob", nil).Discarded(t.Context(), func(l deadletter.DiscardedLetter) error {
		if len(l.Arrivals) != 1 || l.Arrivals[0].UploadID == "" || l.Arrivals[0].Names != nil {
			t.Errorf("kept for long is %+v", l.Arrivals)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestADiscardThatCannotSaveDeletesNothing(t *testing.T) {
	w := newActing()
	id := w.poison(1)
	w.list(t)
	p := w.plan(t, deadletter.Discard, deadletter.Selection{})
	g := &gate{call: "put", at: 2, before: func() error { return errActTrouble }} // the first is the audit
	a, err := w.review("alice", g).Act(t.Context(), p, actOptions)
	if err != nil {
		t.Fatal(err)
	}
	wantResult(t, a, id, deadletter.ResultFailed, "trouble")
	if w.inFlight(t) != 0 {
		t.Error("the message was not given back")
	}
	wantIDs(t, "dead letters", w.waiting(t), id)
}

func TestARestoredMessageIsSentOnceAndSaidToBe(t *testing.T) {
	w := newActing()
	id := w.obsolete(t, 1)
	w.list(t)
	w.act(t, deadletter.Discard, deadletter.Selection{})
	a, err := w.review("bob", nil).Restore(t.Context(), []string{id, id, "unknown", "../x"}, deadletter.Options{})
	if err != nil {
		t.Fatal(err)
	}
	wantResult(t, a, id, deadletter.ResultDone, "")
	wantResult(t, a, "unknown", deadletter.ResultMissing, "no message with this id was discarded")
	wantResult(t, a, "../x", deadletter.ResultMissing, "no message with this id was discarded")
	got := w.source.Messages()
	if len(got) != 1 || got[0].Attributes[deadletter.RedriveAttribute].Text != "1" {
		t.Errorf("the source queue has %+v", got)
	}
	if a, err = w.review("carol", nil).Restore(t.Context(), []string{id}, deadletter.Options{}); err != nil {
		t.Fatal(err)
	}
	wantResult(t, a, id, deadletter.ResultEarlier, "already restored by bob at 2026-07-01T12:00:00Z: nothing was sent now")
	if len(w.source.Messages()) != 1 {
		t.Error("it was sent twice")
	}
}

func TestADiscardThatIsRunAgainKeepsThatItsLetterWasRestored(t *testing.T) {
	w := newActing()
	id := w.obsolete(t, 1)
	w.list(t)
	p := w.plan(t, deadletter.Discard, deadletter.Selection{})
	g := &gate{call: "delete", at: 1}
	g.before = g.kill
	_, _ = w.review("alice", g).Act(t.Context(), p, actOptions)
	w.clock.Pass(time.Hour)
	for _, detail := range []string{"", "already restored by bob at 2026-07-01T13:00:00Z"} {
		a, err := w.review("bob", nil).Restore(t.Context(), []string{id}, deadletter.Options{})
		if err != nil {
			t.Fatal(err)
		}
		result := deadletter.ResultEarlier
		if detail == "" {
			result = deadletter.ResultDone
		}
		wantResult(t, a, id, result, detail)
		if detail == "" {
			wantResult(t, w.carry(t, p), id, deadletter.ResultDone, "")
		}
	}
	wantIDs(t, "dead letters", w.waiting(t))
}

func TestWhatChangedSinceTheListingIsSkippedAndGivenBack(t *testing.T) {
	for _, action := range []deadletter.Action{deadletter.Redrive, deadletter.Reject} {
		w := newActing()
		id := w.unreachable(t, 1)
		w.list(t)
		p := w.plan(t, action, deadletter.Selection{})
		w.settle(t, w.dead.Messages()[0].Body)
		a := w.carry(t, p)
		wantResult(t, a, id, deadletter.ResultSkipped, "was unreachable, is obsolete")
		if w.inFlight(t) != 0 || len(w.sent) != 0 || w.status(t, 1).Status != upload.Stored {
			t.Errorf("%s: it was acted on, or kept", action)
		}
		wantIDs(t, "dead letters", w.waiting(t), id)
	}
}

func TestAnUploadThatIsSettledRightBeforeItsRejectionKeepsItsVerdict(t *testing.T) {
	w := newActing()
	id := w.unreachable(t, 1)
	w.list(t)
	p := w.plan(t, deadletter.Reject, deadletter.Selection{})
	g := &gate{call: "put", at: 2, before: func() error { // the intent, after the diagnosis
		w.settle(t, w.dead.Messages()[0].Body)
		return nil
	}}
	a, err := w.review("alice", g).Act(t.Context(), p, actOptions)
	if err != nil {
		t.Fatal(err)
	}
	wantResult(t, a, id, deadletter.ResultSkipped, "was pending, is stored")
	wantIDs(t, "dead letters", w.waiting(t), id)
}

func TestARunAfterAKillOnlyDeletesWhatWasSent(t *testing.T) {
	for _, action := range []deadletter.Action{deadletter.Redrive, deadletter.Reject} {
		w := newActing()
		id := w.unreachable(t, 1)
		w.list(t)
		p := w.plan(t, action, deadletter.Selection{})
		g := &gate{call: "delete", at: 1}
		g.before = g.kill
		if a, err := w.review("alice", g).Act(t.Context(), p, actOptions); err == nil {
			t.Errorf("a killed run said nothing: %+v", a)
		}
		sent := len(w.source.Messages())
		w.validate(t) // so that it would be skipped as obsolete
		w.clock.Pass(time.Hour)
		wantResult(t, w.carry(t, p), id, deadletter.ResultDone, "")
		if len(w.source.Messages()) != 0 || action == deadletter.Redrive && sent != 1 {
			t.Errorf("%s: sent %d, and then %d", action, sent, len(w.source.Messages()))
		}
		wantIDs(t, "dead letters", w.waiting(t))
	}
}

func TestAnActionOnWhatAnotherHadRedrivenSaysSo(t *testing.T) {
	w := newActing()
	id := w.unreachable(t, 1)
	w.list(t)
	redrive, reject := w.plan(t, deadletter.Redrive, deadletter.Selection{}), w.plan(t, deadletter.Reject, deadletter.Selection{})
	g := &gate{call: "delete", at: 1, before: func() error { return errActTrouble }}
	if _, err := w.review("bob", g).Act(t.Context(), redrive, actOptions); err != nil {
		t.Fatal(err)
	}
	wantResult(t, w.carry(t, reject), id, deadletter.ResultSkipped, "redrive by bob was done at")
	if w.status(t, 1).Status != upload.Pending {
		t.Error("the upload was rejected although its message is on its way")
	}
	wantIDs(t, "dead letters", w.waiting(t))
}

func TestAnActionThatIsDoneAgainSaysThatItWasDoneEarlier(t *testing.T) {
	for _, action := range []deadletter.Action{deadletter.Redrive, deadletter.Reject, deadletter.Discard} {
		w := newActing()
		id := w.unreachable(t, 1)
		if action == deadletter.Discard {
			id = w.poison(2)
		}
		w.list(t)
		p := w.plan(t, action, deadletter.Selection{})
		if _, err := w.review("bob", nil).Act(t.Context(), p, actOptions); err != nil {
			t.Fatal(err)
		}
		wantResult(t, w.carry(t, p), id, deadletter.ResultEarlier, "by bob at 2026-07-01T12:00:00Z: nothing was done now")
	}
}

func TestARejectionThatWasInterruptedGoesOnWithTheSameWordsAlone(t *testing.T) {
	for _, c := range []struct{ words, result, detail string }{
		{actOptions.Reason, deadletter.ResultDone, ""},
		{"Other words.", deadletter.ResultSkipped, "was unreachable, is obsolete"},
	} {
		w := newActing()
		id := w.unreachable(t, 1)
		w.list(t)
		p := w.plan(t, deadletter.Reject, deadletter.Selection{})
		g := &gate{call: "update record", at: 1}
		g.after = g.kill
		_, _ = w.review("alice", g).Act(t.Context(), p, actOptions)
		w.clock.Pass(time.Hour)
		a, err := w.review("bob", nil).Act(t.Context(), p, deadletter.Options{Reason: c.words})
		if err != nil {
			t.Fatal(err)
		}
		wantResult(t, a, id, c.result, c.detail)
		if got := w.status(t, 1).Reason.Message; got != actOptions.Reason {
			t.Errorf("the words are now %q", got)
		}
	}
}

func TestWhatIsInOtherHandsIsMissing(t *testing.T) {
	w := newActing()
	first, second := w.unreachable(t, 1), w.unreachable(t, 2)
	w.list(t)
	p := w.plan(t, deadletter.Redrive, deadletter.Selection{})
	other := true
	var bob deadletter.Audit
	g := &gate{call: "send", at: 1, before: func() (err error) {
		if other {
			other = false
			bob, err = w.review("bob", nil).Act(t.Context(), p, actOptions)
		}
		return err
	}}
	if _, err := w.review("alice", g).Act(t.Context(), p, actOptions); err != nil {
		t.Fatal(err)
	}
	wantResult(t, bob, first, deadletter.ResultMissing, "in other hands, or gone")
	wantResult(t, bob, second, deadletter.ResultMissing, "in other hands, or gone")
	if got := len(w.source.Messages()); got != 2 {
		t.Errorf("%d messages were sent, want 2", got)
	}
}

func TestWhatTheQueueRefusesFailsAndTheOthersGoOn(t *testing.T) {
	w := newActing()
	ref, body := w.upload(t, 1)
	w.fail(t, ref, "connection refused")
	full := map[string]queue.Attribute{}
	for _, name := range strings.Split("abcdefghij", "") {
		full[name] = queue.Text("x")
	}
	refused, sent := w.bury(1, body, full), w.unreachable(t, 2)
	w.list(t)
	a := w.act(t, deadletter.Redrive, deadletter.Selection{})
	wantResult(t, a, refused, deadletter.ResultFailed, "11 attributes")
	wantResult(t, a, sent, deadletter.ResultDone, "")
	if w.inFlight(t) != 0 {
		t.Error("what failed was not given back")
	}
	wantIDs(t, "dead letters", w.waiting(t), refused)
}

func TestAReceiptThatIsNoGoodFailsAndIsOnlyDeletedLater(t *testing.T) {
	w := newActing()
	id := w.unreachable(t, 1)
	w.list(t)
	p := w.plan(t, deadletter.Redrive, deadletter.Selection{})
	g := &gate{call: "delete", at: 1, before: func() error { return queue.ErrReceipt }}
	a, err := w.review("alice", g).Act(t.Context(), p, actOptions)
	if err != nil {
		t.Fatal(err)
	}
	wantResult(t, a, id, deadletter.ResultFailed, "all was done but deleting the message")
	wantResult(t, w.carry(t, p), id, deadletter.ResultDone, "")
	if got := len(w.source.Messages()); got != 1 {
		t.Errorf("%d messages were sent, want 1", got)
	}
}

func TestMessageAfterMessageThatFailsStopsTheRun(t *testing.T) {
	w := newActing()
	for n := range 40 {
		w.unreachable(t, n+1)
	}
	w.list(t)
	p := w.plan(t, deadletter.Redrive, deadletter.Selection{})
	g := &gate{call: "send", before: func() error { return errActTrouble }}
	a, err := w.review("alice", g).Act(t.Context(), p, actOptions)
	if !errors.Is(err, errActTrouble) || a.Counts[deadletter.ResultFailed] != 10 || a.Counts[deadletter.ResultMissing] != 0 {
		t.Errorf("it ended with %v, %v; want a stop after 10 failures", err, a.Counts)
	}
	if w.inFlight(t) != 0 {
		t.Error("messages were not given back")
	}
	if got := len(w.waiting(t)); got != 40 {
		t.Errorf("%d dead letters are left, want 40", got)
	}
}

func TestNothingIsRejectedWithWordsThatCannotBeShown(t *testing.T) {
	w := newActing()
	w.unreachable(t, 1)
	w.unreachable(t, 2)
	w.list(t)
	p := w.plan(t, deadletter.Reject, deadletter.Selection{})
	a, err := w.review("alice", nil).Act(t.Context(), p, deadletter.Options{Reason: "two\nlines"})
	if !errors.Is(err, upload.ErrWords) || a.ID != "" {
		t.Errorf("it ended with %v, %+v", err, a)
	}
	if got := len(w.waiting(t)); got != 2 {
		t.Errorf("%d dead letters are left, want 2", got)
	}
}

func TestAnEndedContextEndsTheRunAfterTheMessageThatWasBegun(t *testing.T) {
	w := newActing()
	for n := range 5 {
		w.unreachable(t, n+1)
	}
	w.list(t)
	p := w.plan(t, deadletter.Redrive, deadletter.Selection{})
	ctx, cancel := context.WithCancel(t.Context())
	g := &gate{call: "send", at: 2, before: func() error { cancel(); return nil }}
	a, err := w.review("alice", g).Act(ctx, p, actOptions)
	if !errors.Is(err, context.Canceled) || a.Counts[deadletter.ResultDone] != 2 || len(a.Results) != 2 {
		t.Errorf("it ended with %v, %v; want an interruption after 2 are done", err, a.Counts)
	}
	var kept deadletter.Audit
	if !w.note(t, "audit/"+a.ID+".json", &kept) || kept.Counts[deadletter.ResultDone] != 2 || kept.Ended.IsZero() ||
		!strings.Contains(kept.Error, "canceled") || kept.Chosen != 5 {
		t.Errorf("the audit says %+v", kept)
	}
	if w.inFlight(t) != 0 {
		t.Error("messages were not given back")
	}
	if got := len(w.waiting(t)); got != 3 {
		t.Errorf("%d dead letters are left, want 3", got)
	}
}

func TestARedriveIsPacedAndHidesWhatWaitedLong(t *testing.T) {
	w := newActing()
	for n := range 6 {
		w.unreachable(t, n+1)
	}
	w.list(t)
	p := w.plan(t, deadletter.Redrive, deadletter.Selection{})
	o := actOptions
	o.PerSecond = 2
	// The last message waits for almost 5 minutes in hand, and sending it takes longer than is left of them.
	sends := 0
	g := &gate{call: "send", before: func() error {
		if sends++; sends < 6 {
			w.clock.Pass(50 * time.Second)
			return nil
		}
		w.clock.Pass(2 * time.Minute)
		if others, err := w.dead.Receive(t.Context(), time.Second, 0); err != nil || len(others) > 0 {
			t.Errorf("another operator received %v, %v", others, err)
		}
		return nil
	}}
	a, err := w.review("alice", g).Act(t.Context(), p, o)
	if err != nil || a.Counts[deadletter.ResultDone] != 6 {
		t.Fatalf("it ended with %v, %v", err, a.Counts)
	}
	wantIDs(t, "dead letters", w.waiting(t))
	if len(w.paused) != 0 {
		t.Errorf("it waited %v although sending took longer than the pace", w.paused)
	}

	fast := newActing()
	for n := range 6 {
		fast.unreachable(t, n+1)
	}
	fast.list(t)
	if _, err := fast.review("alice", nil).Act(t.Context(), fast.plan(t, deadletter.Redrive, deadletter.Selection{}), o); err != nil {
		t.Fatal(err)
	}
	if took := fast.clock.Now().Sub(actStart); took != 2500*time.Millisecond {
		t.Errorf("6 messages at 2 a second took %v, want 2.5s", took)
	}
}

func TestWithoutAnAuditNothingIsDone(t *testing.T) {
	w := newActing()
	id := w.unreachable(t, 1)
	w.list(t)
	p := w.plan(t, deadletter.Redrive, deadletter.Selection{})
	g := &gate{call: "put", before: func() error { return errActTrouble }}
	if _, err := w.review("alice", g).Act(t.Context(), p, actOptions); !errors.Is(err, errActTrouble) {
		t.Errorf("acted without an audit: %v", err)
	}
	if g.counts["receive"] > 0 {
		t.Error("messages were received")
	}
	wantIDs(t, "dead letters", w.waiting(t), id)
}

func TestAnActionLeavesATrace(t *testing.T) {
	w := newActing()
	w.unreachable(t, 1)
	w.list(t)
	ended := w.act(t, deadletter.Reject, deadletter.Selection{Messages: []string{"dead-0001"}})
	var a deadletter.Audit
	if !w.note(t, "audit/"+ended.ID+".json", &a) || a.Action != deadletter.Reject || a.Operator != "alice" ||
		a.Reason != actOptions.Reason || a.Chosen != 1 || a.Counts[deadletter.ResultDone] != 1 || a.Ended.IsZero() ||
		a.Snapshot == "" {
		t.Errorf("the audit says %+v", a)
	}
	if log := w.log.String(); !strings.Contains(log, `level=INFO msg="dead letters: reject" operator=alice`) ||
		!strings.Contains(log, "done=1") {
		t.Errorf("the log says %s", log)
	}
}

func TestADoneHookHearsOfEachMessage(t *testing.T) {
	w := newActing()
	first, second := w.unreachable(t, 1), w.unreachable(t, 2)
	w.list(t)
	var heard []string
	o := deadletter.Options{Done: func(r deadletter.Result) { heard = append(heard, r.MessageID+" "+r.Result) }}
	r := w.review("alice", nil)
	r.Concurrency = 4
	if _, err := r.Act(t.Context(), w.plan(t, deadletter.Redrive, deadletter.Selection{}), o); err != nil {
		t.Fatal(err)
	}
	slices.Sort(heard)
	wantIDs(t, "heard", heard, first+" done", second+" done")
}

func TestAnActionWithoutItsReasonIsRefused(t *testing.T) {
	w := newActing()
	w.unreachable(t, 1)
	w.list(t)
	p := w.plan(t, deadletter.Reject, deadletter.Selection{})
	if _, err := w.review("alice", nil).Act(t.Context(), p, deadletter.Options{Reason: " "}); err == nil {
		t.Error("rejected without words")
	}
	if _, err := w.review("alice", nil).Plan(t.Context(), deadletter.Restore, "", deadletter.Selection{}); err == nil {
		t.Error("planned to restore a listing")
	}
}
