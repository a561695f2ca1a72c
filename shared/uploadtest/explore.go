package uploadtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"hatchery/shared/upload"
)

// Scenario is a few actors that work on the same uploads at the same time.
// [Explore] runs them in every interleaving.
type Scenario struct {
	Name string
	// Swap: the records are compare-and-swap (RecordsOptions.Swap).
	Swap bool
	// WritesBack: without Swap, a change of a record writes all that it read (the
	// RecordsOptions' of that name). Recovery finds a verdict that was undone by it.
	WritesBack bool
	// Unique: the policy refuses the same bytes twice in an entry.
	Unique bool
	// Corrects: the policy has a picture that is named as another stored as what it is.
	Corrects bool
	// Notified: the application is notified of verdicts, which is one more call.
	Notified bool
	// MaxFiles is the policy's bound for the entry; 0 is no bound.
	MaxFiles int64
	// OneFits: the policy bounds an entry to the bytes of one picture, stored ones and rejected ones.
	OneFits bool
	// Uploads are there before the actors start. Actors name them by their index.
	Uploads []Upload
	// Actors; every Accept among them makes one more upload, with the next index.
	Actors []Actor
	// Bound says how far Explore goes.
	Bound Bound
	// Wrap, when set, stands between the pipeline and the stores: a fault that
	// is planted on purpose, or a store's peculiarity. Every call that it makes to
	// the Stores it was given is a step of its own.
	Wrap func(Stores, Memory) Stores
}

// Upload is an upload that exists before the actors start: a record made for a
// form, and what was posted with the form so far.
type Upload struct {
	Declared upload.Declared
	Posted   []Body
	// Settled: the events of what was posted were handled already.
	Settled bool
	// CopyAlone: a validator promoted what was posted and ended before its verdict, and
	// quarantine has forgotten it since. Only one body may be posted.
	CopyAlone bool
	// CopyBeside: the same, and quarantine has not.
	CopyBeside bool
}

// Stores are what a pipeline works on.
type Stores struct {
	Records  upload.Records
	Objects  upload.Objects
	Notifier upload.Notifier // nil unless Scenario.Notified
}

// Memory is the fakes behind Stores. What is done to them directly is no step:
// nothing happens in between, and nothing fails.
type Memory struct {
	Records *Records
	Objects *Objects
}

// Bound limits which schedules are run. Within it, all are.
type Bound struct {
	// Faults is the most faults in one schedule.
	Faults int
	// Preemptions is the most switches away from an actor that could have gone on;
	// Unbounded for no limit.
	Preemptions int
}

// Unbounded is a Bound.Preemptions without a limit.
const Unbounded = 1 << 20

func (b Bound) String() string {
	if b.Preemptions >= Unbounded {
		return fmt.Sprintf("faults ≤ %d, any preemptions", b.Faults)
	}
	return fmt.Sprintf("faults ≤ %d, preemptions ≤ %d", b.Faults, b.Preemptions)
}

// Report says what Explore or RandomWalk did.
type Report struct {
	Scenario string
	How      string // the bound, or the seed
	// Schedules were run; Complete of them up to the end of every actor, the others
	// up to a state that had been seen.
	Schedules, Complete int
	// States are the different states that were met, actors' memories included.
	States int
	// Violation is nil when every rule held.
	Violation *Violation
}

func (r Report) String() string {
	s := fmt.Sprintf("%s: %d schedules (%d to the end), %d states, %s", r.Scenario, r.Schedules, r.Complete, r.States,
		r.How)
	if r.Violation != nil {
		s += "\n" + r.Violation.String()
	}
	return s
}

// Violation is a broken rule and the shortest schedule found that breaks it:
// with the fewest faults and preemptions, and among those the fewest steps.
type Violation struct {
	Rule string
	// Cost is how many faults and preemptions it takes.
	Cost  int
	Steps []string
}

func (v *Violation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "BROKEN: %s\n", v.Rule)
	for i, s := range v.Steps {
		fmt.Fprintf(&b, "%3d. %s\n", i+1, s)
	}
	return b.String()
}

// Explore runs every schedule of s within its bound: every interleaving of the actors'
// calls to the stores, with every fault injected at every call. A schedule ends early at
// a state that another one led to, since what can follow is the same. At each
// step, and after recovery from each end, the rules are checked. Explore stops at
// the first broken rule and then looks for the shortest schedule that breaks one.
//
// It is deterministic. It may run at the same time as other explorations.
func Explore(s Scenario) Report {
	report := Report{Scenario: s.Name, How: s.Bound.String()}
	e := exploration{origin: prepared(s), bound: s.Bound, cost: 2 * Unbounded, report: &report, seen: map[state]int{}}
	broken := e.search(false)
	if broken == nil {
		return report
	}
	// The same again, allowing one fault or preemption more each time.
	for cost := 0; ; cost++ {
		var ignored Report
		e := exploration{origin: prepared(s), bound: s.Bound, cost: cost, report: &ignored, seen: map[state]int{}}
		if shortest := e.search(true); shortest != nil {
			broken = shortest
			break
		}
	}
	report.Violation = e.origin.describe(broken)
	return report
}

// exploration is a depth-first search by running schedules again and again,
// each time with another choice at the last place that has one left.
type exploration struct {
	origin *execution
	bound  Bound
	cost   int // the most faults and preemptions together
	report *Report
	// seen has each state with the fewest preemptions that led to it; nil: no pruning.
	seen map[state]int
	// visit, when set, is called with every state, seen before or not.
	visit func(state)
}

// node is a place in a schedule: what could be chosen there, and what is.
type node struct {
	choices []choice
	at      int
}

// search gives the choices of a schedule that breaks a rule: the first, or of
// all of them the shortest.
func (e *exploration) search(shortest bool) []choice {
	var path []node
	var broken []choice
	for {
		var rule string
		path, rule = e.run(path)
		if rule != "" && (broken == nil || len(path) < len(broken)) {
			broken = make([]choice, len(path))
			for i, n := range path {
				broken[i] = n.choices[n.at]
			}
			if !shortest {
				return broken
			}
		}
		for len(path) > 0 && path[len(path)-1].at+1 == len(path[len(path)-1].choices) {
			path = path[:len(path)-1]
		}
		if len(path) == 0 {
			return broken
		}
		path[len(path)-1].at++
	}
}

// run follows path and goes on from its end, always by the first choice, until
// all actors have ended, the state was seen before, or a rule is broken. It
// gives the path it went.
func (e *exploration) run(path []node) ([]node, string) {
	e.report.Schedules++
	x := e.origin.start()
	defer x.stop()
	// All but the last step of the path were taken, and checked, by an earlier
	// schedule. The check before the last only notes what that changes.
	known := len(path) - 1
	for depth := 0; ; depth++ {
		if depth == len(path) {
			if e.wasSeen(x) {
				return path, ""
			}
			choices := x.choices(e.bound, e.cost)
			if len(choices) == 0 {
				e.report.Complete++
				return path, x.checkRecovery()
			}
			path = append(path, node{choices: choices})
		}
		x.take(path[depth].choices[path[depth].at])
		if depth < known-1 {
			continue
		}
		if rule := x.check(); rule != "" && depth >= known {
			return path[:depth+1], rule
		}
	}
}

// wasSeen says whether everything that can follow here was run before.
func (e *exploration) wasSeen(x *execution) bool {
	key := x.state()
	if e.visit != nil {
		e.visit(key)
	}
	if e.seen == nil {
		return false
	}
	fewest, seen := e.seen[key]
	if seen && fewest <= x.preemptions {
		return true
	}
	e.seen[key] = x.preemptions
	e.report.States = len(e.seen)
	return false
}

// RandomWalk runs n random schedules of s, beyond any bound on preemptions and
// with up to s.Bound.Faults faults each. The same seed gives the same schedules.
func RandomWalk(s Scenario, seed uint64, n int) Report {
	report := Report{Scenario: s.Name, How: fmt.Sprintf("random, seed %d, faults ≤ %d", seed, s.Bound.Faults)}
	random := rand.New(rand.NewPCG(seed, 0))
	bound := Bound{Faults: s.Bound.Faults, Preemptions: Unbounded}
	seen := map[state]bool{}
	origin := prepared(s)
	for range n {
		report.Schedules++
		report.Complete++
		if broken := walkOnce(origin, bound, random, seen); broken != nil {
			report.Violation = origin.describe(origin.shrink(broken))
			break
		}
	}
	report.States = len(seen)
	return report
}

// walkOnce runs one schedule and gives its choices if it breaks a rule.
func walkOnce(origin *execution, bound Bound, random *rand.Rand, seen map[state]bool) []choice {
	x := origin.start()
	defer x.stop()
	var taken []choice
	for {
		seen[x.state()] = true
		choices := x.choices(bound, 2*Unbounded)
		if len(choices) == 0 {
			if x.checkRecovery() != "" {
				return taken
			}
			return nil
		}
		// One step in eight is a fault while any are left.
		sound, faulty := splitFaulty(choices)
		pick := sound
		if len(faulty) > 0 && random.IntN(8) == 0 {
			pick = faulty
		}
		c := pick[random.IntN(len(pick))]
		taken = append(taken, c)
		x.take(c)
		if x.check() != "" {
			return taken
		}
	}
}

func splitFaulty(choices []choice) (sound, faulty []choice) {
	for _, c := range choices {
		if !c.fault.counts() {
			sound = append(sound, c)
		} else {
			faulty = append(faulty, c)
		}
	}
	return sound, faulty
}

// shrink leaves out of a schedule what is not needed to break a rule.
func (origin *execution) shrink(broken []choice) []choice {
	_, cost, _ := origin.replay(broken)
	for i := 0; i < len(broken); i++ {
		for _, other := range simpler(broken, i) {
			if taken, c, ok := origin.replay(other); ok && c < cost {
				broken, cost, i = taken, c, -1
				break
			}
		}
	}
	return broken
}

// simpler gives schedules in which step i goes well, is left out, or is taken
// before the step ahead of it.
func simpler(choices []choice, i int) [][]choice {
	sound := slices.Clone(choices)
	sound[i].fault = noFault
	out := [][]choice{sound, slices.Delete(slices.Clone(choices), i, i+1)}
	if i > 0 {
		earlier := slices.Clone(choices)
		earlier[i-1], earlier[i] = earlier[i], earlier[i-1]
		out = append(out, earlier)
	}
	return out
}

// replay takes those of the choices that are possible, then lets the actors finish one by
// one. It gives what was taken and its cost: first faults and
// preemptions, then steps.
func (origin *execution) replay(choices []choice) (taken []choice, cost int, broken bool) {
	x := origin.start()
	defer x.stop()
	for {
		possible := x.choices(Bound{Faults: origin.scenario.Bound.Faults, Preemptions: Unbounded}, 2*Unbounded)
		cost = (x.faults+x.preemptions)<<16 + len(taken)
		if len(possible) == 0 {
			return taken, cost, x.checkRecovery() != ""
		}
		c := possible[0]
		if len(choices) > 0 {
			c, choices = choices[0], choices[1:]
			if !slices.Contains(possible, c) {
				continue
			}
		}
		taken = append(taken, c)
		x.take(c)
		if x.check() != "" {
			return taken, (x.faults+x.preemptions)<<16 + len(taken), true
		}
	}
}

// describe runs a schedule once more and writes a trace of it.
func (origin *execution) describe(choices []choice) *Violation {
	x := origin.start()
	defer x.stop()
	x.trace = &[]string{}
	rule := ""
	for _, c := range choices {
		x.take(c)
		if rule = x.check(); rule != "" {
			break
		}
	}
	if rule == "" {
		rule = x.checkRecovery()
	}
	return &Violation{Rule: rule, Cost: x.faults + x.preemptions, Steps: *x.trace}
}
