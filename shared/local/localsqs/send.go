package localsqs

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

// outgoing is a checked message on its way into a queue.
type outgoing struct {
	sendMessageOutput
	body, attributes string // attributes in JSON
	trace            string // of X-Ray, the only system attribute a sender may set
	tag              string
	delay            time.Duration
	size             int
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
	queueInput
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
		return nil, errInvalidParameter(
			"MessageGroupId and MessageDeduplicationId are not supported: this endpoint has standard queues only.")
	}
	size, err := checkAttributes(e.MessageAttributes)
	if err != nil {
		return nil, err
	}
	size += len(*e.MessageBody)
	if size > set.maxBytes {
		return nil, errInvalidParameter(
			"One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", set.maxBytes)
	}
	m := &outgoing{body: *e.MessageBody, delay: set.delay, size: size, sendMessageOutput: sendMessageOutput{
		uuid.NewString(), hexMD5(*e.MessageBody), attributesMD5(e.MessageAttributes),
		attributesMD5(e.MessageSystemAttributes)}}
	if e.DelaySeconds != nil {
		if *e.DelaySeconds < 0 || *e.DelaySeconds > 900 {
			return nil, errInvalidParameter("Value %d for parameter DelaySeconds is invalid. "+
				"Reason: DelaySeconds must be >= 0 and <= 900.", *e.DelaySeconds)
		}
		m.delay = time.Duration(*e.DelaySeconds) * time.Second
	}
	for name, v := range e.MessageSystemAttributes {
		if name != "AWSTraceHeader" || v.DataType != "String" || v.StringValue == nil ||
			!allowedText(*v.StringValue) || len(*v.StringValue) > 1024 {
			return nil, errInvalidParameter("The message system attribute %.100q is invalid; "+
				"AWSTraceHeader with type String is the one that can be sent.", name)
		}
		m.trace = *v.StringValue
	}
	if len(e.MessageAttributes) > 0 {
		text, err := json.Marshal(e.MessageAttributes)
		if err != nil {
			return nil, err
		}
		m.attributes = string(text)
	}
	return m, nil
}

func (s *Server) sendMessage(_ context.Context, r *request, in *sendMessageInput) (*sendMessageOutput, error) {
	m, err := in.prepare(r.queue.settings.Load())
	if err != nil {
		return nil, err
	}
	return &m.sendMessageOutput, s.send(r.queue, m)
}

// Send puts a message into a queue from within the process, at once visible after the queue's own delay. The tag
// (such as an object's key and version) can be asked for with Holds; "" is what Options.Tag gives.
func (s *Server) Send(_ context.Context, queue, body, tag string) error {
	q, err := s.lookup(queue)
	if err == nil {
		var m *outgoing
		entry := sendEntry{MessageBody: &body}
		if m, err = entry.prepare(q.settings.Load()); err == nil {
			m.tag = tag
			err = s.send(q, m)
		}
	}
	if err != nil {
		return fmt.Errorf("send to queue %q: %w", queue, err)
	}
	return nil
}

// sqlHolds names its index: SQLite, which has no statistics here, would look for a tag among all messages of the queue.
const sqlHolds = `SELECT EXISTS (SELECT 1 FROM message INDEXED BY message_tag WHERE tag = ? AND queue = ? AND sent > ?)`

// Holds reports whether a message with that tag is in the queue or in its dead-letter queue, visible or not.
func (s *Server) Holds(_ context.Context, queue, tag string) (found bool, err error) {
	q, err := s.lookup(queue)
	if err != nil {
		return false, fmt.Errorf("look into queue %q: %w", queue, err)
	}
	dead, now := s.deadLetters(q), s.now()
	err = s.db.alone(func(c *connection) error {
		err := c.row(sqlHolds, []any{tag, q.id, q.cutoff(now)}, &found)
		if err == nil && !found && dead != nil {
			err = c.row(sqlHolds, []any{tag, dead.id, dead.cutoff(now)}, &found)
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("look into queue %q: %w", queue, err)
	}
	return found, nil
}

const sqlInsert = `INSERT INTO message (queue, message_id, body, body_md5, attributes, trace, tag, sent, due)
	VALUES (?, ?, ?, ?, nullif(?, ''), nullif(?, ''), nullif(?, ''), ?, ?)`

// send stores messages in one transaction and wakes receivers.
func (s *Server) send(q *queue, messages ...*outgoing) error {
	now := s.now()
	err := s.db.write(func(c *connection) error {
		for _, m := range messages {
			if m.tag == "" && s.options.Tag != nil {
				m.tag = s.options.Tag(m.body)
			}
			_, err := c.exec(sqlInsert, q.id, m.MessageID, m.body, m.MD5OfMessageBody, m.attributes, m.trace, m.tag,
				now, now+m.delay.Milliseconds())
			if err != nil {
				return err
			}
		}
		return nil
	})
	if isForeignKey(err) {
		return errQueueDoesNotExist()
	}
	if err != nil {
		return err
	}
	if slices.ContainsFunc(messages, func(m *outgoing) bool { return m.delay > 0 }) {
		q.waiters.wakeAll() // for another due time
	}
	q.waiters.wake(len(messages))
	return nil
}
