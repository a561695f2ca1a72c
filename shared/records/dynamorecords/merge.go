package dynamorecords

import (
	"context"
	"fmt"
	"strings"
)

// mergeSource is a queryRange that is read in order, page by page, and merged with others.
type mergeSource struct {
	queryRange
	// prefix is what its sort keys begin with; what follows is the place, by which
	// sources are merged.
	prefix string
	// after is the place where a list goes on; what lies exactly there was given
	// before.
	after string
	ready []located
	ended bool
}

// located is an item and its place in the list.
type located struct {
	item  item
	place string
}

// newSource reads the part of q whose sort keys begin with prefix, up to the place
// to ("" is the end), going on after a place ("" is the start).
func newSource(q queryRange, prefix, after, to string) *mergeSource {
	if to == "" {
		to = lastOfAll
	}
	q.from, q.to = prefix+"0", prefix+to // places begin with a year
	t := &mergeSource{queryRange: q, prefix: prefix, after: after}
	t.goOn()
	return t
}

// goOn has the next query begin where after is.
func (t *mergeSource) goOn() {
	if t.after == "" {
		return
	}
	if t.newestFirst {
		t.to = t.prefix + t.after
	} else {
		t.from = t.prefix + t.after
	}
}

// head gives the next item of a mergeSource without taking it; false at its end.
func (t *mergeSource) head(ctx context.Context, s *Store, chunk int) (located, bool, error) {
	for len(t.ready) == 0 && !t.ended {
		t.limit = chunk + 1 // one may be what lies at after
		out, err := s.query(ctx, t.queryRange)
		if err != nil {
			return located{}, false, err
		}
		for _, i := range out.items {
			r := reading{item: i}
			place := strings.TrimPrefix(r.text(t.sortName), t.prefix)
			if r.err != nil {
				return located{}, false, r.err
			}
			if !isPlace(place) {
				// No page could end at it.
				s.tellDamaged(ctx, i, fmt.Errorf("attribute %s is not one that Hatchery writes: %.100q", t.sortName, place))
				continue
			}
			if place != t.after {
				t.ready = append(t.ready, located{i, place})
			}
		}
		t.ended, t.start = out.end == nil, out.end
		if len(t.ready) > 0 {
			t.after = t.ready[len(t.ready)-1].place
			t.start = nil
			t.goOn()
		}
	}
	if len(t.ready) == 0 {
		return located{}, false, nil
	}
	return t.ready[0], true, nil
}

// merge gives the first n items of all sources together.
func (s *Store) merge(ctx context.Context, sources []*mergeSource, n int) ([]located, error) {
	chunk := n/len(sources) + 1
	var merged []located
	for len(merged) < n {
		var next *mergeSource
		var best located
		for _, t := range sources {
			head, there, err := t.head(ctx, s, chunk)
			if err != nil {
				return nil, err
			}
			if there && (next == nil || (head.place < best.place) != t.newestFirst) {
				next, best = t, head
			}
		}
		if next == nil {
			return merged, nil
		}
		merged = append(merged, best)
		next.ready = next.ready[1:]
	}
	return merged, nil
}
