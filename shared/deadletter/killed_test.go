package deadletter_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"hatchery/shared/deadletter"
	"hatchery/shared/upload"
)

// TestNoMessageIsLostWhereverAnActionIsKilledOrMeetsAnother runs each action with something that happens at each of its
// calls: the call fails before or after it was done, the process is killed there, the validator works meanwhile, or
// another operator acts on the same messages when they have come back to the queue. Then others act, and the action is run
// again. After each of these steps the rules of check hold.
func TestNoMessageIsLostWhereverAnActionIsKilledOrMeetsAnother(t *testing.T) {
	cases, listed := 0, map[upload.Key][]byte{}
	for _, action := range []deadletter.Action{deadletter.Redrive, deadletter.Reject, deadletter.Discard, deadletter.Restore} {
		calm := newKilled(t, action, listed)
		counting := &gate{}
		calm.run(counting)
		calm.check("without trouble")
		for _, call := range slices.Sorted(maps.Keys(counting.counts)) {
			for at := 1; at <= counting.counts[call]; at++ {
				for _, event := range events {
					for _, then := range thens {
						k := newKilled(t, action, listed)
						k.name = fmt.Sprintf("%s: %s at %s %d, then %s", action, event.name, call, at, then.name)
						k.explore(call, at, event, then)
						cases++
					}
				}
			}
		}
	}
	t.Logf("%d cases", cases)
}

// killed is a deployment on which alice's action meets something.
type killed struct {
	*acting
	t      *testing.T
	name   string
	action deadletter.Action
	bodies []string // of the dead letters at the beginning, in the order of their ids
	plan   deadletter.Plan
	// other is what bob would do to the same letters.
	other deadletter.Plan
	ids   []string
	said  bool
}

// newKilled has two unreachable letters, an obsolete one and a poison one. The notes of their listing are always the same,
// and are kept in listed: to compress them takes longer than all the rest.
func newKilled(t *testing.T, action deadletter.Action, listed map[upload.Key][]byte) *killed {
	k := &killed{acting: newActing(), t: t, action: action, name: string(action)}
	k.unreachable(t, 1)
	k.unreachable(t, 2)
	k.obsolete(t, 3)
	k.poison(4)
	for _, m := range k.dead.Messages() {
		k.bodies = append(k.bodies, m.Body)
	}
	for key, body := range listed {
		k.notes.Overwrite(key, body)
	}
	if len(listed) == 0 {
		k.list(t)
		for _, key := range k.notes.Keys() {
			body, err := k.notes.Get(t.Context(), key)
			if err != nil {
				t.Fatal(err)
			}
			listed[key] = body
		}
	}
	k.made = 1000 // ids of runs come after that of the listing
	settled := deadletter.Selection{Messages: []string{"dead-0003", "dead-0004"}}
	switch action {
	case deadletter.Redrive:
		k.plan, k.other = k.acting.plan(t, action, deadletter.Selection{}), k.acting.plan(t, deadletter.Reject, deadletter.Selection{})
	case deadletter.Reject:
		k.plan, k.other = k.acting.plan(t, action, deadletter.Selection{}), k.acting.plan(t, deadletter.Redrive, deadletter.Selection{})
	case deadletter.Discard:
		k.plan, k.other = k.acting.plan(t, action, settled), k.acting.plan(t, deadletter.Redrive, settled)
	case deadletter.Restore:
		k.other = k.acting.plan(t, deadletter.Discard, settled)
		k.carry(t, k.other)
		k.ids = settled.Messages
	}
	return k
}

// run is alice's action.
func (k *killed) run(g *gate) (deadletter.Audit, error) {
	if k.action == deadletter.Restore {
		return k.review("alice", g).Restore(k.t.Context(), k.ids, actOptions)
	}
	return k.review("alice", g).Act(k.t.Context(), k.plan, actOptions)
}

type event struct {
	name string
	set  func(k *killed, g *gate)
}

var events = []event{
	{"failed", func(_ *killed, g *gate) { g.before = func() error { return errActTrouble } }},
	{"done without an answer", func(_ *killed, g *gate) { g.after = func() error { return errActTrouble } }},
	{"killed before", func(_ *killed, g *gate) { g.before = g.kill }},
	{"killed after", func(_ *killed, g *gate) { g.after = g.kill }},
	{"the validator", func(k *killed, g *gate) { g.before = func() error { k.validate(k.t); return nil } }},
	{"bob with the same", func(k *killed, g *gate) { g.before = func() error { k.late(k.bobSame); return nil } }},
	{"bob with another", func(k *killed, g *gate) { g.before = func() error { k.late(k.bobOther); return nil } }},
	{"bob and the validator", func(k *killed, g *gate) {
		g.before = func() error { k.late(k.bobSame); k.validate(k.t); return nil }
	}},
}

var thens = []struct {
	name  string
	steps []func(k *killed)
}{
	{"nothing", nil},
	{"the validator", []func(*killed){func(k *killed) { k.validate(k.t) }}},
	{"the validator in vain", []func(*killed){func(k *killed) { k.validateInVain() }}},
	{"bob", []func(*killed){(*killed).bobOther}},
	{"bob and the validator", []func(*killed){(*killed).bobOther, func(k *killed) { k.validate(k.t) }}},
	{"the validator and bob", []func(*killed){func(k *killed) { k.validate(k.t) }, (*killed).bobOther}},
	{"bob, who restores", []func(*killed){(*killed).bobRestores}},
}

// late lets what is hidden come back first.
func (k *killed) late(do func()) {
	k.clock.Pass(10 * time.Minute)
	do()
}

func (k *killed) bobSame() { k.must(k.bob(k.action)) }

func (k *killed) bobOther() { k.must(k.bob(k.other.Action)) }

func (k *killed) bob(action deadletter.Action) (deadletter.Audit, error) {
	r := k.review("bob", nil)
	switch action {
	case deadletter.Restore:
		return r.Restore(k.t.Context(), k.ids, actOptions)
	case k.action:
		return r.Act(k.t.Context(), k.plan, actOptions)
	}
	return r.Act(k.t.Context(), k.other, actOptions)
}

func (k *killed) bobRestores() {
	k.must(k.review("bob", nil).Restore(k.t.Context(), []string{"dead-0003", "dead-0004"}, actOptions))
}

func (k *killed) must(a deadletter.Audit, err error) {
	if err != nil || a.Counts[deadletter.ResultFailed] > 0 {
		k.errorf("without trouble it ended with %v, %+v", err, a.Results)
	}
}

func (k *killed) explore(call string, at int, e event, then struct {
	name  string
	steps []func(k *killed)
}) {
	g := &gate{call: call, at: at}
	e.set(k, g)
	_, _ = k.run(g)
	k.check("after the trouble")
	for _, step := range then.steps {
		k.clock.Pass(10 * time.Minute)
		step(k)
		k.check("after the others")
	}
	k.clock.Pass(10 * time.Minute)
	last, err := k.run(nil)
	k.must(last, err)
	if n := k.inFlight(k.t); n > 0 {
		k.errorf("%d messages are still hidden at the end", n)
	}
	k.check("at the end")
	waiting := k.waiting(k.t)
	for _, r := range last.Results {
		if r.Result == deadletter.ResultDone && slices.Contains(waiting, r.MessageID) && k.action != deadletter.Restore {
			k.errorf("%s is done and still a dead letter", r.MessageID)
		}
		if r.Result == deadletter.ResultMissing && slices.Contains(waiting, r.MessageID) {
			k.errorf("%s is missing although it is a dead letter", r.MessageID)
		}
	}
}

// check holds after whatever happened.
func (k *killed) check(when string) {
	there := map[string]bool{}
	for _, m := range k.dead.Messages() {
		there[m.Body] = true
	}
	saved := map[string]bool{}
	err := k.review("check", nil).Discarded(k.t.Context(), func(l deadletter.DiscardedLetter) error {
		saved[l.Body] = true
		return nil
	})
	if err != nil {
		k.errorf("%s: %v", when, err)
	}
	for i, body := range k.bodies {
		rejected := i < 2 && k.status(k.t, i+1).Status == upload.Rejected
		if k.sent[body] == 0 && !there[body] && !saved[body] && !rejected {
			k.errorf("%s: message %d is lost", when, i+1)
		}
		if i < 2 && saved[body] {
			k.errorf("%s: message %d was discarded, and its upload was pending", when, i+1)
		}
	}
	for _, ref := range k.stored {
		if record, err := k.records.Get(k.t.Context(), ref); err != nil || record.Status != upload.Stored {
			k.errorf("%s: upload %s was stored, and is %s, %v", when, ref, record.Status, err)
		}
	}
	for n := 1; n <= 2; n++ {
		r := k.status(k.t, n)
		if r.Status != upload.Rejected {
			continue
		}
		if r.Reason.Code != upload.ByOperator || r.Reason.Message != actOptions.Reason {
			k.errorf("%s: upload %d is rejected with %+v", when, n, r.Reason)
		}
		if _, found := k.objects.Bytes(upload.DefaultLayout.QuarantineKey(actRef(n)), r.JudgedVersion); !found {
			k.errorf("%s: the bytes of upload %d were removed", when, n)
		}
	}
}

// errorf tells the first fault of a case.
func (k *killed) errorf(format string, args ...any) {
	k.t.Helper()
	if !k.said {
		k.t.Errorf("%s: %s", k.name, fmt.Sprintf(format, args...))
	}
	k.said = true
}
