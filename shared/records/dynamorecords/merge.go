package dynamorecords

import (
	"context"
	"fmt"
	"strings"

	"hatchery/shared/upload"
)

// mergeSource is a queryRange that is read in order, page by page, and merged with others.
type mergeSource struct {
	queryRange
	// prefix is what its sort keys begin with; what follows is the position, by which
	// sources are merged.
	prefix string
	// after is the position where a list goes on; what lies exactly there was given before.
	after string
	ready []positioned
	ended bool
}

// positioned is an item and its position in the list.
type positioned struct {
	item     item
	position string
}

// newSource reads the part of q whose sort keys begin with prefix, up to the position to,
// going on after a position ("" is the start).
func newSource(q queryRange, prefix, after, to string) *mergeSource {
	q.from, q.to = prefix+"0", prefix+to // positions begin with a year
	m := &mergeSource{queryRange: q, prefix: prefix}
	m.goOn(after)
	return m
}

// goOn has the next query begin after a position.
func (m *mergeSource) goOn(after string) {
	m.after, m.start = after, nil
	switch {
	case after == "":
	case m.newestFirst:
		m.to = m.prefix + after
	default:
		m.from = m.prefix + after
	}
}

// fill reads on until there is an item, or no more.
func (m *mergeSource) fill(ctx context.Context, s *Store) error {
	for len(m.ready) == 0 && !m.ended {
		out, err := s.query(ctx, m.queryRange)
		if err != nil {
			return err
		}
		for _, i := range out.Items {
			r := reading{item: i}
			position := strings.TrimPrefix(r.text(m.sort), m.prefix)
			if r.err != nil {
				return r.err
			}
			if !isPosition(position) {
				// No page could end at it.
				s.logDamaged(ctx, i, fmt.Errorf("attribute %s is not one that Hatchery writes: %.100q", m.sort, position))
				continue
			}
			if position != m.after {
				m.ready = append(m.ready, positioned{i, position})
			}
		}
		m.ended, m.start = out.LastEvaluatedKey == nil, out.LastEvaluatedKey
		if len(m.ready) > 0 {
			m.goOn(m.ready[len(m.ready)-1].position)
		}
	}
	return nil
}

// merge gives the first limit items of all sources together, and where the list goes on.
func (s *Store) merge(ctx context.Context, sources []*mergeSource, list listID, limit int) (merged []item,
	next upload.Cursor, _ error) {
	var last string
	for {
		var first *mergeSource
		for _, m := range sources {
			// One more than limit is needed, from all together, and one may be what lies at after.
			m.limit = (limit+1)/len(sources) + 2
			if err := m.fill(ctx, s); err != nil {
				return nil, "", err
			}
			if len(m.ready) > 0 && (first == nil || (m.ready[0].position < first.ready[0].position) != m.newestFirst) {
				first = m
			}
		}
		if first == nil {
			return merged, "", nil
		}
		if len(merged) == limit {
			return merged, list.cursor(last), nil
		}
		merged, last = append(merged, first.ready[0].item), first.ready[0].position
		first.ready = first.ready[1:]
	}
}
