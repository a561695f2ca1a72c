package uploadtest

import (
	"context"
	"fmt"
	"slices"
	"strings"

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

// checkRecovery lets copies of the world come to rest in every way, and gives
// the first rule that is broken there.
func (w *world) checkRecovery() string {
	for _, how := range recoveries {
		c := w.clone()
		c.note("recovery: %s", how.name)
		broken := c.recover(how)
		if broken == "" {
			broken = c.ledger.checkQuiet(c, how)
		}
		if broken != "" {
			return broken
		}
		if w.trace != nil {
			*w.trace = (*w.trace)[:len(*w.trace)-1]
		}
	}
	return ""
}

// clone copies all but the actors.
func (w *world) clone() *world {
	c := &world{scenario: w.scenario, places: w.places, ledger: w.ledger.clone(), trace: w.trace,
		memory: Memory{w.memory.Records.Clone(), w.memory.Objects.Clone()}}
	for _, e := range w.events {
		copied := *e
		c.events = append(c.events, &copied)
	}
	for _, d := range w.deletes {
		copied := *d
		c.deletes = append(c.deletes, &copied)
	}
	return c
}

// recover goes round until there is nothing left to do.
func (w *world) recover(how recovery) (broken string) {
	if !how.redeliver {
		w.events = nil
	}
	if how.newestFirst {
		slices.Reverse(w.events)
	}
	p := w.pipeline(w.stepped(nil), w.memory, "")
	var trouble []string
	for range maxRounds {
		trouble = nil
		w.redeliver(p, &trouble)
		w.sweep(p, &trouble)
		for _, d := range w.deletes {
			if !d.answered {
				d.try(p)
			}
			if !d.answered {
				trouble = append(trouble, fmt.Sprintf("deletion of %s still fails", d.ref.ID))
			}
		}
		if broken := w.ledger.checkStep(w); broken != "" {
			return broken
		}
		if len(trouble) == 0 && !w.owes(p) {
			return ""
		}
	}
	return fmt.Sprintf("rule 3: after %d rounds of recovery something still fails or is owed: %s", maxRounds, strings.Join(trouble, "; "))
}

func (w *world) redeliver(p *upload.Pipeline, trouble *[]string) {
	for _, e := range w.events {
		if e.done {
			continue
		}
		outcome, err := p.Validate(context.Background(), e.key, e.version)
		e.done = err == nil
		w.note("recovery: validate %s version %s = %s, %v", short(e.key), e.version, outcome.Result, err)
		if err != nil {
			*trouble = append(*trouble, err.Error())
		}
	}
}

// sweep makes up for lost events: what quarantine holds and is owed, is
// validated, and so is a pending upload of which there is a copy alone.
func (w *world) sweep(p *upload.Pipeline, trouble *[]string) {
	w.eachOwed(p, func(key upload.Key, version upload.Version) bool {
		outcome, err := p.Validate(context.Background(), key, version)
		w.note("recovery: sweep %s version %s = %s, %v", short(key), version, outcome.Result, err)
		if err != nil {
			*trouble = append(*trouble, err.Error())
		}
		return true
	})
	for _, at := range w.places {
		r, found := w.memory.Records.peek(at.ref)
		if !found || r.Status != upload.Pending || len(w.memory.Objects.ids(at.quarantine)) > 0 || len(w.memory.Objects.ids(at.files)) == 0 {
			continue
		}
		outcome, err := p.Validate(context.Background(), at.quarantine, "")
		w.note("recovery: validate %s, of which there is a copy = %s, %v", short(at.quarantine), outcome.Result, err)
		if err != nil {
			*trouble = append(*trouble, err.Error())
		}
	}
}

func (w *world) owes(p *upload.Pipeline) bool {
	owed := false
	w.eachOwed(p, func(upload.Key, upload.Version) bool {
		owed = true
		return false
	})
	return owed
}

func (w *world) eachOwed(p *upload.Pipeline, do func(upload.Key, upload.Version) bool) {
	for _, at := range w.places {
		for _, version := range w.memory.Objects.ids(at.quarantine) {
			owed, err := p.Owes(context.Background(), at.quarantine, version)
			if (owed || err != nil) && !do(at.quarantine, version) {
				return
			}
		}
	}
}
