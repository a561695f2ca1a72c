package localsqs

import (
	"context"
	"database/sql"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
)

type receiveMessageInput struct {
	queueInput
	AttributeNames              []string
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
	MaxNumberOfMessages         *int64
	VisibilityTimeout           *int64
	WaitTimeSeconds             *int64
}

type receivedMessage struct {
	MessageID              string `json:"MessageId"`
	ReceiptHandle          string
	Body                   string
	MD5OfBody              string
	Attributes             map[string]string         `json:",omitempty"`
	MessageAttributes      map[string]attributeValue `json:",omitempty"`
	MD5OfMessageAttributes string                    `json:",omitempty"`
}

type receiveMessageOutput struct {
	Messages []receivedMessage `json:",omitempty"`
}

// stored is a message as a receive found it; receives and firstReceived include this receive.
type stored struct {
	row                           int64
	id, body, bodyMD5             string
	attributes, trace, source     string
	sent, receives, firstReceived int64
}

func (s *Server) receiveMessage(ctx context.Context, r *request, in *receiveMessageInput) (
	*receiveMessageOutput, error) {
	q := r.queue
	set := q.settings.Load()
	count, err := bounded("MaxNumberOfMessages", in.MaxNumberOfMessages, 1, 1, 10)
	if err != nil {
		return nil, err
	}
	visibility, err := bounded("VisibilityTimeout", in.VisibilityTimeout, queuesOwn, 0, 43200)
	if err != nil {
		return nil, err
	}
	wait, err := bounded("WaitTimeSeconds", in.WaitTimeSeconds, int64(set.wait/time.Second), 0, 20)
	if err != nil {
		return nil, err
	}
	r.extend(time.Duration(wait) * time.Second)
	found, err := s.await(ctx, q, int(count), time.Duration(visibility)*time.Second, time.Duration(wait)*time.Second)
	if err != nil {
		return nil, err
	}
	out := &receiveMessageOutput{}
	for _, m := range found {
		shown, err := m.show(q, in)
		if err != nil {
			return nil, err
		}
		out.Messages = append(out.Messages, shown)
	}
	return out, nil
}

// queuesOwn is the visibility timeout that the queue has when a message is handed out: it may change while a receive
// waits.
const queuesOwn = -1

// bounded is a number of the request, or its default; outside of its bounds it is an error.
func bounded(name string, value *int64, byDefault, low, high int64) (int64, error) {
	if value == nil {
		return byDefault, nil
	}
	if *value < low || *value > high {
		return 0, errInvalidParameter("Value %d for parameter %s is invalid. Reason: Must be between %d and %d, if provided.",
			*value, name, low, high)
	}
	return *value, nil
}

// await receives up to count messages; when there is none it waits for one, as long as wait by the server's clock.
func (s *Server) await(ctx context.Context, q *queue, count int, visibility, wait time.Duration) ([]*stored, error) {
	deadline := s.options.Now().Add(wait)
	w := newWaiter()
	defer q.waiters.leave(w)
	for {
		q.waiters.join(w)
		found, next, err := s.take(q, count, visibility)
		if err != nil || len(found) > 0 {
			return found, err
		}
		now := s.options.Now()
		if !now.Before(deadline) || s.stopped.Err() != nil {
			return nil, nil
		}
		left := deadline.Sub(now)
		if next > 0 {
			left = min(left, time.UnixMilli(next).Sub(now))
		}
		// One millisecond is the clock's grain; a frozen clock must not make this spin.
		timer := time.NewTimer(max(left, time.Millisecond))
		select {
		case <-w.woken:
		case <-timer.C:
		case <-s.stopped.Done():
		case <-q.gone:
			err = errQueueDoesNotExist()
		case <-ctx.Done():
			err = ctx.Err()
		}
		timer.Stop()
		if err != nil {
			return nil, err
		}
	}
}

// The queries that run for every poll; each has its index.
const (
	sqlVisible = `SELECT id, message_id, body, body_md5, coalesce(attributes, ''), coalesce(trace, ''), sent, receives,
			coalesce(first_received, ?), coalesce(source, '')
		FROM message WHERE queue = ? AND due <= ? AND sent > ? ORDER BY due, id LIMIT ?`
	sqlHide = `UPDATE message SET receives = receives + 1, received = ?1, due = ?2,
		first_received = coalesce(first_received, ?1) WHERE id = ?3`
	sqlBury    = `UPDATE message SET queue = ?, source = ?, due = ?, received = NULL WHERE id = ?`
	sqlNextDue = `SELECT coalesce(min(due), 0) FROM message WHERE queue = ?`
	sqlExpire  = `DELETE FROM message WHERE queue = ? AND sent <= ?`
)

// take hands out up to count visible messages and moves those that were received too often to the dead letters, all
// in one transaction. When it finds none, next is when the next message becomes due, 0 when there is none.
func (s *Server) take(q *queue, count int, visibility time.Duration) (found []*stored, next int64, err error) {
	now := s.now()
	dead := s.deadLetters(q)
	limit := int64(0)
	if dead != nil {
		limit = q.settings.Load().redrive.maxReceives
	}
	if visibility < 0 { // queuesOwn
		visibility = q.settings.Load().visibility
	}
	buried := 0
	due := now + visibility.Milliseconds()
	err = s.db.write(func(c *connection) error {
		if err := q.expire(c, now); err != nil {
			return err
		}
		taken := map[int64]bool{} // with a visibility of 0 they can be seen again at once
		for more := true; more && len(found) < count; {
			seen, err := q.visible(c, now, count)
			if err != nil {
				return err
			}
			more = false
			for _, m := range seen {
				if taken[m.row] || len(found) == count {
					continue
				}
				taken[m.row], more = true, true
				if dead != nil && m.receives >= limit {
					_, err = c.exec(sqlBury, dead.id, q.arn, now, m.row)
					buried++
				} else {
					_, err = c.exec(sqlHide, now, due, m.row)
					m.receives++
					found = append(found, m)
				}
				if err != nil {
					return err
				}
			}
		}
		if len(found) > 0 {
			return nil
		}
		return c.row(sqlNextDue, []any{q.id}, &next)
	})
	if err != nil {
		return nil, 0, err
	}
	if buried > 0 {
		dead.waiters.wake(buried)
	}
	if len(found) > 0 {
		q.waiters.wakeAll() // for the due time of what is hidden
	}
	return found, next, nil
}

// visible reads up to n messages that can be received.
func (q *queue) visible(c *connection, now int64, n int) (seen []*stored, err error) {
	err = c.each(sqlVisible, []any{now, q.id, now, q.cutoff(now), n}, func(row *sql.Rows) error {
		m := &stored{}
		seen = append(seen, m)
		return row.Scan(&m.row, &m.id, &m.body, &m.bodyMD5, &m.attributes, &m.trace, &m.sent, &m.receives,
			&m.firstReceived, &m.source)
	})
	return seen, err
}

// expire frees the room of messages beyond retention, now and then.
func (q *queue) expire(c *connection, now int64) error {
	if now-q.expired.Load() < expireEvery.Milliseconds() {
		return nil
	}
	q.expired.Store(now)
	_, err := c.exec(sqlExpire, q.id, q.cutoff(now))
	return err
}

// show is the message as the request wants to see it.
func (m *stored) show(q *queue, in *receiveMessageInput) (receivedMessage, error) {
	id, err := uuid.Parse(m.id)
	if err != nil {
		return receivedMessage{}, err
	}
	out := receivedMessage{MessageID: m.id, Body: m.body, MD5OfBody: m.bodyMD5,
		ReceiptHandle: receipt{q.id, m.row, m.receives, id}.String()}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	out.Attributes = map[string]string{
		"SenderId":                         accountID,
		"SentTimestamp":                    number(m.sent),
		"ApproximateReceiveCount":          number(m.receives),
		"ApproximateFirstReceiveTimestamp": number(m.firstReceived),
		"DeadLetterQueueSourceArn":         m.source,
		"AWSTraceHeader":                   m.trace,
	}
	wanted := slices.Concat(in.MessageSystemAttributeNames, in.AttributeNames)
	all := slices.Contains(wanted, "All")
	maps.DeleteFunc(out.Attributes, func(name, value string) bool {
		return value == "" || !all && !slices.Contains(wanted, name)
	})
	if m.attributes != "" && len(in.MessageAttributeNames) > 0 {
		var all map[string]attributeValue
		if err := json.Unmarshal([]byte(m.attributes), &all); err != nil {
			return out, err
		}
		out.MessageAttributes = selectAttributes(all, in.MessageAttributeNames)
		out.MD5OfMessageAttributes = attributesMD5(out.MessageAttributes)
	}
	return out, nil
}
