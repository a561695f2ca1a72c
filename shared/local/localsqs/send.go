package localsqs

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"hatchery/shared/local/sqlitefile"
)

// outgoing is a checked message on its way into a queue.
type outgoing struct {
	id         string
	body       string
	bodyMD5    string
	attributes map[string]attributeValue
	trace      string // of X-Ray, the only system attribute a sender may set
	tag        string
	delay      time.Duration
	size       int
}

type sendEntry struct {
	ID                      string `json:"Id"`
	MessageBody             *string
	DelaySeconds            *int64
	MessageAttributes       map[string]attributeValue
	MessageSystemAttributes map[string]attributeValue
	MessageGroupID          *string `json:"MessageGroupId"`
	MessageDeduplicationID  *string `json:"MessageDeduplicationId"`
}

type sendMessageInput struct {
	QueueURL string `json:"QueueUrl"`
	sendEntry
}

type sendMessageOutput struct {
	MessageID                    string `json:"MessageId"`
	MD5OfMessageBody             string
	MD5OfMessageAttributes       string `json:",omitempty"`
	MD5OfMessageSystemAttributes string `json:",omitempty"`
}

// prepare checks one message against SQS's rules and the queue's settings.
func (e *sendEntry) prepare(set *settings) (*outgoing, error) {
	if e.MessageBody == nil {
		return nil, errMissingParameter("MessageBody")
	}
	if err := checkBody(*e.MessageBody); err != nil {
		return nil, err
	}
	if e.MessageGroupID != nil || e.MessageDeduplicationID != nil {
		return nil, errInvalidParameter("MessageGroupId and MessageDeduplicationId are not supported: this endpoint has standard queues only.")
	}
	size, err := checkAttributes(e.MessageAttributes)
	if err != nil {
		return nil, err
	}
	size += len(*e.MessageBody)
	if size > set.maxBytes {
		return nil, errInvalidParameter("One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", set.maxBytes)
	}
	m := &outgoing{body: *e.MessageBody, attributes: e.MessageAttributes, delay: set.delay, size: size}
	if e.DelaySeconds != nil {
		if *e.DelaySeconds < 0 || *e.DelaySeconds > 900 {
			return nil, errInvalidParameter("Value %d for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.", *e.DelaySeconds)
		}
		m.delay = time.Duration(*e.DelaySeconds) * time.Second
	}
	for name, v := range e.MessageSystemAttributes {
		if name != "AWSTraceHeader" || v.DataType != "String" || v.StringValue == nil || !allowedText(*v.StringValue) || len(*v.StringValue) > 1024 {
			return nil, errInvalidParameter("The message system attribute %.100q is invalid; AWSTraceHeader with type String is the one that can be sent.", name)
		}
		m.trace = *v.StringValue
	}
	return m, nil
}

func (m *outgoing) answer(system map[string]attributeValue) sendMessageOutput {
	return sendMessageOutput{m.id, m.bodyMD5, attributesMD5(m.attributes), attributesMD5(system)}
}

// Send puts a message into a queue from within the process, at once visible after the queue's own delay. The tag
// (such as an object's key and version) can be asked for with Holds; "" is none.
func (s *Server) Send(_ context.Context, queue, body, tag string) error {
	err := func() error {
		q, err := s.lookup(queue)
		if err != nil {
			return err
		}
		entry := sendEntry{MessageBody: &body}
		m, err := entry.prepare(q.settings.Load())
		if err != nil {
			return err
		}
		m.tag = tag
		return s.send(q, []*outgoing{m})
	}()
	if err != nil {
		return fmt.Errorf("send to queue %q: %w", queue, err)
	}
	return nil
}

// Holds reports whether a message with that tag is in the queue or in its dead-letter queue, visible or not.
func (s *Server) Holds(_ context.Context, queue, tag string) (bool, error) {
	q, err := s.lookup(queue)
	if err != nil {
		return false, fmt.Errorf("look into queue %q: %w", queue, err)
	}
	places := []*queueAt{{q, q.cutoff(s.now())}}
	if dead := s.deadLetters(q); dead != nil {
		places = append(places, &queueAt{dead, dead.cutoff(s.now())})
	}
	var found bool
	err = s.db.Alone(func() error {
		for _, p := range places {
			if err := s.db.holds.QueryRowContext(uninterrupted, tag, p.queue.id, p.cutoff).Scan(&found); err != nil || found {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("look into queue %q: %w", queue, err)
	}
	return found, nil
}

type queueAt struct {
	queue  *queue
	cutoff int64
}

// send gives the messages their ids, stores them in one transaction and wakes receivers.
func (s *Server) send(q *queue, messages []*outgoing) error {
	now := s.now()
	rows := make([]insertion, len(messages))
	immediate := 0
	for i, m := range messages {
		m.id = uuid.NewString()
		m.bodyMD5 = hexMD5(m.body)
		attributes, err := encodeAttributes(m.attributes)
		if err != nil {
			return err
		}
		rows[i] = insertion{q.id, m.id, m.body, m.bodyMD5, attributes, optional(m.trace), optional(m.tag), now, now + m.delay.Milliseconds()}
		if m.delay == 0 {
			immediate++
		}
	}
	var err error
	if len(rows) == 1 {
		err = s.db.Alone(rows[0].into(s.db))
	} else {
		err = s.db.Write(func() error {
			for _, r := range rows {
				if err := r.into(s.db)(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if sqlitefile.IsForeignKey(err) {
		return errQueueDoesNotExist()
	}
	if err != nil {
		return err
	}
	for i, m := range messages {
		if m.delay > 0 {
			q.waiters.wakeAt(rows[i].due, m.delay)
		}
	}
	q.waiters.wake(immediate)
	return nil
}

// insertion is a row of the message table that was never received.
type insertion struct {
	queue             int64
	id, body, bodyMD5 string
	attributes        sql.NullString
	trace, tag        sql.NullString
	sent, due         int64
}

func (r insertion) into(d *database) func() error {
	return func() error {
		_, err := d.insert.ExecContext(uninterrupted, r.queue, r.id, r.body, r.bodyMD5, r.attributes, r.trace, r.tag, r.sent, r.due)
		return err
	}
}

func optional(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }

func encodeAttributes(attributes map[string]attributeValue) (sql.NullString, error) {
	if len(attributes) == 0 {
		return sql.NullString{}, nil
	}
	text, err := json.Marshal(attributes)
	return optional(string(text)), err
}
