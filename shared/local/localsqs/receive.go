package localsqs

import (
	"context"
	"database/sql"
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"hatchery/shared/local/sqlitefile"
)

type receiveMessageInput struct {
	QueueURL                    string `json:"QueueUrl"`
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
	row                     int64
	id, body, bodyMD5       string
	attributes, trace, from sql.NullString
	sent, receives          int64
	firstReceived           sql.NullInt64
}

func (s *Server) receiveMessage(ctx context.Context, r *request, in *receiveMessageInput) (*receiveMessageOutput, error) {
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	set := q.settings.Load()
	count, err := bounded("MaxNumberOfMessages", in.MaxNumberOfMessages, 1, 1, 10)
	if err != nil {
		return nil, err
	}
	visibility, err := bounded("VisibilityTimeout", in.VisibilityTimeout, int64(set.visibility/time.Second), 0, 43200)
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

// bounded is a number of the request, or its default; outside of its bounds it is an error.
func bounded(name string, value *int64, byDefault, least, most int64) (int64, error) {
	if value == nil {
		return byDefault, nil
	}
	if *value < least || *value > most {
		return 0, errInvalidParameter("Value %d for parameter %s is invalid. Reason: Must be between %d and %d, if provided.", *value, name, least, most)
	}
	return *value, nil
}

// await receives up to count messages; when there is none it waits for one, as long as wait by the server's clock.
func (s *Server) await(ctx context.Context, q *queue, count int, visibility, wait time.Duration) ([]*stored, error) {
	if wait == 0 {
		found, _, err := s.take(q, count, visibility)
		return found, err
	}
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
		if next > 0 {
			q.waiters.wakeAt(next, time.UnixMilli(next).Sub(now))
		}
		timer := time.NewTimer(deadline.Sub(now))
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

// take hands out up to count visible messages and moves those that were received too often to the dead letters, all
// in one transaction. When it finds none, next is when the next message becomes due, 0 when there is none.
func (s *Server) take(q *queue, count int, visibility time.Duration) (found []*stored, next int64, err error) {
	now := s.now()
	dead := s.deadLetters(q)
	limit := int64(0)
	if dead != nil {
		limit = q.settings.Load().redrive.maxReceives
	}
	buried := 0
	due := now + visibility.Milliseconds()
	err = s.db.Write(func() error {
		if err := s.expire(q, now); err != nil {
			return err
		}
		for len(found) < count {
			seen, err := s.visible(q, now, count-len(found))
			if err != nil {
				return err
			}
			if len(seen) == 0 {
				break
			}
			var held []int64
			for _, m := range seen {
				if dead != nil && m.receives >= limit {
					if _, err := s.db.bury.ExecContext(uninterrupted, dead.id, q.arn, now, m.row); err != nil {
						return err
					}
					buried++
					continue
				}
				m.receives++
				if !m.firstReceived.Valid {
					m.firstReceived = sql.NullInt64{Int64: now, Valid: true}
				}
				held = append(held, m.row)
				found = append(found, m)
			}
			if err := s.hold(held, now, due); err != nil {
				return err
			}
		}
		if len(found) > 0 {
			return nil
		}
		var soonest sql.NullInt64
		err := s.db.nextDue.QueryRowContext(uninterrupted, q.id).Scan(&soonest)
		next = soonest.Int64
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	if buried > 0 {
		dead.waiters.wake(buried)
	}
	if len(found) > 0 {
		q.waiters.wakeAt(due, visibility)
	}
	return found, next, nil
}

// visible reads up to n messages that can be received. It wants the connection.
func (s *Server) visible(q *queue, now int64, n int) ([]*stored, error) {
	var seen []*stored
	err := sqlitefile.EachOf(s.db.visible, []any{q.id, now, q.cutoff(now), n}, func(row *sql.Rows) (bool, error) {
		m := &stored{}
		if err := row.Scan(&m.row, &m.id, &m.body, &m.bodyMD5, &m.attributes, &m.trace, &m.sent, &m.receives, &m.firstReceived, &m.from); err != nil {
			return false, err
		}
		seen = append(seen, m)
		return true, nil
	})
	return seen, err
}

// hold marks messages as received now and hidden until due. It wants the connection.
func (s *Server) hold(messages []int64, now, due int64) error {
	if len(messages) == 0 {
		return nil
	}
	list, err := json.Marshal(messages)
	if err != nil {
		return err
	}
	_, err = s.db.hold.ExecContext(uninterrupted, now, due, string(list))
	return err
}

// expire frees the room of messages beyond retention, now and then. It wants the connection.
func (s *Server) expire(q *queue, now int64) error {
	last := q.expired.Load()
	if now-last < expireEvery.Milliseconds() {
		return nil
	}
	q.expired.Store(now)
	_, err := s.db.expire.ExecContext(uninterrupted, q.id, q.cutoff(now))
	return err
}

// show is the message as the request wants to see it.
func (m *stored) show(q *queue, in *receiveMessageInput) (receivedMessage, error) {
	out := receivedMessage{MessageID: m.id, Body: m.body, MD5OfBody: m.bodyMD5,
		ReceiptHandle: receipt{q.id, m.row, m.receives, m.id}.String()}
	for _, a := range m.systemAttributes() {
		if wantsSystemAttribute(in, a[0]) {
			if out.Attributes == nil {
				out.Attributes = map[string]string{}
			}
			out.Attributes[a[0]] = a[1]
		}
	}
	if m.attributes.Valid && len(in.MessageAttributeNames) > 0 {
		var all map[string]attributeValue
		if err := json.Unmarshal([]byte(m.attributes.String), &all); err != nil {
			return out, err
		}
		out.MessageAttributes = selectAttributes(all, in.MessageAttributeNames)
		out.MD5OfMessageAttributes = attributesMD5(out.MessageAttributes)
	}
	return out, nil
}

func (m *stored) systemAttributes() [][2]string {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	all := [][2]string{
		{"SenderId", accountID},
		{"SentTimestamp", number(m.sent)},
		{"ApproximateReceiveCount", number(m.receives)},
		{"ApproximateFirstReceiveTimestamp", number(m.firstReceived.Int64)},
	}
	if m.from.Valid {
		all = append(all, [2]string{"DeadLetterQueueSourceArn", m.from.String})
	}
	if m.trace.Valid {
		all = append(all, [2]string{"AWSTraceHeader", m.trace.String})
	}
	return all
}

func wantsSystemAttribute(in *receiveMessageInput, name string) bool {
	for _, list := range [][]string{in.MessageSystemAttributeNames, in.AttributeNames} {
		if slices.Contains(list, name) || slices.Contains(list, "All") {
			return true
		}
	}
	return false
}
