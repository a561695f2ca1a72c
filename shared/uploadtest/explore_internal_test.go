package uploadtest

import (
	"maps"
	"testing"

	"hatchery/shared/upload"
)

// What is left out because its state was seen must lead nowhere new.
func TestPruningHidesNoState(t *testing.T) {
	t.Parallel()
	for _, swap := range []bool{true, false} {
		for _, actors := range [][]Actor{
			{Deliver(0, 0), Delete(0)},
			{Deliver(0, 0), Deliver(0, 0)},
			{Accept(Picture(1), upload.Declared{}, "key"), Delete(1)},
			{VandalOnAll(0), Deliver(0, 0)},
		} {
			s := Scenario{Name: "pruning", Swap: swap, Uploads: []Upload{{Posted: []Body{Picture(1)}}}, Actors: actors,
				Bound: Bound{Faults: 1, Preemptions: 2}}
			pruned, all := states(s, true), states(s, false)
			t.Logf("swap %t, %v: %d states", swap, actors, len(all))
			if !maps.Equal(pruned, all) {
				t.Errorf("swap %t, %v: %d states are met, without pruning %d", swap, actors, len(pruned), len(all))
			}
		}
	}
}

// states gives all states that are met.
func states(s Scenario, prune bool) map[state]bool {
	met := map[state]bool{}
	var report Report
	e := exploration{origin: prepared(s), bound: s.Bound, cost: 2 * Unbounded, report: &report, seen: map[state]int{},
		visit: func(s state) { met[s] = true }}
	if !prune {
		e.seen = nil
	}
	e.search(false)
	return met
}
