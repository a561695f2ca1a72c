package deadletter_test

import (
	"errors"
	"testing"
	"time"

	"hatchery/shared/deadletter"
)

func TestObsoleteLettersAreClearedAndNothingElse(t *testing.T) {
	w := newActing()
	obsolete := []string{w.obsolete(t, 1), w.obsolete(t, 2)}
	waiting, poison := w.unreachable(t, 3), w.poison(4)
	audit, err := w.review("the reconciler", nil).ClearObsolete(t.Context())
	if err != nil || audit.Chosen != 2 || audit.Counts[deadletter.ResultDone] != 2 || len(audit.Counts) != 1 {
		t.Fatalf("%+v, %v", audit, err)
	}
	if state, err := w.dead.Inspect(t.Context()); err != nil || state.Visible != 2 || state.InFlight != 0 {
		t.Errorf("left are %+v, %v", state, err)
	}
	var saved []string
	if err := w.review("bob", nil).Discarded(t.Context(), func(l deadletter.DiscardedLetter) error {
		saved = append(saved, l.MessageID)
		return nil
	}); err != nil || len(saved) != 2 || saved[0] != obsolete[0] || saved[1] != obsolete[1] {
		t.Errorf("saved are %q, %v", saved, err)
	}
	if _, err := w.review("bob", nil).Snapshot(t.Context(), ""); !errors.Is(err, deadletter.ErrNoSnapshot) {
		t.Errorf("it keeps a listing, on which people would act: %v", err)
	}
	if audit, err = w.review("the reconciler", nil).ClearObsolete(t.Context()); err != nil || audit.Chosen != 0 {
		t.Errorf("of %s and %s it clears %+v, %v", waiting, poison, audit, err)
	}
}

func TestClearingTheMessageThatAnotherActionLeftIsInTheTrace(t *testing.T) {
	w := newActing()
	id := w.unreachable(t, 1)
	w.list(t)
	g := &gate{call: "delete", at: 1, before: func() error { return errActTrouble }}
	if _, err := w.review("bob", g).Act(t.Context(), w.plan(t, deadletter.Redrive, deadletter.Selection{}), actOptions); err != nil {
		t.Fatal(err)
	}
	audit, err := w.review("the reconciler", nil).ClearObsolete(t.Context())
	if err != nil || audit.Chosen != 1 {
		t.Errorf("%+v, %v", audit, err)
	}
	wantResult(t, audit, id, deadletter.ResultSkipped, "redrive by bob was done at")
	wantIDs(t, "dead letters", w.waiting(t))
}

func TestClearingAnEmptyQueueLeavesNoTrace(t *testing.T) {
	w := newActing()
	if audit, err := w.review("the reconciler", nil).ClearObsolete(t.Context()); err != nil || audit.ID != "" {
		t.Errorf("%+v, %v", audit, err)
	}
	if keys := w.notes.Keys(); len(keys) > 0 {
		t.Errorf("notes %q", keys)
	}
}

func TestASecondOperatorSeesTheListingOfTheFirst(t *testing.T) {
	w := newActing()
	w.unreachable(t, 1)
	first := w.list(t)
	if got, err := w.dead.Receive(t.Context(), time.Minute, 0); err != nil || len(got) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	bob := w.review("bob", nil)
	none, err := bob.List(t.Context(), func(deadletter.Letter) error { return nil })
	if err != nil || none.Letters != 0 || none.InOtherHands != 1 {
		t.Fatalf("%+v, %v", none, err)
	}
	if s, err := bob.Snapshot(t.Context(), ""); err != nil || s.ID != first || s.Letters != 1 {
		t.Errorf("the newest is %+v, %v, want %s", s, err, first)
	}
	w.clock.Pass(2 * time.Minute)
	got, err := w.dead.Receive(t.Context(), time.Minute, 0)
	if err != nil || len(got) != 1 || w.dead.Delete(t.Context(), got[0].Receipt) != nil {
		t.Fatalf("%+v, %v", got, err)
	}
	empty := w.list(t) // now there are none, which is news
	if s, err := bob.Snapshot(t.Context(), ""); err != nil || s.ID != empty {
		t.Errorf("the newest is %+v, %v, want %s", s, err, empty)
	}
}
