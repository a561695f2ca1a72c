package localsqs

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// queue is one queue as the server knows it. Its messages are in the file; what is here is what every call needs.
type queue struct {
	id       int64
	name     string
	arn      string
	created  int64
	modified atomic.Int64
	settings atomic.Pointer[settings]
	waiters  waiters
	gone     chan struct{} // closed when the queue is deleted

	expired atomic.Int64 // when messages beyond retention were last removed
	purged  atomic.Int64 // when PurgeQueue last ran
}

// queueNames is SQS's rule; FIFO names end in .fifo and are refused by it.
var queueNames = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

const (
	// recreateAfter is how long SQS keeps the name of a deleted queue, purgeAgain how long it wants between purges.
	recreateAfter = 60 * time.Second
	purgeAgain    = 60 * time.Second
	// expireEvery bounds how often receiving looks for messages beyond retention. They are never given out: this
	// only frees their room.
	expireEvery = time.Second
)

func (s *Server) loadQueues() error {
	return s.db.alone(func(c *connection) error {
		return c.each(`SELECT id, name, attributes, created, modified FROM queue`, nil, func(row *sql.Rows) error {
			var id, created, modified int64
			var name, attributes string
			if err := row.Scan(&id, &name, &attributes, &created, &modified); err != nil {
				return err
			}
			var raw map[string]string
			err := json.Unmarshal([]byte(attributes), &raw)
			if err == nil {
				var set *settings
				set, err = parseSettings(raw)
				s.queues[name] = s.newQueue(id, name, set, created, modified)
			}
			if err != nil {
				return fmt.Errorf("attributes of queue %q: %w", name, err)
			}
			return nil
		})
	})
}

func (s *Server) newQueue(id int64, name string, set *settings, created, modified int64) *queue {
	q := &queue{id: id, name: name, arn: s.QueueARN(name), created: created, gone: make(chan struct{})}
	q.settings.Store(set)
	q.modified.Store(modified)
	return q
}

// CreateQueue makes a queue with SQS attributes. On a queue that exists it applies the given attributes, unlike the
// wire call, which refuses other values: a program that starts again with new settings gets them.
func (s *Server) CreateQueue(_ context.Context, name string, attributes map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if q := s.queues[name]; q != nil {
		err = s.changeQueue(q, attributes)
	} else {
		_, err = s.makeQueue(name, attributes)
	}
	if err != nil {
		return fmt.Errorf("create queue %q: %w", name, err)
	}
	return nil
}

// makeQueue wants s.mu held for writing.
func (s *Server) makeQueue(name string, attributes map[string]string) (*queue, error) {
	if !queueNames.MatchString(name) {
		return nil, errInvalidParameter(
			"Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	now := s.now()
	if at, ok := s.deleted[name]; ok && now < at+recreateAfter.Milliseconds() {
		return nil, modelled("QueueDeletedRecently",
			"You must wait 60 seconds after deleting a queue before you can create another with the same name.")
	}
	set, raw, err := s.readSettings(s.QueueARN(name), attributes)
	if err != nil {
		return nil, err
	}
	result, err := s.db.exec(`INSERT INTO queue (name, attributes, created, modified) VALUES (?, ?, ?, ?)`,
		name, raw, now, now)
	if err != nil {
		return nil, err
	}
	id, err := result.LastInsertId()
	if err != nil {
		return nil, err
	}
	q := s.newQueue(id, name, set, now, now)
	s.queues[name] = q
	delete(s.deleted, name)
	return q, nil
}

// changeQueue applies attributes over those the queue has. It wants s.mu held for writing.
func (s *Server) changeQueue(q *queue, attributes map[string]string) error {
	all := maps.Clone(q.settings.Load().raw)
	maps.Copy(all, attributes)
	set, raw, err := s.readSettings(q.arn, all)
	if err != nil {
		return err
	}
	now := s.now()
	if _, err = s.db.exec(`UPDATE queue SET attributes = ?, modified = ? WHERE id = ?`, raw, now, q.id); err != nil {
		return err
	}
	q.settings.Store(set)
	q.modified.Store(now)
	return nil
}

// readSettings checks attributes, the dead-letter queue they name included, and returns them read and as JSON.
// It wants s.mu held.
func (s *Server) readSettings(arn string, attributes map[string]string) (*settings, string, error) {
	set, err := parseSettings(attributes)
	if err != nil {
		return nil, "", err
	}
	if set.redrive != nil {
		reason := ""
		switch target := s.byARN(set.redrive.targetARN); {
		case target == nil:
			reason = "Dead letter target does not exist."
		case target.arn == arn:
			reason = "a queue cannot be its own dead letter target."
		case !target.settings.Load().allow.permits(arn):
			reason = "the dead letter target's RedriveAllowPolicy does not permit this queue."
		}
		if reason != "" {
			return nil, "", errInvalidParameter("Value for parameter RedrivePolicy is invalid. Reason: %s", reason)
		}
	}
	raw, err := json.Marshal(set.raw)
	if err != nil {
		return nil, "", err
	}
	return set, string(raw), nil
}

// byARN wants s.mu held; nil is no such queue.
func (s *Server) byARN(arn string) *queue {
	name, ok := strings.CutPrefix(arn, s.QueueARN(""))
	if !ok {
		return nil
	}
	return s.queues[name]
}

// lookup finds a queue by name, or is QueueDoesNotExist.
func (s *Server) lookup(name string) (*queue, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if q := s.queues[name]; q != nil {
		return q, nil
	}
	return nil, errQueueDoesNotExist()
}

// deadLetters is the queue that q's redrive policy names, nil without one or when it was deleted since.
func (s *Server) deadLetters(q *queue) *queue {
	policy := q.settings.Load().redrive
	if policy == nil {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.byARN(policy.targetARN)
}

// sources are the queues that use q for dead letters, by name.
func (s *Server) sources(q *queue) []*queue {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []*queue
	for _, other := range s.queues {
		if p := other.settings.Load().redrive; p != nil && p.targetARN == q.arn {
			found = append(found, other)
		}
	}
	slices.SortFunc(found, func(a, b *queue) int { return strings.Compare(a.name, b.name) })
	return found
}

// cutoff is the enqueue time at or before which q's messages are beyond retention.
func (q *queue) cutoff(now int64) int64 { return now - q.settings.Load().retention.Milliseconds() }
