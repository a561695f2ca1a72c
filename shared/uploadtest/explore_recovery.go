package uploadtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"hatchery/shared/upload"
)

// recovery is one way in which things come to rest after the actors have ended.
type recovery struct {
	name string
	// redeliver: every message that was not acknowledged comes again. Without it
	// all messages are lost, and only the sweep of quarantine is left.
	redeliver bool
	// newestFirst turns the order around.
	newestFirst bool
}

var recoveries = []recovery{
	{name: "messages come again, oldest first", redeliver: true},
	{name: "messages come again, newest first", redeliver: true, newestFirst: true},
	{name: "messages are lost, quarantine is swept"},
}

// maxRounds is how often recovery may go round before it has to be quiet. Two
// are enough when the first leaves nothing failing.
const maxRounds = 4

// checkRecovery lets copies of the execution recover in every way, and gives the first
// rule that is broken then.
func (x *execution) checkRecovery() string {
	for _, how := range recoveries {
		c := x.clone()
		c.note("recovery: %s", how.name)
		broken := c.recover(how)
		if broken == "" {
			broken = c.oracle.checkQuiet(c, how)
		}
		if broken != "" {
			return broken
		}
		if x.trace != nil {
			*x.trace = (*x.trace)[:len(*x.trace)-1]
		}
	}
	return ""
}

// clone copies all but the actors.
func (x *execution) clone() *execution {
	c := &execution{scenario: x.scenario, targets: x.targets, oracle: x.oracle.clone(), trace: x.trace,
		memory: Memory{x.memory.Records.Clone(), x.memory.Objects.Clone()}}
	for _, e := range x.events {
		copied := *e
		c.events = append(c.events, &copied)
	}
	for _, d := range x.deletes {
		copied := *d
		c.deletes = append(c.deletes, &copied)
	}
	for _, r := range x.rejections {
		copied := *r
		c.rejections = append(c.rejections, &copied)
	}
	return c
}

// recover goes round until there is nothing left to do.
func (x *execution) recover(how recovery) (broken string) {
	if !how.redeliver {
		x.events = nil
	}
	if how.newestFirst {
		slices.Reverse(x.events)
	}
	p := x.pipeline(x.storesFor(nil), x.memory, inTurn, "")
	var failures []string
	for round := range maxRounds {
		p.Now = func() time.Time { return start.Add(time.Duration(round+1) * time.Hour) } // dropped bytes may wait for one
		failures = nil
		x.redeliver(p, &failures)
		x.sweep(p, &failures)
		for _, d := range x.deletes {
			if !d.answered {
				d.try(p)
			}
			if !d.answered {
				failures = append(failures, fmt.Sprintf("deletion of %s still fails", d.ref.ID))
			}
		}
		for _, r := range x.rejections {
			if !r.answered {
				empty := x.empty(r.key)
				x.checkUnseen(r.try(p), empty)
			}
			if !r.answered {
				failures = append(failures, fmt.Sprintf("rejection of %s still fails", r.key))
			}
		}
		if broken := x.oracle.checkStep(x); broken != "" {
			return broken
		}
		if len(failures) == 0 && !x.needsWork(p) {
			return x.expire(p, how)
		}
	}
	return fmt.Sprintf("rule 3: after %d rounds of recovery something still fails or is owed: %s", maxRounds,
		strings.Join(failures, "; "))
}

// expire lets the reconciler expire what is pending without any bytes.
func (x *execution) expire(p *upload.Pipeline, how recovery) (broken string) {
	for _, at := range x.targets {
		r, found := x.memory.Records.peek(at.ref)
		if !found || r.Status != upload.Pending || !x.nothingLeft(at.quarantine) {
			continue
		}
		if how.redeliver && !x.mayRecheck(at.ref) && !r.BytesCame() {
			return fmt.Sprintf("rule 2: upload %s lost its bytes, a validator heard of them, and nothing notes it", r.ID)
		}
		_, err := p.Expire(context.Background(), at.ref)
		x.note("recovery: expire %s = %v", brief(r.ID), err)
	}
	return x.oracle.checkStep(x)
}

func (x *execution) redeliver(p *upload.Pipeline, failures *[]string) {
	for _, e := range x.events {
		if e.done {
			continue
		}
		outcome, err := p.Validate(context.Background(), e.key, e.version)
		x.checkLost(outcome, x.nothingLeft(e.key))
		e.done = err == nil
		x.note("recovery: validate %s version %s = %s, %v", short(e.key), e.version, outcome.Result, err)
		if err != nil {
			*failures = append(*failures, err.Error())
		}
	}
}

// sweep makes up for lost events: what quarantine holds and is owed, is
// validated, and so is a pending upload of which there is a copy alone.
func (x *execution) sweep(p *upload.Pipeline, failures *[]string) {
	x.eachUnfinished(p, func(key upload.Key, version upload.Version) bool {
		outcome, err := p.Validate(context.Background(), key, version)
		x.note("recovery: sweep %s version %s = %s, %v", short(key), version, outcome.Result, err)
		if err != nil {
			*failures = append(*failures, err.Error())
		}
		return true
	})
	for _, at := range x.targets {
		r, found := x.memory.Records.peek(at.ref)
		if !found || r.Status != upload.Pending || len(x.memory.Objects.ids(at.quarantine)) > 0 ||
			len(x.memory.Objects.ids(at.files)) == 0 {
			continue
		}
		outcome, err := p.Validate(context.Background(), at.quarantine, "")
		x.note("recovery: validate %s, of which there is a copy = %s, %v", short(at.quarantine), outcome.Result, err)
		if err != nil {
			*failures = append(*failures, err.Error())
		}
	}
}

func (x *execution) needsWork(p *upload.Pipeline) bool {
	owed := false
	x.eachUnfinished(p, func(upload.Key, upload.Version) bool {
		owed = true
		return false
	})
	return owed
}

func (x *execution) eachUnfinished(p *upload.Pipeline, do func(upload.Key, upload.Version) bool) {
	for _, at := range x.targets {
		for _, version := range x.memory.Objects.ids(at.quarantine) {
			owed, err := p.NeedsWork(context.Background(), at.quarantine, version)
			if (owed || err != nil) && !do(at.quarantine, version) {
				return
			}
		}
	}
}
