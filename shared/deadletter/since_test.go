package deadletter_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"hatchery/shared/attempts"
	"hatchery/shared/deadletter"
)

func TestWhatWasDoneSinceAListingIsTold(t *testing.T) {
	w := newActing()
	before := w.poison(1)
	w.list(t)
	w.act(t, deadletter.Discard, deadletter.Selection{})
	w.clock.Pass(time.Minute)
	redriven, rejected, left := w.unreachable(t, 2), w.unreachable(t, 3), w.unreachable(t, 4)
	w.list(t)
	w.clock.Pass(time.Minute)
	r := w.review("bob", nil)
	for action, id := range map[deadletter.Action]string{deadletter.Redrive: redriven, deadletter.Reject: rejected} {
		p := w.plan(t, action, deadletter.Selection{Messages: []string{id}})
		if _, err := r.Act(t.Context(), p, actOptions); err != nil {
			t.Fatal(err)
		}
	}
	p := w.plan(t, deadletter.Redrive, deadletter.Selection{})
	since, err := r.Since(t.Context(), p.Snapshot)
	if err != nil || len(since.Actions) != 2 || len(since.Done) != 2 {
		t.Fatalf("%+v, %v", since, err)
	}
	if got := since.Done[redriven].String(); got != "redriven by bob at 2026-07-01T12:02:00Z" {
		t.Errorf("it was %s", got)
	}
	if got := since.Done[rejected].String(); !strings.HasPrefix(got, "rejected by bob at") {
		t.Errorf("it was %s", got)
	}
	if _, found := since.Done[before]; found {
		t.Error("what was done before the listing is told")
	}
	p.Without(since)
	if len(p.Chosen) != 1 || p.Chosen[left] == "" || len(p.NotEligible) != 2 ||
		p.NotEligible["already redriven by bob at 2026-07-01T12:02:00Z: if it failed again, it is a new dead letter: list again"] != 1 {
		t.Errorf("planned is %+v", p)
	}
}

func TestWhatFailedSinceAListingIsNotTakenForDone(t *testing.T) {
	w := newActing()
	w.unreachable(t, 1)
	w.list(t)
	p := w.plan(t, deadletter.Redrive, deadletter.Selection{})
	g := &gate{call: "delete", at: 1, before: func() error { return errActTrouble }}
	if _, err := w.review("bob", g).Act(t.Context(), p, actOptions); err != nil {
		t.Fatal(err)
	}
	if since, err := w.review("bob", nil).Since(t.Context(), p.Snapshot); err != nil || len(since.Actions) != 1 || len(since.Done) != 0 {
		t.Errorf("%+v, %v", since, err)
	}
}

func TestALetterThatIsShownSaysWhatWasDoneWithItSinceItWasListed(t *testing.T) {
	for action, did := range map[deadletter.Action]string{deadletter.Redrive: "redriven", deadletter.Reject: "rejected",
		deadletter.Discard: "discarded"} {
		w := newActing()
		id := w.unreachable(t, 1)
		if action == deadletter.Discard {
			id = w.poison(2)
		}
		w.list(t)
		w.clock.Pass(time.Minute)
		p := w.plan(t, action, deadletter.Selection{})
		show := func() deadletter.Letter {
			letters, err := w.review("alice", nil).Show(t.Context(), p.Snapshot, id)
			if err != nil || len(letters) != 1 {
				t.Fatalf("%+v, %v", letters, err)
			}
			return letters[0]
		}
		if l := show(); l.Done != nil || !l.Takes(action) {
			t.Errorf("%s: before, it is %+v", action, l)
		}
		w.carry(t, p)
		if l := show(); l.Done == nil || l.Done.String() != did+" by alice at 2026-07-01T12:01:00Z" || l.Takes(action) {
			t.Errorf("%s: it is %+v", action, l)
		}
	}
}

func TestAStoryTellsWhatWasDoneWithALetterThatIsNotListedAnyMore(t *testing.T) {
	w := newActing()
	id := w.unreachable(t, 1)
	note, err := attempts.Attempt{MessageID: id, Receive: 5, MaxReceives: 5, Began: w.clock.Now()}.Marshal()
	if err == nil {
		err = w.notes.Put(t.Context(), attempts.Key(actRef(1).ID, id, 5), note)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.list(t)
	w.act(t, deadletter.Redrive, deadletter.Selection{})
	w.clock.Pass(time.Minute)
	w.list(t)
	s, err := w.review("alice", nil).Story(t.Context(), w.status(t, 1))
	if err != nil || len(s.Letters) != 0 || !slices.ContainsFunc(s.Events, func(e deadletter.Event) bool {
		return e.What == "dead letter "+id+" was redriven by alice at 2026-07-01T12:00:00Z"
	}) {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestALetterThatWasLeftByAKillAndListedAgainIsAlive(t *testing.T) {
	w := newActing()
	id := w.unreachable(t, 1)
	w.list(t)
	g := &gate{call: "delete", at: 1}
	g.before = g.kill
	_, _ = w.review("bob", g).Act(t.Context(), w.plan(t, deadletter.Redrive, deadletter.Selection{}), actOptions)
	w.clock.Pass(time.Hour)
	w.list(t)
	s, err := w.review("bob", nil).Snapshot(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if letters, err := w.review("bob", nil).Show(t.Context(), s, id); err != nil || letters[0].Done != nil {
		t.Errorf("%+v, %v", letters, err)
	}
}

func TestAnUploadSaysWhatAPersonHasToKnow(t *testing.T) {
	w := newActing()
	w.unreachable(t, 1)
	r := w.review("alice", nil)
	advice := func() string {
		s, err := r.Story(t.Context(), w.status(t, 1))
		if err != nil {
			t.Fatal(err)
		}
		return s.Advice()
	}
	if got := advice(); got != "" {
		t.Errorf("before a listing: %q", got)
	}
	w.list(t)
	if got := advice(); !strings.Contains(got, "It has a dead letter: redrive that") {
		t.Errorf("with a dead letter: %q", got)
	}
	w.act(t, deadletter.Redrive, deadletter.Selection{})
	if got := advice(); got != "" {
		t.Errorf("after its redrive: %q", got)
	}
	w.validate(t)
	if got := advice(); got != "" {
		t.Errorf("of a stored one: %q", got)
	}
}

func TestWhatIsSuggestedSaysWhetherSomethingHasToBeMendedBefore(t *testing.T) {
	for cause, want := range map[deadletter.Cause]string{deadletter.Denied: "mend the cause, then redrive",
		deadletter.Checksum: "redrive", deadletter.Unfinished: "redrive"} {
		if got := deadletter.Advice(cause, deadletter.Redrive); got != want {
			t.Errorf("%s: %q", cause, got)
		}
	}
	if got := deadletter.Advice(deadletter.Lost, deadletter.Reject); got != "reject" {
		t.Errorf("bytes_lost: %q", got)
	}
	for left, want := range map[int]string{4: "is tried 4 times more", 1: "is tried 1 time more",
		0: "was tried for the last time, and comes back among the dead letters: list again."} {
		if got := (deadletter.Probed{Left: left}).NotMended(); !strings.Contains(got, want) {
			t.Error(got)
		}
	}
	for action, want := range map[deadletter.Action]string{deadletter.Redrive: "list again", deadletter.Restore: "list again",
		deadletter.Reject: "nothing is left", deadletter.Discard: "nothing is left"} {
		if got := (deadletter.Done{Action: action}).Then(); !strings.Contains(got, want) {
			t.Errorf("%s: %s", action, got)
		}
	}
}
