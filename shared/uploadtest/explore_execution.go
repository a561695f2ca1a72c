package uploadtest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"hatchery/shared/upload"
)

// execution is one schedule under way: the stores, and the actors, each suspended before
// its next call.
type execution struct {
	scenario Scenario
	memory   Memory
	actors   []*actor
	running  *actor // whose step is being taken; nil outside of steps
	last     *actor // who took the last step
	ordered  bool   // that step only chose which of two calls is the first

	faults, preemptions int

	events     []*event
	deletes    []*deletion
	rejections []*rejection
	targets    []target // by index of the upload
	oracle     *oracle
	trace      *[]string // when set, what happens is written down
}

// target is an upload that actors work on, and its keys.
type target struct {
	ref               upload.Ref
	quarantine, files upload.Key
}

func targetOf(index int) target {
	ref := upload.Ref{Journal: journal, Entry: entry, Kind: kind, ID: idOf(index)}
	return target{ref, upload.DefaultLayout.QuarantineKey(ref), upload.DefaultLayout.FilesKey(ref)}
}

// actor is a coroutine that is suspended before every call to a store.
type actor struct {
	index   int
	name    string
	resume  func() (call, bool)
	abandon func()
	yield   func(call) bool

	pending call  // what it is about to do
	fault   fault // how that is to go
	within  fault // how the call goes, within which it is suspended
	ended   bool
	memory  [sha256.Size]byte // hash of all results so far: what its local state follows from
	aside   [sha256.Size]byte // the same of the first of two calls at once, while the second is pending
	open    int               // bodies that it has not closed

	judging    upload.Key // the quarantine key of the event that it validates now, "" for none
	rejecting  upload.Key // that of the upload that an operator rejects now, "" for none
	sawEmpty   bool       // at some moment since then nothing of it was there
	sawNothing bool       // at some moment since it got that event, nothing was left of the upload
}

// call is a step that an actor is about to take.
type call struct {
	name   string
	target string  // what it is about, as a person reads it
	faults []fault // how it may go, besides well
}

// either says that it is no call yet, but the choice which of two is the first.
func (c call) either() bool { return slices.Contains(c.faults, otherFirst) }

func (c call) String() string { return strings.TrimSpace(c.name + " " + c.target) }

// fault is what is injected into a call.
type fault string

const (
	noFault       fault = ""
	fails         fault = "fails: nothing is done, an error comes back"
	timesOut      fault = "times out: it is done, but an error comes back"
	repeats       fault = "is done, and again by a retry underneath, whose answer comes back"
	breaksOff     fault = "is answered, but the body breaks off with an error"
	endsEarly     fault = "is answered, but the body ends early"
	crashesBefore fault = "crash before it"
	crashesAfter  fault = "crash after it is done"

	// otherFirst is no fault but a choice: of two calls at once the other is the first.
	otherFirst fault = "the other way round"
)

// counts says whether it is one of the Bound's.
func (f fault) counts() bool { return f != noFault && f != otherFirst }

var (
	readFaults  = []fault{fails, crashesBefore}
	openFaults  = []fault{fails, breaksOff, endsEarly, crashesBefore}
	writeFaults = []fault{fails, timesOut, repeats, crashesBefore, crashesAfter}
	// A client, or a step within a store's method, can only stop.
	innerFaults  = []fault{crashesBefore}
	clientFaults = []fault{crashesAfter}
)

// crash unwinds an actor's stack.
type crash struct{}

// errNoAnswer is what a call that fails or times out gives: an error that says
// nothing about what was done.
var errNoAnswer = errors.New("the store does not answer")

// choice is one step of a schedule.
type choice struct {
	actor int
	fault fault
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

// rejection is an operator's request to reject, repeated until it is answered.
type rejection struct {
	key      upload.Key
	version  upload.Version
	answered bool
}

// start is the time at which all of an exploration happens, but for recovery. No rule
// depends on time passing.
var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// prepared makes the execution before the actors start.
func prepared(s Scenario) *execution {
	x := &execution{scenario: s, oracle: newOracle()}
	x.memory = Memory{NewRecords(RecordsOptions{Swap: s.Swap, WritesBack: s.WritesBack}), NewObjects()}
	x.memory.Objects.Notify(x.arrive)
	x.prepare()
	for _, p := range x.targets {
		if r, found := x.memory.Records.peek(p.ref); found {
			x.oracle.before[p.ref] = r
		}
	}
	return x
}

// start makes a copy of a prepared execution in which every actor is suspended before
// its first call.
func (x *execution) start() *execution {
	c := x.clone()
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
func (x *execution) arrive(a Arrival) {
	data, _ := x.memory.Objects.Bytes(a.Key, a.Version)
	x.oracle.arrivals[a.Key] = append(x.oracle.arrivals[a.Key], arrived{a.Version, x.oracle.bodies[sumOf(data)]})
	x.events = append(x.events, &event{key: a.Key, version: a.Version, cause: x.running})
}

// begin starts an actor and lets it run up to its first call.
func (x *execution) begin(index int, what Actor, next upload.ID) *actor {
	a := &actor{index: index, name: fmt.Sprintf("%c, %s", 'A'+index, what.name)}
	p := x.pipeline(x.storesFor(a), x.memory, a.atOnce, next)
	a.resume, a.abandon = iter.Pull(func(yield func(call) bool) {
		defer func() {
			if panicked := recover(); panicked != nil {
				if _, ours := panicked.(crash); !ours {
					panic(panicked)
				}
			}
		}()
		a.yield = yield
		what.run(&script{execution: x, actor: a, pipeline: p})
	})
	x.running = a
	x.next(a)
	x.running = nil
	return a
}

// next lets an actor run up to its next call or its end.
func (x *execution) next(a *actor) {
	pending, more := a.resume()
	a.pending, a.ended = pending, !more
}

// stop ends the actors that are still suspended.
func (x *execution) stop() {
	for _, a := range x.actors {
		a.fault = crashesBefore
		a.abandon()
	}
}

// choices are the steps that can be taken now. The first goes on with the same
// actor, and well.
func (x *execution) choices(b Bound, cost int) []choice {
	var out []choice
	for _, a := range x.inOrder() {
		switches := x.switches(a)
		if a.ended || x.preemptions+switches > b.Preemptions || x.faults+x.preemptions+switches > cost {
			continue
		}
		out = append(out, choice{a.index, noFault})
		more := x.faults < b.Faults && x.faults+x.preemptions+switches < cost
		for _, f := range a.pending.faults {
			if more || !f.counts() {
				out = append(out, choice{a.index, f})
			}
		}
	}
	return out
}

// inOrder gives the actors, the one that took the last step first. After a choice between
// two calls, which changed nothing, it is the only one.
func (x *execution) inOrder() []*actor {
	if x.last == nil {
		return x.actors
	}
	if x.ordered {
		return []*actor{x.last}
	}
	out := []*actor{x.last}
	for _, a := range x.actors {
		if a != x.last {
			out = append(out, a)
		}
	}
	return out
}

// switches is 1 when a step of a preempts an actor that could go on, else 0.
func (x *execution) switches(a *actor) int {
	if x.last == nil || x.last == a || x.last.ended {
		return 0
	}
	return 1
}

// take takes one step.
func (x *execution) take(c choice) {
	a := x.actors[c.actor]
	x.preemptions += x.switches(a)
	if c.fault.counts() {
		x.faults++
	}
	x.last, x.running, x.ordered, a.fault = a, a, a.pending.either(), c.fault
	x.note("%s: %s", a.name, a.pending)
	if c.fault != noFault {
		x.note("%s   ^ %s", a.name, c.fault)
	}
	x.next(a)
	x.running = nil
	for _, other := range x.actors {
		other.sawNothing = other.sawNothing || other.judging != "" && x.nothingLeft(other.judging)
		other.sawEmpty = other.sawEmpty || other.rejecting != "" && x.empty(other.rejecting)
	}
	if a.ended {
		// Nothing of its memory matters any more.
		a.within, a.memory, a.aside = noFault, [sha256.Size]byte{}, [sha256.Size]byte{}
		a.judging, a.sawNothing, a.rejecting, a.sawEmpty = "", false, "", false
	}
}

// check gives the rule that is broken after the last step.
func (x *execution) check() string { return x.oracle.checkStep(x) }

func (x *execution) note(format string, args ...any) {
	if x.trace != nil {
		*x.trace = append(*x.trace, fmt.Sprintf(format, args...))
	}
}

// between suspends the running actor within a store's method.
func (x *execution) between(_ context.Context, step string) {
	if x.running != nil {
		x.running.suspend(call{name: "(within) " + step, faults: innerFaults})
	}
}

// state is equal for two executions in which the same can follow.
type state [sha256.Size]byte

func (x *execution) state() state {
	records, objects := x.memory.Records.Digest(), x.memory.Objects.Digest()
	text := make([]byte, 0, 512)
	text = append(append(text, records[:]...), objects[:]...)
	text = fmt.Appendf(text, "faults %d\n", x.faults)
	if x.scenario.Bound.Preemptions < Unbounded && x.last != nil {
		text = fmt.Appendf(text, "last %d\n", x.last.index)
	}
	for _, a := range x.actors {
		text = fmt.Appendf(text, "%t %s %s\n", a.ended, a.within, a.pending)
		if a.sawNothing {
			text = append(text, "saw nothing\n"...)
		}
		if a.sawEmpty {
			text = append(text, "saw empty\n"...)
		}
		text = append(append(text, a.memory[:]...), a.aside[:]...)
	}
	for _, e := range x.events {
		text = fmt.Appendf(text, "event %s %s %t\n", e.key, e.version, e.done)
	}
	for _, d := range x.deletes {
		text = fmt.Appendf(text, "delete %s %t %t\n", d.ref, d.answered, d.deleted)
	}
	for _, r := range x.rejections {
		text = fmt.Appendf(text, "reject %s %s %t\n", r.key, r.version, r.answered)
	}
	text = x.oracle.append(text)
	return sha256.Sum256(text)
}
