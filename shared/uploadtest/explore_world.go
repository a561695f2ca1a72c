package uploadtest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"hatchery/shared/upload"
)

// world is one schedule under way: the stores, and the actors that are each
// halted before their next call.
type world struct {
	scenario Scenario
	memory   Memory
	actors   []*actor
	running  *actor // whose step is being taken; nil outside of steps
	last     *actor // who took the last step

	faults, preemptions int

	events  []*event
	deletes []*deletion
	places  []place // by index of the upload
	ledger  *ledger
	trace   *[]string // when set, what happens is written down
}

// place is where one upload is.
type place struct {
	ref               upload.Ref
	quarantine, files upload.Key
}

func placeOf(index int) place {
	ref := upload.Ref{Journal: journal, Entry: entry, Kind: kind, ID: idOf(index)}
	return place{ref, upload.DefaultLayout.QuarantineKey(ref), upload.DefaultLayout.FilesKey(ref)}
}

// actor is a coroutine that halts before every call to a store.
type actor struct {
	index   int
	name    string
	resume  func() (call, bool)
	abandon func()
	yield   func(call) bool

	pending call // what it is about to do
	fate    fate // how that is to go
	within  fate // how the call goes, within which it is halted
	ended   bool
	memory  [sha256.Size]byte // hash of all results so far: what its local state follows from
}

// call is a step that an actor is about to take.
type call struct {
	name   string
	target string // what it is about, as a person reads it
	fates  []fate // how it may go, besides well
}

func (c call) String() string { return strings.TrimSpace(c.name + " " + c.target) }

// fate is how a call goes.
type fate string

const (
	goesWell      fate = ""
	fails         fate = "fails: nothing is done, an error comes back"
	timesOut      fate = "times out: it is done, but an error comes back"
	repeats       fate = "is done, and again by a retry underneath, whose answer comes back"
	breaksOff     fate = "is answered, but the body breaks off with an error"
	endsEarly     fate = "is answered, but the body ends early"
	crashesBefore fate = "crash before it"
	crashesAfter  fate = "crash after it is done"
)

var (
	readFates  = []fate{fails, crashesBefore}
	openFates  = []fate{fails, breaksOff, endsEarly, crashesBefore}
	writeFates = []fate{fails, timesOut, repeats, crashesBefore, crashesAfter}
	// Outside of the stores a client or a step within a store can only stop.
	innerFates  = []fate{crashesBefore}
	clientFates = []fate{crashesAfter}
)

// crash unwinds an actor's stack.
type crash struct{}

// errTrouble is what a call that fails or times out gives: an error that says
// nothing about what was done.
var errTrouble = errors.New("the store does not answer")

// choice is one step of a schedule.
type choice struct {
	actor int
	fate  fate
}

// event is a message about one version, to be delivered until it is
// acknowledged.
type event struct {
	key     upload.Key
	version upload.Version
	cause   *actor // who brought the version; nil before the actors started
	// delivered: a validator got it. What was not delivered yet is one event
	// however many deliveries it leads to; each of them comes again by itself.
	delivered bool
	done      bool // acknowledged, or delivered as another event
}

// deletion is a client's request to delete, repeated until it is answered.
type deletion struct {
	ref      upload.Ref
	answered bool
	deleted  bool // answered with success at least once
}

// start is the time at which all of an exploration happens. No rule depends on
// time passing.
var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// prepared makes the world before the actors start.
func prepared(s Scenario) *world {
	w := &world{scenario: s, ledger: newLedger()}
	w.memory = Memory{NewRecords(RecordsOptions{Swap: s.Swap, WritesBack: s.WritesBack}), NewObjects()}
	w.memory.Objects.Notify(w.arrive)
	w.prepare()
	for _, p := range w.places {
		if r, found := w.memory.Records.peek(p.ref); found {
			w.ledger.before[p.ref] = r
		}
	}
	return w
}

// start makes a copy of a prepared world in which every actor is halted before
// its first call.
func (w *world) start() *world {
	c := w.clone()
	c.memory.Records.options.Between = c.between
	c.memory.Objects.Notify(c.arrive)
	next := len(c.scenario.Uploads)
	for i, a := range c.scenario.Actors {
		c.actors = append(c.actors, c.begin(i, a, idOf(next)))
		if a.accepts {
			next++
		}
	}
	return c
}

// arrive notes what came into quarantine, and makes the event of it.
func (w *world) arrive(a Arrival) {
	data, _ := w.memory.Objects.Bytes(a.Key, a.Version)
	w.ledger.arrivals[a.Key] = append(w.ledger.arrivals[a.Key], arrived{a.Version, w.ledger.bodies[sumOf(data)]})
	w.events = append(w.events, &event{key: a.Key, version: a.Version, cause: w.running})
}

// begin starts an actor and lets it run up to its first call.
func (w *world) begin(index int, what Actor, next upload.ID) *actor {
	a := &actor{index: index, name: fmt.Sprintf("%c, %s", 'A'+index, what.name)}
	p := w.pipeline(w.stepped(a), w.memory, next)
	a.resume, a.abandon = iter.Pull(func(yield func(call) bool) {
		defer func() {
			if thrown := recover(); thrown != nil {
				if _, ours := thrown.(crash); !ours {
					panic(thrown)
				}
			}
		}()
		a.yield = yield
		what.run(&script{world: w, actor: a, pipeline: p})
	})
	w.running = a
	w.next(a)
	w.running = nil
	return a
}

// next lets an actor run up to its next call or its end.
func (w *world) next(a *actor) {
	pending, more := a.resume()
	a.pending, a.ended = pending, !more
}

// stop ends the actors that are still halted.
func (w *world) stop() {
	for _, a := range w.actors {
		a.fate = crashesBefore
		a.abandon()
	}
}

// choices are the steps that can be taken now. The first goes on with the same
// actor, and well.
func (w *world) choices(b Bound, cost int) []choice {
	var out []choice
	for _, a := range w.inOrder() {
		switches := w.switches(a)
		if a.ended || w.preemptions+switches > b.Preemptions || w.faults+w.preemptions+switches > cost {
			continue
		}
		out = append(out, choice{a.index, goesWell})
		if w.faults < b.Faults && w.faults+w.preemptions+switches < cost {
			for _, f := range a.pending.fates {
				out = append(out, choice{a.index, f})
			}
		}
	}
	return out
}

// inOrder gives the actors, the one that took the last step first.
func (w *world) inOrder() []*actor {
	if w.last == nil {
		return w.actors
	}
	out := []*actor{w.last}
	for _, a := range w.actors {
		if a != w.last {
			out = append(out, a)
		}
	}
	return out
}

// switches is 1 when a step of a preempts an actor that could go on, else 0.
func (w *world) switches(a *actor) int {
	if w.last == nil || w.last == a || w.last.ended {
		return 0
	}
	return 1
}

// take takes one step.
func (w *world) take(c choice) {
	a := w.actors[c.actor]
	w.preemptions += w.switches(a)
	if c.fate != goesWell {
		w.faults++
	}
	w.last, w.running, a.fate = a, a, c.fate
	w.note("%s: %s", a.name, a.pending)
	if c.fate != goesWell {
		w.note("%s   ^ %s", a.name, c.fate)
	}
	w.next(a)
	w.running = nil
	if a.ended {
		// Nothing of its memory matters any more.
		a.within, a.memory = goesWell, [sha256.Size]byte{}
	}
}

// check gives the rule that is broken after the last step.
func (w *world) check() string { return w.ledger.checkStep(w) }

func (w *world) note(format string, args ...any) {
	if w.trace != nil {
		*w.trace = append(*w.trace, fmt.Sprintf(format, args...))
	}
}

// between halts the running actor within a store's method.
func (w *world) between(_ context.Context, step string) {
	if w.running != nil {
		w.running.halt(call{name: "(within) " + step, fates: innerFates})
	}
}

// state is equal for two worlds in which the same can follow.
type state [sha256.Size]byte

func (w *world) state() state {
	records, objects := w.memory.Records.Digest(), w.memory.Objects.Digest()
	text := make([]byte, 0, 512)
	text = append(append(text, records[:]...), objects[:]...)
	text = fmt.Appendf(text, "faults %d\n", w.faults)
	if w.scenario.Bound.Preemptions < Unbounded && w.last != nil {
		text = fmt.Appendf(text, "last %d\n", w.last.index)
	}
	for _, a := range w.actors {
		text = fmt.Appendf(text, "%t %s %s\n", a.ended, a.within, a.pending)
		text = append(text, a.memory[:]...)
	}
	for _, e := range w.events {
		text = fmt.Appendf(text, "event %s %s %t\n", e.key, e.version, e.done)
	}
	for _, d := range w.deletes {
		text = fmt.Appendf(text, "delete %s %t %t\n", d.ref, d.answered, d.deleted)
	}
	text = w.ledger.append(text)
	return sha256.Sum256(text)
}
