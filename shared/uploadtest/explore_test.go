package uploadtest_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"slices"
	"testing"

	"hatchery/shared/upload"
	"hatchery/shared/uploadtest"
)

var (
	preemptions     = flag.Int("explore.preemptions", 1, "most preemptions of three and more actors; 2 takes a minute")
	randomSchedules = flag.Int("explore.random", 100, "random schedules to run of each scenario beyond the complete ones")
	every           = flag.Int("explore.every", 1,
		"explore every n-th scenario alone: the race detector keeps memory of each actor that ever ran")
	seed = flag.Uint64("explore.seed", 1, "seed of the random schedules")
)

var (
	first  = uploadtest.Picture(1)
	second = uploadtest.Picture(2)       // same ETag as first
	broken = uploadtest.BrokenPicture(1) // same ETag as first
	script = uploadtest.Script()
	other  = uploadtest.OtherPicture() // under the extension of the others
)

func posted(bodies ...uploadtest.Body) uploadtest.Upload { return uploadtest.Upload{Posted: bodies} }

func settled(b uploadtest.Body) uploadtest.Upload {
	return uploadtest.Upload{Posted: []uploadtest.Body{b}, Settled: true}
}

// initialStates are the states in which actors find an upload.
var initialStates = []struct {
	name   string
	upload uploadtest.Upload
}{
	{"good bytes wait", posted(first)},
	{"bad bytes wait", posted(broken)},
	{"two good versions wait", posted(first, second)},
	{"a good and a bad version wait", posted(first, broken)},
	{"stored before", settled(first)},
	{"rejected before", settled(broken)},
	{"size was misdeclared", uploadtest.Upload{Posted: []uploadtest.Body{first}, Declared: upload.Declared{Size: 3}}},
	{"the SHA-256 of the second version was declared", uploadtest.Upload{Posted: []uploadtest.Body{first, second},
		Declared: upload.Declared{SHA256: fmt.Sprintf("%x", sha256.Sum256(second.Data))}}},
}

// allActors is everybody who may do something with an upload that exists.
func allActors(u uploadtest.Upload) []uploadtest.Actor {
	actors := []uploadtest.Actor{uploadtest.Deliver(0, 0), uploadtest.DeliverUnversioned(0), uploadtest.Delete(0),
		uploadtest.Post(0, second), uploadtest.Post(0, broken), uploadtest.Recheck(0)}
	if len(u.Posted) > 1 {
		actors = append(actors, uploadtest.Deliver(0, 1))
	}
	return actors
}

// requireRules explores scenarios with compare-and-swap and without, and fails for
// each broken rule.
func requireRules(t *testing.T, scenarios []uploadtest.Scenario) {
	t.Helper()
	for _, swap := range []bool{true, false} {
		name := "compare-and-swap"
		if !swap {
			name = "no compare-and-swap"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var total uploadtest.Report
			for i, s := range scenarios {
				if i%*every > 0 {
					continue
				}
				s.Swap = swap
				report := uploadtest.Explore(s)
				t.Log(report)
				if report.Violation != nil {
					t.Fail()
				}
				total.Schedules += report.Schedules
				total.Complete += report.Complete
				total.States += report.States
			}
			t.Logf("all %d scenarios: %d schedules (%d to the end), %d states", len(scenarios), total.Schedules, total.Complete,
				total.States)
		})
	}
}

func TestEveryPairOfActorsKeepsTheRulesWithOneFault(t *testing.T) {
	t.Parallel()
	bound := uploadtest.Bound{Faults: 1, Preemptions: uploadtest.Unbounded}
	for _, start := range initialStates {
		t.Run(start.name, func(t *testing.T) {
			t.Parallel()
			var scenarios []uploadtest.Scenario
			actors := allActors(start.upload)
			for i, a := range actors {
				for _, b := range actors[i:] { // also two of the same
					scenarios = append(scenarios, uploadtest.Scenario{Name: fmt.Sprintf("%s; %s", a, b),
						Uploads: []uploadtest.Upload{start.upload}, Actors: []uploadtest.Actor{a, b}, Bound: bound})
				}
			}
			requireRules(t, scenarios)
		})
	}
}

// multiActorScenarios are scenarios of more uploads or more actors than a pair on one.
func multiActorScenarios() []uploadtest.Scenario {
	type actors = []uploadtest.Actor
	type uploads = []uploadtest.Upload
	deliver, del, post := uploadtest.Deliver(0, 0), uploadtest.Delete(0), uploadtest.Post
	send := func(b uploadtest.Body) uploadtest.Actor { return uploadtest.Accept(b, upload.Declared{}, "") }
	repeat := uploadtest.Accept(first, upload.Declared{Size: int64(len(first.Data))}, "key")
	return []uploadtest.Scenario{
		{Name: "three validators of one version", Uploads: uploads{posted(first)}, Actors: actors{deliver, deliver, deliver}},
		{Name: "two validators and a deleter", Uploads: uploads{posted(first)}, Actors: actors{deliver, deliver, del}},
		{Name: "validators of two good versions and a deleter", Uploads: uploads{posted(first, second)},
			Actors: actors{deliver, uploadtest.Deliver(0, 1), del}},
		{Name: "validators of a good and a bad version and a deleter", Uploads: uploads{posted(first, broken)},
			Actors: actors{deliver, uploadtest.Deliver(0, 1), del}},
		{Name: "validators of a good, a bad and again the good version", Uploads: uploads{posted(first, broken)},
			Actors: actors{deliver, uploadtest.Deliver(0, 1), deliver}},
		{Name: "validator, second good post, deleter", Uploads: uploads{posted(first)},
			Actors: actors{deliver, post(0, second), del}},
		{Name: "validator, second bad post, deleter", Uploads: uploads{posted(first)},
			Actors: actors{deliver, post(0, broken), del}},
		{Name: "validator, a script posted, replay", Uploads: uploads{posted(first)},
			Actors: actors{deliver, post(0, script), deliver}},
		{Name: "replay, second post, deleter once stored", Uploads: uploads{settled(first)},
			Actors: actors{deliver, post(0, second), del}},
		{Name: "replay, second post, re-check once rejected", Uploads: uploads{settled(broken)},
			Actors: actors{deliver, post(0, second), uploadtest.Recheck(0)}},
		{Name: "re-check, second post, deleter once rejected", Uploads: uploads{settled(broken)},
			Actors: actors{uploadtest.Recheck(0), post(0, second), del}},
		{Name: "first posts meet", Uploads: uploads{{}}, Actors: actors{post(0, broken), post(0, second), del}},
		{Name: "request with a body, deleter", Actors: actors{send(first), del}},
		{Name: "request with a bad body, deleter", Actors: actors{send(script), del}},
		{Name: "request with a body and an early event", Actors: actors{send(first), uploadtest.DeliverUnversioned(0)}},
		{Name: "repeated request, deleter", Actors: actors{repeat, repeat, del}},
		{Name: "thrice repeated request", Actors: actors{repeat, repeat, repeat}},
		{Name: "same bytes twice where that is refused", Unique: true, Uploads: uploads{posted(first), posted(first)},
			Actors: actors{deliver, uploadtest.Deliver(1, 0)}},
		{Name: "same bytes twice, a replay", Unique: true, Uploads: uploads{posted(first), posted(first)},
			Actors: actors{deliver, uploadtest.Deliver(1, 0), uploadtest.Deliver(1, 0)}},
		{Name: "same bytes twice, the owner deleted", Unique: true, Uploads: uploads{posted(first), posted(first)},
			Actors: actors{deliver, uploadtest.Deliver(1, 0), del}},
		{Name: "same bytes and other bytes, second of the one version", Unique: true,
			Uploads: uploads{posted(first), settled(first)}, Actors: actors{deliver, post(0, second), uploadtest.Delete(1)}},
		{Name: "two files where one is allowed", MaxFiles: 1, Uploads: uploads{posted(first), posted(second)},
			Actors: actors{deliver, uploadtest.Deliver(1, 0), del}},
		{Name: "two requests where one file is allowed", MaxFiles: 1, Actors: actors{send(first), send(second)}},
		{Name: "four at once", Uploads: uploads{posted(first, broken)},
			Actors: actors{deliver, uploadtest.Deliver(0, 1), post(0, second), del}},
	}
}

func TestMoreActorsKeepTheRulesWithOneFaultAndFewPreemptions(t *testing.T) {
	t.Parallel()
	scenarios := multiActorScenarios()
	for i := range scenarios {
		scenarios[i].Bound = uploadtest.Bound{Faults: 1, Preemptions: *preemptions}
		switch len(scenarios[i].Actors) {
		case 2:
			scenarios[i].Bound.Preemptions = uploadtest.Unbounded
		case 4:
			scenarios[i].Bound.Preemptions = *preemptions - 1
		}
	}
	requireRules(t, scenarios)
}

func TestRandomSchedulesWithManyFaultsKeepTheRules(t *testing.T) {
	t.Parallel()
	for _, swap := range []bool{true, false} {
		for _, s := range append(multiActorScenarios(), vandalScenarios()...) {
			s.Swap, s.Bound.Faults = swap, 4
			report := uploadtest.RandomWalk(s, *seed, *randomSchedules)
			t.Logf("swap %t: %v", swap, report)
			if report.Violation != nil {
				t.Fail()
			}
		}
	}
}

// TestVerdictsAreToldWhateverHappens: pairs with a validator among them, and an
// application that is notified.
func TestVerdictsAreToldWhateverHappens(t *testing.T) {
	t.Parallel()
	deliver := uploadtest.Deliver(0, 0)
	for _, start := range initialStates[:6] {
		t.Run(start.name, func(t *testing.T) {
			t.Parallel()
			var scenarios []uploadtest.Scenario
			for _, other := range allActors(start.upload) {
				scenarios = append(scenarios, uploadtest.Scenario{Name: fmt.Sprintf("told; %s; %s", deliver, other), Notified: true,
					Uploads: []uploadtest.Upload{start.upload}, Actors: []uploadtest.Actor{deliver, other},
					Bound: uploadtest.Bound{Faults: 1, Preemptions: uploadtest.Unbounded}})
			}
			requireRules(t, scenarios)
		})
	}
}

// TestThreeKeepTheRulesWhereCountsUndoVerdicts: a verdict that was undone meets whoever
// gives up, deletes or validates.
func TestThreeKeepTheRulesWhereCountsUndoVerdicts(t *testing.T) {
	t.Parallel()
	var scenarios []uploadtest.Scenario
	for _, third := range []uploadtest.Actor{uploadtest.Expire(0), uploadtest.Delete(0)} {
		actors := []uploadtest.Actor{uploadtest.Deliver(0, 0), uploadtest.Fail(0), third}
		for _, start := range initialStates[:4] {
			scenarios = append(scenarios, uploadtest.Scenario{Name: fmt.Sprintf("%s; %s", start.name, actors), WritesBack: true,
				Uploads: []uploadtest.Upload{start.upload}, Actors: actors,
				Bound: uploadtest.Bound{Faults: 1, Preemptions: *preemptions + 1}})
		}
	}
	for i, s := range scenarios {
		if i%*every > 0 {
			continue
		}
		if report := uploadtest.Explore(s); report.Violation != nil {
			t.Error(report)
		} else {
			t.Log(report)
		}
	}
}

// TestACorrectedUploadKeepsTheRules: a picture under another one's extension, where that is corrected and
// where it is not, alone and beside a picture of the type that was named, also where a count undoes a verdict.
func TestACorrectedUploadKeepsTheRules(t *testing.T) {
	t.Parallel()
	deliver := uploadtest.Deliver(0, 0)
	beside := []uploadtest.Actor{deliver, uploadtest.Delete(0), uploadtest.Post(0, first), uploadtest.Post(0, other),
		uploadtest.Recheck(0), uploadtest.RejectByOperator(0, 0), uploadtest.Fail(0), uploadtest.Expire(0)}
	for _, corrects := range []bool{true, false} {
		starts := []uploadtest.Upload{posted(other), posted(other, first), posted(first, other), settled(other)}
		if corrects {
			starts = append(starts, uploadtest.Upload{Posted: []uploadtest.Body{other}, CopyBeside: true},
				uploadtest.Upload{Posted: []uploadtest.Body{other}, CopyAlone: true})
		}
		var scenarios []uploadtest.Scenario
		for _, start := range starts {
			actors := beside
			if len(start.Posted) > 1 {
				actors = append(slices.Clone(beside), uploadtest.Deliver(0, 1))
			}
			for _, actor := range actors {
				scenarios = append(scenarios, uploadtest.Scenario{Name: fmt.Sprintf("%s; %s", deliver, actor), Corrects: corrects,
					WritesBack: true, Uploads: []uploadtest.Upload{start}, Actors: []uploadtest.Actor{deliver, actor},
					Bound: uploadtest.Bound{Faults: 1, Preemptions: uploadtest.Unbounded}})
			}
		}
		t.Run(fmt.Sprintf("corrects %t", corrects), func(t *testing.T) {
			t.Parallel()
			requireRules(t, scenarios)
		})
	}
}

// TestACopyAloneIsJudged: quarantine has ended, and nobody ever settled.
func TestACopyAloneIsJudged(t *testing.T) {
	t.Parallel()
	alone := uploadtest.Upload{Posted: []uploadtest.Body{first}, CopyAlone: true}
	actors := []uploadtest.Actor{uploadtest.Deliver(0, 0), uploadtest.DeliverUnversioned(0), uploadtest.Delete(0),
		uploadtest.Post(0, second),
		uploadtest.Post(0, broken), uploadtest.Fail(0), uploadtest.Resend(0), uploadtest.Expire(0)}
	var scenarios []uploadtest.Scenario
	for i, one := range actors {
		for _, other := range actors[i:] {
			scenarios = append(scenarios, uploadtest.Scenario{Name: fmt.Sprintf("%s; %s", one, other), Notified: true,
				Uploads: []uploadtest.Upload{alone}, Actors: []uploadtest.Actor{one, other},
				Bound: uploadtest.Bound{Faults: 1, Preemptions: *preemptions + 1}})
		}
	}
	scenarios = append(scenarios,
		uploadtest.Scenario{Name: "two copies of the same bytes where that is refused", Unique: true,
			Uploads: []uploadtest.Upload{alone, alone},
			Actors:  []uploadtest.Actor{uploadtest.Deliver(0, 0), uploadtest.DeliverUnversioned(1)},
			Bound:   uploadtest.Bound{Faults: 1, Preemptions: uploadtest.Unbounded}})
	requireRules(t, scenarios)
}

// TestCountingAndGivingUpKeepTheRules: a validator that counts a failure, and a
// reconciler, run beside the others, also in a store where a count undoes a verdict.
func TestCountingAndGivingUpKeepTheRules(t *testing.T) {
	t.Parallel()
	for _, start := range initialStates[:6] {
		var scenarios []uploadtest.Scenario
		counting := []uploadtest.Actor{uploadtest.Fail(0), uploadtest.Resend(0), uploadtest.Expire(0)}
		for i, one := range counting {
			for _, other := range append(allActors(start.upload), counting[i:]...) {
				scenarios = append(scenarios,
					uploadtest.Scenario{Name: fmt.Sprintf("%s; %s", one, other), Notified: true, WritesBack: true,
						Uploads: []uploadtest.Upload{start.upload}, Actors: []uploadtest.Actor{one, other},
						Bound: uploadtest.Bound{Faults: 1, Preemptions: uploadtest.Unbounded}})
			}
		}
		t.Run(start.name, func(t *testing.T) {
			t.Parallel()
			requireRules(t, scenarios)
		})
	}
}

// TestWhoeverDestroysBytesIsFoundOut: a vandal beside everybody else, also in a store where
// a count undoes a verdict. What is destroyed ends as bytes_lost, and nothing else does.
func TestWhoeverDestroysBytesIsFoundOut(t *testing.T) {
	t.Parallel()
	for _, start := range initialStates {
		vandals := []uploadtest.Actor{uploadtest.Vandal(0, 0), uploadtest.VandalOnAll(0)}
		others := append(allActors(start.upload), uploadtest.Fail(0), uploadtest.Resend(0), uploadtest.Expire(0))
		if len(start.upload.Posted) > 1 {
			others = append(others, uploadtest.Vandal(0, 1))
		}
		var scenarios []uploadtest.Scenario
		for i, vandal := range vandals {
			for _, other := range append(others, vandals[i:]...) {
				for _, writesBack := range []bool{false, true} {
					scenarios = append(scenarios, uploadtest.Scenario{Name: fmt.Sprintf("%s; %s", vandal, other),
						Notified: true, WritesBack: writesBack,
						Uploads: []uploadtest.Upload{start.upload}, Actors: []uploadtest.Actor{vandal, other},
						Bound: uploadtest.Bound{Faults: 1, Preemptions: uploadtest.Unbounded}})
				}
			}
		}
		t.Run(start.name, func(t *testing.T) {
			t.Parallel()
			requireRules(t, scenarios)
		})
	}
}

// operators are those who reject an upload, by its first version or by whatever is there, and
// who have it judged again.
func operators() []uploadtest.Actor {
	return []uploadtest.Actor{uploadtest.RejectByOperator(0, 0), uploadtest.RejectByOperator(0, -1),
		uploadtest.Recheck(0)}
}

// TestOperatorsKeepTheRules: two of them, and one beside everybody else, also where a count
// undoes a verdict.
func TestOperatorsKeepTheRules(t *testing.T) {
	t.Parallel()
	beside := uploadtest.Upload{Posted: []uploadtest.Body{first}, CopyBeside: true}
	alone := uploadtest.Upload{Posted: []uploadtest.Body{first}, CopyAlone: true}
	for _, start := range []struct {
		name   string
		upload uploadtest.Upload
	}{{"good bytes wait", posted(first)}, {"two good versions wait", posted(first, second)},
		{"a copy beside them", beside}, {"a copy alone", alone}, {"rejected before", settled(broken)}} {
		others := []uploadtest.Actor{uploadtest.Deliver(0, 0), uploadtest.Delete(0), uploadtest.Post(0, second),
			uploadtest.Resend(0), uploadtest.Expire(0), uploadtest.VandalOnAll(0)}
		var scenarios []uploadtest.Scenario
		all := operators()
		for i, one := range all[:2] {
			for _, other := range append(others, all[i:]...) {
				scenarios = append(scenarios, uploadtest.Scenario{Name: fmt.Sprintf("%s; %s", one, other),
					Notified: true, WritesBack: true, Uploads: []uploadtest.Upload{start.upload},
					Actors: []uploadtest.Actor{one, other},
					Bound:  uploadtest.Bound{Faults: 1, Preemptions: uploadtest.Unbounded}})
			}
		}
		t.Run(start.name, func(t *testing.T) {
			t.Parallel()
			requireRules(t, scenarios)
		})
	}
}

// TestARejectionThatIsUndoneKeepsTheRules: what was begun before a re-check ends after it. Where
// settling is not compare-and-swap, no copy is taken back, and there is nothing to meet.
func TestARejectionThatIsUndoneKeepsTheRules(t *testing.T) {
	t.Parallel()
	reject, recheck, deliver := uploadtest.RejectByOperator(0, 0), uploadtest.Recheck(0), uploadtest.Deliver(0, 0)
	beside := uploadtest.Upload{Posted: []uploadtest.Body{first}, CopyBeside: true}
	var scenarios []uploadtest.Scenario
	for _, start := range []uploadtest.Upload{posted(first), beside} {
		for _, third := range []uploadtest.Actor{deliver, uploadtest.Delete(0), uploadtest.VandalOnAll(0)} {
			scenarios = append(scenarios, uploadtest.Scenario{Name: fmt.Sprint(reject, recheck, third),
				Uploads: []uploadtest.Upload{start}, Actors: []uploadtest.Actor{reject, recheck, third},
				Bound: uploadtest.Bound{Faults: 1, Preemptions: *preemptions + 1}})
		}
	}
	scenarios = append(scenarios, uploadtest.Scenario{Name: "two operators who reject, and one who has it judged again",
		Uploads: []uploadtest.Upload{beside}, Actors: []uploadtest.Actor{reject, recheck, reject},
		Bound: uploadtest.Bound{Faults: 1, Preemptions: *preemptions}})
	scenarios = append(scenarios, uploadtest.Scenario{Name: "a duplicate, judged again once the first is deleted",
		Unique: true, Uploads: []uploadtest.Upload{settled(first), posted(first)},
		Actors: []uploadtest.Actor{uploadtest.Deliver(1, 0), uploadtest.Recheck(1), uploadtest.Delete(0)},
		Bound:  uploadtest.Bound{Faults: 1, Preemptions: *preemptions + 1}})
	for i, s := range scenarios {
		if i%*every > 0 {
			continue
		}
		s.Swap = true
		if report := uploadtest.Explore(s); report.Violation != nil {
			t.Error(report)
		}
	}
}

// TestRejectedBytesBeyondTheBoundGo beside whoever has them judged again, deletes them, posts or sees their message:
// those of a pending upload never do.
func TestRejectedBytesBeyondTheBoundGo(t *testing.T) {
	t.Parallel()
	type actors = []uploadtest.Actor
	rejects := uploadtest.Deliver(1, 0)
	duplicate := uploadtest.Upload{Posted: []uploadtest.Body{broken}, Settled: true}
	var scenarios []uploadtest.Scenario
	add := func(preemptions int, uploads []uploadtest.Upload, a ...uploadtest.Actor) {
		scenarios = append(scenarios, uploadtest.Scenario{Name: fmt.Sprint(a), OneFits: true, Notified: true, Uploads: uploads,
			Actors: a, Bound: uploadtest.Bound{Faults: 1, Preemptions: preemptions}})
	}
	for _, other := range (actors{rejects, uploadtest.Deliver(0, 0), uploadtest.Recheck(0), uploadtest.Delete(0),
		uploadtest.Post(0, second), uploadtest.Fail(1), uploadtest.Resend(0), uploadtest.Recheck(1),
		uploadtest.RejectByOperator(1, 0)}) {
		for _, writesBack := range []bool{false, true} {
			add(uploadtest.Unbounded, []uploadtest.Upload{duplicate, posted(broken)}, rejects, other)
			scenarios[len(scenarios)-1].WritesBack = writesBack
		}
	}
	add(*preemptions+1, []uploadtest.Upload{posted(broken), posted(broken)}, uploadtest.Deliver(0, 0), rejects,
		uploadtest.Recheck(0))
	add(*preemptions, []uploadtest.Upload{duplicate, posted(broken), posted(broken)}, rejects, uploadtest.Deliver(2, 0),
		uploadtest.Recheck(1))
	add(*preemptions, []uploadtest.Upload{settled(first), posted(second), posted(broken)}, rejects,
		uploadtest.Deliver(2, 0), uploadtest.Delete(0)) // a good one finds the entry full
	requireRules(t, scenarios)
}

// vandalScenarios are a vandal with more than one other.
func vandalScenarios() []uploadtest.Scenario {
	type actors = []uploadtest.Actor
	one, all, deliver, expire := uploadtest.Vandal(0, 0), uploadtest.VandalOnAll(0), uploadtest.Deliver(0, 0),
		uploadtest.Expire(0)
	post := func(b uploadtest.Body) uploadtest.Actor { return uploadtest.Post(0, b) }
	var scenarios []uploadtest.Scenario
	add := func(u uploadtest.Upload, a ...uploadtest.Actor) {
		scenarios = append(scenarios, uploadtest.Scenario{Name: fmt.Sprint(a), Uploads: []uploadtest.Upload{u}, Actors: a})
	}
	for _, third := range (actors{deliver, expire, uploadtest.Delete(0), post(second), uploadtest.Fail(0),
		uploadtest.Resend(0)}) {
		add(posted(first), all, deliver, third)
		add(posted(broken), all, deliver, third)
	}
	for _, v := range []uploadtest.Actor{one, all} {
		add(posted(first, second), v, deliver, uploadtest.Deliver(0, 1))
		add(posted(first, broken), v, deliver, uploadtest.Deliver(0, 1))
		add(posted(first, second), v, uploadtest.Deliver(0, 1), expire)
		add(settled(broken), v, uploadtest.Recheck(0), expire)
		add(posted(first, second), v, uploadtest.Vandal(0, 1), deliver, uploadtest.Deliver(0, 1))
	}
	send := uploadtest.Accept(first, upload.Declared{}, "")
	return append(scenarios,
		uploadtest.Scenario{Name: "same bytes twice, one destroyed", Unique: true,
			Uploads: []uploadtest.Upload{posted(first), posted(first)}, Actors: actors{all, deliver, uploadtest.Deliver(1, 0)}},
		uploadtest.Scenario{Name: "request with a body, and a vandal", Actors: actors{send, all}},
		uploadtest.Scenario{Name: "request with a body, a vandal and a deleter",
			Actors: actors{send, all, uploadtest.Delete(0)}},
		uploadtest.Scenario{Name: "a form that is posted, and a vandal", Uploads: []uploadtest.Upload{{}},
			Actors: actors{post(first), post(second), all}})
}

func TestAVandalBesideSeveralIsFoundOut(t *testing.T) {
	t.Parallel()
	scenarios := vandalScenarios()
	for i := range scenarios {
		scenarios[i].WritesBack = true
		scenarios[i].Bound = uploadtest.Bound{Faults: 1, Preemptions: *preemptions + 4 - len(scenarios[i].Actors)}
	}
	requireRules(t, scenarios)
}

// answersExistsFirst is a bucket that looks at the target of a copy before its
// source: which of the two a real one tells first is nowhere said.
type answersExistsFirst struct{ upload.Objects }

func (o answersExistsFirst) Promote(ctx context.Context, p upload.Promotion) (upload.Copy, error) {
	copied, err := o.Objects.Promote(ctx, p)
	if errors.Is(err, upload.ErrGone) {
		if _, err := o.Stat(ctx, p.To); err == nil {
			return upload.Copy{}, upload.ErrExists
		}
	}
	return copied, err
}

func TestTheRulesHoldWhicheverAnswerACopyGivesFirst(t *testing.T) {
	t.Parallel()
	var scenarios []uploadtest.Scenario
	for _, actors := range [][]uploadtest.Actor{
		{uploadtest.Deliver(0, 0), uploadtest.Deliver(0, 0)},
		{uploadtest.Deliver(0, 0), uploadtest.Deliver(0, 1)},
		{uploadtest.Deliver(0, 0), uploadtest.Delete(0)},
	} {
		scenarios = append(scenarios, uploadtest.Scenario{Name: fmt.Sprint(actors), Actors: actors,
			Uploads: []uploadtest.Upload{posted(first, second)},
			Bound:   uploadtest.Bound{Faults: 1, Preemptions: uploadtest.Unbounded},
			Wrap: func(s uploadtest.Stores, _ uploadtest.Memory) uploadtest.Stores {
				s.Objects = answersExistsFirst{s.Objects}
				return s
			}})
	}
	requireRules(t, scenarios)
}
