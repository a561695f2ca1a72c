package main

import (
	"fmt"
	"slices"
	"sync"
)

// damagedRecord is one that a list passed over: what its store calls it, and what is
// wrong with it.
type damagedRecord struct{ record, what string }

// passedOver are the damaged records that a store's lists reported.
type passedOver struct {
	store  string
	source bool
	mu     sync.Mutex
	seen   map[damagedRecord]bool
	found  []damagedRecord
}

// first notes one, and says whether it is reported for the first time.
func (p *passedOver) first(record string, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := damagedRecord{record, err.Error()}
	if p.seen[one] {
		return false
	}
	if p.seen == nil {
		p.seen = map[damagedRecord]bool{}
	}
	p.seen[one] = true
	p.found = append(p.found, one)
	return true
}

// records gives them as findings for a report.
func (p *passedOver) records() []damagedRecord {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := slices.Clone(p.found)
	for i := range all {
		if all[i].record == "" {
			all[i].record = "a record " + p.store
		}
		all[i].what = fmt.Sprintf("is damaged, and was %s: %s", p.fate(), all[i].what)
	}
	return all
}

// fate is what becomes of a damaged record.
func (p *passedOver) fate() string {
	if p.source {
		return "not copied"
	}
	return "passed over"
}

func (p *passedOver) err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.found) == 0 {
		return nil
	}
	return fmt.Errorf("damaged records %s that were %s: %s", p.store, p.fate(), grouped(int64(len(p.found))))
}
